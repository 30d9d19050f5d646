"""One's own images on the Train page: read beside the page, looked at, kept, renamed, deleted, and refused in words."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from core.data import datasets
from core.data.own_images import Draft, Wanted
from core.deployment.limits import HostedLimits
from core.web.train import own_images
from tests.pages.conftest import StandInLauncher, TrainPage, read, serve, wait_for
from tests.pictures import pets, zipped

OWN = {"own-pets"}


@pytest.fixture
def own_data(data_dir: Path, prepared_data_dir: Path) -> Path:
    """A data folder whose data sets are this test's own."""
    (data_dir / "datasets").unlink()
    (data_dir / "datasets").mkdir()
    (data_dir / "datasets" / "mnist5k").symlink_to(prepared_data_dir / "datasets" / "mnist5k")
    return data_dir


@pytest.fixture
def launcher(own_data: Path) -> Iterator[StandInLauncher]:
    opened = StandInLauncher(own_data)
    serve(opened)
    yield opened
    opened.close()


@pytest.fixture
def zip_(tmp_path: Path) -> bytes:
    return zipped(pets(), tmp_path / "pets.zip").read_bytes()


class OwnPage(TrainPage):
    """The Train page with the section open."""

    def __init__(self) -> None:
        super().__init__()
        self.app.session_state[own_images.BOX] = True
        self.run()

    def read(self, name: str, content: bytes) -> "OwnPage":
        """Uploads a zip and presses Read, until it is read."""
        self.app.text_input(key=own_images.NAME).set_value(name)
        (uploader,) = self.app.get("file_uploader")
        uploader.set_value(("pets.zip", content, "application/zip"))
        self.run()
        self.press("Read the pictures")
        self.wait()
        return self

    def wait(self) -> None:
        if own_images.MAKING in self.app.session_state:
            making = self.app.session_state[own_images.MAKING]
            wait_for("the pictures are read", lambda: not making.goes_on)
            self.run()

    @property
    def samples(self) -> list[str]:
        bodies = [read(element.proto.body) for element in self.app.get("html")]
        return [body for body in bodies if 'class="class-samples"' in body]


def test_the_section_is_folded_and_reads_nothing_until_it_is_opened(launcher: StandInLauncher) -> None:
    page = TrainPage()
    assert "Your own images" in [expander.label for expander in page.app.expander]
    assert not page.app.get("file_uploader")


def test_a_zip_is_looked_at_then_kept_and_chosen(launcher: StandInLauncher, own_data: Path, zip_: bytes) -> None:
    page = OwnPage().read("Pets", zip_)
    assert page.says("Pets: 2 classes, 32 x 32 colour pixels, 44 for training, 4 for validation, 12 for testing.")
    assert page.says("The classes are unequal: always guessing cat would be right in 66.7 % of the tests.")
    (samples,) = page.samples
    assert "<strong>cat</strong>, 40 images" in samples
    assert "<strong>dog</strong>, 20 images" in samples
    assert not OWN & datasets.all_datasets(own_data).keys()
    page.press("Keep")
    assert datasets.all_datasets(own_data).keys() >= OWN
    assert page.fields["dataset"] == "own-pets"
    assert page.link["dataset"] == "own-pets"
    assert page.says("Pets is kept, and chosen as the data set above. A batch of it has at most 44 images.")
    assert page.problems == ["Batch size 126 is larger than the 44 images that “Pets” trains on: choose 1 to 44."]


def test_what_is_discarded_leaves_nothing(launcher: StandInLauncher, own_data: Path, zip_: bytes) -> None:
    page = OwnPage().read("Pets", zip_)
    page.press("Discard")
    assert not page.samples
    assert sorted(path.name for path in (own_data / "datasets").iterdir()) == [".own.lock", "mnist5k"]


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("", "The data set needs a name."),
        ("x" * 300, "The name has 300 letters: at most 40 fit into the pages' fields."),
        ("MNIST", "There is already a data set called MNIST: choose another name."),
    ],
)
def test_a_name_that_cannot_be_is_a_sentence_and_the_rest_stays(
    launcher: StandInLauncher, zip_: bytes, name: str, sentence: str
) -> None:
    page = OwnPage().read(name, zip_)
    assert page.errors == [sentence]
    assert page.app.text_input(key=own_images.NAME).value == name
    assert "Read the pictures" in page.buttons


