"""The lessons' scripts, run: each shows what its words say, with its control as it stands and at both ends.

Times, and what a few images decide, are noise: nothing here rests on them.
"""

import json
import math
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from core.learn.lessons import LESSONS, SIDES

PROJECT = Path(__file__).resolve().parents[2]
SHORTER = {
    # Readers get steadier figures; here it counts that there are any.
    "tuning": [("STEPS = 25", "STEPS = 5")],
    "data_loader": [("IMAGES = 2048", "IMAGES = 512")],
}
BRIEF_PRETRAINING = {"keras": ("epochs=6", "epochs=1"), "torch": ("range(1, 7)", "range(1, 2)")}
PERFECT_TWICE = math.log(math.e + 9) - 1
"""What the loss charges for perfect probabilities of ten classes that it takes for logits."""

EACH_SIDE = pytest.mark.parametrize("side", tuple(SIDES))
pytestmark = pytest.mark.timeout(900)


def or_else(name: str, default: Any, *others: Any) -> pytest.MarkDecorator:
    """Parametrizes a test with a control as it stands on the page, and elsewhere where there is time for more."""
    return pytest.mark.parametrize(name, [default, *(pytest.param(value, marks=pytest.mark.more) for value in others)])


def jobs(side: str, group: str, other_data: Path) -> dict[str, Any]:
    """One side's scripts by `slug=value`, with their control as the page shows it (`default`) or at its `ends`."""
    made: dict[str, Any] = {}
    for found in LESSONS:
        control = found.control
        values = {control.default} if control else {None}
        if group == "ends":
            values = {control.options[0], control.options[-1]} - values if control else set()
        for value in sorted(values, key=str) if side in found.sides else ():
            job = {"slug": found.slug, "value": value, "data": "", "shorter": SHORTER.get(found.slug, [])}
            made[f"{found.slug}={value}"] = job
    if group == "ends":
        # Any prepared folder has Fashion-MNIST's layout; whether it helps is not asked here.
        fashion = made["pretrained=Fashion-MNIST"]
        fashion["shorter"] = [BRIEF_PRETRAINING[side], ("range(10)", "range(1)")]
        if side == "torch":  # the same lines in both
            made["pretrained=missing"] = {**fashion, "data": str(other_data / "missing")}
        fashion["data"] = str(other_data)
    return made


