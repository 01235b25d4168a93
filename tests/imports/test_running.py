"""An import belongs to one process at a time, loses no row, and leaves nothing when it is stopped or dies."""

import io
import threading
from datetime import timedelta

import pytest

from helpline.foundation.clock import now
from helpline.foundation.db import unit_of_work
from helpline.foundation.errors import Conflict, NotFound
from helpline.foundation.tabular.table import Options
from helpline.imports import queries, rules
from helpline.imports.commands import ImportFile
from helpline.imports.services import running, staging, steps, working
from helpline.imports.vocabulary import Found, ImportState
from tests.imports.test_services import MAPPING, PowerCut, ask, bring_in, dying_at, rows_of, upload

HEADERS = "when;age;child;phone;why;where\n"


def log(*rows):
    return HEADERS + "".join(f"{row}\n" for row in rows)


def found_in(user, import_id, kind):
    with unit_of_work(user.ctx()):
        return list(queries.read_findings(import_id, kind))


def command(user, text, **more):
    with unit_of_work(user.ctx()) as ctx:
        steps.save_mapping(ctx, user.centre.id, MAPPING)
    [(code,)] = rows_of(user.centre.owner_url, "SELECT code FROM centres WHERE id = %s", user.centre.id)
    body = text if isinstance(text, bytes) else text.encode()
    return ImportFile(code, user.login, "log.csv", io.BytesIO(body), "small", **more)


def left_behind(user):
    """Rows of every table in which something of this centre's imports could stand."""
    of_import = "import_id IN (SELECT id FROM call_imports WHERE centre_id = %s)"
    counts = {
        table: f"SELECT count(*) FROM {table} WHERE {of_import}"
        for table in ("call_import_rows", "call_import_findings")
    } | {
        table: f"SELECT count(*) FROM {table} WHERE centre_id = %s" for table in ("calls", "persons", "call_identities")
    }
    found = {table: rows_of(user.centre.owner_url, query, user.centre.id)[0][0] for table, query in counts.items()}
    return {table: number for table, number in found.items() if number}


def expire_leases(user):
    with unit_of_work(user.ctx()):
        for found in queries.list_imports(user.centre.id):
            found.leased_until = now() - timedelta(minutes=1)


def test_every_row_that_is_not_taken_stands_in_the_findings_however_many(in_worker, supervisor, monkeypatch):
    monkeypatch.setattr(running, "BATCH", 7)
    monkeypatch.setattr(staging, "SHOWN", 5)
    bad = [f"never {n};;;;;" for n in range(40)]
    found = bring_in(supervisor, log(*bad, "2025-01-02 10:00;9;;;;"))
    assert (found.rows_rejected, found.calls_added) == (40, 1)
    assert len(found.report["rejects"]) == 5
    assert found_in(supervisor, found.id, Found.REJECTS) == [
        [n + 2, "datetime_unreadable", "when", f"never {n}"] for n in range(40)
    ]
    [(chunks,)] = rows_of(
        supervisor.centre.owner_url, "SELECT count(*) FROM call_import_findings WHERE import_id = %s", found.id
    )
    assert chunks >= 8, "written as they were found, in pieces"
    dumped = rows_of(supervisor.centre.owner_url, "SELECT row_to_json(t)::text FROM call_import_findings t")
    assert "never" not in str(dumped)


def test_all_values_that_were_not_understood_are_reported_with_their_times(in_worker, supervisor, monkeypatch):
    monkeypatch.setattr(running, "BATCH", 4)
    monkeypatch.setattr(staging, "KEPT_VALUES", 3)
    rows = [f"2025-01-02 10:00;9;;;reason {n % 10};" for n in range(30)]
    found = bring_in(supervisor, log(*rows))
    times = {}
    for column, value, count in found_in(supervisor, found.id, Found.UNKNOWN):
        assert column == "why"
        times[value] = times.get(value, 0) + count
    assert times == {f"reason {n}": 3 for n in range(10)}


@pytest.mark.parametrize(
    ("row", "column", "value"),
    [
        ("2025-01-02 10:00;9;;;;Atlantis", "where", "Atlantis"),
        ("2025-01-02 10:00;999;;;;", "age", "999"),
        ("2025-01-02 10:00;-5;;;;", "age", "-5"),
    ],
)
def test_a_value_that_no_call_can_hold_is_kept_and_reported(in_worker, supervisor, row, column, value):
    fields = [
        field | {"min": None, "max": None} if field["target"] == "child_age" else field for field in MAPPING["fields"]
    ]
    fields = [{key: part for key, part in field.items() if part is not None} for field in fields]
    found = bring_in(supervisor, log(row), MAPPING | {"fields": fields})
    assert found.calls_added == 1
    assert found.report["unknown"] == [[column, value, 1]]


