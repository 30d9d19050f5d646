/* The live charts of one run. Fetches the run's rows, appends them to four Plotly figures, speaks each epoch.

   Streamlit calls the default export again at every change of data or theme, with the same parentElement, and
   only the last cleanup at unmount. So everything that must live on is kept by parentElement. */

const FINAL = new Set(["finished", "stopped", "failed", "interrupted"]);
const VISIBLE_MS = 250;
const HIDDEN_MS = 1000;
const LONGEST_BACKOFF_MS = 5000;
const REQUEST_LIMIT_MS = 15000;
const BLOCKED_ANSWERS = 2;
const DRAWN_STEPS = 2000; // per lane: more cost time and cannot be told apart on 500 pixels

const NBSP = "\u00a0";
const STYLES = {
  keras: { color: "#3d60d4", symbol: "circle", dash: "solid" },
  torch: { color: "#d3731a", symbol: "diamond", dash: "7px,4px" },
  other: { color: "#80858f", symbol: "square", dash: "2px,3px" },
};
// `value` reads the figure from an epoch row, `say` puts it in words, `hover` is the same for Plotly.
const CHARTS = {
  val_accuracy: {
    title: "Validation accuracy by epoch",
    value: (row) => percent(row.val_accuracy),
    say: (value, digits) => `${value.toFixed(digits)}${NBSP}%`,
    hover: (digits) => `%{y:.${digits}f}${NBSP}%`,
    yaxis: { ticksuffix: `${NBSP}%` },
  },
  loss: {
    title: "Validation loss by epoch",
    value: (row) => row.val_loss,
    say: (value) => value.toFixed(4),
    hover: () => "%{y:.4f}",
    yaxis: { type: "log", tickformat: "~g" },
  },
  seconds: {
    title: "Seconds per epoch",
    value: (row) => row.train_s,
    say: (value) => `${threeDigits(value)}${NBSP}s`,
    hover: () => `%{y:,.3~r}${NBSP}s`,
    yaxis: { rangemode: "tozero", tickformat: ",~f" },
  },
  throughput: {
    title: "Images per second",
    value: (row) => row.images_per_s,
    say: (value) => threeDigits(value),
    hover: () => `%{y:,.3~r}${NBSP}images/s`,
    yaxis: { rangemode: "tozero", tickformat: ",~f" },
  },
};

const isNumber = (value) => typeof value === "number" && Number.isFinite(value);
const percent = (value) => (isNumber(value) ? 100 * value : null);
const threeDigits = (value) => Number(value.toPrecision(3)).toLocaleString("en-US", { maximumFractionDigits: 6 });

/** A difference in digits, never as an exponent, with two that count. */
function inDigits(value) {
  if (value === 0) return "0";
  return value.toFixed(Math.min(100, Math.max(0, 1 - Math.floor(Math.log10(value)))));
}

/** Plotly, loaded once a page, whichever component asks first. */
function loadPlotly(address) {
  window.duelPlotly ??= new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = new URL(address, document.baseURI);
    script.onload = () => (window.Plotly ? resolve(window.Plotly) : script.onerror());
    script.onerror = () => {
      window.duelPlotly = undefined; // the next one tries again
      script.remove();
      reject(new Error("Plotly did not load"));
    };
    document.head.append(script);
  });
  return window.duelPlotly;
}

// --- Figures ---------------------------------------------------------------------------------------------

/** What a chart draws, in drawing order: faint steps below, validation on top, PyTorch last in each. */
function partsOf(chart, lanes) {
  const parts = chart === "loss" ? ["steps", "training", "main"] : ["main"];
  return parts.flatMap((part) => lanes.map((lane) => ({ part, lane })));
}

function traceOf(chart, { part, lane }, data) {
  const style = STYLES[lane.framework] ?? STYLES.other;
  const twin = chart === "loss" && data.twin;
  const scale = !twin ? 1 : lane.framework === "keras" ? 2 : 1; // a dashed line over a thicker one: two that are one
  const main = part === "main";
  const kind = chart !== "loss" ? "" : main ? " validation" : " training";
  const width = scale * (part === "steps" ? 1 : part === "training" || lane.open ? 1.25 : 2);
  const dash = part === "steps" && !twin ? "solid" : style.dash;
  const symbol = lane.open ? `${style.symbol}-open` : style.symbol;
  return {
    type: "scatter",
    mode: main ? "lines+markers" : "lines",
    x: [],
    y: [],
    name: lane.name,
    showlegend: main,
    opacity: part === "steps" ? 0.45 : 1,
    line: { color: style.color, width, dash },
    marker: { color: style.color, symbol, size: twin ? [6, 11][scale - 1] : 8, opacity: 1 },
    hoverinfo: part === "steps" ? "skip" : "all",
    hovertemplate: `${CHARTS[chart].hover(data.accuracy_digits ?? 1)}<extra>${lane.name}${kind}</extra>`,
  };
}

