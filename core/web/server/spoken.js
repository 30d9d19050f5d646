// What a page writes for who cannot see it is said once and politely, by one region that no rerun draws anew.
(() => {
  const region = Object.assign(document.createElement("p"), { className: "only-spoken" });
  region.setAttribute("role", "status");
  document.addEventListener("DOMContentLoaded", () => document.body.append(region));
  let known = {}; // what is written, and about what: another page's is read with it

  new MutationObserver(() => {
    const written = document.querySelector("[data-said-about]");
    if (!written) return;
    const { textContent: words } = written;
    const { saidAbout: about } = written.dataset;
    if (about === known.about && words !== known.words) region.textContent = words;
    known = { about, words };
  }).observe(document, { childList: true, subtree: true, characterData: true });
})();
