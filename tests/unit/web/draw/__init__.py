"""Tests of core/web/draw."""
