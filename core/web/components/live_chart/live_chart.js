/* The live charts of one run. Fetches the run's rows, appends them to four figures, speaks each epoch. The charts of a
   run that has ended can be drawn again as they grew.

   Streamlit calls the default export again at every change of data or theme, with the same parentElement, and
   only the last cleanup at unmount. So everything that must live on is kept by parentElement. */

// With this file's own ?v=, so that all match and each may be cached for good.
const own = (name) => import(new URL(name + new URL(import.meta.url).search, import.meta.url));
const [
  { Figure, figureOf, say },
  { bytesAreDear, fetchJson, followWidth, markDrawn, plotlyWhenNear },
  { Replay },
] = await Promise.all([own("live_figure.js"), own("figure.js"), own("live_replay.js")]);

const FINAL = new Set(["finished", "stopped", "failed", "interrupted"]);
const VISIBLE_MS = 250;
const SPARING_MS = 1000;
const LONGEST_BACKOFF_MS = 5000;
const BLOCKED_ANSWERS = 2;
const DRAWN_STEPS = 2000; // per lane: more cost time and cannot be told apart on 500 pixels

// --- One mounted component -------------------------------------------------------------------------------

class LiveChart {
  constructor(parentElement) {
    this.root = parentElement.querySelector(".live-chart");
    this.generation = 0; // counts runs, so that a late answer for an earlier one is dropped
    this.blocked = this.disposed = false;
    this.replay = new Replay(this);
    this.wake = () => document.hidden || this.pollNow?.();
    document.addEventListener("visibilitychange", this.wake);
    window.addEventListener("online", this.wake);
  }

  find(name) {
    return this.root.querySelector(`.live-chart-${name}`);
  }

  /** Streamlit's call: new functions each time, and data that may or may not be new. */
  receive({ data, setStateValue, setTriggerValue }) {
    Object.assign(this, { data, setStateValue, setTriggerValue });
    const identity = JSON.stringify([data.run, data.epochs, data.twin, data.lanes, data.replay]);
    if (identity !== this.identity) {
      this.identity = identity;
      this.restart();
      return;
    }
    if (data.fed && this.ready) this.take(data.fed);
    if (this.final && data.ended && !this.replay.offered) this.offerReplay(); // its end was seen, and now the page shows it
  }

  restart() {
    const generation = ++this.generation;
    this.stopPolling();
    this.ready = this.final = false;
    this.heard = !this.data.ended; // its end is news to who is here
    this.cursor = this.seq = this.count = this.spokenEpoch = 0;
    this.twin = null;
    this.rows = []; // what a replay draws again
    this.charts = Object.fromEntries(this.data.charts.map((chart) => [chart.key, chart]));
    this.replay.offer(false);
    this.find("spoken").textContent = "";
    this.root.classList.toggle("live-chart-is-twin", Boolean(this.data.twin));
    this.note("loading");
    this.figures ??= [...this.root.querySelectorAll(".live-chart-plot")].map((plot) => this.figureIn(plot));
    this.figure = Object.fromEntries(this.figures.map((figure) => [figure.chart, figure]));
    this.clear();
    this.ready = true;
    if (this.data.fed) this.take(this.data.fed);
    this.poll(generation, VISIBLE_MS);
  }

  /** Figures and words as before the first row. */
  clear() {
    this.lanes = new Map(sorted(this.data.lanes).map((lane) => [lane.engine, newLane(lane)]));
    const lanes = [...this.lanes.values()].map((lane) => lane.lane);
    this.figures.forEach((figure) => figure.restart(this.data, lanes));
    this.words();
  }

  /** A figure takes all rows at once, and is drawn when it comes near the window. */
  figureIn(plot) {
    const figure = new Figure(plot);
    plotlyWhenNear(plot, this.data.plotly_url).then((Plotly) => {
      if (!Plotly) return this.withoutPlotly();
      figure.draw(Plotly);
      figure.resizing = followWidth(Plotly, plot);
      this.replay.mayBegin();
    });
    return figure;
  }

  withoutPlotly() {
    this.blocked = true;
    this.stopPolling();
    this.root.style.display = "none";
    this.setStateValue("route", "no-assets");
  }

  // Asking for rows

  async poll(generation, backoff) {
    this.pollNow = null;
    if (this.final || this.blocked) return;
    if (document.hidden) {
      this.pollNow = () => this.poll(generation, backoff);
      return;
    }
    if (!this.root.isConnected) park(this);
    const answer = this.root.isConnected ? await this.fetchRows() : { rows: [], state: this.root.dataset.state };
    if (generation !== this.generation) return;
    const lost = answer === "lost";
    this.find("lost").textContent = lost ? "Connection lost, trying again." : "";
    if (answer === "refused") this.refused();
    else if (!lost) {
      this.refusals = 0;
      this.take(answer);
    }
    const next = lost ? Math.min(2 * backoff, LONGEST_BACKOFF_MS) : Math.max(VISIBLE_MS, answer.again_ms ?? 0);
    this.pollNow = () => {
      clearTimeout(this.timer);
      this.poll(generation, next);
    };
    this.timer = setTimeout(this.pollNow, Math.max(next, bytesAreDear() ? SPARING_MS : 0));
  }