@pytest.mark.parametrize(("minutes", "reported"), [("-5", True), ("999999", True), ("15", False)])
def test_a_length_that_no_call_has_is_reported(in_worker, supervisor, minutes, reported):
    length = {"target": "duration_minutes", "columns": ["age"], "type": "integer"}
    found = bring_in(
        supervisor, log(f"2025-01-02 10:00;{minutes};;;;"), MAPPING | {"fields": [MAPPING["fields"][0], length]}
    )
    assert found.report["unknown"] == ([["age", minutes, 1]] if reported else [])


def test_an_end_before_the_start_is_reported(in_worker, supervisor):
    end = {"target": "ended_at", "columns": ["child"], "type": "datetime", "formats": ["iso"]}
    found = bring_in(
        supervisor, log("2025-01-02 10:00;;2025-01-02 09:00;;;"), MAPPING | {"fields": [MAPPING["fields"][0], end]}
    )
    assert found.report["unknown"] == [["child", "2025-01-02 09:00", 1]]


def test_a_call_that_has_not_been_is_rejected(in_worker, supervisor):
    soon = (now() + timedelta(days=3)).strftime("%Y-%m-%d %H:%M")
    rows = [
        f"{when};;;;;"
        for when in (soon, "2099-01-01 00:00", "9999-12-31 23:00", "1899-12-31 10:00", "1990-01-01 10:00")
    ]
    found = bring_in(supervisor, log(*rows))
    assert (found.calls_added, found.rows_rejected) == (1, 4)
    reasons = [reject[1] for reject in found.report["rejects"]]
    assert reasons == [*["datetime_out_of_range"] * 3, "datetime_unreadable"]


def test_our_own_mistake_in_one_row_costs_that_row_and_the_log_quotes_nothing(
    in_worker, supervisor, monkeypatch, capfd
):
    def broken(values, vocabulary):
        if values.get("child_name") == "Bopha Canary":
            raise ZeroDivisionError(values["child_name"])
        return rules.ready_call(values, vocabulary)

    monkeypatch.setattr(staging, "ready_call", broken)
    found = bring_in(supervisor, log("2025-01-02 10:00;9;Bopha Canary;;;", "2025-01-02 11:00;9;Dara;;;"))
    assert (found.calls_added, found.rows_rejected) == (1, 1)
    assert found.report["rejects"] == [[2, "row_failed", "", ""]]
    said = capfd.readouterr().err
    assert "imports.row_failed" in said
    assert "ZeroDivisionError" in said
    assert "Canary" not in said


def test_a_command_that_is_killed_while_it_imports_brings_nothing_in_ever(in_worker, supervisor, monkeypatch):
    monkeypatch.setattr(running, "failpoint", dying_at("imports.before_commit"))
    with pytest.raises(PowerCut):
        running.import_file(command(supervisor, log("2025-01-02 10:00;9;;;;")), lambda _done, _total: None)
    monkeypatch.undo()
    assert not running.run_next(), "the worker leaves it alone"
    expire_leases(supervisor)
    assert not running.run_next()
    assert left_behind(supervisor) == {}
    with unit_of_work(supervisor.ctx()):
        [found] = queries.list_imports(supervisor.centre.id)
        assert (found.state, found.error_code) == (ImportState.FAILED, "interrupted")


def test_a_command_that_is_killed_while_it_checks_leaves_no_row(in_worker, supervisor, monkeypatch):
    monkeypatch.setattr(running, "BATCH", 1)
    monkeypatch.setattr(running, "failpoint", dying_at("imports.after_batch"))
    with pytest.raises(PowerCut):
        running.import_file(command(supervisor, log("2025-01-02 10:00;9;;;;", "x;;;;;")), lambda _done, _total: None)
    monkeypatch.undo()
    assert left_behind(supervisor) == {"call_import_rows": 1}
    running.run_next()
    assert left_behind(supervisor) == {"call_import_rows": 1}, "it may still be at work"
    expire_leases(supervisor)
    running.run_next()
    assert left_behind(supervisor) == {}


def stop(user, import_id):
    with unit_of_work(user.ctx()) as ctx:
        steps.discard(ctx, import_id)


