"""What a run's rows add up to: gathering, the progress sentences, the time left, and the conclusion's every branch."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.experiment.busy_machine import others_took
from core.experiment.fairness import TWIN_BOUNDS, FairnessVerdict, Parting
from core.experiment.metrics import NO_BREAK
from core.experiment.settings import TrainSettings
from core.protocol.messages import Phase, Preparing
from core.results.outcome import LaneOutcome, Outcome, conclusion, gather, progress, time_left_s
from core.results.result_table import result_table
from core.storage.database import ENDED_STATES, LaneState, State
from core.storage.records import Lane, Run
from core.storage.rows import LaneChanged, Provenance, Row, RunChanged
from tests.events import built, certificate, epoch, ready, result

RUN_ID = "20261104-081500-1a2b3c4d"


def run(state: str = "running", lanes: Sequence[tuple[str, str]] = (), **settings: object) -> Run:
    asked = TrainSettings.parse(settings)
    named = lanes or [(engine, "waiting") for engine in asked.engines]
    return Run(
        id=RUN_ID,
        created_at="2026-11-04T08:15:00.000+00:00",
        started_at=None,
        ended_at=None,
        state=State(state),
        reason="",
        settings=asked,
        machine={},
        lanes=tuple(Lane(engine, LaneState(state)) for engine, state in named),
    )


def lane(engine: str, state: str = "waiting", epochs: int = 0, **figures: float) -> LaneOutcome:
    return LaneOutcome(engine, LaneState(state), epochs=[epoch(n, **figures) for n in range(1, epochs + 1)])


def running(*lanes: LaneOutcome, state: str = "running", **settings: object) -> Outcome:
    return Outcome(run(state, **settings), list(lanes))


def finished(
    right: tuple[int, int] = (950, 950),
    throughput: tuple[float, float] = (3000.0, 3000.0),
    epochs: int = 3,
    devices: tuple[str, str] = ("cpu", "cpu"),
    **settings: object,
) -> Outcome:
    outcome = running(
        *(lane(e, "finished", epochs, images_per_s=s) for e, s in zip(("keras", "torch"), throughput, strict=True)),
        state="finished",
        **settings,
    )
    for one, images, device in zip(outcome.lanes, right, devices, strict=True):
        one.result = result(test_accuracy=images / outcome.dataset.test_images)
        one.built = built(device=device)
    return outcome


def concluded(outcome: Outcome) -> str:
    return conclusion(outcome).markdown


def spaced(text: str) -> str:
    """No-break spaces as plain ones, so that sentences can be read here."""
    return text.replace(NO_BREAK, " ")


# --- gather ----------------------------------------------------------------------------------------------


def test_gather_sorts_every_kind_of_row_to_its_place() -> None:
    rows = [
        Row(1, "", Preparing("download", 1, 2)),
        Row(2, "", Preparing("convert", 2, 2)),
        Row(3, "", Provenance(source="where from")),
        Row(4, "keras", ready(versions={"keras": "3.15"})),
        Row(5, "", certificate()),
        Row(6, "keras", built(data_s=0.5, build_s=1.5)),
        Row(7, "keras", epoch(1)),
        Row(8, "torch", epoch(1, train_s=3.0)),
        Row(9, "keras", epoch(2)),
        Row(10, "keras", result(test_s=0.25)),
        Row(11, "keras", LaneChanged(LaneState.FINISHED)),
        Row(12, "unheard-of", epoch(1)),
        Row(13, "", RunChanged(State.FINISHED)),
    ]
    outcome = gather(run(lanes=[("keras", "finished"), ("torch", "training")]), rows)
    keras, torch = outcome.lanes
    assert [keras.engine, torch.engine] == ["keras", "torch"]
    assert [keras.state, torch.state] == ["finished", "training"]
    assert outcome.data == Preparing("convert", 2, 2)
    assert outcome.prepared.source == "where from"
    assert outcome.certificate == certificate()
    assert [e.epoch for e in keras.epochs] == [1, 2]
    assert keras.start_s == 6.0
    assert keras.train_s == 4.0
    assert keras.rest_s == 1.25
    assert keras.versions == {"keras": "3.15"}
    assert torch.train_s == 3.0
    assert (torch.start_s, torch.versions, torch.result) == (0, {}, None)


def test_a_run_without_rows_has_its_lanes_and_nothing_else() -> None:
    outcome = gather(run(), [])
    assert [(one.engine, one.title, one.state) for one in outcome.lanes] == [
        ("keras", "Keras", "waiting"),
        ("torch", "PyTorch", "waiting"),
    ]
    assert outcome.certificate is outcome.data is None
    assert not outcome.prepared.source
    assert all(one.throughput is None and one.train_s == one.rest_s == one.start_s == 0 for one in outcome.lanes)


def test_throughput_is_steady_the_first_epoch_left_out() -> None:
    one = LaneOutcome("keras", epochs=[epoch(1, images_per_s=100), epoch(2, images_per_s=3000)])
    assert one.throughput == 3000


# --- progress --------------------------------------------------------------------------------------------

TURN = "Epoch 5 of 8. PyTorch trains, Keras waits for its turn."


@pytest.mark.parametrize(
    ("outcome", "sentence"),
    [
        (running(state="queued"), "Waits for its turn."),
        (running(lane("keras"), lane("torch")), "Getting ready."),
        (running(lane("keras", "starting"), lane("torch")), "Keras starts, PyTorch waits for its turn."),
        (
            running(lane("keras"), lane("torch", "certifying")),
            "PyTorch is checked before epoch 1, Keras waits for its turn.",
        ),
        (
            running(lane("keras", "building"), lane("torch")),
            "Epoch 1 of 8. Keras builds the network, PyTorch waits for its turn.",
        ),
        (running(lane("keras", "waiting", 4), lane("torch", "training", 4)), f"{TURN} About 20 s left."),
        (running(lane("keras", "failed", 1), lane("torch", "training", 4)), "Epoch 5 of 8. PyTorch trains."),
        (
            running(lane("keras", "finished", 8), lane("torch", "testing", 8)),
            "PyTorch reads the test images. About 1 s left.",
        ),
        (
            running(lane("keras", "training"), lane("torch", "training"), schedule="together"),
            "Epoch 1 of 8. Keras trains and PyTorch trains.",
        ),
        (
            running(lane("fake-a", "training"), lane("fake-b"), lane("fake-c"), engines="fake-a,fake-b,fake-c"),
            "Epoch 1 of 8. fake-a trains, fake-b and fake-c wait for their turns.",
        ),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else "",
)
def test_progress_says_which_epoch_and_whose_turn(outcome: Outcome, sentence: str) -> None:
    assert spaced(progress(outcome).sentence).startswith(sentence)


def test_the_last_such_run_is_the_first_estimate_and_gives_way_to_this_run() -> None:
    young = running(lane("keras", "training"), lane("torch"))
    last = "The last such run took 38 s here."
    assert spaced(progress(young, last).sentence).endswith(f"waits for its turn. {last}")
    grown = running(lane("keras", "training", 1), lane("torch", "waiting", 1))
    assert last not in progress(grown, last).sentence
    assert spaced(progress(grown, last).sentence).endswith("About 35 s left.")


@pytest.mark.parametrize(
    ("phase", "sentence"),
    [
        ("download", "Downloads MNIST: 2.0 of 10.0 MiB."),
        ("verify", "Checks MNIST: 2.0 of 10.0 MiB."),
        ("convert", "Prepares MNIST: 2.0 of 10.0 MiB."),
        ("wait", "Waits for MNIST: 2.0 of 10.0 MiB."),
    ],
)
def test_data_that_is_fetched_shows_before_the_first_lane(phase: Phase, sentence: str) -> None:
    outcome = running(lane("keras"), lane("torch"), dataset="mnist")
    outcome.data = Preparing(phase, 2 * 2**20, 10 * 2**20)
    assert spaced(progress(outcome).sentence) == sentence
    outcome.data = Preparing(phase, 0, 0)
    assert spaced(progress(outcome).sentence) == sentence.partition(":")[0] + "."


def test_data_is_forgotten_once_a_lane_is_ready() -> None:
    outcome = running(lane("keras"), lane("torch"), dataset="mnist")
    outcome.data = Preparing("download", 1, 2)
    outcome.lanes[0].ready = ready()
    assert progress(outcome).sentence == "Getting ready."


@given(
    states=st.lists(
        st.sampled_from(["waiting", "starting", "training", "testing", *ENDED_STATES]), min_size=2, max_size=2
    ),
    done=st.lists(st.integers(0, 8), min_size=2, max_size=2),
)
def test_the_fraction_stays_between_0_and_1(states: list[str], done: list[int]) -> None:
    lanes = [lane(e, s, n) for e, s, n in zip(("keras", "torch"), states, done, strict=True)]
    assert 0 <= progress(running(*lanes)).fraction <= 1


def test_the_fraction_counts_epochs_and_ended_lanes_whole() -> None:
    assert progress(running(lane("keras", "training", 2), lane("torch", "waiting", 2))).fraction == 0.25
    assert progress(running(lane("keras", "failed", 1), lane("torch", "training", 4))).fraction == 0.75
    assert progress(running(state="queued")).fraction == 0


# --- time left -------------------------------------------------------------------------------------------


def test_no_time_left_before_every_lane_has_an_epoch() -> None:
    assert time_left_s(running(lane("keras", "training", 1), lane("torch"))) is None
    assert time_left_s(running(lane("keras", "failed"), lane("torch"))) is None


def test_lanes_in_turns_add_up_and_lanes_together_do_not() -> None:
    lanes = lane("keras", "training", 2, train_s=3.0), lane("torch", "waiting", 2, train_s=1.0)
    assert time_left_s(running(*lanes)) == pytest.approx(6 * 3.5 + 6 * 1.5)
    assert time_left_s(running(*lanes, schedule="together")) == pytest.approx(6 * 3.5)


def test_the_first_epoch_says_less_than_the_others() -> None:
    traced = LaneOutcome("keras", LaneState.TRAINING, epochs=[epoch(1, train_s=9.5), epoch(2, train_s=1.5)])
    assert time_left_s(running(traced, epochs=4)) == pytest.approx(2 * 2.0)
    first = LaneOutcome("keras", LaneState.TRAINING, epochs=[epoch(1, train_s=9.5)])
    assert time_left_s(running(first, epochs=4)) == pytest.approx(3 * 10.0)


def test_ended_lanes_take_no_more_time() -> None:
    assert time_left_s(running(lane("keras", "failed"), lane("torch", "training", 7))) == pytest.approx(2.5)
    assert time_left_s(running(lane("keras", "finished", 8), lane("torch", "stopped", 2))) is None


# --- conclusion ------------------------------------------------------------------------------------------

ANECDOTE = " **One run is an anecdote:** another seed can reverse the result in accuracy"
MACHINE = "; another machine, or a busier one, the result in speed"


@pytest.mark.parametrize(
    ("outcome", "sentence"),
    [
        (
            finished((953, 950), (3300, 3000)),
            "In this run Keras got 3 more of the 1,000 test images right and trained 10 % more images a second "
            "than PyTorch.",
        ),
        (
            finished((950, 953), (3300, 3000)),
            "In this run PyTorch got 3 more of the 1,000 test images right, and Keras trained 10 % more images a "
            "second than PyTorch.",
        ),
        (
            finished((950, 950), (3000, 3600)),
            "In this run both got 950 of the 1,000 test images right, and PyTorch trained 20 % more images "
            "a second than Keras.",
        ),
        (
            finished((950, 950), (3000, 3015)),
            "In this run both got 950 of the 1,000 test images right, and both trained at the same speed within 1 %.",
        ),
        (
            finished((953, 950), (3000, 3015)),
            "In this run Keras got 3 more of the 1,000 test images right, and both trained at the same speed "
            "within 1 %.",
        ),
        (
            finished((953, 950), epochs=1),
            "In this run Keras got 3 more of the 1,000 test images right, and one epoch is too short to compare speed.",
        ),
        (
            finished((953, 950), (9000, 3000), schedule="together"),
            "In this run Keras got 3 more of the 1,000 test images right, and since both ran at once, "
            "their times cannot be compared.",
        ),
        (
            finished((953, 950), (9000, 3000), devices=("cpu", "cuda:0")),
            "In this run Keras got 3 more of the 1,000 test images right, and since they ran on different devices, "
            "their times cannot be compared.",
        ),
    ],
    ids=["one-leads-in-both", "each-leads", "equal-accuracy", "equal", "equal-speed", "one-epoch", "together", "gpu"],
)
def test_the_conclusion_names_who_leads_in_what_and_warns(outcome: Outcome, sentence: str) -> None:
    compared = "compare" not in sentence
    assert spaced(concluded(outcome)) == sentence + ANECDOTE + (MACHINE if compared else "") + "."


@pytest.mark.parametrize(
    ("slower", "words"),
    [
        (2000.0, "50 % more images a second than Keras"),
        (1510.0, "99 % more images a second than Keras"),
        (1504.0, "99 % more images a second than Keras"),
        (1500.0, "twice as many images a second as Keras"),
        (1250.0, "2.4 times as many images a second as Keras"),
        (301.0, "10 times as many images a second as Keras"),
        (267.6, "11 times as many images a second as Keras"),
        (2.0, "1,500 times as many images a second as Keras"),
    ],
)
def test_from_twice_on_it_is_times_as_many_and_never_a_thousand_per_cent(slower: float, words: str) -> None:
    said = spaced(concluded(finished((950, 950), (slower, 3000))))
    assert f"and PyTorch trained {words}. " in said
    fastest = spaced(concluded(several(keras=(950, slower), torch=(950, 3000), torch_tuned=(950, slower))))
    assert f"PyTorch trained fastest, {words}. " in fastest


def several(**figures: tuple[int, float]) -> Outcome:
    """A finished run of the named engines: test images right, images a second."""
    lanes = [lane(name.replace("_", "-"), "finished", 3, images_per_s=s) for name, (_, s) in figures.items()]
    outcome = running(*lanes, state="finished", engines=",".join(each.engine for each in lanes))
    for one, (right, _) in zip(outcome.lanes, figures.values(), strict=True):
        one.result, one.built = result(test_accuracy=right / 1000), built()
    return outcome


@pytest.mark.parametrize(
    ("outcome", "sentence"),
    [
        (
            several(keras=(950, 3000), torch=(948, 2500), torch_tuned=(953, 6000)),
            "In this run PyTorch tuned got the most of the 1,000 test images right, 953, PyTorch the fewest, 948, and "
            "PyTorch tuned trained fastest, 2.4 times as many images a second as PyTorch.",
        ),
        (
            several(keras=(950, 3000), keras_tuned=(950, 3300), keras_eager=(948, 2500)),
            "In this run Keras and Keras tuned got the most of the 1,000 test images right, 950, Keras eager the "
            "fewest, 948, and Keras tuned trained fastest, 32 % more images a second than Keras eager.",
        ),
        (
            several(keras=(950, 3000), torch=(950, 3001), torch_compile=(950, 3002)),
            "In this run all 3 lanes got 950 of the 1,000 test images right, "
            "and all trained at the same speed within 1 %.",
        ),
    ],
    ids=["one-leads", "ties-and-per-cent", "equal"],
)
def test_of_three_lanes_the_ends_are_named(outcome: Outcome, sentence: str) -> None:
    assert spaced(concluded(outcome)) == sentence + ANECDOTE + MACHINE + "."


def test_three_lanes_at_once_do_not_compare_and_a_failed_one_leaves_two() -> None:
    outcome = several(keras=(950, 3000), torch=(948, 2500), torch_tuned=(953, 6000))
    alone = outcome.run
    outcome.run = replace(alone, settings=alone.settings.model_copy(update={"schedule": "together"}))
    assert "and since all ran at once, their times cannot be compared." in concluded(outcome)
    outcome.run = alone
    outcome.lanes[2].result = None
    assert spaced(concluded(outcome)).startswith("In this run Keras got 2 more of the 1,000 test images right and ")


def test_full_mnist_counts_in_its_own_test_images() -> None:
    words = concluded(finished((9_891, 9_890), dataset="mnist"))
    assert "Keras got 1 more of the 10,000 test images right" in words


def test_a_twin_that_held_says_what_is_left_of_the_difference() -> None:
    outcome = finished((950, 950), alignment="exact-twin")
    verdict = FairnessVerdict("held", 87, 3, tested=True, weighed=True, complete=True, bounds=TWIN_BOUNDS)
    outcome.run = replace(outcome.run, fairness=verdict)
    words = concluded(outcome)
    assert "**The framework is not the model:** with everything aligned both compute the same numbers" in words
    assert "anecdote" not in words


@pytest.mark.parametrize("said", [None, FairnessVerdict("not compared"), FairnessVerdict("held", 5)])
def test_a_twin_that_did_not_hold_to_its_end_claims_nothing(said: FairnessVerdict | None) -> None:
    """Least of all by the certificate before epoch 1 alone."""
    outcome = finished((950, 950), alignment="exact-twin")
    outcome.certificate = certificate()
    outcome.run = replace(outcome.run, fairness=said)
    assert "the same numbers" not in concluded(outcome)


# --- a busy machine --------------------------------------------------------------------------------------


def beside(others: tuple[float | None, float | None], idle: float = 0.05, **settings: object) -> Outcome:
    """A finished run; what others took of the processors while each lane trained."""
    outcome = finished((950, 950), (30000.0, 3000.0), **settings)
    for one, share in zip(outcome.lanes, others, strict=True):
        used = {"cpu_s": 3.0, "processors": 2, "others_share": share, "stolen_share": 0.0, "idle_share": idle}
        one.epochs = [replace(trained, **used) for trained in one.epochs]
    return at_its_end(outcome)


def at_its_end(outcome: Outcome) -> Outcome:
    """The run says of its machine what its epochs make of it, as a run does when it ends."""
    busy = others_took([one.epochs for one in outcome.lanes], outcome.run.settings.schedule)
    return replace(outcome, run=replace(outcome.run, busy=busy))


@pytest.mark.parametrize(
    ("others", "idle", "busy"),
    [
        ((0.0, 0.0), 0.05, False),
        ((0.19, 0.19), 0.05, False),
        ((0.2, 0.2), 0.05, True),  # starved
        ((0.0, 0.2), 0.05, True),
        ((0.11, 0.0), 0.05, True),  # unequally
        ((0.09, 0.0), 0.05, False),
        ((0.6, 0.6), 0.3, False),  # what others took nobody wanted: there was more
        ((None, None), 0.05, False),
    ],
)
def test_a_lane_that_lost_processors_to_others_makes_a_busy_machine(
    others: tuple[float | None, float | None], idle: float, busy: bool
) -> None:
    outcome = beside(others, idle)
    assert outcome.busy == busy
    assert outcome.times_compare != busy
    assert ("10 times as many" in concluded(outcome)) != busy


def test_a_busy_machine_says_what_others_took_and_compares_no_speed() -> None:
    words = spaced(concluded(beside((0.62, 0.08))))
    assert "since other programs took 62 % of the processors while Keras trained and 8 % while PyTorch did" in words
    assert "their times cannot be compared" in words
    assert "images a second" not in words
    assert "the result in speed" not in words


def test_a_load_that_comes_after_a_long_first_epoch_is_seen_where_the_throughput_is_taken() -> None:
    outcome = beside((0.0, 0.5))
    outcome.lanes[1].epochs[0] = replace(outcome.lanes[1].epochs[0], others_share=0.0, train_s=600.0)
    assert (outcome.lanes[1].taken_share or 0) < 0.01
    assert at_its_end(outcome).busy


def test_while_a_run_goes_on_its_epochs_say_whether_its_machine_is_busy_and_then_its_end_does() -> None:
    outcome = beside((0.5, 0.0))
    for said in (True, False):
        assert replace(outcome, run=replace(outcome.run, state=State.RUNNING, busy=said)).busy
        assert replace(outcome, run=replace(outcome.run, busy=said)).busy == said


@pytest.mark.parametrize("state", ["parted", "failed"])
def test_lanes_that_parted_are_not_compared(state: Literal["parted", "failed"]) -> None:
    outcome = finished((950, 900), (30000.0, 3000.0), alignment="exact-twin")
    parting = Parting("step", "loss", 1, 1, 1, 0.5, 1e-12) if state == "parted" else None
    outcome.run = replace(outcome.run, fairness=FairnessVerdict(state, parting=parting))
    assert concluded(outcome) == ""


def test_one_long_epoch_weighs_more_than_a_short_one() -> None:
    outcome = beside((0.0, 0.0))
    outcome.lanes[0].epochs[0] = replace(outcome.lanes[0].epochs[0], others_share=0.9, train_s=18.0)
    assert outcome.lanes[0].taken_share == pytest.approx(0.9 * 18 / 22)


def test_lanes_that_run_at_once_are_each_others_others() -> None:
    assert not beside((0.5, 0.5), schedule="together").busy


def test_what_a_lane_got_of_the_machine_stands_among_its_figures() -> None:
    outcome = beside((0.25, 0.0))
    rows = result_table(outcome)
    assert rows["Processors used"] == ["1.5 of 2", "1.5 of 2"]
    assert [spaced(value) for value in rows["Taken by others"]] == ["25 %", "0 %"]
    for one in outcome.lanes:
        one.epochs = [epoch(1)]
    untold = result_table(outcome)
    assert untold["Processors used"] == untold["Taken by others"] == ["–", "–"]


def test_same_start_is_still_an_anecdote() -> None:
    assert concluded(finished((950, 950), alignment="same-start")).endswith(ANECDOTE + MACHINE + ".")


def test_without_two_results_there_is_no_conclusion() -> None:
    outcome = finished()
    outcome.lanes[1].result = None
    assert concluded(outcome) == ""
    assert concluded(running(lane("keras"), lane("torch"))) == ""
    assert concluded(running(lane("keras", "finished", 3), engines="keras")) == "One lane alone is no comparison."
