"""The numbers that the design holds, measured: `make bench`, or `python -m benchmarks` with some benchmarks' names.

One file a benchmark, each with `HOW` (what is timed, in words), its sizes `FULL` and `QUICK`, and
`measure(size)`. They run one after the other, never two at once, and every ratio is taken within one run.
"""
