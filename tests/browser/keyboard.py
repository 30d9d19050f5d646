"""A page that is used by its keys alone: after each one something has the focus, and its look says so."""

from playwright.sync_api import JSHandle, Locator, Page

from tests.browser.conftest import wait_for

MOST_TABS = 120
FOCUSED = "document.activeElement && document.activeElement !== document.body"
WHO = """() => { const { activeElement: it } = document;
    return `${it.tagName} ${it.getAttribute('role') ?? ''} ${it.ariaLabel ?? it.innerText ?? ''}`; }"""
SEEN = """async (before) => {
    await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
    const others = "a[href], button, input, select, textarea, summary, [tabindex='0']";
    const look = (element) => {
        let part = element; // with the box around it, as long as that has nothing else that takes the focus
        for (let up = 0; up < 5 && part.parentElement; up += 1) {
            if (part.parentElement.querySelectorAll(others).length > 1) break;
            part = part.parentElement;
        }
        return [part, ...part.querySelectorAll("*")].slice(0, 60).map((each) => {
            const { outlineStyle, outlineWidth, outlineColor, boxShadow, borderColor } = getComputedStyle(each);
            const outline = outlineStyle === "none" || outlineWidth === "0px" ? "" : outlineWidth + outlineColor;
            return [outline, boxShadow, borderColor].join(" ");
        }).join("\\n");
    };
    const at = document.activeElement;
    const left = before?.at && before.at !== at && before.at.isConnected ? before : null;
    const unseen = left && look(left.at) === left.look ? left.at.outerHTML.slice(0, 200) : "";
    return at === document.body ? { unseen } : { at, look: look(at), unseen };
}"""
"""What has the focus and how that looks; what had it before, if it looks the same without."""


class Keyboard:
    """The keys of a page."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.seen: JSHandle | None = None
        """What had the focus after the last key, and how it looked."""
        self.unseen: list[str] = []
        """What looked the same with the focus as without."""

    def press(self, key: str) -> None:
        """Presses it; whatever has the focus then is looked at, and what had it before once more."""
        self.page.keyboard.press(key)
        self.holds()
        self.seen = self.page.evaluate_handle(SEEN, self.seen)
        if unseen := self.seen.get_property("unseen").json_value():
            self.unseen.append(unseen)

    def type(self, text: str) -> None:
        """Letters into the field that has the focus."""
        self.page.keyboard.type(text)
        self.holds()

    def holds(self) -> None:
        """Something has the focus, or has it again in a moment."""
        wait_for("something has the focus", lambda: self.page.evaluate(FOCUSED), page=self.page)

    def is_on(self, target: Locator) -> bool:
        """Whether it has the focus."""
        return bool(target.count() and target.first.evaluate("(it) => it === document.activeElement"))

    def go_to(self, target: Locator, key: str = "Tab") -> None:
        """Presses Tab, or another key that moves on, until `target` has the focus."""
        met = []
        for _ in range(MOST_TABS):
            self.press(key)
            if self.is_on(target):
                return
            met.append(" ".join(self.page.evaluate(WHO).split())[:60])
        raise AssertionError(f"not reached: {target}; met: {met}")

    def comes_to(self, target: Locator) -> None:
        """The focus comes to `target` by itself, since it took the place of what had it."""
        wait_for(f"{target} has the focus", lambda: self.is_on(target), page=self.page)
        self.holds()

    def was_seen(self) -> None:
        """At every step one could see where the focus was."""
        assert not self.unseen, "\n".join(self.unseen)
