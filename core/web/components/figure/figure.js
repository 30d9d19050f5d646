/* A figure that stands still. Also what all figures share: when Plotly is loaded, and how. */

const NEAR = "400px"; // so that a figure is drawn when a scrolling reader gets there
const NARROWEST = 120; // pixels: Streamlit lays a new element out at 16 for a moment, where Plotly finds room for no label
const CONFIG = { displayModeBar: false };

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
    this.setStateValue = setStateValue;
    this.plot.setAttribute("role", "img");
    this.plot.setAttribute("aria-label", data.finding);
    if (data.figure === this.shown) return;
    this.shown = data.figure;
    this.Plotly ??= await plotlyWhenNear(this.plot, data.plotly_url);
    if (!this.Plotly) this.setStateValue("route", "no-assets");
    else if (data.figure === this.shown) this.draw(data);
  }

  draw({ figure, pressable }) {
    const { data, layout } = JSON.parse(figure);
    this.Plotly.react(this.plot, data, layout, CONFIG);
    this.plot.removeAllListeners("plotly_click");
    if (pressable) this.plot.on("plotly_click", ({ points }) => this.press(points[0]));
    this.resizing ??= followWidth(this.Plotly, this.plot);
  }

  press({ x, y }) {
    this.setStateValue("pressed", { x: String(x), y: String(y) });
  }

  dispose() {
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