class Printed:
    """What the scripts print. One process a side runs those of a group, both sides at once, on one core each."""

    def __init__(self, data_dir: Path, folders: pytest.TempPathFactory) -> None:
        self.folders, self.other_data = folders, data_dir / "datasets" / "mnist5k"
        self.groups: dict[str, dict[str, dict[str, str]]] = {}
        self.cwds: list[Path] = []

    def group(self, name: str) -> dict[str, dict[str, str]]:
        """By side and `slug=value`; run when they are first wanted."""
        if name not in self.groups:
            with ThreadPoolExecutor() as both:
                said = list(both.map(self._run, SIDES, [name] * len(SIDES)))
            self.groups[name] = dict(zip(SIDES, said, strict=True))
        return self.groups[name]

    def __call__(self, side: str, script: str) -> str:
        """What `slug=value` prints."""
        default = self.group("default")[side]
        return default[script] if script in default else self.group("ends")[side][script]

    def _run(self, side: str, group: str) -> dict[str, str]:
        environment = os.environ | {"PYTHONPATH": str(PROJECT), "CUDA_VISIBLE_DEVICES": ""}
        self.cwds.append(self.folders.mktemp(side))
        done = subprocess.run(
            [sys.executable, "-m", "tests.scripts.lesson_scripts", side],
            input=json.dumps(jobs(side, group, self.other_data)),
            cwd=self.cwds[-1],
            env=environment,
            capture_output=True,
            text=True,
            timeout=800,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        said: dict[str, str] = json.loads(done.stdout.splitlines()[-1])
        return said


@pytest.fixture(scope="module")
def printed(prepared_data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Printed:
    return Printed(prepared_data_dir, tmp_path_factory)


def numbers(said: str, before: str) -> list[float]:
    """The number after every `before`, shares of 1 where they are printed in percent."""
    found = re.findall(rf"{before} (-?\d[\d,]*(?:\.\d+)?)(%?)", said)
    return [float(number.replace(",", "")) / (100 if percent else 1) for number, percent in found]


@or_else("group", "default", "ends")
@EACH_SIDE
def test_every_script_prints_plain_lines_and_leaves_no_file_behind(printed: Printed, side: str, group: str) -> None:
    for name, said in printed.group(group)[side].items():
        assert said.strip(), name
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", said), f"{name} prints control characters"
        assert "Traceback" not in said
    assert [path for cwd in printed.cwds for path in cwd.iterdir()] == []


def test_the_keras_example_learns_the_digits(printed: Printed) -> None:
    said = printed("keras", "keras_example=8")
    assert said.count("val_accuracy: ") == 8
    assert "Total params: 32,612" in said
    assert numbers(said, "test accuracy:")[0] > 0.9
    assert numbers(said, "test loss:")[0] < 0.4


@pytest.mark.more
def test_the_keras_example_learns_less_in_one_epoch(printed: Printed) -> None:
    one, eight = (printed("keras", f"keras_example={epochs}") for epochs in (1, 8))
    assert one.count("val_accuracy: ") == 1
    assert numbers(eight, "test accuracy:") > numbers(one, "test accuracy:")


@or_else("size", 32, 111)
def test_the_pytorch_examples_reshape_fails_or_mixes(printed: Printed, size: int) -> None:
    said = printed("torch", f"pytorch_example={size}")
    assert "Conv2d(35, 19, kernel_size=(6, 6)" in said
    assert "mat1 and mat2 shapes cannot be multiplied" in said
    if size == 32:
        assert said.count("shape '[-1, 576]' is invalid for input of size") == 2
        # 36 images fit by chance, and two of the 19 rows hold parts of the second image.
        assert "batch of 36: no error, 19 rows of 10 come out\n  rows that the second image changes: 0 1\n" in said
        return
    assert "is invalid" not in said
    assert [numbers(said, f"batch of {images}: no error,")[0] for images in (1, 2, 36)] == [19, 38, 684]
    rows = " ".join(map(str, range(19, 38)))
    assert said.count(f"rows that the second image changes: {rows}\n") == 2


@EACH_SIDE
@or_else("whole", True, False)
def test_a_loaded_model_answers_as_the_saved_one(printed: Printed, side: str, whole: bool) -> None:
    said = printed(side, f"save_and_load={whole}")
    assert "equal predictions for 1,000 images: True" in said
    assert ("equal before the weights are loaded: False" in said) != whole
    size, parameters = (re.search(pattern, said) for pattern in (r": ([\d,]+) bytes", r"([\d,]+) parameters"))
    assert size
    assert parameters
    assert int(size[1].replace(",", "")) > 4 * int(parameters[1].replace(",", ""))


@or_else("whole", True, False)
def test_only_a_pickle_is_refused_and_only_keras_saves_what_trains_on(printed: Printed, whole: bool) -> None:
    assert ("with weights_only=True: UnpicklingError" in printed("torch", f"save_and_load={whole}")) == whole
    assert f"ready to train on: {whole}" in printed("keras", f"save_and_load={whole}")


@EACH_SIDE
def test_cross_entropy_of_logits_learns_without_a_warning(printed: Printed, side: str) -> None:
    said = printed(side, "cross_entropy=False")
    assert "warns" not in said
    assert len(numbers(said, "test loss")) == 3
    assert numbers(said, "test loss")[-1] < 0.6


@pytest.mark.more
@EACH_SIDE
def test_softmax_twice_only_makes_learning_worse(printed: Printed, side: str) -> None:
    logits, twice = (printed(side, f"cross_entropy={value}") for value in (False, True))
    if side == "keras":
        seen, twice = twice.split("softmax, then a reshape")
        assert "Keras warns:" in seen
        assert "from_logits=True" in seen
        # It takes the logits after all, and learns as it does from logits.
        assert numbers(seen, "test loss") == pytest.approx(numbers(logits, "test loss"), rel=0.2)
    assert "warns" not in twice
    assert len(numbers(twice, "test loss")) == 3
    assert numbers(twice, "test loss")[-1] > PERFECT_TWICE
    assert sum(numbers(twice, "accuracy")) < sum(numbers(logits, "accuracy")) - 0.01
    assert numbers(twice, "accuracy")[-1] > 0.5, "nothing fails: it learns"


@pytest.mark.more
def test_the_floor_under_softmax_twice_is_computed(printed: Printed) -> None:
    assert numbers(printed("torch", "cross_entropy=True"), "cost") == [pytest.approx(PERFECT_TWICE, abs=1e-4)]


@EACH_SIDE
@or_else("loss", "cross-entropy", "mse")
def test_mean_squared_error_trains_on_another_scale(printed: Printed, side: str, loss: str) -> None:
    said = printed(side, f"mse={loss}")
    first = numbers(said, "  loss")[0]
    assert first < 0.1 if loss == "mse" else first > 1
    assert len(numbers(said, "test accuracy")) == 3
    assert numbers(said, "test accuracy")[-1] > 0.85
    assert numbers(said, "right digit")[-1] > numbers(said, "right digit")[0]


@EACH_SIDE
@or_else("batch_size", 126, 32, 512)
def test_both_ways_of_feeding_are_timed(printed: Printed, side: str, batch_size: int) -> None:
    said = printed(side, f"data_loader={batch_size}")
    assert f"steps of {batch_size} images, 4 times each way" in said
    assert len(re.findall(r" [\d,]+ images/s$", said, re.MULTILINE)) == 2


@EACH_SIDE
@or_else("filters", 62, 16, 128)
def test_the_parameters_are_counted_and_checked_by_hand(printed: Printed, side: str, filters: int) -> None:
    said = printed(side, f"summary={filters}")
    count = 300 + 271 * filters + (25 * filters + 1) * 10
    assert f"together {count:,}, {SIDES[side]} counts {count:,}" in said
    assert re.search(rf"\(\w+, 11, 11, {filters}\)|\(1, {filters}, 11, 11\)", said)


@EACH_SIDE
@or_else("evaluating", True, False)
def test_dropout_left_on_wobbles_and_evaluation_mode_does_not(printed: Printed, side: str, evaluating: bool) -> None:
    said = printed(side, f"evaluation_mode={evaluating}")
    assert f"evaluation mode: {evaluating}" in said
    rows = re.findall(r"^\d\.\d{3}(?: \d\.\d{3}){9}$", said, re.MULTILINE)
    assert len(rows) == 5
    assert (len(set(rows)) == 1) == evaluating
    accuracies = re.findall(r"^\d+\.\d%$", said, re.MULTILINE)
    assert len(accuracies) == 3
    assert not evaluating or len(set(accuracies)) == 1


@EACH_SIDE
@or_else("patience", 3, 1, 5)
def test_training_stops_early_with_the_best_weights(printed: Printed, side: str, patience: int) -> None:
    said = printed(side, f"early_stopping={patience}")
    losses = numbers(said.partition("stopped")[0], "validation loss")
    best = min(losses)
    assert numbers(said, "stopped after epoch") == [len(losses)]
    assert len(losses) < 40
    assert numbers(said, "best epoch") == [losses.index(best) + 1]
    assert len(losses) - losses.index(best) - 1 == patience
    assert numbers(said, "loss now") == [pytest.approx(best, abs=2e-4)]
    training = numbers(said, "training loss")
    assert training[-1] < training[losses.index(best)] or patience == 1


@EACH_SIDE
def test_pretrained_weights_help_with_few_images(printed: Printed, side: str) -> None:
    said = printed(side, "pretrained=digits 0-4")
    assert "digits 5 to 9 from 100 images, pretrained on digits 0-4" in said
    pretrained, fresh = numbers(said, "pretrained"), numbers(said, "fresh")
    assert len(pretrained) == len(fresh) == 11
    # Single epochs are noise. Their means were 0.03 to 0.10 apart with four seeds in both frameworks; with 100
    # images some seeds showed nothing.
    assert pretrained[-1] > fresh[-1] + 0.01
    assert pretrained[-1] == pytest.approx(sum(pretrained[:-1]) / 10, abs=1e-3)
    assert min(pretrained[-2], fresh[-2]) > 0.6


@pytest.mark.more
def test_fashion_mnist_is_taken_where_it_is(printed: Printed) -> None:
    for side in SIDES:
        assert "pretrained on Fashion-MNIST\n" in printed(side, "pretrained=Fashion-MNIST")
    missing = printed("torch", "pretrained=missing")
    assert "Fashion-MNIST is not prepared on this machine: digits 0-4 take its place.\n" in missing
    assert "pretrained on digits 0-4\n" in missing


@EACH_SIDE
def test_every_tuning_step_is_timed_against_the_first(printed: Printed, side: str) -> None:
    said = printed(side, "tuning=None")
    table = re.findall(r"^(.+?) +([\d,]+) images/s  x (\d+\.\d\d)$", said, re.MULTILINE)
    assert len(table) == 4
    assert table[0][2] == "1.00"
    assert all(name.startswith("+ ") for name, _, _ in table[1:])
    assert "median of 4 runs" in said
    fastest = re.findall(r"^fastest on this machine: (.+)$", said, re.MULTILINE)
    assert fastest
    assert dict((name, rate) for name, _, rate in table)[fastest[0]] == max(rate for *_, rate in table)
