"""Rules, holds, keeping longer, asking for an erasure: who may, what is refused, what is on record."""

from datetime import timedelta

import pytest
from sqlalchemy import insert, text

from helpline.accounts.models import Approval
from helpline.accounts.services import approvals
from helpline.accounts.vocabulary import ApprovalState, Decision
from helpline.foundation.access.permissions import SystemActor
from helpline.foundation.context import system_context
from helpline.foundation.db import db, unit_of_work
from helpline.foundation.errors import Conflict, Forbidden, Invalid, NotFound
from helpline.foundation.ids import new_id
from helpline.retention.commands import Keep, Propose, SetHold, SetRule
from helpline.retention.services import deciding, erasing, finding, showing
from helpline.retention.vocabulary import Hindrance, RecordKind, RuleKind, Why
from tests.factories import retention as made
from tests.factories.accounts import make_user
from tests.factories.cases import open_case
from tests.factories.privacy import close

CALL, CASE, PERSON = RecordKind
pytestmark = pytest.mark.usefixtures("in_app", "ledger")


def set_rule(user, months=24, version=0, kind=RuleKind.CALL):
    with unit_of_work(user.ctx()) as ctx:
        return deciding.set_rule(ctx, SetRule(kind, months, version))


def view(user, record_id):
    with unit_of_work(user.ctx()) as ctx:
        return deciding.see_record(ctx, record_id)


def actions(rows, record_id):
    found = rows(
        "SELECT action FROM audit_entries WHERE outcome = 'done' AND %s = ANY (subject_ids) ORDER BY id", record_id
    )
    return [action for (action,) in found]


@pytest.fixture
def closed(world):
    case_id = open_case(world, summary="Sokha was beaten.")
    made.close_case(world.supervisor, case_id)
    return case_id


def test_a_rule_is_what_ships_until_the_administrator_says_otherwise(world, rows):
    with unit_of_work(world.auditor.ctx()) as ctx:
        assert {rule.kind: rule.version for rule in showing.see_rules(ctx)} == dict.fromkeys(RuleKind, 0)
    set_rule(world.admin, 24)
    set_rule(world.admin, 30, version=1)
    with unit_of_work(world.auditor.ctx()) as ctx:
        rule = next(rule for rule in showing.see_rules(ctx) if rule.kind is RuleKind.CALL)
    assert (rule.months, rule.version) == (30, 2)
    noted = rows(
        "SELECT details FROM audit_entries WHERE action = 'retention.rule_changed' AND actor_id = %s ORDER BY id",
        world.admin.id,
    )
    assert [detail for (detail,) in noted] == [
        {"what": "call", "before": 36, "months": 24}, {"what": "call", "before": 24, "months": 30},
    ]  # fmt: skip


def test_two_who_change_a_rule_at_once_do_not_overwrite_each_other(world):
    set_rule(world.admin)
    with pytest.raises(Conflict, match="stale"):
        set_rule(world.admin)


@pytest.mark.parametrize("months", [0, -1, 1201])
def test_a_rule_of_no_time_or_for_ever_is_refused(world, months):
    with pytest.raises(Invalid, match="out_of_range"):
        set_rule(world.admin, months)


@pytest.mark.parametrize("role", ["operator", "caseworker", "team_supervisor", "supervisor", "auditor"])
def test_nobody_else_says_how_long(world, rows, role):
    user = getattr(world, role)
    with pytest.raises(Forbidden):
        set_rule(user)
    assert rows("SELECT count(*) FROM retention_rules WHERE centre_id = %s", world.centre.id) == [(0,)]
    assert rows("SELECT outcome FROM audit_entries WHERE actor_id = %s", user.id) == [("refused",)]


@pytest.mark.parametrize("role", ["operator", "caseworker", "team_supervisor", "admin", "auditor"])
def test_nobody_but_the_centres_supervisor_holds_keeps_or_asks(world, closed, rows, role):
    user = getattr(world, role)
    deeds = (
        lambda ctx: deciding.set_hold(ctx, SetHold(new_id(), closed, "Why")),
        lambda ctx: deciding.lift_hold(ctx, new_id()),
        lambda ctx: deciding.keep(ctx, Keep(closed, ctx.now + timedelta(days=1), "Why")),
        lambda ctx: deciding.propose(ctx, Propose(new_id(), closed, Why.RULE, "Why")),
        lambda ctx: deciding.see_record(ctx, closed),
    )
    before = rows("SELECT count(*) FROM audit_entries WHERE actor_id = %s", user.id)[0][0]
    for deed in deeds:
        with pytest.raises(Forbidden), unit_of_work(user.ctx()) as ctx:
            deed(ctx)
    refused = rows("SELECT outcome FROM audit_entries WHERE actor_id = %s ORDER BY id OFFSET %s", user.id, before)
    assert refused == [("refused",)] * len(deeds)
    for table in ("legal_holds", "retention_reviews", "approvals"):
        assert rows(f"SELECT count(*) FROM {table} WHERE centre_id = %s", world.centre.id) == [(0,)]


