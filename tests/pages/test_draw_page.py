"""The Draw page without a browser: which models read, what they say, and what a bad drawing or run gets."""

import base64
import re
import shutil
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from core.data import images
from core.experiment.names import engine_title
from core.experiment.settings import TrainSettings
from core.launcher.predictors import MODELS_WAIT, PredictorError
from core.results.export import as_json
from core.results.gallery import open_gallery
from core.results.importing import read_json
from core.results.models import models_of
from core.results.outcome import gather
from core.web.components.digit_pad import PadAnswer
from core.web.draw import inside, replay, take_along
from core.web.draw.drawing import EMPTY, EMPTY_PICTURE, EXAMPLE, EXAMPLE_PICTURE, FILE, KEPT
from core.web.draw.view import accuracy_words, best_run, per_cent
from tests.own_images import FIELDS, with_images
from tests.pages.conftest import SHORT, Ended, MakeRun, StandInLauncher, TrainPage, html_of, read, serve, wait_for
from tests.strokes import drawn

LOADING = "Loading both models"


class DrawPage(TrainPage):
    """The Draw page, with its models loaded."""

    def __init__(self, launcher: StandInLauncher | None = None, **link: str) -> None:
        self.launcher = launcher
        super().__init__()
        self.app.switch_page("../../pages/draw.py")
        for name, value in link.items():
            self.app.query_params[name] = value
        self.loaded()

    def loaded(self) -> "DrawPage":
        """Runs until the models answer, or cannot."""
        self.run()
        wait_for("the models are loaded", lambda: not self.components("digit_pad") or self._rests())
        return self

    def _rests(self) -> bool:
        if self.pad["hint"].startswith(LOADING):
            self.run()
            return False
        return True

    @property
    def pad(self) -> dict[str, Any]:
        """What the component is given."""
        (given,) = self.components("digit_pad")
        return given

    def upload(self, name: str, content: bytes) -> "DrawPage":
        self.app.file_uploader(key=FILE).upload(name, content, "image/png")
        self.run()
        return self

    def draw(self, strokes: object, sample: int | None = None) -> "DrawPage":
        serial = self.pad["serial"] + 1
        self.app.session_state[KEPT] = PadAnswer(strokes, sample, serial)
        self.run()
        assert self.pad["serial"] == serial
        return self


@pytest.fixture
def ended(make_run: MakeRun) -> Ended:
    return make_run()


@pytest.fixture
def with_run(ended: Ended, data_dir: Any, shows: Any) -> Ended:
    """The page's data folder holds one finished run with its weights."""
    shows(ended)
    shutil.copytree(ended.folder / "runs", data_dir / "runs")
    return ended


@pytest.fixture
def page(with_run: Ended, launcher: StandInLauncher) -> DrawPage:
    return DrawPage(launcher)


def test_without_any_run_the_page_says_what_to_do(launcher: StandInLauncher) -> None:
    page = DrawPage(launcher)
    assert page.says("No run has finished here yet. Train one first.")
    assert not page.components("digit_pad")


def test_the_first_visit_has_an_example_that_both_models_have_read_and_that_goes_with_the_first_stroke(
    page: DrawPage,
) -> None:
    first = page.pad["samples"][0]
    assert (page.pad["picture"], page.pad["seen"]) == (first["pixels_base64"], first["pixels_base64"])
    assert (page.pad["serial"], page.pad["sample"], page.pad["strokes"]) == (0, None, [])
    assert page.pad["headline"]
    assert page.pad["detail"].endswith(EXAMPLE)
    assert page.pad["how"] == "A test image, as it is."
    page.draw(drawn(7, "middle"))
    assert page.pad["picture"] is None
    assert EXAMPLE not in page.pad["detail"]
    assert page.draw([]).pad["hint"] == EMPTY, "it does not come back"


def test_an_empty_pad_gets_a_hint_and_no_answer(page: DrawPage) -> None:
    page.draw([])
    assert page.pad["hint"] == EMPTY
    assert [lane["name"] for lane in page.pad["lanes"]] == ["Keras", "PyTorch"]
    assert all(lane["probabilities"] is None for lane in page.pad["lanes"])
    assert page.pad["seen"] is None


