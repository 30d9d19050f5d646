/* The Train page's network editor: numbers every text, hands it to the page, and shows what the page says of it.

   A row is edited by writing its part of the text anew. What a layer is and whether it can be there, the page knows.
   Streamlit calls the default export again at every change of data or theme, with the same parentElement. */

const SETTLED_MS = 1000; // the whole page is drawn anew then, and whoever types meanwhile waits for it
const PRESSED_MS = 200; // so for who presses: Start is soon right, and several presses are one
const MOST_UNDO = 100;
const NEW_LAYER = "relu"; // can stand anywhere but at the end
const KEYS = [
  ["up", (name) => `Move ${name} up`, "M12 19V5M6 11l6-6 6 6"],
  ["down", (name) => `Move ${name} down`, "M12 5v14M6 13l6 6 6-6"],
  ["below", (name) => `Add a layer below ${name}`, "M12 5v14M5 12h14"],
  ["remove", (name) => `Remove ${name}`, "M6 6l12 12M18 6 6 18"],
];
const UNDO = "M9 6 5 10l4 4M5 10h9.5a4.5 4.5 0 0 1 0 9H11";

const part = (name) => `network-editor-${name}`;

function make(tag, name, properties = {}, children = []) {
  const element = document.createElement(tag);
  element.className = name.split(" ").map(part).join(" ");
  Object.assign(element, properties);
  element.append(...children);
  return element;
}

function svg(tag, name, attributes, children = []) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  element.setAttribute("class", name.split(" ").map(part).join(" "));
  Object.entries(attributes).forEach(([key, value]) => element.setAttribute(key, value));
  element.append(...children);
  return element;
}

const icon = (path) => svg("svg", "icon", { viewBox: "0 0 24 24", "aria-hidden": "true" }, [svg("path", "", { d: path })]);

function button(name, label, children, onclick) {
  const made = make("button", name, { type: "button", onclick }, children);
  if (label) Object.assign(made, { ariaLabel: label, title: label });
  return made;
}

// --- A row's text ----------------------------------------------------------------------------------------

function written({ word, fields }) {
  const said = fields.map(({ value, usual, word: before }) => {
    if (!value || value === usual) return "";
    return before && before !== value ? `${before} ${value}` : value;
  });
  return [word, ...said].filter(Boolean).join(" ");
}

/** A comma would end the layer: here, as in Train's other fields, it is a decimal one, or stands before three digits. */
function numberOf(typed) {
  const text = typed.trim();
  if (/^[1-9]\d{0,2}(,\d{3})+$/.test(text)) return text.replaceAll(",", "");
  return text.replace(/[,\s]+/g, (mark) => (mark.includes(",") ? "." : " "));
}

const nameOf = (row, place) => row.name || `layer ${place + 1}`;

// --- The drawing -----------------------------------------------------------------------------------------

const LETTER = 6.2; // pixels of a caption's letter
const SIDE = 72; // of the largest image
const TALLEST = 92;
const THIN = 4;
const CAPTIONS = 34; // two lines under a box

/** Front face, and how far the depth goes to the right and up: an image's channels, height and width. */
function boxOf(shape, largest) {
  if (shape.length === 1) return { wide: 9, tall: Math.min(TALLEST, 8 + 9 * Math.log2(shape[0] + 1)), deep: 5 };
  const [height, width, channels] = shape;
  const scale = SIDE / largest;
  return { wide: 3 + 4 * Math.log2(channels), tall: Math.max(2, height * scale), deep: Math.max(1.5, width * scale * 0.3) };
}

function drawnBox(x, floor, { wide, tall, deep }, name) {
  const [left, right, up, down] = [x, x + wide, floor - tall, floor];
  const face = (side, points) => svg("polygon", `face ${side}`, { points: points.map((at) => at.map((n) => n.toFixed(1))).join(" ") });
  return [
    face(name || "top", [[left, up], [left + deep, up - deep], [right + deep, up - deep], [right, up]]),
    face(name || "side", [[right, up], [right + deep, up - deep], [right + deep, down - deep], [right, down]]),
    face(name || "front", [[left, up], [right, up], [right, down], [left, down]]),
  ];
}

