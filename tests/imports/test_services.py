"""Old logs come in whole, once, and leave nothing behind when they do not."""

import csv
import io
from collections import Counter
from dataclasses import replace
from datetime import datetime

import psycopg
import pytest
from openpyxl import Workbook
from sqlalchemy import select

from helpline.calls.models import Call
from helpline.foundation.db import db, unit_of_work
from helpline.foundation.errors import Conflict, Forbidden
from helpline.foundation.ids import new_id
from helpline.imports import queries
from helpline.imports.commands import ImportFile, Mapped, Upload
from helpline.imports.services import running, staging, steps
from helpline.imports.vocabulary import ImportState
from helpline.settings import ROOT
from tests.factories.accounts import make_centre, make_user

LOGS = ROOT.parent / "shared" / "data"
MAPPING = {
    "name": "small",
    "title": "A small log",
    "unknown": ["?"],
    "constants": {"kind": "counselling"},
    "fields": [
        {"target": "started_at", "columns": ["when"], "type": "datetime", "formats": ["iso"], "required": True},
        {"target": "child_age", "columns": ["age"], "type": "integer", "min": 0, "max": 120},
        {"target": "child_name", "columns": ["child"], "type": "text"},
        {"target": "caller_phone", "columns": ["phone"], "type": "text"},
        {"target": "category", "columns": ["why"], "type": "choice", "values": {"violence.neglect": ["neglect"]}},
        {"target": "province_name", "columns": ["where"], "type": "text"},
    ],
}
SMALL = (
    "when;age;child;phone;why;where\n"
    "2025-01-02 10:00;9;Bopha Canary;012 345 678;neglect;Siem Reap\n"
    "2025-01-02 10:00;9;Bopha Canary;012 345 678;neglect;Siem Reap\n"
    "2025-02-30 10:00;4;;;neglect;?\n"
    "2025-03-01 23:30;?;;;something else;Kampot\n"
)


def rows_of(owner_url, query, *values):
    with psycopg.connect(owner_url) as connection:
        return connection.execute(query, values).fetchall()


def upload(user, text=SMALL, document=MAPPING):
    with unit_of_work(user.ctx()) as ctx:
        found = steps.upload(ctx, Upload(new_id(), user.centre.id, "log.csv", io.BytesIO(text.encode())))
    with unit_of_work(user.ctx()) as ctx:
        return steps.set_mapping(ctx, Mapped(found.id, found.version, document))


def ask(user, import_id, step):
    with unit_of_work(user.ctx()) as ctx:
        steps.request(ctx, import_id, queries.get_import(import_id).version, step)


def bring_in(user, text=SMALL, document=MAPPING):
    found = upload(user, text, document)
    for step in (ImportState.CHECKING, ImportState.IMPORTING):
        ask(user, found.id, step)
        assert running.run_next(found.id)
    with unit_of_work(user.ctx()):
        return queries.get_import(found.id)


def test_every_row_becomes_a_call_or_stands_in_the_report(in_worker, supervisor):
    found = bring_in(supervisor)
    assert (found.state, found.rows_read, found.calls_added, found.rows_rejected, found.rows_repeated) == (
        ImportState.DONE, 4, 3, 1, 1,
    )  # fmt: skip
    assert found.report["rejects"] == [[4, "datetime_unreadable", "when", "2025-02-30 10:00"]]
    assert found.report["unknown"] == [["why", "something else", 1]]
    owner = supervisor.centre.owner_url
    calls = rows_of(
        owner,
        "SELECT started_at, source, kind, p.names ->> 'en' FROM calls c LEFT JOIN places p ON p.id = province_id"
        " WHERE centre_id = %s ORDER BY started_at",
        supervisor.centre.id,
    )
    assert [call[3] for call in calls] == ["Siemreap", "Siemreap", "Kampot"]
    assert calls[2][0].isoformat() == "2025-03-01T16:30:00+00:00", "local time of the centre"


