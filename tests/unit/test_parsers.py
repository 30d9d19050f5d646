"""Whatever comes in: a value within its limits, or the parser's own error in one plain sentence, and soon.

One set of properties, two profiles: `make test` tries a few dozen values of each, `make fuzz` thousands
(tests/fuzz). tests/unit/data/bombs.py holds what is known to cost much.
"""

import asyncio
import contextlib
import copy
import inspect
import io
import json
import os
import random
import re
import struct
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image
from starlette.datastructures import Headers
from starlette.requests import Request

from core import serve
from core.data import images
from core.data.datasets import DATASETS
from core.deployment import limits
from core.deployment.settings import DeploymentSettings
from core.experiment.engine_names import ENGINE_NAMES
from core.experiment.fairness import Comparison
from core.experiment.kinds import Choice
from core.experiment.settings import DEFAULTS, SETTINGS, InvalidSettings, TrainSettings
from core.experiment.switches import Switch
from core.launcher.launcher import LauncherUnavailable
from core.protocol import lines, messages
from core.results import charts, export, importing, report
from core.results.outcome import conclusion, gather
from core.results.result_table import result_table
from core.storage.records import RUN_ID, UnknownRun, checked_id
from core.storage.runs import ALL_ROWS, Store
from core.web.elements.settings_link import most_letters
from core.web.server import routes
from core.web.server.compressed import accepted_encodings
from core.web.server.copies import COMPRESSORS
from core.web.server.installation import Installation, serve_with
from core.web.train.form import _field_value
from tests.unit.protocol.test_messages import MESSAGES

