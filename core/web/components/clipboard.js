// Puts text on the clipboard; whether it is there. Comes with the link's button and with those of code.
// The clipboard of `navigator` needs https or one's own machine, and in a frame its host's leave; the older command
// needs neither.
async function copied(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const focused = document.activeElement;
    const holder = document.body.appendChild(document.createElement("textarea"));
    holder.value = text;
    holder.style.cssText = "position: fixed; opacity: 0";
    holder.select();
    try {
      return document.execCommand("copy");
    } finally {
      holder.remove();
      focused?.focus();
    }
  }
}
