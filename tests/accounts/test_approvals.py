"""What needs two people: who asks and who decides, by service and by free SQL; waiting, stopping, racing."""

import threading
from contextlib import suppress
from datetime import timedelta
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from helpline.accounts.commands import Ask, EditUser, InviteUser
from helpline.accounts.rules import approval_state
from helpline.accounts.services import approvals, staff
from helpline.accounts.vocabulary import ApprovalKind, ApprovalState, Decision
from helpline.foundation.access.permissions import Role, SystemActor
from helpline.foundation.clock import now
from helpline.foundation.context import Channel, Context, system_actor
from helpline.foundation.db import db, unit_of_work
from helpline.foundation.errors import Conflict, Forbidden, Invalid, NotFound
from helpline.foundation.ids import new_id
from tests.factories.accounts import add_authenticator, make_centre, make_user

pytestmark = pytest.mark.usefixtures("in_app")
ADMIN, FACTOR = ApprovalKind.ADMIN_ROLE, ApprovalKind.FACTOR_RESET
YES, NO = Decision.APPROVED, Decision.DECLINED
DAY = timedelta(hours=24)


def ask(user, subject, kind=ADMIN, *, at=None, reason="Known for years", approval_id=None):
    with unit_of_work(user.ctx(at=at)) as ctx:
        return approvals.ask(ctx, Ask(approval_id or new_id(), kind, subject.id, reason)).id


def decide(user, approval_id, decision=YES, *, at=None):
    with unit_of_work(user.ctx(at=at)) as ctx:
        approvals.decide(ctx, approval_id, decision)


def stop(user, approval_id, *, at=None):
    with unit_of_work(user.ctx(at=at)) as ctx:
        approvals.stop(ctx, approval_id)


def tick(at):
    """What beat does, at that time."""
    actor = system_actor(SystemActor.KEEPER)
    with unit_of_work(Context(actor=actor, now=at, request_id=new_id(), channel=Channel.WORKER)) as ctx:
        approvals.carry_out_due(ctx)


def role_of(rows, user_id):
    return rows("SELECT role FROM users WHERE id = %s", user_id)[0][0]


def factors_of(rows, user):
    return rows("SELECT count(*) FROM factors WHERE user_id = %s", user.id)[0][0]


def refusals(rows, user):
    return rows("SELECT count(*) FROM audit_entries WHERE actor_id = %s AND outcome = 'refused'", user.id)[0][0]


def states(rows, approval_id):
    """What was recorded and what was published of it, in order."""
    done = rows(
        "SELECT action FROM audit_entries WHERE subject_kind = 'approval' AND outcome = 'done' AND %s = ANY (subject_ids) ORDER BY id",
        approval_id,
    )
    sent = rows(
        "SELECT payload ->> 'state' FROM outbox_events WHERE payload ->> 'approval_id' = %s ORDER BY id",
        str(approval_id),
    )
    assert [action for (action,) in done] == [f"approval.{state}" for (state,) in sent]
    return [state for (state,) in sent]


# The role of an administrator


@pytest.mark.parametrize("second", ["other_admin", "supervisor"])
def test_two_people_make_an_administrator_at_once(house, rows, second):
    approval_id = ask(house.admin, house.operator)
    assert role_of(rows, house.operator.id) == "operator"
    decide(getattr(house, second), approval_id)
    assert role_of(rows, house.operator.id) == "admin"
    assert states(rows, approval_id) == ["asked", "approved", "done"]
    [(before, role)] = rows(
        "SELECT details ->> 'before', details ->> 'role' FROM audit_entries WHERE action = 'user.changed' AND %s = ANY (subject_ids)",
        house.operator.id,
    )
    assert (before, role) == ("operator", "admin")


def test_a_declined_one_changes_nothing_and_stays_declined(house, rows):
    approval_id = ask(house.admin, house.operator)
    decide(house.supervisor, approval_id, NO)
    for user, deed in ((house.other_admin, decide), (house.admin, stop)):
        with pytest.raises(Conflict, match="decided_already"):
            deed(user, approval_id)
    assert role_of(rows, house.operator.id) == "operator"
    assert states(rows, approval_id) == ["asked", "declined"]


def test_one_alone_makes_none(house, rows):
    version = {"version": 1, "name": "X", "team_ids": ()}
    with pytest.raises(Invalid, match="role_needs_two"), unit_of_work(house.admin.ctx()) as ctx:
        staff.edit_user(ctx, EditUser(user_id=house.operator.id, role=Role.ADMIN, **version))
    with pytest.raises(Invalid, match="role_needs_two"), unit_of_work(house.admin.ctx()) as ctx:
        staff.invite_user(ctx, InviteUser(new_id(), "X", "x.x", "x@x.test", Role.ADMIN, "en"))
    assert role_of(rows, house.operator.id) == "operator"


