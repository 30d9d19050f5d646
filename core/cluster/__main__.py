"""Meets one Ray cluster for the Launcher, `python -m core.cluster ADDRESS`: runs go to nodes, rows and files come back.

Ray ends a process whose cluster is lost, so this is one of its own; it ends at once when its stdin closes, and the
cluster then ends what it runs for it.
"""

import hashlib
import os
import queue
import socket
import sys
import threading
import time
import traceback
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from core.cluster import node as on_node
from core.launcher import ending
from core.protocol import cluster_messages, messages
from core.protocol.cluster_messages import Cancel, ClusterCommand, ClusterNode, Execute
from core.protocol.messages import Command
from core.protocol.process import ROOT
from core.protocol.stdio import Outbox, connect, leave_after, one_line, refuse

LOOK_S = 1.0
"""How often is looked which nodes there are."""
AGAIN = "Restart Ray there to use it again."
DESCRIBE_S = 120.0
"""So long a node may take to say what it is: the first time it fetches this program's code."""
ANSWER_S = 5.0
"""So long a cluster's port may take to answer."""
IDLE_S = 10.0
"""A node without a run is given back to the cluster after that."""
NOT_SENT = ["web/", "storage/recorded/", "__pycache__/"]
"""What of `core` no node needs."""
NOT_INSTALLED = "A cluster needs Ray, which is not installed here: `make install CLUSTER=auto` installs it."


class NotWritten(Exception):
    """A file could not be written here, as a sentence."""


class NoCluster(Exception):
    """There is none at an address: the rest of a sentence."""


class DamagedFile(Exception):
    """A file arrived as another than was sent."""