LETTERS = 500
"""No sentence is longer."""
SOON_S = 1.0
"""Of a core, for one value."""
FEW = settings(settings(), max_examples=max(1, settings().max_examples // 4))
"""For what costs tens of milliseconds a value."""


def one_sentence(text: str) -> None:
    assert text.isprintable(), repr(text)
    assert text.endswith(".")
    assert 10 < len(text) <= LETTERS, len(text)
    text.encode()


def tried(error: type[Exception], parse: Callable[..., Any], *given: Any) -> tuple[Any, Any]:
    """What a parser makes of a value, or its own error; any other error, or a long wait, is a fault."""
    began = time.thread_time()  # processor time, not a clock: a busy machine is slow, not wrong
    try:
        return parse(*given), None
    except error as own:
        return None, own
    finally:
        took = time.thread_time() - began
        assert took < SOON_S, f"it took {took:.1f} s"


# --- settings: pages, links, command line ------------------------------------------------------------------

NUMERALS = st.sampled_from(
    [
        *(
            "1e309",
            "-1e309",
            "1e-400",
            "-0",
            "+5",
            " 5 ",
            "5.",
            ".5",
            "1_0",
            "0x10",
            "0b1",
            "1e2",
            "1,000",
            "1.000",
            "0,5",
            "1,000,000",
            "½",
            "٣",
            "\uff11\uff12",
        ),
        *(
            "nan",
            "-nan",
            "inf",
            "infinity",
            "true",
            "None",
            "\x00",
            "5\n",
            "5\u2028",
            "\ud800",
            "9" * 400,
            "0." + "9" * 400,
        ),
    ]
)
LONG = st.builds(
    lambda text, times: text * times, st.text(st.characters(), max_size=4), st.sampled_from([1, 30, 2_000])
)
NAMES = st.sampled_from([*ENGINE_NAMES, "fake", "fake-a", "fake-" + "a" * 100, "fake-1-2-3-4-5-6-7-8-9", "fake--", ""])
ENGINES = (
    st.lists(NAMES, max_size=6) | st.lists(NAMES, max_size=30).map(",".join) | LONG.map(lambda text: f"fake-{text}")
)
TEXTS = st.one_of(
    st.text(st.characters()),
    NUMERALS,
    LONG,
    st.floats().map(repr),
    st.integers().map(str),
    st.sampled_from(
        [value for setting in SETTINGS.values() if isinstance(setting, Choice) for value in setting.titles]
    ),
    ENGINES.map(lambda names: names if isinstance(names, str) else ",".join(names)),
)
RAW = (
    TEXTS | ENGINES | st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from([10**400, -(10**5000)])
)
FIELDS = st.sampled_from([*TrainSettings.model_fields])


def within_limits(found: TrainSettings, training_split: int) -> None:
    assert 1 <= found.batch_size <= training_split
    assert 1 <= found.epochs <= 100
    assert 0 <= found.dropout <= 0.9
    assert 0 < found.learning_rate <= 1e6
    assert 0 <= found.seed < 2**31
    assert 0 <= found.patience <= 100
    assert 1 <= len(set(found.engines)) == len(found.engines) <= 10
    assert all(len(name) <= 100 for name in found.engines)
    assert found.alignment == "as-shipped" or set(found.engines) == {"keras", "torch"}


@given(st.dictionaries(FIELDS, RAW, max_size=6) | st.dictionaries(FIELDS | TEXTS, RAW, max_size=40))
def test_settings(raw: dict[str, Any]) -> None:
    found, refused = tried(InvalidSettings, TrainSettings.parse, raw, DATASETS["mnist5k"])
    if refused is None:
        within_limits(found, 3600)
        return
    for sentence in refused.problems.values():
        one_sentence(sentence)
    assert 0 < len(refused.problems) <= len(TrainSettings.model_fields) + 5
    assert len(str(refused)) <= LETTERS * 5


@given(FIELDS, TEXTS)
def test_a_link(name: str, text: str) -> None:
    """What a link puts into a field can stand in it, whether a run may have it or not."""
    (value, problem), _ = tried(AssertionError, _field_value, name, text)
    if problem:
        one_sentence(problem)
        assert value == DEFAULTS[name]
    setting = SETTINGS[name]
    if isinstance(setting, Choice):
        assert value in setting.titles
    elif name == "engines":
        assert value
        assert set(value) <= set(ENGINE_NAMES)
    elif name == "keep":
        assert set(value) <= set(Switch)
    else:
        assert value == text[: most_letters(name)].encode("utf-8", "replace").decode()


# --- the environment ---------------------------------------------------------------------------------------

# What an environment can hold: no NUL, and bytes that are no UTF-8 as lone surrogates.
VALUES = st.one_of(
    TEXTS, st.integers(-2, 3000).map(str), st.sampled_from(["none", "None", "", "true", "0", "1e3", "[]"])
)
VALUES = VALUES.filter(lambda text: "\0" not in text and not re.search("[\ud800-\udc7f\udd00-\udfff]", text))
VARIABLES = st.sampled_from(
    [f"DUEL_LIMIT_{name.upper()}" for name in limits.Limits.model_fields] + ["DUEL_PROFILE", "DUEL_SPARES"]
)


@contextmanager
def environment(values: dict[str, str]) -> Iterator[None]:
    """`os.environ` with these instead of all that is ours; a fixture would outlive the example."""
    before = dict(os.environ)
    for name in [name for name in os.environ if name.startswith("DUEL_")]:
        del os.environ[name]
    os.environ.update(values)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@given(st.dictionaries(VARIABLES, VALUES, max_size=4))
def test_the_environment(values: dict[str, str]) -> None:
    with environment(values):
        found, refused = tried(InvalidSettings, limits.read_environment)
    if refused is not None:
        one_sentence(str(refused))
        assert any(name in str(refused) for name in values)
        return
    for name, value in found[1]:
        assert value is None or isinstance(value, bool) or 0 < value < float("inf"), name


@given(TEXTS | st.integers(-5, 70_000).map(str))
@example("²")
def test_a_port(text: str) -> None:
    found, refused = tried(serve.PortError, serve.parse_port, text)
    assert 1 <= found <= 65_535 if refused is None else str(refused).startswith("PORT is a number from 1 to 65535;")


# --- messages between processes ----------------------------------------------------------------------------


def edited(text: str, edits: Sequence[tuple[int, int, str]]) -> str:
    """The text with stretches of it replaced: (where, how much, by what)."""
    for where, length, by in edits:
        at = where % (len(text) + 1)
        text = text[:at] + by + text[at + length :]
    return text


PIECES = st.sampled_from(
    ["", '"', "[", "]", "{", "}", ",", ":", "null", "1e999", "-", "NaN", "\\ud800", "true", "0", "[[[["]
)
EDITS = st.lists(st.tuples(st.integers(0, 4000), st.integers(0, 6), PIECES | st.text(max_size=3)), max_size=4)


@given(st.sampled_from([lines.decode_command, lines.decode_event]), MESSAGES.map(lines.encode), EDITS)
def test_a_line_from_another_process(
    decode: Callable[[str], Any], line: str, edits: list[tuple[int, int, str]]
) -> None:
    found, refused = tried(lines.ProtocolError, decode, edited(line, edits))
    if refused is None:
        lines.encode(found)
    else:
        assert len(str(refused).splitlines()) == 1
        assert len(str(refused)) < 2 * LETTERS


@given(st.text() | st.binary(max_size=2000).map(lambda raw: lines.packed(np.frombuffer(raw, "uint8"))))
def test_packed_images(text: str) -> None:
    found, refused = tried(ValueError, lines.unpacked, text, (28, 28, 1))
    assert found.shape[1:] == (28, 28, 1) if refused is None else str(refused)


# --- an exported run ---------------------------------------------------------------------------------------


def small_export() -> dict[str, Any]:
    """A recorded run's first two epochs and its end, with a row or two of each kind, and a verdict on these."""
    recorded = Store(Path("nowhere"))
    run = next(run for run in recorded.recorded() if run.settings.alignment == "same-start")
    kept, seen = [], set()
    for row in recorded.rows(run.id, limit=ALL_ROWS):
        epoch, state = (getattr(row.event, name, None) for name in ("epoch", "state"))
        key = (row.engine, row.kind, epoch if row.kind in ("step", "epoch") else state == "finished")
        if key not in seen and (state or (epoch or 0) <= 2):
            seen.add(key)
            kept.append(row)
    values: dict[str, Any] = json.loads(export.as_json(run, kept))
    comparison = Comparison(run.settings.engines, "same-start", run.settings.drops, every_step=False)
    for row in kept:
        if isinstance(row.event, messages.Epoch | messages.Result):
            comparison.take(row.engine, row.event)
    made = comparison.verdict()
    fairness = next(row for row in values["rows"] if row["kind"] == "fairness")
    fairness |= {name: getattr(made, name) for name in ("epochs", "loss_difference", "accuracy_difference")}
    fairness["steps"] = 2 * 429
    return values


EXPORTED = small_export()
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(st.characters(), max_size=20),
    st.sampled_from([10**400, -1, 0, 1e29, "=1+1", "<b>", "x" * 3000, [], {}, [[]], {"a": 1}, "2026-13-45T99:99:99Z"]),
)
VALUE = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=6,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in a JSON value; long lists of numbers by their first."""
    yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in inner:
        if not (isinstance(value, list) and key > 2 and not isinstance(part, dict)):
            yield from places(part, (*path, key))


PLACES = [path for path in places(EXPORTED) if path]
CHANGES = st.lists(st.tuples(st.sampled_from(PLACES), st.sampled_from(["set", "drop", "double"]), VALUE), max_size=3)


def changed(changes: Sequence[tuple[tuple[Any, ...], str, Any]]) -> dict[str, Any]:
    """The export with some of its places changed; a place that an earlier change took away is left out."""
    values = copy.deepcopy(EXPORTED)
    for path, how, value in changes:
        inner: Any = values
        try:
            for key in path[:-1]:
                inner = inner[key]
            if how == "set":
                inner[path[-1]] = value
            elif how == "drop":
                del inner[path[-1]]
            elif isinstance(inner, list):
                inner.insert(path[-1], copy.deepcopy(inner[path[-1]]))
        except (LookupError, TypeError):
            continue
    return values


def taken_in(data: bytes) -> None:
    """What is taken in can be stored, shown and exported again; what is not is refused in a sentence."""
    found, refused = tried(importing.ImportRefused, importing.read_json, data)
    if refused is not None:
        one_sentence(str(refused))
        return
    run, rows, _ = found
    outcome = gather(run, rows)
    conclusion(outcome).markdown.encode()
    json.dumps(result_table(outcome), ensure_ascii=False).encode()
    done = [lane for lane in outcome.lanes if lane.epochs]
    if done:
        charts.time_split(done)
        charts.curves(done)
    tested = [lane for lane in outcome.lanes if lane.result]
    for lane in tested:
        charts.confusion(lane, charts.most_mistakes(tested), outcome.dataset.class_names)
    export.as_csv(run, rows).encode()
    report.as_html(run, rows).encode()
    for text in (run.name, run.note, run.reason, *(lane.reason for lane in run.lanes)):
        text.encode()
    again, rows_again, _ = importing.read_json(export.as_json(run, rows).encode())
    assert (again, len(rows_again)) == (run, len(rows))


def test_an_exported_run_that_nobody_changed() -> None:
    """Else the two below would hold of a reader that refuses everything."""
    run, rows, _ = importing.read_json(json.dumps(EXPORTED).encode())
    assert len(rows) == len(EXPORTED["rows"])
    assert {row.kind for row in rows} >= {"ready", "built", "step", "epoch", "result", "certificate"}
    assert "In this run" in conclusion(gather(run, rows)).finding


@FEW
@given(CHANGES)
def test_an_exported_run_that_was_changed(changes: list[tuple[tuple[Any, ...], str, Any]]) -> None:
    taken_in(json.dumps(changed(changes)).encode())


@FEW
@given(st.data())
def test_an_exported_run_that_was_damaged(data: st.DataObject) -> None:
    text = edited(json.dumps(EXPORTED), data.draw(EDITS))
    taken_in(text.encode(data.draw(st.sampled_from(["utf-8", "utf-16", "utf-32"])), "surrogatepass"))


# --- pictures ----------------------------------------------------------------------------------------------


def picture(kind: str, **options: Any) -> bytes:
    grey = np.full((90, 80), 255, "uint8")
    grey[20:70, 35:45] = 0
    made = Image.fromarray(grey)
    if mode := options.pop("mode", ""):
        made = made.convert(mode)
    file = io.BytesIO()
    made.save(file, kind, **options)
    return file.getvalue()


def png_chunks(content: bytes) -> list[tuple[bytes, bytes]]:
    """A PNG's chunks: (name, data)."""
    found, at = [], 8
    while at < len(content):
        (length,) = struct.unpack_from(">I", content, at)
        found.append((content[at + 4 : at + 8], content[at + 8 : at + 8 + length]))
        at += 12 + length
    return found


def whole_png(parts: Sequence[tuple[bytes, bytes]]) -> bytes:
    """A PNG of these chunks, each with its right checksum: what is wrong in them is not seen before they are read."""
    written = [
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in parts
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(written)


def jpeg_parts(content: bytes) -> list[bytes]:
    """A JPEG cut before each of its markers."""
    cuts = [match.start() for match in re.finditer(rb"\xff[\xc0-\xfe]", content)]
    return [content[start:end] for start, end in zip(cuts, [*cuts[1:], len(content)], strict=True)]


PNGS = [png_chunks(picture("PNG", mode=mode)) for mode in ("", "P", "LA", "RGBA", "1")]
JPEGS = [
    jpeg_parts(picture("JPEG", progressive=progressive, exif=b"Exif\0\0II*\0" + bytes(40))) for progressive in (0, 1)
]
CHUNKS = [b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"tEXt", b"zTXt", b"iTXt", b"iCCP", b"eXIf", b"acTL", b"fcTL", b"gAMA"]
CHUNKS += [b"sRGB", b"pHYs", b"fdAT", b"cHRM", b"IEND", b"\0\0\0\0"]


def spoilt(data: bytes, chance: random.Random, changes: int) -> bytes:
    """Some bytes changed, and now and then some cut off or put in."""
    found = bytearray(data)
    for _ in range(changes if found else 0):
        at = chance.randrange(len(found) or 1)
        match chance.randrange(4):
            case 0 | 1 if found:
                found[at] = chance.choice([0, 1, 2, 127, 128, 255, chance.randrange(256)])
            case 2:
                del found[at : at + chance.randrange(9)]
            case _:
                found[at:at] = chance.randbytes(chance.randrange(9))
    return bytes(found)


def uploaded(content: bytes) -> None:
    grey, refused = tried(images.ImageError, images.from_upload, content, "digit.png")
    if refused is not None:
        one_sentence(str(refused))
        assert str(refused).startswith("digit.png ")
        return
    assert grey.ndim == 2
    assert max(grey.shape) <= 800
    assert images.prepare_digit(grey).shape == (28, 28)


QUIET = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::PIL.Image.DecompressionBombWarning")


@QUIET
@given(st.sampled_from(PNGS), st.integers(0, 6), st.randoms(use_true_random=False))
def test_a_png_with_right_checksums(parts: list[tuple[bytes, bytes]], changes: int, chance: random.Random) -> None:
    parts = list(parts)
    for _ in range(changes):
        at = chance.randrange(len(parts))
        name, data = parts[at]
        match chance.randrange(5):
            case 0 | 1:
                parts[at] = name, spoilt(data, chance, 3)
            case 2:
                parts.insert(at, (chance.choice(CHUNKS), chance.randbytes(chance.randrange(60))))
            case 3:
                parts.insert(at, (chance.choice(CHUNKS), b"k\0\0" + zlib.compress(chance.randbytes(50))))
            case _ if name == b"IDAT":  # other rows, packed rightly
                with contextlib.suppress(zlib.error):
                    data = zlib.decompress(data)
                parts[at] = name, zlib.compress(spoilt(data, chance, 20))
    uploaded(whole_png(parts))


@QUIET
@given(st.sampled_from(JPEGS), st.integers(0, 6), st.randoms(use_true_random=False))
def test_a_jpeg_with_other_segments(parts: list[bytes], changes: int, chance: random.Random) -> None:
    parts = list(parts)
    for _ in range(changes):
        at = chance.randrange(1, len(parts))
        match chance.randrange(3):
            case 0:
                parts[at] = parts[at][:2] + spoilt(parts[at][2:], chance, 2)
            case 1:
                parts.insert(at, chance.choice(parts))
            case _:
                data = chance.randbytes(chance.randrange(60))
                parts.insert(at, bytes([255, chance.randrange(0xC0, 0xFF)]) + struct.pack(">H", len(data) + 2) + data)
    uploaded(b"".join(parts))


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=6) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
        max_leaves=30,
    )
    | st.lists(st.lists(st.integers(-1001, 2001), max_size=8), max_size=205)
)
def test_strokes(value: object) -> None:
    strokes, refused = tried(images.ImageError, images.checked_strokes, value)
    if refused is not None:
        one_sentence(str(refused))
    elif strokes:
        assert images.from_strokes(strokes).shape == (28, 28)


