"""Tests of workers, launcher and command line as real processes."""
