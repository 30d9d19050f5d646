"""`python -m core study` and `studies`: the same duel over seeds, and over values of settings, until it is decided.

Exit status as of `train`; 1, too, where a pair failed or its lanes parted. That a busy machine leaves times out is
said, and no error.
"""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from core.cli.starting import open_launcher, with_settings
from core.cli.streams import OutputGone
from core.cli.terminal import AsJson, deployment, err, fail, print_json_line, print_table, say
from core.data import datasets
from core.experiment.kinds import shown
from core.experiment.network import PRESETS
from core.experiment.settings import InvalidSettings, TrainSettings
from core.experiment.study import Study, read_budget, read_values
from core.launcher import ending
from core.launcher.inbox import Guest
from core.launcher.launcher import Launcher, LauncherUnavailable
from core.launcher.outside import follow_study
from core.launcher.studies import check_rule
from core.results import study_words
from core.results.estimate import study_seconds
from core.results.study_outcome import STOPS, StudyOutcome, events, read_outcome
from core.storage.database import State, StoreError
from core.storage.holder import left_by
from core.storage.records import DamagedStudy, UnknownRun
from core.storage.runs import Store
from core.storage.studies import Studies, StudyRecord, StudyState

VARY_HELP = (
    "A setting and its values, batch_size=32,64; semicolons where a value has commas itself, "
    "'network=conv 16, flatten;mlp'. Twice for two settings, or for one more value."
)
CLUSTER_HELP = "Runs its pairs on the nodes of a Ray cluster: the one here, ray://HOST:10001 or HOST:6379."
Vary = Annotated[list[str], typer.Option(help=VARY_HELP, metavar="NAME=VALUES")]
CLUSTER_PATIENCE_S = 60.0
"""A cluster is tried again every few seconds: so long the terminal waits for one that is gone, or says why not."""
WITH_AN_ID = ("study_id", "more", "cluster", "as_json")
"""What may be said of a study that is there: the rest was asked at its begin."""


@with_settings
def study(
    context: typer.Context,
    study_id: Annotated[str, typer.Argument(help="One that is there, or `latest`.", metavar="[ID]")] = "",
    *,
    seeds: Annotated[str, typer.Option(help="How many, from --seed on: pairs of each combination of values.")] = "20",
    vary: Vary = [],  # noqa: B006
    margin_accuracy: Annotated[str, typer.Option(help="The smallest difference that matters, a fraction.")] = "0.002",
    margin_time: Annotated[str, typer.Option(help="The same of times and memory, a fraction of them.")] = "0.05",
    stop: Annotated[str, typer.Option(help=f"Ends when this is decided: {', '.join(STOPS)} (none).")] = "decided",
    budget: Annotated[str, typer.Option(help="The longest that its runs take together: 90s, 30m, 2h.")] = "",
    more: Annotated[str, typer.Option(help="With an ID: so many seeds more.")] = "",
    cluster: Annotated[str, typer.Option(help=CLUSTER_HELP, metavar="auto|ADDRESS")] = "",
    as_json: AsJson = False,
    **raw: str,
) -> None:
    """Repeats a duel over seeds until it is decided. With an ID: shows a study, or goes on with one."""
    with _in_words():
        if study_id:
            _check_alone(context)
            _take_up(study_id, more, cluster, as_json)
            return
        if more:
            fail("--more needs the ID of a study.", 2)
        base = TrainSettings.parse(raw)
        dataset = datasets.find(base.dataset, deployment().data_dir)
        asked = Study.of(base, dataset, seeds, _read_vary(vary), margin_accuracy, margin_time)
        check_rule(stop, budget_s := read_budget(budget))

        def begin(launcher: Launcher | Guest) -> str:
            say(study_words.plan(asked, study_seconds(launcher.store, asked)), err)
            return launcher.study(asked, stop, budget_s)

        _run(begin, cluster, as_json)


@contextmanager
def _in_words() -> Iterator[None]:
    """Ends with what is wrong, as a sentence: 2 for bad input, 1 for what cannot be done."""
    try:
        yield
    except (InvalidSettings, UnknownRun) as error:
        fail(str(error), 2)
    except (LauncherUnavailable, StoreError, datasets.DatasetError) as error:
        fail(str(error), 1)


def _check_alone(context: typer.Context) -> None:
    """Raises `InvalidSettings` where a study that is there is asked for something else."""
    sources = {name: context.get_parameter_source(name) for name in context.params}
    given = [name for name, source in sources.items() if source and source.name == "COMMANDLINE"]
    if others := [name for name in given if name not in WITH_AN_ID]:
        option = f"--{others[0].replace('_', '-')}"
        raise InvalidSettings({others[0]: f"A study keeps what was asked at its begin: {option} goes with no ID."})


def _read_vary(texts: Sequence[str]) -> dict[str, list[str]]:
    """The values by setting. Raises `InvalidSettings` where a text is none of `NAME=VALUES`."""
    found: dict[str, list[str]] = {}
    for text in texts:
        name, sign, written = text.partition("=")
        if not sign:
            raise InvalidSettings({"vary": f"--vary must be NAME=VALUE,VALUE, not {shown(text)}."})
        name, values = name.strip().replace("-", "_"), read_values(written)
        if name == "network" and ";" not in written and not set(values) <= set(PRESETS):
            values = (written.strip(),)  # the commas are between its layers
        found.setdefault(name, []).extend(values)
    return found


