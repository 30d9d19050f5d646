"""The Train page without a browser: fields, link, plan, bad input, the states of a run, faults, and foreign text."""

import asyncio
import json
import re
import sqlite3
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest

from core.cli import record
from core.data.datasets import DATASETS
from core.deployment.limits import NO_LIMITS, HostedLimits, Limits
from core.deployment.settings import DeploymentSettings
from core.experiment import busy_machine
from core.experiment.engine_names import ENGINE_NAMES, installed_engines
from core.experiment.kinds import Choice
from core.experiment.names import engine_title
from core.experiment.network import PRESETS
from core.experiment.order import Order
from core.experiment.settings import NUMBERS, SETTINGS, TrainSettings
from core.launcher.launcher import LauncherUnavailable
from core.storage.database import FILE, MIGRATIONS
from core.storage.records import read_recordings
from core.storage.runs import Store
from core.web.elements import address
from core.web.elements.markdown import literal
from core.web.server.installation import Installation, serve_with
from core.web.server.lifespan import lifespan
from tests.pages.conftest import (
    SHORT,
    Ended,
    MakeRun,
    StandInLauncher,
    TrainPage,
    codes_of,
    epochs_of,
    read,
    serve,
    tables_of,
    typed,
    wait_for,
)

OFFERED = ", ".join(ENGINE_NAMES)

Shows = Callable[[Ended], None]
LEFT_OUT = " The link's value was left out."
FINISHED = {"epochs": "3", "batch_size": "600"}


@pytest.fixture
def page(launcher: StandInLauncher) -> TrainPage:
    """The page of a new data folder, as its first visitor opens it."""
    return TrainPage()


# --- the fields ------------------------------------------------------------------------------------------


def test_the_page_names_itself_and_offers_the_articles_settings(page: TrainPage) -> None:
    assert [title.value for title in page.app.title] == ["Keras vs PyTorch"]
    first = [(field.label, field.value) for field in page.app.text_input][:3]
    assert first == [("Batch size", "126"), ("Epochs", "8"), ("Dropout", "0.3")]
    assert page.buttons == ["Start"]
    assert page.startable
    assert not page.problems
    assert not page.errors


def test_the_other_settings_are_folded_away(page: TrainPage) -> None:
    (folded,) = page.app.get("popover")
    assert folded.proto.popover.label == "More settings"
    inside = [
        (widget.label, widget.value)
        for kind in ("radio", "selectbox", "multiselect", "text_input")
        for widget in folded.get(kind)
    ]
    assert inside == [
        ("Alignment", "as-shipped"),
        ("Lanes train", "turns"),
        ("Data set", "mnist5k"),
        ("Optimiser", "adam"),
        ("Device", "auto"),
        ("Engines", ["keras", "torch"]),
        ("Learning rate", "0.001"),
        ("Momentum", "0"),
        ("Weight decay", "0"),
        ("Seed", "0"),
        ("Patience", "0"),
    ]


def test_every_setting_has_a_field(page: TrainPage) -> None:
    assert page.fields == typed(TrainSettings())


def test_every_alignment_says_what_it_makes_equal_in_a_line_that_can_be_seen(page: TrainPage) -> None:
    (choice,), declared = page.app.radio, SETTINGS["alignment"]
    assert isinstance(declared, Choice)
    assert declared.meanings
    assert list(choice.proto.options) == list(declared.titles.values())
    assert list(choice.proto.captions) == [declared.meanings[value] for value in declared.titles]
    assert not choice.help


def ranges(page: TrainPage) -> list[str]:
    """The lines under the fields of the numbers."""
    return [text for text in page.texts if re.match(r"(above )?[\d.]+(, up| to )", text)]


def test_what_a_number_may_be_stands_under_its_field(page: TrainPage) -> None:
    assert ranges(page) == [
        *("1 to 3,600", "1 to 100", "0 to 0.9", "above 0, up to 1,000,000", "0 to 0.999 for SGD and RMSprop."),
        *("0 to 1", "0 to 2,147,483,647"),
        "0 to 100 epochs without a better validation loss, then a lane stops early. 0: never.",
    ]
    page.type("batch_size", "1e9")
    assert ranges(page)[0] == "1 to 3,600", "a wrong value does not take it away"
    page.app.selectbox(key="dataset").set_value("mnist")
    assert ranges(page.run())[0] == "1 to 4,096", "the data set decides how large a batch can be"


def test_only_engines_with_a_framework_are_offered(page: TrainPage) -> None:
    assert page.app.multiselect(key="engines").options == [engine_title(engine) for engine in installed_engines()]


# --- what a twin keeps -----------------------------------------------------------------------------------


def kept(page: TrainPage) -> dict[str, bool]:
    """The boxes of defaults that a twin can keep, by their titles."""
    boxes = [box for box in page.app.checkbox if box.key and box.key.startswith("keep_")]
    return {box.label.split("**")[1]: box.value for box in boxes}


def test_only_a_twin_offers_defaults_to_keep_and_only_those_that_make_a_difference(page: TrainPage) -> None:
    assert kept(page) == {}
    page.app.radio(key="alignment").set_value("exact-twin")
    page.run()
    offered = ("Initialisers", "Order of batches", "Dropout masks", "Precision", "Rounded constants", "Adam's epsilon")
    assert kept(page) == {f"{title}.": False for title in offered}


def test_a_kept_default_is_in_the_link_and_a_link_ticks_its_box(launcher: StandInLauncher) -> None:
    page = TrainPage(alignment="exact-twin", keep="adam-epsilon", network="batchnorm")
    assert kept(page)["Adam's epsilon."]
    page.app.checkbox(key="keep_batchnorm-variance").check()
    page.run()
    assert page.link["keep"] == "adam-epsilon,batchnorm-variance"
    assert not page.problems
    page.app.checkbox(key="keep_adam-epsilon").uncheck()
    page.run()
    assert page.link["keep"] == "batchnorm-variance"