def test_what_was_imported_is_sealed_and_opens(in_worker, supervisor):
    bring_in(supervisor)
    with unit_of_work(supervisor.ctx()):
        calls = db.session.scalars(select(Call).where(Call.centre_id == supervisor.centre.id)).all()
        assert sorted(call.original["row"]["child"] for call in calls) == ["", "Bopha Canary", "Bopha Canary"]
    for table in ("calls", "persons", "call_imports", "call_import_chunks"):
        dumped = str(rows_of(supervisor.centre.owner_url, f"SELECT row_to_json(t)::text FROM {table} t"))
        assert "Canary" not in dumped
        assert "012 345 678" not in dumped


def test_the_same_file_again_adds_nothing(in_worker, supervisor):
    bring_in(supervisor)
    again = bring_in(supervisor)
    assert (again.calls_added, again.rows_known) == (0, 3)


def test_a_longer_log_adds_only_what_is_new(in_worker, supervisor):
    bring_in(supervisor)
    longer = bring_in(supervisor, SMALL + "2025-04-01 08:00;3;;;neglect;Kep\n")
    assert (longer.calls_added, longer.rows_known) == (1, 3)


def test_historic_rows_alert_nobody(in_worker, supervisor):
    found = bring_in(supervisor)
    owner = supervisor.centre.owner_url
    entries = rows_of(owner, "SELECT action FROM audit_entries WHERE centre_id = %s", supervisor.centre.id)
    assert ("call.imported",) in entries
    assert (
        rows_of(owner, "SELECT name FROM outbox_events WHERE payload ->> 'centre_id' = %s", str(supervisor.centre.id))
        == []
    )
    assert rows_of(owner, "SELECT count(*) FROM call_import_chunks WHERE import_id = %s", found.id) == [(0,)]


class PowerCut(BaseException):
    """As a kill: nobody catches it."""


def dying_at(place):
    def failpoint(name):
        if name == place:
            raise PowerCut

    return failpoint


def test_a_check_that_died_begins_again_and_keeps_each_row_once(in_worker, supervisor, monkeypatch):
    found = upload(supervisor)
    ask(supervisor, found.id, ImportState.CHECKING)
    monkeypatch.setattr(running, "BATCH", 1)
    monkeypatch.setattr(running, "failpoint", dying_at("imports.after_batch"))
    with pytest.raises(PowerCut):
        running.run_next(found.id)
    assert not running.run_next(found.id), "it is leased to whoever was at it"
    with unit_of_work(supervisor.ctx()):
        queries.get_import(found.id).leased_until = None
    monkeypatch.undo()
    assert running.run_next(found.id)
    with unit_of_work(supervisor.ctx()):
        assert queries.count_ready(found.id) == 3


def test_an_import_that_dies_leaves_no_call_and_finishes_later(in_worker, supervisor, monkeypatch):
    found = upload(supervisor)
    ask(supervisor, found.id, ImportState.CHECKING)
    running.run_next(found.id)
    ask(supervisor, found.id, ImportState.IMPORTING)
    monkeypatch.setattr(running, "failpoint", dying_at("imports.before_commit"))
    with pytest.raises(PowerCut):
        running.run_next(found.id)
    monkeypatch.undo()
    owner = supervisor.centre.owner_url
    for table in ("calls", "persons", "call_identities"):
        assert rows_of(owner, f"SELECT count(*) FROM {table} WHERE centre_id = %s", supervisor.centre.id) == [(0,)]
    with unit_of_work(supervisor.ctx()):
        queries.get_import(found.id).leased_until = None
    assert running.run_next(found.id)
    assert rows_of(owner, "SELECT count(*) FROM calls WHERE centre_id = %s", supervisor.centre.id) == [(3,)]


