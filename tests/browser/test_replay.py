"""One real training, replayed: how both answers to a drawing grew, and the run on its own charts."""

import statistics

from playwright.sync_api import Page, expect

from tests.browser.conftest import CHARTS, STORY_S, OpenVisitor, Server, points, run_started, start_button, wait_for
from tests.browser.test_draw import CANVAS, EXAMPLE, PAD, PLACES, answered, draw
from tests.strokes import PATHS

EPOCHS = 3
REPLAY = "[data-testid=training-replay]"
WIDTHS = "(bars) => bars.map((bar) => Number.parseFloat(bar.style.width))"
PRESSES = """async (keys) => {
  const slider = document.querySelector(".training-replay-slider");
  const replay = slider.closest("[data-testid=training-replay]");
  const taken = [];
  for (const place of keys) {
    performance.clearMarks(`duel-replay-${place}`);
    const began = performance.now();
    slider.value = place;
    slider.dispatchEvent(new Event("input", { bubbles: true }));
    while (!performance.getEntriesByName(`duel-replay-${place}`).length) await new Promise((go) => setTimeout(go, 1));
    taken.push(performance.getEntriesByName(`duel-replay-${place}`)[0].startTime - began);
  }
  return taken;
}"""
"""Milliseconds from each choice of an epoch until its frame was painted."""


def place(page: Page) -> str:
    return page.locator(REPLAY).get_attribute("data-place") or ""


def test_a_training_is_replayed_for_a_drawing_and_on_its_own_charts(server: Server, visit: OpenVisitor) -> None:
    visitor = visit()
    page = visitor.open(epochs=EPOCHS, batch_size=180)
    start_button(page).click()
    run_id = run_started(page, server)
    expect(page.get_by_role("heading", name="Result in figures")).to_be_visible(timeout=STORY_S * 1000)
    replays_its_charts(page)
    replays_the_answers(visitor.open("draw", run=run_id))


def replays_its_charts(page: Page) -> None:
    """The run's own charts are emptied and grow again, by a press of a key."""
    again = page.locator(f"{CHARTS} .live-chart-again")
    expect(again).to_have_text("Replay")
    again.scroll_into_view_if_needed()
    wait_for("the charts are whole", lambda: min(points(page, "val_accuracy")) == EPOCHS, page=page)
    whole = points(page, "loss")
    again.focus()
    page.keyboard.press("Enter")
    expect(page.locator(f"{CHARTS} .live-chart-replayed")).to_have_text(
        "This is a replay, 2 times as fast as the run was."
    )
    wait_for("they grow", lambda: 0 < sum(points(page, "loss")) < sum(whole), page=page)
    page.keyboard.press("Enter")
    expect(again).to_have_text("Replay")
    assert points(page, "loss") == whole, "its end can be had at once"
    again.click()
    wait_for("it has ended by itself", lambda: again.inner_text() == "Replay", STORY_S, page)
    assert points(page, "loss") == whole


def replays_the_answers(page: Page) -> None:
    """Slider and play, by keyboard; the last epoch is what the pad shows."""
    expect(page.locator(CANVAS)).to_be_visible()
    wait_for("both models are loaded", lambda: EXAMPLE in page.locator(PAD).inner_text(), 90, page)
    draw(page, PATHS[7], PLACES[0])
    answered(page)
    page.get_by_text("Replay the training").click()
    slider = page.get_by_role("slider", name="Epoch")
    expect(page.locator(REPLAY)).to_have_attribute("data-place", str(EPOCHS))
    pad, shown = f"{PAD} .digit-pad-bar", f"{REPLAY} .training-replay-bar"
    answers, last = page.locator(pad).evaluate_all(WIDTHS), page.locator(shown).evaluate_all(WIDTHS)
    assert len(last) == len(answers) == 20
    assert max(abs(one - other) for one, other in zip(last, answers, strict=True)) < 0.1
    slider.focus()
    page.keyboard.press("Home")
    expect(page.locator(f"{REPLAY} .training-replay-words")).to_contain_text("Before the first epoch Keras reads")
    assert page.locator(shown).evaluate_all(WIDTHS) != last
    page.keyboard.press("ArrowRight")
    expect(slider).to_have_attribute(
        "aria-valuetext", "Epoch 1. " + page.locator(f"{REPLAY} .training-replay-words").inner_text()
    )
    taken = page.evaluate(PRESSES, [number % (EPOCHS + 1) for number in range(40)])
    print(f"from choosing an epoch to pixels: p95 {statistics.quantiles(taken, n=20)[-1]:.0f} ms")
    assert statistics.quantiles(taken, n=20)[-1] <= 400
    play = page.get_by_role("button", name="Play")
    page.keyboard.press("Home")
    play.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Pause")).to_be_focused()
    wait_for("it has played to the end", lambda: place(page) == str(EPOCHS), page=page)
    expect(play).to_be_focused()
    expect(page.locator(f"{REPLAY} .training-replay-spoken")).to_contain_text(f"After epoch {EPOCHS} Keras reads")
