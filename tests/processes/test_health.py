"""Health, seen from outside: `python -m core health` beside a process that trains, and where nobody serves."""

import json
from pathlib import Path

import psutil

from tests.processes.conftest import Spawn


def test_health_names_who_serves_what_runs_and_its_processes(spawn: Spawn, data_dir: Path) -> None:
    settings = {"engines": ["fake-slow"], "epochs": 30, "batch_size": 600}
    serving = spawn("tests.processes.launch", json.dumps(settings))
    assert serving.stdout is not None
    held = json.loads(serving.stdout.readline())["held"]
    while json.loads(serving.stdout.readline())["kind"] != "step":
        pass
    asked = spawn("core", "health", "--json")
    out, err = asked.communicate(timeout=60)
    assert (asked.returncode, err) == (0, "")
    found = json.loads(out)
    assert found["ok"]
    assert (found["holder"]["owner"], found["holder"]["pid"]) == ("the dashboard", held)
    assert len(found["running"]) == 1
    assert found["waiting"] == []
    assert [one["what"] for one in found["processes"]] == ["the dashboard", "core.worker fake-slow"]
    assert all(one["rss_mib"] > 5 for one in found["processes"])
    assert set(found["versions"]) == {"Streamlit", "TensorFlow", "Keras", "PyTorch"}
    assert found["data_dir"] == str(data_dir)
    psutil.Process(held).kill()
    serving.wait(timeout=10)
    gone = spawn("core", "health")
    out, err = gone.communicate(timeout=60)
    assert (gone.returncode, err) == (1, "")
    assert out.startswith(f"Nobody is serving {data_dir}.\nNothing is running.\n")
    assert "No problems logged." in out


def test_health_says_what_is_wrong_with_the_history(spawn: Spawn, data_dir: Path) -> None:
    (data_dir / "duel.sqlite3").write_bytes(b"This is no database. " * 1000)
    asked = spawn("core", "health")
    out, _ = asked.communicate(timeout=60)
    assert asked.returncode == 1
    assert "is damaged" in out
