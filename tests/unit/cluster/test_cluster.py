"""What a cluster's client and its nodes do without Ray: addresses, versions, and what waits to be taken."""

import hashlib
import queue
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from core.cluster.__main__ import NOT_INSTALLED, Cluster, DamagedFile, NoCluster, check_address, differences, work
from core.cluster.node import TAKE_S, Outgoing
from core.protocol.messages import Failed
from core.storage.database import State
from core.storage.rows import Entry, RunChanged
from tests.events import result


def test_versions_that_differ_are_named() -> None:
    ours = {"Python": "3.11.7", "ray": "2.60.0", "torch": "2.14.1"}
    assert differences("b", ours, ours) == ""
    theirs = {"Python": "3.11.7", "ray": "2.60.0"}
    assert differences("b", theirs, ours) == "b is not used, for its versions differ: torch is missing (here 2.14.1)."


@pytest.mark.parametrize("address", ["here", "ray://", "host:port", "host:99999"])
def test_an_address_that_cannot_be_one_is_refused(address: str) -> None:
    with pytest.raises(NoCluster, match=r"^it must be auto, ray://HOST:10001 or HOST:6379$"):
        check_address(address)


def test_rows_wait_in_their_order_and_a_result_brings_its_files(tmp_path: Path) -> None:
    outgoing = Outgoing(tmp_path)
    outgoing.append([Entry("", RunChanged(State.RUNNING))])
    for name in ("w.safetensors", "p.npz", "keras.log"):
        (tmp_path / name).write_text(name)
    outgoing.append([Entry("keras", result())])
    batch = outgoing.take()
    assert [(engine, kind) for engine, kind, _ in batch.rows] == [("", "run"), ("keras", "result")]
    assert set(batch.files) == {"w.safetensors", "p.npz"}
    assert batch.files["p.npz"] == (hashlib.sha256(b"p.npz").hexdigest(), b"p.npz")
    assert not batch.ended
    outgoing.end()
    last = outgoing.take()
    assert (last.rows, set(last.files), last.ended) == ([], {"keras.log"}, True), "nothing twice"


def test_taking_waits_a_moment_and_no_longer(tmp_path: Path) -> None:
    began = time.monotonic()
    assert Outgoing(tmp_path).take().rows == []
    assert time.monotonic() - began >= TAKE_S


def test_a_file_that_arrives_damaged_is_not_kept(tmp_path: Path) -> None:
    with pytest.raises(DamagedFile, match=r"^w\.safetensors arrived damaged$"):
        Cluster._keep(tmp_path, {"w.safetensors": (hashlib.sha256(b"whole").hexdigest(), b"torn")})
    assert list(tmp_path.iterdir()) == []
    Cluster._keep(tmp_path, {"../w.safetensors": (hashlib.sha256(b"whole").hexdigest(), b"whole")})
    assert [path.name for path in tmp_path.iterdir()] == ["w.safetensors"], "in its folder, whatever it is called"


def test_without_ray_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[Any] = []

    class Sent:
        send = staticmethod(sent.append)

    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setitem(sys.modules, "ray", None)
    assert work("auto", Sent(), queue.SimpleQueue()) == 1  # type: ignore[arg-type]
    assert sent == [Failed(NOT_INSTALLED)]
