"""Tests of core/web/compare."""
