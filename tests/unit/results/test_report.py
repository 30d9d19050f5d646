"""The report: the page's figures and words in one small file, and its curves, placed."""

import re
from dataclasses import replace

import pytest

from core.experiment import metrics
from core.experiment.fairness import TWIN_BOUNDS, FairnessVerdict, Parting
from core.experiment.settings import TrainSettings
from core.experiment.titles import brief
from core.results import wording
from core.results.fairness_words import words_of
from core.results.outcome import conclusion, gather
from core.results.report import as_html, curves
from core.results.result_table import result_table
from tests.events import step
from tests.reported import CASES, Reported, cut_off, one_epoch, recorded, with_lanes


def text_of(html: str) -> str:
    """What a reader reads, on one line."""
    body = html.partition("<body>")[2]
    return " ".join(re.sub(r"<[^>]+>", " ", body).replace("&#39;", "'").split(" ")).replace("\n", " ")


def squeezed(text: str) -> str:
    return re.sub(r"\s+", " ", text.replace("**", ""))


@pytest.mark.parametrize("case", CASES)
def test_it_is_one_small_file_that_needs_nothing(case: str) -> None:
    html = as_html(*CASES[case]())
    assert len(html.encode()) < 300_000
    assert not re.search(r"<script|<link|<img|@import|url\(|src=|https?://(?!.*github)", html.partition("<h2>Code")[0])


@pytest.mark.parametrize("case", ["as shipped", "exact twin", "three lanes", "stopped"])
def test_it_says_what_the_page_says(case: str) -> None:
    run, rows = CASES[case]()
    outcome = gather(run, rows)
    said = squeezed(text_of(as_html(run, rows)))
    expected = [brief(run), run.reason, run.state, wording.time_caption(outcome)]
    expected += [word for lane in outcome.lanes for word in wording.card(outcome, lane)]
    expected += [value for values in result_table(outcome).values() for value in values]
    expected += [wording.machine_line(run.machine).strip(), wording.data_line(outcome), *conclusion(outcome)]
    assert [words for words in expected if squeezed(words) not in said] == []


def test_it_says_where_the_data_set_is_gone() -> None:
    gone = "Our pets, the data set of this run, was deleted or changed: its results stay."
    assert gone in squeezed(text_of(as_html(*recorded(), gone)))


def test_settings_stand_under_their_names() -> None:
    html = as_html(*recorded("exact-twin")).partition("<h2>Code")[0]
    assert {name for name in TrainSettings.model_fields if "_" in name and name in html} == set()
    for name, value in [("Batch size", "126"), ("Alignment", "Exact twin"), ("Early stopping", "off")]:
        assert f"<tr><th>{name}</th><td>{value}</td></tr>" in html


def test_a_twins_difference_is_a_power_of_ten_with_what_it_means() -> None:
    said = squeezed(text_of(as_html(*recorded("exact-twin"))))
    assert re.search(r"of the two loss curves: \d(\.\d)? × 10⁻¹\S \. That is about the last", said)
    assert "1 × 10⁻¹²" in said, "the certificate's bound"
    assert "0.0000000" not in said


def test_a_run_that_parted_says_so_beside_its_state_and_where() -> None:
    run, rows = recorded("exact-twin")
    held = FairnessVerdict("held", steps=232, epochs=8, tested=True, weighed=True, complete=True, bounds=TWIN_BOUNDS)
    parting = Parting("step", "loss", 1, 14, 14, 0.02, 1e-11)
    parted = FairnessVerdict("parted", steps=14, step_loss_difference=0.02, bounds=TWIN_BOUNDS, parting=parting)
    for verdict, badge in ((held, '"green">fairness held<'), (parted, '"red">parted at step 14<')):
        html = as_html(replace(run, fairness=verdict), rows)
        assert html.index("finished") < html.index(badge) < html.index("recorded on")
        assert squeezed(words_of(replace(run, fairness=verdict))) in squeezed(text_of(html))


def test_only_a_twins_curves_are_compared() -> None:
    for alignment in ("as-shipped", "same-start"):
        assert "Largest difference of the two loss curves" not in squeezed(text_of(as_html(*recorded(alignment))))


def drawn(reported: Reported) -> dict[str, curves.Chart]:
    run, rows = reported
    return {chart.key: chart for chart in curves.charts(gather(run, rows), rows)}


