"""What is kept: runs, measurements, and whether they can be what they claim."""
