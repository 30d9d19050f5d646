"""Tests of every engine against its contract and the fairness certificate, with the real frameworks."""