def test_what_its_user_stops_while_it_is_checked_is_gone(in_worker, supervisor, monkeypatch):
    monkeypatch.setattr(running, "BATCH", 1)
    found = upload(supervisor, log(*(f"2025-01-02 10:0{n};9;;;;" for n in range(5))))
    ask(supervisor, found.id, ImportState.CHECKING)
    seen = []

    def progress(done, _total):
        seen.append(done)
        if done == 2:
            stop(supervisor, found.id)

    assert running.run_next(found.id, progress)
    assert max(seen) == 2, "it went no further"
    assert left_behind(supervisor) == {}
    with pytest.raises(NotFound), unit_of_work(supervisor.ctx()):
        queries.get_import(found.id)
    assert rows_of(supervisor.centre.owner_url, "SELECT id FROM call_imports WHERE id = %s", found.id) == []


def test_what_its_user_stops_while_it_comes_in_is_gone(app, in_worker, supervisor, monkeypatch):
    found = upload(supervisor)
    ask(supervisor, found.id, ImportState.CHECKING)
    running.run_next(found.id)
    ask(supervisor, found.id, ImportState.IMPORTING)

    def elsewhere():
        with app.app_context():
            stop(supervisor, found.id)

    holding, held = [], working.hold

    def hold(claimed, *, last=False):
        holding.append(last)
        if len(holding) == 4:  # amid the statements, from another connection
            thread = threading.Thread(target=elsewhere)
            thread.start()
            thread.join(20)
        held(claimed, last=last)

    monkeypatch.setattr(staging, "hold", hold)
    assert running.run_next(found.id)
    assert len(holding) == 4
    assert left_behind(supervisor) == {}
    assert rows_of(supervisor.centre.owner_url, "SELECT id FROM call_imports WHERE id = %s", found.id) == []


def test_what_is_in_is_not_discarded(in_worker, supervisor):
    found = bring_in(supervisor)
    with pytest.raises(Conflict, match="import_busy"):
        stop(supervisor, found.id)


def test_a_process_whose_lease_another_took_writes_no_more(in_worker, supervisor, monkeypatch):
    monkeypatch.setattr(running, "BATCH", 1)
    found = upload(supervisor, log(*(f"2025-01-02 10:0{n};9;;;;" for n in range(5))))
    ask(supervisor, found.id, ImportState.CHECKING)
    others = []

    def progress(done, _total):
        if done == 2 and not others:
            expire_leases(supervisor)
            others.append(running.run_next(found.id))  # the other reads it from the start, to the end

    assert running.run_next(found.id, progress)
    assert others == [True]
    with unit_of_work(supervisor.ctx()):
        assert queries.get_import(found.id).state == ImportState.CHECKED
        assert queries.count_ready(found.id) == 5


def test_the_lease_is_kept_while_rows_are_counted(in_worker, supervisor, monkeypatch):
    monkeypatch.setattr(running, "BATCH", 1)
    monkeypatch.setattr(steps, "LEASE", timedelta())
    kept = []
    noted = working.note_progress
    monkeypatch.setattr(
        working, "note_progress", lambda ctx, claimed, **counts: (kept.append(counts), noted(ctx, claimed, **counts))
    )
    found = upload(supervisor)
    ask(supervisor, found.id, ImportState.CHECKING)
    running.run_next(found.id)
    assert kept[:5] == [{}] * 5, "once at the start, once for each row counted"


def test_the_same_file_twice_at_once_adds_each_row_once(worker_app, in_worker, supervisor):
    text = log(*(f"2025-01-02 10:{n:02};9;;;;" for n in range(30)), "2025-01-02 10:00;9;;;;")
    both = [upload(supervisor, text) for _ in range(2)]
    for found in both:
        ask(supervisor, found.id, ImportState.CHECKING)
        running.run_next(found.id)
        ask(supervisor, found.id, ImportState.IMPORTING)
    start = threading.Barrier(2)

    def run(import_id):
        with worker_app.app_context():
            start.wait(20)
            running.run_next(import_id)

    threads = [threading.Thread(target=run, args=[found.id]) for found in both]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    with unit_of_work(supervisor.ctx()):
        done = [queries.get_import(found.id) for found in both]
        assert {found.state for found in done} == {ImportState.DONE}
        assert sorted((found.calls_added, found.rows_known) for found in done) == [(0, 31), (31, 0)]


def test_what_its_bringer_knew_of_the_file_is_kept(in_worker, supervisor):
    text = "A log|of ours\n" + log("2025-01-02 10:00;9;孩子;;;").replace(";", "|")
    options = Options(encoding="gb18030", delimiter="|", header_row=2)
    found = []
    outcome = running.import_file(
        command(supervisor, text.encode("gb18030"), options=options),
        lambda _done, _total: None,
        lambda kind, items: found.append((kind, list(items))),
    )
    assert (outcome.error_code, outcome.added) == (None, 1)
    assert found == [(Found.REJECTS, []), (Found.UNKNOWN, []), (Found.REPEATED, [])]
