/* A figure that stands still, or asks for itself now and then. Also what all figures share: when Plotly is loaded, and
   how. */

const NEAR = "400px"; // so that a figure is drawn when a scrolling reader gets there
const NARROWEST = 120; // pixels: Streamlit lays a new element out at 16 for a moment, where Plotly finds room for no label
const CONFIG = { displayModeBar: false };
const ASK_MS = 250;
const SPARING_MS = 1000;
const LONGEST_BACKOFF_MS = 5000;
const REQUEST_LIMIT_MS = 15000;
const MOST_REFUSALS = 2;

/** Plotly, loaded once a page, whichever figure asks first. */
export function loadPlotly(address) {
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

/** Plotly for an element that has come near the window and has its width, never before; null where it cannot be had. */
export async function plotlyWhenNear(element, address) {
  await near(element);
  await wide(element);
  const load = () => loadPlotly(address);
  return load().catch(load).catch(() => null);
}

/** Keeps a drawn figure as wide as its element; the observer that does it. */
export function followWidth(Plotly, plot) {
  let drawn = plot.offsetWidth;
  const resizing = new ResizeObserver(() => {
    const width = plot.offsetWidth;
    if (width < NARROWEST || width === drawn) return;
    drawn = width;
    Plotly.relayout(plot, { width, autosize: true });
  });
  resizing.observe(plot);
  return resizing;
}

/** Whether whoever looks pays for each byte. */
export const bytesAreDear = () =>
  navigator.connection?.saveData || matchMedia("(pointer: coarse), (max-width: 640px)").matches;

/** Performance marks for the tests, once the frame with what they name has been painted. */
export function markDrawn(names) {
  if (names.length) requestAnimationFrame(() => setTimeout(() => names.forEach((name) => performance.mark(name))));
}

/** What an address answers, "lost" (nobody there, or in trouble), or "refused" (somebody else answered). */
export async function fetchJson(address, request = new AbortController()) {
  const limit = setTimeout(() => request.abort(), REQUEST_LIMIT_MS);
  try {
    const response = await fetch(new URL(address, document.baseURI), { signal: request.signal, cache: "no-store" });
    if (response.status >= 500) return "lost";
    if (!response.ok) return "refused";
    const text = await response.text();
    try {
      return JSON.parse(text);
    } catch {
      return "refused";
    }
  } catch {
    return "lost";
  } finally {
    clearTimeout(limit);
  }
}

function near(element) {
  return new Promise((resolve) => {
    const watch = new IntersectionObserver(
      (entries) => {
        if (!entries.some((entry) => entry.isIntersecting)) return;
        watch.disconnect();
        resolve();
      },
      // The margin counts at the edge of what scrolls, which is not the window.
      { root: element.closest("[data-testid=stMain]"), rootMargin: `${NEAR} 0px` },
    );
    watch.observe(element);
  });
}

function wide(element) {
  return new Promise((resolve) => {
    const watch = new ResizeObserver(() => {
      if (element.offsetWidth < NARROWEST) return;
      watch.disconnect();
      resolve();
    });
    watch.observe(element); // calls once at once
  });
}

// --- One mounted component -------------------------------------------------------------------------------

class StillFigure {
  constructor(plot) {
    this.plot = plot;
  }

  async receive({ data, setStateValue }) {
    Object.assign(this, { setStateValue, data });
    const follows = data.follows && data.follows === this.follows && this.version;
    this.follow(data.follows);
    if (!follows) await this.show(data); // else what it asked for itself is newer
  }

  /** Draws what is not drawn yet, unless another has come meanwhile. */
  async show({ figure, finding }) {
    this.plot.setAttribute("role", "img");
    this.plot.setAttribute("aria-label", finding);
    if (figure === this.shown) return;
    this.shown = figure;
    this.Plotly ??= await plotlyWhenNear(this.plot, this.data.plotly_url);
    if (!this.Plotly) this.setStateValue("route", "no-assets");
    else if (figure === this.shown) this.draw(figure);
  }

  draw(figure) {
    const { data, layout } = JSON.parse(figure);
    this.Plotly.react(this.plot, data, layout, CONFIG);
    this.plot.removeAllListeners("plotly_click");
    if (this.data.pressable) this.plot.on("plotly_click", ({ points }) => this.press(points[0]));
    this.resizing ??= followWidth(this.Plotly, this.plot);
  }

  // Asking for itself

  follow(address) {
    if (address === this.follows) return;
    Object.assign(this, { follows: address, version: "", refusals: 0 });
    clearTimeout(this.timer);
    if (address) this.askIn(ASK_MS, address, ASK_MS);
  }

  askIn(ms, address, backoff) {
    this.timer = setTimeout(() => this.ask(address, backoff), Math.max(ms, bytesAreDear() ? SPARING_MS : 0));
  }

  async ask(address, backoff) {
    if (document.hidden) return this.askIn(SPARING_MS, address, backoff);
    const answer = await fetchJson(`${address}&after=${this.version}`);
    if (address !== this.follows) return;
    if (answer === "lost") {
      const next = Math.min(2 * backoff, LONGEST_BACKOFF_MS);
      return this.askIn(next, address, next);
    }
    if (answer === "refused" || !answer?.version) {
      this.version = ""; // the page draws it, whenever it is drawn itself
      if (++this.refusals < MOST_REFUSALS) this.askIn(LONGEST_BACKOFF_MS, address, ASK_MS);
      return;
    }
    this.refusals = 0;
    this.version = answer.version;
    if (answer.figure) await this.show(answer);
    if (answer.figure && this.Plotly) markDrawn([`duel-study-${answer.done}`]);
    this.askIn(Math.max(ASK_MS, answer.again_ms ?? 0), address, ASK_MS);
  }

  press({ customdata }) {
    if (customdata !== undefined && customdata !== null) this.setStateValue("pressed", String(customdata));
  }

  dispose() {
    this.follow("");
    this.resizing?.disconnect();
    this.Plotly?.purge(this.plot);
  }
}

const mounted = new WeakMap(); // element -> figure

/* Streamlit calls this again at every rerun of the page, with the same element, and cleans up a call that a newer one
   overtook, too: only an element that has left the page is the end. */
export default function stillFigure(component) {
  const plot = component.parentElement.querySelector(".figure");
  if (!component.data || !plot) return;
  if (!mounted.has(plot)) mounted.set(plot, new StillFigure(plot));
  const figure = mounted.get(plot);
  figure.receive(component);
  return () => {
    if (plot.isConnected) return;
    figure.dispose();
    mounted.delete(plot); // should it be put back, it is drawn anew
  };
}
