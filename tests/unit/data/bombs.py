"""Files that are small and cost much, each read in a process of its own that says what it took.

`python -m tests.unit.data.bombs` prints a JSON line for each: its name, the sentence that refused it (empty where it
was taken), the seconds of a core, and the MiB above what the process held before. A fork and `wait4` know that peak
exactly, Pillow's own memory included; the program has one thread, so a fork is safe.
"""

import io
import json
import os
import struct
import sys
import time
import warnings
import zipfile
import zlib
from collections.abc import Callable
from functools import cache

import numpy as np
from PIL import Image

from core.data import images
from core.data.images import ImageError
from core.experiment.settings import InvalidSettings, TrainSettings
from core.results import importing
from core.results.importing import ImportRefused

MIB = 2**20
Bomb = tuple[Callable[[bytes], object], Callable[[], bytes]]
"""Who reads it, and how it is made."""


def upload(content: bytes) -> object:
    return images.from_upload(content, "bomb")


def link(content: bytes) -> object:
    name, _, text = content.decode().partition("=")
    return TrainSettings.parse({name: text})


# --- pictures --------------------------------------------------------------------------------------------


def chunk(name: bytes, data: bytes = b"") -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(width: int, height: int, packed: bytes, *before: bytes, bits: int = 8, colour: int = 0) -> bytes:
    """A PNG of so many pixels whose rows are `packed`, with further chunks before them."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(before) + chunk(b"IDAT", packed) + chunk(b"IEND")


@cache
def zeros(count: int) -> bytes:
    """So many zero bytes, packed a thousandfold, made without holding them."""
    packer, piece = zlib.compressobj(9), bytes(MIB)
    parts = [packer.compress(piece) for _ in range(count // MIB)]
    return b"".join(parts) + packer.compress(bytes(count % MIB)) + packer.flush()


SMALL = zlib.compress(bytes(50 * 51))


def frames(count: int) -> bytes:
    """An animated PNG with so many frames, all of them there."""
    control = struct.pack(">IIIIHHBB", 50, 50, 0, 0, 1, 100, 0, 0)
    parts = [
        chunk(b"fcTL", struct.pack(">I", 2 * i) + control) + chunk(b"fdAT", struct.pack(">I", 2 * i + 1) + SMALL)
        for i in range(count)
    ]
    return png(50, 50, SMALL, chunk(b"acTL", struct.pack(">II", count, 0)), *parts)


def jpeg(side: int = 400, **options: object) -> bytes:
    grey = np.full((side, side), 200, "uint8")
    grey[side // 4 : -side // 4, side // 2 : side // 2 + side // 10] = 20
    file = io.BytesIO()
    Image.fromarray(grey).save(file, "JPEG", **options)
    return file.getvalue()


def many_scans(count: int) -> bytes:
    """A progressive JPEG of 4 megapixels that goes over all of them once more every 14 bytes."""
    whole = jpeg(1999, progressive=True, quality=50)
    # One code, one bit long: "the next 16,384 blocks and as many more as 14 bits say stay as they are".
    table = b"\xff\xc4" + struct.pack(">HB", 20, 0x10) + bytes([1] + [0] * 15) + b"\xe0"
    blocks, bits = 250**2, ""
    for run in (32_767, blocks - 32_767):
        bits += f"0{run - 16_384:014b}"
    body = int(bits + "11", 2).to_bytes(4, "big").replace(b"\xff", b"\xff\0")
    scan = b"\xff\xda" + struct.pack(">HBBBBBB", 8, 1, 1, 0, 1, 63, 0x10) + body
    return whole[:-2] + table + scan * count + whole[-2:]


def claiming(side: int) -> bytes:
    """A JPEG whose header claims a size."""
    whole = jpeg()
    at = whole.index(b"\xff\xc0") + 5
    return whole[:at] + struct.pack(">HH", side, side) + whole[at + 4 :]


def exif(entry: tuple[int, int, int, int], count: int = 1, after: int = 0) -> bytes:
    """A camera's notes: one entry (tag, type, how many, where), repeated, then where the next notes lie."""
    return b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<H", count) + struct.pack("<HHII", *entry) * count + bytes([after])