# --- ids and addresses -------------------------------------------------------------------------------------

A_RUN = "20261104-081500-1a2b3c4d"
IDS = st.one_of(
    TEXTS,
    st.builds(edited, st.just(A_RUN), EDITS),
    st.from_regex(RUN_ID, fullmatch=True),
    st.sampled_from(
        ["../../etc/passwd", A_RUN + "\n", A_RUN + "/..", "%2e%2e", "..\\", A_RUN.replace("2", "\uff12"), "con"]
    ),
)


@given(IDS | RAW)
def test_a_runs_id(value: Any) -> None:
    found, refused = tried(UnknownRun, checked_id, value)
    if refused is not None:
        one_sentence(str(refused))
        return
    assert found == value
    folder = Path("/data/runs") / found
    assert folder.parent == Path("/data/runs")
    assert re.fullmatch("[0-9a-f-]{24}", found)


def asked(route: Callable[[Request], Any], parameters: dict[str, str], query: bytes = b"") -> tuple[int, bytes]:
    """What a route answers: status and body."""
    scope = {"type": "http", "method": "GET", "headers": [], "path_params": parameters, "query_string": query}
    answer = route(Request(scope))
    answer = asyncio.run(answer) if inspect.iscoroutine(answer) else answer
    return answer.status_code, answer.body


