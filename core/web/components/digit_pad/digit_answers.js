/* What the Draw page's component shows beside its pad: answers, the models' input, and the test images. */

const MARKS = { keras: "●", torch: "◆", other: "■" };
const PIXELS = 28;
const DRAWN = "28 × 28, cut to the ink and centred by mass.";
const SAMPLE = "A test image, as it is.";

/** How a class is called: "digit 7", or its own name. */
export function className(data, label) {
  const name = data.classes[label] ?? String(label);
  return /^\d$/.test(name) ? `digit ${name}` : name;
}

// --- Pictures --------------------------------------------------------------------------------------------

/** Base64 of 28 x 28 grey bytes as pixels; black for none, and where bytes are missing. */
function pixels(base64) {
  const bytes = base64 ? atob(base64) : "";
  const image = new ImageData(PIXELS, PIXELS);
  for (let place = 0; place < PIXELS * PIXELS; place += 1) {
    image.data.fill(bytes.charCodeAt(place) || 0, 4 * place, 4 * place + 3);
    image.data[4 * place + 3] = 255;
  }
  return image;
}

function showPixels(canvas, base64) {
  canvas.getContext("2d").putImageData(pixels(base64), 0, 0);
}

/** The same on the pad: enlarged, not smoothed, since this is all there is. */
export function drawPicture(context, base64, size) {
  const small = Object.assign(document.createElement("canvas"), { width: PIXELS, height: PIXELS });
  showPixels(small, base64);
  context.imageSmoothingEnabled = false;
  context.drawImage(small, 0, 0, size, size);
}

// --- Answers ---------------------------------------------------------------------------------------------

export class Answers {
  constructor(root) {
    this.root = root;
    showPixels(this.find("seen"), null);
  }

  find(name) {
    return this.root.querySelector(`.digit-pad-${name}`);
  }

  show(data) {
    const layout = JSON.stringify([data.classes, data.lanes.map(({ name, framework }) => [name, framework])]);
    if (layout !== this.layout) {
      this.layout = layout;
      this.build(data);
    }
    const answers = !data.hint && data.lanes.some((lane) => lane.probabilities);
    this.words(data);
    this.bars(data, answers);
    this.seen(data);
    this.note(data, answers);
  }

  build({ classes, lanes }) {
    this.root.classList.toggle("digit-pad-long", classes.some((name) => name.length > 2));
    this.find("legend").replaceChildren(...lanes.map(key), element("span", "digit-pad-unit", "Probability in %"));
    const rows = classes.map((name, label) => row(name, label, lanes));
    const grid = element("span", "digit-pad-lines");
    grid.append(...[0, 25, 50, 75, 100].map(tick));
    this.find("chart").replaceChildren(grid, ...rows.flat());
    this.find("tops").replaceChildren(...lanes.map(top));
  }

  words({ hint, fault, headline, detail }) {
    setText(this.find("headline"), hint ? "" : headline);
    setText(this.find("detail"), hint ? "" : detail);
    setText(this.find("hint"), hint);
    this.find("hint").classList.toggle("digit-pad-fault", fault);
  }

  bars({ classes, lanes, headline }, answers) {
    const drawn = this.find("chart").querySelectorAll(".digit-pad-bars");
    const tops = this.find("tops").children;
    lanes.forEach(({ probabilities, tops: text }, place) => {
      const shown = (answers && probabilities) || [];
      drawn.forEach((bars, label) => (bars.children[place].style.width = `${100 * (shown[label] ?? 0)}%`));
      const best = shown.length ? classes[shown.indexOf(Math.max(...shown))] : "";
      sayTop(tops[place], shown.length ? text : "–", best);
    });
    const finding = answers ? headline : "No answer yet.";
    this.find("chart").setAttribute("aria-label", `Probabilities of the ten classes. ${finding}`);
  }

  seen({ seen, sample }) {
    if (seen !== this.pixels) showPixels(this.find("seen"), seen);
    this.pixels = seen;
    setText(this.find("how"), sample === null ? DRAWN : SAMPLE);
    const what = seen ? "28 by 28 pixels, the input of both models." : "Nothing yet.";
    this.find("seen").setAttribute("aria-label", what);
  }

