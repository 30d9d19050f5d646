"""Tests of the served dashboard in a real Chromium."""