@cache
def zipped(name: str, size: int) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive, archive.open(name, "w") as entry:
        for _ in range(size // MIB):
            entry.write(b" " * MIB)
    return file.getvalue()


ORIENTATION = 0x0112
PICTURES: dict[str, Bomb] = {
    "a PNG of 3.6 gigapixels": (upload, lambda: png(60_000, 60_000, zeros(300 * MIB), bits=1)),
    "a JPEG that claims 4 gigapixels": (upload, lambda: claiming(65_500)),
    "300 MB of rows behind a small picture": (upload, lambda: png(2_000, 2_000, zeros(300 * MIB))),
    "4 megapixels of 64 bits": (upload, lambda: png(2_000, 2_000, zeros(2_000 * 16_001), bits=16, colour=6)),
    "one column of 4 megapixels": (upload, lambda: png(1, 4_000_000, zeros(8_000_000))),
    "a text of 300 MB": (upload, lambda: png(50, 50, SMALL, chunk(b"zTXt", b"k\0\0" + zeros(300 * MIB)))),
    "a colour profile of 300 MB": (upload, lambda: png(50, 50, SMALL, chunk(b"iCCP", b"k\0\0" + zeros(300 * MIB)))),
    "900 texts of 1 MB": (
        upload,
        lambda: png(50, 50, SMALL, *(chunk(b"zTXt", b"%d\0\0" % i + zeros(MIB - 1)) for i in range(900))),
    ),
    "an animation of 10,000 frames": (upload, lambda: frames(10_000)),
    "an animation that claims 2 billion frames": (
        upload,
        lambda: png(50, 50, SMALL, chunk(b"acTL", struct.pack(">II", 2**31 - 1, 0))),
    ),
    "70,000 scans over 4 megapixels": (upload, lambda: many_scans(70_000)),
    "notes of 2 billion orientations": (upload, lambda: jpeg(exif=exif((ORIENTATION, 3, 2**31, 8)))),
    "notes that lie in themselves": (upload, lambda: jpeg(exif=exif((0x8769, 4, 1, 8), after=8))),
    "5,000 orientations": (upload, lambda: jpeg(exif=exif((ORIENTATION, 3, 1, 9_999), count=5_000))),
    "a zip that begins like a JPEG": (upload, lambda: b"\xff\xd8\xff\xe0" + zipped("digit.png", 300 * MIB)),
    "a zip": (upload, lambda: zipped("digit.png", 300 * MIB)),
}


# --- what is said to be a run, and what stands in a link ---------------------------------------------------

MOST = importing.MAX_IMPORT_BYTES


def filled(before: bytes, item: bytes, after: bytes) -> bytes:
    """As many items as fit into the largest file that is read."""
    return before + item * ((MOST - len(before) - len(after)) // len(item)) + after


def exported(settings: str) -> bytes:
    """A run without rows, exported with these settings, as JSON text."""
    machine = '{"name":"","system":"","processor":"","cores":1,"memory_gib":1.0,"python":""}'
    times = '"created_at":"2026-11-04T08:15:00Z","started_at":null,"ended_at":null'
    run = f'{{"id":"x",{times},"state":"finished","settings":{settings},"machine":{machine}}}'
    return f'{{"format":1,"run":{run},"lanes":[{{"engine":"keras","state":"finished"}}],"rows":[]}}'.encode()


def unknown_settings() -> bytes:
    return exported("{" + ",".join(f'"{number}":0' for number in range(1_500_000)) + "}")


RUNS: dict[str, Bomb] = {
    "a zip of 300 MB of JSON": (importing.read_json, lambda: zipped("run.json", 300 * MIB)),
    "20 MB of [": (importing.read_json, lambda: b"[" * MOST),
    '20 MB of {"a":': (importing.read_json, lambda: filled(b"", b'{"a":', b"")),
    "6 million empty objects": (importing.read_json, lambda: filled(b'{"rows":[', b"{},", b"{}]}")),
    "6 million empty lists": (importing.read_json, lambda: filled(b'{"rows":[', b"[],", b"[]]}")),
    "5 million numbers": (importing.read_json, lambda: filled(b"[", b"1.5,", b"1]")),
    "4 million words": (importing.read_json, lambda: filled(b"[", b'"ab",', b'""]')),
    "a whole number of a million digits": (importing.read_json, lambda: b'{"format":' + b"1" * 10**6 + b"}"),
    "a decimal of 19 million digits": (importing.read_json, lambda: filled(b'{"format":0.', b"1", b"}")),
    "a name of 20 MB": (importing.read_json, lambda: filled(b'{"format":1,"run":"', b"x", b'"}')),
    "1.5 million unknown settings": (importing.read_json, unknown_settings),
    "an engine's name of 19 MB": (
        importing.read_json,
        lambda: exported('{"alignment":"same-start","engines":"fake-' + "a" * 19_000_000 + '"}'),
    ),
    "a million engines": (
        importing.read_json,
        lambda: exported('{"alignment":"same-start","engines":"' + ",".join(f"fake-{i}" for i in range(10**6)) + '"}'),
    ),
    "600 kB of digits": (link, lambda: b"dropout=" + b"1" * 600_000),
    "600 kB of line breaks": (link, lambda: b"dataset=" + b"\n" * 600_000),
    "600 kB of commas": (link, lambda: b"engines=" + b"," * 600_000),
    "100,000 engines": (link, lambda: b"engines=" + b"keras," * 100_000),
}

BOMBS = PICTURES | RUNS


def said(read: Callable[[bytes], object], content: bytes) -> str:
    """The sentence that refuses a bomb; empty where it is taken."""
    warnings.simplefilter("ignore")  # Pillow's remarks on odd files are no output of ours
    try:
        read(content)
    except (ImageError, ImportRefused, InvalidSettings) as error:
        return str(error)
    return ""


def peak_kib(act: Callable[[], None]) -> int:
    """The most that a fork of this process held while it acted."""
    pid = os.fork()
    if not pid:
        try:
            act()
        finally:
            os._exit(0)
    used = os.wait4(pid, 0)[2].ru_maxrss
    return used // 1024 if sys.platform == "darwin" else used


def explode(name: str) -> None:
    """Reads one bomb and says what it took."""
    read, make = BOMBS[name]
    content = make()

    def act() -> None:
        began = time.process_time()
        try:
            sentence = said(read, content)
        except Exception as error:
            sentence = f"UNEXPECTED {type(error).__name__}: {str(error)[:200]}"
        taken = {"sentence": sentence[:1000], "letters": len(sentence), "cpu_s": time.process_time() - began}
        print(json.dumps({"name": name, "bytes": len(content), **taken}), flush=True)

    before, peak = peak_kib(lambda: None), peak_kib(act)
    print(json.dumps({"name": name, "mib": (peak - before) / 1024}), flush=True)


if __name__ == "__main__":
    images.from_upload(jpeg(), "warm-up")  # what is imported at the first picture is none of a bomb's doing
    for one in BOMBS:
        explode(one)
