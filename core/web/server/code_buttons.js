// Copy and Download of every block of code (core/web/elements/code.py), for all of a page at once. Needs clipboard.js.
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
  const done = await copied(code.textContent);
  if (!done) getSelection().selectAllChildren(code);
  const spoken = box.querySelector("[role=status]");
  button.textContent = done ? "Copied" : "Selected";
  spoken.textContent = done ? "Copied." : "This browser copies nothing by itself: the text is selected.";
  clearTimeout(button.timer);
  button.timer = setTimeout(() => {
    button.textContent = "Copy";
    spoken.textContent = "";
  }, 3000);
});