def test_both_models_answer_a_drawing(page: DrawPage) -> None:
    page.draw(drawn(7, "middle"))
    lanes = page.pad["lanes"]
    assert all(abs(sum(lane["probabilities"]) - 1) < 1e-6 for lane in lanes)
    assert page.pad["headline"] in {f"Both read a{'n' * (n == 8)} {n}." for n in range(10)} | {"They disagree."}
    assert len(base64.b64decode(page.pad["seen"])) == 784
    assert page.pad["hint"] == ""


def test_the_answers_are_the_models_own(page: DrawPage, launcher: StandInLauncher, with_run: Ended) -> None:
    page.draw(drawn(3, "large"))
    seen = np.frombuffer(base64.b64decode(page.pad["seen"]), np.uint8).reshape(1, 28, 28)
    outcome = gather(with_run.run, launcher.store.rows(with_run.run.id))
    answers = launcher.predictors.ask(models_of(outcome, launcher.store), seen)
    for lane, answer in zip(page.pad["lanes"], answers, strict=True):
        np.testing.assert_allclose(lane["probabilities"], answer.probabilities[0], rtol=1e-9)


def test_a_drawing_that_is_none_is_a_hint(page: DrawPage) -> None:
    for strokes in ("x", [[1]], [[0, "a"]], [[0, float("nan")]], [[0, 10**9]], [[0, 0]] * 300, {"a": 1}):
        page.draw(strokes)
        assert page.pad["hint"].endswith("."), strokes
        assert page.pad["hint"] != EMPTY, strokes
        assert all(lane["probabilities"] is None for lane in page.pad["lanes"]), strokes
        assert page.draw(drawn(1, "middle")).pad["headline"], "the page goes on"


def test_a_single_dot_and_a_full_pad_are_answered(page: DrawPage) -> None:
    assert page.draw([[500, 500]]).pad["headline"]
    lines = [[0, y, 1000, y] for y in range(0, 1001, 40)]
    assert page.draw(lines).pad["headline"]


def test_ten_samples_of_the_runs_own_test_images_are_offered(page: DrawPage) -> None:
    samples = page.pad["samples"]
    assert [sample["label"] for sample in samples] == list(range(10))
    page.draw([], sample=samples[4]["index"])
    assert page.pad["seen"] == samples[4]["pixels_base64"]
    assert page.pad["headline"]


def test_a_sample_that_does_not_exist_is_a_hint(page: DrawPage) -> None:
    for sample in (-1, 10**9):
        page.draw([], sample=sample)
        assert page.pad["hint"].endswith("."), sample
        assert not page.pad["headline"], sample


def png(picture: Any) -> bytes:
    return images.png(255 - picture)


def test_a_bad_upload_clears_the_answer_and_says_why_in_its_place(page: DrawPage) -> None:
    page.draw(drawn(7, "middle"))
    assert page.pad["headline"]
    page.upload("torn.png", b"not a picture")
    pad = page.pad
    assert pad["hint"] == "torn.png is text: only PNG and JPEG pictures can be read."
    assert pad["fault"]
    assert (pad["headline"], pad["strokes"], pad["seen"], pad["picture"]) == ("", [], None, None)
    assert page.problems == [pad["hint"]], "beside the file, too"
    page.app.file_uploader(key=FILE).clear()
    page.run()
    assert (page.pad["hint"], page.pad["fault"], page.problems) == (EMPTY, False, [])


def test_a_good_upload_is_read_and_a_drawing_takes_its_place(page: DrawPage) -> None:
    page.upload("torn.png", b"not a picture")
    page.upload("three.png", png(images.rasterise(drawn(3, "middle"))))
    assert page.pad["headline"]
    assert page.pad["picture"] == page.pad["seen"]
    assert not page.problems
    page.draw(drawn(7, "middle"))
    assert page.pad["picture"] is None


def select_of(page: DrawPage) -> Any:
    (select,) = [box for box in page.app.selectbox if box.label == "Models of"]
    return select


