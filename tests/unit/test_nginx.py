"""How the hosting tests find their nginx, with a fake machine."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.browser.chromium import Machine
from tests.browser.nginx import NoNginxError, find_nginx
from tests.unit.test_chromium import FakeMachine


def find(fake: FakeMachine, unpacked: Path, *, root: bool = False, named: str = "") -> Path:
    environment = {"NGINX": named} if named else {}
    return find_nginx(Machine(environment, fake.which, fake.run, root), unpacked)


class Debian(FakeMachine):
    """A machine where apt-get brings a package, whose program runs or not."""

    def __init__(self, unpacked: Path, *, runs: bool = True) -> None:
        super().__init__("apt-get", "dpkg-deb")
        self.unpacked, self.runs = unpacked, runs

    @property
    def program(self) -> str:
        return str(self.unpacked / "usr/sbin/nginx")

    def which(self, name: str) -> str | None:
        return name if name == self.program and name in self.programs else super().which(name)

    def run(self, command: Sequence[str]) -> bool:
        super().run(command)
        if "download" in command:
            (self.unpacked / "nginx_1.22_amd64.deb").touch()
        if command[0] == "dpkg-deb":
            self.programs.add(self.program)
        return command[0] != self.program or self.runs


def test_the_named_nginx_wins_and_a_wrong_name_is_not_replaced(tmp_path: Path) -> None:
    assert find(FakeMachine("mine", "nginx"), tmp_path, named="mine") == Path("/usr/bin/mine")
    with pytest.raises(NoNginxError, match="NGINX names 'gone', which is no program"):
        find(FakeMachine("nginx"), tmp_path, named="gone")


def test_one_on_the_path_is_taken_and_nothing_downloaded(tmp_path: Path) -> None:
    machine = FakeMachine("nginx", "apt-get")
    assert find(machine, tmp_path, root=True) == Path("/usr/bin/nginx")
    assert machine.commands == []


@pytest.mark.parametrize("root", [True, False])
def test_debian_s_package_is_unpacked_and_never_installed(tmp_path: Path, root: bool) -> None:
    machine = Debian(tmp_path)
    assert str(find(machine, tmp_path, root=root)) == machine.program
    assert ("apt-get update" in machine.commands) is root, "without root the lists that are there must do"
    assert not [command for command in machine.commands if "install" in command]
    machine.commands.clear()
    assert str(find(machine, tmp_path)) == machine.program
    assert machine.commands == [f"{machine.program} -v"], "what was unpacked before is taken"


def test_no_nginx_at_all_is_an_error_in_words(tmp_path: Path) -> None:
    with pytest.raises(NoNginxError, match=r"need nginx: .* there is no apt-get to bring one\. Install nginx"):
        find(FakeMachine(), tmp_path)
    with pytest.raises(NoNginxError, match=r"need nginx: .* apt-get could not bring one\. Install nginx"):
        find(Debian(tmp_path, runs=False), tmp_path, root=True)
