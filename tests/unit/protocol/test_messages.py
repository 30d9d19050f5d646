"""The messages between a process and its child: each comes back as it went, and anything else is refused."""

import json
import math
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.protocol import cluster_messages, lines, messages, predictor_messages
from core.protocol.lines import COMMANDS, EVENTS, ProtocolError, decode_command, decode_event, encode

DECLARED = {**vars(messages), **vars(cluster_messages), **vars(predictor_messages)}.values()
CLASSES = [each for each in DECLARED if isinstance(each, type) and issubclass(each, messages.Message)]
KINDS = [cls for cls in CLASSES if cls is not messages.Message]
FINITE = st.floats(allow_nan=False, allow_infinity=False)
MESSAGES: st.SearchStrategy[Any] = st.one_of(
    # No lone surrogates: what is sent was decoded from UTF-8.
    st.builds(
        messages.Train, settings=st.dictionaries(st.text(max_size=5), FINITE | st.integers() | st.text(max_size=5))
    ),
    st.builds(messages.Certified, logits=st.lists(st.lists(FINITE, max_size=3)), losses=st.lists(FINITE)),
    st.builds(
        messages.Epoch,
        *[st.integers(1, 100), *[FINITE] * 7],
        first_step_s=st.none() | FINITE,
        last=st.booleans(),
        reason=st.text(),
    ),
    st.builds(messages.Step, points=st.lists(st.tuples(st.integers(1, 9999), FINITE).map(list))),
    st.builds(messages.Built, data_s=FINITE, build_s=FINITE),
    st.builds(messages.Ready, import_s=FINITE),
    st.builds(messages.Result, test_loss=FINITE, test_accuracy=FINITE, test_s=FINITE),
    *[
        st.builds(cls)
        for cls in (messages.Certify, messages.Build, messages.Go, messages.Finish, messages.Stop, messages.Beat)
    ],
    *[st.builds(cls) for cls in (messages.Stopped, messages.Failed)],
    st.builds(messages.Measure, arguments=st.dictionaries(st.text(max_size=5), FINITE | st.text(max_size=5))),
    st.builds(messages.Progress, fraction=FINITE),
    st.builds(messages.Printed),
    st.builds(messages.Measured, result=st.dictionaries(st.text(max_size=5), FINITE | st.text(max_size=5))),
    st.builds(predictor_messages.Load, settings=st.dictionaries(st.text(max_size=5), FINITE | st.text(max_size=5))),
    st.builds(predictor_messages.Predicted, logits=st.lists(st.lists(FINITE, max_size=3)), compute_ms=FINITE),
    st.builds(predictor_messages.Replay),
    st.builds(
        predictor_messages.Replayed, logits=st.lists(st.lists(st.lists(FINITE, max_size=2), max_size=2), max_size=2)
    ),
    st.builds(
        predictor_messages.Looked, shapes=st.dictionaries(st.text(max_size=5), st.lists(st.integers(1, 99), max_size=3))
    ),
    *[
        st.builds(cls)
        for cls in (
            predictor_messages.Predict,
            predictor_messages.Look,
            predictor_messages.Save,
            predictor_messages.Loaded,
            predictor_messages.Saved,
            predictor_messages.Refused,
        )
    ],
    st.builds(messages.Call, arguments=st.dictionaries(st.text(max_size=5), FINITE | st.text(max_size=5))),
    st.builds(messages.Returned, value=st.none() | FINITE | st.lists(st.text(max_size=5))),
    *[st.builds(cls) for cls in (messages.Preparing, messages.Done)],
    st.builds(
        cluster_messages.Execute,
        settings=st.dictionaries(st.text(max_size=5), FINITE | st.text(max_size=5)),
        limit_s=st.none() | FINITE,
    ),
    st.builds(
        cluster_messages.Nodes,
        nodes=st.lists(
            st.builds(
                cluster_messages.ClusterNode, machine=st.dictionaries(st.text(max_size=5), FINITE | st.text(max_size=5))
            )
        ),
    ),
    *[st.builds(cls) for cls in (cluster_messages.Cancel, cluster_messages.Reported, cluster_messages.Ended)],
)