  /** The answer, "lost" (nobody there, or in trouble), or "refused" (somebody else answered). */
  async fetchRows() {
    this.request = new AbortController();
    const answer = await fetchJson(`${this.data.rows_url}?after=${this.cursor}`, this.request);
    return answer === "lost" || Array.isArray(answer?.rows) ? answer : "refused";
  }

  refused() {
    this.refusals = (this.refusals ?? 0) + 1;
    if (this.refusals < BLOCKED_ANSWERS) return;
    this.blocked = true;
    this.setStateValue("route", "blocked");
  }

  stopPolling() {
    clearTimeout(this.timer);
    this.request?.abort();
  }

  // Rows

  /** Takes rows from the route or from the page; those seen already are skipped by their seq. */
  take({ rows, next, state, twin }) {
    const drawn = [];
    for (const row of rows ?? []) {
      if (!(row.seq > this.seq)) continue;
      this.seq = row.seq;
      this.count += 1;
      const lane = this.lanes.get(row.engine);
      if (!lane) continue;
      if (row.kind === "lane") Object.assign(lane, { state: row.state, reason: row.reason });
      else this.rows.push(row);
      drawn.push(...this.takeRow(row));
    }
    this.cursor = Math.max(this.cursor, next ?? this.seq);
    this.twin = twin ?? this.twin;
    this.figures.forEach((figure) => figure.flush());
    this.words();
    this.speak(state);
    this.note(state);
    if (this.figures.every((figure) => figure.Plotly)) markDrawn(drawn);
    if (FINAL.has(state)) this.end(state);
  }

  /** Adds what a row says to the figures; the mark of an epoch that is then drawn. */
  takeRow(row) {
    const lane = this.lanes.get(row.engine);
    if (row.kind === "step") this.takeSteps(lane, row);
    return row.kind === "epoch" ? [this.takeEpoch(lane, row)] : [];
  }

  takeSteps(lane, { epoch, steps_per_epoch: steps, points }) {
    for (const [step, loss] of points ?? []) {
      const place = (epoch - 1) * steps + step;
      if (lane.place && place > lane.place + 1) lane.sampled = true;
      lane.place = place;
      if (lane.skip++ % lane.stride) continue;
      this.figure.loss.add("steps", lane.engine, place / steps, loss);
      if (++lane.drawn > DRAWN_STEPS) this.thin(lane);
    }
  }

  thin(lane) {
    this.figure.loss.halve("steps", lane.engine);
    Object.assign(lane, { drawn: Math.ceil(lane.drawn / 2), stride: 2 * lane.stride, skip: 1, sampled: true });
  }

  takeEpoch(lane, row) {
    lane.epochs.set(row.epoch, row);
    for (const chart of this.data.charts) {
      this.figure[chart.key].add("main", lane.engine, row.epoch, figureOf(chart, row));
    }
    this.figure.loss.add("training", lane.engine, row.epoch, row.train_loss);
    return `duel-row-${lane.engine}-${row.epoch}`;
  }

  end(state) {
    if (this.final) return;
    this.final = true;
    this.stopPolling();
    if (!this.data.ended) this.setTriggerValue("ended", state);
    this.offerReplay();
  }

  offerReplay() {
    this.replay.offer(this.data.ended && this.rows.length > 0);
  }

  // Words

  note(state) {
    this.root.dataset.rows = this.count;
    this.root.dataset.state = state;
    if (this.count || !FINAL.has(state)) return;
    this.figures?.forEach((figure) => (figure.waiting.textContent = "Nothing was recorded."));
  }

  words() {
    for (const plot of this.root.querySelectorAll(".live-chart-plot")) {
      setAttribute(plot, "aria-label", this.finding(plot.dataset.chart));
    }
    const lanes = [...this.lanes.values()];
    const sampled = lanes.some((lane) => lane.sampled);
    const steps = sampled ? "single steps" : "every step";
    const which =
      this.data.epochs === 1
        ? "Large marks: validation. Small: training."
        : "Thick with markers: validation. Thin: training.";
    // A run that came with a study has the figures of its epochs alone.
    const without = lanes.some((lane) => lane.epochs.size) && !lanes.some((lane) => lane.place);
    setText(this.find("caption"), without ? which : `${which} Faint: ${steps}.`);
    this.find("twin").hidden = !this.data.twin;
    if (this.data.twin) this.twinSentence();
  }

