"""The evidence of release, speed, backends, language and debugging: the words and rules on results made by hand."""

import copy
import json
import math
import re
from pathlib import PurePosixPath
from typing import Any

import plotly.graph_objects as go
import pytest

from core.compare.evidence import Shown, backends, debugging, language, release, shown, speed
from core.compare.probes import language as language_probe
from core.compare.probes import speed as speed_probe
from core.experiment.metrics import NO_BREAK
from core.results import charts

Result = dict[str, Any]


def plain(text: str) -> str:
    return text.replace(NO_BREAK, " ")


# --- results ---------------------------------------------------------------------------------------------


def speed_lane(engine: str, rates: list[float], to_target_s: list[float | None] | None = None) -> Result:
    targets = to_target_s or [3.0 * 3600 / rate for rate in rates]
    rows = [
        {"seed": n, "images_per_s": rate, "to_target_s": seconds, "target_epoch": 3, "epochs": []}
        for n, (rate, seconds) in enumerate(zip(rates, targets, strict=True), 1)
    ]
    reached = [seconds for seconds in targets if seconds is not None]
    return {
        "engine": engine,
        "repeats": rows,
        "images_per_s": speed_probe.interval(rates),
        "to_target_s": speed_probe.interval(reached),
        "reached": len(reached),
        "device": "cpu",
    }


def speed_mode(keras: list[float], torch: list[float], **changes: Any) -> Result:
    lanes = {"keras": speed_lane("keras", keras), "torch": speed_lane("torch", torch)}
    return {"lanes": lanes, **speed_probe.differences(lanes), "others": 0.0, "failed": None, **changes}


EVEN = [3000.0, 3030.0, 2970.0, 3010.0, 2990.0]
FASTER = [3300.0, 3340.0, 3260.0, 3320.0, 3290.0]
MIXED = [3060.0, 2980.0, 2990.0, 3050.0, 2960.0]


def speed_result(**modes: Result) -> Result:
    named = {name.replace("_", " "): mode for name, mode in modes.items()}
    return {"asked_repeats": 5, "epochs": 5, "target": 0.9, "modes": named}


def backends_result(**keras: Result) -> Result:
    logits = [[0.1] * 10] * 20
    ran = {"installed": True, "version": "2.0", "losses": [2.3, 1.2718], "ms_per_step": 30.0, "start_logits": logits}
    ran |= {"accuracy": 0.743, "test_images": 1000}
    torch = ran | {"losses": [2.3, 1.27181]}
    absent = {"installed": False}
    found = {"tensorflow": ran, "torch": torch, "jax": absent, "openvino": absent} | keras
    pytorch = {"version": "2.0", "compilers": ["inductor"], "kernels": {"oneDNN": True, "MKL": False}}
    return {"steps": 2, "batch_size": 126, "keras": found, "pytorch": pytorch}


def counts(**files: int) -> Result:
    languages = {name: {"files": 0, "bytes": 0} for name in language.LANGUAGES}
    for name, number in files.items():
        languages[name] = {"files": number, "bytes": 1000 * number}
    return {"version": "1.0", "languages": languages}


def language_result(**packages: Result | None) -> Result:
    torch = counts(Python=50)
    torch["languages"]["compiled libraries"] = {"files": 3, "bytes": 950_000}
    return {"packages": {"keras": counts(Python=900), "tensorflow": counts(Python=10), "torch": torch} | packages}


def fault(line_in: str | None = "traceback", **changes: Any) -> Result:
    told = {"raised": "ValueError", "message": "no", "message_lines": 3, "frames": 6, "frames_after": 0}
    return told | {"line_in": line_in} | changes


def mode(statement: int, debugger: int, ms: float, **faults: Result) -> Result:
    planted = {"shape": fault(), "value": fault()} | faults
    hits = {"statement": statement, "debugger": debugger}
    return {"faults": planted, "hits": hits, "ms_per_step": ms, "first_step_s": 1.0}


def debugging_result(**modes: Result) -> Result:
    found = {
        "keras-fit": mode(2, 0, 30.0, value=fault("message")),
        "keras-eager": mode(10, 10, 75.0),
        "torch-eager": mode(10, 10, 36.0),
        "torch-compile": mode(
            10, 0, 45.0, shape=fault("message", frames=62), value={"raised": None, "ended": "its process was ended"}
        ),
    }
    changed = {name.replace("_", "-"): value for name, value in modes.items()}
    return {"batch_size": 126, "hit_steps": 10, "timed_steps": 20, "modes": found | changed}