def test_what_is_kept_without_a_twin_is_said_and_can_be_taken_back(launcher: StandInLauncher) -> None:
    page = TrainPage(alignment="as-shipped", keep="float32")
    assert page.problems == ["Only an exact-twin keeps defaults, not as-shipped: keep none, or choose exact-twin."]
    page.app.checkbox(key="keep_float32").uncheck()
    assert not page.run().problems


def test_a_link_that_keeps_what_is_no_default_is_refused_in_a_sentence(launcher: StandInLauncher) -> None:
    page = TrainPage(alignment="exact-twin", keep="nothing-such")
    assert page.problems[0].startswith("There is no default nothing-such to keep. Defaults: initialisers, ")


# --- the plan --------------------------------------------------------------------------------------------


def test_before_the_first_run_the_plan_says_what_start_will_do(page: TrainPage) -> None:
    plan = page.texts[-2]
    assert "29 steps an epoch, 8 epochs, the lanes take turns." in plan
    assert plan.endswith("No estimate of the time yet.")


@pytest.mark.parametrize(
    ("link", "words"),
    [
        ({"batch_size": "3600"}, "1 step an epoch"),
        ({"batch_size": "3599"}, "2 steps an epoch"),
        ({"batch_size": "1"}, "3,600 steps an epoch"),
        ({"epochs": "1"}, "1 epoch, the lanes"),
        ({"schedule": "together"}, "8 epochs, all lanes at once"),
        ({"dataset": "mnist"}, "429 steps an epoch"),
    ],
)
def test_the_plan_follows_the_fields(launcher: StandInLauncher, link: dict[str, str], words: str) -> None:
    plan = TrainPage(**link).texts[-2]
    assert words in plan


def test_the_plan_says_how_long_the_last_such_run_took(
    make_run: MakeRun, shows: Shows, launcher: StandInLauncher
) -> None:
    shows(make_run())
    assert TrainPage(**FINISHED).says("The last such run took ")
    assert TrainPage(**FINISHED | {"epochs": "40"}).says(" here, going by the last such run of 3 epochs.")
    assert TrainPage(**FINISHED | {"batch_size": "601"}).says("No estimate of the time yet.")


# --- bad input -------------------------------------------------------------------------------------------

BAD: list[tuple[str, Any, str]] = [
    ("batch_size", 0, "Batch size must be a whole number from 1 to 3,600, not 0."),
    ("batch_size", -1, "Batch size must be a whole number from 1 to 3,600, not -1."),
    ("batch_size", 10**9, "Batch size must be a whole number from 1 to 3,600, not 1000000000."),
    (
        "batch_size",
        3601,
        "Batch size 3,601 is larger than the 3,600 images that “MNIST, 5,000 images” trains on: choose 1 to 3,600.",
    ),
    ("epochs", 0, "Epochs must be a whole number from 1 to 100, not 0."),
    ("epochs", 10**9, "Epochs must be a whole number from 1 to 100, not 1000000000."),
    ("dropout", 1.0, "Dropout must be a number from 0 to 0.9, not 1.0."),
    ("dropout", -0.1, "Dropout must be a number from 0 to 0.9, not -0.1."),
    ("learning_rate", 0.0, "Learning rate must be a number above 0 and at most 1,000,000, not 0.0."),
    ("learning_rate", -0.001, "Learning rate must be a number above 0 and at most 1,000,000, not -0.001."),
    ("learning_rate", 1e7, "Learning rate must be a number above 0 and at most 1,000,000, not 10000000.0."),
    ("seed", -1, "Seed must be a whole number from 0 to 2,147,483,647, not -1."),
    ("patience", 101, "Patience must be a whole number from 0 to 100, not 101."),
]
AS_IDS = [f"{name}={value}" for name, value, _ in BAD]


@pytest.mark.parametrize(("name", "value", "sentence"), BAD, ids=AS_IDS)
def test_a_bad_value_typed_gives_one_sentence_and_no_start(
    page: TrainPage, name: str, value: Any, sentence: str
) -> None:
    page.type(name, value)
    assert page.problems == [sentence]
    assert not page.errors
    assert not page.startable
    assert page.fields[name] == str(value), "the field keeps what was typed"
    assert not page.says("steps an epoch")
    page.type(name, TrainSettings().as_json()[name])
    assert page.startable
    assert not page.problems


@pytest.mark.parametrize(("name", "value", "sentence"), BAD, ids=AS_IDS)
def test_a_bad_number_in_the_link_gives_the_same_sentence(
    launcher: StandInLauncher, name: str, value: Any, sentence: str
) -> None:
    page = TrainPage(**{name: str(value)})
    assert page.problems == [sentence]
    assert not page.startable
    assert page.fields[name] == str(value), "the field shows what the link asked for"
    assert page.link == {name: str(value)}


@pytest.mark.parametrize("name", list(NUMBERS))
def test_an_emptied_field_is_no_setting(page: TrainPage, name: str) -> None:
    page.type(name, "")
    (sentence,) = page.problems
    assert sentence.endswith(", not nothing.")
    assert not page.startable


def test_no_engine_chosen_gives_a_sentence(page: TrainPage) -> None:
    page.app.multiselect(key="engines").set_value([])
    page.run()
    assert page.problems == [f"Engines must name at least one of {OFFERED}, not []."]
    assert not page.startable


def test_an_alignment_for_the_pair_refuses_one_engine(launcher: StandInLauncher) -> None:
    page = TrainPage(alignment="exact-twin", engines="keras")
    (sentence,) = page.problems
    assert "compares exactly keras and torch" in sentence
    assert not page.startable