def test_a_file_that_cannot_be_read_fails_with_its_reason_and_leaves_nothing(in_worker, supervisor):
    broken = SMALL + "".join(f'x{i};"unclosed\n' for i in range(3))
    found = upload(supervisor, broken)
    ask(supervisor, found.id, ImportState.CHECKING)
    running.run_next(found.id)
    with unit_of_work(supervisor.ctx()):
        found = queries.get_import(found.id)
        assert found.state in {ImportState.FAILED, ImportState.CHECKED}
        assert found.rows_rejected or found.error_code


@pytest.mark.parametrize("step", ["check", "import"])
def test_an_import_that_can_never_succeed_says_so_and_is_not_tried_for_ever(in_worker, supervisor, monkeypatch, step):
    found = upload(supervisor)
    ask(supervisor, found.id, ImportState.CHECKING)
    if step == "import":
        assert running.run_next(found.id)
        ask(supervisor, found.id, ImportState.IMPORTING)
    module, name = (staging, "staged_rows") if step == "check" else (staging, "import_calls")

    def broken(*_args):
        raise ZeroDivisionError

    monkeypatch.setattr(module, name, broken)
    with pytest.raises(ZeroDivisionError):  # the log tells why
        running.run_next(found.id)
    assert not running.run_next(found.id)
    owner = supervisor.centre.owner_url
    assert rows_of(owner, "SELECT state, error_code FROM call_imports WHERE id = %s", found.id) == [
        ("failed", "unexpected")
    ]
    assert rows_of(owner, "SELECT count(*) FROM call_import_rows WHERE import_id = %s", found.id) == [(0,)]


@pytest.mark.parametrize("role", ["operator", "caseworker", "team_supervisor", "auditor"])
def test_others_may_not_import(in_worker, supervisor, role):
    user = replace(make_user(supervisor.centre, role))
    with pytest.raises(Forbidden):
        upload(user)


def test_two_who_change_one_import_do_not_overwrite_each_other(in_worker, supervisor):
    found = upload(supervisor)
    with pytest.raises(Conflict), unit_of_work(supervisor.ctx()) as ctx:
        steps.set_mapping(ctx, Mapped(found.id, found.version - 1, MAPPING))


BANDS = ((5, "0-5"), (9, "6-9"), (12, "10-12"), (15, "13-15"), (17, "16-17"), (25, "18-25"))


def band(text):
    if not text.isdigit() or int(text) > 120:
        return "unknown"
    return next((name for top, name in BANDS if int(text) <= top), "26+")


@pytest.fixture(scope="module", params=[2017, 2018])
def line137(request, app, database_urls):
    """A real log, imported into a centre of its own in Argentina, beside the same file read by the csv module."""
    path = LOGS / f"line137_{request.param}.csv"
    if not path.exists():
        pytest.skip(f"The log {path.name} is not here: put it into shared/data beside the checkout to run this test.")
    centre = make_centre(
        database_urls["owner"], country="AR", timezone="America/Argentina/Buenos_Aires", languages=("en",)
    )
    user = make_user(centre, "supervisor")
    with psycopg.connect(database_urls["owner"]) as connection:
        code = connection.execute("SELECT code FROM centres WHERE id = %s", [centre.id]).fetchone()[0]
    with app.app_context(), path.open("rb") as stream:
        outcome = running.import_file(ImportFile(code, user.login, path.name, stream), lambda _done, _total: None)
    with path.open(encoding="utf-8-sig", newline="") as stream:
        return centre, outcome, list(csv.DictReader(stream))


def count(centre, expression, joined=""):
    return dict(
        rows_of(
            centre.owner_url,
            f"SELECT {expression}, count(*) FROM calls c {joined} WHERE c.centre_id = %s GROUP BY 1",
            centre.id,
        )
    )


