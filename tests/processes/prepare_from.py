"""core.data.prepare with torchvision pointed at a small server: `python -m tests.processes.prepare_from ...`.

The published checksums and counts do not fit fabricated files, so this program replaces torchvision's
`mirrors` and `resources` and our catalogue's counts before it calls core.data.prepare. What is not an option of
its own goes to that.
"""

import argparse
import dataclasses
import functools
import gzip
import hashlib
import json
import os
import resource
from pathlib import Path
from typing import Any

import numpy as np

from core.data import prepare
from core.data.cifar import ARCHIVE
from core.data.datasets import DATASETS
from core.protocol.lines import encode
from core.protocol.messages import PreparationEvent
from core.protocol.stdio import leave
from tests.cifar_files import archive, batches

SILENCE_LIMIT_S = 1.5


@functools.cache
def idx_files(train_images: int = 60, test_images: int = 20) -> dict[str, bytes]:
    """The four .gz files of a fabricated MNIST by name: noise, with labels that go round the ten classes."""
    noise = np.random.default_rng(0)
    files = {}
    for part, count in (("train", train_images), ("t10k", test_images)):
        images = noise.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        labels = (np.arange(count) % 10).astype(np.uint8)
        files[f"{part}-images-idx3-ubyte.gz"] = gzip.compress(idx(images), mtime=0)
        files[f"{part}-labels-idx1-ubyte.gz"] = gzip.compress(idx(labels), mtime=0)
    return files


def idx(values: np.ndarray) -> bytes:
    """Unsigned bytes in the IDX format."""
    return bytes([0, 0, 8, values.ndim]) + np.array(values.shape, ">u4").tobytes() + values.tobytes()


SMALL_MNIST = dataclasses.replace(
    DATASETS["mnist"], train_images=60, test_images=20, download_bytes=sum(map(len, idx_files().values()))
)


SMALL_CIFAR = dataclasses.replace(
    DATASETS["cifar10"], train_images=60, test_images=20, download_bytes=len(archive(batches()))
)


def tree(folder: Path) -> list[str]:
    """All files below `folder`, without the empty lock files."""
    paths = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir())
    return sorted(path for path in paths if not path.endswith(".lock"))


def shrink(mirrors: list[str]) -> None:
    """Let torchvision and the catalogue know the fabricated MNIST and CIFAR-10, to be had from `mirrors`."""
    import torchvision

    names = [f"{name}.gz" for name in prepare.IDX_FILES]
    torchvision.datasets.MNIST.mirrors = mirrors
    torchvision.datasets.MNIST.resources = [(name, hashlib.md5(idx_files()[name]).hexdigest()) for name in names]
    DATASETS["mnist"] = SMALL_MNIST
    torchvision.datasets.CIFAR10.url = mirrors[0] + ARCHIVE
    torchvision.datasets.CIFAR10.tgz_md5 = hashlib.md5(archive(batches())).hexdigest()
    DATASETS["cifar10"] = SMALL_CIFAR


def try_one_after_another(tries: list[dict[str, Any]]) -> None:
    """Prepare a small data set once for each of `tries`, and print what came of it as a line of JSON.

    All in one process, because importing torchvision takes seconds.
    """
    for attempt in tries:
        shrink(attempt["mirrors"])
        data_dir = Path(attempt["data_dir"])
        events: list[PreparationEvent] = []
        dataset = DATASETS[attempt.get("dataset", "mnist")]
        status = prepare.run(dataset, data_dir, None, SILENCE_LIMIT_S, events.append)
        print(json.dumps({"status": status, "last": encode(events[-1]), "tree": tree(data_dir)}))


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--tries", type=json.loads)
    parser.add_argument("--mirror", action="append")
    parser.add_argument("--file-limit-bytes", type=int)
    parser.add_argument("--unprivileged", action="store_true")
    options, rest = parser.parse_known_args()
    if options.tries:
        try_one_after_another(options.tries)
        return 0
    if options.mirror:
        shrink(options.mirror)
    if options.file_limit_bytes:
        resource.setrlimit(resource.RLIMIT_FSIZE, (options.file_limit_bytes,) * 2)
    if options.unprivileged and os.getuid() == 0:
        import filelock  # noqa: F401  (the interpreter's folder may be closed to that account)

        os.setgid(65534)
        os.setuid(65534)
    return prepare.main(rest)


if __name__ == "__main__":
    leave(main())
