"""What is shown of the training probes' results: findings, the rules that decide, and results with a side missing."""

from copy import deepcopy
from typing import Any

import pytest

from core.compare.evidence import Shown, shown
from core.experiment.metrics import NO_BREAK

Result = dict[str, Any]


def way(name: str, title: str, training: int, accuracy: float | None) -> Result:
    reason = None if accuracy is not None else "ModuleNotFoundError: No module named 'torch'"
    statements = {"Model": 1, "Training": training, "Evaluation": 2}
    return {"name": name, "title": title, "statements": statements, "accuracy": accuracy, "reason": reason}


def api_level(fit: int = 2, accuracies: tuple[float | None, ...] = (0.94, 0.945, 0.931)) -> Result:
    ways = [
        way("keras_fit", "Keras fit", fit, accuracies[0]),
        way("keras_loop", "Keras loop", 14, accuracies[1]),
        way("torch_loop", "PyTorch loop", 11, accuracies[2]),
    ]
    return {"epochs": 5, "test_images": 1000, "ways": ways}


def lane(title: str, rates: tuple[float, ...], reason: str | None = None, spread: float = 0.02) -> Result:
    sizes = [
        {"images": n, "images_per_s": [rate, rate * (1 - spread)], "epoch_start_s": 0.04, "peak_mib": 700 + n // 100}
        for n, rate in zip((1_000, 10_000, 100_000), rates, strict=False)
    ]
    return {"title": title, "sizes": sizes, "reason": reason}


def data_sizes(keras: Result, torch: Result) -> Result:
    return {"batch": 126, "steps": 200, "lanes": {"keras": keras, "torch": torch}}


FLAT = data_sizes(lane("Keras", (3310, 3290, 3150)), lane("PyTorch", (4000, 4010, 4100)))


def mode(name: str, title: str, executions: int, step_s: float) -> Result:
    figures = {"executions": executions, "steps": 60, "first_step_s": 1.5, "step_s": step_s}
    return {"name": name, "title": title, "reason": None, **figures}


def graph() -> Result:
    modes = [
        mode("keras-fit", "Keras fit", 2, 0.0203),
        mode("keras-eager", "Keras run_eagerly", 60, 0.065),
        mode("torch-eager", "PyTorch eager", 60, 0.034),
        mode("torch-compile", "torch.compile", 1, 0.21),
    ]
    return {"steps": 60, "batch": 126, "modes": modes}


def without(result: Result, name: str) -> Result:
    """The graph result with one mode that could not run."""
    changed = deepcopy(result)
    for at, found in enumerate(changed["modes"]):
        if found["name"] == name:
            changed["modes"][at] = {"name": name, "title": found["title"], "reason": "no compiler"}
    return changed


def bug(outcome: str, score: float | None, task: str = "digit", message: str | None = None) -> Result:
    return {"task": task, "outcome": outcome, "score": score, "message": message}


def silent_mistakes() -> Result:
    keras = {
        "shape": bug("raised before training", None, message="ValueError: 1600"),
        "axes": bug("silent", 0.094),
        "broadcast": bug("silent", 1.55, "number"),
    }
    torch = {
        "shape": bug("raised at the step", None, message="RuntimeError: 1600"),
        "axes": bug("silent", 0.102),
        "broadcast": bug("warned", 2.82, "number", "Using a target size"),
    }
    right = {"digit": 0.9, "number": 1.55}
    return {
        "epochs": 3,
        "test_images": 1000,
        "frameworks": {
            "keras": {"title": "Keras", "right": right, "bugs": keras, "reason": None},
            "torch": {"title": "PyTorch", "right": right, "bugs": torch, "reason": None},
        },
    }


GOOD = {"api_level": api_level(), "data_sizes": FLAT, "graph": graph(), "silent_mistakes": silent_mistakes()}


@pytest.mark.parametrize("probe", GOOD)
def test_a_result_as_we_say_supports_the_row(probe: str) -> None:
    evidence = shown(probe, GOOD[probe])
    assert evidence.supports
    assert evidence.finding.endswith(".")
    assert evidence.tables


@pytest.mark.parametrize("probe", ["api_level", "data_sizes", "graph"])
def test_a_picture_says_its_finding_and_starts_at_zero(probe: str) -> None:
    (picture,) = shown(probe, GOOD[probe]).pictures
    assert any(letter.isdigit() for letter in picture.alt)
    assert picture.figure.layout.height in (200, 260)
    axes = [picture.figure.layout.xaxis, picture.figure.layout.yaxis]
    assert [axis.rangemode for axis in axes].count("tozero") == 1


@pytest.mark.parametrize("probe", GOOD)
def test_every_row_of_a_table_has_all_its_cells(probe: str) -> None:
    for table in shown(probe, GOOD[probe]).tables:
        assert table.rows
        assert all(len(row) == len(table.columns) for row in table.rows)
        assert all(isinstance(cell, str) and cell for row in table.rows for cell in row)


# --- api_level -----------------------------------------------------------------------------------------


def test_statements_and_accuracies_are_said() -> None:
    finding = shown("api_level", api_level()).finding
    assert "5 as Keras fit, 17 as Keras loop and 14 as PyTorch loop" in finding
    assert f"93.1{NO_BREAK}% to 94.5{NO_BREAK}% of 1,000 test images" in finding


@pytest.mark.parametrize(
    "result",
    [
        api_level(accuracies=(0.94, 0.94, 0.90)),
        api_level(accuracies=(0.1, 0.1, 0.1)),
        api_level(fit=11),
        api_level(accuracies=(0.94, 0.94, None)),
    ],
    ids=["accuracies apart", "nothing learnt", "fit is no shorter", "one did not run"],
)
def test_the_level_is_not_shown_where_the_ways_do_not_compare(result: Result) -> None:
    assert not shown("api_level", result).supports


def test_accuracies_apart_are_said() -> None:
    assert "more than 2 points apart" in shown("api_level", api_level(accuracies=(0.94, 0.94, 0.9))).finding


def test_a_way_that_did_not_run_keeps_its_count_and_says_why() -> None:
    evidence = shown("api_level", api_level(accuracies=(0.94, 0.94, None)))
    assert "14 as PyTorch loop" in evidence.finding
    assert "PyTorch loop could not run: ModuleNotFoundError" in evidence.finding
    assert "Keras fit and Keras loop ran" in evidence.finding


# --- data_sizes ----------------------------------------------------------------------------------------


def test_both_ends_and_the_memory_are_said() -> None:
    finding = shown("data_sizes", FLAT).finding
    for words in (
        f"3,310{NO_BREAK}images/s",
        f"3,150{NO_BREAK}images/s",
        "\u22125",
        f"1,700{NO_BREAK}MiB",
        "neither depends",
    ):
        assert words in finding


def test_the_ratio_of_the_lanes_is_reconciled_with_those_that_stand_elsewhere() -> None:
    twice = data_sizes(lane("Keras", (6620, 6600, 6500)), lane("PyTorch", (3310, 3300, 3290)))
    (said,) = [part for part in shown("data_sizes", twice).finding.split(". ") if part.startswith("Here ")]
    assert said.startswith(
        "Here Keras trains twice as many images a second as PyTorch; claim 7 and a duel on Train give"
    )
    alike = data_sizes(lane("Keras", (3310, 3290, 3150)), lane("PyTorch", (3320, 3300, 3290)))
    assert "Here " not in shown("data_sizes", alike).finding


def test_a_lane_that_falls_off_alone_contradicts() -> None:
    evidence = shown("data_sizes", data_sizes(lane("Keras", (3300, 2500, 1800)), lane("PyTorch", (4000, 4000, 4000))))
    assert not evidence.supports
    assert "favours one" in evidence.finding


def test_both_falling_alike_is_no_difference_between_them() -> None:
    evidence = shown("data_sizes", data_sizes(lane("Keras", (3000, 2500, 2000)), lane("PyTorch", (4000, 3400, 2700))))
    assert evidence.supports
    assert "alike" in evidence.finding


def test_a_busy_machine_is_said_and_decides_nothing() -> None:
    keras = lane("Keras", (3300, 2500, 1800), spread=0.5)
    evidence = shown("data_sizes", data_sizes(keras, lane("PyTorch", (4000, 4000, 4000))))
    assert not evidence.supports
    assert "too busy" in evidence.finding


@pytest.mark.parametrize("rates", [(), (3300,), (3300, 3300)])
def test_a_lane_that_ends_early_decides_nothing_and_says_why(rates: tuple[float, ...]) -> None:
    keras = lane("Keras", rates, "its process was ended by SIGKILL, perhaps because memory ran out")
    evidence = shown("data_sizes", data_sizes(keras, lane("PyTorch", (4000, 4000, 4000))))
    assert not evidence.supports
    assert "memory ran out" in evidence.finding
    assert len(evidence.tables[0].rows) == len(rates) + 3


# --- graph ---------------------------------------------------------------------------------------------


def test_executions_and_times_are_said() -> None:
    finding = shown("graph", graph()).finding
    assert "twice in Keras fit, 60 times in Keras run_eagerly, 60 times in PyTorch eager" in finding
    assert "once in torch.compile" in finding
    assert f"20.3{NO_BREAK}ms in Keras fit" in finding
    assert f"210{NO_BREAK}ms in torch.compile" in finding


@pytest.mark.parametrize(
    ("name", "executions"), [("keras-fit", 60), ("keras-eager", 1), ("torch-eager", 1), ("torch-compile", 60)]
)
def test_each_mode_can_contradict(name: str, executions: int) -> None:
    result = graph()
    next(mode for mode in result["modes"] if mode["name"] == name)["executions"] = executions
    assert not shown("graph", result).supports


@pytest.mark.parametrize("name", [mode["name"] for mode in graph()["modes"]])
def test_only_the_compiler_may_be_missing(name: str) -> None:
    evidence = shown("graph", without(graph(), name))
    assert evidence.supports == (name == "torch-compile")
    assert "no compiler" in evidence.finding
    assert len(evidence.tables[0].rows) == 4


# --- silent_mistakes -----------------------------------------------------------------------------------


def cells(evidence: Shown) -> dict[str, list[str]]:
    return {row[0]: list(row[1:]) for row in evidence.tables[0].rows}


def test_outcomes_are_counted_and_the_famous_one_is_said() -> None:
    finding = shown("silent_mistakes", silent_mistakes()).finding
    assert (
        "Of 3 planted bugs, Keras raised an error for 1, warned of 0 and let 2 pass in silence, 1 of which did"
        in finding
    )
    assert "PyTorch raised an error for 1, warned of 1 and let 1 pass in silence, which did harm." in finding
    assert "Keras ends with an error of 1.55 (1.55 without the bug)" in finding
    assert "PyTorch ends with an error of 2.82 (1.55 without the bug)" in finding


def test_a_cell_says_what_the_bug_cost_and_a_message_is_shown() -> None:
    evidence = shown("silent_mistakes", silent_mistakes())
    axes = cells(evidence)["Batch axis moved before flattening"]
    assert axes[0] == f"silent: 9.4{NO_BREAK}% right, without the bug 90.0{NO_BREAK}%"
    assert cells(evidence)["Outputs [batch, 1] meet targets [batch]"][0].endswith("no harm seen")
    messages = [row[-1] for row in evidence.tables[1].rows]
    assert messages == ["ValueError: 1600", "RuntimeError: 1600", "Using a target size"]


@pytest.mark.parametrize("engine", ["keras", "torch"])
def test_a_framework_that_is_never_silent_at_a_cost_contradicts(engine: str) -> None:
    result = silent_mistakes()
    result["frameworks"][engine]["bugs"]["axes"] = bug("warned", 0.1, message="Axes were moved.")
    assert not shown("silent_mistakes", result).supports
    result["frameworks"][engine]["bugs"]["axes"] = bug("silent", 0.9)
    assert not shown("silent_mistakes", result).supports


@pytest.mark.parametrize("engine", ["keras", "torch"])
def test_a_framework_that_could_not_run_is_said(engine: str) -> None:
    result = silent_mistakes()
    result["frameworks"][engine] |= {"right": {}, "bugs": {}, "reason": "its process ended by itself with code 1"}
    evidence = shown("silent_mistakes", result)
    assert not evidence.supports
    assert "ended by itself" in evidence.finding
    assert len(evidence.tables[0].rows) == 3
