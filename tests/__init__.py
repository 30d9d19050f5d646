"""The tests, in layers from quick to slow: unit, engines, processes, pages, browser."""
