"""The worker without a framework."""