class Cluster:
    """The cluster while this process is connected with it. Raises whatever Ray raises."""

    def __init__(self, ray: Any, address: str, outbox: Outbox) -> None:
        """Connects."""
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        self._ray, self._outbox, self._at = ray, outbox, NodeAffinitySchedulingStrategy
        code = {"py_modules": [str(ROOT / "core")], "excludes": NOT_SENT}
        ray.init(address, configure_logging=False, log_to_driver=False, runtime_env=code)
        # From outside of the cluster, by ray://, there is no node of our own.
        self._own = "" if address.startswith("ray://") else ray.get_runtime_context().get_node_id()
        self._ours = on_node.versions()
        self._guard = threading.Lock()
        self._nodes: dict[str, ClusterNode | None] = {}  # None: it has not said yet what it is
        self._resources: dict[str, Mapping[str, float]] = {}
        self._actors: dict[str, Any] = {}
        self._one_at_a_time: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)  # by node
        self._runs: dict[str, str] = {}  # the node of each
        self._idle_since: dict[str, float] = {}
        self._cancelled: set[str] = set()
        self._here_too = False
        self._told: cluster_messages.Nodes | None = None

    # --- nodes -----------------------------------------------------------------------------------------

    def look(self) -> None:
        """Takes notice of nodes that came and went, and gives back those that have had no run for a while."""
        found = {
            each["NodeID"]: each for each in self._ray.nodes() if each["Alive"] and each["Resources"].get("CPU", 0) >= 1
        }
        with self._guard:
            self._here_too = found.pop(self._own, None) is not None
            self._nodes = {node: self._nodes[node] for node in self._nodes if node in found}
            new = [node for node in found if node not in self._nodes]
            self._nodes |= dict.fromkeys(new)
            self._resources = {node: each["Resources"] for node, each in found.items()}
        for node in new:
            threading.Thread(target=self._describe, args=(node, _name(found[node])), daemon=True).start()
        self._tell()
        self._give_back()

    def _tell(self) -> None:
        """Says which nodes there are, where that has changed; the first time, when all have said what they are."""
        with self._guard:
            described = [each for each in self._nodes.values() if each is not None]
            nodes, all_have = cluster_messages.Nodes(described, self._here_too), len(described) == len(self._nodes)
            if nodes != self._told and (self._told is not None or all_have):
                self._told = nodes
                self._outbox.send(nodes)

    def _describe(self, node: str, name: str) -> None:
        """Asks a node what it is; one with other versions, or where our code does not run, is refused."""
        task = self._ray.remote(num_cpus=0, max_calls=1, max_retries=0)(on_node.describe)
        machine: dict[str, Any] = {}
        try:
            asked = task.options(scheduling_strategy=self._at(node, soft=False)).remote()
            described, versions = self._ray.get(asked, timeout=DESCRIBE_S)
            if not (refused := differences(name, versions, self._ours)):
                machine = dict(described)
        except Exception as error:
            traceback.print_exc()
            refused = f"{name} is not used: {_why(error)}."
        with self._guard:
            if node in self._nodes:
                self._nodes[node] = ClusterNode(node, name, machine, refused)

    def _give_back(self) -> None:
        over = time.monotonic() - IDLE_S
        for node in [node for node, since in list(self._idle_since.items()) if since < over]:
            del self._idle_since[node]
            self._end_actor(node)

    # --- runs ------------------------------------------------------------------------------------------

    def take(self, command: ClusterCommand) -> None:
        """Carries out a command, in the background where it takes a while."""
        match command:
            case Execute(run, node):
                with self._guard:
                    self._runs[run] = node
                    self._idle_since.pop(node, None)
                threading.Thread(target=self._execute, args=(command,), daemon=True).start()
            case Cancel(run):
                with self._guard:
                    self._cancelled.add(run)
                    actor = self._actors.get(self._runs.get(run, ""))
                if actor is not None:
                    actor.stop.remote()

    def _execute(self, order: Execute) -> None:
        """Has a node execute a run, and passes on what it says."""
        name = self._name_of(order.node)
        try:
            with self._one_at_a_time[order.node]:  # one whose end could not be written here may still stop there
                ended = self._follow(order, name)
        except DamagedFile as error:
            ended = cluster_messages.Ended(order.run, cut_short=f"{error} from {name}, so this pair is run anew.")
            self._lose(order.node, f"{name} is not used any more: {error}. {AGAIN}")
        except NotWritten as error:
            ended = cluster_messages.Ended(order.run, failed=str(error))
            self._end_actor(order.node)
        except Exception:
            traceback.print_exc()
            why = f"{name} was lost while this ran, so this pair is run anew."
            ended = cluster_messages.Ended(order.run, cut_short=why)
            self._lose(order.node, f"{name} is not used any more: it was lost while it ran a pair. {AGAIN}")
        with self._guard:
            self._runs.pop(order.run, None)
            self._cancelled.discard(order.run)
            self._idle_since[order.node] = time.monotonic()
        self._outbox.send(ended)

    def _follow(self, order: Execute, name: str) -> cluster_messages.Ended:
        actor = self._actor(order.node)
        settings, limit_s = order.settings, order.limit_s
        begun = actor.begin.remote(order.run, settings, order.owner, order.visitor, limit_s)
        # Others may use the node: then its actor, and this run, wait.
        while not self._ray.wait([begun], timeout=0.2)[0]:
            if order.run in self._cancelled:
                self._end_actor(order.node)
                return cluster_messages.Ended(order.run, cut_short="It had not begun.")
        self._ray.get(begun)
        if order.run in self._cancelled:  # it was not there yet to be told
            actor.stop.remote()
        while True:
            batch = self._ray.get(actor.take.remote())
            self._keep(Path(order.artifacts), batch.files)
            if batch.rows:
                self._outbox.send(cluster_messages.Reported(order.run, batch.rows))
            if batch.ended:
                lacks = f"{name} cannot have the data set {settings['dataset']}: {batch.lacks}" if batch.lacks else ""
                return cluster_messages.Ended(order.run, failed=batch.failed, lacks=lacks)

    def _actor(self, node: str) -> Any:
        """What executes runs on a node, and keeps it from everybody else meanwhile."""
        with self._guard:
            if node not in self._actors:
                resources = self._resources[node]
                options = {"num_cpus": resources["CPU"], "num_gpus": resources.get("GPU", 0)}
                never_again = {"max_restarts": 0, "max_task_retries": 0}  # a killed timing is not repeated in silence
                made = self._ray.remote(max_concurrency=4, **never_again, **options)(on_node.RunsOnNode)
                self._actors[node] = made.options(scheduling_strategy=self._at(node, soft=False)).remote(
                    resources["CPU"]
                )
            return self._actors[node]

    @staticmethod
    def _keep(folder: Path, files: Mapping[str, tuple[str, bytes]]) -> None:
        """Writes the files of a run, each whole. Raises `DamagedFile`, `NotWritten`."""
        for name, (sha256, content) in files.items():
            if hashlib.sha256(content).hexdigest() != sha256:
                raise DamagedFile(f"{name} arrived damaged")
            temporary = folder / f"{Path(name).name}.part"
            try:
                folder.mkdir(parents=True, exist_ok=True)
                temporary.write_bytes(content)
                temporary.replace(folder / Path(name).name)
            except OSError as error:
                raise NotWritten(f"Its files could not be written here ({error.strerror or error}).") from error

    def _lose(self, node: str, why: str) -> None:
        """A node that is there all the same is used no more; one that is gone is forgotten at the next look."""
        self._end_actor(node)
        with self._guard:
            if (found := self._nodes.get(node)) is not None:
                self._nodes[node] = replace(found, machine={}, refused=why)
        self._tell()  # before this run's end, after which it would be given another one

    def _end_actor(self, node: str) -> None:
        with self._guard:
            actor = self._actors.pop(node, None)
        if actor is not None:
            self._ray.kill(actor)

    def _name_of(self, node: str) -> str:
        found = self._nodes.get(node)
        return found.name if found else "A node"


