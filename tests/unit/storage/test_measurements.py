"""Measurements in a data folder, those of older versions among them."""

import sqlite3
from contextlib import closing
from pathlib import Path

from core.experiment.settings import Order
from core.storage.database import FILE, MIGRATIONS
from core.storage.measurements import Measurements


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
