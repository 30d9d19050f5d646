/* The Draw page's replay: all epochs are here, so that choosing one asks nobody.

   Streamlit calls the default export again at every change of data or theme, with the same parentElement. So everything
   that must live on is kept by parentElement. */

const SVG = "http://www.w3.org/2000/svg";
const MARKS = { keras: "●", torch: "◆", other: "■" };
const COLOURS = { keras: "#3d60d4", torch: "#d3731a", other: "#80858f" };
const DASHES = { keras: "", torch: "7 4", other: "2 3" };
const HEIGHT = 200;
const MARGIN = { left: 48, right: 12, top: 10, bottom: 40 };
const ICONS = { play: "M8 5v14l11-7z", pause: "M7 5h4v14H7zM13 5h4v14h-4z" };
const PLAY_MS = 5000; // for all epochs together, within these:
const SHORTEST_MS = 200;
const LONGEST_MS = 700;

class TrainingReplay {
  constructor(root) {
    this.root = root;
    this.find("slider").addEventListener("input", (event) => {
      this.pause();
      this.choose(Number(event.target.value));
    });
    this.find("play").addEventListener("click", () => (this.timer ? this.pause(true) : this.play()));
    this.resizing = new ResizeObserver(() => this.draw());
    this.resizing.observe(this.find("chart"));
  }

  find(name) {
    return this.root.querySelector(`.training-replay-${name}`);
  }

  show(data) {
    const shown = JSON.stringify(data);
    if (shown === this.shown) return;
    const same = this.data && JSON.stringify(this.data.epochs) === JSON.stringify(data.epochs);
    Object.assign(this, { shown, data });
    const last = data.epochs.length - 1;
    this.find("slider").max = last;
    this.find("first").textContent = data.epochs[0];
    this.find("last").textContent = data.epochs[last];
    this.find("finding").textContent = data.finding;
    this.find("chart").setAttribute("aria-label", `Probability by epoch. ${data.finding}`);
    this.find("legend").replaceChildren(...data.lines.map((line) => this.key(line)));
    this.find("bars").replaceChildren(...data.labels.map((label) => this.row(label)));
    if (!same) this.pause();
    this.draw();
    this.choose(same ? this.place : last);
  }

  // The chosen epoch

  choose(place) {
    const { words, epochs, lanes } = this.data;
    this.place = place;
    this.root.dataset.place = place;
    this.find("slider").value = place;
    this.find("slider").setAttribute("aria-valuetext", `Epoch ${epochs[place]}. ${words[place]}`);
    this.find("words").textContent = words[place];
    this.find("bars").setAttribute("aria-label", `Probabilities of the classes. ${words[place]}`);
    [...this.find("bars").children].forEach((row, at) => {
      lanes.forEach((lane, number) => {
        const share = lane.probabilities[place][at];
        row.querySelectorAll(".training-replay-bar")[number].style.width = `${100 * share}%`;
      });
    });
    this.moveHand();
    requestAnimationFrame(() => setTimeout(() => performance.mark(`duel-replay-${place}`)));
  }

  play() {
    const { length } = this.data.epochs;
    if (this.place >= length - 1) this.choose(0);
    const pace = Math.min(LONGEST_MS, Math.max(SHORTEST_MS, PLAY_MS / length));
    this.timer = setInterval(() => {
      if (!this.root.isConnected) return this.pause();
      this.choose(this.place + 1);
      if (this.place >= this.data.epochs.length - 1) this.pause(true);
    }, pace);
    this.name("Pause", ICONS.pause);
  }

  /** Says where it stands only if somebody let it play there: a slider says that itself. */
  pause(said = false) {
    clearInterval(this.timer);
    this.timer = null;
    this.name("Play", ICONS.play);
    this.find("spoken").textContent = said ? this.data.words[this.place] : "";
  }

  name(label, icon) {
    this.find("play").setAttribute("aria-label", label);
    this.find("icon").setAttribute("d", icon);
  }

  // What is drawn

  key({ lane, row, final }) {
    const { name, framework } = this.data.lanes[lane];
    const entry = element("span", `training-replay-key${final ? "" : " training-replay-thin"}`);
    const sign = element("span", `training-replay-mark training-replay-text-${framework}`, MARKS[framework]);
    entry.append(sign, `${name}: ${this.data.labels[row]}`);
    return entry;
  }

  row(label) {
    const row = element("span", "training-replay-row");
    const bars = element("span", "training-replay-track");
    bars.append(
      ...this.data.lanes.map(({ framework }) => element("span", `training-replay-bar training-replay-fill-${framework}`)),
    );
    row.append(element("span", "training-replay-class", label), bars);
    return row;
  }

