"""Ray clusters of local nodes for tests: with a token, without a dashboard, and with a folder that goes with them."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.processes.conftest import MARK, MARKED, wait_for


def token_on(folder: str) -> dict[str, str]:
    """The environment of a cluster whose own files lie in a folder."""
    return {
        **{"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "0123456789abcdef" * 4, "RAY_TMPDIR": folder},
        **{"RAY_USAGE_STATS_ENABLED": "0", "RAY_worker_niceness": "0", MARK: MARKED},
    }


def left_of(folder: str) -> list[psutil.Process]:
    """The processes of a cluster that are still there: each has its folder in its environment."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            of_it = process.environ().get("RAY_TMPDIR") == folder and process.pid != os.getpid()
            if of_it and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


@contextlib.contextmanager
def folder_of_a_cluster() -> Iterator[str]:
    """A folder with a short name, since sockets lie in it, and its environment; gone in the end, as its processes."""
    folder = tempfile.mkdtemp(prefix="ray-")
    with pytest.MonkeyPatch.context() as patched:
        for name, value in token_on(folder).items():
            patched.setenv(name, value)
        try:
            yield folder
            wait_for("no process of the cluster is left", lambda: not left_of(folder), within_s=30)
        finally:
            for process in left_of(folder):
                with contextlib.suppress(psutil.Error):
                    process.kill()
            shutil.rmtree(folder, ignore_errors=True)


class LocalNodes:
    """A head without processors, and nodes on this machine that come and go."""

    def __init__(self, cluster: Any, folder: Path, datasets: Path) -> None:
        self.cluster, self.address, self._folder, self._datasets = cluster, cluster.address, folder, datasets
        self.count = 0
        """How many were added."""

    def add(self, name: str, environment: Mapping[str, str] = {}, prepared: bool = True) -> Any:
        """A node of one processor with a data folder of its own, in which mnist5k is prepared, or not."""
        self.count += 1
        data = self._folder / f"{self.count}-{name}"
        data.mkdir()
        if prepared:
            (data / "datasets").symlink_to(self._datasets)
        env_vars = {"DUEL_DATA_DIR": str(data), "DUEL_FAKE_ENGINES": "1", **environment}
        return self.cluster.add_node(num_cpus=1, node_name=name, env_vars=env_vars)

    def remove(self, node: Any) -> None:
        """As if its machine lost its power."""
        self.cluster.remove_node(node, allow_graceful=False)


@contextlib.contextmanager
def local_nodes(folder: Path, datasets: Path) -> Iterator[LocalNodes]:
    """A cluster, with data folders below `folder`; `datasets` holds the prepared ones."""
    with folder_of_a_cluster():
        from ray.cluster_utils import Cluster

        cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
        try:
            yield LocalNodes(cluster, folder, datasets)
        finally:
            cluster.shutdown()