def release_result(**packages: Result | None) -> Result:
    about = {"version": "3.1", "status": "Beta", "python": ">=3.11"}
    return {"packages": {"keras": about, "tensorflow": about, "torch": about} | packages}


ALL: dict[str, Result] = {
    "speed": speed_result(as_shipped=speed_mode(EVEN, FASTER), tuned=speed_mode(FASTER, EVEN)),
    "backends": backends_result(),
    "language": language_result(),
    "debugging": debugging_result(),
    "release": release_result(),
}


# --- what all share --------------------------------------------------------------------------------------


@pytest.mark.parametrize("probe", ALL)
def test_a_result_that_bears_the_verdicts_supports_them(probe: str) -> None:
    evidence = shown(probe, ALL[probe])
    assert evidence.supports
    assert evidence.finding.endswith(".")
    assert "None" not in evidence.finding
    assert evidence.tables


@pytest.mark.parametrize("probe", ALL)
def test_a_result_is_read_and_not_changed(probe: str) -> None:
    before = copy.deepcopy(ALL[probe])
    shown(probe, ALL[probe])
    assert ALL[probe] == before
    assert shown(probe, json.loads(json.dumps(before))).finding == shown(probe, before).finding


@pytest.mark.parametrize("probe", ALL)
def test_pictures_are_told_in_words_and_leave_their_text_to_the_page(probe: str) -> None:
    evidence = shown(probe, ALL[probe])
    assert evidence.pictures
    for picture in evidence.pictures:
        figure: go.Figure = picture.figure
        assert len(picture.alt) > 20
        assert figure.layout.paper_bgcolor == "rgba(0,0,0,0)"
        assert figure.layout.font.color is None
        colours = {trace.marker.color or trace.line.color for trace in figure.data}
        assert colours <= set(charts.COLOURS.values())


@pytest.mark.parametrize("probe", ALL)
def test_tables_are_text_and_rectangular(probe: str) -> None:
    for table in shown(probe, ALL[probe]).tables:
        assert all(len(row) == len(table.columns) for row in table.rows)
        assert all(isinstance(cell, str) and cell for row in table.rows for cell in row)


# --- speed -----------------------------------------------------------------------------------------------


def verdicts(evidence: Shown) -> set[str]:
    assert set(evidence.verdicts) == {"keras", "pytorch"}
    return set(evidence.verdicts.values())


def test_the_claim_is_true_where_the_whole_interval_is_on_pytorchs_side() -> None:
    evidence = speed.show(speed_result(as_shipped=speed_mode(EVEN, FASTER)))
    assert verdicts(evidence) == {"true"}
    assert (
        "As shipped, in 5 repeats: PyTorch trained 10.1 % more images a second than Keras "
        "(95 % interval 9.8 to 10.3 %; 3,302 against 3,000); PyTorch reached 90 % accuracy 9.1 % sooner"
    ) in plain(evidence.finding)


def test_the_claim_is_false_where_it_is_on_keras_side() -> None:
    evidence = speed.show(speed_result(as_shipped=speed_mode(FASTER, EVEN)))
    assert verdicts(evidence) == {"false"}
    assert "Keras trained 10.1 % more images a second than PyTorch" in plain(evidence.finding)
    assert "3,302 against 3,000" in plain(evidence.finding)
    assert "(8.9 to 9.4 %; 3.3 s against 3.6 s)" in plain(evidence.finding)


def test_an_interval_that_holds_zero_is_no_difference() -> None:
    evidence = speed.show(speed_result(as_shipped=speed_mode(EVEN, MIXED)))
    assert verdicts(evidence) == {"no difference seen"}
    finding = plain(evidence.finding)
    assert "no difference seen in images a second; no difference seen in the time to 90 % accuracy." in finding
    quoted = finding.partition("Claim 3")[0]
    assert not re.search(r"interval|images/s|\d s|\(|-\d|\u2212|\+", quoted), "no figure stands for what was not seen"
    (row,) = evidence.tables[1].rows
    assert plain(row[1]) == "none seen (Keras up to 1.7 % more, PyTorch up to 2.2 %)"
    assert evidence.supports


