"""The Study page without a browser: asking by fields and by links, and studies as they stand in the store."""

import re
from pathlib import Path
from typing import Any

import pytest

from core.data.datasets import DATASETS
from core.experiment.fairness import FairnessVerdict
from core.experiment.machine import this_machine
from core.experiment.settings import TrainSettings
from core.experiment.study import Pair, Study
from core.results import study_file, study_words
from core.storage.database import LaneState, State
from core.storage.records import StudyPair
from core.storage.rows import Entry, LaneChanged, RunChanged
from core.storage.runs import Store
from core.storage.studies import Studies, StudyState, read_study_recordings
from core.web.server.installation import installation
from tests import events
from tests.kept_study import keep_study
from tests.pages.conftest import Ended, MakeRun, StandInLauncher, TrainPage, read

STUDY, RUNS = "../../pages/study.py", "../../pages/runs.py"


class StudyPage(TrainPage):
    """The Study page."""

    def __init__(self, **link: str | list[str]) -> None:
        super().__init__()
        self.app.switch_page(STUDY)
        for name, value in link.items():
            self.app.query_params[name] = value
        self.run()

    @property
    def titles(self) -> list[str]:
        return [read(element.value) for element in self.app.title]

    @property
    def links(self) -> dict[str, str]:
        """The query of every link by its label, those that lead on to other pages apart."""
        found = [element.proto for element in self.app.get("page_link")]
        return {read(one.label): one.query_string for one in found if not one.label.startswith("Next: ")}

    @property
    def badges(self) -> list[str]:
        return [text for text in self.texts if text in {*StudyState, *State, "cut short, run anew", "finished, parted"}]

    def held(self, name: str) -> Any:
        return self.app.session_state[f"study_{name}"]


@pytest.fixture
def ended(make_run: MakeRun, data_dir: Path, shows: Any) -> Ended:
    """The page's data folder holds one finished run."""
    made = make_run()
    shows(made)
    return made


def kept(launcher: StandInLauncher, seeds: int, state: StudyState, reason: str = "", **vary: Any) -> tuple[str, Study]:
    """A study in the store, of which nothing has run."""
    studies = Studies(installation().deployment.data_dir)
    study = Study.of(TrainSettings(), DATASETS["mnist5k"], seeds, vary)
    made = studies.create(study, "seeds", None, this_machine())
    studies.set_state(made, state, reason)
    return made, study


def ran(
    study_id: str, study: Study, pair: Pair, end: State = State.FINISHED, parted: bool = False, **differs: float
) -> str:
    """A run of it that has ended; Keras' figures are PyTorch's and what `differs`."""
    store: Store = installation().store
    run = store.create(study.settings(pair), this_machine(), "", StudyPair(study_id, pair.cell))
    store.append(run, [Entry("", RunChanged(State.RUNNING))])
    for engine in ("keras", "torch"):
        own = differs if engine == "keras" else {}
        store.append(run, [Entry(engine, LaneChanged(LaneState.TRAINING))])
        if end == State.FINISHED:
            store.append(run, [Entry(engine, events.epoch(n, train_s=2.0 + own.get("train_s", 0.0))) for n in (1, 2)])
            accuracy = 0.95 + 0.001 * (pair.seed % 2) + own.get("accuracy", 0.0)
            store.append(run, [Entry(engine, events.result(test_accuracy=accuracy, rss_mib=300))])
        store.append(run, [Entry(engine, LaneChanged(LaneState(end if end != State.INTERRUPTED else "stopped")))])
    fair = [Entry("", FairnessVerdict("failed", certified=False))] if parted else []
    store.append(run, [*fair, Entry("", RunChanged(end, ""))])
    return run


def text_field(page: StudyPage, name: str, value: str) -> None:
    page.app.text_input(key=f"study_{name}").set_value(value)


# --- asking ----------------------------------------------------------------------------------------------


def test_the_page_says_how_many_runs_and_what_they_can_decide_before_start(launcher: StandInLauncher) -> None:
    page = StudyPage()
    assert page.titles == ["Study"]
    assert page.says("20 runs, no estimate of the time yet. With 20 pairs a mean difference can be told")
    text_field(page, "seeds", "3")
    page.run()
    assert page.says("3 runs")
    assert page.says("3 pairs can decide nothing: it takes at least")
    assert page.startable


def test_a_run_that_was_similar_tells_how_long(ended: Ended, launcher: StandInLauncher) -> None:
    settings = {"batch_size": "600", "epochs": "3"}
    assert StudyPage(seeds="20", **settings).says("20 runs, about ")