/** What is drawn: a box for each layer that changes the shape; those that do not are thin plates behind it. */
function cellsOf({ arrives, rows }) {
  const cells = [{ name: "input", shape: arrives, plates: 0 }];
  for (const { name, leaves, changes } of rows) {
    if (!leaves.length) break;
    if (changes) cells.push({ name, shape: leaves, plates: 0 });
    else cells.at(-1).plates += 1;
  }
  const images = cells.filter(({ shape }) => shape.length > 1);
  const largest = Math.max(...images.flatMap(({ shape }) => shape.slice(0, 2)));
  return cells.map((cell) => {
    const box = boxOf(cell.shape, largest);
    const caption = cell.shape.map((size) => size.toLocaleString("en")).join("×");
    const drawn = box.wide + box.deep + cell.plates * THIN;
    return { ...cell, box, caption, drawn, wide: Math.max(drawn + 10, LETTER * Math.max(caption.length, cell.name.length) + 8) };
  });
}

/** As many beside each other as there is room for. */
function linesOf(cells, width) {
  const lines = [[]];
  let x = 0;
  for (const cell of cells) {
    if (x && x + cell.wide > width) {
      lines.push([]);
      x = 0;
    }
    lines.at(-1).push(cell);
    x += cell.wide;
  }
  return lines;
}

function drawnCell({ name, box, caption, drawn, wide, plates }, x, floor) {
  const left = x + (wide - drawn) / 2;
  const behind = Array.from({ length: plates }, (_, plate) => plates - 1 - plate).flatMap((plate) =>
    drawnBox(left + box.wide + plate * THIN + 1.5, floor, { ...box, wide: 1.5 }, "thin"),
  );
  const middle = { x: (x + wide / 2).toFixed(1) };
  return [
    ...behind,
    ...drawnBox(left, floor, box),
    svg("text", "caption", { ...middle, y: (floor + 14).toFixed(1) }, [name]),
    svg("text", "caption caption-shape", { ...middle, y: (floor + 27).toFixed(1) }, [caption]),
  ];
}

function drawing(data, width) {
  const cells = cellsOf(data);
  const parts = [];
  let [floor, widest] = [0, 0];
  for (const line of linesOf(cells, width)) {
    let x = 0;
    floor += 4 + Math.max(...line.map(({ box }) => box.tall + box.deep));
    for (const cell of line) {
      parts.push(...drawnCell(cell, x, floor));
      x += cell.wide;
    }
    floor += CAPTIONS;
    widest = Math.max(widest, x);
  }
  const said = cells.map(({ name, shape }) => `${name} ${shape.join(" x ")}`).join(", ");
  const [w, h] = [Math.ceil(widest), Math.ceil(floor)];
  const all = { viewBox: `0 0 ${w} ${h}`, width: w, height: h, role: "img", "aria-label": `The network: ${said}.` };
  return svg("svg", "svg", all, parts);
}

// --- One mounted component -------------------------------------------------------------------------------

const kept = new Map(); // key -> the texts to go back to, and whether the editor is open: a change of page forgets neither

class NetworkEditor {
  constructor(parentElement, key) {
    this.root = parentElement.querySelector(".network-editor");
    if (!kept.has(key)) kept.set(key, { history: [], open: false });
    this.kept = kept.get(key);
    this.rows = [];
    this.rowsSerial = 0;
    const fold = this.find("fold");
    fold.open = this.kept.open;
    fold.addEventListener("toggle", () => (this.kept.open = fold.open));
    this.area = this.find("text");
    this.area.addEventListener("input", () => this.edit(this.area.value, "the text"));
    this.find("add").addEventListener("click", () => this.act(() => this.insert(Math.max(0, this.rows.length - 1))));
    this.root.addEventListener("focusout", () => this.leave());
    new ResizeObserver(() => this.data && this.draw()).observe(this.find("drawing"));
  }

