/* The figures of the live charts: what each shows and how it looks. Plotly draws; nothing here knows of a run. */

const NBSP = "\u00a0";
const RAISED = { "-": "⁻", ...Object.fromEntries([..."⁰¹²³⁴⁵⁶⁷⁸⁹"].entries()) };

/** 4.4e-16 as people write it: 4.4 × 10⁻¹⁶. */
function powerOfTen(written) {
  const [number, exponent] = written.split("e");
  const raised = [...String(Number(exponent))].map((character) => RAISED[character]).join("");
  return `${number.replace(/\.0$/, "")}${NBSP}×${NBSP}10${raised}`;
}

// What the axis of a loss would write as 1e-7 (with a minus sign) or 1e+6, to what it shows.
const POWERS = Object.fromEntries(
  [...Array(31).keys()].flatMap((exponent) =>
    [1, 2, 5].flatMap((digit) => [
      [`${digit}e\u2212${exponent}`, powerOfTen(`${digit}e-${exponent}`)],
      [`${digit}e+${exponent}`, powerOfTen(`${digit}e+${exponent}`)],
    ]),
  ),
);

const STYLES = {
  keras: { color: "#3d60d4", symbol: "circle", dash: "solid" },
  torch: { color: "#d3731a", symbol: "diamond", dash: "7px,4px" },
  other: { color: "#80858f", symbol: "square", dash: "2px,3px" },
};
const isNumber = (value) => typeof value === "number" && Number.isFinite(value);

/** A chart's figure of an epoch's row; null where it is no number. */
export const figureOf = (chart, row) => (isNumber(row[chart.figure]) ? chart.scale * row[chart.figure] : null);

/** A figure in words. */
export function say(chart, value) {
  if (!isNumber(value)) return "–";
  if (chart.logarithmic && value >= 1e6) return powerOfTen(value.toExponential(1));
  return (chart.decimals === null ? threeDigits(value) : value.toFixed(chart.decimals)) + chart.unit;
}

/** The same for Plotly. */
const hover = (chart) => (chart.decimals === null ? "%{y:,.3~r}" : `%{y:.${chart.decimals}f}`) + chart.unit;

function yaxisOf(chart) {
  if (chart.logarithmic) return { type: "log", tickformat: "~g", labelalias: POWERS };
  return chart.from_zero ? { rangemode: "tozero", tickformat: ",~f" } : { ticksuffix: chart.unit };
}
const threeDigits = (value) => Number(value.toPrecision(3)).toLocaleString("en-US", { maximumFractionDigits: 6 });

/** What a chart draws, in drawing order: faint steps below, validation on top, PyTorch last in each; variants' names. */
function partsOf(chart, lanes) {
  const parts = chart.logarithmic ? ["steps", "training", "main"] : ["main"];
  const ends = lanes.filter((lane) => lane.open).map((lane) => ({ part: "end", lane }));
  return [...parts.flatMap((part) => lanes.map((lane) => ({ part, lane }))), ...ends];
}

/** A variant's name at its line's end, PyTorch's below it: one point, moved along by `Figure.flush`. */
const endOf = (lane) => ({
  type: "scatter",
  mode: "text",
  x: [null],
  y: [null],
  text: [lane.name],
  textposition: lane.framework === "torch" ? "bottom left" : "top left",
  cliponaxis: false,
  showlegend: false,
  hoverinfo: "skip",
});

function traceOf(chart, { part, lane }, data) {
  if (part === "end") return endOf(lane);
  const style = STYLES[lane.framework] ?? STYLES.other;
  const twin = chart.logarithmic && data.twin;
  const scale = !twin ? 1 : lane.framework === "keras" ? 2 : 1; // a dashed line over a thicker one: two that are one
  const main = part === "main";
  const kind = !chart.logarithmic ? "" : main ? " validation" : " training";
  const width = scale * (part === "steps" ? 1 : part === "training" || lane.open ? 1.25 : 2);
  const dash = part === "steps" && !twin ? "solid" : style.dash;
  const symbol = lane.open ? `${style.symbol}-open` : style.symbol;
  return {
    type: "scatter",
    // Of one epoch there is no line of training: its point has a small mark.
    mode: main || (part === "training" && data.epochs === 1) ? "lines+markers" : "lines",
    // Plotly leaves a trace without any point out of the legend.
    x: main ? [null] : [],
    y: main ? [null] : [],
    name: lane.name,
    showlegend: main,
    opacity: part === "steps" ? 0.45 : 1,
    line: { color: style.color, width, dash },
    marker: { color: style.color, symbol, size: part === "training" ? 5 : twin ? [6, 11][scale - 1] : 8, opacity: 1 },
    hoverinfo: part === "steps" ? "skip" : "all",
    // A template would bring back what is to be skipped.
    hovertemplate: part === "steps" ? "" : `${hover(chart)}<extra>${lane.name}${kind}</extra>`,
  };
}