  twinSentence() {
    const digits = Object.assign(document.createElement("strong"), { className: "live-chart-twin-digits" });
    const [difference, meaning] = this.twin ?? ["–", ""];
    digits.textContent = difference;
    const name = Object.assign(document.createElement("strong"), { textContent: "Exact twin." });
    const sentence = [name, " Largest difference of the two loss curves: ", digits];
    if (meaning) sentence.push(`. ${meaning}`);
    const text = sentence.map((part) => part.textContent ?? part).join("");
    if (this.find("twin").textContent !== text) this.find("twin").replaceChildren(...sentence);
  }

  /** A chart in words: "Validation accuracy by epoch. Keras 98.6 %, PyTorch 98.5 % after epoch 5." */
  finding(chart) {
    const { title } = this.charts[chart];
    const lanes = [...this.lanes.values()].filter((lane) => lane.epochs.size);
    if (!lanes.length) return `${title}. No epoch has ended yet.`;
    const lasts = lanes.map((lane) => Math.max(...lane.epochs.keys()));
    const together = lasts.every((last) => last === lasts[0]);
    const parts = lanes.map((lane, place) => {
      const figure = this.figureInWords(chart, lane, lasts[place]);
      return together ? figure : `${figure} after epoch ${lasts[place]}`;
    });
    return `${title}. ${parts.join(", ")}${together ? ` after epoch ${lasts[0]}` : ""}.`;
  }

  figureInWords(chart, lane, epoch) {
    return `${lane.lane.name} ${say(this.charts[chart], figureOf(this.charts[chart], lane.epochs.get(epoch)))}`;
  }

  /** For screen readers: each epoch that all lanes under way have ended, a lane's fault, the run's end. */
  speak(state) {
    if (this.final || !this.heard) return;
    const lanes = [...this.lanes.values()];
    // At the end the page's own alert says why.
    const failed = FINAL.has(state) ? [] : lanes.filter((lane) => lane.state === "failed" && !lane.said);
    const sentences = failed.map((lane) => {
      lane.said = true;
      return `${lane.lane.name} failed${lane.reason ? `: ${lane.reason}` : "."}`;
    });
    const underWay = lanes.filter((lane) => !FINAL.has(lane.state));
    const epoch = Math.min(...(underWay.length ? underWay : lanes).map((lane) => Math.max(0, ...lane.epochs.keys())));
    if (FINAL.has(state)) {
      sentences.push(`The run has ended: ${state}.`, this.finding("val_accuracy"));
    } else if (Number.isFinite(epoch) && epoch > this.spokenEpoch) {
      this.spokenEpoch = epoch;
      const figures = lanes.filter((lane) => lane.epochs.has(epoch));
      const words = figures.map((lane) => this.figureInWords("val_accuracy", lane, epoch));
      sentences.push(`Epoch ${epoch} of ${this.data.epochs}: ${words.join(", ")}.`);
    }
    if (sentences.length) setText(this.find("spoken"), sentences.join(" "));
  }

  dispose() {
    this.disposed = true;
    this.generation += 1;
    this.replay.stop();
    this.stopPolling();
    document.removeEventListener("visibilitychange", this.wake);
    window.removeEventListener("online", this.wake);
    this.figures?.forEach((figure) => figure.dispose());
  }
}

const newLane = (lane) => ({ lane, engine: lane.engine, epochs: new Map(), skip: 0, stride: 1, drawn: 0, place: 0 });

/** PyTorch is drawn last: its dashes over Keras' solid line show two curves that are one. */
function sorted(lanes) {
  const rank = { keras: 0, other: 1, torch: 2 };
  return [...(lanes ?? [])].sort((a, b) => (rank[a.framework] ?? 1) - (rank[b.framework] ?? 1));
}

function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function setAttribute(element, name, value) {
  if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}

// --- Streamlit's side ------------------------------------------------------------------------------------

const mounted = new WeakMap(); // parentElement -> chart
const parked = new Map(); // run -> chart whose root has just left the page
const PARKED_MS = 2000;

/** Streamlit remounts what an element inserted above has moved: the charts then go on in the new place. */
function park(chart) {
  const { run } = chart.data;
  if (parked.get(run) === chart) return;
  parked.set(run, chart);
  setTimeout(() => {
    if (parked.get(run) !== chart) return;
    parked.delete(run);
    if (!chart.root.isConnected) chart.dispose(); // else it was put back where it had been
  }, PARKED_MS);
}

function mount(parentElement, run) {
  const chart = parked.get(run);
  if (!chart) return new LiveChart(parentElement);
  parked.delete(run);
  parentElement.querySelector(".live-chart").replaceWith(chart.root);
  return chart;
}

export default function liveChart(component) {
  const { parentElement, data } = component;
  if (!data) return;
  if (mounted.get(parentElement)?.disposed ?? true) mounted.set(parentElement, mount(parentElement, data.run));
  const chart = mounted.get(parentElement);
  chart.receive(component);
  return () => {
    // Streamlit also cleans up a call that a newer one overtook: only a root that has left the page is the end.
    if (!chart.root.isConnected) park(chart);
  };
}