def test_the_clearest_difference_is_said_and_no_figure_has_a_sign() -> None:
    tuned = speed_mode(EVEN, MIXED)
    tuned["lanes"] = {
        "keras": speed_lane("keras", EVEN, [2.3, 2.35, 2.25, 2.3, 2.3]),
        "torch": speed_lane("torch", MIXED, [1.6, 1.5, 1.65, 1.6, 1.5]),
    }
    evidence = speed.show(
        speed_result(as_shipped=speed_mode(FASTER, EVEN), tuned=tuned | speed_probe.differences(tuned["lanes"]))
    )
    finding = plain(evidence.finding)
    assert "PyTorch reached 90 % accuracy 32 % sooner than Keras (27 to 36 %; 1.6 s against 2.3 s)" in finding
    cells = [plain(cell) for row in evidence.tables[1].rows for cell in row]
    assert cells[1:3] == ["Keras 10.1 % more (9.8 to 10.3 %)", "Keras 9.1 % sooner (8.9 to 9.4 %)"]
    assert cells[5] == "PyTorch 32 % sooner (27 to 36 %)"
    assert not any(sign in text for text in (finding, *cells) for sign in ("-", "\u2212", "+"))


def test_from_twice_on_a_difference_is_so_many_times_as_many() -> None:
    many = [11 * rate for rate in EVEN]
    evidence = speed.show(speed_result(as_shipped=speed_mode(EVEN, many[::-1])))
    assert "PyTorch trained 11 times as many images a second as Keras (95 % interval 11 to 11 times;" in plain(
        evidence.finding
    )
    assert plain(evidence.tables[1].rows[0][1]) == "PyTorch 11 times as many (11 to 11 times)"


def test_the_tuned_lanes_do_not_decide_and_a_turned_order_is_said() -> None:
    turned = speed.show(speed_result(as_shipped=speed_mode(EVEN, FASTER), tuned=speed_mode(FASTER, EVEN)))
    assert verdicts(turned) == {"true"}
    assert "Tuning reverses the order." in turned.finding
    same = speed.show(speed_result(as_shipped=speed_mode(EVEN, FASTER), tuned=speed_mode(EVEN, FASTER)))
    assert "Tuning" not in same.finding
    assert "Tuned, in 5 repeats: PyTorch trained" in same.finding


def test_without_a_pair_of_lanes_there_is_no_verdict() -> None:
    dead = speed_mode(EVEN, FASTER, failed="PyTorch: its process was ended by SIGKILL")
    dead["lanes"]["torch"] |= {"repeats": [], "images_per_s": None, "to_target_s": None, "reached": 0}
    dead |= {"difference": None, "to_target_difference": None}
    evidence = speed.show(speed_result(as_shipped=dead, tuned=speed_mode(EVEN, FASTER)))
    assert not evidence.supports
    assert not evidence.verdicts
    assert "PyTorch: its process was ended by SIGKILL." in evidence.finding
    assert [row[0] for row in evidence.tables[0].rows] == ["Keras", "Keras, tuned", "PyTorch, tuned"]


def test_a_result_without_any_repeat_has_no_picture() -> None:
    empty = speed_mode(EVEN, FASTER, failed="Keras: no such package", difference=None, to_target_difference=None)
    for lane in empty["lanes"].values():
        lane |= {"repeats": [], "images_per_s": None, "to_target_s": None, "reached": 0}
    evidence = speed.show(speed_result(as_shipped=empty))
    assert not evidence.pictures
    assert not evidence.supports


def test_a_target_that_was_missed_is_said() -> None:
    asked = speed_result(as_shipped=speed_mode(EVEN, FASTER))
    mode = asked["modes"]["as shipped"]
    mode["lanes"]["keras"] = speed_lane("keras", EVEN, [None, 3.0, 3.0, 3.0, None])
    mode["lanes"]["torch"] = speed_lane("torch", FASTER, [None] * 5)
    mode |= speed_probe.differences(mode["lanes"])
    finding = plain(speed.show(asked).finding)
    assert "Keras did not get there in 2 of 5 repeats, of 5 epochs each" in finding
    assert "PyTorch did not get there in any repeat, of 5 epochs each" in finding
    assert "the times to 90 % accuracy do not compare" in finding


def test_a_busy_machine_is_said() -> None:
    quiet = speed.show(speed_result(as_shipped=speed_mode(EVEN, FASTER, others=0.05)))
    busy = speed.show(speed_result(as_shipped=speed_mode(EVEN, FASTER, others=0.6)))
    assert "Other programs" not in quiet.finding
    assert "Other programs took 60 % of the processors" in plain(busy.finding)


def test_every_repeat_has_a_mark() -> None:
    figure = speed.show(speed_result(as_shipped=speed_mode(EVEN, FASTER))).pictures[0].figure
    assert [list(trace.x) for trace in figure.data if len(trace.x) > 1] == [EVEN, FASTER]