@contextmanager
def serving(allowed: limits.Limits) -> Iterator[None]:
    """An installation on a data folder that is not there; a fixture would outlive the example."""
    nowhere = DeploymentSettings(data_dir=Path("/nowhere/at/all"))
    serve_with(Installation(nowhere, allowed, LauncherUnavailable("")))
    try:
        yield
    finally:
        serve_with(None)


RECORDED_RUN = EXPORTED["run"]["id"]


@FEW
@given(IDS | st.just(RECORDED_RUN), TEXTS | st.integers(-5, 10**7).map(str))
@example(RECORDED_RUN, "9" * 4000)
@example(A_RUN, "9" * 4000)
def test_the_address_of_a_runs_rows(run_id: str, after: str) -> None:
    # Starlette has made text of the bytes before: what is no UTF-8 arrives as a replacement character.
    run_id, after = (text.encode("utf-8", "replace").decode("utf-8", "replace") for text in (run_id, after))
    query = "after=" + "".join(f"%{byte:02x}" for byte in after.encode()[:10_000])
    with serving(limits.NO_LIMITS):
        (status, body), _ = tried(AssertionError, asked, routes.run_rows, {"run_id": run_id}, query.encode())
    answer = json.loads(body)
    if status == 200:
        assert run_id == RECORDED_RUN
        assert len(answer["rows"]) <= routes.MOST_ROWS
    else:
        assert status in (400, 404)
        one_sentence(answer["error"])


