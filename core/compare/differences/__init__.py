"""What really differs between Keras and PyTorch: a catalogue, one row a default, and the checklist made of it."""
