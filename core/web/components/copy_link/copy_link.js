const SAID_MS = 3000;

export default ({ data, parentElement }) => {
  const [button, word, byHand, spoken] = ["button", "word", "by-hand", "spoken"].map((part) =>
    parentElement.querySelector(`.copy-link-${part}`),
  );
  button.setAttribute("aria-label", data.name);
  byHand.setAttribute("aria-label", data.name);
  // Where a browser refuses both ways, the link stands there, selected.
  button.onclick = async () => {
    const link = new URL(data.path, document.baseURI).href;
    const done = await copied(link);
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
