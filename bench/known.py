"""Search as people use it: invented people with sealed names in the tables, the process that knows them, and HTTP."""

import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg

from bench.asking import Wire
from bench.bed import environment, web_process
from bench.house import PROVINCES, House
from bench.names import Somebody, asked, people
from bench.operations import post
from bench.options import Options
from helpline.embedded.keeping import Kept
from helpline.embedded.processes import Child, ServerError
from helpline.embedded.supervisor import commands
from helpline.foundation.clock import now
from helpline.foundation.crypto.index import phone_index
from helpline.foundation.crypto.sealed import seal_values
from helpline.foundation.ids import new_id
from helpline.search.gateways import SocketNames
from helpline.search.vocabulary import IndexState, NameQuery
from helpline.settings import ROOT, Settings

LOADING_SECONDS = 1800
Seal = Callable[[str, uuid.UUID, dict[str, str]], dict[str, Any]]
_TABLES = {
    "persons": "id, record_key, name_sealed, phone_index, centre_id, role, age, age_known, gender, added_by,"
    " created_at",
    "calls": "id, record_key, centre_id, operator_id, channel, direction, kind, started_at, logged_at, caller_relation,"
    " place_id, province_id, risk_level, source",
    "call_children": "call_id, person_id, centre_id, position, age_band, gender",
}


def measure_search(settings: Settings, house: House, options: Options, say: Callable[[str], None]) -> None:
    """Phone p99 and name p95 over so many people."""
    everybody = list(people(options.seed, options.people))
    load_people(settings.database_owner_url, house, everybody)
    with tempfile.TemporaryDirectory(prefix="helpline-bench-") as folder:
        own = replace(settings, search_socket_path=Path(folder) / "s.sock")
        with web_process(own, Path(folder)) as web, searcher(own, house, Path(folder)) as (seconds, size):
            line = Wire(web.port)
            numbers = {each.id: number for number, each in enumerate(everybody)}
            questions = list(asked(options.seed + 1, everybody, options.count))
            names = _times(line, [named(house, each.name, each.born) for each in questions])
            phones = _times(line, [_ask(house, text=_phone(numbers[each.target.id])) for each in questions])
            line.close()
    say(f"\nSearch over {len(everybody)} people (seed {options.seed}): read in {seconds:.0f} s, {size} MB.\n")
    say("| search | p50 ms | p95 ms | p99 ms | goal |\n|---|---|---|---|---|")
    say(_line("by name with age", names, "p95 ≤ 100"))
    say(_line("by phone number", phones, "p99 ≤ 50"))


def named(house: House, name: str, born: int) -> Any:
    return _ask(house, text=name, age=max(now().year - born, 0))


def _ask(house: House, **told: Any) -> Any:
    return post("/search", house.supervisor.token, 200, search_id=str(new_id()), **told)


def _times(line: Wire, asks: list[Any]) -> list[float]:
    """Milliseconds of each; the first few warm up."""
    found, warm_up = [], asks[:5]
    for ask in warm_up + asks:
        started = time.perf_counter()
        line.send(ask)
        found.append((time.perf_counter() - started) * 1000)
    return sorted(found[len(warm_up) :])


def _line(name: str, times: list[float], goal: str) -> str:
    cuts = statistics.quantiles(times, n=100, method="inclusive")
    return f"| {name} | {cuts[49]:.1f} | {cuts[94]:.1f} | {cuts[98]:.1f} | {goal} |"


def _phone(number: int) -> str:
    return f"01{number % 9 + 1} {number:06}"


def load_people(owner_url: str, house: House, everybody: list[Somebody], seal: Seal = seal_values) -> None:
    """Each is the child of a call of their own; by COPY."""
    with psycopg.connect(owner_url) as connection:
        provinces = [row[0] for row in connection.execute(PROVINCES)]
        calls = [new_id() for _ in everybody]
        for table, rows in (
            ("persons", _persons(house, everybody, seal)),
            ("calls", _calls(house, everybody, calls, provinces)),
            ("call_children", _children(house, everybody, calls)),
        ):
            with connection.cursor().copy(f"COPY {table} ({_TABLES[table]}) FROM STDIN") as copy:
                for row in rows:
                    copy.write_row(row)
        connection.commit()
        connection.execute("ANALYZE")


def _persons(house: House, everybody: list[Somebody], seal: Seal) -> Iterator[tuple[Any, ...]]:
    at = now()
    for number, each in enumerate(everybody):
        sealed = seal("persons", each.id, {"name_sealed": each.name})
        yield (
            each.id, sealed["record_key"], sealed["name_sealed"], phone_index(_phone(number), "KH"), house.centre_id,
            "child", at.year - each.born, "about", each.gender, house.operators[0].id, at,
        )  # fmt: skip


def _calls(
    house: House, everybody: list[Somebody], calls: list[uuid.UUID], provinces: list[uuid.UUID]
) -> Iterator[tuple[Any, ...]]:
    at = now()
    for each, call in zip(everybody, calls, strict=True):
        place = provinces[each.province]
        yield (
            call, b"-", house.centre_id, house.operators[0].id, "phone", "in", "counselling", at, at, "neighbour",
            place, place, "medium", "live",
        )  # fmt: skip


def _children(house: House, everybody: list[Somebody], calls: list[uuid.UUID]) -> Iterator[tuple[Any, ...]]:
    for each, call in zip(everybody, calls, strict=True):
        yield call, each.id, house.centre_id, 0, "13-15", each.gender


@contextmanager
def searcher(settings: Settings, house: House, folder: Path) -> Iterator[tuple[float, int]]:
    """The process as `make run` starts it, once everybody is in: after how many seconds, and with how many MB."""
    command = [sys.executable, *commands(settings, folder)["search"][1:]]
    kept = Kept(Child("search", command, cwd=ROOT, environ=environment(settings), log=folder / "search.log"))
    names, started = SocketNames(settings.search_socket_path, seconds=10), time.monotonic()
    try:
        while names.find(NameQuery("Sok", house.centre_id)).state is not IndexState.READY:
            if time.monotonic() - started > LOADING_SECONDS or kept.process.poll() is not None:
                raise ServerError(f"Search did not start: {kept.child.log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.5)
        status = Path(f"/proc/{kept.process.pid}/status").read_text()
        resident = next(int(row.split()[1]) for row in status.splitlines() if row.startswith("VmRSS"))
        yield time.monotonic() - started, resident // 1024
    finally:
        kept.stop()
