"""Tests of core/web/train."""