def test_an_invited_administrator_waits_closed_for_the_second_person(house, rows):
    user_id = new_id()
    command = InviteUser(user_id, "Chan", f"c{user_id.hex[-8:]}", f"{user_id.hex}@x.test", Role.ADMIN, "en")
    with unit_of_work(house.admin.ctx()) as ctx:
        staff.prepare_admin(ctx, command)
    invited = "SELECT count(*) FROM outbox_events WHERE name = 'accounts.user_invited' AND payload ->> 'user_id' = %s"
    assert rows("SELECT role, status FROM users WHERE id = %s", user_id) == [("operator", "deactivated")]
    approval_id = ask(house.admin, SimpleNamespace(id=user_id))
    assert rows(invited, str(user_id)) == [(0,)]
    decide(house.supervisor, approval_id)
    assert rows("SELECT role, status FROM users WHERE id = %s", user_id) == [("admin", "invited")]
    assert rows(invited, str(user_id)) == [(1,)]


def test_what_can_no_longer_be_done_is_told_and_not_decided(house, rows):
    approval_id = ask(house.admin, house.operator)
    rows("UPDATE users SET status = 'deactivated' WHERE id = %s RETURNING id", house.operator.id)
    with pytest.raises(Conflict, match="approval_overtaken"):
        decide(house.supervisor, approval_id)
    assert states(rows, approval_id) == ["asked"]


# Asking and deciding


def test_asking_the_same_twice_is_asking_once(house, rows):
    approval_id = new_id()
    for _ in range(2):
        ask(house.admin, house.operator, approval_id=approval_id)
    assert states(rows, approval_id) == ["asked"]
    with pytest.raises(Conflict, match="id_in_use"):
        ask(house.admin, house.caseworker, approval_id=approval_id)
    with pytest.raises(Conflict, match="asked_already"):
        ask(house.other_admin, house.operator)


@pytest.mark.parametrize(
    ("kind", "subject", "problem"),
    [
        (ADMIN, "other_admin", "admin_already"),
        (ADMIN, "admin", "not_about_yourself"),
        (FACTOR, "admin", "not_about_yourself"),
        (FACTOR, "operator", "factor_none"),
    ],
)
def test_what_makes_no_sense_is_not_asked(house, rows, kind, subject, problem):
    with pytest.raises(Conflict, match=problem):
        ask(house.admin, getattr(house, subject), kind)
    assert rows("SELECT count(*) FROM approvals WHERE centre_id = %s", house.centre.id) == [(0,)]


def test_a_reason_is_needed_and_sealed(house, rows):
    with pytest.raises(Invalid, match="required"):
        ask(house.admin, house.operator, reason="  ")
    approval_id = ask(house.admin, house.operator, reason="She leads the night shift")
    [(sealed,)] = rows("SELECT reason_sealed FROM approvals WHERE id = %s", approval_id)
    assert b"night" not in bytes(sealed)
    for user, reason in ((house.supervisor, "She leads the night shift"), (house.auditor, None)):
        with unit_of_work(user.ctx()) as ctx:
            assert approvals.see(ctx, approval_id)["reason"] == reason


@pytest.mark.parametrize("role", ["auditor", "caseworker", "operator"])
def test_who_may_neither_ask_nor_decide(house, rows, role):
    approval_id, user = ask(house.admin, house.caseworker, FACTOR), getattr(house, role)
    deeds = [lambda: ask(user, house.admin, FACTOR), lambda: decide(user, approval_id)]
    for count, deed in enumerate(deeds, 1):
        with pytest.raises(Forbidden):
            deed()
        assert refusals(rows, user) == count
    assert states(rows, approval_id) == ["asked"]


def test_a_supervisor_asks_for_no_administrator(house, rows):
    with pytest.raises(Forbidden):
        ask(house.supervisor, house.operator)
    assert refusals(rows, house.supervisor) == 1


def test_another_centre_sees_nothing_of_it(house, database_urls):
    approval_id = ask(house.admin, house.operator)
    stranger = make_user(make_centre(database_urls["owner"]), "admin")
    for deed in (decide, stop):
        with pytest.raises(NotFound):
            deed(stranger, approval_id)
    with pytest.raises(NotFound):
        ask(stranger, house.operator)


def test_nobody_decides_their_own_or_about_themselves(house, rows):
    approval_id = ask(house.admin, house.operator)
    add_authenticator(house.supervisor)
    about = ask(house.admin, house.supervisor, FACTOR)
    for user, which in ((house.admin, approval_id), (house.supervisor, about)):
        with pytest.raises(Forbidden):
            decide(user, which)
        assert refusals(rows, user) == 1
        assert states(rows, which) == ["asked"]


