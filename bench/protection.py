"""What protection costs: the same services with it, without it, and with one part alone, asked in turns.

Each side has a web process and a database of its own, copied from one house: they differ in nothing else. A round asks
every side for half a second, beginning with another one each time, so that what else the machine does falls on all.
"""

import itertools
import statistics
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
from psycopg import sql

from bench.asking import Ask, Client, Wire
from bench.bare import ROWS, SEALING, SIDES, plain
from bench.bed import Backends, Web, web_process
from bench.house import House
from bench.known import load_people, named, searcher
from bench.measuring import times_of
from bench.names import Somebody, asked, people
from bench.operations import Make, Operation, call_body, cases_with_notes, open_case, post, reading, sign_in
from bench.options import Options
from helpline.foundation.crypto.sealed import seal_values
from helpline.foundation.provision import prepare_database
from helpline.settings import Settings

WHOLE = ("protected", "bare")
PARTS = tuple(side for side in SIDES if side not in WHOLE)
PEOPLE = 10_000
GOALS = {"log a call": 25, "open a case": 25, "first page of cases": 25, "search by name": 50, "case by API": 50,
         "case page": 50}  # fmt: skip
HEAD = (
    "operation", "clients", "p50 ms", "bare p50 ms", "CPU ms", "bare CPU ms", "cost by p50", "cost by CPU",
    "rows alone", "sealing alone", "audit alone", "goal",
)  # fmt: skip


@dataclass
class _Side:
    """A way to run the services, and what was measured of each operation: times, and CPU of web and database."""

    name: str
    web: Web
    operations: dict[str, Operation]
    numbers: Iterator[int] = field(default_factory=itertools.count)
    times: dict[tuple[str, int], list[list[float]]] = field(default_factory=dict)
    cpu: dict[tuple[str, int], list[float]] = field(default_factory=dict)


def measure_protection(settings: Settings, house: House, options: Options, say: Callable[[str], None]) -> None:
    """Needs a superuser's address, to copy the database; nobody else may be connected to it."""
    everybody = list(people(options.seed, min(options.people or PEOPLE, PEOPLE)))
    with tempfile.TemporaryDirectory(prefix="helpline-bench-") as folder, ExitStack() as stack:
        own = replace(settings, search_socket_path=Path(folder) / "s.sock", web_workers=1)
        copies = {name: _copied(own, name) for name in SIDES}
        for name, copy in copies.items():
            _prepare(copy, SIDES[name], house, everybody)
        stack.enter_context(searcher(copies["protected"], house, Path(folder)))
        sides = []
        for name, copy in copies.items():
            web = stack.enter_context(web_process(copy, Path(folder), f"bench.bare:{name}"))
            client = stack.enter_context(closing(Wire(web.port)))
            sides.append(_Side(name, web, _operations(house, options, client, everybody)))
        database = Backends.of(settings.database_owner_url)
        for clients in options.clients:
            asked_sides = sides if clients == 1 else [side for side in sides if side.name in WHOLE]
            for operation in sides[0].operations:
                _take_turns(asked_sides, operation, clients, database, options)
    say(
        f"\nWhat protection costs: {options.rows} calls, {options.rounds} rounds of {options.round_seconds} s a side.\n"
    )
    say(f"| {' | '.join(HEAD)} |\n|{'---|' * len(HEAD)}")
    for clients in options.clients:
        for operation in sides[0].operations:
            say(_line({side.name: side for side in sides}, operation, clients))


def _copied(settings: Settings, name: str) -> Settings:
    """The database copied under another name."""
    urls = {
        login: urlsplit(getattr(settings, login))
        for login in ("database_owner_url", "database_url", "database_worker_url", "database_relay_url",
                      "database_search_url")
    }  # fmt: skip
    template = urls["database_owner_url"].path.removeprefix("/")
    copy = {login: url._replace(path=f"/{template}_{name}").geturl() for login, url in urls.items()}
    with psycopg.connect(settings.database_admin_url, autocommit=True) as connection:
        drop = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)")
        connection.execute(drop.format(sql.Identifier(f"{template}_{name}")))
    prepare_database(settings.database_admin_url, *copy.values(), template=template)
    return replace(settings, **copy)