def test_a_link_fills_the_form_and_starts_nothing(launcher: StandInLauncher) -> None:
    page = StudyPage(
        network="mlp",
        seeds="20",
        vary=["batch_size:32,64", "network:article,mlp"],
        margin_time="0.1",
        stop="test_accuracy",
        budget_min="30",
    )
    assert not page.problems
    assert page.says("Batch size 32 and 64; network ")
    assert page.says("80 runs: 20 for each of 4 combinations")
    assert (page.held("margin_time"), page.held("stop"), page.held("budget_min")) == ("0.1", "test_accuracy", "30")
    assert not launcher.active()
    assert not Studies(installation().deployment.data_dir).all()


def test_a_network_in_layers_has_semicolons_between_the_values(launcher: StandInLauncher) -> None:
    page = StudyPage(seeds="5", vary="network:mlp; flatten, dense 10")
    assert page.says("10 runs: 5 for each of 2 combinations")


@pytest.mark.parametrize(
    ("link", "sentence"),
    [
        ({"seeds": "none"}, "Seeds must be a whole number from 1 to 2,000, not none."),
        ({"seeds": "2000", "vary": "batch_size:32,64"}, "A study has at most 2,000 runs, not 4,000."),
        ({"vary": "batch_size:32,zebra"}, "Batch size must be a whole number from 1 to 4,096, not zebra."),
        ({"vary": "batch_size:32,32"}, "Batch size has the same value twice."),
        ({"vary": "batch_size"}, "Batch size varies over 1 to 50 values here."),
        ({"vary": "seed:1,2"}, "seed cannot vary in a study: choose of"),
        ({"vary": ""}, "vary names no setting: choose of"),
        ({"margin_accuracy": "0"}, "Margin of accuracy must be a number above 0 and at most 1, not 0."),
        ({"budget_min": "soon"}, "Budget must be a number"),
        ({"stop": "never"}, "stop must be one of decided, seeds"),
        ({"epochs": "0"}, "Epochs must be a whole number from 1 to 100, not 0."),
        ({"zebra": "1"}, "There is no setting zebra."),
        ({"schedule": "together"}, "The lanes of a study train in turns"),
        ({"vary": ["batch_size:32", "batch_size:64"]}, "Batch size is chosen twice"),
    ],
)
def test_bad_input_gets_one_sentence(link: dict[str, Any], sentence: str, launcher: StandInLauncher) -> None:
    page = StudyPage(**link)
    (problem,) = page.problems
    assert problem.startswith(sentence)


def test_what_was_typed_stays_when_it_is_wrong(launcher: StandInLauncher) -> None:
    page = StudyPage()
    text_field(page, "seeds", "many")
    page.run()
    assert not page.startable
    assert page.held("seeds") == "many"
    text_field(page, "seeds", "4")
    assert page.run().startable


def test_the_address_follows_the_form_and_what_a_link_said_wrongly_goes(launcher: StandInLauncher) -> None:
    page = StudyPage(seeds="4", vary="batch_size:32,64", stop="never")
    assert len(page.problems) == 1
    text_field(page, "seeds", "zebra")
    text_field(page, "values_1", "32,96")
    page.run()
    assert page.app.query_params == {"seeds": "zebra", "vary": "batch_size:32,96"}
    assert [problem[:5] for problem in page.problems] == ["Seeds"]
    page.app.query_params.clear()  # what the browser still had
    page.app.query_params["seeds"] = "4"
    page.app.query_params["vary"] = "batch_size:32,64"
    text_field(page, "seeds", "5")
    page.run()
    assert (page.held("seeds"), page.held("values_1")) == ("5", "32,96"), "what is typed is newer"
    assert StudyPage(**page.app.query_params).held("seeds") == "5"


def test_a_study_is_called_by_all_that_sets_it_apart() -> None:
    base = TrainSettings.parse(
        {"network": "mlp", "dataset": "digits", "batch_size": 32, "epochs": 2, "optimizer": "sgd"}
    )
    study = Study.of(base, DATASETS["digits"], 5, {"batch_size": [32, 64]})
    title = "Network mlp, 2 epochs, SGD, as shipped, Digits, 8 x 8 over batch size, 5 seeds"
    assert study_words.title(study, Path()) == title


def test_a_finished_run_leads_to_a_study_of_other_seeds(ended: Ended, launcher: StandInLauncher) -> None:
    page = TrainPage()
    page.app.switch_page(RUNS)
    page.app.query_params["run"] = ended.run.id
    page.run()
    (link,) = [one.proto for one in page.app.get("page_link") if one.proto.label == "Repeat with other seeds"]
    query = dict(part.split("=") for part in link.query_string.split("&"))
    assert query["seed"] == str(ended.run.settings.seed + 1)
    form = StudyPage(**query)
    assert not form.problems
    assert form.says("20 runs, about ")


# --- watching --------------------------------------------------------------------------------------------


