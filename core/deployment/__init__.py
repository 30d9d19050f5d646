"""Where and for whom an installation runs: folders, profile, limits, log."""
