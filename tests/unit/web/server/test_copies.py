"""The compressed copies: made once, whole, of every file that is worth it, and never one of a file as it was before."""

import gzip
import os
import re
import subprocess
import sys
from pathlib import Path

import brotli
import pytest

from core.web.server import copies

ROOT = Path(__file__).resolve().parents[4]
DECOMPRESS = {"br": brotli.decompress, "gzip": gzip.decompress}


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    """Two originals by their addresses."""
    (tmp_path / "pad.js").write_text("let pen = 1\n" * 500)
    (tmp_path / "look.css").write_text("")
    return {"assets/pad.js": tmp_path / "pad.js", "static/css/look.css": tmp_path / "look.css"}


def copies_of(files: dict[str, Path], folder: Path) -> list[Path]:
    """Where each copy of these files belongs now."""
    return [
        copies.copy_path(folder, address, path.stat(), encoding)
        for address, path in files.items()
        for encoding in DECOMPRESS
    ]


def everything_in(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def test_each_copy_holds_its_original_and_its_time(files: dict[str, Path], tmp_path: Path) -> None:
    folder = tmp_path / "copies"
    assert copies.make_copies(files, folder) == 4
    for path in files.values():
        os.utime(path, (1_700_000_000, 1_700_000_000))
    assert copies.make_copies(files, folder) == 4
    for address, path in files.items():
        for encoding, decompress in DECOMPRESS.items():
            copy = copies.copy_path(folder, address, path.stat(), encoding)
            assert decompress(copy.read_bytes()) == path.read_bytes()
            assert copy.stat().st_mtime == 1_700_000_000
    assert copies.copy_path(folder, "assets/pad.js", files["assets/pad.js"].stat(), "br").stat().st_size < 100


def test_what_is_there_is_not_made_again(
    files: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "copies"
    copies.make_copies(files, folder)
    assert "once" in capsys.readouterr().out
    before = {path: path.stat().st_ino for path in everything_in(folder)}
    assert copies.make_copies(files, folder) == 0
    assert {path: path.stat().st_ino for path in everything_in(folder)} == before
    assert capsys.readouterr().out == ""


def test_copies_of_streamlits_files_that_went_go_and_nobody_elses(files: dict[str, Path], tmp_path: Path) -> None:
    folder = tmp_path / "copies"
    copies.make_copies(files, folder)
    other_checkouts = copies_of({"assets/pad.js": files["assets/pad.js"]}, folder)
    being_written = folder / "static" / "css" / "new.css.6000-1.br.4711"
    being_written.write_bytes(b"half")
    files["assets/pad.js"].write_text("let pen = 2\n")
    gone = files.pop("static/css/look.css")
    assert copies.make_copies(files, folder) == 2
    assert gone.exists()
    assert everything_in(folder) == sorted([*copies_of(files, folder), *other_checkouts, being_written])


@pytest.mark.parametrize("change", ["longer", "later"])
def test_a_changed_original_has_no_copy(files: dict[str, Path], tmp_path: Path, change: str) -> None:
    folder, path = tmp_path / "copies", files["assets/pad.js"]
    copies.make_copies(files, folder)
    stat = path.stat()
    if change == "longer":
        path.write_text(path.read_text() + " ")
    os.utime(path, (stat.st_mtime, stat.st_mtime + (change == "later")))
    assert not [copy for copy in copies_of({"assets/pad.js": path}, folder) if copy.exists()]


def test_a_copy_is_still_found_where_a_layer_of_an_image_kept_whole_seconds(
    files: dict[str, Path], tmp_path: Path
) -> None:
    folder, path = tmp_path / "copies", files["assets/pad.js"]
    os.utime(path, ns=(0, 1_700_000_000_999_999_999))
    copies.make_copies(files, folder)
    os.utime(path, ns=(0, 1_700_000_000_000_000_000))
    assert all(copy.exists() for copy in copies_of({"assets/pad.js": path}, folder))


def test_streamlits_files_ours_and_plotly_are_worth_a_copy_and_what_is_compressed_already_is_not() -> None:
    found = copies.originals()
    assert {"assets/plotly.min.js", "assets/live_chart.js", "assets/digit_pad.js"} <= set(found)
    ours = {address for address in found if address.startswith("assets/")}
    assert ours == {f"assets/{name}" for name in copies.ASSETS}
    assert len([address for address in found if re.match(r"static/js/index\.[\w-]{8}\.js", address)]) == 1
    assert {address.rpartition(".")[2] for address in found} == {"js", "css", "svg"}
    assert all(path.is_file() for path in found.values())


def test_every_name_of_streamlits_carries_a_hash_so_that_a_browser_may_keep_it_for_ever() -> None:
    theirs = [address for address in copies.originals() if address.startswith("static/")]
    assert [address for address in theirs if not re.search(r"\.[\w-]{8}\.\w+$", address)] == []


def test_looking_takes_the_standard_library_alone_and_the_server_never_loads_the_encoder() -> None:
    code = (
        "import sys; from core.web.server import copies; copies.originals()\n"
        "assert not {'streamlit', 'plotly', 'starlette', 'brotli'} & set(sys.modules)\n"
        "import app\n"
        "assert 'streamlit' in sys.modules and 'brotli' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


def test_where_no_copy_can_be_kept_a_sentence_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "full").touch()
    monkeypatch.setattr(copies, "FOLDER", tmp_path / "full" / "copies")
    monkeypatch.setattr(copies, "originals", lambda: {"assets/pad.js": Path(__file__)})
    assert copies.main() == 1
    assert re.fullmatch(r"The pages' files are sent uncompressed, .*\.\n", capsys.readouterr().err)
