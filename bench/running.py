"""One run: a house, the floor, every operation, and the imports, told line by line."""

import itertools
import json
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from flask import Flask

from bench.asking import Inside
from bench.auditing import measure_audit
from bench.bed import web_process
from bench.floor import insert_floor
from bench.house import House, make_house
from bench.importing import Imported, measure_imports
from bench.known import measure_search
from bench.measuring import Timing, count_statements, measure
from bench.operations import Operation, call_body, operations
from bench.options import AUDIT, IMPORT, PROTECTION, SEARCH, SERVICE, Options
from bench.protection import measure_protection
from helpline.app import create_app
from helpline.foundation.clock import real_now
from helpline.foundation.db import db
from helpline.settings import Settings

Say = Callable[[str], None]
HEAD = ("operation", "statements")
EACH = ("p50 ms", "p95 ms", "x", "goal", "req/s", "CPU ms")


def run(settings: Settings, options: Options, say: Say) -> None:
    """Measure against prepared servers; leaves a centre and what was logged in the database."""
    say(f"{real_now():%Y-%m-%d %H:%M} UTC, {os.cpu_count()} cores, load average {_load()} before.")
    with _application(settings, "web") as app:
        house = make_house(settings.database_owner_url, options)
        with app.app_context():
            db.engine.dispose()  # nobody may be connected to a database that is copied
        if PROTECTION in options.parts:
            measure_protection(settings, house, options, say)
        if SERVICE in options.parts:
            say(f"\n{options.rows} calls and cases; at most {options.count} requests or {options.seconds} s each.\n")
            _measure_all(settings, options, house, Inside(app), say)
    if SEARCH in options.parts and options.people:
        measure_search(settings, house, options, say)
    if IMPORT in options.parts and options.import_rows:
        _measure_imports(settings, options, house, say)
    if AUDIT in options.parts and options.audit_entries:
        with _application(settings, "worker") as worker:
            measure_audit(worker, settings, house, options.audit_entries, say)
    say(f"\nLoad average {_load()} after. What else the machine does moves these figures.")


def _measure_imports(settings: Settings, options: Options, house: House, say: Say) -> None:
    with _application(settings, "web") as web, _application(settings, "worker") as worker:
        say("\n| import | rows | rows/s | by COPY, rows/s | x |\n|---|---|---|---|---|")
        for done in measure_imports(web, worker, settings, house, options.import_rows, logs=options.logs):
            say(_import_line(done))


def _load() -> str:
    return "/".join(f"{value:.1f}" for value in os.getloadavg())


@contextmanager
def _application(settings: Settings, role: str) -> Iterator[Flask]:
    app = create_app(settings, database_role=role)
    try:
        yield app
    finally:
        with app.app_context():
            db.engine.dispose()


def _measure_all(settings: Settings, options: Options, house: House, inside: Inside, say: Say) -> None:
    body = json.dumps(call_body(house, 0)).encode()
    floors: list[list[Timing]] = [[] for _ in options.clients]
    rows: list[tuple[Operation, int, list[Timing]]] = []
    with tempfile.TemporaryDirectory() as folder, web_process(settings, Path(folder)) as web:
        for operation in operations(house, options, inside):
            numbers = itertools.count()
            rows.append((operation, count_statements(inside, operation, numbers), []))
            for clients, floor in zip(options.clients, floors, strict=True):
                floor.append(insert_floor(settings, body, clients, options.floor_count))
                rows[-1][2].append(measure(web, operation, numbers, clients, options))
    # The machine's load moves while we measure: the floor is the middle of those taken in between.
    middle = [sorted(floor, key=lambda found: found.p50)[len(floor) // 2] for floor in floors]
    headings = [*HEAD, *(f"{clients} cl. {name}" for clients in options.clients for name in EACH)]
    say(f"| {' | '.join(headings)} |\n|{'---|' * len(headings)}")
    for operation, statements, timings in rows:
        say(_line(operation.name, statements, list(zip(timings, middle, operation.goals, strict=True))))
    say(_line("floor: insert + commit by pgbench", 1, [(floor, floor, None) for floor in middle]))


def _line(name: str, statements: int, measured: list[tuple[Timing, Timing, int | None]]) -> str:
    cells = [name, str(statements)]
    for found, floor, goal in measured:
        cells += [
            f"{found.p50:.2f}", f"{found.p95:.2f}", f"{found.p50 / floor.p50:.0f}", f"≤ {goal}" if goal else "–",
            f"{found.per_second:.0f}", f"{found.cpu:.1f}" if found.cpu else "–",
        ]  # fmt: skip
    return f"| {' | '.join(cells)} |"


def _import_line(done: Imported) -> str:
    fast, floor = done.rows / done.whole, done.rows / done.copied
    return f"| {done.name} | {done.rows} | {fast:.0f} | {floor:.0f} | {floor / fast:.0f} |"
