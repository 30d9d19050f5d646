"""The probes of claims 2 to 5, run for real with few steps, as the Launcher runs them."""

import ast
import itertools
from pathlib import Path
from typing import Any

import pytest

from core.compare.evidence import shown
from core.compare.probes.api_level import SCRIPTS, WAYS, statements
from core.protocol import messages
from tests.engines.probing import events_of, measured

pytestmark = pytest.mark.timeout(300)

GRAPH_STEPS = 12
SIZES = (1_000, 20_000)


# --- api_level -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def api_level(prepared_data_dir: Path) -> list[messages.Event]:
    return events_of("api_level", prepared_data_dir, epochs=2)


def test_all_three_scripts_run_as_they_stand_and_learn(api_level: list[messages.Event]) -> None:
    assert isinstance(api_level[-1], messages.Measured)
    ways = api_level[-1].result["ways"]
    assert [way["name"] for way in ways] == list(WAYS)
    assert all(way["reason"] is None and way["accuracy"] > 0.6 for way in ways), ways
    assert [way["script"] for way in ways] == [(SCRIPTS / f"{name}.py").read_text() for name in WAYS]


def test_every_epoch_is_said_as_it_comes(api_level: list[messages.Event]) -> None:
    fractions = [event.fraction for event in api_level if isinstance(event, messages.Progress)]
    assert fractions == sorted(fractions)
    assert 0 <= fractions[0] < fractions[-1] < 1
    sentences = [event.sentence for event in api_level if isinstance(event, messages.Progress)]
    assert all(f"{title}: epoch 2 of 2" in sentences for title in WAYS.values())
    printed = [event for event in api_level if isinstance(event, messages.Printed)]
    assert {event.part for event in printed} == set(WAYS.values())


def test_statements_are_those_of_the_counted_parts() -> None:
    source = '"""A script."""\n# %% Data\nimport os\nx = 1\n# %% Model\nm = 2\n# %% Training\n'
    source += 'def step():\n    """Says."""\n    import re\n    for i in m:\n        i()\n\n'
    source += "# %% Evaluation\nprint(x); print(m)\n"
    assert statements(source) == {"Model": 1, "Training": 3, "Evaluation": 2}


@pytest.mark.parametrize("name", WAYS)
def test_the_scripts_parts_hold_all_their_statements(name: str) -> None:
    source = (SCRIPTS / f"{name}.py").read_text()
    titles = [line.removeprefix("# %% ") for line in source.splitlines() if line.startswith("# %% ")]
    assert titles == ["Data", "Model", "Training", "Evaluation"]
    data = ast.parse(source.partition("# %% Model")[0])
    assert sum(statements(source).values()) > 0
    assert not any(isinstance(node, ast.For | ast.While | ast.FunctionDef) for node in ast.walk(data))


# --- data_sizes ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def data_sizes(prepared_data_dir: Path) -> dict[str, Any]:
    return measured("data_sizes", prepared_data_dir, steps=24, sizes=SIZES, rounds=2)


@pytest.mark.parametrize("engine", ["keras", "torch"])
def test_memory_grows_with_the_data_and_every_size_has_all_its_blocks(data_sizes: dict[str, Any], engine: str) -> None:
    lane = data_sizes["lanes"][engine]
    assert lane["reason"] is None
    assert [size["images"] for size in lane["sizes"]] == list(SIZES)
    assert all(len(size["images_per_s"]) == 2 and min(size["images_per_s"]) > 0 for size in lane["sizes"])
    assert all(size["epoch_start_s"] > 0 for size in lane["sizes"])
    small, large = (size["peak_mib"] for size in lane["sizes"])
    # 19,000 more images of 784 float32 are 57 MiB; some of them may lie where the small size's scaling had been.
    assert large - small > 40


# --- graph ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def graph(prepared_data_dir: Path) -> dict[str, Any]:
    return measured("graph", prepared_data_dir, steps=GRAPH_STEPS)


