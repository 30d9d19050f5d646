// On a phone all pages hide behind a button that Streamlit calls "Expand sidebar": it is named as its label reads. The
// header alone is watched, where it comes and goes with the window's width.
new MutationObserver((_, page) => {
  const header = document.querySelector("[data-testid=stHeader]");
  if (!header) return;
  page.disconnect();
  const name = () =>
    header.querySelector("[data-testid=stExpandSidebarButton]")?.setAttribute("aria-label", "Pages");
  new MutationObserver(name).observe(header, {childList: true, subtree: true});
  name();
}).observe(document, {childList: true, subtree: true});
