"""Drafts: kept while written, sealed, one's own, never brought back after the call was saved."""

from datetime import timedelta

import pytest

from helpline.calls import queries
from helpline.calls.commands import LogCall, SaveDraft
from helpline.calls.services.drafts import discard_draft, save_draft, stamp
from helpline.calls.services.log import log_call
from helpline.foundation.clock import now
from helpline.foundation.db import unit_of_work
from helpline.foundation.errors import Conflict, Forbidden, NotFound
from helpline.foundation.ids import new_id
from tests.factories.accounts import make_user
from tests.factories.calls import CANARY, do, told

pytestmark = pytest.mark.usefixtures("in_app")
TYPED = [["narrative", CANARY], ["reasons", "violence.neglect", "Neglect", "Violence"]]
MORE = [["narrative", f"{CANARY} says more"]]


def body(user, call_id):
    with unit_of_work(user.ctx()):
        draft = queries.find_draft(call_id)
        return draft and draft.body


def test_a_draft_is_kept_sealed_for_its_writer_alone(world, rows):
    call_id = new_id()
    ctx, saved = do(world.operator, save_draft, SaveDraft(call_id, TYPED))
    assert saved == ctx.now
    assert body(world.operator, call_id) == {"fields": TYPED}
    for other in (make_user(world.centre, "operator"), world.supervisor):
        assert body(other, call_id) is None
        with pytest.raises(Conflict):
            do(other, save_draft, SaveDraft(call_id, MORE))
    assert CANARY not in str(rows("SELECT row_to_json(d)::text FROM call_drafts d WHERE id = %s", call_id))
    assert rows("SELECT action FROM audit_entries WHERE request_id = %s", ctx.request_id) == [("call_draft.begun",)]


def test_going_on_needs_the_text_it_goes_on_from(world):
    call_id = new_id()
    _, first = do(world.operator, save_draft, SaveDraft(call_id, TYPED))
    _, same = do(world.operator, save_draft, SaveDraft(call_id, TYPED, None), at=now() + timedelta(seconds=1))
    assert same == first
    with pytest.raises(Conflict, match="draft_changed"):
        do(world.operator, save_draft, SaveDraft(call_id, MORE, "2020-01-01"))
    _, second = do(world.operator, save_draft, SaveDraft(call_id, MORE, stamp(first)))
    assert second > first
    assert body(world.operator, call_id) == {"fields": MORE}


def test_saving_the_call_ends_the_draft_and_a_late_copy_does_not_bring_it_back(world, rows):
    call_id, unsaved = new_id(), new_id()
    _, first = do(world.operator, save_draft, SaveDraft(call_id, TYPED))
    for each in (call_id, unsaved):
        do(world.operator, log_call, LogCall(each, told()))
        with pytest.raises(Conflict, match="draft_ended"):
            do(world.operator, save_draft, SaveDraft(each, MORE, stamp(first)))
    assert rows("SELECT body_sealed, ended_at IS NULL FROM call_drafts WHERE id = %s", call_id) == [(None, False)]
    with unit_of_work(world.operator.ctx()):
        assert list(queries.list_drafts(world.operator.id)) == []


def test_a_parked_call_thrown_away_is_gone_at_once(world, rows):
    call_id = new_id()
    do(world.operator, save_draft, SaveDraft(call_id, TYPED))
    with unit_of_work(world.operator.ctx()):
        assert [draft.id for draft in queries.list_drafts(world.operator.id)] == [call_id]
    with pytest.raises(NotFound):
        do(make_user(world.centre, "operator"), discard_draft, call_id)
    ctx, _ = do(world.operator, discard_draft, call_id)
    assert rows("SELECT body_sealed FROM call_drafts WHERE id = %s", call_id) == [(None,)]
    assert rows("SELECT action FROM audit_entries WHERE request_id = %s", ctx.request_id) == [("call_draft.discarded",)]
    with pytest.raises(NotFound):
        do(world.operator, discard_draft, call_id)


def test_whoever_takes_no_calls_keeps_no_drafts(world):
    for role in ("caseworker", "admin", "auditor"):
        with pytest.raises(Forbidden):
            do(getattr(world, role), save_draft, SaveDraft(new_id(), TYPED))
