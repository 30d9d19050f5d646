// A page in the background asks for nothing: Streamlit draws a fragment anew by an interval, whether or not somebody
// looks. What was missed meanwhile is done once, when the page is looked at again.
(() => {
  const SHORTEST_MS = 500; // what comes more often moves something in the page, and asks for nothing
  const { setInterval: begin, clearInterval: end } = window;
  const missed = new Map();

  window.setInterval = (call, ms, ...given) => {
    if (!(ms >= SHORTEST_MS) || typeof call !== "function") return begin(call, ms, ...given);
    const due = () => call(...given);
    const id = begin(() => (document.hidden ? missed.set(id, due) : due()), ms);
    return id;
  };
  window.clearInterval = (id) => {
    missed.delete(id);
    end(id);
  };
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) return;
    const calls = [...missed.values()];
    missed.clear();
    calls.forEach((call) => call());
  });
})();
