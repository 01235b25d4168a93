"""Importing a log, beside a COPY of the same rows into a plain table."""

import csv
import io
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import psycopg
from flask import Flask
from psycopg import sql

from bench.house import House, Person, make_centre, make_person
from helpline.foundation.clock import now
from helpline.foundation.context import Actor, Channel, Context
from helpline.foundation.db import db, unit_of_work
from helpline.foundation.ids import new_id
from helpline.imports.commands import ImportFile
from helpline.imports.services.running import Progress, RunNext, import_file, run_next
from helpline.imports.services.steps import save_mapping
from helpline.settings import ROOT, Settings

LOGS = sorted((ROOT.parent / "shared" / "data").glob("line137_*.csv"))
MAPPING = {
    "name": "bench",
    "title": "A generated log",
    "constants": {"kind": "counselling"},
    "fields": [
        {"target": "started_at", "columns": ["when"], "type": "datetime", "formats": ["iso"], "required": True},
        {"target": "child_age", "columns": ["age"], "type": "integer", "min": 0, "max": 120},
        {"target": "child_name", "columns": ["child"], "type": "text"},
        {"target": "caller_phone", "columns": ["phone"], "type": "text"},
        {"target": "category", "columns": ["why"], "type": "choice", "values": {"violence.neglect": ["neglect"]}},
        {"target": "province_name", "columns": ["where"], "type": "text"},
        {"target": "narrative", "columns": ["said"], "type": "text"},
    ],
}


@dataclass(frozen=True)
class Imported:
    """Seconds: `whole` from the file to the last commit, `copied` for the COPY of the same rows."""

    name: str
    rows: int
    whole: float
    copied: float


def generated(rows: int) -> bytes:
    """A log of so many calls, a minute apart, each with a child, a phone number and 200 letters of narrative."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["when", "age", "child", "phone", "why", "where", "said"])
    begin = datetime(2024, 1, 1, tzinfo=UTC)
    for n in range(rows):
        when = (begin + timedelta(minutes=n)).strftime("%Y-%m-%d %H:%M")
        where = ("Siem Reap", "Kampot", "Kep", "Takeo")[n % 4]
        writer.writerow([when, n % 18, f"Bopha {n}", f"011 {n % 1_000_000:06}", "neglect", where, "She told it. " * 15])
    return text.getvalue().encode()


def measure_imports(
    web: Flask, worker: Flask, settings: Settings, house: House, rows: int, *, logs: bool
) -> list[Imported]:
    """The generated log into the house's centre, the real ones (where they are) into one in Argentina."""

    def run(import_id: uuid.UUID, progress: Progress) -> None:
        with worker.app_context():
            run_next(import_id, progress)

    with web.app_context():
        try:
            _know_mapping(house)
            done = [_measure(settings, house.code, house.supervisor, ("generated.csv", generated(rows)), run)]
            with psycopg.connect(settings.database_owner_url) as connection:
                centre_id, code = make_centre(connection, "AR", "America/Argentina/Buenos_Aires")
                person = make_person(connection, centre_id, "supervisor")
            return done + [
                _measure(settings, code, person, (path.name, path.read_bytes()), run) for path in LOGS if logs
            ]
        finally:
            db.engine.dispose()


def _know_mapping(house: House) -> None:
    actor = Actor(id=house.supervisor.id, role="supervisor", centre_id=house.centre_id)
    ctx = Context(actor=actor, now=now(), request_id=new_id(), channel=Channel.CLI, timezone="Asia/Phnom_Penh")
    with unit_of_work(ctx):
        save_mapping(ctx, house.centre_id, MAPPING)


def _measure(settings: Settings, code: str, person: Person, log: tuple[str, bytes], run: RunNext) -> Imported:
    name, content = log
    begun = time.perf_counter()
    command = ImportFile(code, person.login, name, io.BytesIO(content))
    outcome = import_file(command, lambda _done, _all: None, run=run)
    whole = time.perf_counter() - begun
    rows = list(csv.reader(io.StringIO(content.decode("utf-8-sig"))))[1:]
    if outcome.error_code or outcome.added != len(rows):
        raise RuntimeError(f"{name}: {outcome.sentences()}")
    return Imported(name, len(rows), whole, _copy(settings.database_owner_url, rows))


def _copy(owner_url: str, rows: Sequence[Sequence[str]]) -> float:
    columns = sql.SQL(", ").join(sql.SQL("{} text").format(sql.Identifier(f"c{n}")) for n in range(len(rows[0])))
    with psycopg.connect(owner_url) as connection:
        connection.execute("DROP TABLE IF EXISTS bench_rows")
        connection.execute(sql.SQL("CREATE TABLE bench_rows ({})").format(columns))
        connection.commit()
        begun = time.perf_counter()
        with connection.cursor().copy("COPY bench_rows FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)
        connection.commit()
        return time.perf_counter() - begun
