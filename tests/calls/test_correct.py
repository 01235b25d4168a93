"""Correcting and voiding: what was said before stays, and nobody overwrites anybody unseen."""

from dataclasses import replace
from datetime import timedelta

import pytest

from helpline.calls import queries
from helpline.calls.commands import CorrectCall, ToldChild
from helpline.calls.services.correct import correct_call, void_call
from helpline.calls.vocabulary import Relation
from helpline.foundation.db import unit_of_work
from helpline.foundation.errors import Conflict, Forbidden, Invalid, NotFound
from helpline.foundation.ids import new_id
from helpline.people.commands import PersonDetails
from helpline.people.vocabulary import Gender, PersonRole
from tests.factories.accounts import make_user
from tests.factories.calls import CANARY, GIRL, PHONE, do, logged_call, told

pytestmark = pytest.mark.usefixtures("in_app")


def look(user, call_id):
    with unit_of_work(user.ctx()):
        return queries.get_call(call_id)


def correction(call_id, version=1, reason="Heard it wrong", **given):
    return CorrectCall(call_id, version, told(**given), reason)


def audited(rows, ctx):
    return rows("SELECT action, outcome FROM audit_entries WHERE request_id = %s", ctx.request_id)


def published(rows, ctx):
    return rows("SELECT name FROM outbox_events WHERE request_id = %s", ctx.request_id)


def test_a_correction_says_the_new_keeps_the_old_and_tells(world, rows):
    call_id = logged_call(world.operator)
    girl = look(world.operator, call_id).people[0]
    boy = ToldChild(PersonDetails(PersonRole.CHILD, gender=Gender.MALE))
    older = ToldChild(replace(GIRL, age=11), girl.id)
    command = correction(
        call_id, narrative="She fell.", children=(older, boy), categories=("violence.neglect",),
        relation=Relation.TEACHER,
    )  # fmt: skip
    ctx, _ = do(world.operator, correct_call, command)
    now = look(world.operator, call_id)
    assert (now.narrative, now.version, now.caller_relation) == ("She fell.", 2, "teacher")
    assert [(p.id == girl.id, p.age, p.gender) for p in now.people] == [(True, 11, "female"), (False, None, "male")]
    assert [term.code for term in now.categories] == ["violence.neglect"]
    with unit_of_work(world.operator.ctx()):
        [before] = queries.history(call_id)
        assert queries.find_before(call_id, 1) == before.before
        assert queries.find_before(call_id, 2) is None
    assert (before.version, before.action, before.reason) == (1, "corrected", "Heard it wrong")
    assert before.before["narrative"] == f"{CANARY} is hurt."
    assert before.before["children"][0]["age"] == 9
    assert audited(rows, ctx) == [("call.corrected", "done")]
    assert published(rows, ctx) == [("calls.corrected",)]
    [(fields,)] = rows("SELECT field_groups FROM audit_entries WHERE request_id = %s", ctx.request_id)
    assert fields == ["categories", "children", "narrative", "relation"]
    stored = str(rows("SELECT row_to_json(v)::text FROM call_versions v WHERE call_id = %s", call_id))
    assert CANARY not in stored
    assert "Heard" not in stored


def test_times_left_out_stay_and_wrong_ones_are_refused(world):
    call_id = logged_call(world.operator)
    first = look(world.operator, call_id)
    do(world.operator, correct_call, correction(call_id))
    again = look(world.operator, call_id)
    assert (again.started_at, again.ended_at) == (first.started_at, first.ended_at)
    early = first.started_at - timedelta(hours=1)
    with pytest.raises(Invalid, match="ends_before_start"):
        do(world.operator, correct_call, correction(call_id, 2, started_at=first.started_at, ended_at=early))
    with pytest.raises(Invalid, match="in_future"):
        do(world.operator, correct_call, correction(call_id, 2, ended_at=first.started_at + timedelta(days=1)))


def test_two_who_correct_the_same_are_told(world):
    call_id = logged_call(world.operator)
    do(world.supervisor, correct_call, correction(call_id, narrative="by the supervisor"))
    with pytest.raises(Conflict, match="stale"):
        do(world.operator, correct_call, correction(call_id, narrative="by the operator"))
    with pytest.raises(Conflict, match="stale"):
        do(world.operator, void_call, call_id, 1, "mistake")
    assert look(world.operator, call_id).narrative == "by the supervisor"


def test_a_correction_needs_a_reason_and_names_children_of_its_own(world):
    call_id, other = logged_call(world.operator), logged_call(world.operator)
    with pytest.raises(Invalid, match="required"):
        do(world.operator, correct_call, correction(call_id, reason=" "))
    strange = look(world.operator, other).people[0].id
    with pytest.raises(Invalid, match="child_not_of_call"):
        do(world.operator, correct_call, correction(call_id, children=(ToldChild(GIRL, strange),)))


def test_the_same_caller_is_corrected_and_found_by_the_new_number(world):
    call_id = logged_call(world.operator)
    first = look(world.operator, call_id).caller
    caller = PersonDetails(PersonRole.CALLER, name="Somebody", phone="099 999 999")
    do(world.operator, correct_call, correction(call_id, caller=caller))
    now = look(world.operator, call_id).caller
    assert (now.id, now.phone) == (first.id, "099 999 999")
    with unit_of_work(world.operator.ctx()):
        assert queries.list_earlier("+855 99 999 999", "KH")[1] >= 1
        assert [call.id for call in queries.list_earlier(PHONE, "KH")[0] if call.id == call_id] == []


def test_a_voided_call_leaves_the_lists_and_takes_no_change(world, rows):
    call_id = logged_call(world.operator)
    with pytest.raises(Invalid, match="required"):
        do(world.operator, void_call, call_id, 1, "")
    ctx, _ = do(world.operator, void_call, call_id, 1, "Logged twice")
    seen = look(world.operator, call_id)
    assert (seen.voided_at, seen.void_reason, seen.version) == (ctx.now, "Logged twice", 2)
    assert audited(rows, ctx) == [("call.voided", "done")]
    assert published(rows, ctx) == [("calls.voided",)]
    with unit_of_work(world.operator.ctx()) as own:
        within = queries.reach(own)
        assert [call.id for call in queries.list_calls(within)] == []
        assert [call.id for call in queries.list_calls(replace(within, voided=True))] == [call_id]
    for deed, *args in ((correct_call, correction(call_id, 2)), (void_call, call_id, 2, "again")):
        with pytest.raises(Conflict, match="call_voided"):
            do(world.operator, deed, *args)


@pytest.mark.parametrize("role", ["stranger", "caseworker", "team_supervisor", "admin", "auditor"])
def test_whoever_has_no_part_in_a_call_changes_nothing(world, rows, role):
    call_id = logged_call(world.operator, place_id=None)
    user = make_user(world.centre, "operator") if role == "stranger" else getattr(world, role)
    before = rows("SELECT * FROM calls WHERE id = %s", call_id)
    for deed, *args in ((correct_call, correction(call_id)), (void_call, call_id, 1, "x")):
        ctx = user.ctx()
        with pytest.raises((Forbidden, NotFound)), unit_of_work(ctx):
            deed(ctx, *args)
        assert published(rows, ctx) == []
        assert [outcome for _, outcome in audited(rows, ctx)] == ["refused"]
    assert rows("SELECT * FROM calls WHERE id = %s", call_id) == before
    with pytest.raises((Forbidden, NotFound)):
        look(user, call_id)
    with pytest.raises(NotFound):
        do(world.operator, correct_call, correction(new_id()))