# Holds


def test_a_held_case_is_not_asked_for_nor_is_its_child_or_call(world, closed, rows):
    hold_id = made.hold(world.supervisor, closed)
    [(child_id,)] = rows("SELECT child_person_id FROM cases WHERE id = %s", closed)
    for record_id in (closed, child_id):
        with pytest.raises(Conflict, match="held"):
            made.propose(world.supervisor, record_id)
    made.lift(world.supervisor, hold_id)
    made.propose(world.supervisor, closed)
    assert actions(rows, closed)[-2:] == ["hold.set", "hold.lifted"]


@pytest.mark.parametrize("which", ["call", "person", "same_person"])
def test_a_hold_on_the_call_or_the_child_holds_the_case(world, closed, rows, which):
    [(call_id, child_id)] = rows("SELECT call_id, child_person_id FROM cases WHERE id = %s", closed)
    if which == "same_person":
        other = open_case(world)
        [(other_child,)] = rows("SELECT child_person_id FROM cases WHERE id = %s", other)
        rows("UPDATE persons SET canonical_person_id = %s WHERE id = %s", child_id, other_child)
        made.hold(world.supervisor, other_child)
    else:
        made.hold(world.supervisor, call_id if which == "call" else child_id)
    assert view(world.supervisor, closed).hindrances == (Hindrance.HELD,)


def test_a_hold_stops_what_was_agreed(world, closed, rows, at_worker):
    [(child_id,)] = rows("SELECT child_person_id FROM cases WHERE id = %s", closed)
    approval_id = made.propose(world.supervisor, closed)
    made.approve(world.admin, approval_id)
    hold_id = made.hold(world.supervisor, child_id)
    made.lift(world.supervisor, hold_id)
    at_worker(erasing.carry_out_due)
    assert rows("SELECT erased_at FROM cases WHERE id = %s", closed) == [(None,)]
    with unit_of_work(world.supervisor.ctx()) as ctx:
        assert approvals.see(ctx, approval_id)["state"] is ApprovalState.STOPPED


def test_the_database_itself_erases_nothing_that_is_held(world, closed, rows, at_worker):
    """Free SQL in the eraser's role, while an erasure is under way."""
    made.hold(world.supervisor, closed)
    rows(
        "INSERT INTO erasures (id, centre_id, record_kind, record_id, why, erased_at) VALUES (%s, %s, 'case', %s, 'rule', now())",
        new_id(), world.centre.id, new_id(),
    )  # fmt: skip

    def by_hand():
        with unit_of_work(system_context(SystemActor.ERASER)):
            mark = "UPDATE cases SET erased_at = now(), erased_why = 'rule' WHERE id = :id"
            db.session.execute(text(mark), {"id": closed})

    with pytest.raises(Exception, match="by two people"):
        at_worker(by_hand)


def test_a_hold_is_set_once_and_its_words_are_sealed(world, closed, rows):
    hold_id = made.hold(world.supervisor, closed)
    with pytest.raises(Conflict, match="held"):
        made.hold(world.supervisor, closed)
    assert b"court" not in bytes(rows("SELECT reason_sealed FROM legal_holds WHERE id = %s", hold_id)[0][0])
    assert "court" in view(world.supervisor, closed).hold.reason
    with pytest.raises(Invalid, match="required"), unit_of_work(world.supervisor.ctx()) as ctx:
        deciding.set_hold(ctx, SetHold(new_id(), closed, " "))
    made.lift(world.supervisor, hold_id)
    with pytest.raises(Conflict, match="lifted_already"):
        made.lift(world.supervisor, hold_id)


def test_whoever_is_shut_out_sees_neither_the_record_nor_that_it_is_held(world, closed):
    other = make_user(world.centre, "supervisor")
    hold_id = made.hold(world.supervisor, closed)
    close(world.supervisor, closed, other.id)
    with unit_of_work(other.ctx()) as ctx:
        assert showing.see_holds(ctx) == []
    for deed in (lambda: view(other, closed), lambda: made.lift(other, hold_id)):
        with pytest.raises(NotFound):
            deed()


