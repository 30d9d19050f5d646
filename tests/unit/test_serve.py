"""What `core.serve` says about the port before it serves."""

import os
import socket
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from streamlit import config
from streamlit.runtime import secrets
from streamlit.web import cli

from core import serve
from core.data.own_images import MOST_ZIP_MB
from core.deployment.limits import read_environment
from core.results.study_file import MAX_STUDY_BYTES

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


@pytest.fixture
def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def never_served(port: int) -> int:
    raise AssertionError(f"served on {port}")


def test_a_port_in_use_gets_a_sentence_that_names_it_and_the_way_out(
    taken_port: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert serve.main({"PORT": str(taken_port)}, never_served) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"Port {taken_port} is in use. Choose another: make run PORT=")
    assert len(error.splitlines()) == 1


def test_the_real_program_says_so_without_a_traceback(taken_port: int) -> None:
    environment = {**os.environ, "PORT": str(taken_port)}
    command = [sys.executable, "-m", "core.serve"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("text", ["abc", "0", "65536", "-1", "80.0", "8501 8502", "٣٤٥٦", "9" * 5000])
def test_what_is_no_port_gets_a_sentence(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert serve.main({"PORT": text}, never_served) == 2
    assert capsys.readouterr().err.startswith("PORT is a number from 1 to 65535; it is ")


def test_a_free_port_is_served_from_the_project_s_folder(
    free_port: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    served: list[tuple[int, Path]] = []

    def note(port: int) -> int:
        served.append((port, Path.cwd()))
        return 0

    assert serve.main({"PORT": f" {free_port} "}, note) == 0
    assert served == [(free_port, ROOT)]


@pytest.mark.parametrize("text", ["", " "])
def test_no_port_means_streamlit_s_own(text: str) -> None:
    assert serve.parse_port(text) == 8501


def test_where_it_is_hosted_uploads_are_smaller_and_no_file_is_watched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DUEL_PROFILE", raising=False)
    assert serve.streamlit_options(*read_environment()) == []
    monkeypatch.setenv("DUEL_PROFILE", "hosted")
    assert serve.streamlit_options(*read_environment()) == [
        "--server.maxUploadSize",
        "1",
        "--server.fileWatcherType",
        "none",
    ]


@pytest.mark.parametrize("address", ["0.0.0.0", "::"])
def test_a_server_on_all_addresses_does_not_look_its_own_up(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    """Streamlit asks the internet for it, unless an address to print is named."""
    monkeypatch.setenv("DUEL_PROFILE", "hosted")
    monkeypatch.setenv("STREAMLIT_SERVER_ADDRESS", address)
    assert serve.streamlit_options(*read_environment())[-2:] == ["--browser.serverAddress", "localhost"]
    monkeypatch.setenv("STREAMLIT_BROWSER_SERVER_ADDRESS", "demo.example.org")
    assert "--browser.serverAddress" not in serve.streamlit_options(*read_environment())


def test_a_wrong_environment_gets_a_sentence_before_anything_is_served(
    free_port: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DUEL_LIMIT_EPOCHS", "many")
    assert serve.main({"PORT": str(free_port)}) == 2
    assert capsys.readouterr().err.startswith("The environment variable DUEL_LIMIT_EPOCHS is wrong: ")


def test_a_port_whose_last_connections_are_fading_is_free(free_port: int) -> None:
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", free_port))
        listener.listen()
        with socket.create_connection(("127.0.0.1", free_port)):
            listener.accept()[0].close()  # the side that closes first keeps the port for a minute
    serve.check_port("127.0.0.1", free_port)


def test_an_address_of_another_machine_gets_a_sentence() -> None:
    with pytest.raises(serve.PortError, match=r"^Port 8501 cannot be used: .+ Choose another: make run PORT=8502$"):
        serve.check_port("192.0.2.1", 8501)


@pytest.mark.parametrize("by", ["option", "variable"])
def test_a_profile_that_streamlits_secrets_set_is_known_before_it_serves(
    free_port: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, by: str
) -> None:
    (tmp_path / "secrets.toml").write_text('DUEL_PROFILE = "hosted"\n')
    monkeypatch.setenv("DUEL_PROFILE", "")  # the test's end takes back what the secret sets
    files, found = config.get_option("secrets.files"), secrets.Secrets()
    found._file_watchers_installed = True
    monkeypatch.setattr(secrets, "secrets_singleton", found)
    if by == "option":
        config.set_option("secrets.files", [str(tmp_path / "secrets.toml")])
    else:
        monkeypatch.setenv("STREAMLIT_SECRETS_FILES", str(tmp_path / "secrets.toml"))
    asked: list[list[str]] = []
    monkeypatch.setattr(cli, "main", lambda arguments, **_: asked.append(arguments))
    try:
        assert serve.run_streamlit(free_port) == 0
    finally:
        config.set_option("secrets.files", files)
    assert "--server.fileWatcherType" in asked[0]


@pytest.mark.parametrize(("argument", "status"), [("--help", 0), ("-h", 0), ("--port", 2)])
def test_an_argument_starts_no_server(argument: str, status: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert serve.main({}, lambda port: pytest.fail("it serves"), [argument]) == status
    said = capsys.readouterr()
    assert "It takes no arguments" in (said.err if status else said.out)


def test_what_the_fields_for_files_take_passes_the_server() -> None:
    config_file = tomllib.loads((ROOT / ".streamlit/config.toml").read_text(encoding="utf-8"))
    assert config_file["server"]["maxUploadSize"] >= max(MOST_ZIP_MB, MAX_STUDY_BYTES / 2**20)
