"""How a run is shown, on whatever page."""