def test_whoever_is_a_party_does_not_decide(world, closed):
    other = make_user(world.centre, "supervisor")
    close(world.supervisor, closed, other.id)
    approval_id = made.propose(world.supervisor, closed)
    with pytest.raises(Exception, match="row-level security"):
        made.approve(other, approval_id)
    made.approve(world.admin, approval_id)


# Asking and deciding


def test_two_people_or_nothing(world, closed, rows, at_worker):
    untouched = "SELECT erased_at FROM cases WHERE id = %s"
    approval_id = made.propose(world.supervisor, closed)
    at_worker(erasing.carry_out_due)
    assert rows(untouched, closed) == [(None,)]
    with pytest.raises(Forbidden):
        made.approve(world.supervisor, approval_id)
    with pytest.raises(Conflict, match="asked_already"):
        made.propose(world.supervisor, closed)
    made.approve(world.admin, approval_id, Decision.DECLINED)
    at_worker(erasing.carry_out_due)
    assert rows(untouched, closed) == [(None,)]
    made.propose(world.supervisor, closed)


@pytest.mark.parametrize("values", [
    {"requested_by": "admin"}, {"record_id": "nothing"}, {"kind": "admin_role"}, {"decision": "approved"},
])  # fmt: skip
def test_free_sql_asks_for_nothing_that_a_supervisor_may_not(world, closed, values):
    asked = {"requested_by": "supervisor", "record_id": closed, "kind": "erasure", "decision": None} | values
    user = getattr(world, asked["requested_by"])
    record_id = new_id() if asked["record_id"] == "nothing" else asked["record_id"]
    decided = asked["decision"] is not None
    with pytest.raises(Exception, match=r"row-level security|about_record"), unit_of_work(user.ctx()) as ctx:
        db.session.execute(insert(Approval).values(
            id=new_id(), record_key=b"", centre_id=world.centre.id, kind=asked["kind"], record_id=record_id,
            detail={"kind": "case", "why": "rule"}, requested_by=user.id, requested_at=ctx.now,
            expires_at=ctx.now + timedelta(days=1), decision=asked["decision"],
            decided_by=world.admin.id if decided else None, decided_at=ctx.now if decided else None,
            not_before=ctx.now if decided else None,
        ))  # fmt: skip


def test_a_preview_says_what_goes_and_what_stays(world, closed, rows):
    found = view(world.supervisor, closed)
    assert found.counts == {"calls": 1, "cases": 1, "persons": 1, "calls_stay": 0, "persons_stay": 0}
    assert found.hindrances == ()
    assert found.child_id


# Keeping longer


def test_what_is_kept_leaves_the_list_until_then(world, closed, rows, at_worker):
    rows("UPDATE cases SET closed_at = now() - interval '10 years' WHERE id = %s", closed)
    at_worker(finding.sweep)
    with unit_of_work(world.supervisor.ctx()) as ctx:
        [due] = showing.see_due(ctx)
    assert (due.record_id, due.asked) == (closed, False)
    made.keep(world.supervisor, closed)
    with unit_of_work(world.admin.ctx()) as ctx:
        assert showing.see_due(ctx) == []
    assert "come back" in view(world.supervisor, closed).kept_because
    assert actions(rows, closed)[-1] == "retention.kept"
    rows("UPDATE retention_reviews SET keep_until = now() - interval '1 day' WHERE record_id = %s", closed)
    rows("DELETE FROM retention_sweeps WHERE centre_id = %s", world.centre.id)
    at_worker(finding.sweep)
    with unit_of_work(world.supervisor.ctx()) as ctx:
        assert len(showing.see_due(ctx)) == 1


def test_only_what_is_due_is_kept_longer_and_for_ten_years_at_most(world, closed, rows, at_worker):
    with pytest.raises(NotFound):
        made.keep(world.supervisor, closed)
    rows("UPDATE cases SET closed_at = now() - interval '10 years' WHERE id = %s", closed)
    at_worker(finding.sweep)
    for days in (0, -1, 4000):
        with pytest.raises(Invalid, match="keep_until"):
            made.keep(world.supervisor, closed, days=days)
    made.propose(world.supervisor, closed)
    with pytest.raises(Conflict, match="asked_already"):
        made.keep(world.supervisor, closed)