@given(TEXTS | st.sampled_from(["../app.py", "plotly.min.js\0", "/etc/passwd", "live_chart.js/.."]))
def test_the_address_of_an_asset(name: str) -> None:
    if name in routes.ASSETS:
        return
    _, refused = tried(routes.HTTPException, asked, routes.asset, {"name": name})
    assert refused.status_code == 404


# --- what a client takes ------------------------------------------------------------------------------------

CODINGS = st.tuples(
    st.sampled_from([b"br", b"gzip", b"*", b"identity", b"zstd"]),
    st.sampled_from([b"", b";q=0", b"; q=0.5", b";q=1.000", b";q=9", b";q=", b";;", b";q=0.1;q=1"]),
).map(b"".join)


@given(st.lists(st.binary(max_size=60) | st.lists(CODINGS, max_size=6).map(b",".join), max_size=3))
@example([b" " * 60_000 + b";q=" + b"0" * 60_000, b"," * 60_000])
def test_the_encodings_that_a_client_takes(values: list[bytes]) -> None:
    request = Headers(raw=[(b"accept-encoding", value) for value in values])
    taken, _ = tried(AssertionError, accepted_encodings, request)
    assert len(set(taken)) == len(taken)
    for name in taken:
        assert name in COMPRESSORS
        assert name.encode() in b",".join(values).lower() or b"*" in b",".join(values)