function layoutOf(chart, data, font) {
  const first = chart === "loss" ? 0 : 1;
  const last = Math.max(data.epochs, 1);
  const pad = Math.max(last - first, 1) * (chart === "loss" ? 0.02 : 0.04);
  const dtick = [1, 2, 5, 10, 20, 50, 100, 200, 500].find((step) => last / step <= 10) ?? Math.ceil(last / 10);
  return {
    height: 260,
    margin: { l: 44, r: 12, t: 30, b: 46 },
    paper_bgcolor: "transparent",
    plot_bgcolor: "transparent",
    font: { family: font, size: 12 },
    showlegend: true,
    legend: { orientation: "h", x: 0, y: 1.02, xanchor: "left", yanchor: "bottom", font: { size: 13 } },
    hovermode: "x unified",
    hoverlabel: { namelength: -1, font: { size: 13 } },
    // A finger scrolls the page; only a mouse draws a zoom box.
    dragmode: matchMedia("(pointer: coarse)").matches ? false : "zoom",
    uirevision: data.run,
    xaxis: {
      range: [first - (last === first ? 0.5 : pad), last + (last === first ? 0.5 : pad)],
      tickmode: "linear",
      tick0: dtick === 1 ? 1 : 0,
      dtick,
      title: { text: "epoch", standoff: 6, font: { size: 12 } },
      unifiedhovertitle: { text: "epoch %{x:.0f}" },
      showgrid: false,
      zeroline: false,
    },
    yaxis: { ...CHARTS[chart].yaxis, nticks: 6, zeroline: false, showticklabels: false, automargin: true },
  };
}

const CONFIG = {
  displayModeBar: false,
  doubleClick: "reset",
  showTips: false,
  showAxisDragHandles: false,
  showAxisRangeEntryBoxes: false,
};

/** One plot: made once, then only appended to. */
class Figure {
  constructor(Plotly, element) {
    this.Plotly = Plotly;
    this.element = element;
    this.chart = element.dataset.chart;
    this.waiting = element.parentElement.querySelector(".live-chart-waiting");
    this.waitingText = this.waiting.textContent;
    this.hidden = new Set(); // engines that the reader has switched off
    this.resizing = new ResizeObserver(() => this.resize());
  }

  restart(data, lanes) {
    this.parts = partsOf(this.chart, lanes);
    this.pending = new Map();
    this.filled = false;
    this.waiting.hidden = false;
    this.waiting.textContent = this.waitingText;
    const traces = this.parts.map((part) => ({ ...traceOf(this.chart, part, data), visible: this.visible(part) }));
    const layout = layoutOf(this.chart, data, getComputedStyle(this.element).fontFamily);
    this.Plotly.react(this.element, traces, layout, CONFIG);
    this.element.removeAllListeners("plotly_legendclick");
    this.element.on("plotly_legendclick", ({ curveNumber }) => this.toggle(this.parts[curveNumber].lane.engine));
    this.width = this.element.offsetWidth;
    this.resizing.observe(this.element);
  }

  /** False keeps Plotly from its own way, which hides one trace where the lane has three. */
  toggle(engine) {
    if (!this.hidden.delete(engine)) this.hidden.add(engine);
    this.Plotly.restyle(this.element, { visible: this.parts.map((part) => this.visible(part)) });
    return false;
  }

  visible({ lane }) {
    return this.hidden.has(lane.engine) ? "legendonly" : true;
  }

  indexOf(part, engine) {
    return this.parts.findIndex((known) => known.part === part && known.lane.engine === engine);
  }

  add(part, engine, x, y) {
    const index = this.indexOf(part, engine);
    if (!this.pending.has(index)) this.pending.set(index, { x: [], y: [] });
    this.pending.get(index).x.push(x);
    this.pending.get(index).y.push(y);
  }

  /** Drops every second point of what is drawn or waits to be. */
  halve(part, engine) {
    const index = this.indexOf(part, engine);
    for (const points of [this.element.data[index], this.pending.get(index)]) {
      if (!points) continue;
      points.x = points.x.filter((_, place) => place % 2 === 0);
      points.y = points.y.filter((_, place) => place % 2 === 0);
    }
  }

  flush() {
    if (!this.pending.size) return;
    const points = [...this.pending.values()];
    const update = { x: points.map((each) => each.x), y: points.map((each) => each.y) };
    const indices = [...this.pending.keys()];
    this.pending = new Map();
    if (!this.filled) {
      this.filled = this.waiting.hidden = true;
      this.element.layout.yaxis.showticklabels = true; // goes along with the redraw below
    }
    this.Plotly.extendTraces(this.element, update, indices);
  }

