"""What commands that start something share: an option for each setting, and who executes it."""

from collections.abc import Callable
from inspect import Parameter, Signature, signature
from typing import Annotated

import typer

from core.cli.terminal import deployment, err, say
from core.experiment.settings import DEFAULTS, SETTINGS, in_order
from core.launcher.inbox import Guest, is_answered
from core.launcher.launcher import Launcher, LauncherUnavailable
from core.storage.holder import Owner

ITS_OWN_CLUSTER = (
    "The dashboard holds the data folder, and runs studies where it was told to: leave --cluster out, or start it with "
    "`make run CLUSTER=...`."
)


def with_settings(command: Callable[..., None]) -> Callable[..., None]:
    """The command with an option for each setting in place of its `**raw`.

    Every option is text: `TrainSettings` alone checks it, so a bad value gets the page's sentence.
    """
    options = []
    for name in in_order("engines"):
        annotation = Annotated[str, typer.Option(help=SETTINGS[name].option_help)]
        default = SETTINGS[name].typed(DEFAULTS[name])
        options.append(Parameter(name, Parameter.KEYWORD_ONLY, default=default, annotation=annotation))
    own = [one for one in signature(command).parameters.values() if one.kind is not Parameter.VAR_KEYWORD]
    command.__signature__ = Signature(sorted([*options, *own], key=lambda one: one.kind))  # type: ignore[attr-defined]
    return command


def open_launcher(cluster: str = "") -> Launcher | Guest:
    """One of our own, else the dashboard's where it has the folder. Raises `LauncherUnavailable`, `StoreError`.

    `cluster` is the Ray cluster on which studies shall run; that of the environment where none is named.
    """
    found = deployment()
    if cluster:
        found = found.model_copy(update={"cluster": cluster})
    try:
        return Launcher(found, Owner.COMMAND_LINE)
    except LauncherUnavailable:
        if cluster and is_answered(found.data_dir):
            raise LauncherUnavailable(ITS_OWN_CLUSTER) from None
        if is_answered(found.data_dir):
            return Guest(found.data_dir, lambda sentence: say(sentence, err))
        raise
