"""Tests of core/launcher."""
