"""A button that copies a link: to the settings that are shown, or to a run."""

import streamlit as st

HTML = """
<div class="copy-link">
  <button type="button" class="copy-link-button">
    <svg viewBox="0 0 24 24" aria-hidden="true">
      <path d="M10 14a4 4 0 0 0 5.7 0l3-3a4 4 0 0 0-5.7-5.7l-1 1"/>
      <path d="M14 10a4 4 0 0 0-5.7 0l-3 3a4 4 0 0 0 5.7 5.7l1-1"/>
    </svg>
    <span class="copy-link-word">Copy link</span>
  </button>
  <input class="copy-link-by-hand" readonly hidden>
  <span class="copy-link-spoken" role="status"></span>
</div>
"""

CSS = """
.copy-link { display: flex; flex-wrap: wrap; align-items: center; position: relative; }
.copy-link .copy-link-button {
  display: inline-flex; align-items: center; gap: 0.25rem; min-height: 2.5rem; padding: 0; border: 0;
  background: none; color: var(--st-text-color); font: inherit; font-size: 0.875rem; white-space: nowrap;
  cursor: pointer;
}
.copy-link .copy-link-button:hover { color: var(--st-primary-color); }
.copy-link svg {
  width: 1.125rem; height: 1.125rem; fill: none; stroke: currentColor; stroke-width: 1.75;
  stroke-linecap: round; stroke-linejoin: round;
}
.copy-link .copy-link-by-hand { width: 14rem; font: inherit; font-size: 0.875rem; }
.copy-link .copy-link-by-hand[hidden] { display: none; }
.copy-link .copy-link-spoken { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
"""

# The clipboard of `navigator` needs https or one's own machine, and in a frame its host's leave; the older command
# needs neither. Where a browser refuses both, the link stands there, selected.
JS = """
const SAID_MS = 3000;

async function copied(text, page) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const holder = page.body.appendChild(page.createElement("textarea"));
    holder.value = text;
    holder.style.cssText = "position: fixed; opacity: 0";
    holder.select();
    try {
      return page.execCommand("copy");
    } finally {
      holder.remove();
    }
  }
}

export default ({ data, parentElement }) => {
  const [button, word, byHand, spoken] = ["button", "word", "by-hand", "spoken"].map((part) =>
    parentElement.querySelector(`.copy-link-${part}`),
  );
  button.setAttribute("aria-label", data.name);
  byHand.setAttribute("aria-label", data.name);
  button.onclick = async () => {
    const link = new URL(data.path, document.baseURI).href;
    const done = await copied(link, document);
    byHand.hidden = done;
    byHand.value = link;
    word.textContent = done ? "Copied" : "Copy it here:";
    spoken.textContent = done ? "Link copied." : "This browser copies nothing by itself: the link is selected.";
    if (done) button.focus();
    else byHand.select();
    clearTimeout(button.timer);
    button.timer = setTimeout(() => {
      if (!done) return;
      word.textContent = "Copy link";
      spoken.textContent = "";
    }, SAID_MS);
  };
};
"""

_component = st.components.v2.component("copy_link", html=HTML, css=CSS, js=JS, isolate_styles=False)


def copy_link(path: str, name: str, key: str) -> None:
    """The button. `path` leads from any of our pages to what is linked; `name` says what that is, after "Copy link"."""
    _component(key=key, data={"path": path, "name": f"Copy link {name}"}, width="content")
