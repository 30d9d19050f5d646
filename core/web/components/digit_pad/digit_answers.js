/* What the Draw page's component shows beside its pad: answers, the models' input, and the test images. */

const MARKS = { keras: "●", torch: "◆", other: "■" };

/** How a class is called: "digit 7", or its own name. */
export function className(data, label) {
  const name = data.classes[label] ?? String(label);
  return /^\d$/.test(name) ? `digit ${name}` : name;
}

// --- Pictures --------------------------------------------------------------------------------------------

/** Base64 of grey or coloured bytes, row by row, as pixels; black for none, and where bytes are missing. */
function pixels(base64, [height, width, channels]) {
  const bytes = base64 ? atob(base64) : "";
  const image = new ImageData(width, height);
  for (let place = 0; place < width * height; place += 1) {
    for (let channel = 0; channel < 3; channel += 1) {
      const from = channels * place + Math.min(channel, channels - 1);
      image.data[4 * place + channel] = bytes.charCodeAt(from) || 0;
    }
    image.data[4 * place + 3] = 255;
  }
  return image;
}

function showPixels(canvas, base64, shape) {
  const [height, width] = shape;
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  canvas.getContext("2d").putImageData(pixels(base64, shape), 0, 0);
}

/** The same on the pad: enlarged, not smoothed, since this is all there is. */
export function drawPicture(context, base64, shape, size) {
  const small = document.createElement("canvas");
  showPixels(small, base64, shape);
  context.imageSmoothingEnabled = false;
  const [height, width] = shape.map((side) => (size * side) / Math.max(shape[0], shape[1]));
  context.drawImage(small, (size - width) / 2, (size - height) / 2, width, height);
}

// --- Answers ---------------------------------------------------------------------------------------------

export class Answers {
  constructor(root) {
    this.root = root;
  }

  find(name) {
    return this.root.querySelector(`.digit-pad-${name}`);
  }

  show(data) {
    const { classes, rows, lanes } = data;
    const layout = JSON.stringify([classes, rows, lanes.map(({ name, framework }) => [name, framework])]);
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

  build({ classes, labels, rows: shown, lanes }) {
    this.root.classList.toggle("digit-pad-long", classes.some((name) => name.length > 2));
    this.find("legend").replaceChildren(...lanes.map(key), element("span", "digit-pad-unit", "Probability in %"));
    const rows = shown.map((label, place) => row(labels[label], classes[label], place, lanes));
    this.find("chart").style.setProperty("--digit-pad-rows", shown.length);
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

  bars({ classes, rows, lanes, headline }, answers) {
    const drawn = this.find("chart").querySelectorAll(".digit-pad-bars");
    const tops = this.find("tops").children;
    lanes.forEach(({ probabilities, tops: text }, place) => {
      const shown = (answers && probabilities) || [];
      drawn.forEach((bars, row) => (bars.children[place].style.width = `${100 * (shown[rows[row]] ?? 0)}%`));
      const best = shown.length ? classes[shown.indexOf(Math.max(...shown))] : "";
      sayTop(tops[place], shown.length ? text : "–", best);
    });
    const finding = answers ? headline : "No answer yet.";
    this.find("chart").setAttribute("aria-label", `Probabilities of the classes. ${finding}`);
  }

  seen({ seen, how, image_shape: shape }) {
    const shown = `${shape} ${seen}`;
    if (shown !== this.pixels) showPixels(this.find("seen"), seen, shape);
    this.pixels = shown;
    setText(this.find("how"), how);
    const what = seen ? `${shape[0]} by ${shape[1]} pixels, the input of both models.` : "Nothing yet.";
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

function row(label, name, place, lanes) {
  const bars = element("span", "digit-pad-bars");
  bars.append(...lanes.map(({ framework }) => element("span", `digit-pad-bar digit-pad-fill-${framework}`)));
  const cells = [Object.assign(element("span", "digit-pad-class", label), { title: name }), bars];
  cells.forEach((cell) => (cell.style.gridRow = place + 1));
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

const NO_PEN = "No pen at hand? Take a test image.";
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
    const shown = JSON.stringify([data.samples, data.classes, data.image_shape, data.drawable]);
    if (shown === this.shown) return;
    this.shown = shown;
    this.section.hidden = !data.samples.length;
    this.section.querySelector(".digit-pad-offer").textContent = data.drawable ? NO_PEN : "Take a test image.";
    const named = (sample) => className(data, sample.label);
    this.group.replaceChildren(...data.samples.map((sample) => button(sample, named(sample), data.image_shape)));
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

function button({ index, pixels_base64: bytes }, name, shape) {
  const sample = element("button", "digit-pad-sample");
  Object.assign(sample, { type: "button", value: index, title: name });
  sample.setAttribute("role", "radio");
  sample.setAttribute("aria-label", name);
  const picture = element("canvas", "digit-pad-pixels");
  showPixels(picture, bytes, shape);
  sample.append(picture);
  return sample;
}
