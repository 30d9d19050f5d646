"""What every page may draw with."""