def test_verdicts_stand_in_words_on_top_and_pairs_below(launcher: StandInLauncher) -> None:
    made, study = kept(launcher, 30, StudyState.FINISHED, "All 30 pairs have ended.")
    for pair in study.pairs[:28]:
        ran(made, study, pair, train_s=0.4 + 0.001 * pair.seed)
    failed = ran(made, study, study.pairs[29], State.FAILED)
    parted = ran(made, study, study.pairs[28], parted=True)
    page = StudyPage(study=made)
    assert page.says("PyTorch trains in ")
    assert page.says("Memory is identical in all 28 pairs.")
    assert page.says(
        "1 of 30 pairs failed, so it counts in no verdict: its run says why. The lanes of 1 of 30 pairs parted, so it "
        "counts in no verdict: its run says why. Seeds on one split of the data measure the variance of seeds"
    )
    assert page.says("All 30 pairs have ended.")
    assert not page.says("Memory is identical in all 28 pairs. Keras minus PyTorch"), "zero is no interval"
    assert any("Validation loss by epoch of " in figure["finding"] for figure in page.figures)
    assert page.badges.count("finished") == 19, "the study's, and eighteen of the first page's pairs"
    assert (page.badges.count("failed"), page.badges.count("finished, parted")) == (1, 1)
    assert (page.links["Seed 29"], page.links["Seed 28"]) == (f"run={failed}", f"run={parted}")
    files = {one.proto.label: one.proto for one in page.app.get("download_button")}
    assert {"Report (HTML)", "All pairs (CSV)"} <= set(files)
    assert all(one.deferred_file_id for one in files.values()), "each is made at the click"
    page.press("Older")
    assert "Seed 0" in page.links


def test_several_combinations_stand_in_one_table_and_a_number_that_varies_is_drawn(launcher: StandInLauncher) -> None:
    made, study = kept(launcher, 2, StudyState.PAUSED, "You paused this study.", batch_size=[32, 64])
    for pair in study.pairs:
        ran(made, study, pair, accuracy=0.01 if dict(pair.cell)["batch_size"] == 32 else -0.01)
    page = StudyPage(study=made)
    verdicts = page.tables[0]
    assert list(verdicts.rows) == ["batch size 32", "batch size 64"]
    assert read(verdicts.columns[0]) == "Test accuracy, margin 0.2 points"
    assert all("not known yet" in cell for row in verdicts.rows.values() for cell in row)
    findings = [figure["finding"] for figure in page.figures]
    assert any("Test accuracy over batch size" in words and "They cross near" in words for words in findings)
    assert page.buttons.count("Go on") == page.buttons.count("Stop") == 1


def test_every_pair_that_runs_is_named_and_can_be_watched(launcher: StandInLauncher) -> None:
    """Where there are several machines, several run at once."""
    made, study = kept(launcher, 7, StudyState.PAUSED)
    store: Store = installation().store
    runs = []
    for pair in study.pairs[:6]:
        runs.append(store.create(study.settings(pair), this_machine(), "", StudyPair(made, pair.cell)))
        store.append(runs[-1], [Entry("", RunChanged(State.RUNNING))])
    page = StudyPage(study=made)
    assert re.search(r"Now seed 0: .* Seed 1: .* Seed 3: .* And 2 more\.", page.progress)
    watched = {label: query for label, query in page.links.items() if label.startswith("Watch")}
    assert watched == {f"Watch seed {seed}": f"run={runs[seed]}" for seed in range(4)}
    for run in runs:
        store.append(run, [Entry("", RunChanged(State.INTERRUPTED))])


def test_many_combinations_stand_on_pages(launcher: StandInLauncher) -> None:
    made, _ = kept(launcher, 1, StudyState.PAUSED, batch_size=[*range(1, 42)])
    page = StudyPage(study=made)
    assert list(page.tables[0].rows)[::19] == ["batch size 1", "batch size 20"]
    assert len(page.tables) == 1 + 20, "the numbers of these alone"
    page.press("More combinations").press("More combinations")
    assert list(page.tables[0].rows) == ["batch size 41"]


def test_a_pair_s_run_leads_back_to_its_study(launcher: StandInLauncher) -> None:
    made, study = kept(launcher, 2, StudyState.PAUSED)
    page = StudyPage()
    page.app.switch_page(RUNS)
    page.app.query_params["run"] = ran(made, study, study.pairs[0])
    assert page.run().links["The study that it is a pair of"] == f"study={made}"


def test_a_pair_that_was_cut_short_is_shown_and_said(launcher: StandInLauncher) -> None:
    made, study = kept(launcher, 2, StudyState.PAUSED)
    run = ran(made, study, study.pairs[0], State.INTERRUPTED)
    page = StudyPage(study=made)
    assert page.links["Seed 0"] == f"run={run}"
    assert page.badges == ["paused", "cut short, run anew"]
    assert page.says("no pair counts so far")
    assert page.says("evidence of 100 to 1 would decide"), "one in twenty, shared by five measures"


