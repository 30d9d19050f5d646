"""How the browser tests find their Firefox, with a fake machine."""

from pathlib import Path

import pytest

from tests.browser.chromium import Machine, NoBrowserError
from tests.browser.firefox import find_firefox
from tests.unit.test_chromium import FakeMachine


def find(fake: FakeMachine, *, root: bool = False, named: str = "") -> Path:
    return find_firefox(Machine({"FIREFOX": named} if named else {}, fake.which, fake.run, root))


def test_the_named_firefox_wins_and_a_wrong_name_is_not_replaced() -> None:
    assert find(FakeMachine("mine", "firefox"), named="mine") == Path("/usr/bin/mine")
    with pytest.raises(NoBrowserError, match="FIREFOX names 'gone', which is no program"):
        find(FakeMachine("firefox"), named="gone")


@pytest.mark.parametrize("name", ["firefox-esr", "firefox"])
def test_one_on_the_path_is_taken_and_nothing_installed(name: str) -> None:
    machine = FakeMachine(name, "apt-get")
    assert find(machine, root=True) == Path(f"/usr/bin/{name}")
    assert machine.commands == []


def test_apt_brings_the_release_that_debian_has() -> None:
    machine = FakeMachine("apt-get", brings={"install -y --no-install-recommends firefox-esr": "firefox-esr"})
    assert find(machine, root=True) == Path("/usr/bin/firefox-esr")


def test_no_firefox_at_all_is_an_error_in_words() -> None:
    with pytest.raises(NoBrowserError, match=r"need Firefox: .* there is no apt-get to bring one\. Install Firefox"):
        find(FakeMachine())
    with pytest.raises(NoBrowserError, match=r"need Firefox: .* apt-get could not bring one\. Install Firefox"):
        find(FakeMachine("apt-get"), root=True)
