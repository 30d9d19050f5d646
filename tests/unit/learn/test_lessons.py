"""The Learn page's lessons, unrun: what the page is told, and the scripts with their control set."""

import ast
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from core.data import datasets
from core.data.embedded import SPLIT_SEED
from core.experiment.settings import EVALUATION_BATCH
from core.learn import lessons
from core.learn.lessons import DATA_VARIABLE, LESSONS, SIDES, Control, Lesson, lesson, order, script

FOLDER = Path(lessons.__file__).parent
ROOT = FOLDER.parents[2]
TITLES = [
    *("Keras example", "PyTorch example", "Save and load", "Cross-entropy", "MSE", "Data loader", "Summary"),
    *("Evaluation mode", "Early stopping", "Pretrained", "Tuning"),
]
ALLOWED = {
    "keras": {"keras", "tensorflow"},
    "torch": {"torch", "torchvision", "PIL"},
    "both": {"mlxtend", "sklearn", "numpy", *sys.stdlib_module_names},
}
EACH = pytest.mark.parametrize("found", LESSONS, ids=lambda found: found.slug)
EACH_SCRIPT = pytest.mark.parametrize(
    ("found", "side"), [(found, side) for found in LESSONS for side in found.sides], ids=str
)
SCRIPT_LINES, LONGER_LINES = 65, 85
LONGER = {"data_loader", "pretrained", "save_and_load", "tuning"}


def default(found: Lesson) -> Any:
    return found.control.default if found.control else None


def test_the_lessons_are_those_of_the_page() -> None:
    assert [found.title for found in LESSONS] == TITLES
    assert len({found.slug for found in LESSONS}) == len(LESSONS)


def test_every_folder_is_a_lesson_and_holds_its_sides() -> None:
    scripts = {(path.parent.name, path.stem) for path in FOLDER.glob("*/*.py")}
    assert scripts == {(found.slug, side) for found in LESSONS for side in found.sides}
    folders = {path.name for path in FOLDER.iterdir() if path.is_dir() and path.name[0] not in "._"}
    assert folders == {found.slug for found in LESSONS}


@EACH
def test_a_lesson_is_told_in_two_plain_sentences(found: Lesson) -> None:
    assert len(re.findall(r"\.(?= |$)", found.words)) == 2
    assert "  " not in found.words
    assert len(found.words) <= 220
    assert 1 <= found.about_s <= 120
    assert found.sides
    assert set(found.sides) <= set(SIDES)


@EACH
def test_a_control_starts_at_one_of_its_options(found: Lesson) -> None:
    control = found.control
    if control is None:
        assert found.slug == "tuning"
        return
    assert control.default in control.options
    assert len(set(control.options)) == len(control.options) >= 2
    assert (control.kind == "toggle") == (control.options == (False, True))
    assert control.constant.isupper()


def test_a_lesson_is_found_by_its_slug() -> None:
    assert lesson("mse").title == "MSE"
    with pytest.raises(KeyError, match=r"There is no lesson msn: choose one of keras_example, .*, tuning\."):
        lesson("msn")


def test_the_launcher_is_told_lesson_and_value() -> None:
    ordered = order(lesson("summary"), 16)
    assert (ordered.subject, ordered.program) == ("lesson-summary", "lesson")
    assert ordered.arguments == {"slug": "summary", "value": 16}
    assert ordered.limit_s > 2 * lesson("summary").about_s


@EACH_SCRIPT
def test_the_default_is_the_file_as_it_stands(found: Lesson, side: str) -> None:
    assert script(found, side, default(found)) == (FOLDER / found.slug / f"{side}.py").read_text(encoding="utf-8")


@EACH_SCRIPT
def test_another_value_changes_one_line_and_keeps_its_comment(found: Lesson, side: str) -> None:
    if found.control is None:
        return
    before = script(found, side, found.control.default).splitlines()
    for value in found.control.options:
        after = script(found, side, value).splitlines()
        changed = [(old, new) for old, new in zip(before, after, strict=True) if old != new]
        assert len(changed) == (value != found.control.default)
        for old, new in changed:
            assert old.partition("  #")[2] == new.partition("  #")[2]
        names: dict[str, Any] = {}
        line = next(line for line in after if line.startswith(f"{found.control.constant} = "))
        exec(line, names)
        assert names[found.control.constant] == value
        assert type(names[found.control.constant]) is type(value)


