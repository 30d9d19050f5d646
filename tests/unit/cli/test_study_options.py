"""What `study` takes: values that vary, budgets, and what goes with the ID of a study that is there."""

from pathlib import Path
from typing import Any

import pytest
import typer

from core.cli.app import app
from core.cli.study import _read_vary
from core.experiment.settings import SETTINGS, InvalidSettings
from core.experiment.study import read_budget
from core.launcher.launcher import Launcher
from core.storage.studies import Studies
from tests.processes.test_cli import core

LAYERS = "conv 8 3 same, relu, flatten, dense 10"


def test_study_has_every_option_of_train_and_its_own() -> None:
    group: Any = typer.main.get_command(app)
    own = {"study_id", "seeds", "vary", "margin_accuracy", "margin_time", "stop", "budget", "more"}
    own |= {"cluster", "as_json"}
    assert {option.name for option in group.commands["study"].params} == {*SETTINGS, *own}


@pytest.mark.parametrize(
    ("texts", "values"),
    [
        (["batch_size=32, 64"], {"batch_size": ["32", "64"]}),
        (["batch-size=32", "batch_size=64"], {"batch_size": ["32", "64"]}),
        (["network=article,mlp"], {"network": ["article", "mlp"]}),
        ([f"network={LAYERS}"], {"network": [LAYERS]}),
        ([f"network={LAYERS};mlp"], {"network": [LAYERS, "mlp"]}),
        (["network=mlp", f"network={LAYERS}", "dropout=0,0.3"], {"network": ["mlp", LAYERS], "dropout": ["0", "0.3"]}),
    ],
)
def test_values_that_vary(texts: list[str], values: dict[str, list[str]]) -> None:
    assert _read_vary(texts) == values


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("", None), ("90s", 90), ("30m", 1800), ("30 min", 1800), ("2h", 7200), ("1h30m", 5400), ("1.5H", 5400)],
)
def test_budgets(text: str, seconds: float | None) -> None:
    assert read_budget(text) == seconds


@pytest.mark.parametrize("text", ["soon", "30", "-1m", "0s", "1m1h", "721h", "30m\n1"])
def test_no_budgets(text: str) -> None:
    with pytest.raises(InvalidSettings, match=r"^Budget must be a time .+, not .+\.$"):
        read_budget(text)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--seeds", "0"), "Seeds must be a whole number from 1 to 2,000, not 0."),
        (("--seeds", "many"), "Seeds must be a whole number from 1 to 2,000, not many."),
        (("--vary", "batch_size"), "--vary must be NAME=VALUE,VALUE, not batch_size."),
        (("--vary", "batch_size=32,4097"), "Batch size must be a whole number from 1 to 4,096, not 4097."),
        (("--vary", "batch_size=32,32"), "Batch size has the same value twice."),
        (("--vary", "seed=1,2"), "seed cannot vary in a study: choose of batch_size, epochs, dropout,"),
        (("--vary", "batch_size=32,64", "--seeds", "1001"), "A study has at most 2,000 runs, not 2,002."),
        (("--margin-time", "0"), "Margin of time must be a number above 0 and at most 10, not 0."),
        (("--stop", "never"), "Stop must be one of decided, seeds, test_accuracy,"),
        (("--budget", "30"), "Budget must be a time such as 90s, 30m, 2h or 1h30m, not 30."),
        (("--engines", "keras"), "A study compares exactly keras and torch."),
        (("--schedule", "together"), "The lanes of a study train in turns: else their times do not compare."),
        (("--more", "2"), "--more needs the ID of a study."),
        (("20260101-000000-00000000",), "There is no study 20260101-000000-00000000"),
        (("latest",), "There is no study yet"),
        (("latest", "--seeds", "3"), "A study keeps what was asked at its begin: --seeds goes with no ID."),
        (("--dataset", "nothing"), "Data set must be one of"),
    ],
)
def test_bad_input_is_a_sentence_and_2_and_nothing_begins(
    tmp_path: Path, arguments: tuple[str, ...], sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def opened(*_: object) -> None:
        raise AssertionError("nothing begins")

    monkeypatch.setattr(Launcher, "__init__", opened)
    status, said, complaint = core("study", *arguments, folder=tmp_path)
    assert (status, said) == (2, "")
    assert complaint.startswith(sentence)
    assert complaint.count("\n") == 1
    assert Studies(tmp_path).all() == []
