"""The only writer: queue, turns, runs and measurements in progress, predictors."""