  find(name) {
    return this.root.querySelector(`.${part(name)}`);
  }

  /** Streamlit's call: new functions each time, and data that may or may not be new. */
  receive({ data, setStateValue }) {
    const first = !this.data;
    Object.assign(this, { data, setStateValue });
    if (first || data.serial > this.serial) this.adopt(data, first);
    if (data.serial === this.serial) this.answered();
    this.controls();
  }

  /** The page's own text: at first, of a link, or of the same preset for other data. */
  adopt({ text, serial }, first) {
    if (!first && text !== this.text) this.remember("");
    Object.assign(this, { text, serial });
    this.area.value = text;
  }

  // The text

  /** One step back is all that is typed into a field before it is left; of the text, up to a pause at what can be. */
  remember(by) {
    const { history } = this.kept;
    const paused = by === "the text" && !this.data.problem && performance.now() - this.editedAt > SETTLED_MS;
    if (!by || by !== this.by || paused) history.push(this.text);
    if (history.length > MOST_UNDO) history.shift();
    this.by = by;
    this.editedAt = performance.now();
  }

  edit(text, by = "") {
    if (this.data.disabled || text === this.text) return;
    this.remember(by);
    this.set(text, by ? SETTLED_MS : PRESSED_MS);
  }

  set(text, settledMs = PRESSED_MS) {
    this.text = text;
    this.serial += 1;
    if (this.area.value !== text) this.area.value = text;
    this.send(false);
    this.settleIn(settledMs);
    this.controls();
  }