  /** For tests: whose answers stand here, and a performance mark once the frame that shows them was painted. */
  note({ serial }, answers) {
    const answered = answers ? String(serial) : "";
    if (answered === this.root.dataset.answered) return;
    this.root.dataset.answered = answered;
    if (answers) requestAnimationFrame(() => setTimeout(() => performance.mark(`duel-answer-${serial}`)));
  }
}

function element(tag, name, text = "") {
  return Object.assign(document.createElement(tag), { className: name, textContent: text });
}

function setText(target, text) {
  if (target.textContent !== text) target.textContent = text;
}

function key({ name, framework }) {
  const entry = element("span", "digit-pad-key", name);
  entry.prepend(element("span", `digit-pad-swatch digit-pad-fill-${framework}`));
  return entry;
}

function row(name, label, lanes) {
  const bars = element("span", "digit-pad-bars");
  bars.append(...lanes.map(({ framework }) => element("span", `digit-pad-bar digit-pad-fill-${framework}`)));
  const cells = [element("span", "digit-pad-class", name), bars];
  cells.forEach((cell) => (cell.style.gridRow = label + 1));
  return cells;
}

/** A line of the grid and its figure below. */
function tick(at) {
  const mark = element("span", "digit-pad-tick");
  mark.style.left = `${at}%`;
  mark.append(element("span", "digit-pad-figure", at));
  return mark;
}

function top({ name, framework }) {
  const sentence = element("p", "digit-pad-top");
  const mark = element("span", `digit-pad-mark digit-pad-text-${framework}`, MARKS[framework] ?? MARKS.other);
  mark.setAttribute("aria-hidden", "true");
  sentence.append(mark, `${name}: `, element("strong", "digit-pad-best"), element("span", "digit-pad-rest"));
  return sentence;
}

/** "7 97.2 %, 1 1.2 %": the class that leads is bold. */
function sayTop(sentence, text, best) {
  const bold = best && text.startsWith(best) ? best : "";
  setText(sentence.querySelector(".digit-pad-best"), bold);
  setText(sentence.querySelector(".digit-pad-rest"), text.slice(bold.length));
}

// --- Test images -----------------------------------------------------------------------------------------

const STEPS = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };

/** A radio group: one of its buttons can be tabbed to, arrows move and choose. */
export class Samples {
  constructor(root, onChoice) {
    this.section = root.querySelector(".digit-pad-instead");
    this.group = root.querySelector(".digit-pad-samples");
    this.onChoice = onChoice;
    this.group.addEventListener("click", (event) => this.take(event.target.closest(".digit-pad-sample")));
    this.group.addEventListener("keydown", (event) => this.move(event));
  }

  get buttons() {
    return [...this.group.children];
  }

  show(data) {
    const shown = JSON.stringify([data.samples, data.classes]);
    if (shown === this.shown) return;
    this.shown = shown;
    this.section.hidden = !data.samples.length;
    this.group.replaceChildren(...data.samples.map((sample) => button(sample, className(data, sample.label))));
  }

  choose(index) {
    const chosen = this.buttons.find((each) => Number(each.value) === index) ?? null;
    this.buttons.forEach((each, place) => {
      each.setAttribute("aria-checked", each === chosen);
      each.tabIndex = each === chosen || (!chosen && place === 0) ? 0 : -1;
    });
  }

  take(target) {
    if (target && target.ariaChecked !== "true") this.onChoice(Number(target.value));
  }

  move(event) {
    const { buttons } = this;
    const here = buttons.indexOf(document.activeElement);
    const places = { Home: 0, End: buttons.length - 1 };
    const there = places[event.key] ?? (here + STEPS[event.key] + buttons.length) % buttons.length;
    if (here < 0 || Number.isNaN(there) || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    buttons[there].focus();
    this.take(buttons[there]);
  }
}

function button({ index, pixels_base64: bytes }, name) {
  const sample = element("button", "digit-pad-sample");
  Object.assign(sample, { type: "button", value: index, title: name });
  sample.setAttribute("role", "radio");
  sample.setAttribute("aria-label", name);
  const picture = Object.assign(element("canvas", "digit-pad-pixels"), { width: PIXELS, height: PIXELS });
  showPixels(picture, bytes);
  sample.append(picture);
  return sample;
}