def test_a_bad_zip_is_a_sentence_and_leaves_nothing(launcher: StandInLauncher, own_data: Path) -> None:
    page = OwnPage().read("Pets", b"no zip")
    assert page.problems == ["The zip is damaged, or no zip: pack the folder once more."]
    assert sorted(path.name for path in (own_data / "datasets").iterdir()) == [".own.lock", "mnist5k"]


@pytest.mark.parametrize("fault", [OSError(28, "No space left on device"), MemoryError()])
def test_whatever_ends_the_reading_the_form_is_back_with_a_sentence(
    launcher: StandInLauncher, own_data: Path, zip_: bytes, monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    def fail(draft: Draft) -> None:
        raise fault

    monkeypatch.setattr(Draft, "look", fail)
    page = OwnPage().read("Pets", zip_)
    (said,) = page.problems
    assert said.startswith("The pictures could not be read (")
    assert said.endswith("): try again.")
    assert "Read the pictures" in page.buttons
    assert sorted(path.name for path in (own_data / "datasets").iterdir()) == [".own.lock", "mnist5k"]


def test_a_second_press_of_keep_that_was_on_its_way_does_nothing(
    launcher: StandInLauncher, own_data: Path, zip_: bytes
) -> None:
    page = OwnPage().read("Pets", zip_)
    keep = page.app.button(key="own_keep")
    page.press("Keep")
    keep.click()  # of the page before
    page.run()
    assert not page.app.exception
    assert page.says("Pets is kept, and chosen as the data set above. ")


def test_foreign_names_are_shown_as_text(launcher: StandInLauncher, tmp_path: Path) -> None:
    source = zipped(pets({"<b>*cat*": 10, "`dog`": 10}), tmp_path / "odd.zip").read_bytes()
    page = OwnPage().read("<i>_odd_ :red[x]", source)
    (samples,) = page.samples
    assert "&lt;b&gt;*cat*" in samples
    assert any("\\<i\\>\\_odd\\_" in element.value for element in page.app.markdown)


@pytest.fixture
def kept(own_data: Path, zip_: bytes, tmp_path: Path) -> None:
    draft = Draft(own_data, Wanted("Pets", 28))
    draft.make(tmp_path / "pets.zip")
    draft.keep()


@pytest.mark.usefixtures("kept")
def test_a_set_is_renamed_and_deleted(launcher: StandInLauncher, own_data: Path) -> None:
    page = OwnPage()
    assert page.says("Pets")
    page.app.text_input(key="own_title_own-pets").set_value("Cats and dogs")
    page.app.button(key="own_rename_own-pets").click()
    page.run()
    assert datasets.find("own-pets", own_data).title == "Cats and dogs"
    page.app.selectbox(key="dataset").set_value("own-pets")
    page.run()
    page.app.button(key="own_delete_own-pets").click()
    page.run()
    asked = [read(element.value) for element in page.app.markdown]
    assert "Cats and dogs is removed for good. Runs on it keep their results." in asked
    page.app.button(key="own_delete_for_good").click()
    page.run()
    assert not OWN & datasets.all_datasets(own_data).keys()
    assert page.fields["dataset"] == "mnist5k"


def test_where_it_is_hosted_nothing_is_offered_and_all_is_refused(own_data: Path, zip_: bytes) -> None:
    launcher: Any = StandInLauncher(own_data, limits=HostedLimits.model_construct())
    serve(launcher)
    try:
        page = TrainPage()
        assert "Your own images" not in [expander.label for expander in page.app.expander]
        refusal = "Own images cannot be added or changed here: choose one of the data sets that are there."
        for press in (
            lambda: launcher.own_images.draft(Wanted("Pets")),
            lambda: launcher.own_images.rename("own-pets", "x"),
            lambda: launcher.own_images.delete("own-pets"),
        ):
            with pytest.raises(Exception, match=refusal):
                press()
    finally:
        launcher.close()
