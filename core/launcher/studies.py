"""Studies that go on: whose next pair it is, when one is over, and who may pause, stop or lengthen it.

A pair is a run of the queue like any other. The Launcher's thread asks for the next one when nothing else waits, so
that whatever a person asks for comes first; studies take turns, a pair each. Where there is a cluster, its thread asks
for one more whenever a node has nothing to do.
"""

import contextlib
import threading
from collections.abc import Callable

from core.data import datasets
from core.deployment.limits import Limits
from core.experiment.kinds import shown
from core.experiment.machine import this_machine
from core.experiment.settings import InvalidSettings, TrainSettings
from core.experiment.study import BUDGET_S, SEEDS, Pair, Study
from core.launcher import ending
from core.launcher.admission import Admission, LauncherUnavailable, Refused
from core.launcher.executors import Node
from core.launcher.queue import Queue
from core.results.study_outcome import STOPS, StudyOutcome
from core.results.study_shared import Outcomes
from core.storage.database import State, StoreError
from core.storage.records import StudyPair
from core.storage.rows import Provenance
from core.storage.runs import Store
from core.storage.studies import Studies, StudyRecord, StudyState

SubmitPair = Callable[[TrainSettings, str, StudyPair, Node | None], str]
"""Has a pair run, on a node or here, where it `may_begin`; returns its id, else nothing. Raises as `submit`."""


