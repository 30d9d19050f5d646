"""Tests of core/protocol."""