def test_a_real_log_is_in_whole(line137):
    centre, outcome, rows = line137
    assert outcome.error_code is None
    assert (outcome.rows, outcome.added, outcome.rejected) == (len(rows), len(rows), 0)
    local = "to_char(started_at AT TIME ZONE 'America/Argentina/Buenos_Aires', 'YYYY-MM')"
    assert count(centre, local) == Counter(row["llamado_fecha_hora"][:7] for row in rows)
    children = "JOIN call_children k ON k.call_id = c.id"
    assert count(centre, "age_band", children) == Counter(band(row["victima_edad"]) for row in rows)
    provinces = count(centre, "coalesce(p.code, '')", "LEFT JOIN places p ON p.id = c.province_id")
    known = {f"{code:02d}" for code in range(2, 95, 4)}
    expected = Counter(row["llamado_provincia_indec_id"].zfill(2) for row in rows)
    assert {code: n for code, n in provinces.items() if code} == {c: n for c, n in expected.items() if c in known}


def mapping_of(formats, **columns):
    """A document as somebody would write it: the start, and a column for each target named."""
    kinds = {"child_age": {"type": "integer"}, "channel": {"type": "choice", "values": {"phone": ["Telefon", "ទូរសព្ទ"]}}}
    start = {"target": "started_at", "columns": [columns.pop("started_at")], "type": "datetime", "formats": formats,
             "required": True}  # fmt: skip
    fields = [{"target": target, "columns": [column], "type": "text"} | kinds.get(target, {})
              for target, column in columns.items()]  # fmt: skip
    return {"name": "theirs", "fields": [start, *fields]}


def workbook():
    book = Workbook()
    sheet = book.active
    sheet.append(["Date", "Age", "Notes", "Notes"])
    sheet.append([datetime(2024, 12, 31, 23, 59), 9, "=1+1", "two"])  # noqa: DTZ001 - as a sheet holds it
    sheet.append([45292.5, 900, None, None])  # a date that lost its format
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


THEIRS = {
    "semicolons in Latin-1": (
        "Datum;Alter;Weg;Notiz\n31/12/2024 23:59;9;Telefon;Größe unbekannt\n01/13/2024 10:00;9;Telefon;?\n"
        "01/02/2024 10:00;;Brieftaube;\n".encode("latin-1"),
        mapping_of(["%d/%m/%Y %H:%M"], started_at="Datum", child_age="Alter", channel="Weg", narrative="Notiz"),
        (3, 2, 1), "2024-12-31T16:59:00+00:00", [("Weg", "Brieftaube", 1)],
    ),
    "tabs in UTF-16 with Khmer": (
        "ថ្ងៃ\tអាយុ\tមធ្យោបាយ\n2024-12-31 23:59\t9\tទូរសព្ទ\n".encode("utf-16"),
        mapping_of(["iso"], started_at="ថ្ងៃ", child_age="អាយុ", channel="មធ្យោបាយ"),
        (1, 1, 0), "2024-12-31T16:59:00+00:00", [],
    ),
    "a workbook": (
        workbook(), mapping_of(["iso"], started_at="Date", child_age="Age", narrative="Notes"),
        (2, 1, 1), "2024-12-31T16:59:00+00:00", [],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", THEIRS)
def test_logs_of_other_helplines_come_in(in_worker, supervisor, case):
    body, document, counts, last, unknown = THEIRS[case]
    with unit_of_work(supervisor.ctx()) as ctx:
        steps.save_mapping(ctx, supervisor.centre.id, document)
    [(code,)] = rows_of(supervisor.centre.owner_url, "SELECT code FROM centres WHERE id = %s", supervisor.centre.id)
    outcome = running.import_file(
        ImportFile(code, supervisor.login, "their log.csv", io.BytesIO(body), "theirs"), lambda _done, _total: None
    )
    assert (outcome.rows, outcome.added, outcome.rejected, outcome.error_code) == (*counts, None)
    assert list(outcome.unknown) == unknown
    [(latest,)] = rows_of(
        supervisor.centre.owner_url, "SELECT max(started_at) FROM calls WHERE centre_id = %s", supervisor.centre.id
    )
    assert latest.isoformat() == last