# --- a visitor's cookie ------------------------------------------------------------------------------------


def answered(headers: list[tuple[bytes, bytes]]) -> list[bytes]:
    """The cookies that a visitor with these headers is given."""
    from core.web.server.visitor import VisitorCookie

    given_back: list[bytes] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def send(message: Any) -> None:
        given_back.extend(value for name, value in message["headers"] if name == b"set-cookie")

    scope = {"type": "http", "scheme": "http", "path": "/", "headers": headers}
    asyncio.run(VisitorCookie(app)(scope, None, send))  # type: ignore[arg-type]
    return given_back


@FEW
@given(st.lists(st.binary(max_size=60) | st.text(max_size=9).map(lambda t: f"visitor={t}".encode()), max_size=3))
@example([b"visitor=" + b"A" * 22])
@example([b'visitor="\\' + b"1" * 4_000])
def test_a_visitors_cookie(cookies: list[bytes]) -> None:
    with serving(limits.HostedLimits.model_construct()):
        given_back, _ = tried(AssertionError, answered, [(b"cookie", cookie) for cookie in cookies])
    known = any(re.search(rb"visitor=[A-Za-z0-9_-]{22}", cookie) for cookie in cookies)
    assert known or len(given_back) == 1
    for cookie in given_back:
        assert re.fullmatch(rb"visitor=[A-Za-z0-9_-]{22}; Path=/; Max-Age=\d+; HttpOnly; SameSite=Lax", cookie)
