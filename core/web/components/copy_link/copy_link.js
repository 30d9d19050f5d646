const SAID_MS = 3000;

// The clipboard of `navigator` needs https or one's own machine, and in a frame its host's leave; the older command
// needs neither. Where a browser refuses both, the link stands there, selected.
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