function layoutOf(chart, data, font) {
  const last = Math.max(data.epochs, 1);
  const first = chart.logarithmic || last === 1 ? 0 : 1; // one epoch is a point at the end of its way from 0 to 1
  const pad = (last - first) * (chart.logarithmic ? 0.02 : 0.04);
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
      range: [first - pad, last + pad],
      tickmode: "linear",
      tick0: dtick === 1 ? 1 : 0,
      dtick,
      title: { text: "epoch", standoff: 6, font: { size: 12 } },
      unifiedhovertitle: { text: "epoch %{x:.0f}" },
      spikethickness: 1,
      spikedash: "solid",
      showgrid: false,
      zeroline: false,
    },
    // Of a logarithmic axis over a good decade Plotly would else name all nine digits.
    yaxis: { ...yaxisOf(chart), nticks: chart.logarithmic ? 3 : 6, zeroline: false, showticklabels: false, automargin: true },
  };
}

const CONFIG = {
  displayModeBar: false,
  doubleClick: "reset",
  showTips: false,
  showAxisDragHandles: false,
  showAxisRangeEntryBoxes: false,
};

/** One plot: made once, then only appended to; what comes before Plotly does is kept for it. */
export class Figure {
  constructor(element) {
    this.element = element;
    this.chart = element.dataset.chart;
    this.waiting = element.parentElement.querySelector(".live-chart-waiting");
    this.hidden = new Set(); // engines that the reader has switched off
  }

  restart(data, lanes) {
    this.data = data;
    this.parts = partsOf(this.about, lanes);
    this.pending = new Map();
    this.filled = false;
    this.waiting.hidden = false;
    this.waiting.textContent = data.ended ? "Loading." : this.waiting.dataset.waiting;
    if (this.Plotly) this.draw(this.Plotly);
  }

  get about() {
    return this.data.charts.find(({ key }) => key === this.chart);
  }

  draw(Plotly) {
    this.Plotly = Plotly;
    const traces = this.parts.map((part) => ({ ...traceOf(this.about, part, this.data), visible: this.visible(part) }));
    const layout = layoutOf(this.about, this.data, getComputedStyle(this.element).fontFamily);
    Plotly.react(this.element, traces, layout, CONFIG);
    this.element.removeAllListeners("plotly_legendclick");
    this.element.on("plotly_legendclick", ({ curveNumber }) => this.toggle(this.parts[curveNumber].lane.engine));
    this.flush();
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

  /** Drops every second point of what is drawn, then of what waits; the next flush shows it. */
  halve(part, engine) {
    const index = this.indexOf(part, engine);
    let offset = 0;
    for (const points of [...(this.Plotly ? [this.element.data[index]] : []), this.pending.get(index)]) {
      const length = points.x.length;
      const keep = (_, place) => (offset + place) % 2 === 0;
      Object.assign(points, { x: points.x.filter(keep), y: points.y.filter(keep) });
      offset += length;
    }
  }

  flush() {
    if (!this.pending.size) return;
    if (!this.Plotly) {
      this.waiting.textContent = "Loading."; // it comes when the chart is near the window
      return;
    }
    this.moveEnds();
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

  /** Puts each variant's name at the newest point of its line; the redraw that follows shows it. */
  moveEnds() {
    this.parts.forEach(({ part, lane }, index) => {
      const points = part === "end" && this.pending.get(this.indexOf("main", lane.engine));
      if (points) Object.assign(this.element.data[index], { x: points.x.slice(-1), y: points.y.slice(-1) });
    });
  }

  dispose() {
    this.resizing?.disconnect();
    this.Plotly?.purge(this.element);
  }
}