@pytest.mark.parametrize("linked", [False, True], ids=["the best", "a link's"])
def test_the_preselected_run_is_the_selects_default_so_that_no_rerun_can_lose_it(
    make_run: MakeRun, with_run: Ended, launcher: StandInLauncher, linked: bool
) -> None:
    newer = launcher.submit(TrainSettings.parse({**SHORT, "epochs": 1}))
    wait_for("the newer one ends", lambda: not launcher.active())
    runs = [run.id for run in launcher.store.runs()]
    wanted = newer if linked else best_run(launcher.store.runs()).id
    select = select_of(DrawPage(launcher, run=wanted) if linked else DrawPage(launcher))
    assert (select.value, select.proto.default, select.proto.set_value) == (wanted, runs.index(wanted), False)


def test_the_best_run_is_chosen_and_its_accuracy_stands_beside_its_name(
    make_run: MakeRun, with_run: Ended, data_dir: Any, launcher: StandInLauncher
) -> None:
    newer = launcher.submit(TrainSettings.parse({**SHORT, "epochs": 1}))
    wait_for("the newer one ends", lambda: not launcher.active())
    page = DrawPage(launcher)
    older = with_run.run
    assert launcher.store.runs()[0].id == newer
    chosen = select_of(page)
    assert chosen.value == best_run(launcher.store.runs()).id == older.id
    shown = [read(label) for label in chosen.options]
    for label, run in zip(shown, launcher.store.runs(), strict=True):
        assert label.endswith(read(accuracy_words(run)))
    assert page.says(f"Test accuracy: {read(accuracy_words(older))}. The run with the highest")


def test_swapped_weights_are_read_with_under_the_switch(page: DrawPage) -> None:
    page.draw([])
    page.app.toggle(key="swap").set_value(True)
    page.loaded()
    assert EMPTY in page.texts, "the switch says what it waits for"
    page.draw(drawn(5, "large"))
    names = ["Keras with PyTorch's weights", "PyTorch with Keras' weights"]
    assert [lane["name"] for lane in page.pad["lanes"]] == names
    answer = f"{page.pad['headline']} {page.pad['detail']}".replace("\u00a0", " ")
    assert all(name in answer for name in names)

    assert answer in page.texts, "under the switch, too: the pad is a component of its own"


def test_swapped_weights_are_compared_in_words(page: DrawPage) -> None:
    page.draw(drawn(5, "large"))
    page.app.toggle(key="swap").set_value(True)
    page.loaded()
    assert page.says("Largest difference of the outputs.")
    assert page.says("With the weights that Keras learnt: 0 of at most")
    assert page.says("the framework is not the model")


def unfolded(page: DrawPage) -> str:
    """What stands inside, as a reader sees it, with the layer that is chosen."""
    page.app.session_state[inside.OPEN] = True
    page.loaded()
    return shown_inside(page)


def shown_inside(page: DrawPage) -> str:
    (body,) = html_of(page.app, "inside")
    return " ".join(" ".join(body.itertext()).replace("\u00a0", " ").split())


def pictures_inside(page: DrawPage) -> list[str]:
    """What each picture is of."""
    (body,) = html_of(page.app, "inside")
    return [picture.attrib["alt"] for picture in body.iter("img")]


