// What stands below an element whose code has not come yet is shown once it has: nothing that is seen moves then. A
// rule of CSS with :has() would say the same, and cost every layout of a long page ten times as much.
(() => {
  const COMING = "data-coming"; // what holds a skeleton, in each stack and row around it
  new MutationObserver(() => {
    const coming = new Set();
    for (const skeleton of document.querySelectorAll("[data-testid=stSkeleton]")) {
      for (let element = skeleton; element.parentElement; element = element.parentElement) {
        const { testid } = element.parentElement.dataset;
        if (["stVerticalBlock", "stHorizontalBlock"].includes(testid)) coming.add(element);
      }
    }
    for (const element of document.querySelectorAll(`[${COMING}]`)) {
      if (!coming.delete(element)) element.removeAttribute(COMING);
    }
    coming.forEach((element) => element.setAttribute(COMING, ""));
  }).observe(document, { childList: true, subtree: true });
})();
