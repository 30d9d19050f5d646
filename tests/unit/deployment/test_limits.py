"""The limits of the hosted profile, and the sentences that refuse."""

import pytest

from core.data.shape import MNIST_SHAPE
from core.deployment.limits import NO_LIMITS, Allowance, HostedLimits, Limits, read_environment
from core.deployment.settings import Profile
from core.experiment.network import ARTICLE, MOST_LAYERS, PRESETS, Network
from core.experiment.settings import InvalidSettings, TrainSettings

HOSTED = HostedLimits.model_construct()


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DUEL_PROFILE", raising=False)


def refused(limits: Limits, data_is_here: bool = True, **settings: object) -> dict[str, str]:
    with pytest.raises(InvalidSettings) as caught:
        limits.check(TrainSettings.parse(settings), data_is_here, ARTICLE)
    return caught.value.problems


def test_ones_own_machine_has_no_limits() -> None:
    everything = TrainSettings.parse({"epochs": 100, "batch_size": 4096, "engines": "keras,torch,keras-eager"})
    Limits().check(everything, data_is_here=False, network=ARTICLE)
    assert Limits() == NO_LIMITS
    assert not Limits().hosted


def test_the_articles_run_is_allowed_where_it_is_hosted() -> None:
    HOSTED.check(TrainSettings(), data_is_here=True, network=ARTICLE)
    for batch_size, epochs in ((16, 1), (1024, 10)):
        HOSTED.check(TrainSettings(batch_size=batch_size, epochs=epochs), data_is_here=True, network=ARTICLE)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"batch_size": 513, "alignment": "exact-twin"}, "Batch size of an exact twin here is 16 to 512, not 513."),
        ({"epochs": 11}, "A run here has at most 10 epochs, not 11."),
        ({"batch_size": 15}, "Batch size here is 16 to 1,024, not 15."),
        ({"batch_size": 1025}, "Batch size here is 16 to 1,024, not 1,025."),
        ({"engines": "keras,torch,keras-eager"}, "A run here has at most 2 lanes, not 3."),
    ],
)
def test_each_field_beyond_its_limit_gets_a_sentence(settings: dict[str, object], sentence: str) -> None:
    assert list(refused(HOSTED, **settings).values()) == [sentence]


def test_nothing_is_downloaded_but_data_that_is_there_may_be_used() -> None:
    problems = refused(HOSTED, data_is_here=False, dataset="kmnist")
    assert problems == {"dataset": "Nothing is downloaded here, and kmnist is not there: choose mnist5k."}
    HOSTED.check(TrainSettings(dataset="kmnist"), data_is_here=True, network=ARTICLE)


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_is_small_enough_where_it_is_hosted(preset: str) -> None:
    assert not Network.of(preset, MNIST_SHAPE).too_large(HOSTED.network)


@pytest.mark.parametrize(
    ("network", "sentence"),
    [
        (
            f"flatten, {'dense 10, ' * 19}dense 10",
            "The network has 21 layers: at most 20 here.",
        ),
        ("flatten, dense 640, dense 10", "The network has 508,810 parameters: at most 500,000 here."),
        (
            "conv 64 3 same, conv 64 3 same, globalavgpool, dense 10",
            "The network has 29,353,600 multiply-adds an image: at most 20,000,000 here.",
        ),
    ],
)
def test_a_network_beyond_what_is_hosted_gets_a_sentence_and_trains_at_home(network: str, sentence: str) -> None:
    made = Network.of(network, MNIST_SHAPE)
    assert not made.too_large(Limits().network)
    with pytest.raises(InvalidSettings) as caught:
        HOSTED.check(TrainSettings(network=network), data_is_here=True, network=made)
    assert caught.value.problems == {"network": sentence}
    assert HOSTED.network == {"layers": 20, "parameters": 500_000, "multiply-adds an image": 20_000_000}


def test_no_variable_lifts_what_no_installation_trains() -> None:
    assert Limits(layers=1000).network["layers"] == MOST_LAYERS


def test_the_environment_changes_each_limit_and_names_what_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DUEL_PROFILE", "hosted")
    monkeypatch.setenv("DUEL_LIMIT_EPOCHS", "20")
    monkeypatch.setenv("DUEL_LIMIT_QUEUE", "none")
    deployment, limits = read_environment()
    assert deployment.profile == Profile.HOSTED
    assert not deployment.spares
    assert not deployment.epoch_weights
    assert (limits.epochs, limits.queue, limits.batch_max) == (20, None, 1024)
    for name, value in (("DUEL_LIMIT_EPOCHS", "0"), ("DUEL_LIMIT_RUN_S", "soon"), ("DUEL_PROFILE", "public")):
        with monkeypatch.context() as wrong:
            wrong.setenv(name, value)
            with pytest.raises(InvalidSettings, match=rf"^The environment variable {name} is wrong: .+\.$"):
                read_environment()


@pytest.mark.parametrize("name", ["spares", "epoch_weights"])
def test_what_costs_room_can_be_asked_for_where_it_is_hosted(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert getattr(read_environment()[0], name), "on one's own machine nobody need ask"
    monkeypatch.setenv("DUEL_PROFILE", "hosted")
    monkeypatch.setenv(f"DUEL_{name.upper()}", "true")
    assert getattr(read_environment()[0], name)


def test_a_visitor_has_one_at_a_time_and_five_an_hour() -> None:
    now = [0.0]
    allowance = Allowance(HOSTED, lambda: now[0])
    assert "one run, measurement or lesson at a time" in allowance.refusal("a", 1, 0, None)
    for start in range(5):
        now[0] = 60.0 * start
        assert allowance.refusal("a", 0, 0, None) == ""
        allowance.count("a")
    sentence = allowance.refusal("a", 0, 0, None).replace("\u00a0", " ")
    assert sentence == "Each visitor starts at most 5 an hour here: the next in about 56 min."
    assert allowance.refusal("b", 0, 0, None) == ""
    now[0] = 3600.0
    assert allowance.refusal("a", 0, 0, None) == ""
    allowance.count("a")
    assert "the next in" in allowance.refusal("a", 0, 0, None)


def test_a_full_queue_says_when_a_place_is_free() -> None:
    allowance = Allowance(HOSTED)
    assert allowance.refusal("a", 0, 9, 30.0) == ""
    sentence = allowance.refusal("a", 0, 10, 42.4).replace("\u00a0", " ")
    assert sentence == "The queue is full: at most 10 wait here. A place should be free in about 42 s."


def test_what_is_kept_of_visitors_ends_with_their_hour() -> None:
    now = [0.0]
    allowance = Allowance(HOSTED, lambda: now[0])
    for number in range(1000):
        allowance.count(f"visitor-{number}")
    now[0] = 3601.0
    allowance.refusal("x", 0, 0, None)
    assert not allowance._started


def test_a_hosted_batch_is_as_large_as_the_network_s_activations_allow() -> None:
    wide = "conv 60 3 same, tanh, silu, gelu, elu, tanh, silu, conv 1 1, flatten, dense 10"
    settings = TrainSettings.parse({"network": wide, "batch_size": 1024})
    with pytest.raises(InvalidSettings, match="Batch size here is at most 226 with this network"):
        HOSTED.check(settings, True, Network.of(wide, MNIST_SHAPE))
    HOSTED.check(settings.model_copy(update={"batch_size": 226}), True, Network.of(wide, MNIST_SHAPE))
    HOSTED.check(TrainSettings(batch_size=1024), True, Network.of("article", MNIST_SHAPE))
