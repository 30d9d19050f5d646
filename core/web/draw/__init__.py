"""What the Draw page draws."""
