"""What the Launcher and the program that meets a cluster (`core.cluster`) say to each other; see `messages`."""

from dataclasses import dataclass
from typing import Any

from core.protocol.message import Message

# --- commands ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Execute(Message):
    """To the cluster: executes a run on one of its nodes; answered by `Reported`s, then `Ended`."""

    kind = "execute"
    run: str
    node: str
    """The id of one of the `Nodes`."""
    settings: dict[str, Any]
    artifacts: str
    """Folder on this machine that receives weights, predictions and logs."""
    owner: str
    visitor: str
    limit_s: float | None
    """As in the Launcher's `JobContext`."""


@dataclass(frozen=True)
class Cancel(Message):
    """To the cluster: a run shall stop; it reports and ends as any other."""

    kind = "cancel"
    run: str


# --- events -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ClusterNode:
    """A machine of a cluster, or why it is not used."""

    id: str
    name: str
    machine: dict[str, Any]
    """See `core.experiment.machine`; empty where it is not used."""
    refused: str = ""
    """Why it is not used, as a sentence."""


@dataclass(frozen=True)
class Nodes(Message):
    """The machines of the cluster now, this one apart; `here_too`: whether this one counts among them."""

    kind = "nodes"
    nodes: list[ClusterNode]
    here_too: bool


@dataclass(frozen=True)
class Reported(Message):
    """Rows of a run that a node executes, in their order: engine, kind and text of each, see `core.storage.rows`."""

    kind = "reported"
    run: str
    rows: list[tuple[str, str, str]]


@dataclass(frozen=True)
class Ended(Message):
    """A run is executed no more: its rows say how it ended, unless one of these says why it has no end."""

    kind = "ended"
    run: str
    cut_short: str = ""
    """It could not go on there, as a sentence."""
    failed: str = ""
    """It could go on nowhere, as a sentence."""
    lacks: str = ""
    """It did not begin because its data set cannot be had there, as a sentence."""


ClusterCommand = Execute | Cancel
