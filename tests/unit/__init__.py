"""Tests of one module at a time, without frameworks, processes or a browser."""
