"""The program that meets a Ray cluster for the Launcher, and what runs on the cluster's nodes."""
