"""Tests of core/web/elements."""
