"""Tests of the served dashboard in a real Chromium, and in a real Firefox."""