_UNGUARDED = """
    DO $$ DECLARE guarded regclass; BEGIN
        FOR guarded IN SELECT oid FROM pg_class WHERE relrowsecurity AND relkind = 'r' LOOP
            EXECUTE format('ALTER TABLE %s DISABLE ROW LEVEL SECURITY', guarded);
        END LOOP;
    END $$
"""


def _prepare(settings: Settings, kept: frozenset[str], house: House, everybody: list[Somebody]) -> None:
    if ROWS not in kept:
        with psycopg.connect(settings.database_owner_url) as connection:
            connection.execute(_UNGUARDED)
    load_people(settings.database_owner_url, house, everybody, seal_values if SEALING in kept else _as_it_is)


def _as_it_is(table: str, row_id: Any, values: dict[str, str]) -> dict[str, Any]:
    return {"record_key": b"-"} | {name: plain(table, name, row_id, b"", value) for name, value in values.items()}


def _operations(house: House, options: Options, client: Wire, everybody: list[Somebody]) -> dict[str, Operation]:
    """Logs what is read, and signs in for the page."""
    spare, operator = iter(house.spare), house.operators[0].token
    cases = cases_with_notes(house, client)
    for ask in sign_in(house)(client, 0):
        client.send(ask)
    questions = list(asked(options.seed + 1, everybody, 100))
    page = reading(cases, "/cases/{case}", token="")

    def case_page(browser: Client, number: int) -> list[Ask]:
        assert isinstance(browser, Wire)
        browser.cookies.update(client.cookies)
        return page(browser, number)

    def search(_client: Client, number: int) -> list[Ask]:
        each = questions[number % len(questions)]
        return [named(house, each.name, each.born)]

    made: dict[str, Make] = {
        "log a call": lambda _, number: [post("/calls", operator, **call_body(house, number))],
        "open a case": open_case(house, spare),
        "first page of cases": reading(cases, "/api/v1/cases", token=house.supervisor.token),
        "search by name": search,
        "case by API": reading(cases, "/api/v1/cases/{case}", "/api/v1/cases/{case}/timeline", token=operator),
        "case page": case_page,
    }
    return {name: Operation(name, make) for name, make in made.items()}


def _take_turns(sides: list[_Side], operation: str, clients: int, database: Backends, options: Options) -> None:
    key, count = (operation, clients), max(options.count // max(options.rounds, 1), 1)
    for turn in range(options.rounds):
        at = turn % len(sides)
        for side in sides[at:] + sides[:at]:
            before, first = side.web.cpu_seconds() + database.cpu_seconds(), next(side.numbers)
            times = times_of(
                side.web.port, side.operations[operation], side.numbers, clients, count=count,
                seconds=options.round_seconds,
            )  # fmt: skip
            asked_for = next(side.numbers) - first - 1
            side.times.setdefault(key, []).append(times)
            used = side.web.cpu_seconds() + database.cpu_seconds() - before
            side.cpu.setdefault(key, []).append(used / asked_for * 1000)


def _line(sides: dict[str, _Side], operation: str, clients: int) -> str:
    key = (operation, clients)
    p50 = {
        name: statistics.median(itertools.chain.from_iterable(side.times[key])) * 1000
        for name, side in sides.items() if key in side.times
    }  # fmt: skip
    cpu = {name: statistics.mean(side.cpu[key]) for name, side in sides.items() if key in side.cpu}

    def cost(of: dict[str, float], name: str) -> str:
        return f"{(of[name] / of['bare'] - 1) * 100:+.0f} %" if name in of and of["bare"] else "–"

    cells = [
        operation, str(clients), *(f"{p50[name]:.2f}" for name in WHOLE), *(f"{cpu[name]:.2f}" for name in WHOLE),
        cost(p50, "protected"), cost(cpu, "protected"), *(cost(cpu, part) for part in PARTS),
        f"≤ {GOALS[operation]} %",
    ]  # fmt: skip
    return f"| {' | '.join(cells)} |"