def test_the_insides_are_folded_until_wanted_and_computed_once_for_all_layers(
    page: DrawPage, launcher: StandInLauncher, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    look = launcher.predictors.look
    monkeypatch.setattr(launcher.predictors, "look", lambda *given: asked.append(1) or look(*given))
    page.draw(drawn(5, "large"))
    assert (html_of(page.app, "inside"), asked) == ([], [])
    assert "conv1 (conv 30 3 relu): 26 × 26 × 30, height by width by maps." in unfolded(page)
    assert pictures_inside(page)[:2] == ["conv1 in Keras", "conv1 in PyTorch"]
    (layers,) = [group for group in page.app.get("button_group") if group.label == "Layer"]
    assert layers.options == ["conv1", "pool1", "conv2", "pool2", "flatten", "dropout", "dense"]
    layers.set_value("dense")
    page.run()
    assert shown_inside(page).startswith("dense (dense 10): 10 numbers.")
    assert "All bars have one scale" in shown_inside(page)
    assert asked == [1], "another layer is drawn of what is there"
    page.draw(drawn(6, "large"))
    assert asked == [1, 1]


def test_the_gradients_of_both_answers_stand_below_with_how_far_they_agree(page: DrawPage) -> None:
    page.draw(drawn(5, "large"))
    text = unfolded(page)
    assert pictures_inside(page)[-2:] == ["The pixels that Keras looks at", "The pixels that PyTorch looks at"]
    # Both stand-ins learn the same.
    assert "The two maps agree by 1.00" in text
    assert "Both read" in text


def test_with_swapped_weights_the_differences_vanish_and_the_page_says_why(page: DrawPage) -> None:
    page.draw(drawn(5, "large"))
    page.app.toggle(key="swap").set_value(True)
    text = unfolded(page)
    assert "Here both models have the weights that PyTorch learnt. The differences vanish" in text
    assert "What a layer computes is in its weights, not in its framework." in text
    assert pictures_inside(page)[0].endswith("in Keras with PyTorch's weights")


def test_without_a_drawing_or_a_model_the_insides_say_so(
    page: DrawPage, launcher: StandInLauncher, monkeypatch: pytest.MonkeyPatch
) -> None:
    page.app.session_state[inside.OPEN] = True
    page.draw([])
    assert EMPTY in page.texts

    def broken(*_: object) -> None:
        raise PredictorError("Keras cannot answer: it is *gone*.")

    monkeypatch.setattr(launcher.predictors, "look", broken)
    page.draw(drawn(1, "large"))
    assert "Keras cannot answer: it is *gone*." in page.problems
    assert html_of(page.app, "inside") == []


def test_disagreements_mistakes_and_matrices_stand_below(page: DrawPage) -> None:
    assert [h for h in page.headers if h] == [
        "Swap the weights",
        "Where they disagree",
        "Surest mistakes",
        "Behind the matrix",
        "Take the weights",
    ]
    assert page.says("of 1,000 test images.")
    assert len(page.figures) == 2


def test_under_each_disagreement_stands_what_is_true_and_what_each_read(
    with_run: Ended, launcher: StandInLauncher
) -> None:
    outcome = gather(with_run.run, launcher.store.rows(with_run.run.id))
    path = launcher.store.artifacts(outcome.run.id) / outcome.lanes[1].tested.predictions_file
    with np.load(path) as kept:
        classes, probabilities = kept["classes"].copy(), kept["probabilities"]
    classes[[3, 500, 999]] = (classes[[3, 500, 999]] + 1) % 10
    np.savez(path, classes=classes, probabilities=probabilities)
    page, gallery = DrawPage(launcher), open_gallery(launcher.store, outcome)
    found = gallery.disagreements("keras", "torch")
    first, *_ = [e.proto.body for e in page.app.get("html") if 'class="test-images"' in e.proto.body]
    figures = re.findall(r"<figure>(.*?)</figure>", first)
    assert len(figures) == len(found) == 3
    for index, figure in zip(found, figures, strict=True):
        lines = [re.sub("<.*?>", "", line) for line in re.findall("<span>(.*?)</span>", figure)]
        assert lines[0] == f"True: {gallery.labels[index]}"
        for engine, line in zip(("keras", "torch"), lines[1:], strict=True):
            lane = gallery.lane(engine)
            read = f"{engine_title(engine)}: {lane.classes[index]}, {per_cent(float(lane.probabilities[index]))}"
            assert line.partition(" ")[2] == read


def trained_on(launcher: StandInLauncher, dataset: str, network: str = "mlp", batch_size: str = "12") -> None:
    settings = {**SHORT, "dataset": dataset, "network": network, "batch_size": batch_size}
    launcher.submit(TrainSettings.parse(settings))
    wait_for("the run's end", lambda: not launcher.active())


def test_images_that_cannot_be_drawn_are_taken_and_shown_in_colour_and_nothing_stays_when_they_are_gone(
    data_dir: Any, launcher: StandInLauncher
) -> None:
    (data_dir / "datasets").unlink()  # a link to those of all tests
    folder = with_images(data_dir, FIELDS | {"class_names": ["<b>cat</b>", "dog", "*cow*"]})
    trained_on(launcher, "own-pets")
    page = DrawPage(launcher)
    assert page.says("Upload a picture or take a test image.")
    assert page.pad["detail"].endswith(EXAMPLE_PICTURE)
    assert (page.pad["drawable"], page.pad["hint"]) == (False, "")
    assert page.draw(drawn(7, "middle")).pad["hint"] == EMPTY_PICTURE, "strokes are none of its images"
    samples = page.pad["samples"]
    assert [len(base64.b64decode(sample["pixels_base64"])) for sample in samples] == [32 * 28 * 3] * 3
    page.draw([], sample=samples[1]["index"])
    assert page.pad["seen"] == samples[1]["pixels_base64"]
    assert len(page.pad["lanes"][0]["probabilities"]) == 3
    page.upload("red.png", images.png(np.full((90, 90, 3), (250, 0, 9), np.uint8)))
    assert base64.b64decode(page.pad["seen"]) == bytes((250, 0, 9)) * (32 * 28)
    assert page.pad["how"] == "32 × 28, cut from the middle and resized (Lanczos)."
    assert unfolded(page).startswith("flatten: 2,688 numbers."), "of three channels"
    assert "Which pixels it looks at" in shown_inside(page)
    shutil.rmtree(folder)
    gone = page.loaded()
    assert gone.says("Our pets, the data set of this run, was deleted or changed: its results stay.")
    assert gone.pad["samples"] == []
    assert gone.pad["headline"], "the models still read what was uploaded"


def test_small_digits_are_drawn_as_they_are(data_dir: Any, launcher: StandInLauncher) -> None:
    (data_dir / "datasets").unlink()
    trained_on(launcher, "digits", batch_size="100")
    page = DrawPage(launcher).draw(drawn(7, "middle"))
    assert len(base64.b64decode(page.pad["seen"])) == 64
    assert (page.pad["drawable"], page.pad["image_shape"]) == (True, [8, 8, 1])
    assert page.pad["headline"]
    assert unfolded(page).startswith("flatten: 64 numbers.")


def test_the_drawing_survives_a_change_of_page(page: DrawPage) -> None:
    page.draw(drawn(2, "small"))
    seen = page.pad["seen"]
    page.app.switch_page("../../pages/train.py").run()
    page.app.switch_page("../../pages/draw.py")
    assert page.loaded().pad["seen"] == seen


def test_damaged_weights_are_a_hint_and_the_page_goes_on(with_run: Ended, data_dir: Any) -> None:
    for path in (data_dir / "runs" / with_run.run.id).glob("*.safetensors"):
        path.write_bytes(b"nothing")
    launcher = StandInLauncher(data_dir)
    serve(launcher)
    try:
        page = DrawPage(launcher)
        page.draw(drawn(7, "middle"))
        assert "damaged" in page.pad["hint"] or any("damaged" in error for error in page.errors)
        assert not page.app.exception
    finally:
        launcher.close()


@pytest.mark.parametrize("link", ["../../etc/passwd", "<script>alert(1)</script>", "20261104-081500-1a2b3c4d"])
def test_a_link_to_a_run_that_is_not_there_is_a_sentence(with_run: Ended, launcher: StandInLauncher, link: str) -> None:
    page = DrawPage(launcher, run=link)
    assert page.problems == ["That run has no weights here: it is gone, did not finish, or came without them."]
    assert page.pad["detail"].endswith(EXAMPLE)


def test_while_a_run_trains_no_model_is_loaded(with_run: Ended, data_dir: Any) -> None:
    launcher = StandInLauncher(data_dir, keras="fake-slow")
    serve(launcher)
    try:
        run_id = launcher.submit(TrainSettings(epochs=100))
        wait_for("it trains", lambda: any(row.kind == "step" for row in launcher.store.rows(run_id)))
        page = DrawPage(launcher)
        assert page.pad["hint"] == MODELS_WAIT
        launcher.stop(run_id)
        wait_for("it has ended", lambda: not launcher.active())
    finally:
        launcher.close()


def test_files_that_a_model_must_write_wait_in_words_while_a_run_trains(with_run: Ended, data_dir: Any) -> None:
    launcher = StandInLauncher(data_dir, keras="fake-slow")
    serve(launcher)
    try:
        page = DrawPage(launcher)
        disabled = {b.proto.label: b.proto.disabled for b in page.app.get("download_button")}
        assert not any(disabled.values())
        launcher.predictors.make_room()
        run_id = launcher.submit(TrainSettings(epochs=100))
        wait_for("it trains", lambda: any(row.kind == "step" for row in launcher.store.rows(run_id)))
        page.run()
        disabled = {b.proto.label: b.proto.disabled for b in page.app.get("download_button")}
        assert [disabled[f"keras.{kind}"] for kind in ("safetensors", "keras", "pt")] == [False, True, True]
        assert page.says(f"Some of these files cannot be written yet. {MODELS_WAIT}")
        launcher.stop(run_id)
        wait_for("it has ended", lambda: not launcher.active())
        page.run()
        assert not any(b.proto.disabled for b in page.app.get("download_button"))
    finally:
        launcher.close()


def taken_in(launcher: StandInLauncher, ended: Ended, with_files: bool) -> str:
    """The finished run once more, as an import."""
    rows = launcher.store.rows(ended.run.id, limit=10**9)
    folder = launcher.store.artifacts(ended.run.id) if with_files else None
    return launcher.import_run(*read_json(as_json(ended.run, rows, folder).encode()))


def test_the_training_is_replayed_for_the_drawing_once_that_is_wanted(page: DrawPage) -> None:
    page.draw(drawn(7, "middle"))
    assert not page.components("training_replay"), "folded away, and nothing is computed"
    page.app.session_state[replay.FOLDED] = True
    (shown,) = page.run().components("training_replay")
    assert shown["epochs"] == [0, 1, 2, 3]
    assert [lane["name"] for lane in shown["lanes"]] == ["Keras", "PyTorch"]
    for lane, answer in zip(shown["lanes"], page.pad["lanes"], strict=True):
        np.testing.assert_allclose(lane["probabilities"][-1], answer["probabilities"], atol=1e-4)
    assert read(shown["words"][-1]).startswith("After epoch 3 Keras reads a")
    (another,) = page.draw(drawn(1, "middle")).components("training_replay")
    assert another["lanes"] != shown["lanes"]
    page.draw([])
    assert not page.components("training_replay")
    assert page.says(EMPTY)


def test_a_run_without_its_epochs_says_that_it_cannot_be_replayed(with_run: Ended, launcher: StandInLauncher) -> None:
    page = DrawPage(launcher, run=taken_in(launcher, with_run, with_files=True))
    page.draw(drawn(7, "middle"))
    page.app.session_state[replay.FOLDED] = True
    page.run()
    assert page.says(f"{replay.NONE_KEPT} {replay.TRAIN_ONE}")
    launcher.deployment.epoch_weights = False
    assert replay.NONE_KEPT in page.run().texts
    assert not page.components("training_replay")


def test_an_import_without_weights_is_not_offered_and_changes_nothing(
    with_run: Ended, launcher: StandInLauncher
) -> None:
    imported = taken_in(launcher, with_run, with_files=False)
    page = DrawPage(launcher, run=imported)
    assert page.problems == ["That run has no weights here: it is gone, did not finish, or came without them."]
    assert select_of(page).value == with_run.run.id
    assert not page.says("imported")
    assert TrainPage().says(with_run.run.id)
    assert not TrainPage().says(imported)


def test_an_import_that_brings_its_weights_reads_and_is_called_imported(
    with_run: Ended, launcher: StandInLauncher
) -> None:
    imported = taken_in(launcher, with_run, with_files=True)
    page = DrawPage(launcher, run=imported)
    assert select_of(page).value == imported
    labels = select_of(page).options
    assert sum("imported" in label for label in labels) == 1
    page.draw(drawn(7, "middle"))
    assert page.pad["headline"]
    assert "Where they disagree" in page.headers


def test_where_only_an_import_is_train_shows_what_came_with_the_project(
    with_run: Ended, launcher: StandInLauncher
) -> None:
    taken_in(launcher, with_run, with_files=False)
    launcher.delete(with_run.run.id)
    assert not TrainPage().headers
    assert DrawPage(launcher).says("No run has finished here yet. Train one first.")


def test_of_files_that_could_not_be_written_the_last_sentence_is_kept_and_no_exception(
    with_run: Ended, launcher: StandInLauncher, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[Callable[[PredictorError], None]] = []
    monkeypatch.setattr(take_along, "framework_file", lambda *given: told.append(given[-1]) or bytes)
    page = DrawPage(launcher)
    for why in ("The disk is full.", "Keras does not answer."):
        told[-1](PredictorError(why))
    ((_, kept),) = page.app.session_state["weights_failed"]
    assert (type(kept), kept) == (str, "Keras does not answer.")
    assert page.run().says("The file was not written. Keras does not answer.")
