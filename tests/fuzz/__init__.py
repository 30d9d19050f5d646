"""The long search for values that break a parser: `make fuzz`, or `make fuzz EXAMPLES=100000`.

The properties are the tests of `tests/unit` that hypothesis feeds; `make test` tries about a hundred values of each.
Loaded as a pytest plugin (`-p tests.fuzz --hypothesis-profile=fuzz`), this folder adds the profile that tries many.
What fails is printed with the line that repeats it, and is tried first the next time, by `make test`, too.
"""

import os

import hypothesis

EXAMPLES = int(os.environ.get("EXAMPLES") or 20_000)
"""Values of each property; those that cost much, as reading an exported run does, get a quarter."""

hypothesis.settings.register_profile(
    "fuzz",
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
    print_blob=True,
)
