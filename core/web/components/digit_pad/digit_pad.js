/* The Draw page's pad: turns pointers into strokes, numbers every state of the drawing and hands it to the page.

   Streamlit calls the default export again at every change of data or theme, with the same parentElement, and
   only the last cleanup at unmount. So everything that must live on is kept by parentElement. */

// With this file's own ?v=, so that the two always match and both may be cached for good.
const looks = await import(new URL(`digit_answers.js${new URL(import.meta.url).search}`, import.meta.url));
const { Answers, Samples, className, drawPicture } = looks;

const SIDE = 1000; // strokes are in thousandths of the pad's side
const NEAR = 5; // a point closer than this to the one before it cannot be seen
const MOST_POINTS = 4000; // by then the pad is white
const MOST_UNDO = 50;
const LIVE_MS = 200;
const LOST_MS = 3000; // an answer outstanding for so long will not come
const STALE_MS = 1000; // answers to an earlier drawing are dimmed after so long

// --- Ink -------------------------------------------------------------------------------------------------

/** Quadratic curves through the midpoints: smooth, and never further from the pen than half a step. */
function strokePath(stroke, scale) {
  const at = (place) => stroke[place] * scale;
  const path = new Path2D();
  path.moveTo(at(0), at(1));
  let place = 2;
  for (; place + 3 < stroke.length; place += 2) {
    const [x, y] = [at(place), at(place + 1)];
    path.quadraticCurveTo(x, y, (x + at(place + 2)) / 2, (y + at(place + 3)) / 2);
  }
  // A line of no length would be left out, and a dot with it.
  path.lineTo(at(stroke.length - 2) + (stroke.length === 2 ? 0.01 : 0), at(stroke.length - 1));
  return path;
}

class Ink {
  constructor(canvas) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d");
  }

  get scale() {
    return this.canvas.width / SIDE;
  }

  /** Everything anew. */
  paint(strokes, picture, shape, penWidth) {
    const size = Math.round(this.canvas.clientWidth * window.devicePixelRatio);
    if (!size) return;
    const { canvas, context } = this;
    if (canvas.width !== size) canvas.width = canvas.height = size;
    context.fillStyle = "#000";
    context.fillRect(0, 0, size, size);
    if (picture) drawPicture(context, picture, shape, size);
    Object.assign(context, { strokeStyle: "#fff", lineCap: "round", lineJoin: "round" });
    context.lineWidth = penWidth * this.scale;
    strokes.forEach((stroke) => context.stroke(strokePath(stroke, this.scale)));
  }

  /** Only what a stroke has gained: a long one would take too long as a whole, at every move. */
  follow(stroke, painted) {
    this.context.stroke(strokePath(stroke.slice(Math.max(0, painted - 4)), this.scale));
  }
}

// --- One mounted component -------------------------------------------------------------------------------

class DigitPad {
  constructor(parentElement) {
    this.root = parentElement.querySelector(".digit-pad");
    this.canvas = this.find("canvas");
    this.ink = new Ink(this.canvas);
    this.answers = new Answers(this.root);
    this.samples = new Samples(this.root, (index) => this.replace([], index));
    this.strokes = [];
    this.sample = null;
    this.serial = 0;
    this.history = [];
    this.pen = null; // the pointer that draws: its id, its stroke and how many points it has left
    this.listen();
  }

  find(name) {
    return this.root.querySelector(`.digit-pad-${name}`);
  }

  listen() {
    const on = (type, handler) => this.canvas.addEventListener(type, handler);
    on("pointerdown", (event) => this.penDown(event));
    on("pointermove", (event) => this.penMove(event));
    for (const type of ["pointerup", "pointercancel", "lostpointercapture"]) on(type, (event) => this.penUp(event));
    on("contextmenu", (event) => event.preventDefault()); // a long press is a slow dot
    this.find("undo").addEventListener("click", () => this.undo());
    this.find("clear").addEventListener("click", () => this.empty || this.replace([], null));
    this.resized = () => this.repaint();
    this.observer = new ResizeObserver(this.resized);
    this.observer.observe(this.canvas);
    window.addEventListener("resize", this.resized); // zooming changes devicePixelRatio alone
  }

