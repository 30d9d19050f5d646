"""Tests of core/web/server."""
