"""Keras on TensorFlow without a graph: every operation is called from Python, as in PyTorch."""

from types import MappingProxyType

from core.worker.engines.keras import KerasEngine


class KerasEagerEngine(KerasEngine):
    """`keras-eager`: `run_eagerly=True`, which Keras' users switch on to debug; nothing else differs from `keras`."""

    compile_options = MappingProxyType({"run_eagerly": True})


ENGINE = KerasEagerEngine
