"""Measurements in a data folder, those of older versions among them."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

from core.experiment.order import Order
from core.storage.database import FILE, MIGRATIONS
from core.storage.measurements import EVIDENCE, Measurements, write_evidence


def test_a_measurement_knows_whether_it_is_a_lesson_whatever_its_name(tmp_path: Path) -> None:
    measurements = Measurements(tmp_path)
    measurements.open_for_writing()
    for name, lesson in (("lesson-mse", False), ("mse", True)):
        measurements.create(Order(name, "fake", {}, 60.0, lesson), {})
    assert {one.subject: one.lesson for one in measurements.open_ones()} == {"lesson-mse": False, "mse": True}


def test_what_an_older_version_left_open_is_the_lesson_or_the_measurement_that_it_was(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / FILE)) as connection:
        for script in MIGRATIONS[:6]:
            connection.executescript(script)
        columns = "(id, subject, program, arguments, created_at, state, machine)"
        for number, name in enumerate(("lesson-mse", "claim-7")):
            values = (f"20260101-000000-0000000{number}", name, "fake")
            query = f"INSERT INTO measurements {columns} VALUES (?, ?, ?, '{{}}', '', 'running', '{{}}')"
            connection.execute(query, values)
        connection.execute("PRAGMA user_version=6")
        connection.commit()
    measurements = Measurements(tmp_path)
    measurements.open_for_writing()
    assert {one.subject: one.lesson for one in measurements.open_ones()} == {"lesson-mse": True, "claim-7": False}


def test_the_recorded_lessons_are_lessons() -> None:
    recorded = Measurements(Path("nowhere")).recorded()
    assert [one.lesson for one in recorded.values()] == [name.startswith("lesson-") for name in recorded]


def test_that_somebody_drew_keeps_its_stored_name(tmp_path: Path) -> None:
    measurements = Measurements(tmp_path, tmp_path)
    measurements.open_for_writing()
    found = measurements.create(Order("claim-7", "fake", {}, 60.0), {})
    measurements.finish(found, {}, {}, drawn_meanwhile=True)
    assert measurements.get(found).drawn_meanwhile
    with closing(sqlite3.connect(tmp_path / FILE)) as connection:
        assert connection.execute("SELECT beside FROM measurements").fetchone() == (1,)
    write_evidence(tmp_path / EVIDENCE, [measurements.get(found)])
    assert [one["beside"] for one in json.loads((tmp_path / EVIDENCE).read_text())] == [True]
    assert measurements.recorded()["claim-7"].drawn_meanwhile
