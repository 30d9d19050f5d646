"""`python -m core claims`: the article's rows in the terminal, and their measurements."""

import time
from collections.abc import Sequence
from typing import Annotated

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from core.cli.terminal import AsJson, deployment, err, fail, print_json_line, print_table, say
from core.compare.claims import ARTICLE, ARTICLE_URL, CLAIMS, Claim, Judged, all_judged, as_json, claim, summary
from core.compare.export import where_and_when
from core.compare.study_evidence import strongest
from core.launcher.launcher import Launcher, LauncherUnavailable
from core.storage.database import State, StoreError
from core.storage.holder import Owner
from core.storage.measurements import Measurement, Measurements
from core.storage.runs import Store
from core.storage.studies import Studies

POLL_S = 0.2


def claims(
    measure: Annotated[str, typer.Option(help="Rows to measure here, such as 4,7, or all.")] = "",
    as_json_lines: AsJson = False,
) -> None:
    """Lists the article's ten rows with our verdicts and the evidence; measures rows on this machine."""
    wanted = _wanted(measure)
    failures: list[str] = []
    if wanted:
        try:
            launcher = Launcher(deployment(), Owner.COMMAND_LINE)
        except (LauncherUnavailable, StoreError) as error:
            fail(str(error), 1)
        try:
            failures = _measure(launcher, wanted)
        except StoreError as error:
            fail(str(error), 1)
        finally:
            launcher.close()
    try:
        folder = deployment().data_dir
        found = Measurements(folder)
        rows = all_judged(found.results(), found.recorded(), strongest(Studies(folder), Store(folder)))
    except StoreError as error:
        fail(str(error), 1)
    shown = [row for row in rows if not wanted or row.claim in wanted]
    if as_json_lines:
        for row in shown:
            print_json_line(as_json(row))
    else:
        _print(rows, shown)
    for failure in failures:
        say(failure, err)
    raise typer.Exit(1 if failures else 0)


def _wanted(measure: str) -> list[Claim]:
    """The rows that an option names; ends with a sentence where it names none that can be measured."""
    if measure.strip() == "all":
        return [row for row in CLAIMS if row.probe]
    found = []
    for part in filter(None, (part.strip() for part in measure.split(","))):
        try:
            row = claim(int(part) if part.isascii() and part.isdigit() and len(part) < 4 else 0)
        except KeyError:
            fail(f"There is no claim {part[:40]}: choose some of 1 to {len(CLAIMS)}, or all.", 2)
        if not row.probe:
            fail(f"Claim {row.number} stands on a dated snapshot: there is nothing to measure here.", 2)
        found += [row] if row not in found else []
    return found


def _measure(launcher: Launcher, wanted: Sequence[Claim]) -> list[str]:
    """Measures row after row; one that fails harms no other. Returns a sentence for each that has no result."""
    failures = []
    try:
        for row in wanted:
            found = print_measurement(launcher, launcher.measure(row.order))
            if found.state != State.FINISHED:
                failures.append(f"Claim {row.number}: {found.reason}")
    except KeyboardInterrupt:
        for measurement in reversed(launcher.measuring()):
            launcher.stop(measurement)
        raise typer.Exit(130) from None
    return failures


def print_measurement(launcher: Launcher, measurement: str) -> Measurement:
    """A bar with what it does, until it has ended; returns it with its end."""
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[words]}"), TimeElapsedColumn())
    with Progress(*columns, console=err) as progress:
        found = launcher.measurements.get(measurement)
        task = progress.add_task(found.subject, words="", total=1.0)
        while found.live:
            time.sleep(POLL_S)
            found = launcher.measurements.get(measurement)
            progress.update(task, completed=found.fraction, words=found.sentence or found.state)
    return found


def _print(rows: Sequence[Judged], shown: Sequence[Judged]) -> None:
    listed = []
    for row in shown:
        evidence, words = row.evidence, "not measured yet"
        if evidence is not None:
            machine, day = where_and_when(evidence)
            where = f" ({machine}, {day})" if machine else ""
            words = evidence.shown.finding + where
        listed.append((str(row.claim.number), row.claim.topic, *row.verdicts.values(), words))
    print_table(("claim", "topic", "Keras", "PyTorch", "evidence"), listed, prose=True)
    say(f"{summary(rows)} The article: {ARTICLE}, {ARTICLE_URL}")