  resize() {
    const width = this.element.offsetWidth;
    if (!width || width === this.width) return;
    this.width = width;
    this.Plotly.relayout(this.element, { width, autosize: true });
  }

  dispose() {
    this.resizing.disconnect();
    this.Plotly.purge(this.element);
  }
}

// --- One mounted component -------------------------------------------------------------------------------

class LiveChart {
  constructor(parentElement) {
    this.root = parentElement.querySelector(".live-chart");
    this.generation = 0; // counts runs, so that a late answer for an earlier one is dropped
    this.blocked = false;
    this.wake = () => document.hidden || this.pollNow?.();
    document.addEventListener("visibilitychange", this.wake);
    window.addEventListener("online", this.wake);
  }

  find(name) {
    return this.root.querySelector(`.live-chart-${name}`);
  }

  /** Streamlit's call: new functions each time, and data that may or may not be new. */
  receive({ data, setStateValue, setTriggerValue }) {
    if (!data) return;
    Object.assign(this, { data, setStateValue, setTriggerValue });
    const identity = JSON.stringify([data.run, data.epochs, data.twin, data.lanes]);
    if (identity !== this.identity) {
      this.identity = identity;
      this.restart();
    } else if (data.fed && this.ready) {
      this.take(data.fed);
    }
  }

  async restart() {
    const generation = ++this.generation;
    this.stopPolling();
    this.ready = this.final = false;
    this.cursor = this.seq = this.count = this.spokenEpoch = this.difference = 0;
    this.compared = false;
    this.unmatched = new Map();
    this.lanes = new Map(sorted(this.data.lanes).map((lane) => [lane.engine, newLane(lane)]));
    this.find("spoken").textContent = "";
    this.root.classList.toggle("live-chart-is-twin", Boolean(this.data.twin));
    this.note("loading");
    this.words();
    const Plotly = await this.plotly();
    if (generation !== this.generation || !Plotly) return;
    this.figures ??= [...this.root.querySelectorAll(".live-chart-plot")].map((plot) => new Figure(Plotly, plot));
    this.figure = Object.fromEntries(this.figures.map((figure) => [figure.chart, figure]));
    const lanes = [...this.lanes.values()].map((lane) => lane.lane);
    this.figures.forEach((figure) => figure.restart(this.data, lanes));
    this.ready = true;
    if (this.data.fed) this.take(this.data.fed);
    this.poll(generation, VISIBLE_MS);
  }

  async plotly() {
    const load = () => loadPlotly(this.data.plotly_url);
    const Plotly = await load().catch(load).catch(() => null);
    if (!Plotly) {
      this.root.style.display = "none";
      this.setStateValue("route", "no-assets");
    }
    return Plotly;
  }

  // Asking for rows

  async poll(generation, backoff) {
    this.pollNow = null;
    if (this.final || this.blocked) return;
    if (!this.root.isConnected) return this.dispose();
    const answer = await this.fetchRows();
    if (generation !== this.generation) return;
    const lost = answer === "lost";
    this.find("lost").textContent = lost ? "Connection lost, trying again." : "";
    if (answer === "refused") this.refused();
    else if (!lost) {
      this.refusals = 0;
      this.take(answer);
    }
    const next = lost ? Math.min(2 * backoff, LONGEST_BACKOFF_MS) : VISIBLE_MS;
    this.pollNow = () => {
      clearTimeout(this.timer);
      this.poll(generation, next);
    };
    this.timer = setTimeout(this.pollNow, Math.max(next, document.hidden ? HIDDEN_MS : 0));
  }