NO_NUMBERS = [
    ("batch_size", "nan", "Batch size must be a whole number from 1 to 3,600, not nan."),
    ("batch_size", "", "Batch size must be a whole number from 1 to 3,600, not nothing."),
    ("batch_size", "1_000", "Batch size must be a whole number from 1 to 3,600, not 1_000."),
    ("batch_size", "12.5", "Batch size must be a whole number from 1 to 3,600, not 12.5."),
    ("batch_size", "1e400", "Batch size must be a whole number from 1 to 3,600, not 1e400."),
    ("epochs", "many", "Epochs must be a whole number from 1 to 100, not many."),
    ("batch_size", "1e9", "Batch size must be a whole number from 1 to 3,600, not 1e9."),
    ("batch_size", "12.7", "Batch size must be a whole number from 1 to 3,600, not 12.7."),
    ("batch_size", "0,5", "Batch size must be a whole number from 1 to 3,600, not 0,5."),
    ("batch_size", "1.000", "Batch size 1.000 can mean 1 or 1000: write the one that you mean."),
    ("learning_rate", "1,000", "Learning rate 1,000 can mean 1 or 1000: write the one that you mean."),
    ("epochs", "\uff11\uff12", "Epochs must be a whole number from 1 to 100, in the digits 0 to 9, not \uff11\uff12."),
    ("epochs", "\U0001f389", "Epochs must be a whole number from 1 to 100, not \U0001f389."),
    (
        "seed",
        "<script>alert(1)</script>",
        "Seed must be a whole number from 0 to 2,147,483,647, not <script>alert(1)</script>.",
    ),
    ("patience", "x" * 300, f"Patience must be a whole number from 0 to 100, not {'x' * 39}…."),
    ("epochs", "9" * 5000, f"Epochs must be a whole number from 1 to 100, not {'9' * 39}…."),
    ("dropout", "nan", "Dropout must be a number from 0 to 0.9, not nan."),
    ("dropout", "inf", "Dropout must be a number from 0 to 0.9, not inf."),
    ("learning_rate", "fast", "Learning rate must be a number above 0 and at most 1,000,000, not fast."),
    ("learning_rate", "nan", "Learning rate must be a number above 0 and at most 1,000,000, not nan."),
]


@pytest.mark.parametrize(
    ("name", "text", "sentence"), NO_NUMBERS, ids=[f"{name}={text[:12]}" for name, text, _ in NO_NUMBERS]
)
def test_text_that_is_no_number_stays_in_its_field_and_is_answered(
    launcher: StandInLauncher, name: str, text: str, sentence: str
) -> None:
    for page, kept in ((TrainPage(**{name: text}), text[:1000]), (TrainPage().type(name, text), text)):
        assert page.problems == [sentence]
        assert not page.startable
        assert page.fields[name] == kept
        assert page.link == {name: text[:1000]}
        assert page.run().fields[name] == kept, "an unrelated rerun keeps it"


@pytest.mark.parametrize(
    ("name", "text", "value", "answer"),
    [
        ("dropout", "0,5", 0.5, "Dropout 0,5 is read as 0.5. "),
        ("learning_rate", "1e-2", 0.01, "Learning rate 1e-2 is read as 0.01. "),
        ("batch_size", "1,000", 1000, "Batch size 1,000 is read as 1000. "),
        ("batch_size", "1e3", 1000, "Batch size 1e3 is read as 1000. "),
        ("batch_size", " 64 ", 64, ""),
    ],
)
def test_what_is_not_plainly_written_stays_and_the_page_says_how_it_was_read(
    page: TrainPage, launcher: StandInLauncher, name: str, text: str, value: float, answer: str
) -> None:
    page.type(name, text)
    assert page.fields[name] == text
    assert page.texts[-2].startswith(f"{answer}MNIST, 5,000 images: ")
    assert page.link == {name: f"{value:g}"}, "whoever gets the link reads the number"
    page.press("Start")
    assert launcher.store.runs()[0].settings.as_json()[name] == value
    launcher.stop(launcher.active()[0])


UNREADABLE = [
    ("engines", "jax", f"There is no engine jax. Engines: {OFFERED}."),
    ("engines", "keras,keras", "Engines must differ: each one trains in one lane."),
    ("engines", "fake-slow", f"Engines must name some of {OFFERED}."),
    (
        "dataset",
        "imagenet",
        "Data set must be one of mnist5k, mnist, fashion-mnist, kmnist, cifar10, digits, "
        "or own-NAME for your own images, not imagenet.",
    ),
    ("alignment", "same", "Alignment must be one of as-shipped, same-start, exact-twin, not same."),
    ("schedule", "at-once", "Schedule must be one of turns, together, not at-once."),
    ("device", "tpu", "Device must be one of auto, cpu, best, not tpu."),
]


@pytest.mark.parametrize(
    ("name", "text", "sentence"), UNREADABLE, ids=[f"{name}={text[:12]}" for name, text, _ in UNREADABLE]
)
def test_what_a_field_cannot_hold_is_left_out_of_the_link_and_said(
    launcher: StandInLauncher, name: str, text: str, sentence: str
) -> None:
    page = TrainPage(**{name: text})
    assert page.problems == [sentence + LEFT_OUT]
    assert page.fields == typed(TrainSettings())
    assert page.link == {}
    assert page.startable, "what is shown can be started"
    assert page.run().problems == [sentence + LEFT_OUT], "an unrelated rerun keeps the sentence"
    assert not page.type("epochs", 9).problems, "the next change of a field takes it away"


def test_each_bad_field_of_a_link_gets_its_own_sentence(launcher: StandInLauncher) -> None:
    page = TrainPage(batch_size="0", dropout="nan", dataset="imagenet", epochs="2")
    assert len(page.problems) == 3
    assert page.fields | {"batch_size": "0", "dropout": "nan", "epochs": "2"} == page.fields
    assert not page.startable


# --- the link --------------------------------------------------------------------------------------------

OTHER = {
    "batch_size": "64",
    "epochs": "2",
    "dropout": "0.1",
    "learning_rate": "0.01",
    "network": "conv 8 3 relu, globalavgpool, dropout 0.1, dense 10",
    "optimizer": "nesterov",
    "momentum": "0.9",
    "weight_decay": "0.01",
    "seed": "7",
    "dataset": "kmnist",
    "engines": "torch,keras",
    "schedule": "together",
    "patience": "3",
    "device": "best",
}