def test_after_three_days_nobody_decides(house, rows):
    begin = now()
    approval_id = ask(house.admin, house.operator, at=begin)
    with pytest.raises(Conflict, match="approval_expired"):
        decide(house.supervisor, approval_id, at=begin + timedelta(days=3))
    assert role_of(rows, house.operator.id) == "operator"
    again = ask(house.admin, house.operator, at=begin + timedelta(days=3))
    decide(house.supervisor, again, at=begin + timedelta(days=6, seconds=-1))
    assert role_of(rows, house.operator.id) == "admin"


# A lost factor


def test_a_lost_factor_goes_when_its_time_has_come(house, rows):
    begin = now()
    approval_id = ask(house.supervisor, house.caseworker, FACTOR, at=begin)
    decide(house.admin, approval_id, at=begin)
    for early in (timedelta(0), DAY - timedelta(seconds=1)):
        tick(begin + early)
        assert factors_of(rows, house.caseworker) == 1
    tick(begin + DAY)
    tick(begin + DAY)
    assert factors_of(rows, house.caseworker) == 0
    assert states(rows, approval_id) == ["asked", "approved", "done"]
    assert rows(
        "SELECT count(*) FROM outbox_events WHERE name = 'accounts.factor_changed' AND payload ->> 'user_id' = %s AND payload ->> 'change' = 'all_removed'",
        str(house.caseworker.id),
    ) == [(1,)]


@pytest.mark.parametrize("who", ["caseworker", "other_admin", "supervisor", "admin"])
def test_it_can_be_stopped_until_then(house, rows, who):
    begin = now()
    approval_id = ask(house.supervisor, house.caseworker, FACTOR, at=begin)
    decide(house.admin, approval_id, at=begin)
    stop(getattr(house, who), approval_id, at=begin + DAY - timedelta(seconds=1))
    tick(begin + DAY)
    assert factors_of(rows, house.caseworker) == 1
    assert states(rows, approval_id) == ["asked", "approved", "stopped"]


def test_others_can_not_stop_it(house, rows):
    approval_id = ask(house.supervisor, house.caseworker, FACTOR)
    with pytest.raises(NotFound):
        stop(house.operator, approval_id)
    with pytest.raises(Forbidden):
        stop(house.auditor, approval_id)
    assert states(rows, approval_id) == ["asked"]


# Free SQL

DECIDED = "decision = 'approved', decided_by = '{0}', decided_at = to_timestamp({1}), not_before = to_timestamp({1}) + interval '{2}'"


def tries(user, *statements):
    """Whether the database let any of them through, each on its own."""
    found = []
    for statement in statements:
        with suppress(DBAPIError), unit_of_work(user.ctx()) as ctx:
            done = db.session.execute(text(statement.replace("NOW", str(ctx.now.timestamp()))))
            changed = done.rowcount if done.supports_sane_rowcount() and not done.returns_rows else done.scalar()
            if changed:
                found.append(statement)
    return found


def test_free_sql_approves_nothing_of_ones_own(house, rows):
    mine, about = ask(house.admin, house.operator), ask(house.admin, house.caseworker, FACTOR)
    me, other = house.admin.id, house.supervisor.id
    update = f"UPDATE approvals SET {DECIDED} WHERE id = '{mine}'"
    assert tries(
        house.admin,
        update.format(me, "NOW", "0"), update.format(other, "NOW", "0"),
        f"UPDATE approvals SET requested_by = '{other}' WHERE id = '{mine}'",
        f"UPDATE approvals SET spent_at = now() WHERE id = '{mine}'",
        f"DELETE FROM approvals WHERE id = '{mine}'",
        f"SELECT app.carry_out('{mine}')", f"SELECT app.carry_out('{about}')",
        f"UPDATE users SET role = 'admin' WHERE id = '{house.operator.id}'",
        f"INSERT INTO users SELECT (jsonb_populate_record(u, jsonb_build_object('id', gen_random_uuid(), 'login', 'x.x', 'email', 'x@x.x'))).* FROM users u WHERE id = '{me}'",
        # A request in somebody else's name, that the admin would then approve.
        f"INSERT INTO approvals SELECT (jsonb_populate_record(a, jsonb_build_object('id', gen_random_uuid(), 'requested_by', '{other}'))).* FROM approvals a WHERE id = '{mine}'",
    ) == []  # fmt: skip
    early = f"UPDATE approvals SET {DECIDED} WHERE id = '{about}'"
    assert tries(house.supervisor, early.format(other, "NOW", "1 minute"), early.format(me, "NOW", "1 day")) == []
    assert tries(house.caseworker, early.format(house.caseworker.id, "NOW", "1 day")) == []
    assert states(rows, mine) == ["asked"]
    assert tries(house.supervisor, early.format(other, "NOW", "1 day")) != [], "the same by whoever may"