def test_all_lines_lie_within_their_axes_and_epochs_on_their_ticks() -> None:
    for chart in drawn(recorded()).values():
        ticks = {label: place for place, label in chart.across}
        for line in chart.lines:
            assert all(0 <= x <= 100 and 0 <= y <= 100 for x, y in line.places)
            if line.part == "main":
                assert [x for x, _ in line.places] == pytest.approx([ticks[str(epoch)] for epoch in range(1, 9)])


def test_a_higher_accuracy_is_drawn_higher() -> None:
    run, rows = recorded()
    values = [row.event.val_accuracy for row in rows if row.kind == "epoch" and row.engine == "keras"]
    (line,) = [line for line in drawn((run, rows))["val_accuracy"].lines if line.engine == "keras"]
    heights = [100 - y for _, y in line.places]
    assert sorted(range(8), key=values.__getitem__) == sorted(range(8), key=heights.__getitem__)


def test_own_images_are_called_by_their_title() -> None:
    run, rows = recorded()
    settings = run.settings.model_copy(update={"dataset": "own-pets"})
    html = as_html(
        replace(run, settings=settings, data=replace(run.dataset, name="own-pets", title="Our <pets>")), rows
    )
    assert "as shipped, in turns, Our &lt;pets&gt;." in squeezed(html)
    assert "own-pets" not in html.partition("<h2>Code")[0]


def test_long_runs_have_their_steps_thinned_and_the_caption_says_so() -> None:
    run, rows = recorded()
    assert drawn((run, rows))["loss"].caption.endswith("Faint: single steps.")
    per_epoch = 5_000
    many = [[step, 1 / step] for step in range(1, per_epoch + 1)]
    one = next(row for row in rows if row.kind == "step")
    rows = [replace(one, event=step(1, per_epoch, many))]
    chart = drawn((run, rows))["loss"]
    (line,) = chart.lines
    assert per_epoch / 4 < len(line.places) <= curves.DRAWN_STEPS
    assert chart.caption.endswith("single steps.")


def test_every_step_is_called_every_step() -> None:
    run, rows = recorded()
    one = next(row for row in rows if row.kind == "step")
    rows = [replace(one, event=step(1, 3, [[1, 2.0], [2, 1.0], [3, 0.5]]))]
    assert drawn((run, rows))["loss"].caption.endswith("every step.")


def test_one_epoch_is_marked_points_on_an_axis_from_0_to_1() -> None:
    charts = drawn(one_epoch())
    assert all([label for _, label in chart.across] == ["0", "1"] for chart in charts.values())
    assert [line.part for line in charts["loss"].lines if line.marked] == ["training", "training", "main", "main"]
    assert charts["loss"].caption.startswith("Large marks: validation. Small: training.")


def test_a_chart_in_words_is_what_the_live_one_says() -> None:
    reported = recorded()
    said = {key: chart.finding.replace(metrics.NO_BREAK, " ") for key, chart in drawn(reported).items()}
    keras, torch = (f"{100 * lane.epochs[-1].val_accuracy:.1f}" for lane in gather(*reported).lanes)
    assert said["val_accuracy"] == f"Validation accuracy by epoch. Keras {keras} %, PyTorch {torch} % after epoch 8."
    assert re.fullmatch(r"Seconds per epoch\. Keras \S+ s, PyTorch \S+ s after epoch 8\.", said["seconds"])
    assert re.fullmatch(r"Images per second\. Keras [\d,]+ images/s, PyTorch .* epoch 8\.", said["throughput"])


def test_lanes_that_got_differently_far_say_how_far() -> None:
    run, rows = cut_off(4, "stopped", "")
    rows = [row for row in rows if not (row.engine == "torch" and getattr(row.event, "epoch", 0) == 4)]
    words = drawn((run, rows))["loss"].finding
    assert re.search(r"Keras [\d.]+ after epoch 4, PyTorch [\d.]+ after epoch 3\.$", words)


def test_a_variant_is_named_at_its_lines_end() -> None:
    charts = drawn(with_lanes("keras", "torch", "torch-tuned"))
    assert [name.words for name in charts["seconds"].names] == ["PyTorch tuned"]


def test_a_run_without_steps_or_epochs_has_no_chart() -> None:
    assert drawn(CASES["failed"]()) == {}