def mode(result: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(mode for mode in result["modes"] if mode["name"] == name)
    return found


@pytest.mark.parametrize("name", ["keras-eager", "torch-eager"])
def test_an_eager_body_runs_at_every_step(graph: dict[str, Any], name: str) -> None:
    assert mode(graph, name)["executions"] == mode(graph, name)["steps"] == GRAPH_STEPS


@pytest.mark.parametrize("name", ["keras-fit", "torch-compile"])
def test_a_compiled_body_runs_while_it_is_traced_and_no_more(graph: dict[str, Any], name: str) -> None:
    assert mode(graph, name)["reason"] is None
    assert mode(graph, name)["steps"] == GRAPH_STEPS
    assert 1 <= mode(graph, name)["executions"] <= 3


def test_compiling_shows_in_the_first_step(graph: dict[str, Any]) -> None:
    for name in ("keras-fit", "torch-compile"):
        assert mode(graph, name)["first_step_s"] > 2 * mode(graph, name)["step_s"]


def test_without_a_compiler_the_other_mode_stays_and_the_reason_is_said(prepared_data_dir: Path) -> None:
    names = ["torch-eager", "torch-compile"]
    result = measured("graph", prepared_data_dir, {"CXX": "no-such-compiler"}, steps=2, modes=names)
    assert mode(result, "torch-eager")["executions"] == 2
    assert mode(result, "torch-compile")["reason"] == "there is no working C++ compiler here"
    assert "there is no working C++ compiler here" in shown("graph", result).finding


# --- silent_mistakes -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def mistakes(prepared_data_dir: Path) -> dict[str, Any]:
    return measured("silent_mistakes", prepared_data_dir, epochs=1)


@pytest.mark.parametrize("engine", ["keras", "torch"])
def test_a_shape_mismatch_is_raised_with_its_message(mistakes: dict[str, Any], engine: str) -> None:
    bug = mistakes["frameworks"][engine]["bugs"]["shape"]
    assert bug["outcome"].startswith("raised")
    assert bug["score"] is None
    assert "1600" in bug["message"]
    assert "\x1b" not in bug["message"]


def test_keras_finds_it_before_training_and_pytorch_at_the_step(mistakes: dict[str, Any]) -> None:
    bugs = {engine: found["bugs"]["shape"]["outcome"] for engine, found in mistakes["frameworks"].items()}
    assert bugs == {"keras": "raised before training", "torch": "raised at the step"}


@pytest.mark.parametrize(("engine", "name"), list(itertools.product(["keras", "torch"], ["axes", "labels"])))
def test_mixed_up_data_are_silent_in_both_and_ruin_the_network(
    mistakes: dict[str, Any], engine: str, name: str
) -> None:
    framework = mistakes["frameworks"][engine]
    bug = framework["bugs"][name]
    assert (bug["outcome"], bug["message"]) == ("silent", None)
    assert bug["score"] < framework["right"]["digit"] - 0.3


def test_softmax_twice_is_silent_in_pytorch_and_warned_of_in_keras(mistakes: dict[str, Any]) -> None:
    keras, torch = (mistakes["frameworks"][engine]["bugs"]["softmax"] for engine in ("keras", "torch"))
    assert torch["outcome"] == "silent"
    assert keras["outcome"] == "warned"
    assert "from_logits" in keras["message"]


def test_a_broadcast_loss_costs_in_pytorch_and_not_in_keras(mistakes: dict[str, Any]) -> None:
    keras, torch = (mistakes["frameworks"][engine] for engine in ("keras", "torch"))
    assert keras["bugs"]["broadcast"]["outcome"] == "silent"
    # Keras brings both to one shape: the very same training.
    assert keras["bugs"]["broadcast"]["score"] == pytest.approx(keras["right"]["number"], rel=0.02)
    assert torch["bugs"]["broadcast"]["outcome"] == "warned"
    assert torch["bugs"]["broadcast"]["score"] > torch["right"]["number"] * 1.2


def test_each_framework_is_silent_about_a_mistake_that_costs(mistakes: dict[str, Any]) -> None:
    assert shown("silent_mistakes", mistakes).supports