  /** Streamlit's call: new functions each time, and data that may or may not be new. */
  receive({ data, setStateValue }) {
    const first = !this.data;
    Object.assign(this, { data, setStateValue });
    if (first || data.serial > this.serial) this.adopt(data, first);
    this.root.classList.toggle("digit-pad-pictures", !data.drawable);
    if (!data.drawable && this.strokes.length) this.strokes = []; // of another run, which reads drawings
    this.samples.show(data);
    this.answers.show(data);
    this.waitForAnswer();
    this.words();
    if (this.strokes !== this.painted?.strokes || this.picture !== this.painted.picture) this.repaint();
    if (!this.pen) this.speak(first);
  }

  /** The page's own drawing: after a change of page, or an upload. */
  adopt({ strokes, sample, serial }, first) {
    this.serial = serial;
    if (this.pen) return;
    if (!first) this.remember();
    Object.assign(this, { strokes, sample });
  }

  // The drawing

  get empty() {
    return !this.strokes.length && this.sample === null && !this.picture;
  }

  /** What lies under the strokes: the chosen test image, or the page's picture while nothing has replaced it. */
  get picture() {
    if (this.strokes.length) return null;
    if (this.sample !== null) return this.chosen?.pixels_base64;
    return this.data?.serial === this.serial ? this.data.picture : null;
  }

  get chosen() {
    return this.data?.samples.find((sample) => sample.index === this.sample);
  }

  remember() {
    const { strokes, sample } = this;
    this.history = [...this.history, { strokes, sample }].slice(-MOST_UNDO);
  }

  replace(strokes, sample) {
    if (this.pen) return;
    this.remember();
    Object.assign(this, { strokes, sample });
    this.send();
  }

  /** Takes back what was done last; after a change of page, where that is forgotten, the last stroke. */
  undo() {
    if (this.pen || (this.empty && !this.history.length)) return;
    Object.assign(this, this.history.pop() ?? { strokes: this.strokes.slice(0, -1), sample: null });
    this.send();
  }

  send() {
    this.serial += 1;
    this.sentAt = performance.now();
    const { strokes, sample, serial } = this;
    this.setStateValue("drawing", { strokes, sample, serial });
    this.waitForAnswer();
    this.words();
    if (!this.pen) this.repaint();
  }

  get outstanding() {
    return this.data.serial < this.serial && performance.now() - this.sentAt < LOST_MS;
  }

  /** Answers to an earlier drawing are dimmed once those to the newest have been waited for too long. */
  waitForAnswer() {
    clearTimeout(this.timer);
    const stale = (is) => this.root.classList.toggle("digit-pad-stale", is);
    if (this.data.serial >= this.serial) stale(false);
    else this.timer = setTimeout(() => stale(true), STALE_MS);
  }

  // The pen

  /** One pointer draws, others are ignored; only a pen takes over, from the palm that came before it. */
  penDown(event) {
    if (this.pen && !this.canvas.hasPointerCapture(this.pen.id)) this.pen = null; // its end was never told
    if (!this.data.drawable || event.button !== 0 || (this.pen && (event.pointerType !== "pen" || this.pen.type === "pen"))) return;
    event.preventDefault();
    if (this.pen) Object.assign(this, this.history.pop());
    this.canvas.setPointerCapture(event.pointerId);
    this.remember();
    this.strokes = [...this.strokes];
    this.sample = null;
    const left = MOST_POINTS - this.strokes.reduce((count, stroke) => count + stroke.length / 2, 0);
    this.pen = { id: event.pointerId, type: event.pointerType, stroke: null, left };
    this.extend(event);
    this.words();
    this.repaint();
  }

  penMove(event) {
    if (event.pointerId !== this.pen?.id) return;
    const points = event.getCoalescedEvents?.() ?? [];
    (points.length ? points : [event]).forEach((point) => this.extend(point));
    if (!this.outstanding && performance.now() - (this.sentAt ?? 0) >= LIVE_MS) this.send();
  }

