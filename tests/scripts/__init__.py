"""Tests of scripts and probes as their readers and the Launcher run them: the real frameworks, a process each."""