  x(place) {
    const { epochs } = this.data;
    const span = Math.max(1, epochs[epochs.length - 1] - epochs[0]);
    return MARGIN.left + ((epochs[place] - epochs[0]) / span) * (this.width - MARGIN.left - MARGIN.right);
  }

  y(share) {
    return MARGIN.top + (1 - share) * (HEIGHT - MARGIN.top - MARGIN.bottom);
  }

  draw() {
    this.width = this.find("chart").clientWidth;
    if (!this.data || this.width < 100) return;
    const svg = drawing("svg", { width: this.width, height: HEIGHT, "aria-hidden": "true" });
    for (const share of [0, 0.5, 1]) {
      const at = this.y(share);
      svg.append(
        drawing("line", { class: "training-replay-grid", x1: MARGIN.left, x2: this.width - MARGIN.right, y1: at, y2: at }),
        text(`${100 * share}\u00a0%`, { x: MARGIN.left - 8, y: at + 4, "text-anchor": "end" }),
      );
    }
    const { epochs } = this.data;
    for (const place of ticks(epochs, this.width)) {
      svg.append(text(epochs[place], { x: this.x(place), y: HEIGHT - MARGIN.bottom + 18, "text-anchor": "middle" }));
    }
    const middle = (MARGIN.left + this.width - MARGIN.right) / 2;
    svg.append(text("epoch", { x: middle, y: HEIGHT - 4, "text-anchor": "middle" }));
    this.hand = drawing("line", { class: "training-replay-hand", y1: MARGIN.top - 6, y2: HEIGHT - MARGIN.bottom });
    // Thin lines below, and PyTorch's dashes over Keras' solid line.
    const lines = [...this.data.lines].sort((one, other) => one.final - other.final || one.lane - other.lane);
    svg.append(this.hand, ...lines.flatMap((line) => this.line(line)));
    this.find("chart").replaceChildren(svg);
    this.moveHand();
  }

  line({ lane, row, final }) {
    const { framework, probabilities } = this.data.lanes[lane];
    const colour = COLOURS[framework] ?? COLOURS.other;
    const points = probabilities.map((after, place) => [this.x(place), this.y(after[row])]);
    const path = points.map(([x, y], place) => `${place ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`).join("");
    const width = final ? 2 : 1.25;
    const stroke = { d: path, fill: "none", stroke: colour, "stroke-width": width, "stroke-dasharray": DASHES[framework] };
    if (points.length > 30) return [drawing("path", stroke)];
    return [drawing("path", stroke), ...points.map(([x, y]) => mark(framework, x, y, colour, final))];
  }

  moveHand() {
    if (!this.hand || this.place === undefined || this.place >= this.data.epochs.length) return;
    const at = this.x(this.place);
    this.hand.setAttribute("x1", at);
    this.hand.setAttribute("x2", at);
  }
}

function element(tag, name, words = "") {
  return Object.assign(document.createElement(tag), { className: name, textContent: words });
}

function drawing(tag, attributes) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

function text(words, attributes) {
  const made = drawing("text", { class: "training-replay-figure", ...attributes });
  made.textContent = words;
  return made;
}

/** A circle, a diamond or a square; open on a thin line. */
function mark(framework, x, y, colour, final) {
  const look = final ? { fill: colour } : { class: "training-replay-open", stroke: colour, "stroke-width": 1.25 };
  const size = final ? 4 : 3;
  if (framework === "keras") return drawing("circle", { cx: x, cy: y, r: size, ...look });
  const turned = framework === "torch" ? { transform: `rotate(45 ${x} ${y})` } : {};
  const side = 1.7 * size;
  return drawing("rect", { x: x - side / 2, y: y - side / 2, width: side, height: side, ...turned, ...look });
}

/** The places whose epochs are named: the first, the last, and as many between them as have room. */
function ticks(epochs, width) {
  const last = epochs.length - 1;
  const every = Math.max(1, Math.ceil((last * 36) / Math.max(1, width - MARGIN.left - MARGIN.right)));
  const places = [...epochs.keys()].filter((place) => place % every === 0 && last - place >= every);
  return last ? [...places, last] : [0];
}

const mounted = new WeakMap(); // parentElement -> replay

export default function trainingReplay({ parentElement, data }) {
  if (!data) return;
  const root = parentElement.querySelector(".training-replay");
  if (mounted.get(parentElement)?.root !== root) mounted.set(parentElement, new TrainingReplay(root));
  mounted.get(parentElement).show(data);
}
