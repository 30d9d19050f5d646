"""Weights after each epoch: which are kept, how they are rounded, and what a damaged file gets."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from core.experiment import epoch_weights
from core.experiment.epoch_weights import KeptEpochs, epochs_file, load_epochs, save_epochs, spread
from core.experiment.layers import WeightSpec
from core.experiment.network import ARTICLE
from core.experiment.parity import start_weights
from core.experiment.weights import Floats, WeightsError

SPECS = ARTICLE.weights


def after(epoch: int) -> Callable[[], dict[str, Floats]]:
    """Weights that tell which epoch they are of."""
    return lambda: {name: array + epoch for name, array in start_weights(0, ARTICLE).items()}


def kept(epochs: int, path: Path, specs: tuple[WeightSpec, ...] = SPECS) -> list[int]:
    """The epochs in the file of a lane of so many, the last of which it never gives."""
    held = KeptEpochs()
    for epoch in range(epochs):
        held.take(epoch, after(epoch))
    return list(load_epochs(path, held.save(path), specs))


@pytest.mark.parametrize(
    ("epochs", "expected"),
    [(1, [0]), (8, [*range(8)]), (25, [*range(25)]), (26, [*range(0, 26, 2)]), (60, [*range(0, 60, 4)])],
)
def test_every_epoch_is_kept_or_evenly_some_from_the_start_on(epochs: int, expected: list[int], tmp_path: Path) -> None:
    assert kept(epochs, tmp_path / "w") == expected


def test_a_larger_network_keeps_fewer_and_one_that_is_too_large_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_set = 2 * sum(int(np.prod(spec.shape)) for spec in SPECS)
    monkeypatch.setattr(epoch_weights, "MOST_BYTES", 3 * a_set)
    assert kept(8, tmp_path / "w") == [0, 4]
    assert (tmp_path / "w").stat().st_size < 3 * a_set
    monkeypatch.setattr(epoch_weights, "MOST_BYTES", a_set - 1)
    held, asked = KeptEpochs(), []
    for epoch in range(3):
        held.take(epoch, lambda epoch=epoch: asked.append(epoch) or after(epoch)())  # type: ignore[misc]
    assert held.save(tmp_path / "none") == ""
    assert asked == [0], "it is not asked again"
    assert not (tmp_path / "none").exists()


def test_the_bounds_hold_what_the_documents_say() -> None:
    hosting = (Path(__file__).resolve().parents[3] / "docs/hosting.md").read_text(encoding="utf-8")
    assert f"{epoch_weights.MOST_EPOCHS} epochs and {epoch_weights.MOST_BYTES // 2**20} MiB a lane" in hosting


def test_half_precision_rounds_to_eleven_digits_and_what_is_too_large_for_it_is_kept_in_float32(tmp_path: Path) -> None:
    weights = start_weights(0, ARTICLE)
    weights["dense.bias"] = np.full_like(weights["dense.bias"], 1e6)
    held = KeptEpochs()
    held.take(0, lambda: weights)
    (found,) = load_epochs(tmp_path / "w", held.save(tmp_path / "w"), SPECS).values()
    assert (found["dense.bias"] == 1e6).all()
    assert found["dense.weight"].dtype == np.float16
    np.testing.assert_allclose(found["dense.weight"], weights["dense.weight"], rtol=2**-11, atol=2**-25)
    assert not np.array_equal(found["dense.weight"], weights["dense.weight"])


def test_what_is_kept_is_a_copy(tmp_path: Path) -> None:
    weights = {name: array.astype(np.float16) for name, array in start_weights(0, ARTICLE).items()}
    held = KeptEpochs()
    held.take(0, lambda: weights)
    weights["dense.weight"] += 1
    (found,) = load_epochs(tmp_path / "w", held.save(tmp_path / "w"), SPECS).values()
    assert not np.array_equal(found["dense.weight"], weights["dense.weight"])


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:-1]), "is damaged: its SHA-256 is not the recorded one"),
        (lambda path: path.unlink(), "cannot be read"),
    ],
)
def test_a_damaged_file_is_a_sentence(damage: Callable[[Path], object], sentence: str, tmp_path: Path) -> None:
    path = tmp_path / "w"
    sha256 = save_epochs({0: after(0)()}, path)
    damage(path)
    with pytest.raises(WeightsError, match=sentence):
        load_epochs(path, sha256, SPECS)


def test_weights_of_no_epoch_and_of_another_network_are_refused(tmp_path: Path) -> None:
    weights = after(0)()
    sha256 = save_epochs({"x": weights}, tmp_path / "w")  # type: ignore[dict-item]
    with pytest.raises(WeightsError, match="which is of no epoch"):
        load_epochs(tmp_path / "w", sha256, SPECS)
    sha256 = save_epochs({0: {"other": weights["dense.bias"]}}, tmp_path / "w")
    with pytest.raises(WeightsError, match="belong to another network"):
        load_epochs(tmp_path / "w", sha256, SPECS)


def test_a_disk_that_takes_nothing_costs_the_replay_alone(tmp_path: Path) -> None:
    (tmp_path / "epochs").write_text("a file where the folder should be")
    held = KeptEpochs()
    held.take(0, after(0))
    assert held.save(epochs_file(tmp_path / "keras.safetensors")) == ""


def test_fewer_epochs_are_spread_from_the_start_to_before_the_last() -> None:
    eight = {epoch: after(epoch)() for epoch in range(8)}
    assert list(spread(eight, 8, 6)) == [0, 1, 3, 4, 5, 7]
    assert list(spread(eight, 8, 1)) == [0]
    assert list(spread(eight, 8, 20)) == list(eight)