def _take_up(study_id: str, more: str, cluster: str, as_json: bool) -> None:
    """Shows a study that has finished, and goes on with any other."""
    kept = Studies(deployment().data_dir)
    record = _newest(kept) if study_id == "latest" else kept.get(study_id)
    if more and (why := record.unchangeable_because):
        fail(f"This study {why}: it stays as it is.", 2)
    if record.unchangeable_because or (record.state == StudyState.FINISHED and not more):
        found = read_outcome(kept, Store(kept.data_dir), record.id)
        _print_events(None, found, at_end=True) if as_json else _print(found)
        return

    def go_on(launcher: Launcher | Guest) -> str:
        if more:
            launcher.more_pairs(record.id, more)
        else:
            launcher.go_on_study(record.id)
        return record.id

    _run(go_on, cluster, as_json)


def _newest(kept: Studies) -> StudyRecord:
    found = [record for record in kept.all() if record.source == "here"]
    if not found:
        raise UnknownRun("There is no study yet: `study --seeds 20` begins one.")
    return found[0]


# --- while it goes on ------------------------------------------------------------------------------------


@dataclass
class Shown:
    """What of a study has been shown, however that ended."""

    last: StudyOutcome | None = None


def _run(begin: Callable[[Launcher | Guest], str], cluster: str, as_json: bool) -> None:
    """Begins or takes up a study, shows it to its end, and ends with its status."""
    launcher, shown = open_launcher(cluster), Shown()
    try:
        found = _watch(launcher, begin, _print_json if as_json else _print_progress, shown)
        why = _why_stuck(launcher, found.record.id)
        if isinstance(launcher, Launcher) and launcher.cluster and not launcher.cluster.unavailable:
            for sentence in launcher.cluster.complaints:
                say(sentence, err)
    finally:
        launcher.close()
    if as_json:
        _print_events(shown.last, found, at_end=True)
    else:
        _print(found)
    _exit_with_status(found, why, as_json)


def _watch(
    launcher: Launcher | Guest,
    begin: Callable[[Launcher | Guest], str],
    show: Callable[[Iterator[StudyOutcome], Shown], None],
    shown: Shown,
) -> StudyOutcome:
    """Ctrl-C or an output that takes no more stop the study; a second Ctrl-C leaves at once."""
    kept, study_id = Studies(launcher.store.data_dir), ""
    try:
        study_id = begin(launcher)
        if isinstance(launcher, Guest):
            say("The dashboard holds the data folder: the study goes on there. Ctrl-C stops it.", err)
        in_progress = partial(_goes_on, launcher, study_id)
        patience_s = CLUSTER_PATIENCE_S if isinstance(launcher, Launcher) and launcher.cluster else 0.0
        show(follow_study(launcher.store, kept, study_id, in_progress, patience_s=patience_s), shown)
    except (KeyboardInterrupt, OutputGone) as error:
        if not study_id:
            raise
        try:
            launcher.stop_study(study_id)
            while _goes_on(launcher, study_id) and _open(launcher.store, kept, study_id):
                time.sleep(0.05)
        except KeyboardInterrupt:
            # The workers end by themselves when our end of their pipes closes.
            os._exit(130)
        if isinstance(error, OutputGone):
            raise
    return read_outcome(kept, launcher.store, study_id)


def _open(store: Store, kept: Studies, study_id: str) -> bool:
    found = read_outcome(kept, store, study_id)
    return found.record.state == StudyState.RUNNING or bool(found.running)


def _goes_on(launcher: Launcher | Guest, study_id: str) -> bool:
    return not _why_stuck(launcher, study_id)


def _why_stuck(launcher: Launcher | Guest, study_id: str) -> str:
    """Why a study that is not over gets no further, as a sentence; empty where it does."""
    if isinstance(launcher, Launcher):
        return launcher.store_failure or launcher.studies.waits_because(study_id)
    owner = left_by(launcher.store.data_dir)
    return ending.owner_closed(owner, "this study went on") if owner else ""


def _exit_with_status(found: StudyOutcome, why_stuck: str, as_json: bool) -> None:
    """Ends the command with what is wrong: nothing, a pair that failed, or a study that is not over."""
    record = found.record
    if record.state == StudyState.FINISHED:
        if as_json and (left_out := study_words.left_out(found)):
            say(left_out, err)
        if found.failed or found.parted:
            raise typer.Exit(1)
        return
    going_on = f"`study {record.id}` goes on with it."
    if record.state == StudyState.RUNNING:
        fail(f"{why_stuck} {going_on}".strip(), 1)
    by_hand = ending.study_stopped(record.visitor), ending.study_paused(record.visitor), ending.STUDYS_RUN_STOPPED
    fail(f"{record.reason} {going_on}", 130 if record.reason in by_hand else 1)