  /** The answer, "lost" (nobody there, or in trouble), or "refused" (somebody else answered). */
  async fetchRows() {
    this.request = new AbortController();
    const limit = setTimeout(() => this.request.abort(), REQUEST_LIMIT_MS);
    try {
      const address = new URL(`${this.data.rows_url}?after=${this.cursor}`, document.baseURI);
      const response = await fetch(address, { signal: this.request.signal, cache: "no-store" });
      if (response.status >= 500) return "lost";
      if (!response.ok) return "refused";
      const text = await response.text();
      try {
        const answer = JSON.parse(text);
        return Array.isArray(answer?.rows) ? answer : "refused";
      } catch {
        return "refused";
      }
    } catch {
      return "lost";
    } finally {
      clearTimeout(limit);
    }
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
  take({ rows, next, state }) {
    const drawn = [];
    for (const row of rows ?? []) {
      if (!(row.seq > this.seq)) continue;
      this.seq = row.seq;
      this.count += 1;
      const lane = this.lanes.get(row.engine);
      if (!lane) continue;
      if (row.kind === "step") this.takeSteps(lane, row);
      if (row.kind === "epoch") drawn.push(this.takeEpoch(lane, row));
      if (row.kind === "lane") Object.assign(lane, { state: row.state, reason: row.reason });
    }
    this.cursor = Math.max(this.cursor, next ?? this.seq);
    this.figures.forEach((figure) => figure.flush());
    this.words();
    this.speak(state);
    this.note(state);
    markDrawn(drawn);
    if (FINAL.has(state)) this.end(state);
  }

  takeSteps(lane, { epoch, steps_per_epoch: steps, points }) {
    for (const [step, loss] of points ?? []) {
      const place = (epoch - 1) * steps + step;
      if (lane.place && place > lane.place + 1) lane.sampled = true;
      lane.place = place;
      this.compare(lane, `step ${place}`, loss);
      if (lane.skip++ % lane.stride) continue;
      this.figure.loss.add("steps", lane.engine, place / steps, loss);
      if (++lane.drawn > DRAWN_STEPS) this.thin(lane);
    }
  }

  thin(lane) {
    this.figure.loss.flush(); // so that halving sees one array
    this.figure.loss.halve("steps", lane.engine);
    Object.assign(lane, { drawn: Math.ceil(lane.drawn / 2), stride: 2 * lane.stride, skip: 1, sampled: true });
  }

  takeEpoch(lane, row) {
    lane.epochs.set(row.epoch, row);
    for (const [chart, { value }] of Object.entries(CHARTS)) {
      this.figure[chart].add("main", lane.engine, row.epoch, value(row));
    }
    this.figure.loss.add("training", lane.engine, row.epoch, row.train_loss);
    this.compare(lane, `training ${row.epoch}`, row.train_loss);
    this.compare(lane, `validation ${row.epoch}`, row.val_loss);
    return `duel-row-${lane.engine}-${row.epoch}`;
  }

  /** In a twin: the largest difference of what both lanes have. */
  compare(lane, point, loss) {
    if (!this.data.twin || !isNumber(loss)) return;
    const other = this.unmatched.get(point);
    if (other && other.engine !== lane.engine) {
      this.compared = true;
      this.difference = Math.max(this.difference, Math.abs(other.loss - loss));
      this.unmatched.delete(point);
    } else {
      this.unmatched.set(point, { engine: lane.engine, loss });
    }
  }

  end(state) {
    if (this.final) return;
    this.final = true;
    this.stopPolling();
    if (!this.data.ended) this.setTriggerValue("ended", state);
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
    const sampled = [...this.lanes.values()].some((lane) => lane.sampled);
    const steps = sampled ? "single steps" : "every step";
    setText(this.find("caption"), `Thick with markers: validation. Thin: training. Faint: ${steps}.`);
    this.find("twin").hidden = !this.data.twin;
    if (this.data.twin) this.twinSentence();
  }

  twinSentence() {
    const digits = Object.assign(document.createElement("strong"), { className: "live-chart-twin-digits" });
    digits.textContent = this.compared ? inDigits(this.difference) : "–";
    const name = Object.assign(document.createElement("strong"), { textContent: "Exact twin." });
    const sentence = [name, " Largest difference of the two loss curves: ", digits];
    const text = sentence.map((part) => part.textContent ?? part).join("");
    if (this.find("twin").textContent !== text) this.find("twin").replaceChildren(...sentence);
  }

  /** A chart in words: "Validation accuracy by epoch. Keras 98.6 %, PyTorch 98.5 % after epoch 5." */
  finding(chart) {
    const { title } = CHARTS[chart];
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
    const value = CHARTS[chart].value(lane.epochs.get(epoch));
    return `${lane.lane.name} ${isNumber(value) ? CHARTS[chart].say(value, this.data.accuracy_digits ?? 1) : "–"}`;
  }

  /** For screen readers: each epoch that all lanes under way have ended, a lane's fault, the run's end. */
  speak(state) {
    if (this.final || this.data.ended) return;
    const lanes = [...this.lanes.values()];
    const sentences = lanes.filter((lane) => lane.state === "failed" && !lane.said).map((lane) => {
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
    this.generation += 1;
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

/** Performance marks for the tests, once the frame with these rows has been painted. */
function markDrawn(names) {
  if (names.length) requestAnimationFrame(() => setTimeout(() => names.forEach((name) => performance.mark(name))));
}

const mounted = new WeakMap();

export default function liveChart(component) {
  const { parentElement } = component;
  if (!mounted.has(parentElement)) mounted.set(parentElement, new LiveChart(parentElement));
  const chart = mounted.get(parentElement);
  chart.receive(component);
  return () => {
    // Streamlit also cleans up a call that a newer one overtook: only a root that has left the page is the end.
    if (parentElement.isConnected) return;
    chart.dispose();
    mounted.delete(parentElement);
  };
}
