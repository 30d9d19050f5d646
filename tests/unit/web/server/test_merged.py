"""Streamlit's scripts as one file: of the shape that it is made for, whole, and without a second copy of anything."""

import re
from pathlib import Path

import pytest
from starlette.responses import HTMLResponse

from core.web.server import copies, merged, shell
from tests.unit.web.server.test_shell import get

FETCHED = re.compile(r'import(?:\{[^{}]*\}from)?"\./([^"]+)"|import\(`\./([^`]+)`\)')


@pytest.fixture(scope="module")
def script() -> str:
    return merged.merged_script()


def chunks_of(text: str) -> list[str]:
    """The chunks of the one file as they stand in it."""
    return re.findall(r'^\$chunks\["([^"]+)"\]=', text, re.MULTILINE)


def test_every_chunk_has_one_list_of_exports_at_its_end_and_stands_after_all_that_it_imports() -> None:
    before: set[str] = set()
    for name in merged.merged_chunks():
        text = merged.chunk(name)
        exports = re.findall(r"(?<![\w$.])export(?:\{[^{}]*\}|\*)", text)
        assert len(exports) <= 1, name
        assert bool(exports) == bool(merged.EXPORT.search(text)), name
        assert not re.search(r'(?<![\w$.])import(?:\*|\s*[\w$]+\s*(?:,|\s)from)[^;]{0,80}"\./', text), name
        assert {other for _, other in merged.IMPORT.findall(text)} <= before, name
        before.add(name)


def test_the_one_file_holds_the_frame_and_what_the_pages_draw_and_fetches_none_of_it_again(script: str) -> None:
    inside = chunks_of(script)
    assert sorted(inside) == sorted(merged.merged_chunks())
    preloaded = re.findall(r'rel="modulepreload"[^>]* href="\./static/js/([^"]+)"', merged.frame(as_one=False))
    assert {merged.first_chunk(), *preloaded} <= set(inside)
    for element in merged.ELEMENTS:
        assert [name for name in inside if name.startswith(f"{element}.")]
    fetched = {first or second for first, second in FETCHED.findall(script)}
    assert fetched
    assert not fetched & set(inside)
    assert script.count(merged.PRELOADED) == script.count(f"{merged.PRELOADED}.filter($elsewhere)") > 0


def test_a_chunk_beside_it_takes_from_it_what_is_there() -> None:
    (chart,) = (merged.static_folder() / "static" / "js").glob("PlotlyChart.*.js")
    text = merged.script_beside(chart.name)
    assert text.startswith(f'import{{$chunk,$later,$elsewhere}}from"./{merged.merged_name()}";')
    assert f'=$chunk("{merged.first_chunk()}");' in text
    assert not {first or second for first, second in FETCHED.findall(text)} & set(merged.merged_chunks())


def test_the_frame_fetches_the_one_file_where_it_has_been_made_and_is_streamlits_own_elsewhere() -> None:
    own, as_one = merged.frame(as_one=False), merged.frame(as_one=True)
    assert "modulepreload" in own
    assert "modulepreload" not in as_one
    assert re.findall(r'<script type="module"[^>]* src="\./([^"]+)"', as_one) == [merged.PLACE + merged.merged_name()]
    assert re.findall(r'<link rel="stylesheet"[^>]*>', as_one) == re.findall(r'<link rel="stylesheet"[^>]*>', own)


def test_the_one_file_is_kept_for_ever_compressed_and_no_other_name_is_served(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(copies, "FOLDER", tmp_path / "compressed")
    address = merged.PLACE + merged.merged_name()
    assert address not in copies.originals()
    copies.make_merged_file()
    assert copies.originals()[address].read_text(encoding="utf-8") == merged.merged_script()
    assert re.search(r"\.[\w-]{8}\.js$", address), "its name changes with what it holds"
    assert shell.merged_file() == copies.originals()[address]


def test_what_is_no_script_of_streamlits_is_not_found() -> None:
    (chart,) = (merged.static_folder() / "static" / "js").glob("PlotlyChart.*.js")
    status, headers, _ = get(f"/{merged.PLACE}{chart.name}", HTMLResponse(""))
    assert (status, headers["content-type"]) == (200, "text/javascript; charset=utf-8")
    assert "immutable" in headers["cache-control"]
    for name in ("all.00000000.js", "..", "../index.html", "no.js", ""):
        assert get(f"/{merged.PLACE}{name}", HTMLResponse(""))[0] == 404