def _print_json(outcomes: Iterator[StudyOutcome], shown: Shown) -> None:
    """One object a line: every pair when it has ended, and every verdict when it changes."""
    for found in outcomes:
        _print_events(shown.last, found)
        shown.last = found


def _print_events(before: StudyOutcome | None, found: StudyOutcome, at_end: bool = False) -> None:
    for event in events(before, found, at_end):
        print_json_line(event)


def _print_progress(outcomes: Iterator[StudyOutcome], shown: Shown) -> None:
    """A bar of pairs; above it a line for each pair that did not finish or parted and each verdict that changed."""
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[words]}"), TimeElapsedColumn())
    with Progress(*columns, console=err) as progress:
        task = progress.add_task("Pairs", words="")
        for found in outcomes:
            for event in events(shown.last, found):
                if words := _news(found, event):
                    say(words, err)
            left = "" if found.left_s is None else f", about {study_words.long(found.left_s)} left"
            words = f"{found.done:,} of {found.total:,}{left}"
            progress.update(task, completed=found.done, total=found.total, words=words)
            shown.last = found


def print_study(launcher: Launcher, study_id: str) -> StudyOutcome:
    """The bar, until a study goes on no more; returns how it stands then."""
    kept = Studies(launcher.store.data_dir)
    in_progress = partial(_goes_on, launcher, study_id)
    _print_progress(follow_study(launcher.store, kept, study_id, in_progress), Shown())
    return read_outcome(kept, launcher.store, study_id)


def _news(found: StudyOutcome, event: dict[str, Any]) -> str:
    """An event as a line; empty where it goes without saying."""
    cell = tuple(event["cell"].items())
    of = f" ({study_words.cell_words(cell)})" if cell else ""
    if event["event"] == "pair":
        if event["state"] == State.FINISHED:
            which = f"the pair of seed {event['seed']}{of}"
            if event["parted"]:
                return f"The lanes of {which} parted, so it counts in no verdict: run {event['run']}."
            busy = f"The machine was busy in {which}, so its times count in no verdict: run {event['run']}."
            return busy if event["busy"] else ""
        (pair,) = [one for one in found.ended if one.run == event["run"]]
        anew = " and is run anew" if not pair.done and found.anew(pair) else ""
        return f"The pair of seed {event['seed']}{of} was {event['state']}{anew}: run {event['run']}."
    (of_cell,) = [one for one in found.cells if one.cell == cell]
    sentence = study_words.sentence(of_cell.finding(event["measure"]), of_cell.pairs_needed(event["measure"]))
    return f"After {event['pairs']} pairs{of}: {sentence}"


# --- what has been -----------------------------------------------------------------------------------------


def _print(found: StudyOutcome) -> None:
    """What was asked, every verdict, and why the study ended."""
    record = found.record
    say(study_words.title(record.study, deployment().data_dir))
    say(f"Study {record.id}: {_state_words(record)}. {record.reason}".strip())
    say(study_words.asked(record.study))
    listed = [
        (
            *([study_words.cell_words(cell.cell)] if cell.cell else []),
            one.measure.title,
            study_words.brief(one, cell.pairs_needed(one.measure.name)),
            study_words.difference_words(one),
            study_words.margin_words(one),
            f"{len(one.differences):,}",
        )
        for cell in found.cells
        for one in cell.findings
    ]
    first = ("of",) if record.study.vary else ()
    print_table((*first, "measure", "verdict", "Keras minus PyTorch", "margin", "pairs"), listed)
    if left_out := study_words.left_out(found):
        say(left_out)


def _state_words(record: StudyRecord) -> str:
    """Its state, and where it is from where that is elsewhere."""
    return record.state if record.source == "here" else f"{record.state}, {record.source}"


def studies(as_json: AsJson = False) -> None:
    """Lists the studies of the data folder, newest first, then those that came with the project."""
    with _in_words():
        kept = Studies(deployment().data_dir)
        store, missing = Store(kept.data_dir), kept.missing
        damaged: list[DamagedStudy] = []
        found = [read_outcome(kept, store, record.id) for record in kept.every(damaged)]
        owner = left_by(kept.data_dir) if any(one.record.state == StudyState.RUNNING for one in found) else ""
    for sentence in filter(None, (missing, *map(str, damaged))):
        say(sentence, err)
    if as_json:
        for one in found:
            print_json_line(_summary(one))
        return
    listed = [
        (
            one.record.id,
            study_words.title(one.record.study, kept.data_dir),
            one.record.created_at[:16].replace("T", " "),
            "left unfinished" if owner and one.record.state == StudyState.RUNNING else _state_words(one.record),
            f"{one.done:,} of {one.total:,}",
        )
        for one in found
    ]
    print_table(("study", "title", "begun", "state", "pairs"), listed)


def _summary(found: StudyOutcome) -> dict[str, Any]:
    record = found.record
    return {
        **{"study": record.id, "created_at": record.created_at, "state": record.state, "reason": record.reason},
        **{"source": record.source, "pairs": found.total, "done": found.done},
        **{"failed": found.failed, "parted": found.parted, "busy": found.busy, "deleted": record.deleted},
        **{"stop": record.stop, "budget_s": record.budget_s, **record.study.as_json(), "machine": record.machine},
    }
