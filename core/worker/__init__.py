"""One lane: the process that trains, tests and predicts in one framework."""