def test_runs_shows_a_study_as_one_line_that_unfolds_and_the_address_keeps_it(launcher: StandInLauncher) -> None:
    made, study = kept(launcher, 12, StudyState.FINISHED, batch_size=[32, 64])
    runs = [ran(made, study, pair, State.FAILED if pair.seed == 11 else State.FINISHED) for pair in study.pairs]
    alone = launcher.store.create(TrainSettings(), this_machine())
    launcher.store.append(alone, [Entry("", RunChanged(State.FAILED, "It failed."))])
    page = StudyPage()
    page.app.switch_page(RUNS)
    page.run()
    own = {f"run={run}" for run in runs}
    assert page.says("25 runs, newest first.")
    assert page.links["As shipped over batch size, 12 seeds"] == f"study={made}"
    assert page.says("24 of 24 pairs")
    assert page.says("verdicts decided.")
    assert not own & set(page.links.values())
    page.press("24 runs")
    assert page.app.query_params["open"] == made
    assert len(own & set(page.links.values())) == 20
    assert page.links["Seed 11, batch size 64"] == f"run={runs[-1]}"
    page.press("Older")
    assert page.links["Seed 0, batch size 32"] == f"run={runs[0]}"
    page.press("24 runs")
    assert "open" not in page.app.query_params
    assert not own & set(page.links.values())
    page.app.selectbox(key="runs_state").set_value("failed")
    page.app.query_params["open"] = made
    page.run()
    assert own & set(page.links.values()) == {f"run={run}" for run in runs[-2:]}, "those that the filter finds"
    assert "2 runs" in page.buttons
    page.app.query_params.clear()
    page.app.query_params["run"] = runs[-1]
    page.run()
    assert page.links["All runs"] == f"open={made}", "back to the list as it was left"


def test_all_studies_are_listed_with_how_far_they_are(launcher: StandInLauncher) -> None:
    made, study = kept(launcher, 3, StudyState.STOPPED, batch_size=[32, 64])
    ran(made, study, study.pairs[0])
    page = StudyPage()
    assert page.links["As shipped over batch size, 3 seeds"] == f"study={made}"
    assert page.says("1 of 6 pairs")


@pytest.mark.parametrize("name", ["20250101-000000-00000001", "zebra"])
def test_an_unknown_study_gets_a_sentence_and_the_form(name: str, launcher: StandInLauncher) -> None:
    page = StudyPage(study=name)
    assert len(page.problems) == 1
    assert page.titles == ["Study"]


# --- from elsewhere --------------------------------------------------------------------------------------


def test_a_study_comes_back_from_its_file_marked_and_stays_as_it_is(launcher: StandInLauncher) -> None:
    folder = installation().deployment.data_dir
    made = keep_study(folder)
    own = StudyPage(study=made)
    assert "Everything (JSON)" in [one.proto.label for one in own.app.get("download_button")]
    assert "Add" in own.buttons, "seeds can be added"
    text = study_file.as_json(installation().studies, installation().store, made)
    page = TrainPage()
    page.app.switch_page(RUNS)
    page.run()
    page.app.file_uploader(key="import_run").set_value(("study.json", text.encode(), "application/json"))
    page.run()
    assert page.problems == []
    (taken,) = [record.id for record in Studies(folder).all() if record.source == "imported"]
    shown = StudyPage(study=taken)
    assert "imported" in shown.texts
    assert "Add" not in shown.buttons
    assert shown.says("no pair counts so far") == own.says("no pair counts so far")
    assert len(shown.figures) == len(own.figures) > 0
    run = installation().studies.pairs(taken)[0].run
    assert shown.links["Seed 0"] == f"run={run}"
    page.app.query_params["run"] = run
    assert page.run().says("imported, trained on")


def test_a_study_that_came_with_the_project_is_listed_and_opens_with_its_runs(
    launcher: StandInLauncher, tmp_path: Path
) -> None:
    made = keep_study(tmp_path / "elsewhere", seeds=1)
    kept = tmp_path / "recorded" / made / "study.json"
    kept.parent.mkdir(parents=True)
    kept.write_text(study_file.as_json(Studies(tmp_path / "elsewhere"), Store(tmp_path / "elsewhere"), made))
    read_study_recordings.cache_clear()
    page = StudyPage()
    assert "recorded" in page.texts
    assert f"study={made}" in page.links.values()
    shown = StudyPage(study=made)
    assert "Add" not in shown.buttons
    runs = TrainPage()
    runs.app.switch_page(RUNS)
    assert not runs.run().says("recorded"), "the list is of runs; a study's stand with it"
    runs.app.query_params["run"] = shown.links["Seed 0"].removeprefix("run=")
    assert runs.run().says("recorded on")
