"""Tests of core/learn."""
