// A rerun takes away what has the focus: Start becomes Stop, a pressed button goes grey, a dialog and its run are gone.
// Who works by keyboard goes on at that place: what stands there now gets the focus, else what is next to it.
(() => {
  const CAN = "a[href], button, input, select, textarea, summary, [tabindex]";
  const STATE = "data-test-script-state"; // Streamlit's own word for whether the page's script runs
  let last = null; // what a keyboard focused last, the page's title then, and where it stood, from the inside out
  let waiting = false;

  const heading = () => document.querySelector("[data-testid=stMain] h1");
  const title = () => heading()?.textContent;
  const free = (element) =>
    element.matches(CAN) && element.tabIndex >= 0 && !element.disabled && element.checkVisibility();
  const within = (element) => [element, ...element.querySelectorAll(CAN)].filter(free);

  document.addEventListener("focusin", ({ target }) => {
    const path = [];
    for (let child = target, parent; (parent = child.parentElement); child = parent) {
      path.push({ parent, index: [...parent.children].indexOf(child) });
    }
    last = target.matches(":focus-visible") ? { target, title: title(), path } : null;
  });

  document.addEventListener("pointerdown", () => (last = null), true); // a mouse or a finger goes on elsewhere

  // A key that is held presses once: what takes a button's place would be pressed next.
  document.addEventListener("keydown", (event) => {
    if (event.repeat && ["Enter", " "].includes(event.key) && event.target.closest("button")) event.preventDefault();
  }, true);

  /** Not where somebody pressed beside it: then it could have the focus still. */
  const lost = () =>
    last &&
    [document.body, last.target].includes(document.activeElement) &&
    (!last.target.isConnected || last.target.disabled);

  /** What takes the place may be yet to come. */
  const drawing = () => document.querySelector(`[${STATE}]`)?.getAttribute(STATE) !== "notRunning";

  /** In the smallest part of the page that is still there; its title where it has become another page. */
  function successor() {
    for (const { parent, index } of title() === last.title ? last.path : []) {
      if (!parent.isConnected || !parent.closest("[data-testid=stMain]")) continue;
      const children = [...parent.children];
      const found = children.slice(index).flatMap(within)[0] ?? children.slice(0, index).flatMap(within).at(-1);
      if (found) return found;
    }
    const found = heading();
    if (found) found.tabIndex = -1;
    return found;
  }

  function restore() {
    waiting = false;
    if (lost() && !drawing()) successor()?.focus({ focusVisible: true, preventScroll: true });
  }

  // Two frames later, when Streamlit has drawn the rest and given back by itself what a closed dialog had taken.
  new MutationObserver(() => {
    if (waiting || !lost() || drawing()) return;
    waiting = true;
    requestAnimationFrame(() => requestAnimationFrame(restore));
  }).observe(document, { childList: true, subtree: true, attributes: true, attributeFilter: ["disabled", STATE] });
})();
