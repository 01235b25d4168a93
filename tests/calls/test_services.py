"""Logging a call: the state, the audit entry and the event; once, however often and from however many hands."""

import threading
from dataclasses import replace

import pytest

from helpline.calls import queries
from helpline.calls.commands import CallContent, LogCall, ToldChild
from helpline.calls.services.log import log_call, log_quick_call
from helpline.calls.vocabulary import Answer, CallAction, CallKind, DangerAnswers, Relation
from helpline.foundation.db import unit_of_work
from helpline.foundation.errors import Conflict, Forbidden, Invalid
from helpline.foundation.ids import new_id
from helpline.people.commands import PersonDetails
from helpline.people.vocabulary import AgeKnown, Gender, PersonRole
from tests.factories.accounts import make_user

pytestmark = pytest.mark.usefixtures("in_app")
CANARY = "Zephyrine Quillfeather"
PHONE = "012 345 678"


def do(user, deed, *args, **kwargs):
    ctx = user.ctx()
    with unit_of_work(ctx):
        return ctx, deed(ctx, *args, **kwargs)


def full(**given):
    told = CallContent(
        relation=Relation.NEIGHBOUR, caller=PersonDetails(PersonRole.CALLER, name="Mrs " + CANARY, phone=PHONE),
        children=(
            ToldChild(PersonDetails(PersonRole.CHILD, name=CANARY, age=9, age_known=AgeKnown.ABOUT, gender=Gender.FEMALE)),
            ToldChild(PersonDetails(PersonRole.CHILD)),
        ),
        categories=("violence.physical_violence", "violence.neglect"),
        danger=DangerAnswers(hurt=Answer.YES, near_person_feared=Answer.YES),
        actions=(CallAction.COUNSELLING,), narrative=CANARY + " is hurt.",
    )  # fmt: skip
    return replace(told, **given)


def audited(rows, ctx):
    return rows("SELECT action, outcome FROM audit_entries WHERE request_id = %s", ctx.request_id)


def published(rows, ctx):
    return rows("SELECT name, payload FROM outbox_events WHERE request_id = %s", ctx.request_id)


def test_a_call_is_kept_whole_and_told(world, rows):
    call_id = new_id()
    ctx, logged = do(world.operator, log_call, LogCall(call_id, full(place_id=world.province)))
    with unit_of_work(world.operator.ctx()):
        call = queries.get_call(call_id)
        assert (call.risk_level, call.province_id, call.narrative) == (
            "immediate",
            world.province,
            CANARY + " is hurt.",
        )
        assert [person.name for person in call.people] == [CANARY, None]
        assert (call.caller.phone, call.caller_relation) == (PHONE, "neighbour")
        assert [term.code for term in call.categories] == ["violence.physical_violence", "violence.neglect"]
    assert logged.first
    assert audited(rows, ctx) == [("call.logged", "done")]
    [(name, payload)] = published(rows, ctx)
    assert (name, payload["call_id"], payload["risk_level"], payload["source"]) == (
        "calls.logged", str(call_id), "immediate", "live",
    )  # fmt: skip
    assert rows("SELECT gender, age_band FROM call_children WHERE call_id = %s ORDER BY position", call_id) == [
        ("female", "6-9"),
        ("unknown", "unknown"),
    ]


def test_nobodys_words_stand_in_the_clear(world, rows):
    call_id = new_id()
    ctx, _ = do(world.operator, log_call, LogCall(call_id, full()))
    stored = str(rows("SELECT row_to_json(c)::text FROM calls c WHERE id = %s", call_id))
    stored += str(rows("SELECT row_to_json(p)::text FROM persons p WHERE added_by = %s", world.operator.id))
    stored += str(rows("SELECT row_to_json(o)::text FROM outbox_events o WHERE request_id = %s", ctx.request_id))
    stored += str(rows("SELECT row_to_json(a)::text FROM audit_entries a WHERE request_id = %s", ctx.request_id))
    for word in (CANARY, "12345678", "is hurt", CANARY.encode().hex(), b"12345678".hex()):
        assert word not in stored


def test_the_same_posting_gives_the_first_call_and_anything_else_under_its_id_is_refused(world, rows):
    call_id, told = new_id(), full()
    first = do(world.operator, log_call, LogCall(call_id, told))[1]
    ctx, again = do(world.operator, log_call, LogCall(call_id, told))
    assert (again.id, again.number, again.first) == (first.id, first.number, False)
    assert published(rows, ctx) == []
    stranger = make_user(world.centre, "operator")
    for user, other in ((world.operator, full(narrative="other")), (stranger, told)):
        with pytest.raises(Conflict, match="id_in_use"):
            do(user, log_call, LogCall(call_id, other))
    assert rows("SELECT count(*) FROM persons WHERE centre_id = %s", world.centre.id) == [(3,)]


def test_two_postings_at_once_make_one_call(app, world, rows):
    call_id, told, found = new_id(), full(), []
    ready = threading.Barrier(2)

    def post():
        with app.app_context():
            ready.wait()
            found.append(do(world.operator, log_call, LogCall(call_id, told))[1])

    threads = [threading.Thread(target=post) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(logged.first for logged in found) == [False, True]
    assert len({logged.number for logged in found}) == 1
    assert rows("SELECT count(*) FROM persons WHERE centre_id = %s", world.centre.id) == [(3,)]
    assert rows("SELECT count(*) FROM outbox_events WHERE payload->>'call_id' = %s", str(call_id)) == [(1,)]


def test_a_call_that_was_no_counselling_takes_a_kind_and_an_id(world, rows):
    ctx, logged = do(world.operator, log_quick_call, CallKind.SILENT, new_id())
    assert audited(rows, ctx) == [("call.logged", "done")]
    assert rows("SELECT kind, risk_level FROM calls WHERE id = %s", logged.id) == [("silent", "low")]
    assert rows("SELECT count(*) FROM persons WHERE centre_id = %s", world.centre.id) == [(0,)]
    with pytest.raises(Invalid, match="kind"):
        do(world.operator, log_quick_call, CallKind.COUNSELLING, new_id())


@pytest.mark.parametrize("role", ["caseworker", "admin", "auditor"])
def test_whoever_does_not_take_calls_logs_none(world, rows, role):
    ctx, call_id = getattr(world, role).ctx(), new_id()
    with pytest.raises(Forbidden), unit_of_work(ctx):
        log_call(ctx, LogCall(call_id, full()))
    assert rows("SELECT count(*) FROM calls WHERE id = %s", call_id) == [(0,)]
    assert audited(rows, ctx) == [("call:log", "refused")]
    assert published(rows, ctx) == []
