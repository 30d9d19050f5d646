"""How the browser tests find their browser, with a fake machine."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tests.browser.chromium import Machine, NoBrowserError, find_chromium


class FakeMachine:
    """A machine with some programs; a command that succeeds may bring another."""

    def __init__(self, *programs: str, brings: dict[str, str] | None = None) -> None:
        self.programs = set(programs)
        self.brings = brings or {}
        self.commands: list[str] = []

    def which(self, name: str) -> str | None:
        return f"/usr/bin/{name}" if name in self.programs else None

    def run(self, command: Sequence[str]) -> bool:
        line = " ".join(command)
        self.commands.append(line)
        for words, program in self.brings.items():
            if words in line:
                self.programs.add(program)
                return True
        return False

    def playwright_browser(self) -> Path | None:
        return Path("/playwright/chrome") if "playwright-chromium" in self.programs else None

    def find(self, *, root: bool = False, named: str = "") -> Path:
        environment = {"CHROMIUM": named} if named else {}
        return find_chromium(Machine(environment, self.which, self.run, root, self.playwright_browser))


def test_the_named_browser_wins() -> None:
    assert FakeMachine("my-chrome", "chromium").find(named="my-chrome") == Path("/usr/bin/my-chrome")


def test_a_named_browser_that_is_no_program_is_an_error_and_not_replaced() -> None:
    with pytest.raises(NoBrowserError, match="CHROMIUM names 'gone', which is no program"):
        FakeMachine("chromium").find(named="gone")


@pytest.mark.parametrize("name", ["chromium", "chromium-browser", "google-chrome"])
def test_a_browser_on_the_path_is_taken_and_nothing_installed(name: str) -> None:
    machine = FakeMachine(name, "apt-get")
    assert machine.find(root=True) == Path(f"/usr/bin/{name}")
    assert machine.commands == []


def test_root_installs_it_with_apt_after_an_update() -> None:
    machine = FakeMachine("apt-get", brings={"apt-get install": "chromium"})
    assert machine.find(root=True) == Path("/usr/bin/chromium")
    assert machine.commands[0] == "apt-get update"
    assert machine.commands[1].endswith("apt-get install -y --no-install-recommends chromium")


def test_a_user_installs_it_with_sudo_where_that_asks_nothing() -> None:
    machine = FakeMachine("apt-get", "sudo", brings={"sudo -n true": "sudo", "apt-get install": "chromium"})
    assert machine.find() == Path("/usr/bin/chromium")
    assert all(command.startswith("sudo -n ") for command in machine.commands)


@pytest.mark.parametrize(
    "machine",
    [
        pytest.param(lambda brings: (FakeMachine(brings=brings), False), id="no apt-get"),
        pytest.param(lambda brings: (FakeMachine("apt-get", brings=brings), False), id="apt-get, no root"),
        pytest.param(lambda brings: (FakeMachine("apt-get", "sudo", brings=brings), False), id="sudo asks"),
        pytest.param(lambda brings: (FakeMachine("apt-get", brings=brings), True), id="apt-get fails"),
    ],
)
def test_playwright_brings_one_where_apt_cannot(
    machine: Callable[[dict[str, str]], tuple[FakeMachine, bool]],
) -> None:
    fake, root = machine({"playwright install chromium": "playwright-chromium"})
    assert fake.find(root=root) == Path("/playwright/chrome")


def test_what_playwright_already_has_is_taken() -> None:
    machine = FakeMachine("playwright-chromium")
    assert machine.find() == Path("/playwright/chrome")
    assert machine.commands == []


@pytest.mark.parametrize("programs", [(), ("apt-get",)])
def test_no_browser_at_all_is_an_error_in_words(programs: tuple[str, ...]) -> None:
    with pytest.raises(NoBrowserError, match=r"need Chromium: none of chromium, .* could not bring one\. Install"):
        FakeMachine(*programs).find(root=True)
