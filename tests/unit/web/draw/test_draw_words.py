"""The Draw page's words: who reads what, how surely, and whether they agree."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from core.data.shape import MNIST_SHAPE
from core.experiment.names import engine_title
from core.launcher.answers import Prediction
from core.results.models import Model
from core.storage.database import LaneState
from core.storage.records import RECORDED, Lane, Run
from core.storage.runs import Store
from core.web.components.digit_pad import PadLane
from core.web.draw.view import (
    a_class,
    accuracy_words,
    best_run,
    chosen_words,
    in_words,
    largest_difference,
    model_names,
    per_cent,
    possessive,
    run_labels,
    shown_rows,
    top_three,
)

DIGITS = tuple("0123456789")


def answer(engine: str, **shares: float) -> Prediction:
    """An answer with these probabilities, `d7=0.9`; what is left is spread over the other classes."""
    given = {int(name[1:]): share for name, share in shares.items()}
    rest = (1 - sum(given.values())) / (10 - len(given))
    probabilities = np.array([[given.get(i, rest) for i in range(10)]])
    return Prediction(engine, np.log(probabilities), 1.94)


def plain(text: str) -> str:
    return text.replace("\u00a0", " ")


def test_agreement_names_the_class_once_and_both_certainties() -> None:
    words = in_words([answer("keras", d7=0.972), answer("torch", d7=0.884)], DIGITS)
    assert (words.headline, plain(words.detail)) == ("Both read a 7.", "Keras is 97.2 % sure, PyTorch 88.4 %.")


def test_disagreement_names_both() -> None:
    words = in_words([answer("keras", d8=0.61), answer("torch", d1=0.55)], DIGITS)
    assert (words.headline, plain(words.detail)) == (
        "They disagree.",
        "Keras reads an 8 (61.0 %) and PyTorch reads a 1 (55.0 %).",
    )


def test_one_model_alone_speaks_for_itself() -> None:
    words = in_words([answer("torch", d3=0.5)], DIGITS)
    assert (words.headline, plain(words.detail)) == ("PyTorch reads a 3.", "It is 50.0 % sure.")


def test_the_top_three_are_named_in_their_order() -> None:
    shares = answer("keras", d7=0.9, d1=0.05, d2=0.03).probabilities[0]
    assert plain(top_three(shares, DIGITS)) == "7 90.0 %, 1 5.0 %, 2 3.0 %"


def test_articles_fit_digits_and_leave_names_alone() -> None:
    assert [a_class(name) for name in ("7", "8", "Ankle boot")] == ["a 7", "an 8", "Ankle boot"]


def test_the_largest_difference_is_over_all_ten_logits() -> None:
    first, second = answer("keras", d7=0.9), answer("torch", d7=0.9)
    second.logits[0, 4] += 0.25
    difference, scale = largest_difference(first, second)
    assert difference == np.abs(first.logits - second.logits).max() > 0.2
    assert scale == max(np.abs(first.logits).max(), np.abs(second.logits).max())


def test_probabilities_have_one_decimal_and_a_no_break_space() -> None:
    assert per_cent(0.9721) == "97.2\u00a0%"
    assert engine_title("torch") == "PyTorch"


def test_the_models_of_a_run_are_called_as_the_run_is_and_no_two_alike(tmp_path: Path) -> None:
    first = Store(tmp_path, RECORDED).recorded()[0]
    second = replace(first, id=first.id[:-4] + "ffff", source="imported")
    own = replace(first, id=first.id[:-4] + "eeee", source="here", name="Mine 🦉")
    labels = run_labels([first, second, own])
    assert plain(labels[own.id]) == f"Mine 🦉, trained here: {plain(accuracy_words(own))}"
    assert len(set(labels.values())) == 3
    assert "(ffff), imported: Keras 9" in labels[second.id]
    assert "recorded on" in labels[first.id]


def a_run(number: int, dataset: str = "mnist", /, **accuracies: float | None) -> Run:
    first = Store(Path("nowhere"), RECORDED).recorded()[0]
    lanes = tuple(Lane(engine, LaneState.FINISHED, test_accuracy=share) for engine, share in accuracies.items())
    settings = first.settings.model_copy(update={"dataset": dataset})
    return replace(first, id=f"{first.id[:-4]}{number:04}", settings=settings, lanes=lanes)


def test_the_best_run_is_the_one_whose_better_model_reads_most_and_not_the_newest() -> None:
    runs = [a_run(1, keras=0.5, torch=0.6), a_run(2, keras=0.98, torch=0.7), a_run(3, keras=0.9, torch=0.97)]
    assert best_run(runs) is runs[1]
    assert best_run([a_run(1, keras=0.9), *runs[:1]]).id.endswith("0001")


def test_a_better_run_on_clothes_is_not_the_one_to_read_digits_with() -> None:
    clothes, digits = a_run(1, "fashion-mnist", keras=0.93), a_run(2, "mnist5k", keras=0.8, torch=None)
    assert best_run([clothes, digits]) is digits
    assert best_run([clothes]) is clothes


def test_of_equals_the_newest_which_stands_first_is_taken() -> None:
    equals = [a_run(2, keras=0.9), a_run(1, keras=0.9)]
    assert best_run(equals) is equals[0]


def test_a_runs_accuracy_is_that_of_the_models_that_read() -> None:
    shares: dict[str, float | None] = {"keras-tuned": 0.99, "keras": 0.976, "torch": 0.981}
    run = a_run(1, **shares)
    assert plain(accuracy_words(run)) == "Keras 97.60 %, PyTorch 98.10 %"
    assert plain(accuracy_words(a_run(1, "mnist5k", torch=0.803, keras=None))) == "PyTorch 80.3 %"
    assert "is preselected" in chosen_words(run, 2)
    assert plain(chosen_words(run, 1)) == "Test accuracy: Keras 97.60 %, PyTorch 98.10 %."


def test_swapped_models_say_whose_weights_they_read_with() -> None:
    models = [Model(engine, engine, {}, Path(), "", MNIST_SHAPE) for engine in ("keras", "torch")]
    assert model_names(models, swap=False) == ["Keras", "PyTorch"]
    names = model_names(models, swap=True)
    assert names == ["Keras with PyTorch's weights", "PyTorch with Keras' weights"]
    words = in_words([answer("keras", d7=0.972), answer("torch", d7=0.884)], DIGITS, names)
    assert plain(words.detail) == "Keras with PyTorch's weights is 97.2 % sure, PyTorch with Keras' weights 88.4 %."
    assert possessive("Keras eager") == "Keras eager's"


def test_what_an_imported_run_says_of_itself_makes_it_no_best_run() -> None:
    ours, theirs = a_run(1, keras=0.9), replace(a_run(2, keras=1.0), source="imported")
    assert best_run([theirs, ours]) is ours
    assert best_run([theirs]) is theirs


def lanes_of(*shares: list[float]) -> tuple[PadLane, ...]:
    return tuple(PadLane(f"e{i}", "", "other", share) for i, share in enumerate(shares))


def test_each_of_few_classes_has_a_bar_and_of_many_the_likeliest() -> None:
    assert shown_rows(lanes_of([0.5] * 20), 20) == tuple(range(20))
    first, second = [0.0] * 40, [0.0] * 40
    first[30], second[3] = 0.9, 0.8
    rows = shown_rows(lanes_of(first, second), 40)
    assert len(rows) == 10
    assert {3, 30} <= set(rows)
    assert rows == tuple(sorted(rows))
    assert shown_rows((PadLane("keras", "", "keras"),), 40) == tuple(range(10))


def test_a_run_on_smaller_digits_is_not_the_one_to_read_drawings_with() -> None:
    small, usual = a_run(1, "digits", keras=0.99), a_run(2, "mnist5k", keras=0.97)
    assert best_run([small, usual]) is usual
    assert best_run([small]) is small