def differences(name: str, theirs: Mapping[str, str], ours: Mapping[str, str]) -> str:
    """Why a node is not used that has other versions than this machine, as a sentence; empty where it has the same."""
    other = [
        f"{package} {theirs.get(package, 'is missing')} (here {version})"
        for package, version in ours.items()
        if theirs.get(package) != version
    ]
    return f"{name} is not used, for its versions differ: {', '.join(other)}." if other else ""


def check_address(address: str) -> None:
    """Raises `NoCluster` where nothing listens: Ray would try for minutes."""
    if address == "auto":
        return
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not (host and port.isdigit() and int(port) < 2**16):
        raise NoCluster("it must be auto, ray://HOST:10001 or HOST:6379")
    try:
        socket.create_connection((host, int(port)), timeout=ANSWER_S).close()
    except OSError as error:
        raise NoCluster(f"nothing answers there ({error.strerror or error})") from None


def _name(node: Mapping[str, Any]) -> str:
    """What a node was called when it was started, else its host's name."""
    given: str = node["NodeName"]
    return given if given not in ("", node["NodeManagerAddress"]) else str(node["NodeManagerHostname"])


def _why(error: BaseException) -> str:
    """An error of Ray, or what it was caused by on a node, as the rest of a sentence."""
    return one_line(getattr(error, "cause", None) or error)


def work(address: str, outbox: Outbox, commands: "queue.SimpleQueue[ClusterCommand]") -> int:
    """Connects, then carries out commands until this process ends; 1 where it cannot connect."""
    # A cluster executes whatever it is sent: without a token it would do so for everybody who reaches its port.
    os.environ.setdefault("RAY_AUTH_MODE", "token")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError:
        outbox.send(messages.Failed(NOT_INSTALLED))
        return 1
    try:
        check_address(address)
        cluster = Cluster(ray, address, outbox)
    except Exception as error:
        traceback.print_exc()
        why = str(error) if isinstance(error, NoCluster) else _why(error)
        outbox.send(messages.Failed(ending.no_cluster(address, why)))
        return 1
    while True:
        cluster.look()
        until = time.monotonic() + LOOK_S
        while (left_s := until - time.monotonic()) > 0:
            try:
                cluster.take(commands.get(timeout=left_s))
            except queue.Empty:
                break


def main() -> None:
    """Sets up the pipes before anything else can print, then works."""
    commands: queue.SimpleQueue[ClusterCommand] = queue.SimpleQueue()

    def take(command: Command) -> None:
        commands.put(command) if isinstance(command, Execute | Cancel) else refuse(command)

    outbox = connect(take)
    leave_after(lambda: work(sys.argv[1], outbox, commands))


if __name__ == "__main__":
    main()
