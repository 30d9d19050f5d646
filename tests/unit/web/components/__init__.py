"""Tests of core/web/components."""
