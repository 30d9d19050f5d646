"""`python -m core delete`: removes runs for good, all that are named or none."""

from typing import Annotated

import typer

from core.cli.terminal import deployment, err, fail, out
from core.launcher.launcher import Launcher, LauncherUnavailable, Refused
from core.storage.database import StoreError
from core.storage.holder import Owner
from core.storage.records import UnknownRun


def delete(runs: Annotated[list[str], typer.Argument(help="Ids of ended runs.", metavar="ID...")]) -> None:
    """Deletes runs for good: their curves, weights and logs. Where one of them cannot be, none is."""
    try:
        launcher = Launcher(deployment(), Owner.COMMAND_LINE)
    except (LauncherUnavailable, StoreError) as error:
        fail(str(error), 1)
    try:
        wanted = list(dict.fromkeys(runs))
        if refusals := [sentence for run_id in wanted if (sentence := _refusal(launcher, run_id))]:
            for sentence in refusals:
                err.print(sentence, markup=False, highlight=False, soft_wrap=True)
            if len(wanted) > len(refusals):
                err.print("Nothing was deleted.")
            raise typer.Exit(2)
        for run_id in wanted:
            launcher.delete(run_id)
            out.print(f"Deleted {run_id}.", highlight=False)
    except StoreError as error:
        fail(str(error), 1)
    finally:
        launcher.close()


def _refusal(launcher: Launcher, run_id: str) -> str:
    """Why a run cannot be deleted, as a sentence; empty where it can."""
    try:
        launcher.admission.check_deletion(run_id, "")
    except (UnknownRun, Refused) as refusal:
        return str(refusal)
    return ""