  settleIn(ms) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.send(true), ms);
  }

  /** Who leaves a field has done with it. */
  leave() {
    this.by = "";
    if (this.settled === false) this.settleIn(PRESSED_MS);
  }

  send(settled) {
    const { text, serial } = this;
    this.settled = settled;
    this.root.dataset.serial = serial;
    this.setStateValue("edit", { text, serial, settled });
    if (settled) this.speak();
  }

  undo() {
    if (this.data.disabled || !this.kept.history.length) return;
    this.by = "";
    this.set(this.kept.history.pop());
  }

  // The rows

  /** Does something with the rows once they are those of the text. */
  act(something) {
    if (this.data.disabled) return;
    if (this.rowsSerial === this.serial) something();
    else this.later = something;
  }

  /** The rows as they now are, and the text that they make. */
  change(rows, by = "") {
    this.rows = rows;
    this.edit(rows.map(({ text }) => text).join(", "), by);
    this.rowsSerial = this.serial;
  }

  placeOf(element) {
    return [...this.find("rows").children].indexOf(element.closest("li"));
  }

  insert(place) {
    this.change(this.rows.toSpliced(place, 0, { text: NEW_LAYER, word: NEW_LAYER, name: "", fields: [], leaves: [] }));
    this.showRows([place, "kind"]);
  }

  press(key, place) {
    const { rows } = this;
    if (key === "below") return this.insert(place + 1);
    if (key === "remove") {
      this.change(rows.toSpliced(place, 1));
      this.showRows([Math.min(place, this.rows.length - 1), "remove"]);
      return this.say(`${nameOf(rows[place], place)} removed, ${this.rows.length} layers left.`);
    }
    const to = place + (key === "up" ? -1 : 1);
    if (to < 0 || to >= rows.length) return;
    const moved = rows.toSpliced(place, 1).toSpliced(to, 0, rows[place]);
    this.change(moved);
    this.showRows([to, key]);
    this.say(`${nameOf(rows[place], place)} is layer ${to + 1} of ${rows.length} now.`);
  }

  /** Another kind of layer in a row; numbers and options that both have stay. */
  become(place, word) {
    const { fields: before } = this.rows[place];
    const { fields } = this.data.kinds.find((kind) => kind.word === word);
    const taken = fields.map((field) => ({ ...field, value: before.find(({ name }) => name === field.name)?.value ?? field.value }));
    this.replace(place, { word, fields: taken, name: "" });
    this.showRows([place, "kind"]);
  }

  fill(place, name, value, typed) {
    const fields = this.rows[place].fields.map((field) => (field.name === name ? { ...field, value } : field));
    this.replace(place, { fields }, typed ? `${place} ${name}` : "");
  }

  replace(place, changes, by = "") {
    const row = { ...this.rows[place], ...changes };
    this.change(this.rows.with(place, { ...row, text: written(row) }), by);
  }

  /** The page's rows; one whose number is being typed keeps its fields while that number is none. */
  answered() {
    const { data, serial } = this;
    this.rows = data.rows.map((row, place) => {
      const own = this.rows[place];
      return !row.word && own?.word && own.text === row.text ? { ...row, word: own.word, fields: own.fields } : row;
    });
    this.rowsSerial = serial;
    this.showRows();
    this.draw();
    this.find("which").textContent = data.summary;
    this.find("totals").textContent = data.totals;
    this.find("allowed").textContent = data.allowed;
    this.root.querySelectorAll(`.${part("problem")}`).forEach((words) => (words.textContent = data.problem));
    this.area.setAttribute("aria-invalid", Boolean(data.problem));
    this.root.dataset.serial = serial;
    requestAnimationFrame(() => (this.root.dataset.drawn = serial));
    if (this.settled) this.speak();
    const { later } = this;
    this.later = null;
    later?.();
  }

  /** In the elements that are there: what is typed into stays, and a list of kinds goes on finding by its letters. */
  showRows(focus = null) {
    const list = this.find("rows");
    while (list.children.length > this.rows.length) list.lastElementChild.remove();
    while (list.children.length < this.rows.length) list.append(this.rowElement());
    [...list.children].forEach((element, place) => {
      const row = this.rows[place];
      this.fitRow(element, row);
      this.fillRow(element, row, place);
    });
    if (focus) this.focus(...focus);
  }

  focus(place, control) {
    const row = this.find("rows").children[place];
    (row?.querySelector(`[data-control="${control}"]`) ?? row?.querySelector("select") ?? this.find("add")).focus();
  }

  rowElement() {
    const kind = make("select", "field kind", {}, this.data.kinds.map(({ word }) => new Option(word, word)));
    kind.dataset.control = "kind";
    kind.addEventListener("change", () => this.act(() => this.become(this.placeOf(kind), kind.value)));
    const keys = KEYS.map(([key, , path]) => {
      const made = button("button key", "", [icon(path)], () => this.act(() => this.press(key, this.placeOf(made))));
      made.dataset.control = key;
      return made;
    });
    return make("li", "row", {}, [kind, make("div", "fields"), make("div", "figures"), make("div", "keys", {}, keys)]);
  }

  /** The fields of a row's kind; the text itself where it is of none, which its list of kinds then says. */
  fitRow(element, { word, fields, text }) {
    const fit = JSON.stringify([word, fields.map(({ name, hint }) => [name, hint]), word ? "" : text]);
    if (element.fit === fit) return;
    element.fit = fit;
    const inside = word ? fields.map((field) => this.fieldElement(field)) : [make("span", "raw", { textContent: text || "nothing" })];
    element.querySelector(`.${part("fields")}`).replaceChildren(...inside);
    const kind = element.querySelector("select");
    const none = [...kind.options].find(({ value }) => !value);
    if (word) none?.remove();
    else if (!none) kind.prepend(new Option("?", ""));
  }

  fieldElement({ name, kind, label, hint, choices }) {
    const [tag, type] = kind === "choice" ? ["select", ""] : ["input", kind === "flag" ? "checkbox" : "text"];
    const input = make(tag, `field ${kind}`, type ? { type } : {});
    if (kind === "number") Object.assign(input, { placeholder: hint, autocomplete: "off", inputMode: "decimal", spellcheck: false });
    if (kind === "choice") input.append(...choices.map((choice) => new Option(choice || "none", choice)));
    input.dataset.control = name;
    const value = () => (kind === "flag" ? (input.checked ? name : "") : kind === "number" ? numberOf(input.value) : input.value);
    input.addEventListener("input", () => this.act(() => this.fill(this.placeOf(input), name, value(), kind === "number")));
    return make("label", "named", {}, [label, input]);
  }

  fillRow(element, row, place) {
    const name = nameOf(row, place);
    const { disabled, problem, problem_place: fault } = this.data;
    element.ariaLabel = `Layer ${place + 1}, ${row.word || row.text}`;
    element.classList.toggle(part("row-fault"), Boolean(problem) && fault === place);
    const control = (which) => element.querySelector(`[data-control="${which}"]`);
    Object.assign(control("kind"), { ariaLabel: `Kind of ${name}`, value: row.word, disabled });
    for (const { name: which, kind, value } of row.fields) {
      const input = control(which);
      if (kind === "flag") input.checked = Boolean(value);
      else if (input !== document.activeElement || kind === "choice") input.value = value;
      input.disabled = disabled;
    }
    for (const [key, label] of KEYS) {
      const at = control(key);
      Object.assign(at, { ariaLabel: label(name), title: label(name) });
      at.ariaDisabled = String(disabled || (key === "up" && !place) || (key === "down" && place === this.rows.length - 1));
    }
    const figures = [[row.shape, ""], [row.parameters, " parameters"], [row.multiply_adds, " multiply-adds"]];
    const cells = figures.map(([figure, unit]) => {
      const said = figure ? [figure, make("span", "unit", { textContent: unit })] : ["–"];
      return make("span", figure ? "figure" : "figure none", {}, said);
    });
    element.querySelector(`.${part("figures")}`).replaceChildren(...cells);
  }

  // Everything else

  controls() {
    const { data } = this;
    const bar = this.find("presets");
    const known = JSON.stringify(data.presets);
    if (known !== this.knownPresets) {
      this.knownPresets = known;
      const undo = button("button undo", "Undo", [icon(UNDO), "Undo"], () => this.undo());
      bar.replaceChildren(
        ...data.presets.map(({ title, text, problem }) => {
          const chosen = button(`preset${problem ? " unfit" : ""}`, "", [title + (problem ? " (does not fit)" : "")], () => this.edit(text));
          chosen.title = problem || text;
          return chosen;
        }),
        undo,
      );
    }
    [...bar.querySelectorAll(`.${part("preset")}`)].forEach((chosen, place) => {
      chosen.ariaPressed = String(data.presets[place].title === data.preset);
      chosen.ariaDisabled = String(data.disabled);
    });
    this.find("undo").ariaDisabled = String(data.disabled || !this.kept.history.length);
    this.find("add").ariaDisabled = String(data.disabled);
    this.area.readOnly = data.disabled;
    this.offer();
  }

  /** Where a preset is not for these data, those that are: one press takes one while the editor stays folded. */
  offer() {
    const { presets, preset, problem, disabled } = this.data;
    const fitting = preset && problem && !disabled ? presets.filter((one) => !one.problem) : [];
    const known = JSON.stringify(fitting);
    if (known === this.knownFitting) return;
    this.knownFitting = known;
    const take = (text) => {
      this.root.querySelector("summary").focus(); // the buttons go
      this.edit(text);
    };
    this.find("instead").replaceChildren(...fitting.map(({ title, text }) => button("preset", "", [title], () => take(text))));
  }

  draw() {
    const place = this.find("drawing");
    if (place.clientWidth) place.replaceChildren(drawing(this.data, place.clientWidth));
  }

  say(words) {
    this.find("spoken").textContent = words;
  }

  /** For screen readers, once the text has settled. */
  speak() {
    const { data, serial } = this;
    if (data.serial === serial && this.find("fold").open) this.say(data.problem || data.totals);
  }
}

// --- Streamlit's side ------------------------------------------------------------------------------------

const mounted = new WeakMap(); // parentElement -> editor

export default function networkEditor(component) {
  const { parentElement, data } = component;
  if (!data) return;
  if (!mounted.has(parentElement)) mounted.set(parentElement, new NetworkEditor(parentElement, data.key));
  mounted.get(parentElement).receive(component);
}