  penUp(event) {
    if (event.pointerId !== this.pen?.id) return;
    if (event.type === "pointerup") this.extend(event);
    this.pen = null;
    this.send();
    performance.mark(`duel-pen-up-${this.serial}`, { startTime: event.timeStamp });
  }

  /** A stroke ends at the pad's edge; a pen that comes back begins another. */
  extend({ clientX, clientY }) {
    const box = this.canvas.getBoundingClientRect();
    const [x, y] = [(clientX - box.left) / box.width, (clientY - box.top) / box.height].map((part) => part * SIDE);
    const inside = x >= 0 && x <= SIDE && y >= 0 && y <= SIDE;
    if (!this.pen.left || (!inside && !this.pen.stroke)) return;
    if (!this.pen.stroke) this.strokes.push((this.pen.stroke = []));
    this.add(...[x, y].map((value) => Math.round(Math.min(SIDE, Math.max(0, value)))));
    if (!inside) this.pen.stroke = null;
  }

  add(x, y) {
    const { stroke } = this.pen;
    if (stroke.length && Math.hypot(x - stroke.at(-2), y - stroke.at(-1)) < NEAR) return;
    stroke.push(x, y);
    this.pen.left -= 1;
    if (!this.frame) this.ink.follow(stroke, stroke.length - 2);
  }

  // What can be seen and heard

  repaint() {
    this.frame ??= requestAnimationFrame(() => {
      const { strokes, picture } = this;
      this.frame = null;
      this.painted = { strokes, picture };
      this.ink.paint(strokes, picture, this.data.image_shape, this.data.pen_width);
    });
  }

  words() {
    const { data, serial } = this;
    const answered = data.serial === serial ? data.hint || data.headline : "";
    this.root.dataset.serial = serial;
    this.canvas.setAttribute("aria-label", `${data.drawable ? "Drawing pad" : "Picture"}, ${this.drawn()}. ${answered}`.trim());
    this.find("undo").setAttribute("aria-disabled", this.empty && !this.history.length);
    this.find("clear").setAttribute("aria-disabled", this.empty);
    this.samples.choose(this.sample);
  }

  drawn() {
    if (this.sample !== null) return `test image: ${this.chosen ? className(this.data, this.chosen.label) : "none"}`;
    if (this.picture) return "a picture";
    const count = this.strokes.length;
    return count ? `${count} stroke${count > 1 ? "s" : ""}` : "empty";
  }

  /** For screen readers, when it changes: not what was there already, and not while the pen is down. */
  speak(first) {
    const sentence = this.data.hint || this.data.headline;
    if (!first && sentence !== this.spoken) this.find("spoken").textContent = sentence;
    this.spoken = sentence;
  }

  dispose() {
    clearTimeout(this.timer);
    this.observer.disconnect();
    window.removeEventListener("resize", this.resized);
  }
}

// --- Streamlit's side ------------------------------------------------------------------------------------

const mounted = new WeakMap(); // parentElement -> pad
const parked = new Map(); // key -> pad whose root has just left the page
const PARKED_MS = 2000;

/** Streamlit remounts what an element inserted above has moved: the pad then goes on in the new place. */
function park(pad) {
  const { key } = pad.data;
  if (parked.get(key) === pad) return;
  parked.set(key, pad);
  setTimeout(() => {
    if (parked.get(key) === pad) parked.delete(key);
    if (!pad.root.isConnected) pad.dispose();
  }, PARKED_MS);
}

function mount(parentElement, key) {
  const pad = parked.get(key);
  if (!pad) return new DigitPad(parentElement);
  parked.delete(key);
  parentElement.querySelector(".digit-pad").replaceWith(pad.root);
  return pad;
}

export default function digitPad(component) {
  const { parentElement, data } = component;
  if (!data) return;
  if (!mounted.has(parentElement)) mounted.set(parentElement, mount(parentElement, data.key));
  const pad = mounted.get(parentElement);
  pad.receive(component);
  return () => {
    // Streamlit also cleans up a call that a newer one overtook: only a root that has left the page is the end.
    if (!pad.root.isConnected) park(pad);
  };
}
