"""The ways to train the network, one file each; `core.worker.engines.base` is the contract they all keep."""