def test_a_link_restores_every_field_under_its_name_and_starts_nothing(launcher: StandInLauncher) -> None:
    assert {*OTHER, "alignment", "keep"} == set(SETTINGS), "these two go with the usual engines alone: see below"
    page = TrainPage(**OTHER)
    assert page.fields == typed(TrainSettings.parse(OTHER))
    assert page.link == OTHER
    assert not page.problems
    assert not launcher.active()
    assert not launcher.store.runs()


@pytest.mark.parametrize("alignment", ["same-start", "exact-twin"])
def test_a_link_restores_the_alignment(launcher: StandInLauncher, alignment: str) -> None:
    page = TrainPage(alignment=alignment)
    assert page.fields["alignment"] == alignment
    assert page.startable


def test_the_link_follows_the_fields_and_leaves_defaults_out(page: TrainPage) -> None:
    assert page.link == {}
    page.type("batch_size", 64).type("dropout", 0.15)
    assert page.link == {"batch_size": "64", "dropout": "0.15"}
    page.type("batch_size", 126)
    assert page.link == {"dropout": "0.15"}


def test_parameters_that_are_no_settings_are_named_stay_and_do_nothing(launcher: StandInLauncher) -> None:
    page = TrainPage(run="../../etc/passwd", batchsize="64", epochs="2", __theme="dark")
    names = ", ".join(TrainSettings.model_fields)
    assert page.problems == [
        f"There is no setting {name}. Settings: {names}.{LEFT_OUT}" for name in ("run", "batchsize")
    ]
    assert page.startable
    page.type("batch_size", 64)
    assert page.link == {
        **{"run": "../../etc/passwd", "batchsize": "64", "__theme": "dark"},
        **{"epochs": "2", "batch_size": "64"},
    }
    assert not page.problems
    assert not launcher.active()


# --- the network -----------------------------------------------------------------------------------------

WRONG = "conv 30 3 relu, maxpool 2, conv 62 30 relu, flatten, dense 10"
TOO_LARGE = "flatten, dense 700 relu, dense 10"


def test_the_editor_shows_the_network_of_a_link_as_layers(launcher: StandInLauncher) -> None:
    page = TrainPage(network="lenet5", epochs="1", batch_size="600")
    assert page.editor["text"] == PRESETS["lenet5"]
    assert page.editor["preset"] == "LeNet-5"
    assert page.editor["summary"] == "LeNet-5, 61,706 parameters"
    assert [row["word"] for row in page.editor["rows"]][:3] == ["conv", "avgpool", "conv"]
    assert page.link["network"] == "lenet5"
    page.press("Start")
    assert launcher.store.runs()[0].settings.network == "lenet5"
    wait_for("the end", lambda: not launcher.active())


@pytest.mark.parametrize(("network", "place"), [(WRONG, 2), ("conv 30", 0), ("nonsense", 0), ("x" * 2500, None)])
def test_a_network_that_cannot_be_stays_in_its_editor_with_its_sentence(
    launcher: StandInLauncher, network: str, place: int | None
) -> None:
    page = TrainPage(network=network)
    assert page.editor["text"] == network
    assert page.editor["problem_place"] == place
    assert page.editor["problem"].endswith(".")
    assert not page.problems, "it is said once"
    assert not page.startable
    assert page.link == {"network": network}
    assert page.run().editor["text"] == network


def test_layers_that_are_a_preset_s_are_called_so_in_the_link(launcher: StandInLauncher) -> None:
    assert TrainPage(network=PRESETS["article"].upper()).link == {}
    assert TrainPage(network=PRESETS["mlp"]).link == {"network": "mlp"}


def test_where_it_is_hosted_the_editor_says_what_is_allowed_and_start_refuses_more(data_dir: Path) -> None:
    launcher = StandInLauncher(data_dir, limits=HostedLimits())
    serve(launcher)
    try:
        page = TrainPage(network=TOO_LARGE)
        assert page.editor["problem"] == "The network has 556,510 parameters: at most 500,000 here."
        allowed = "At most 20 layers, 500,000 parameters and 20,000,000 multiply-adds an image here."
        assert page.editor["allowed"] == allowed
        assert not page.startable
    finally:
        launcher.close()


def test_an_optimiser_that_needs_what_is_not_set_says_so(launcher: StandInLauncher) -> None:
    page = TrainPage(optimizer="adamw")
    assert page.problems == ["Weight decay must be above 0 for adamw: without it AdamW is Adam."]
    assert page.type("weight_decay", "0,01").startable
    assert page.texts[-2].startswith("Weight decay 0,01 is read as 0.01. ")


def copied(page: TrainPage) -> dict[str, str]:
    """What each button copies, by its name."""
    parts = [part.proto for part in page.app.get("bidi_component") if part.proto.component_name == "copy_link"]
    return {given["name"]: given["path"] for given in (json.loads(part.json) for part in parts)}


def test_the_settings_and_the_run_can_be_copied_as_links(finished_page: TrainPage, make_run: MakeRun) -> None:
    run_link = {"Copy link to this run": f"./runs?run={make_run().run.id}"}
    assert copied(finished_page) == {"Copy link to these settings": "./"} | run_link
    changed = finished_page.type("dropout", "0,5").type("batch_size", 64)
    assert copied(changed) == {"Copy link to these settings": "./?batch_size=64&dropout=0.5"} | run_link


def test_a_link_that_changes_later_fills_the_fields_again(page: TrainPage) -> None:
    page.type("epochs", 3)
    page.app.query_params["epochs"] = "5"
    page.run()
    assert page.fields["epochs"] == "5"


@pytest.fixture
def late(launcher: StandInLauncher) -> TrainPage:
    """A page whose browser still has the address of before a batch size was typed."""
    page = TrainPage(epochs="2").type("batch_size", 600)
    del page.app.query_params["batch_size"]
    return page


def test_what_is_typed_before_the_address_arrives_is_never_lost(late: TrainPage) -> None:
    late.type("dropout", "0,5")
    assert late.fields | {"batch_size": "600", "epochs": "2", "dropout": "0,5"} == late.fields
    assert late.link == {"batch_size": "600", "epochs": "2", "dropout": "0.5"}


