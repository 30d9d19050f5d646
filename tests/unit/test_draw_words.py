"""The Draw page's words: who reads what, how surely, and whether they agree."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from core.names import engine_title
from core.predictor import Prediction
from core.store import RECORDED, Store
from core.web.draw_view import a_class, in_words, largest_difference, per_cent, run_labels, top_three

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


def test_times_are_the_models_own() -> None:
    words = in_words([answer("keras", d7=0.9), answer("torch", d7=0.9)], DIGITS)
    assert plain(words.times) == "Keras took 1.9 ms, PyTorch took 1.9 ms."


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
    assert labels[own.id] == "Mine 🦉, trained here"
    assert len(set(labels.values())) == 3
    assert labels[second.id].endswith("(ffff), imported")
    assert "recorded on" in labels[first.id]
