"""The catalogue of what really differs: that its rows are whole, found, and said of the layers that they touch."""

import ast
import csv
import importlib.util
import io
from importlib import metadata
from pathlib import Path

import pytest

from core.compare.differences import difference
from core.compare.differences.catalogue import DIFFERENCES, find, measure_all, of_part, search, touching
from core.compare.differences.checklist import COLUMNS, checklist_csv, checklist_markdown
from core.compare.differences.costs import RUNS, cost_study
from core.compare.differences.difference import Difference, Part
from core.compare.probes.differences import PROBES, SWITCHES
from core.data.datasets import find as dataset
from core.data.shape import MNIST_SHAPE
from core.experiment.network import Network
from core.experiment.settings import Optimizer, TrainSettings
from core.experiment.switches import Switch
from core.experiment.touched import touched

PACKAGES = {
    "keras-team/keras": ("keras", "src", difference.KERAS_VERSION),
    "pytorch/pytorch": ("torch", "", difference.TORCH_VERSION),
    "pytorch/vision": ("torchvision", "", difference.VISION_VERSION),
}


def names(rows: list[Difference]) -> list[str]:
    return [row.name for row in rows]


def test_every_row_has_a_name_of_its_own_and_those_that_bite_most_come_first() -> None:
    assert len(set(names([*DIFFERENCES]))) == len(DIFFERENCES)
    assert [row.bites for row in DIFFERENCES] == sorted(row.bites for row in DIFFERENCES)
    assert {row.part for row in DIFFERENCES} == set(Part)


def test_at_least_thirty_rows_are_measured_and_each_of_them_by_something_that_there_is() -> None:
    kinds = {kind: {row.name for row in DIFFERENCES if row.kind == kind} for kind in ("switch", "probe", "")}
    assert kinds["switch"] == set(SWITCHES) == {switch.value for switch in Switch}
    assert kinds["probe"] == set(PROBES)
    assert len(kinds["switch"] | kinds["probe"]) >= 30
    assert measure_all().arguments == {"names": [row.name for row in DIFFERENCES if row.measured]}
    assert all(bool(row.not_measured) == (not row.kind) for row in DIFFERENCES)


@pytest.mark.parametrize("row", DIFFERENCES, ids=lambda row: row.name)
def test_a_rows_code_is_python_and_its_sentences_are_whole(row: Difference) -> None:
    for code in (row.keras, row.pytorch, row.align_keras, row.align_pytorch):
        ast.parse(code)
        assert 0 < len(code.splitlines()) <= 6
    assert row.happens.endswith(".")
    assert row.sources
    for source in (*row.sources, *row.bitten):
        assert source.url.startswith("https://")
        assert source.date


@pytest.mark.parametrize("repository", PACKAGES)
def test_the_sources_are_files_of_the_installed_versions(repository: str) -> None:
    package, below, version = PACKAGES[repository]
    assert metadata.version(package).partition("+")[0] == version
    found = importlib.util.find_spec(package)
    assert found is not None
    assert found.origin is not None
    root = Path(found.origin).parent / below
    begins = f"https://github.com/{repository}/blob/v{version}/"
    urls = {source.url for row in DIFFERENCES for source in row.sources if source.url.startswith(begins)}
    assert urls
    inside = f"{package}/{below}/" if below else f"{package}/"
    assert [url for url in urls if not (root / url.removeprefix(begins).removeprefix(inside)).is_file()] == []


def test_a_row_is_found_by_its_name_by_its_part_and_by_all_words_in_any_case() -> None:
    assert find("adam-epsilon").title == "Adam's epsilon"
    with pytest.raises(KeyError, match="There is no difference nothing: choose one of label-shape, "):
        find("nothing")
    assert {row.part for row in of_part(Part.LOSS)} == {Part.LOSS}
    assert names(search("RMSPROP alpha")) == ["rmsprop-rho"]
    assert "batchnorm-momentum" in names(search("opposite"))
    assert search("rmsprop opposite") == []
    assert search("  ") == [*DIFFERENCES]


def test_a_network_has_the_rows_that_touch_it_with_its_own_layers() -> None:
    settings = TrainSettings(network="batchnorm", optimizer=Optimizer.RMSPROP)
    network = Network.of(settings.network, MNIST_SHAPE)
    found = {row.name: layers for row, layers in touching(settings, network)}
    assert found["batchnorm-momentum"] == ["batchnorm1", "batchnorm2"]
    assert found["evaluation-mode"] == ["batchnorm1", "batchnorm2", "dropout"]
    assert found["softmax-twice"] == ["dense"]
    assert "rmsprop-rho" in found
    assert {"adam-epsilon", "leakyrelu-slope", "label-shape", "weight-decay"}.isdisjoint(found)
    # What a run can keep, and what the catalogue says of it, are one.
    switches = {switch.value: [*layers] for switch, layers in touched(settings, network).items()}
    assert {name: layers for name, layers in found.items() if name in SWITCHES} == switches


def test_one_channel_hides_the_order_of_flattened_activations() -> None:
    for text, layers in (("flatten, dense 10", []), ("conv 2 3, flatten, dense 10", ["flatten"])):
        found = dict(touching(TrainSettings(network=text), Network.of(text, MNIST_SHAPE)))
        assert found.get(find("flatten-order"), []) == layers


def test_the_checklist_can_be_ticked_and_reckoned_with() -> None:
    settings = TrainSettings(network="strided")
    rows = touching(settings, Network.of("strided", MNIST_SHAPE))
    text = checklist_markdown(rows, "For strided.")
    assert text.startswith("# Keras and PyTorch: what really differs\n\nFor strided.\n")
    assert text.count("- [ ] **") == len(rows)
    assert "Here: conv1, conv2." in text
    assert text.count("```python") == text.count("  ```\n") == 4 * len(rows)
    lines = list(csv.reader(io.StringIO(checklist_csv(rows))))
    assert tuple(lines[0]) == COLUMNS
    assert len(lines) == 1 + len(rows)
    (padding,) = [dict(zip(COLUMNS, line, strict=True)) for line in lines if line[0] == "strided-padding"]
    assert padding["touches"] == "conv1, conv2"
    assert "Here:" not in checklist_markdown([(row, ()) for row in DIFFERENCES])


@pytest.mark.parametrize("name", [row.name for row in DIFFERENCES if row.cost])
def test_a_cost_is_that_of_a_twin_that_keeps_this_default_and_meets_it(name: str) -> None:
    study = cost_study(find(name))
    assert study.base.keep == (name,)
    assert study.seeds >= 5
    settings = study.base.fitted(dataset(study.base.dataset))
    assert Switch(name) in touched(settings, Network.of(settings.network, MNIST_SHAPE))


def test_no_study_is_planned_for_a_row_that_claims_no_cost() -> None:
    assert set(RUNS) == {row.name for row in DIFFERENCES if row.cost}