def test_an_interval_is_students_over_logarithms() -> None:
    """2 values: the 97.5 % point of t with 1 degree of freedom is 12.706, the standard error half their distance."""
    interval = speed_probe.interval([1000.0, 1100.0])
    assert interval is not None
    assert interval["mean"] == pytest.approx(math.sqrt(1000 * 1100))
    assert math.log(interval["high"] / interval["mean"]) == pytest.approx(12.7062 * math.log(1.1) / 2, rel=1e-4)
    assert math.log(interval["mean"] / interval["low"]) == pytest.approx(12.7062 * math.log(1.1) / 2, rel=1e-4)
    alone = speed_probe.interval([3.0])
    assert alone == {"mean": pytest.approx(3.0), "low": None, "high": None}
    assert speed_probe.interval([]) is None


def test_the_difference_is_that_of_the_means() -> None:
    mode = speed_mode(EVEN, MIXED)
    keras, torch = (mode["lanes"][lane]["images_per_s"]["mean"] for lane in ("keras", "torch"))
    assert mode["difference"]["percent"] == pytest.approx(100 * (torch / keras - 1))


def test_the_difference_is_of_pairs() -> None:
    """A machine that slows down for both lanes alike leaves the difference exact."""
    lanes = {"keras": speed_lane("keras", [1000, 2000, 3000]), "torch": speed_lane("torch", [1100, 2200, 3300])}
    difference = speed_probe.differences(lanes)["difference"]
    assert difference["percent"] == pytest.approx(10)
    assert difference["high"] - difference["low"] == pytest.approx(0, abs=1e-6)


def test_a_repeat_takes_its_throughput_after_the_first_epoch() -> None:
    epochs = [
        {"train_s": 9.0, "images_per_s": 400.0, "accuracy": 0.5},
        {"train_s": 1.0, "images_per_s": 3600.0, "accuracy": 0.9},
        {"train_s": 1.2, "images_per_s": 3000.0, "accuracy": 0.95},
    ]
    values = speed_probe.repeat_values(1, epochs, 0.9)
    assert values["images_per_s"] == 3300
    assert (values["to_target_s"], values["target_epoch"]) == (10.0, 2)
    assert speed_probe.repeat_values(1, epochs, 0.99)["to_target_s"] is None


# --- backends --------------------------------------------------------------------------------------------


def test_the_backends_are_named_with_what_they_reached() -> None:
    finding = plain(backends.show(backends_result()).finding)
    assert "trained 2 steps on TensorFlow 2.0 and PyTorch 2.0; its loss ended at 1.2718 and 1.2718" in finding
    assert "Not installed here: JAX and OpenVINO." in finding
    assert "compiler backends inductor; its kernel libraries here: oneDNN." in finding


def test_keras_without_tensorflow_contradicts() -> None:
    failed = backends_result(tensorflow={"installed": True, "failed": "ImportError: broken"})
    assert not backends.show(failed).supports
    assert "On TensorFlow it failed: ImportError: broken." in backends.show(failed).finding
    assert not backends.show(backends_result(tensorflow={"installed": False})).supports


def test_pytorch_without_any_backend_contradicts() -> None:
    bare = backends_result()
    bare["pytorch"] |= {"compilers": [], "kernels": {"oneDNN": False}}
    assert not backends.show(bare).supports
    bare["pytorch"] = {"failed": "ModuleNotFoundError: No module named 'torch'"}
    assert "PyTorch did not answer" in backends.show(bare).finding
    assert not backends.show(bare).supports


def test_a_backend_that_only_reads_is_said() -> None:
    reads = backends_result(openvino={"installed": True, "version": "2026.4", "start_logits": [[0.1] * 10] * 20})
    evidence = backends.show(reads)
    assert "OpenVINO 2026.4 ran it for inference." in evidence.finding
    assert len(evidence.pictures[0].figure.data) == 2


def test_no_backend_at_all_is_said() -> None:
    none = {"installed": False}
    evidence = backends.show(backends_result(tensorflow=none, torch=none))
    assert "trained on no backend" in evidence.finding
    assert not evidence.pictures


# --- language --------------------------------------------------------------------------------------------


def test_one_lua_file_in_pytorch_contradicts() -> None:
    assert "Lua files in all of them: 0." in language.show(language_result()).finding
    evidence = language.show(language_result(torch=counts(Python=50, Lua=1)))
    assert not evidence.supports
    assert "Lua files in all of them: 1." in evidence.finding