class StudiesGoingOn:
    """The running studies of one Launcher; any thread may ask."""

    def __init__(
        self,
        store: Store,
        queue: Queue,
        admission: Admission,
        limits: Limits,
        submit: SubmitPair,
        drawn_on: Callable[[], bool],
    ) -> None:
        """`drawn_on`: whether somebody draws, or waits for models that do not load while a run trains."""
        self.kept = Studies(store.data_dir)
        self._outcomes = Outcomes(self.kept, store)
        self._store, self._queue, self._admission, self._limits = store, queue, admission, limits
        self._submit, self._drawn_on = submit, drawn_on
        self._running: list[str] = []  # in the order of their turns
        self._begun: dict[str, set[str]] = {}  # the runs that each has begun since it goes on
        self._waits: dict[str, str] = {}  # why the next pair of one could not begin
        self._choosing = threading.Lock()  # two threads never choose the same pair
        self.no_node = ""
        """Why no pair can run anywhere, as a sentence, where a cluster was asked for."""

    # --- what a person asks ----------------------------------------------------------------------------

    def begin(self, study: Study, stop: str, budget_s: float | None, visitor: str) -> str:
        """A new study that goes on from now. Raises `InvalidSettings`, `Refused`, `StoreError`."""
        check_rule(stop, budget_s)
        self.check_length(study)
        for cell in study.cells:
            self._admission.check(study.settings(Pair(cell, study.base.seed)))
        with self._queue.guard:
            self._admit(visitor)
            self._admission.admit_study(visitor)
            found = self.kept.create(study, stop, budget_s, this_machine(), visitor)
            self._running.insert(0, found)
        return found

    def go_on(self, study: str, visitor: str) -> None:
        """One that was paused, stopped or left goes on. Raises `Refused` where it has finished."""
        with self._queue.guard:
            if self._changeable(study, visitor).state == StudyState.FINISHED:
                raise Refused("This study has finished: add seeds to go on with it.")
            self._resume(study, visitor)

    def add_seeds(self, study: str, seeds: object, visitor: str) -> None:
        """More pairs in every cell, which run even where it has finished. Raises `InvalidSettings` for too many."""
        if sentence := SEEDS.why_not(seeds):
            raise InvalidSettings({"seeds": sentence})
        with self._queue.guard:
            record, more = self._changeable(study, visitor), int(SEEDS.read(seeds))
            self.check_length(record.study.with_more(more))
            if study not in self._running:
                self._admit(visitor)
            self.kept.add_seeds(study, more)
            self._resume(study, visitor)

    def _resume(self, study: str, visitor: str) -> None:
        if study not in self._running:
            self._admit(visitor)
            self.kept.set_state(study, StudyState.RUNNING)
            self._begun[study] = self._not_stopping(study)
            self._running.insert(0, study)

    def pause(self, study: str, visitor: str) -> None:
        """No further pair begins; the one that runs ends first. Does nothing to one that does not go on."""
        with self._queue.guard:
            if self._changeable(study, visitor).state == StudyState.RUNNING:
                self._set_state(study, StudyState.PAUSED, ending.study_paused(visitor))

    def stop(self, study: str, visitor: str) -> set[str]:
        """It ends now; returns the ids of its runs that are to be stopped. Does nothing to an ended one."""
        with self._queue.guard:
            if self._changeable(study, visitor).state not in (StudyState.RUNNING, StudyState.PAUSED):
                return set()
            self._set_state(study, StudyState.STOPPED, ending.study_stopped(visitor))
            return self._under_way(study)

    def _under_way(self, study: str) -> set[str]:
        """Its runs that wait or go on."""
        return {run for run in self._begun.get(study, ()) if self._queue.find(run)}

    def _not_stopping(self, study: str) -> set[str]:
        """Those of them that nobody has stopped: who goes on at once does not mean the one that still stops."""
        turns = {run: self._queue.find(run) for run in self._under_way(study)}
        return {run for run, turn in turns.items() if turn and not turn.job.requests.stop.is_set()}

    def _changeable(self, study: str, visitor: str) -> StudyRecord:
        record = self.kept.get(study)
        if why := record.unchangeable_because:
            raise Refused(f"This study {why}: it stays as it is.")
        self._admission.check_change(record.visitor, visitor, "study")
        return record

    def _set_state(self, study: str, state: StudyState, reason: str) -> None:
        """Ends or pauses one."""
        self.kept.set_state(study, state, reason)
        with contextlib.suppress(ValueError):
            self._running.remove(study)

    def check_length(self, study: Study) -> None:
        """Raises `InvalidSettings` where a study has more pairs than this installation allows."""
        study.check_length()
        self._limits.check_study(len(study.pairs))

    def _admit(self, visitor: str) -> None:
        """Raises `Refused` where this visitor may go on with no study now."""
        self._admission.admit(visitor, self._queue)
        most = self._limits.visitor_at_once
        if most is not None and sum(self.kept.get(one).visitor == visitor for one in self._running) >= most:
            raise Refused("Each visitor has one study at a time here: go on when yours has ended, or stop it.")

    def waits_because(self, study: str) -> str:
        """Why a study that goes on has no run now, as a sentence; empty where it has one, or does not go on."""
        with self._queue.guard:
            if study not in self._running or self._under_way(study):
                return ""
            if self.no_node:
                return self.no_node
            if turns := self._queue.turns():
                studied = set().union(*self._begun.values())
                others = all(turn.job.id in studied for turn in turns)
                return "It takes turns with another study." if others else "What was asked for by hand comes first."
            return self._waits.get(study, "")

    # --- what the Launcher's thread asks ---------------------------------------------------------------

    def take_up(self) -> None:
        """Goes on with every study that was going on when its owner left."""
        self._running = [record.id for record in reversed(self.kept.all()) if record.state == StudyState.RUNNING]

    @property
    def going_on(self) -> bool:
        """Whether there is a study that may want a pair run."""
        return bool(self._running)

    def may_begin(self, study: str, node: Node | None) -> bool:
        """Whether a pair of it may begin now: it was not paused meanwhile, and here nothing else waits."""
        return study in self._running and (node is not None or not self._queue.waiting())

    def queue_next(self, node: Node | None = None) -> bool:
        """Has the next pair of the study whose turn it is run, on a node or here; whether there was one."""
        for study in list(self._running):
            if node is None and self._queue.waiting():
                return False
            try:
                with self._choosing:
                    if self._queue_next_of(study, node):
                        return True
            except (LauncherUnavailable, StoreError) as error:
                self._waits[study] = str(error)
        return False

    def _queue_next_of(self, study: str, node: Node | None) -> bool:
        if node is None and self._drawn_on():
            self._waits[study] = "Drawings come first: it goes on when nobody has drawn for a while."
            return False
        found = self._outcomes.of(study)
        if found.running and found.enough:  # they end first
            return False
        if node and (why := node.lacks.get(found.record.study.base.dataset)):
            self._waits[study] = why
            return False
        if self._what_ends(found):
            with self._queue.guard:  # looked at again: pairs may have been added, or it was paused, since it was read
                if study in self._running and (what := self._what_ends(self._outcomes.of(study))):
                    self._set_state(study, *what)
            return False
        if not found.remaining:  # the end of its last run could not be written yet
            return False
        if self._has_other_images(found):
            with self._queue.guard:
                if study in self._running:
                    self._set_state(study, StudyState.STOPPED, ending.STUDYS_IMAGES_CHANGED)
            return False
        pair = found.remaining[0]
        settings, of_study = found.record.study.settings(pair), StudyPair(study, pair.cell)
        try:
            run_id = self._submit(settings, found.record.visitor, of_study, node)
        except InvalidSettings as error:
            with self._queue.guard:
                self._set_state(study, StudyState.STOPPED, f"Its next pair cannot be run: {error}")
            return False
        return bool(run_id)

    def _what_ends(self, found: StudyOutcome) -> tuple[StudyState, str] | None:
        """What becomes of a study that shall have no further pair now, and why."""
        if over := found.over:
            return StudyState.FINISHED, over
        begun = self._begun.get(found.record.id, ())
        cut_short = {pair.state: pair.run for pair in found.cut_short if pair.run in begun}
        if run := cut_short.get(State.STOPPED):
            limit_s, took_s = self._limits.run_s, self._store.run(run).elapsed_s or 0.0
            if limit_s is not None and took_s >= limit_s:
                return StudyState.PAUSED, ending.study_overran(limit_s)
            return StudyState.PAUSED, ending.STUDYS_RUN_STOPPED
        if run := cut_short.get(State.FAILED):
            return StudyState.PAUSED, ending.study_not_trained(self._store.run(run).reason)
        return None

    def _has_other_images(self, found: StudyOutcome) -> bool:
        """Whether its data set is one's own, and was made anew since its first pair, under the same name."""
        name, first = found.record.study.base.dataset, next((pair.run for pair in found.ended if pair.done), "")
        if name in datasets.DATASETS or not first:
            return False
        try:
            now = datasets.prepared(name, self._store.data_dir)
        except datasets.DatasetError:  # it is gone: the next pair is refused for that
            return False
        rows = self._store.rows(first, steps=False)
        then = next((row.event.array_sha256 for row in rows if isinstance(row.event, Provenance)), None)
        return now is not None and bool(then) and now.provenance.get("array_sha256") != then

    def begun(self, study: str, run_id: str) -> None:
        """Its next pair has become this run: the other studies are before it now. The caller holds the guard."""
        self._begun.setdefault(study, set()).add(run_id)
        self._waits.pop(study, None)
        self._running.remove(study)
        self._running.append(study)


def check_rule(stop: str, budget_s: float | None) -> None:
    """Raises `InvalidSettings` where nothing can end a study by this rule."""
    problems = {}
    if stop not in STOPS:
        problems["stop"] = f"Stop must be one of {', '.join(STOPS)}, not {shown(stop)}."
    if budget_s is not None and (sentence := BUDGET_S.why_not(budget_s)):
        problems["budget"] = sentence
    if problems:
        raise InvalidSettings(problems)
