"""What is compared: settings, network, weights, metrics, and what makes two lanes comparable."""
