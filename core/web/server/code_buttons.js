// Copy and Download of every block of code (core/web/elements/code.py), for all of a page at once.
document.addEventListener("click", async ({ target }) => {
  const button = target.closest?.("button[data-code]");
  if (!button) return;
  const box = button.closest(".code-box");
  const code = box.querySelector("code");
  if (button.dataset.code === "download") {
    const address = URL.createObjectURL(new Blob([`${code.textContent}\n`], { type: "text/x-python" }));
    Object.assign(document.createElement("a"), { href: address, download: button.dataset.filename }).click();
    setTimeout(() => URL.revokeObjectURL(address));
    return;
  }
  let copied = await navigator.clipboard?.writeText(code.textContent).then(() => true, () => false);
  if (!copied) {
    // Without https, or in a frame whose host forbids it: the older way, and else the text stands there selected.
    getSelection().selectAllChildren(code);
    copied = document.execCommand("copy");
  }
  const word = button.querySelector(".code-word");
  const spoken = box.querySelector("[role=status]");
  word.textContent = copied ? "Copied" : "Selected";
  spoken.textContent = copied ? "Copied." : "This browser copies nothing by itself: the text is selected.";
  clearTimeout(button.timer);
  button.timer = setTimeout(() => {
    word.textContent = "Copy";
    spoken.textContent = "";
  }, 3000);
});
