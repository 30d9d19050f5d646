"""Serves the dashboard, as `.venv/bin/python -m core.serve`, on the port in `PORT`.

It looks at the port first, then at the environment, so that what is wrong with them gets a sentence, and serves in
the same process: a signal to it reaches the server, and a Ctrl-C ends without a word.
"""

import errno
import os
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from core.deployment.limits import Limits
    from core.deployment.settings import DeploymentSettings

DEFAULT_PORT = 8501
HIGHEST_PORT = 65_535
ALL_ADDRESSES = ("0.0.0.0", "::")
NAMED_ADDRESS = "STREAMLIT_BROWSER_SERVER_ADDRESS"
SECRETS_FILES = "STREAMLIT_SECRETS_FILES"
USAGE = (
    "python -m core.serve serves the dashboard until Ctrl-C. It takes no arguments but variables of the environment: "
    f"PORT (else {DEFAULT_PORT}), STREAMLIT_SERVER_ADDRESS (else 127.0.0.1), and those in docs/hosting.md."
)


class PortError(Exception):
    """Says in a sentence why the dashboard cannot be served on a port; `exit_code` is what the shell gets."""

    def __init__(self, sentence: str, exit_code: int) -> None:
        super().__init__(sentence)
        self.exit_code = exit_code


def parse_port(text: str) -> int:
    """The port in `PORT`, the default where it is empty. Raises `PortError`."""
    text = text.strip()
    if not text:
        return DEFAULT_PORT
    if not (text.isascii() and text.isdigit() and len(text) <= 5 and 1 <= int(text) <= HIGHEST_PORT):
        raise PortError(f"PORT is a number from 1 to {HIGHEST_PORT}; it is {text!r}.", 2)
    return int(text)


def check_port(address: str, port: int) -> None:
    """Raises `PortError` where nothing can be served on this port now."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as probe:
        if os.name == "posix":
            # As the server does: a port whose last connections are still fading is free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError as error:
            raise PortError(_reason(port, error), 1) from error


def _reason(port: int, error: OSError) -> str:
    another = port + 1 if 1024 <= port < HIGHEST_PORT else DEFAULT_PORT
    if error.errno == errno.EADDRINUSE:
        reason = "is in use"
    elif error.errno == errno.EACCES:
        reason = "is not open to this user"
    else:
        reason = f"cannot be used: {error.strerror or error}"
    return f"Port {port} {reason}. Choose another: make run PORT={another}"


def run_streamlit(port: int) -> int:
    """Runs Streamlit's own command line until the server ends; returns the exit code, 2 for a wrong environment."""
    from click import Abort, ClickException
    from streamlit import config
    from streamlit.runtime.secrets import secrets_singleton
    from streamlit.web import cli

    from core.deployment.limits import environment
    from core.experiment.settings import InvalidSettings

    if named := os.environ.get(SECRETS_FILES):
        config.set_option("secrets.files", named.split())  # as the command line will, and too late for us
    secrets_singleton.load_if_toml_exists()  # they may set our variables
    try:
        options = ["--server.port", str(port), *streamlit_options(*environment())]
    except InvalidSettings as error:
        print(error, file=sys.stderr)
        return 2

    try:
        cli.main(["run", "app.py", *options], prog_name="streamlit", standalone_mode=False)
    except Abort:  # Ctrl-C, after the server has shut down
        return 0
    except ClickException as error:
        error.show()
        return error.exit_code
    return 0


def streamlit_options(deployment: "DeploymentSettings", limits: "Limits") -> list[str]:
    """What Streamlit is told beside `.streamlit/config.toml`."""
    # MB: a picture of a digit, and nothing larger.
    options = [] if limits.imports else ["--server.maxUploadSize", "1"]
    if deployment.profile == "hosted":
        # Nobody edits there, and each new session would look at every file that is imported.
        options += ["--server.fileWatcherType", "none"]
    if os.environ.get("STREAMLIT_SERVER_ADDRESS") in ALL_ADDRESSES and not os.environ.get(NAMED_ADDRESS):
        # Else Streamlit asks the internet for this machine's address before it serves, to print it.
        options += ["--browser.serverAddress", "localhost"]
    return options


def main(
    environment: Mapping[str, str], serve: Callable[[int], int] = run_streamlit, arguments: Sequence[str] = ()
) -> int:
    """Serves until stopped. Returns 1 when the port is taken, 2 when `PORT` is no port, or where there are arguments:
    it takes none but `--help`."""
    if arguments:
        asked = arguments[0] in ("-h", "--help")
        print(USAGE if asked else f"There is no {arguments[0]}. {USAGE}", file=sys.stdout if asked else sys.stderr)
        return 0 if asked else 2
    try:
        port = parse_port(environment.get("PORT", ""))
        check_port(environment.get("STREAMLIT_SERVER_ADDRESS", "127.0.0.1"), port)
    except PortError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    os.chdir(Path(__file__).resolve().parents[1])
    return serve(port)


if __name__ == "__main__":
    sys.exit(main(os.environ, arguments=sys.argv[1:]))
