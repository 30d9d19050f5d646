"""Data sets: the catalogue, their preparation, and pictures that become network inputs."""
