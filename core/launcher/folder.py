"""How a Launcher takes its data folder, and what becomes of what an owner that went away left open."""

from core.launcher import ending
from core.launcher.admission import LauncherUnavailable
from core.launcher.outside import rows_to_end
from core.storage.database import State
from core.storage.holder import FolderHeld, Holder, Owner
from core.storage.measurements import Measurements
from core.storage.runs import Store


def take_folder(store: Store, measurements: Measurements, owner: Owner) -> Holder:
    """Takes a data folder for this process. Raises `LauncherUnavailable` where another one holds it, `StoreError`."""
    try:
        holder = Holder(store)
    except FolderHeld as error:
        raise LauncherUnavailable(str(error)) from None
    try:
        store.open_for_writing()
        end_what_was_left_open(store, measurements, holder.before)
        holder.say(owner)
    except BaseException:
        holder.release()
        raise
    return holder


def end_what_was_left_open(store: Store, measurements: Measurements, owner: str) -> None:
    """What an owner that went away had shown is there, and nothing more will come."""
    for run in store.open_runs():
        store.append(run.id, ending.cut_off(run, rows_to_end(store, run.id), owner))
    for measurement in measurements.open_ones():
        reason = ending.measurement_interrupted(owner, measurement.lesson)
        measurements.end(measurement.id, State.INTERRUPTED, reason)
