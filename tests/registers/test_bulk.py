"""Bulk exports: two people, no names, once."""

import csv
import io
from datetime import timedelta

import pytest

from helpline.accounts.commands import Ask
from helpline.accounts.services import approvals
from helpline.accounts.vocabulary import ApprovalKind, Decision
from helpline.foundation.clock import now
from helpline.foundation.errors import Conflict, Forbidden, Invalid, NotFound
from helpline.foundation.ids import new_id
from helpline.registers import rules
from helpline.registers.commands import AskBulk
from helpline.registers.queries import exports
from helpline.registers.services import exporting
from helpline.registers.vocabulary import BulkKind, Span
from tests.factories.accounts import make_user
from tests.factories.calls import CANARY, PHONE, do, logged_call
from tests.factories.cases import open_case

pytestmark = pytest.mark.usefixtures("in_app")
TODAY = now().date()
SPAN = Span(TODAY - timedelta(days=30), TODAY + timedelta(days=1))
ROLES = ("operator", "caseworker", "team_supervisor", "admin", "auditor")


def ask(user, what=BulkKind.CALLS, span=SPAN, *, at=None, approval_id=None):
    command = AskBulk(approval_id or new_id(), what, span, "For the yearly report.")
    return do(user, exporting.ask_bulk, command, at=at)[1].id


def approved(world, what=BulkKind.CALLS, *, at=None):
    approval_id = ask(world.supervisor, what, at=at)
    do(world.admin, approvals.decide, approval_id, Decision.APPROVED, at=at)
    return approval_id


def make(user, approval_id, *, at=None):
    return do(user, exporting.make_bulk, approval_id, at=at)[1].id


def table(user, export_id):
    body = do(user, exporting.take_export, export_id)[1].body
    return list(csv.DictReader(io.StringIO(body.decode("utf-8-sig"), newline=""))), body


def test_calls_are_taken_out_without_whom_they_are_about(world):
    logged_call(world.operator, place_id=world.province)
    found, body = table(world.supervisor, make(world.supervisor, approved(world)))
    assert [set(row) for row in found] == [set(exports.CALL_COLUMNS)]
    assert found[0]["reason"] == "violence.physical_violence"
    assert (found[0]["child_age_band"], found[0]["child_gender"]) == ("6-9", "female")
    for word in (CANARY, PHONE, str(world.operator.id), "hurt"):
        assert word.encode() not in body


def test_cases_too_and_no_day_of_any(world, rows):
    case_id = open_case(world, summary="A secret.", needs=("health",))
    [(code,)] = rows("SELECT code FROM cases WHERE id = %s", case_id)
    found, body = table(world.supervisor, make(world.supervisor, approved(world, BulkKind.CASES)))
    assert [set(row) for row in found] == [set(exports.CASE_COLUMNS)]
    assert (found[0]["needs"], found[0]["child_age_band"], found[0]["risk"]) == ("health", "6-9", "high")
    for word in (code, "A secret", "Srey", str(case_id), now().strftime("%Y-%m-%d")):
        assert word.encode() not in body


def test_what_a_spreadsheet_would_run_is_made_harmless(world):
    assert exporting._csv(["a"], [["=1+1"], [None], [7]]) == '\ufeff"a"\r\n"\'=1+1"\r\n""\r\n"7"\r\n'.encode()


def test_nobody_makes_one_alone(world, rows):
    approval_id = ask(world.supervisor)
    with pytest.raises(Conflict, match="approval_unusable"):
        make(world.supervisor, approval_id)
    with pytest.raises(Forbidden):
        do(world.supervisor, approvals.decide, approval_id, Decision.APPROVED)
    assert rows("SELECT count(*) FROM exports WHERE id = %s", approval_id) == [(0,)]


@pytest.mark.parametrize("how", ["declined", "stopped", "used", "old"])
def test_only_what_was_approved_stands_and_is_fresh_is_used_once(world, how):
    begin = now()
    if how == "declined":
        approval_id = ask(world.supervisor)
        do(world.admin, approvals.decide, approval_id, Decision.DECLINED)
    else:
        approval_id = approved(world, at=begin)
    if how == "stopped":
        do(world.admin, approvals.stop, approval_id)
    if how == "used":
        make(world.supervisor, approval_id)
    later = begin + timedelta(days=7, minutes=1) if how == "old" else None
    with pytest.raises(Conflict, match="approval_unusable"):
        make(world.supervisor, approval_id, at=later)


def test_nobody_but_who_asked_makes_it(world, refusals):
    approval_id = approved(world)
    other = make_user(world.centre, "supervisor")
    with pytest.raises(NotFound):
        make(other, approval_id)
    assert refusals(other) == 1
    assert make(world.supervisor, approval_id) == approval_id


@pytest.mark.parametrize("role", ROLES)
def test_who_may_not_ask(world, role, refusals, rows):
    user = getattr(world, role)
    with pytest.raises(Forbidden):
        ask(user)
    command = Ask(new_id(), ApprovalKind.BULK_EXPORT, None, "x", {"what": "calls"})
    with pytest.raises(Forbidden):
        do(user, approvals.ask, command)
    assert refusals(user) == 2
    assert rows("SELECT count(*) FROM approvals WHERE centre_id = %s", world.centre.id) == [(0,)]


def test_it_is_told_to_who_decides_and_on_record(world, rows):
    approval_id = approved(world)
    make(world.supervisor, approval_id)
    states = rows(
        "SELECT payload ->> 'state', payload ->> 'subject_id' FROM outbox_events WHERE payload ->> 'approval_id' = %s ORDER BY id",
        str(approval_id),
    )
    assert states == [("asked", None), ("approved", None), ("done", None)]
    [(details, groups)] = rows(
        "SELECT details, field_groups FROM audit_entries WHERE action = 'export.made' AND %s = ANY (subject_ids)",
        approval_id,
    )
    assert (details["what"], details["first"]) == ("calls", SPAN.first.isoformat())
    assert groups == ["location", "risk", "statistics"]


def test_the_same_again_asks_once_and_other_days_are_another(world):
    approval_id = new_id()
    assert ask(world.supervisor, approval_id=approval_id) == ask(world.supervisor, approval_id=approval_id)
    with pytest.raises(Conflict, match="id_in_use"):
        ask(world.supervisor, BulkKind.CASES, approval_id=approval_id)


def test_too_many_rows_use_nothing_up(world, monkeypatch, rows):
    logged_call(world.operator)
    approval_id = approved(world)
    monkeypatch.setattr(rules, "BULK_ROWS", 0)
    with pytest.raises(Invalid, match="export_too_large"):
        make(world.supervisor, approval_id)
    assert rows("SELECT spent_at FROM approvals WHERE id = %s", approval_id) == [(None,)]
