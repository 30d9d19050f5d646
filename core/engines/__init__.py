"""The ways to train the network, one file each; `core.engines.base` is the contract they all keep."""
