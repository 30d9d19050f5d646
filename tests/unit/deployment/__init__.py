"""Tests of core/deployment."""