def test_a_keras_of_other_languages_contradicts() -> None:
    assert not language.show(language_result(keras=counts(Python=90, other=10))).supports


@pytest.mark.parametrize("package", ["keras", "torch"])
def test_a_package_that_is_missing_leaves_it_open(package: str) -> None:
    evidence = language.show(language_result(**{package: None}))
    assert not evidence.supports
    assert f"Not installed here: {language.NAMES[package]}." in evidence.finding


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("torch/nn/__init__.py", "Python"),
        ("torch/_C.pyi", "Python"),
        ("torch/include/ATen/ATen.h", "C/C++/CUDA"),
        ("torch/include/x.cuh", "C/C++/CUDA"),
        ("tensorflow/libtensorflow_cc.so.2", "compiled libraries"),
        ("torch/lib/libtorch_cpu.so", "compiled libraries"),
        ("torch/init.lua", "Lua"),
        ("torch/share/x.cmake", "other"),
        ("torch/bin/protoc", "other"),
    ],
)
def test_a_files_language_is_told_by_its_name(path: str, expected: str) -> None:
    assert language_probe.language_of(PurePosixPath(path)) == expected
    assert expected in language.LANGUAGES == language_probe.LANGUAGES


# --- debugging -------------------------------------------------------------------------------------------


def test_the_price_and_the_stops_are_told() -> None:
    finding = plain(debugging.show(debugging_result()).finding)
    assert "at no step in Keras' compiled fit and torch.compile; at every step in Keras with run_eagerly and" in finding
    assert (
        "one in Keras' compiled fit; both in Keras with run_eagerly and eager PyTorch; neither in torch.compile"
        in finding
    )
    assert "an uncompiled one takes 2.5 times as long in Keras (75 ms against 30 ms)" in finding
    assert "In torch.compile, a wrong index raised nothing: its process was ended." in finding


@pytest.mark.parametrize(
    "changed",
    [
        {"keras_fit": mode(10, 10, 30.0)},
        {"keras_fit": mode(2, 10, 30.0)},
        {"keras_eager": mode(10, 0, 75.0)},
        {"torch_eager": mode(1, 10, 36.0)},
    ],
)
def test_breakpoints_that_stop_elsewhere_contradict(changed: dict[str, Result]) -> None:
    assert not debugging.show(debugging_result(**changed)).supports


def test_a_missing_compiler_does_not_decide() -> None:
    evidence = debugging.show(debugging_result(torch_compile={"failed": "InvalidCxxCompiler: no g++"}))
    assert evidence.supports
    assert "PyTorch, torch.compile could not run: InvalidCxxCompiler: no g++." in evidence.finding


def test_a_missing_side_leaves_it_open() -> None:
    asked = debugging_result()
    del asked["modes"]["torch-eager"], asked["modes"]["torch-compile"]
    evidence = debugging.show(asked)
    assert not evidence.supports
    assert evidence.pictures
    assert not debugging.show(debugging_result(keras_eager={"failed": "it died"})).supports


def test_times_may_be_left_out() -> None:
    asked = debugging_result()
    for answer in asked["modes"].values():
        del answer["ms_per_step"], answer["first_step_s"]
    evidence = debugging.show(asked)
    assert evidence.supports
    assert not evidence.pictures


def test_a_mistake_that_passes_in_silence_is_said() -> None:
    silent = mode(2, 0, 30.0, value={"raised": None, "ended": None})
    evidence = debugging.show(debugging_result(keras_fit=silent))
    assert "In Keras' compiled fit, a wrong index passed in silence." in evidence.finding


# --- release ---------------------------------------------------------------------------------------------


def test_the_installed_versions_are_in_the_finding() -> None:
    finding = release.show(release_result(torch={"version": "9.9", "status": None, "python": None})).finding
    assert "keras 3.1, tensorflow 3.1, torch 9.9" in finding


@pytest.mark.parametrize("package", ["keras", "torch"])
def test_a_framework_that_is_missing_leaves_the_line_open(package: str) -> None:
    evidence = release.show(release_result(**{package: None}))
    assert not evidence.supports
    assert f"no {package}" in evidence.finding


def test_other_dates_would_contradict(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(release, "CLAIMED", {"keras": (2015, 3), "torch": (2016, 9)})
    assert not release.show(release_result()).supports
    monkeypatch.setattr(release, "CLAIMED", {"keras": (2015, 6), "torch": (2016, 10)})
    assert not release.show(release_result()).supports