def test_free_sql_changes_no_decision(house, rows):
    approval_id = ask(house.admin, house.caseworker, FACTOR)
    decide(house.supervisor, approval_id)
    key = f"WHERE id = '{approval_id}'"
    sooner = f"UPDATE approvals SET not_before = decided_at + interval '1 hour' {key}"
    away = f"UPDATE approvals SET decision = NULL, decided_by = NULL, decided_at = NULL, not_before = NULL {key}"
    forged = f"UPDATE approvals SET stopped_at = now(), stopped_by = '{house.supervisor.id}', decided_by = '{house.other_admin.id}' {key}"
    for user in (house.supervisor, house.other_admin, house.caseworker):
        assert tries(user, sooner, away, forged, f"SELECT app.carry_out('{approval_id}')") == []
    stop(house.caseworker, approval_id)
    assert tries(house.supervisor, f"UPDATE approvals SET stopped_at = NULL, stopped_by = NULL {key}") == []
    assert states(rows, approval_id) == ["asked", "approved", "stopped"]


# Two at once


@pytest.mark.parametrize("seconds", [(YES, YES), (YES, NO)])
def test_of_two_who_decide_at_once_one_is_heard(app, house, rows, seconds):
    approval_id, gate, came = ask(house.admin, house.operator), threading.Barrier(2), []

    def run(user, decision):
        with app.app_context():
            gate.wait()
            try:
                decide(user, approval_id, decision)
                came.append(decision.value)
            except Conflict as problem:
                came.append(problem.code)

    pair = zip((house.supervisor, house.other_admin), seconds, strict=True)
    threads = [threading.Thread(target=run, args=each) for each in pair]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert came.count("decided_already") == 1
    [heard] = [each for each in came if each != "decided_already"]
    assert rows("SELECT decision FROM approvals WHERE id = %s", approval_id) == [(heard,)]
    assert (role_of(rows, house.operator.id) == "admin") is (heard == "approved")
    assert states(rows, approval_id) == ["asked", heard] + ["done"] * (heard == "approved")


# Whatever is tried

STEPS = st.lists(st.tuples(st.sampled_from(["approve", "decline", "stop", "tick"]), st.sampled_from(["admin", "other_admin", "supervisor", "caseworker"]), st.integers(0, 40)), max_size=8)  # fmt: skip


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_no_order_of_deeds_goes_round_the_second_person(app, database_urls, rows, steps):
    """The model says what may come of each deed; table, audit and events agree with it."""
    centre = make_centre(database_urls["owner"])
    people = {name: make_user(centre, name.removeprefix("other_")) for name in ("admin", "other_admin", "supervisor")}
    people["caseworker"] = subject = make_user(centre, "caseworker")
    add_authenticator(subject)
    at = now()
    approval_id, expires = ask(people["admin"], subject, FACTOR, at=at), at + timedelta(days=3)
    state, due, heard = "asked", None, ["asked"]
    for deed, who, hours in steps:
        at += timedelta(hours=hours)
        before = state
        if deed == "tick":
            tick(at)
            state = "done" if state == "approved" and at >= due else state
        else:
            with suppress(Conflict, Forbidden, NotFound):
                stop(people[who], approval_id, at=at) if deed == "stop" else decide(
                    people[who], approval_id, YES if deed == "approve" else NO, at=at
                )
            if deed == "stop" and (state == "approved" or (state == "asked" and at < expires)):
                state = "stopped"
            elif deed != "stop" and state == "asked" and at < expires and who in {"other_admin", "supervisor"}:
                state, due = ("approved", at + DAY) if deed == "approve" else ("declined", None)
        heard += [state] * (state != before)
    assert states(rows, approval_id) == heard
    assert factors_of(rows, subject) == (0 if state == "done" else 1)


def test_a_state_is_read_off_the_row():
    at = now()
    later = at + timedelta(hours=1)
    for given_row, state in {
        (None, later, None, None): ApprovalState.ASKED, (None, at, None, None): ApprovalState.EXPIRED,
        ("approved", at, None, None): ApprovalState.APPROVED, ("declined", at, None, None): ApprovalState.DECLINED,
        (None, at, at, None): ApprovalState.STOPPED, ("approved", at, at, None): ApprovalState.STOPPED,
        ("approved", at, None, at): ApprovalState.DONE,
    }.items():  # fmt: skip
        assert approval_state(*given_row, at) is state
