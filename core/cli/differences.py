"""`python -m core differences`: what really differs, in the terminal, with its measurements."""

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from core.cli.claims import print_measurement
from core.cli.terminal import AsJson, deployment, err, fail, print_json_line, print_table, say
from core.compare.differences import catalogue
from core.compare.differences.difference import Difference
from core.compare.differences.measured import Measured, all_measured, as_json, cost_words, failures
from core.compare.study_evidence import costs
from core.data.datasets import DATASETS
from core.experiment.machine import machine_words
from core.experiment.network import Network, NetworkError
from core.experiment.order import Order
from core.experiment.settings import DEFAULTS, InvalidSettings, TrainSettings
from core.launcher.launcher import Launcher, LauncherUnavailable
from core.storage.database import State, StoreError
from core.storage.holder import Owner
from core.storage.measurements import Measurements
from core.storage.runs import Store
from core.storage.studies import Studies

Layers = dict[str, Sequence[str]]


def differences(
    measure: Annotated[str, typer.Option(help="Rows to measure here, by name with commas between, or all.")] = "",
    network: Annotated[
        str, typer.Option(help="A network, or a preset's name: only the rows that touch it, with its layers.")
    ] = "",
    as_json_lines: AsJson = False,
) -> None:
    """Lists what really differs between Keras and PyTorch, with the evidence; measures rows on this machine."""
    wanted = _wanted(measure)
    layers = _layers(network)
    unmeasured = _measure(wanted, everything=measure.strip() == "all") if wanted else []
    try:
        folder = deployment().data_dir
        found = Measurements(folder)
        rows = all_measured(found.results(), found.recorded(), costs(Studies(folder), Store(folder)))
    except StoreError as error:
        fail(str(error), 1)
    shown = [row for row in rows if not wanted or row.difference in wanted]
    if layers is not None:
        shown = [row for row in shown if row.difference.name in layers]
    for row in shown if as_json_lines else ():
        print_json_line(as_json(row) | _touched(row, layers))
    if not as_json_lines:
        _print(shown, layers)
    for failure in unmeasured:
        say(failure, err)
    raise typer.Exit(1 if unmeasured else 0)


def _wanted(measure: str) -> list[Difference]:
    """The rows that an option names; ends with a sentence where it names none that can be measured."""
    if measure.strip() == "all":
        return [row for row in catalogue.DIFFERENCES if row.measured]
    found = []
    for part in filter(None, (part.strip() for part in measure.split(","))):
        try:
            row = catalogue.find(part)
        except KeyError as error:
            fail(f"{error.args[0]} Or all.", 2)
        if not row.measured:
            fail(f"{row.title}: {row.not_measured}", 2)
        found += [row] if row not in found else []
    return found


def _layers(network: str) -> Layers | None:
    """What of a network each row touches that touches it; None where none is given."""
    if not network.strip():
        return None
    try:
        settings = TrainSettings.parse({"network": network})
        found = Network.of(settings.network, DATASETS[DEFAULTS["dataset"]].shape)
    except (InvalidSettings, NetworkError) as error:
        fail(str(error), 2)
    return {row.name: layers for row, layers in catalogue.touching(settings, found)}


def _measure(wanted: Sequence[Difference], everything: bool) -> list[str]:
    """Measures rows one after the other, or all of them in one go; one that fails harms no other.

    Returns a sentence for each that has no numbers.
    """
    try:
        launcher = Launcher(deployment(), Owner.COMMAND_LINE)
    except (LauncherUnavailable, StoreError) as error:
        fail(str(error), 1)
    try:
        orders = [catalogue.measure_all()] if everything else [row.order for row in wanted]
        return [sentence for order in orders for sentence in _measure_one(launcher, order)]
    except KeyboardInterrupt:
        for measurement in reversed(launcher.measuring()):
            launcher.stop(measurement)
        raise typer.Exit(130) from None
    except StoreError as error:
        fail(str(error), 1)
    finally:
        launcher.close()


def _measure_one(launcher: Launcher, order: Order) -> list[str]:
    found = print_measurement(launcher, launcher.measure(order))
    if found.state != State.FINISHED:
        return [f"{found.subject}: {found.reason}"]
    return [f"{name}: {why}" for name, why in failures(found).items()]


def _touched(row: Measured, layers: Layers | None) -> dict[str, Any]:
    return {} if layers is None else {"layers": list(layers[row.difference.name])}


def _print(shown: Sequence[Measured], layers: Layers | None) -> None:
    touched = [] if layers is None else ["touches"]
    listed = []
    for row in shown:
        here = [] if layers is None else [", ".join(layers[row.difference.name])]
        listed.append((row.difference.name, row.difference.part, *here, row.words, _evidence(row)))
    print_table(("difference", "part", *touched, "measured", "evidence"), listed, prose=True)
    number = f"{len(shown)} of {len(catalogue.DIFFERENCES)} differences"
    say(f"{number}{'.' if layers is None else ' touch this network, with Adam and no weight decay.'}")


def _evidence(row: Measured) -> str:
    """What was found and where, and what it costs; what happens where nothing was measured."""
    parts = [row.difference.happens]
    if (found := row.evidence) is not None:
        measurement = found.measurement
        where = f"({machine_words(measurement.machine)}, {measurement.measured_at[:10]})"
        parts = [found.shown.finding, where]
    if row.cost is not None:
        parts.append(cost_words(row.cost))
    return " ".join(parts)