def decode(line: str) -> Any:
    """The message of a line of either direction."""
    try:
        return decode_event(line)
    except ProtocolError:
        return decode_command(line)


def test_every_message_has_its_kind_on_the_wire_and_one_direction() -> None:
    assert COMMANDS.keys().isdisjoint(EVENTS)
    assert COMMANDS.keys() | EVENTS.keys() == {cls.kind for cls in KINDS}
    assert len(COMMANDS) + len(EVENTS) == len(KINDS)


@given(MESSAGES)
def test_a_message_comes_back_as_it_went_and_not_the_other_way(message: Any) -> None:
    line = encode(message)
    assert "\n" not in line
    ways = (decode_command, decode_event) if isinstance(message, messages.Command) else (decode_event, decode_command)
    there, back = ways
    assert there(line) == message
    assert type(there(line)) is type(message)
    with pytest.raises(ProtocolError):
        back(line)


def test_the_properties_try_every_message() -> None:
    tried = {strategy.wrapped_strategy.target for strategy in MESSAGES.original_strategies}
    assert tried == {*get_args(messages.Command), *get_args(messages.Event)}


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_a_number_that_json_cannot_hold_is_not_sent(number: float) -> None:
    with pytest.raises(ValueError, match="JSON"):
        encode(messages.Step(1, 29, [[1, number]]))


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_nor_is_it_taken(number: str) -> None:
    with pytest.raises(ProtocolError):
        decode(f'{{"kind":"step","epoch":1,"steps_per_epoch":29,"points":[[1,{number}]]}}')


@pytest.mark.parametrize(
    "line",
    [
        "",
        "null",
        "[]",
        '"go"',
        "{}",
        '{"kind":"go"}',
        '{"kind":"gone","epoch":1}',
        '{"kind":["go"],"epoch":1}',
        '{"kind":"go","epoch":"one"}',
        '{"kind":"go","epoch":1,"step":2}',
        '{"kind":"go","epoch":1} trailing',
        '{"kind":"go","epoch":1',
        "[" * 100_000,
        "1" * 5_000,
        "2026-11-04 10:00:00 I tensorflow/core: a library that prints",
    ],
)
def test_anything_else_is_refused_with_its_beginning(line: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        decode(line)
    assert repr(line[:200]) in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
    assert len(str(caught.value)) < 700


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(
    st.text(st.characters())
    | JSON.map(json.dumps)
    | st.builds(
        lambda cls, values: json.dumps({"kind": cls.kind, **values}),
        st.sampled_from(KINDS),
        st.dictionaries(st.sampled_from(["epoch", "step", "points", "reason", "losses", "run", "logits"]), JSON),
    )
)
def test_garbage_raises_nothing_but_a_protocol_error(line: str) -> None:
    try:
        message = decode(line)
    except ProtocolError:
        return
    assert type(message) in KINDS
    encode(message)


def test_images_come_back_as_they_went() -> None:
    images = np.arange(2 * 784, dtype=np.uint8).reshape(2, 28, 28, 1)
    assert (lines.unpacked(lines.packed(images), (28, 28, 1)) == images).all()


@pytest.mark.parametrize("text", ["AAAA", "not base64!", "é"])
def test_what_are_no_images_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - whichever library refuses it says why
        lines.unpacked(text, (28, 28, 1))


def test_arrays_of_floats_come_back_as_float32_in_their_shapes() -> None:
    arrays = [np.arange(24.0).reshape(2, 3, 4)[:, ::-1], np.array([1e-3, -7.0]), np.zeros((1, 1, 1))]
    text = lines.packed_floats(arrays)
    found = lines.unpacked_floats(text, [array.shape for array in arrays])
    for array, back in zip(arrays, found, strict=True):
        assert back.dtype == np.float32
        np.testing.assert_array_equal(back, array.astype(np.float32))


@pytest.mark.parametrize("shapes", [[], [(2, 2)], [(3,), (3,)], [(7,)]])
def test_floats_that_do_not_fill_the_shapes_are_refused(shapes: list[tuple[int, ...]]) -> None:
    with pytest.raises(ValueError, match="5 numbers do not fill these shapes"):
        lines.unpacked_floats(lines.packed_floats([np.ones(5)]), shapes)
