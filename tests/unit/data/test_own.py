"""One's own images as a data set: what dataset.json says, and what it cannot say."""

from pathlib import Path
from typing import Any

import pytest

from core.data import datasets
from core.data.dataset import DatasetError
from core.data.own import read_own
from tests.own_images import FIELDS, with_images, written, written_again


def test_an_own_data_set_is_what_its_folder_says(tmp_path: Path) -> None:
    dataset = read_own(written(tmp_path))
    assert (dataset.name, dataset.title, dataset.drawable) == ("own-pets", "Our pets", False)
    assert dataset.shape == (32, 28, 3, 3)
    assert (dataset.training_split, dataset.validation_images, dataset.test_images) == (36, 4, 10)
    assert dataset.as_json() == FIELDS


def test_an_own_data_set_is_found_and_mapped_like_any_other(tmp_path: Path) -> None:
    folder = with_images(tmp_path)
    assert datasets.find("own-pets", tmp_path) == read_own(folder)
    prepared = datasets.prepare("own-pets", tmp_path, program=("not.there",))
    assert prepared.load().validation_images.shape == (4, 32, 28, 3)


def test_own_data_sets_stand_after_the_catalogue_by_title_and_a_damaged_one_is_left_out(tmp_path: Path) -> None:
    for name, title in (("own-a", "Zebras"), ("own-b", "ants")):
        written(tmp_path, {**FIELDS, "title": title}, name)
    written(tmp_path, "{", "own-broken")
    (tmp_path / "datasets" / "mnist").mkdir()
    assert [*datasets.all_datasets(tmp_path)] == [*datasets.DATASETS, "own-b", "own-a"]
    assert [*datasets.all_datasets(tmp_path / "none")] == [*datasets.DATASETS]


def test_a_data_set_that_is_gone_is_one_sentence(tmp_path: Path) -> None:
    for look in (datasets.find, datasets.prepared, datasets.prepare):
        with pytest.raises(DatasetError, match=r"^There is no data set own-pets in this data folder: it was deleted"):
            look("own-pets", tmp_path)


def test_an_own_data_set_without_its_files_says_so(tmp_path: Path) -> None:
    written(tmp_path)
    assert datasets.prepared("own-pets", tmp_path) is None
    with pytest.raises(
        DatasetError, match=r"^The files of Our pets are damaged: delete it and add its images again\.$"
    ):
        datasets.prepare("own-pets", tmp_path)


def test_labels_of_more_classes_than_it_says_it_has_are_damage_before_anything_trains(tmp_path: Path) -> None:
    written_again(with_images(tmp_path), class_names=["cat", "dog"])
    assert datasets.prepared("own-pets", tmp_path) is None
    with pytest.raises(DatasetError, match=r"^The files of Our pets are damaged: delete it and add its images again"):
        datasets.prepare("own-pets", tmp_path)


@pytest.mark.parametrize(
    "name",
    [
        "\N{MAN}\u200d\N{WOMAN}\u200d\N{GIRL}",
        "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
        "\u0d9a\u0dca\u200d\u0dc2",
        "\u200f\u05d0\u05d1",
    ],
    ids=["emoji", "Persian", "Sinhala", "Hebrew"],
)
def test_joiners_and_marks_of_a_script_may_stand_in_names(tmp_path: Path, name: str) -> None:
    folder = written(tmp_path, {**FIELDS, "title": name, "class_names": ["cat", name]})
    assert (read_own(folder).title, read_own(folder).class_names) == (name, ("cat", name))


@pytest.mark.parametrize("name", ["own-", "own-A", "own-a/../b", "own-ä", "own-a\n", "own-" + "a" * 41, "pets"])
def test_a_name_that_no_own_data_set_has_is_looked_for_nowhere(tmp_path: Path, name: str) -> None:
    with pytest.raises(DatasetError, match=r"There is no data set .*: choose one of mnist5k"):
        datasets.find(name, tmp_path)


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        ("", "it is no JSON"),
        ("\x00\xff", "it is no JSON"),
        ("[" * 100_000, "it is no JSON"),
        (" " * 1_000_001, "it is larger than 1 MB"),
        ([], "it must have the fields"),
        ({**FIELDS, "more": 1}, "it must have the fields"),
        ({**FIELDS, "title": ""}, "its title"),
        ({**FIELDS, "title": "a\nb"}, "its title"),
        ({**FIELDS, "title": "a" * 101}, "its title"),
        ({**FIELDS, "title": 3}, "its title"),
        ({**FIELDS, "image_shape": [28, 28]}, "its image_shape"),
        ({**FIELDS, "image_shape": [28, 28, 2]}, "its image_shape"),
        ({**FIELDS, "image_shape": [28, 0, 1]}, "its image_shape"),
        ({**FIELDS, "image_shape": [28, 65, 1]}, "its image_shape"),
        ({**FIELDS, "image_shape": [28, True, 1]}, "its image_shape"),
        ({**FIELDS, "image_shape": [28, 28, []]}, "its image_shape"),
        ({**FIELDS, "class_names": ["cat"]}, "it must have 2 to 255 classes"),
        ({**FIELDS, "class_names": [str(n) for n in range(256)]}, "it must have 2 to 255 classes"),
        ({**FIELDS, "class_names": "cats"}, "it must have 2 to 255 classes"),
        ({**FIELDS, "class_names": ["cat", "cat"]}, "its classes"),
        ({**FIELDS, "class_names": ["cat", ""]}, "its classes"),
        ({**FIELDS, "class_names": ["cat", "\u202edog"]}, "its classes"),
        ({**FIELDS, "class_names": ["cat", "\u200d"]}, "its classes"),
        ({**FIELDS, "class_names": ["cat", 1]}, "its classes"),
        ({**FIELDS, "train_images": 9}, "its train_images"),
        ({**FIELDS, "train_images": 40.0}, "its train_images"),
        ({**FIELDS, "test_images": 0}, "its test_images"),
        ({**FIELDS, "test_images": 10**9}, "its test_images"),
    ],
)
def test_a_damaged_description_is_one_sentence(tmp_path: Path, damage: Any, why: str) -> None:
    folder = written(tmp_path, damage)
    with pytest.raises(DatasetError, match=rf"^{folder}/dataset\.json is damaged \({why}.*\): delete the data set"):
        datasets.find("own-pets", tmp_path)


def test_a_description_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "datasets" / "own-pets"
    (folder / "dataset.json").mkdir(parents=True)
    with pytest.raises(DatasetError, match=rf"^{folder}/dataset\.json cannot be read \(Is a directory\)"):
        datasets.find("own-pets", tmp_path)
