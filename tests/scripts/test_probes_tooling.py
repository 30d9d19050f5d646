"""The probes of release, backends, language, debugging and speed, really run, with little to do."""

from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.compare.evidence import shown
from core.compare.probes.backends import READ
from tests.engines.probing import measured

Result = dict[str, Any]


def test_release_finds_what_is_installed(prepared_data_dir: Path) -> None:
    result = measured("release", prepared_data_dir)
    for package, about in result["packages"].items():
        assert about["version"] == metadata.version(package)
    assert shown("release", result).supports


def test_language_counts_the_packages(prepared_data_dir: Path) -> None:
    result = measured("language", prepared_data_dir)
    torch = result["packages"]["torch"]["languages"]
    assert torch["Lua"] == {"files": 0, "bytes": 0}
    assert torch["Python"]["files"] > 1000
    assert torch["compiled libraries"]["bytes"] > torch["Python"]["bytes"]
    assert all(language["files"] == 0 for name, language in _others_than_python(result["packages"]["keras"]))
    assert shown("language", result).supports


def _others_than_python(package: Result) -> list[tuple[str, Any]]:
    return [item for item in package["languages"].items() if item[0] not in ("Python", "other")]


def test_language_without_a_package(prepared_data_dir: Path) -> None:
    result = measured("language", prepared_data_dir, packages=["keras", "no-such-package"])
    assert result["packages"]["no-such-package"] is None
    assert not shown("language", result).supports


def test_backends_run_the_same_network(prepared_data_dir: Path) -> None:
    result = measured("backends", prepared_data_dir, steps=4)
    tensorflow, torch = result["keras"]["tensorflow"], result["keras"]["torch"]
    assert (tensorflow["backend"], torch["backend"]) == ("tensorflow", "torch")
    assert len(tensorflow["losses"]) == 4
    assert np.allclose(tensorflow["losses"], torch["losses"], rtol=1e-4)
    assert np.array(tensorflow["start_logits"]).shape == (READ, 10)
    assert np.allclose(tensorflow["start_logits"], torch["start_logits"], atol=1e-5)
    assert tensorflow["losses"][-1] < tensorflow["losses"][0]
    assert "inductor" in result["pytorch"]["compilers"]
    assert set(result["pytorch"]["kernels"]) >= {"oneDNN", "MKL"}
    assert shown("backends", result).supports


@pytest.fixture(scope="module")
def debugged(prepared_data_dir: Path) -> Result:
    """Without times, which `torch.compile` needs long for."""
    modes = ["keras-fit", "keras-eager", "torch-eager"]
    return measured("debugging", prepared_data_dir, modes=modes, hit_steps=4, timed_steps=0)


def test_a_breakpoint_stops_at_every_step_where_nothing_is_compiled(debugged: Result) -> None:
    hits = {name: mode.get("hits") for name, mode in debugged["modes"].items()}
    assert hits["keras-eager"] == hits["torch-eager"] == {"statement": 4, "debugger": 4}
    assert hits["keras-fit"]["debugger"] == 0
    assert 0 < hits["keras-fit"]["statement"] < 4
    assert shown("debugging", debugged).supports


@pytest.mark.more
def test_a_breakpoint_stops_at_no_step_that_pytorch_has_compiled(prepared_data_dir: Path) -> None:
    result = measured("debugging", prepared_data_dir, modes=["torch-compile"], hit_steps=4, timed_steps=0)
    hits = result["modes"]["torch-compile"].get("hits")
    assert hits in ({"statement": 4, "debugger": 0}, None)  # None without a C++ compiler


def test_a_planted_mistake_leads_to_the_users_line(debugged: Result) -> None:
    for name in ("keras-eager", "torch-eager"):
        for fault in debugged["modes"][name]["faults"].values():
            assert fault["raised"]
            assert fault["line_in"] == "traceback"
    compiled = debugged["modes"]["keras-fit"]["faults"]
    assert compiled["shape"]["line_in"] == "traceback"  # met while tracing
    assert compiled["value"]["line_in"] == "message"  # met in the graph


def test_steps_are_timed_in_a_mode_alone(prepared_data_dir: Path) -> None:
    result = measured("debugging", prepared_data_dir, modes=["torch-eager"], hit_steps=1, timed_steps=2)
    assert result["modes"]["torch-eager"]["ms_per_step"] > 0
    evidence = shown("debugging", result)
    assert not evidence.supports  # one side alone
    assert evidence.pictures


def test_speed_repeats_both_lanes(prepared_data_dir: Path) -> None:
    asked = {"repeats": 2, "epochs": 2, "target": 0.2, "modes": ["as shipped"], "images": 630}
    result = measured("speed", prepared_data_dir, **asked)
    mode = result["modes"]["as shipped"]
    assert mode["failed"] is None
    for name, lane in mode["lanes"].items():
        assert (lane["engine"], lane["images"], lane["test_images"]) == (name, 630, 1000)
        assert [row["seed"] for row in lane["repeats"]] == [1, 2]  # the warm-up is left out
        for row in lane["repeats"]:
            assert row["images_per_s"] == row["epochs"][1]["images_per_s"]
            reached = [epoch["accuracy"] >= 0.2 for epoch in row["epochs"]]
            assert row["target_epoch"] == (reached.index(True) + 1 if any(reached) else None)
        # A fresh network each: the seed decides what it learns.
        assert len({row["epochs"][0]["accuracy"] for row in lane["repeats"]}) == 2
    assert mode["difference"]["pairs"] == 2
    assert mode["difference"]["low"] < mode["difference"]["percent"] < mode["difference"]["high"]
    evidence = shown("speed", result)
    assert evidence.supports
    assert set(evidence.verdicts) == {"keras", "pytorch"}


@pytest.mark.more
def test_speed_of_tuned_lanes_alone_gives_no_verdict(prepared_data_dir: Path) -> None:
    asked = {"repeats": 2, "epochs": 2, "target": 0.99, "modes": ["tuned"], "images": 252}
    result = measured("speed", prepared_data_dir, **asked)
    assert [lane["reached"] for lane in result["modes"]["tuned"]["lanes"].values()] == [0, 0]
    evidence = shown("speed", result)
    assert not evidence.verdicts
    assert "Tuned" in evidence.finding
