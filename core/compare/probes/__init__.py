"""Probes: the programs that measure a claim's evidence, one file each, and the one that runs a lesson's scripts."""