@pytest.mark.parametrize(
    ("slug", "value", "sentence"),
    [
        ("keras_example", 9, "Epochs must be one of 1, 2, 3, 4, 5, 6, 7, 8, not 9."),
        ("keras_example", True, "Epochs must be one of 1, 2, 3, 4, 5, 6, 7, 8, not True."),
        ("keras_example", None, "Epochs must be one of 1, 2, 3, 4, 5, 6, 7, 8, not None."),
        ("cross_entropy", 1, "Softmax twice must be one of False, True, not 1."),
        ("mse", "mse\nprint()", 'Loss must be one of "cross-entropy", "mse", not \'mse\\nprint()\'.'),
        ("tuning", 3, "The lesson Tuning has no control to set."),
    ],
)
def test_a_wrong_value_is_refused_in_a_sentence(slug: str, value: Any, sentence: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}$"):
        script(lesson(slug), "torch" if slug == "tuning" else lesson(slug).sides[0], value)


def test_a_side_that_a_lesson_lacks_is_refused_in_a_sentence() -> None:
    with pytest.raises(ValueError, match=r"The lesson PyTorch example has no keras script, only torch\."):
        script(lesson("pytorch_example"), "keras", 32)


@pytest.mark.parametrize("text", ["", "FILTERS = 62\nFILTERS = 62\n", "if True:\n    FILTERS = 62\n"])
def test_the_constant_must_stand_on_one_line_of_its_own(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lessons, "_FOLDER", tmp_path)
    (tmp_path / "summary").mkdir()
    (tmp_path / "summary" / "torch.py").write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=r"summary/torch\.py must set FILTERS on one line of its own\."):
        script(lesson("summary"), "torch", 16)


def test_a_value_with_a_backslash_stays_what_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lessons, "_FOLDER", tmp_path)
    (tmp_path / "mse").mkdir()
    (tmp_path / "mse" / "torch.py").write_text('LOSS = "a # b"  # a or b\n', encoding="utf-8")
    odd = replace(lesson("mse"), control=Control("LOSS", "Loss", "choice", ("\\1",), "\\1"))
    assert script(odd, "torch", "\\1") == 'LOSS = "\\\\1"  # a or b\n'


@EACH_SCRIPT
def test_a_script_stands_alone_and_fits_a_phone(found: Lesson, side: str) -> None:
    text = script(found, side, default(found))
    tree = ast.parse(text)
    said = ast.get_docstring(tree)
    assert said
    assert "\n" not in said
    assert max(map(len, text.splitlines())) <= 88
    assert 15 <= len(text.splitlines()) <= (LONGER_LINES if found.slug in LONGER else SCRIPT_LINES)
    imported = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imported |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level
            imported.add(str(node.module).partition(".")[0])
    assert imported <= ALLOWED[side] | ALLOWED["both"]
    assert "print(" in text


@EACH_SCRIPT
def test_keras_scripts_name_their_backend_before_they_import_it(found: Lesson, side: str) -> None:
    text = script(found, side, default(found))
    if side == "keras":
        assert text.index('os.environ["KERAS_BACKEND"] = "tensorflow"') < text.index("\nimport keras")


@EACH_SCRIPT
def test_the_embedded_images_are_split_as_the_lanes_split_them(found: Lesson, side: str) -> None:
    text = script(found, side, default(found))
    if "train_test_split(" in text and found.slug != "early_stopping":
        images = datasets.find("mnist5k").test_images
        assert f"x, y, test_size={images}, stratify=y, random_state={SPLIT_SEED}" in text


def test_only_the_pretrained_lesson_looks_for_more_data() -> None:
    naming = {path.parent.name for path in FOLDER.glob("*/*.py") if DATA_VARIABLE in path.read_text(encoding="utf-8")}
    assert naming == {"pretrained"}
    assert "train_images.npy" in datasets.ARRAY_FILES
    assert "train_labels.npy" in datasets.ARRAY_FILES


def test_reading_the_lessons_loads_no_framework() -> None:
    code = (
        "import sys; from core.learn.lessons import LESSONS, script\n"
        "for one in LESSONS:\n"
        "    for side in one.sides: script(one, side, one.control and one.control.default)\n"
        "print(*{name.partition('.')[0] for name in sys.modules} & {'keras', 'tensorflow', 'torch', 'sklearn'})"
    )
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert found.returncode == 0, found.stderr
    assert found.stdout.split() == []


@pytest.mark.parametrize("slug", ["cross_entropy", "mse", "pretrained"])
def test_both_sides_of_a_lesson_evaluate_in_the_batches_of_the_lanes(slug: str) -> None:
    found = lesson(slug)
    keras, torch = (script(found, side, default(found)) for side in SIDES)
    assert re.findall(r"model\.(?:evaluate|predict)\(.*batch_size=(\d+)", keras) == [str(EVALUATION_BATCH)]
    assert re.findall(r"for part in .*\.split\((\d+)\)", torch) == [str(EVALUATION_BATCH)]
