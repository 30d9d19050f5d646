"""Streamlit's scripts as one file: a first visit fetched 59 of them for the frame alone, and up to 40 more for fields.

Streamlit's build (Rolldown) gives each chunk the same shape: imports of other chunks, code, one list of exports at its
end; no two import each other. So each becomes a function that returns its exports and is called when the first other
chunk needs it: what a page does not draw is not run. A chunk that is not in the file is fetched as before, but from
beside the file and not from where Streamlit has it: it takes what it imports from the file and loads none of it anew.
"""

import hashlib
import re
from collections.abc import Iterator
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

ELEMENTS = (
    *("BidiComponent", "Button", "ButtonGroup", "Checkbox", "DownloadButton", "FileUploader", "Html", "Metric"),
    *("Multiselect", "PageLink", "Progress", "Radio", "Selectbox", "Slider", "TextArea", "TextInput"),
)
"""What the pages draw, by the names of Streamlit's chunks."""
PLACE = "static/merged/"
"""Below the dashboard's own address: whatever passes Streamlit's files passes these."""

IMPORT = re.compile(r'import(?:\{([^{}]*)\}from)?"\./([^"]+)";?')
DYNAMIC = re.compile(r"import\(`\./([^`]+)`\)")
EXPORT = re.compile(r"export\{([^{}]*)\};?\s*$")
PRELOADED = "=>i.map(i=>d[i])"
"""How a chunk names what is fetched together with another one."""
PUT_OFF = re.compile(r"=\w+\(\(\(\)=>")
"""Follows the name of a function into which Rolldown has put what gives exports their values."""
FRAME = re.compile(
    r'\s*<link rel="modulepreload"[^>]*>|<script type="module"[^>]* src="\./static/js/([^"]+)"></script>'
)
"""What fetches chunks in Streamlit's frame; the script is the one that begins."""

BEGIN = """const $chunks={},$made={};
export const $chunk=(name)=>$made[name]??=$chunks[name]();
export const $later=(name)=>Promise.resolve().then(()=>$chunk(name));
export const $elsewhere=(path)=>!(path.slice(2)in $chunks);
"""


def static_folder() -> Path:
    """Streamlit's files; nothing of it is imported."""
    spec = find_spec("streamlit")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "static"


def chunk(name: str) -> str:
    """A chunk's source."""
    return (static_folder() / "static" / "js" / name).read_text(encoding="utf-8")


def first_chunk() -> str:
    """The name of the one that the frame begins with."""
    return next(found[1] for found in FRAME.finditer(frame(as_one=False)) if found[1])


def frame(as_one: bool) -> str:
    """Streamlit's frame; `as_one`: it fetches the one file in place of its chunks."""
    text = (static_folder() / "index.html").read_text(encoding="utf-8")
    script = f'<script type="module" crossorigin src="./{PLACE}{merged_name()}"></script>'
    return FRAME.sub(lambda found: script if found[1] else "", text) if as_one else text


@cache
def merged_chunks() -> tuple[str, ...]:
    """The names of those in the one file, each after all that it imports."""
    found: dict[str, None] = {}

    def take(name: str) -> None:
        if name not in found:
            for _, other in IMPORT.findall(chunk(name)):
                take(other)
            found[name] = None

    take(first_chunk())
    for element in ELEMENTS:
        (path,) = (static_folder() / "static" / "js").glob(f"{element}.*.js")
        take(path.name)
    return tuple(found)


def merged_name() -> str:
    """The one file's name, another one where Streamlit or this way of making it is."""
    made_by = hashlib.sha256(Path(__file__).read_bytes() + version("streamlit").encode())
    return f"all.{made_by.hexdigest()[:8]}.js"


def merged_script() -> str:
    """The one file's text."""
    return f'{BEGIN}{"".join(map(_as_function, merged_chunks()))}$chunk("{first_chunk()}");\n'


def script_beside(name: str) -> str:
    """The text of a chunk that is not in the one file. Raises `OSError` where there is no such chunk."""
    text, known = chunk(name), set(merged_chunks())
    taken = "".join(_taken(names, other) for names, other in IMPORT.findall(text) if other in known)
    rest = IMPORT.sub(lambda found: "" if found[2] in known else found[0], text)
    return f'import{{$chunk,$later,$elsewhere}}from"./{merged_name()}";{taken}{_later(rest)}'


def _as_function(name: str) -> str:
    text = chunk(name)
    taken = "".join(_taken(names, other) for names, other in IMPORT.findall(text))
    exports = EXPORT.search(text)
    body = EXPORT.sub("", IMPORT.sub("", text))
    given = dict(_pairs(exports[1])) if exports else {}
    # Who imports a value reads it at once, so it must be there by then.
    put_off = {re.split(r"[^\w$]", body[: found.start()][-20:])[-1] for found in PUT_OFF.finditer(body)}
    done = "".join(f"{local}();" for local in given if local in put_off)
    getters = ",".join(f"get {public}(){{return {local}}}" for local, public in given.items())
    return f'$chunks["{name}"]=()=>{{{taken}{_later(body)};{done}return{{{getters}}}}};\n'


def _taken(names: str, other: str) -> str:
    pairs = ",".join(f"{public}:{local}" for public, local in _pairs(names))
    return f'const{{{pairs}}}=$chunk("{other}");' if pairs else f'$chunk("{other}");'


def _pairs(names: str) -> Iterator[tuple[str, str]]:
    """`a as b,c` as (a, b), (c, c)."""
    for name in filter(None, names.split(",")):
        first, _, second = name.strip().partition(" as ")
        yield first, second or first


def _later(text: str) -> str:
    """What a chunk loads when it is needed comes from the one file where it is there."""
    known = set(merged_chunks())
    text = DYNAMIC.sub(lambda found: f'$later("{found[1]}")' if found[1] in known else found[0], text)
    return text.replace(PRELOADED, f"{PRELOADED}.filter($elsewhere)")
