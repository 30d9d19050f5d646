/* A run that has ended, drawn again on its own charts at many times its pace, by the rows that are there. */

const SECONDS = 12; // at most so long, however long the run was
const SLOWEST = 2; // times the run's pace
const TICK_MS = 100;
const STILL_MS = 1000; // where motion shall be reduced
const STILL = matchMedia("(prefers-reduced-motion: reduce)");

/**
 * Each row with the second of training at which it was there, in this order. Rows have no clock: a lane's epochs follow
 * each other, each takes the seconds that it says, and its steps share these evenly. Lanes that took turns share one
 * clock.
 */
function timed(rows, turns) {
  const seconds = new Map(rows.filter(({ kind }) => kind === "epoch").map((row) => [epochOf(row), row.train_s]));
  const begun = new Map();
  const clocks = new Map();
  const found = rows.map((row) => {
    const clock = turns ? "" : row.engine;
    const epoch = epochOf(row);
    if (!begun.has(epoch)) begun.set(epoch, clocks.get(clock) ?? 0);
    const share = row.kind === "epoch" ? 1 : (row.points?.at(-1)?.[0] ?? 0) / row.steps_per_epoch;
    const at = begun.get(epoch) + (seconds.get(epoch) ?? 1) * share; // of an epoch that was cut short nobody knows
    clocks.set(clock, Math.max(at, clocks.get(clock) ?? 0));
    return { at, row };
  });
  return found.sort((one, other) => one.at - other.at);
}

const epochOf = ({ engine, epoch }) => `${engine} ${epoch}`;

/** The button and the words over the charts, and what the charts draw after it was pressed. */
export class Replay {
  constructor(charts) {
    this.charts = charts;
    charts.find("again").addEventListener("click", () => (this.left ? this.finish() : this.begin()));
  }

  /** Whether there is something to replay; a run that is shown as ended keeps the room for it. */
  offer(offered) {
    this.stop();
    const { charts } = this;
    this.offered = offered;
    this.begun = false;
    charts.find("replay").hidden = !charts.data.ended;
    charts.find("again").style.visibility = offered ? "" : "hidden";
    this.say("Replay", "");
    this.mayBegin();
  }

  /** Begins by itself where it shall, once there is a figure to see. */
  mayBegin() {
    const { charts } = this;
    if (this.offered && charts.data.replay && !this.begun && !STILL.matches && charts.figures.some(({ Plotly }) => Plotly)) {
      this.begin();
    }
  }

  begin() {
    const { charts } = this;
    this.begun = true;
    this.left = timed(charts.rows, charts.data.turns);
    const pace = Math.max(SLOWEST, Math.ceil(this.left.at(-1).at / SECONDS));
    charts.clear();
    this.say("Show the end", `This is a replay, ${pace} times as fast as the run was.`);
    const began = performance.now();
    const next = () => {
      if (charts.root.isConnected) {
        const until = (pace * (performance.now() - began)) / 1000;
        const later = this.left.findIndex(({ at }) => at > until);
        this.draw(later < 0 ? this.left.length : later);
      } // else it is moved to another place of the page
      if (this.left) this.timer = setTimeout(next, STILL.matches ? STILL_MS : TICK_MS);
    };
    next();
  }

  /** Draws so many of the rows that are left. */
  draw(count) {
    const { charts } = this;
    const rows = this.left.splice(0, count).map(({ row }) => row);
    rows.forEach((row) => charts.takeRow(row));
    charts.figures.forEach((figure) => figure.flush());
    charts.words();
    if (rows.length) charts.find("reached").textContent = `Epoch ${rows.at(-1).epoch} of ${charts.data.epochs}.`;
    if (this.left.length) return;
    this.stop();
    this.say("Replay", "The replay has ended.");
  }

  finish() {
    clearTimeout(this.timer);
    if (this.left) this.draw(this.left.length);
  }

  stop() {
    clearTimeout(this.timer);
    this.left = null;
  }

  say(button, words) {
    const { charts } = this;
    charts.find("again").textContent = button;
    charts.find("replayed").textContent = words;
    charts.find("reached").textContent = "";
  }
}