def test_start_pressed_before_the_address_arrives_starts_what_was_typed(
    late: TrainPage, launcher: StandInLauncher
) -> None:
    late.press("Start")
    assert launcher.store.runs()[0].settings.batch_size == 600
    wait_for("the end", lambda: not launcher.active())


def test_the_browsers_way_back_fills_the_fields_again(late: TrainPage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(address, "ARRIVES_S", 0.0)
    assert late.run().fields["batch_size"] == "126"


# --- the states of a run ---------------------------------------------------------------------------------


def test_start_queues_one_run_with_the_settings_shown(launcher: StandInLauncher) -> None:
    link = {"batch_size": "600", "epochs": "2", "dropout": "0.15", "seed": "3"}
    page = TrainPage(**link).press("Start")
    (run,) = launcher.store.runs()
    assert run.settings == TrainSettings.parse(link)
    wait_for("the end", lambda: not launcher.active())
    page.run().run()
    assert len(launcher.store.runs()) == 1, "reruns start nothing"


def test_who_presses_start_a_moment_after_somebody_else_gets_the_next_turn(launcher: StandInLauncher) -> None:
    launcher.stand_ins["keras"] = "fake-slow"
    first, second = TrainPage(batch_size="100"), TrainPage(epochs="2", **{"batch_size": "600"})
    first.press("Start")
    second.press("Start")
    runs = launcher.store.runs()
    assert [run.settings.epochs for run in runs] == [2, 8]
    assert [first.progress.split(".")[0], second.progress] == [
        first.progress.split(".")[0],
        "Waits for its turn: a run is training.",
    ]
    assert second.buttons == ["Stop", "Stop that run"], "its own, and the one that it waits for"
    second.press("Stop").run()
    assert launcher.store.run(runs[0].id).reason == "You stopped this run before it began."
    assert launcher.store.run(runs[1].id).live, "Stop is for the run that is shown"
    launcher.stop(runs[1].id)
    wait_for("the end", lambda: not launcher.active())


def test_a_running_run_shows_stop_and_disabled_fields_and_stop_keeps_what_there_is(
    launcher: StandInLauncher,
) -> None:
    launcher.stand_ins["torch"] = "fake-slow"
    page = TrainPage(epochs="50", batch_size="300").press("Start")
    assert page.buttons == ["Stop"]
    assert all(field.disabled for field in page.inputs)
    assert not page.says("steps an epoch")
    assert page.headers == ["This run"]
    assert [part.proto.component_name for part in page.app.get("bidi_component")].count("live_chart") == 1
    (run_id,) = launcher.active()
    wait_for("two epochs", lambda: epochs_of(launcher.store, run_id) >= 2)
    page.run()
    assert page.progress.startswith("Epoch ")
    assert " of 50. " in page.progress
    assert page.progress.endswith(" left.")
    assert [label for label, _ in page.metrics] == ["Accuracy", "Accuracy"]
    assert all(value.endswith(" %") for _, value in page.metrics)

    other = TrainPage()
    assert other.buttons == ["Stop"], "a second visitor finds the running duel"

    page.press("Stop")
    wait_for("the run's end", lambda: not launcher.active())
    page.run()
    assert page.buttons == ["Start"]
    assert launcher.store.run(run_id).state == "stopped"
    assert any(text.startswith("You stopped this run in epoch ") and text.endswith(" kept.") for text in page.texts)
    assert page.says("stopped")
    assert not page.errors, "stopped is a person's wish, no fault"
    assert "Result in figures" in page.headers


def test_a_second_run_waits_in_the_queue_and_says_so(launcher: StandInLauncher) -> None:
    launcher.stand_ins["keras"] = "fake-slow"
    first = launcher.submit(TrainSettings(epochs=50))
    second = launcher.submit(TrainSettings(epochs=2))
    wait_for("the first begins", lambda: launcher.store.run(first).state == "running")
    page = TrainPage()
    assert page.buttons == ["Stop"]
    assert launcher.store.run(second).state == "queued"
    launcher.stop(second)
    launcher.stop(first)
    wait_for("the end", lambda: not launcher.active())


@pytest.fixture
def finished_page(make_run: MakeRun, shows: Shows, launcher: StandInLauncher) -> TrainPage:
    shows(make_run())
    return TrainPage()


def test_a_finished_run_shows_its_result(finished_page: TrainPage, make_run: MakeRun) -> None:
    page, run = finished_page, make_run().run
    assert page.buttons == ["Start"]
    assert page.headers == ["This run", "Result in figures", "Where the time went", "What they confuse", "Code"]
    assert "finished" in page.texts
    accuracies = [f"{100 * (run.lane(engine).test_accuracy or 0):.1f} %" for engine in ("keras", "torch")]
    assert page.metrics == [("Test accuracy", accuracy) for accuracy in accuracies]
    assert any(text.startswith("In this run ") and "One run is an anecdote:" in text for text in page.texts)
    assert page.says("Batch size 600, 3 epochs, dropout 0.3, as shipped, in turns, MNIST, 5,000 images.")


def test_a_finished_run_suggests_one_next_run_whose_link_fills_in_the_fields(
    finished_page: TrainPage, launcher: StandInLauncher
) -> None:
    (link,) = [link.proto for link in finished_page.app.get("page_link") if link.proto.label.startswith("Try next: ")]
    asked = dict(parse_qsl(link.query_string))
    assert asked.items() >= {"epochs": "3", "batch_size": "600"}.items(), "what does not change is the run's own"
    page = TrainPage(**asked)
    assert page.startable
    assert page.link == asked


def test_what_may_not_be_started_here_is_not_suggested(
    finished_page: TrainPage, launcher: StandInLauncher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launcher.admission, "_limits", Limits.model_construct(epochs=2))
    assert not [link for link in finished_page.run().app.get("page_link") if link.proto.label.startswith("Try next: ")]


def test_the_figures_of_both_lanes_stand_in_one_table(finished_page: TrainPage, make_run: MakeRun) -> None:
    table = finished_page.tables[0]
    assert table.columns == ["● Keras", "◆ PyTorch"]
    assert table.corner == "Figure"
    run = make_run().run
    for name in ("Test accuracy", "Test loss", "Training time", "Throughput", "Peak memory", "Parameters", "Device"):
        assert all(value not in ("", "–") for value in table.rows[name]), name
    assert table.rows["Test loss"] == [f"{lane.test_loss:.4f}" for lane in run.lanes]
    assert table.rows["Parameters"] == ["32,612", "32,612"]


def test_every_figure_says_its_finding_in_words(finished_page: TrainPage) -> None:
    assert len(finished_page.figures) == 3
    alts = [figure["finding"] for figure in finished_page.figures]
    assert alts[0].startswith("Where the time went. Keras: start ")
    assert all(" mistakes" in alt for alt in alts[1:])


def test_both_scripts_stand_in_rows_and_can_be_downloaded(finished_page: TrainPage) -> None:
    app = finished_page.app
    (listing,) = [part.proto.body for part in app.get("html") if 'class="code-heading"' in part.proto.body]
    assert re.findall(r'<h3 class="code-heading">(.*?)</h3>', listing) == [
        *("Data", "Model", "Loss and optimiser", "Training loop", "Evaluation"),
    ]
    assert [button.proto.label for button in app.get("download_button")] == [
        "Download keras_duel.py",
        "Download pytorch_duel.py",
    ]
    rows = ["".join(code.itertext()) for code in ET.fromstring(f"<div>{listing}</div>").iter("code")]
    assert len(rows) == 10
    assert "600" in "".join(rows)
    assert "import torch" in "".join(rows)


def test_summaries_and_versions_are_folded(finished_page: TrainPage) -> None:
    folded = {expander.label: expander for expander in finished_page.app.expander}
    assert list(folded) == ["Your own images", "Model summaries", "Machine and versions"]
    assert len(codes_of(folded["Model summaries"])) == 2
    assert any("fake 1" in text.value for text in folded["Machine and versions"].markdown)


def test_a_same_start_run_shows_its_certificate(make_run: MakeRun, shows: Shows, launcher: StandInLauncher) -> None:
    shows(make_run(alignment="same-start"))
    page = TrainPage()
    (folded,) = [expander for expander in page.app.expander if expander.label.startswith("Certificate before epoch 1")]
    assert read(folded.markdown[0].value) == "passed"
    assert tables_of(folded)[0].columns == ["measured", "allowed"]
    assert any("a float32 holds" in text.value or "Not one bit" in text.value for text in folded.markdown)
    assert not page.app.warning


def test_a_twin_that_held_says_what_was_compared(make_run: MakeRun, shows: Shows, launcher: StandInLauncher) -> None:
    shows(make_run(alignment="exact-twin", dropout=0))
    page = TrainPage()
    assert page.says("fairness held")
    assert page.says("Both lanes computed the same numbers. Compared: the loss of each of")
    assert page.says("The framework is not the model")
    assert not page.app.error


def test_a_twin_that_parted_says_where_above_the_result(
    make_run: MakeRun, shows: Shows, launcher: StandInLauncher
) -> None:
    shows(make_run(alignment="exact-twin", dropout=0))
    parting = {"where": "step", "figure": "loss", "epoch": 1, "step": 2, "run_step": 2, "difference": 0.1, "bound": 0.0}
    parted = json.dumps({"state": "parted", "steps": 4, "parting": parting})
    with sqlite3.connect(launcher.store.path) as connection:
        connection.execute("UPDATE rows SET fields = ? WHERE kind = 'fairness'", [parted])
        connection.execute("UPDATE runs SET fairness = ?", [parted])
    page = TrainPage()
    (error,) = page.app.error
    assert error.value.startswith("The lanes parted at step 2 (step 2 of epoch 1): their losses differ by 0.1")
    assert page.says("parted at step 2")
    assert not page.says("compute the same numbers")
    assert not page.says("fairness held")


def test_an_aligned_run_of_before_is_not_called_held(
    make_run: MakeRun, shows: Shows, launcher: StandInLauncher
) -> None:
    shows(make_run(alignment="exact-twin", dropout=0))
    with sqlite3.connect(launcher.store.path) as connection:
        connection.execute("DELETE FROM rows WHERE kind = 'fairness'")
        connection.execute("UPDATE runs SET fairness = 'null'")
    page = TrainPage()
    assert page.says("fairness not compared")
    assert not page.says("compute the same numbers")


def test_a_busy_machine_is_said_beside_the_state_and_no_speed_is_compared(
    make_run: MakeRun, shows: Shows, launcher: StandInLauncher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(busy_machine, "FREE_SHARE", 0.25)
    shows(make_run())
    with sqlite3.connect(launcher.store.path) as connection:
        taken = "'$.others_share', 0.7, '$.stolen_share', 0.0, '$.idle_share', 0.0"
        connection.execute(f"UPDATE rows SET fields = json_set(fields, {taken}) WHERE kind = 'epoch'")
        connection.execute("UPDATE runs SET busy = 1")
    page = TrainPage()
    assert page.says("machine was busy")
    assert page.says("their times cannot be compared")
    assert not page.says("images a second")


def test_a_failed_lane_is_said_in_words_and_the_other_keeps_its_result(
    make_run: MakeRun, shows: Shows, launcher: StandInLauncher
) -> None:
    shows(make_run(stand_ins={"torch": "fake-nan"}))
    page = TrainPage()
    (error,) = page.errors
    assert error.startswith("PyTorch failed in epoch 2, step 2: the loss became NaN.")
    assert error.endswith("Epoch 1 is kept. Keras went on and finished.")
    assert page.metrics[0][1].endswith(" %")
    assert page.metrics[1] == ("Test accuracy", "–")
    assert page.says("failed in epoch 2")
    assert not any(text.startswith("In this run") for text in page.texts), "one lane compares nothing"
    assert page.startable


def test_a_run_in_which_both_failed_before_an_epoch_is_shown(
    make_run: MakeRun, shows: Shows, launcher: StandInLauncher
) -> None:
    shows(make_run(stand_ins={"keras": "fake-crash", "torch": "fake-raise"}))
    page = TrainPage()
    (error,) = page.errors
    assert error.startswith("Keras failed in epoch 2: its process was ended by SIGSEGV.")
    assert "PyTorch failed in epoch 2" in error
    assert [value for _, value in page.metrics] == ["–", "–"]


def test_an_interrupted_run_is_said_after_a_restart(data_dir: Path, prepared_data_dir: Path) -> None:
    owner = StandInLauncher(data_dir, keras="fake-slow")
    run_id = owner.submit(TrainSettings.parse({**SHORT, "epochs": 50}))
    wait_for("an epoch", lambda: epochs_of(owner.store, run_id) >= 1)
    owner.close()
    again = StandInLauncher(data_dir)
    try:
        serve(again)
        page = TrainPage()
        assert page.says("The dashboard was closed while this ran.")
        assert "interrupted" in page.texts
        assert page.startable
    finally:
        again.close()


def test_a_lane_of_its_own_is_no_comparison(make_run: MakeRun, shows: Shows, launcher: StandInLauncher) -> None:
    shows(make_run(engines="torch"))
    page = TrainPage()
    assert page.says("One lane alone is no comparison.")
    assert len(page.metrics) == 1


# --- faults of the folder --------------------------------------------------------------------------------


def opened_by_the_lifespan() -> TrainPage:
    """The page as it is while the lifespan is open."""

    async def open_and_look() -> TrainPage:
        async with lifespan(None):
            return await asyncio.to_thread(TrainPage)

    return asyncio.run(open_and_look())


def only_a_sentence(page: TrainPage) -> str:
    (sentence,) = page.errors
    assert "Traceback" not in sentence
    assert "Start" not in page.buttons or not page.startable
    return sentence


def test_a_setting_that_stands_twice_in_a_link_is_said(launcher: StandInLauncher) -> None:
    page = TrainPage(epochs=["2", "3"])
    assert page.fields["epochs"] == "3"
    assert page.problems == ["epochs stands twice in the link: the last one, 3, is taken."]


def test_without_a_launcher_the_page_says_why(data_dir: Path) -> None:
    none = LauncherUnavailable("The disk is full (no space left): free some space.")
    serve_with(Installation(DeploymentSettings(data_dir=data_dir), NO_LIMITS, none))
    assert only_a_sentence(TrainPage()) == "The disk is full (no space left): free some space."


def test_a_wrong_environment_is_a_sentence_on_every_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DUEL_PROFILE", "public")
    assert only_a_sentence(opened_by_the_lifespan()).startswith("The environment variable DUEL_PROFILE is wrong: ")


def test_before_the_lifespan_has_opened_it_the_page_asks_for_patience() -> None:
    assert only_a_sentence(TrainPage()).endswith("try again in a moment.")


def test_a_folder_that_another_holds_can_be_read_and_not_started_in(
    make_run: MakeRun, shows: Shows, launcher: StandInLauncher
) -> None:
    shows(make_run())
    page = opened_by_the_lifespan()
    assert "is in use by the dashboard (process " in only_a_sentence(page)
    assert "Result in figures" in page.headers


def test_a_damaged_history_is_one_sentence(data_dir: Path) -> None:
    (data_dir / FILE).write_bytes(b"this is no database, but long enough to be taken for one" * 200)
    sentence = only_a_sentence(opened_by_the_lifespan())
    assert f"{data_dir / FILE} is damaged" in sentence
    assert sentence.endswith("move the file away to begin a new one.")


def test_a_history_that_is_damaged_while_the_page_is_open_is_one_sentence(launcher: StandInLauncher) -> None:
    page = TrainPage()
    launcher.store.path.write_bytes(b"overwritten" * 2000)
    assert "is damaged" in only_a_sentence(page.run())


def test_a_newer_history_is_one_sentence(data_dir: Path) -> None:
    with sqlite3.connect(data_dir / FILE) as connection:
        connection.execute(f"PRAGMA user_version={len(MIGRATIONS) + 1}")
    sentence = only_a_sentence(opened_by_the_lifespan())
    assert "was written by a newer version of this program" in sentence
    assert (data_dir / FILE).exists()


def test_a_history_that_breaks_at_the_press_of_start_is_one_sentence(
    launcher: StandInLauncher, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = TrainPage()
    monkeypatch.setattr(launcher, "submit", lambda *_: (_ for _ in ()).throw(LauncherUnavailable("No.")))
    page.press("Start")
    assert page.errors == ["No."]


# --- recorded runs ---------------------------------------------------------------------------------------


@pytest.fixture
def recorded(make_run: MakeRun, tmp_path: Path) -> Path:
    """Two recordings in the folder that the store reads: as shipped and same start."""
    folder = tmp_path / "recorded"
    for number, alignment in enumerate(("as-shipped", "same-start")):
        made = make_run() if alignment == "as-shipped" else make_run(alignment=alignment)
        run = replace(
            made.run,
            id=f"20261104-08150{number}-1a2b3c4d",
            settings=made.run.settings.model_copy(update={"dataset": "mnist"}),
            created_at="2026-11-04T08:15:00.000+00:00",
            machine=made.run.machine | {"processor": "a recording machine", "cores": 3},
        )
        rows = Store(made.folder).rows(made.run.id, limit=10_000)
        content = record._content(run, rows, "A note on the data.")
        (folder / run.id).mkdir(parents=True)
        (folder / run.id / "run.json").write_text(json.dumps(content))
    read_recordings.cache_clear()
    return folder


def test_the_first_visit_shows_a_recorded_duel(recorded: Path, launcher: StandInLauncher) -> None:
    page = TrainPage()
    assert page.says("Nothing has run here yet, so this is one of two duels that came with")
    assert page.headers[0] == "A recorded duel"
    assert page.says("recorded on a recording machine, 3 cores, 4 Nov 2026")
    assert page.startable
    assert not any(text == "finished" for text in page.texts)
    assert page.says("A note on the data.")
    assert "Code" in page.headers


def test_the_recorded_duels_can_be_switched(recorded: Path, launcher: StandInLauncher) -> None:
    page = TrainPage()
    (choice,) = page.app.get("button_group")
    assert choice.options == ["As shipped", "Same start"]
    assert page.says("dropout 0.3, as shipped, in turns")
    choice.set_value("Same start")
    page.run()
    assert page.says("dropout 0.3, same start, in turns")
    assert any(expander.label.startswith("Certificate before epoch 1") for expander in page.app.expander)


def test_who_waits_for_their_turn_sees_a_recorded_duel_replayed(recorded: Path, launcher: StandInLauncher) -> None:
    held = launcher.measure(Order("claim-0", "fake", {"seconds": 60}, 90.0))
    wait_for("it runs", lambda: launcher.measurements.get(held).sentence)
    mine = launcher.submit(TrainSettings.parse({**SHORT, "alignment": "same-start"}))
    page = TrainPage()
    (charts,) = page.components("live_chart")
    assert charts["replay"]
    assert charts["run"] == "20261104-081501-1a2b3c4d", "the one that is like theirs"
    assert page.says("on a recording machine, 3 cores, 4 Nov 2026")
    launcher.stop(held)
    wait_for("it has its turn", lambda: launcher.store.run(mine).state != "queued")
    (charts,) = page.run().components("live_chart")
    assert (charts["run"], charts["replay"]) == (mine, False)


def test_the_first_own_run_takes_the_place_of_the_recorded(
    recorded: Path, make_run: MakeRun, shows: Shows, launcher: StandInLauncher
) -> None:
    shows(make_run())
    page = TrainPage()
    assert page.headers[0] == "This run"
    assert not page.says("Nothing has run here yet")


def test_a_recorded_run_is_no_estimate_for_this_machine(recorded: Path, launcher: StandInLauncher) -> None:
    assert TrainPage(**FINISHED).says("No estimate of the time yet.")


# --- text from elsewhere ---------------------------------------------------------------------------------

NASTY = "<script>alert(1)</script> [link](javascript:alert(1)) ![x](http://evil.example/x.png) **b** `c` $x$ :red[r]"


@pytest.mark.parametrize("name", ["dataset", "engines", "batch_size"])
def test_markdown_in_a_link_is_shown_as_text(launcher: StandInLauncher, name: str) -> None:
    page = TrainPage(**{name: NASTY})
    (sentence,) = page.problems
    assert "<script>alert(1)</script> [link]" in sentence
    (source,) = [element.value for element in page.app.markdown if element.value.startswith(":red[")]
    assert "\\[link\\]" in source
    assert "\\<script\\>" in source


def test_markdown_in_what_a_run_has_stored_is_shown_as_text(
    make_run: MakeRun, shows: Shows, launcher: StandInLauncher
) -> None:
    shows(make_run())
    with sqlite3.connect(launcher.store.path) as connection:
        names = ("name", "processor", "system", "python")
        assignments = ", ".join(f"'$.{name}', ?" for name in names)
        connection.execute(
            f"UPDATE runs SET state = 'failed', reason = ?, machine = json_set(machine, {assignments})", [NASTY] * 5
        )
        connection.execute("UPDATE rows SET fields = json_set(fields, '$.device', ?) WHERE kind = 'built'", [NASTY])
        connection.execute("UPDATE rows SET fields = json_set(fields, '$.source', ?) WHERE kind = 'prepared'", [NASTY])
        versions = json.dumps({NASTY: NASTY})
        connection.execute(
            "UPDATE rows SET fields = json_set(fields, '$.versions', json(?)) WHERE kind = 'ready'", [versions]
        )
    page = TrainPage()
    assert page.errors[0].startswith("<script>alert(1)</script> [link](javascript:alert(1))")
    shown = [element.value for kind in ("markdown", "caption", "error") for element in getattr(page.app, kind)]
    # One Markdown tells of the machine and all versions, so places are counted, not elements: each has two.
    assert sum(text.count("alert") for text in shown) >= 2 * 6
    for text in shown:
        for raw in ("<script>", "[link](", "![x](", "**b**", "`c`", "$x$", "http://"):
            assert raw not in text, text


def test_a_run_on_own_images_is_told_by_their_title_as_text(
    make_run: MakeRun, shows: Shows, launcher: StandInLauncher
) -> None:
    shows(make_run())
    data = json.dumps({**DATASETS["mnist5k"].as_json(), "title": "*Our* [pets](x)"})
    with sqlite3.connect(launcher.store.path) as connection:
        connection.execute("UPDATE runs SET data = ?, settings = json_set(settings, '$.dataset', 'own-pets')", [data])
    page = TrainPage()
    assert page.says("as shipped, in turns, *Our* [pets](x).")
    assert not any("own-pets" in text for text in page.texts)


def test_a_recorded_machines_name_is_shown_as_text(recorded: Path, launcher: StandInLauncher) -> None:
    for path in recorded.glob("*/run.json"):
        content = json.loads(path.read_text())
        content["run"]["machine"]["processor"] = NASTY
        path.write_text(json.dumps(content))
    read_recordings.cache_clear()
    shown = [element.value for element in TrainPage().app.markdown]
    assert any("recorded on" in text for text in shown)
    assert not any("[link](" in text or "<script>" in text for text in shown)


def test_literal_escapes_what_markdown_reads_and_keeps_plain_words() -> None:
    plain = "Keras failed in epoch 3, step 12 (the loss became NaN). 98.9 %, 1e-3!"
    assert literal(plain) == plain
    assert literal("a_b*c`d[e]<f>$g~h#i|j\\") == "a\\_b\\*c\\`d\\[e\\]\\<f\\>\\$g\\~h\\#i\\|j\\\\"
    for place in ("http://evil.example", "https://evil.example", "www.evil.example", "me@evil.example"):
        assert place not in literal(place).replace("\\", "")
