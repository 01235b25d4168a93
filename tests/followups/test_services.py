"""Planning, doing and watching: the state, the audit entry and the event; refusals per role."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from threading import Barrier
from zoneinfo import ZoneInfo

import pytest

from helpline.calls.vocabulary import RiskLevel
from helpline.cases.commands import AddNote, CloseCase
from helpline.cases.queries import get_case
from helpline.cases.services import closing, working
from helpline.cases.vocabulary import CloseReason, NoteKind
from helpline.followups import queries
from helpline.followups.commands import AddFollowUp, CompleteFollowUp
from helpline.followups.services import planning, watching, work
from helpline.followups.vocabulary import FollowUpFilter, FollowUpKind, ListState, Outcome
from helpline.foundation.clock import now
from helpline.foundation.db import unit_of_work
from helpline.foundation.errors import Conflict, Forbidden, HelplineError, Invalid, NotFound
from helpline.foundation.ids import new_id
from tests.factories.accounts import make_user
from tests.factories.cases import assign, open_case
from tests.factories.privacy import close
from tests.followups.conftest import as_reminder

pytestmark = pytest.mark.usefixtures("in_app")
H, D = timedelta(hours=1), timedelta(days=1)


def do(user, deed, *args, at=None, **kwargs):
    ctx = user.ctx(at=at)
    with unit_of_work(ctx):
        return ctx, deed(ctx, *args, **kwargs)


def system(deed, *args, at=None, **kwargs):
    ctx = as_reminder(at)
    with unit_of_work(ctx):
        return ctx, deed(ctx, *args, **kwargs)


def standing(world, case_id, *, open_only=True):
    """Kind -> row."""
    with unit_of_work(world.supervisor.ctx()):
        return {row.kind: row for row in queries.list_for_case(case_id, open_only=open_only)}


def case_of(world, case_id):
    with unit_of_work(world.supervisor.ctx()):
        return get_case(case_id)


def audited(rows, ctx):
    return [tuple(r) for r in rows("SELECT action, outcome FROM audit_entries WHERE request_id = %s", ctx.request_id)]


def published(rows, ctx):
    return rows("SELECT name, payload FROM outbox_events WHERE request_id = %s", ctx.request_id)


def messages(rows, world, template):
    return rows(
        "SELECT recipient_id, channel, state, due_at, params FROM messages WHERE centre_id = %s AND template = %s",
        world.centre.id, template,
    )  # fmt: skip


def first(world, case_id, kind="first_response"):
    return standing(world, case_id)[kind]


def done(row, outcome=Outcome.REACHED, note="Spoke with the aunt.", **given):
    return CompleteFollowUp(row.id, row.version, outcome, note, **given)


# --- planning


def test_an_opened_case_gets_its_clocks_its_rhythm_and_its_review(world, planned, rows):
    case_id = planned(given=False, risk="high")
    case, rows_by_kind = case_of(world, case_id), standing(world, case_id)
    assert set(rows_by_kind) == {"assignment", "first_response", "contact", "review"}
    assert rows_by_kind["assignment"].due_at == case.assign_by
    assert rows_by_kind["first_response"].due_at == case.first_response_by
    assert rows_by_kind["contact"].due_at <= case.opened_at + 7 * D
    assert rows_by_kind["review"].due_at <= case.opened_at + 90 * D
    assert {row.risk_level for row in rows_by_kind.values()} == {"high"}
    assert rows("SELECT kind, source_id FROM case_obligations WHERE case_id = %s AND settled_at IS NULL", case_id) == [
        ("followup", rows_by_kind["first_response"].id)
    ]


def test_planning_twice_plans_once(world, planned):
    case_id = planned(given=False)
    before = standing(world, case_id)
    system(planning.plan, case_id)
    assert standing(world, case_id) == before


def test_a_due_time_keeps_to_working_days_and_holidays(world, planned, rows):
    case_id = planned(risk="medium")
    zone = ZoneInfo("Asia/Phnom_Penh")
    contact = first(world, case_id, "contact")
    for _ in range(8):  # declare each day a holiday on which it falls: it moves to the day before
        day = contact.due_at.astimezone(zone).date()
        assert day.weekday() < 5
        break
    other = planned(given=False, risk="medium")
    rows("INSERT INTO holidays (country, on_date, names) VALUES ('KH', %s, '{}') ON CONFLICT DO NOTHING", day)
    try:
        third = planned(given=False, risk="medium")
        assert first(world, third, "contact").due_at.astimezone(zone).date() < day
        assert first(world, other, "contact").due_at.astimezone(zone).date() == day
    finally:
        rows("DELETE FROM holidays WHERE country = 'KH' AND on_date = %s AND names = '{}'", day)


def test_historic_and_closed_cases_are_left_alone(world, rows):
    historic, closed = open_case(world), open_case(world)
    rows("UPDATE cases SET source = 'imported' WHERE id = %s", historic)
    do(world.supervisor, closing.close_case, CloseCase(closed, 1, CloseReason.OPENED_IN_ERROR, "twice"))
    for case_id in (historic, closed):
        system(planning.plan, case_id)
        assert standing(world, case_id) == {}


def test_assignment_stops_its_clock_moves_the_others_and_tells_the_caseworker_once(world, planned, rows):
    case_id = planned(given=False)
    assign(world, case_id)
    ctx, _ = system(planning.reassign, case_id)
    system(planning.reassign, case_id)
    found = standing(world, case_id, open_only=False)
    assert (found["assignment"].state, found["assignment"].outcome) == ("done", "done")
    assert {row.caseworker_id for kind, row in found.items() if kind != "assignment"} == {world.caseworker.id}
    assert ("followup.completed", "done") in audited(rows, ctx)
    assert sorted((who, channel) for who, channel, *_ in messages(rows, world, "case_assigned")) == [
        (world.caseworker.id, "in_app"), (world.caseworker.id, "mail"),
    ]  # fmt: skip


def test_a_higher_risk_brings_what_is_open_nearer_and_a_lower_one_gives_time(world, planned):
    case_id = planned(risk="low")
    before = standing(world, case_id)
    do(world.supervisor, working.change_risk, case_id, case_of(world, case_id).version, RiskLevel.IMMEDIATE, "worse")
    system(planning.replan, case_id, RiskLevel.LOW)
    after = standing(world, case_id)
    assert after["first_response"].due_at == case_of(world, case_id).first_response_by < before["first_response"].due_at
    assert after["contact"].due_at <= now() + D < before["contact"].due_at
    assert {row.risk_level for row in after.values()} == {"immediate"}
    do(world.supervisor, working.change_risk, case_id, case_of(world, case_id).version, RiskLevel.LOW, "better")
    system(planning.replan, case_id, RiskLevel.IMMEDIATE)
    assert standing(world, case_id)["contact"].due_at >= before["contact"].due_at - D


@pytest.mark.parametrize("event", ["assigned", "released", "risk"])
def test_what_somebody_is_about_to_send_goes_through_though_the_case_moved_meanwhile(world, planned, event):
    """The form was drawn, then a task ran late: whose it is and how urgent came along, and nobody's words are refused."""
    case_id = planned(given=event != "assigned", risk="high")
    asked = AddFollowUp(new_id(), case_id, FollowUpKind.OTHER, now() + 5 * D, "Ring the school")
    do(world.supervisor, work.add, asked)
    drawn = first(world, case_id, "other")
    match event:
        case "assigned":
            assign(world, case_id)
            system(planning.reassign, case_id)
        case "released":
            close(world.supervisor, case_id, world.caseworker.id)
            system(planning.release, case_id)
        case "risk":
            version = case_of(world, case_id).version
            do(world.supervisor, working.change_risk, case_id, version, RiskLevel.LOW, "better")
            system(planning.replan, case_id, RiskLevel.HIGH)
    moved = first(world, case_id, "other")
    assert (moved.caseworker_id, moved.risk_level) != (drawn.caseworker_id, drawn.risk_level)
    do(world.supervisor, work.complete, done(drawn, Outcome.DONE))
    assert "other" not in standing(world, case_id)


def test_who_saw_another_due_time_looks_again(world, planned):
    case_id = planned(risk="low")
    drawn = first(world, case_id, "contact")
    do(world.supervisor, working.change_risk, case_id, case_of(world, case_id).version, RiskLevel.IMMEDIATE, "worse")
    system(planning.replan, case_id, RiskLevel.LOW)
    with pytest.raises(Conflict, match="stale"):
        do(world.caseworker, work.complete, done(drawn))


def test_of_two_who_move_it_to_one_time_the_second_looks_again(world, planned):
    row = first(world, planned(risk="high"), "contact")
    do(world.caseworker, work.reschedule, row.id, row.version, row.due_at, "They are at the temple")
    with pytest.raises(Conflict, match="stale"):
        do(world.supervisor, work.reschedule, row.id, row.version, row.due_at, "Another reason")


def test_a_noted_contact_settles_the_first_response_then_the_regular_contact(world, planned, rows):
    case_id = planned(risk="high")
    do(world.caseworker, working.add_note, AddNote(new_id(), case_id, NoteKind.CONTACT, "Reached"))
    system(planning.note_contact, case_id, first=True)
    assert not rows("SELECT 1 FROM case_events WHERE case_id = %s AND action = 'followup.completed'", case_id), (
        "the note itself stands in the timeline"
    )
    after = standing(world, case_id)
    assert "first_response" not in after
    contact = after["contact"]
    later = now() + 3 * D
    system(planning.note_contact, case_id, first=False, at=later)
    following = standing(world, case_id)["contact"]
    assert following.id != contact.id
    assert following.due_at > contact.due_at


def test_closing_cancels_and_reopening_plans_anew(world, planned):
    case_id = planned(risk="high")
    do(world.caseworker, work.complete, done(first(world, case_id)))
    case = case_of(world, case_id)
    do(world.supervisor, closing.close_case, CloseCase(case_id, case.version, CloseReason.GOALS_MET, "well"))
    system(planning.cancel_all, case_id)
    assert standing(world, case_id) == {}
    do(world.supervisor, closing.reopen_case, case_id, case_of(world, case_id).version, "again")
    system(planning.cancel_all, case_id)  # a late message about the closing changes nothing
    system(planning.plan, case_id, reopened=True)
    system(planning.cancel_all, case_id)
    assert set(standing(world, case_id)) == {"contact", "review"}


# --- work


def test_completing_records_seals_settles_and_plans_the_next(world, planned, rows):
    case_id = planned(risk="high")
    row = first(world, case_id)
    ctx, _ = do(world.caseworker, work.complete, done(row, note="Bruise on the left arm"))
    found = standing(world, case_id, open_only=False)["first_response"]
    assert (found.state, found.outcome, found.done_at, found.done_by) == (
        "done",
        "reached",
        ctx.now,
        world.caseworker.id,
    )
    with unit_of_work(world.caseworker.ctx()):
        assert queries.get_followup(row.id).note == "Bruise on the left arm"
    [(stored,)] = rows("SELECT row_to_json(f)::text FROM followups f WHERE id = %s", row.id)
    assert "Bruise" not in stored
    assert b"Bruise".hex() not in stored
    assert case_of(world, case_id).first_response_at == ctx.now
    assert ("followup.completed", "done") in audited(rows, ctx)
    assert [name for name, _ in published(rows, ctx)] == ["followups.completed", "cases.contacted"]
    assert rows("SELECT count(*) FROM case_obligations WHERE case_id = %s AND settled_at IS NULL", case_id) == [(0,)]
    assert rows("SELECT count(*) FROM case_events WHERE case_id = %s AND action = 'followup.completed'", case_id)


def test_a_regular_contact_is_followed_by_the_next_in_the_rhythm_of_the_risk(world, planned):
    case_id = planned(risk="immediate")
    row = first(world, case_id, "contact")
    ctx, _ = do(world.caseworker, work.complete, done(row))
    following = first(world, case_id, "contact")
    assert following.id != row.id
    assert following.due_at == ctx.now + D


def test_the_next_is_planned_for_the_time_asked_for(world, planned):
    case_id, asked = planned(risk="medium"), now() + 3 * D
    do(world.caseworker, work.complete, done(first(world, case_id, "contact"), next_due_at=asked))
    assert first(world, case_id, "contact").due_at == asked


def test_not_reached_tries_again_soon_and_the_clock_runs_on(world, planned):
    case_id = planned(risk="high")
    row = first(world, case_id)
    ctx, _ = do(world.caseworker, work.complete, done(row, Outcome.NOT_REACHED, note=""))
    again = first(world, case_id)
    assert again.id != row.id
    assert again.due_at == ctx.now + 8 * H
    assert case_of(world, case_id).first_response_at is None


def test_a_visit_puts_the_regular_contact_off_and_a_review_is_followed_by_one(world, planned):
    case_id = planned(risk="high")
    later = now() + 2 * D
    do(world.caseworker, work.add, AddFollowUp(new_id(), case_id, FollowUpKind.VISIT, now() + D))
    before = first(world, case_id, "contact")
    do(world.caseworker, work.complete, done(first(world, case_id, "visit")), at=later)
    assert first(world, case_id, "contact").id == before.id
    assert first(world, case_id, "contact").due_at > before.due_at
    review = first(world, case_id, "review")
    do(world.caseworker, work.complete, done(review, Outcome.DONE), at=later)
    assert first(world, case_id, "review").due_at > review.due_at - D


def test_the_same_answer_twice_changes_nothing_and_another_is_refused(world, planned, rows):
    case_id = planned(risk="high")
    row = first(world, case_id)
    do(world.caseworker, work.complete, done(row))
    ctx, _ = do(world.caseworker, work.complete, done(row))
    assert published(rows, ctx) == []
    with pytest.raises(Conflict, match="stale"):
        do(world.supervisor, work.complete, done(row))
    with pytest.raises(Conflict, match="followup_settled"):
        do(world.supervisor, work.complete, replace(done(row), version=row.version + 1))


@pytest.mark.parametrize(
    ("kind", "given", "error"),
    [
        ("contact", {"outcome": Outcome.DONE}, "outcome_unfit"),
        ("review", {"outcome": Outcome.REACHED}, "outcome_unfit"),
        ("assignment", {}, "followup_assignment"),
        ("contact", {"note": "  "}, "required"),
        ("contact", {"next_due_at": datetime(2020, 1, 1, tzinfo=UTC)}, "date_past"),
        ("contact", {"next_due_at": datetime(2100, 1, 1, tzinfo=UTC)}, "date_far"),
    ],
)
def test_an_unfit_answer_is_refused(world, planned, kind, given, error):
    case_id = planned(given=False)
    row = first(world, case_id, kind)
    with pytest.raises(HelplineError, match=error):
        do(world.supervisor, work.complete, replace(done(row), **given))
    assert first(world, case_id, kind) == row


def test_added_by_hand_it_holds_the_case_open_until_it_is_done_or_called_off(world, planned, rows):
    case_id, followup_id = planned(risk="high"), new_id()
    do(world.caseworker, work.complete, done(first(world, case_id)))
    command = AddFollowUp(followup_id, case_id, FollowUpKind.OTHER, now() + D, "Ask the school for the register")
    ctx, _ = do(world.caseworker, work.add, command)
    do(world.caseworker, work.add, command)
    assert audited(rows, ctx) == [("followup.planned", "done")]
    with unit_of_work(world.caseworker.ctx()):
        assert queries.get_followup(followup_id).task == "Ask the school for the register"
    case = case_of(world, case_id)
    ending = CloseCase(case_id, case.version, CloseReason.GOALS_MET, "well")
    with pytest.raises(Conflict, match="case_obligations"):
        do(world.supervisor, closing.close_case, ending)
    ctx, _ = do(world.caseworker, work.cancel, followup_id, 1, "The school wrote by itself")
    assert audited(rows, ctx) == [("followup.cancelled", "done")]
    do(world.supervisor, closing.close_case, ending)
    with pytest.raises(Conflict, match="case_closed"):
        do(world.supervisor, work.add, replace(command, followup_id=new_id()))


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"kind": FollowUpKind.CONTACT}, "kind_by_hand"),
        ({"kind": FollowUpKind.OTHER}, "required"),
        ({"due_at": datetime(2020, 1, 1, tzinfo=UTC)}, "date_past"),
    ],
)
def test_an_unfit_plan_is_refused(world, planned, given, error):
    case_id = planned()
    with pytest.raises(Invalid, match=error):
        do(world.caseworker, work.add, replace(AddFollowUp(new_id(), case_id, FollowUpKind.VISIT, now() + D), **given))


def test_an_id_in_use_is_refused(world, planned):
    case_id, other = planned(), planned()
    command = AddFollowUp(new_id(), case_id, FollowUpKind.VISIT, now() + D)
    do(world.caseworker, work.add, command)
    with pytest.raises(Conflict, match="id_in_use"):
        do(world.caseworker, work.add, replace(command, case_id=other))


def test_moved_it_is_reminded_of_anew(world, planned, rows):
    case_id = planned(risk="high")
    row = first(world, case_id, "contact")
    system(watching.remind_due, 10_000, at=row.due_at)
    row = first(world, case_id, "contact")
    assert row.reminded_at
    ctx, _ = do(world.caseworker, work.reschedule, row.id, row.version, now() + 20 * D, "They are at the temple")
    moved = first(world, case_id, "contact")
    assert (moved.reminded_at, moved.due_at) == (
        None,
        ctx.now + timedelta(seconds=(moved.due_at - ctx.now).total_seconds()),
    )
    assert audited(rows, ctx) == [("followup.rescheduled", "done")]
    with unit_of_work(world.caseworker.ctx()):
        assert queries.get_followup(row.id).reason == "They are at the temple"


def test_the_clocks_are_moved_by_a_supervisor_alone_and_the_rhythm_is_never_called_off(world, planned):
    case_id = planned(risk="high")
    clock, rhythm = first(world, case_id), first(world, case_id, "contact")
    with pytest.raises(Forbidden):
        do(world.caseworker, work.reschedule, clock.id, clock.version, now() + D, "busy")
    with pytest.raises(Forbidden):
        do(world.caseworker, work.cancel, clock.id, clock.version, "busy")
    with pytest.raises(Conflict, match="followup_regular"):
        do(world.supervisor, work.cancel, rhythm.id, rhythm.version, "enough")
    with pytest.raises(Invalid, match="required"):
        do(world.supervisor, work.reschedule, clock.id, clock.version, now() + D, " ")
    do(world.supervisor, work.reschedule, clock.id, clock.version, now() + D, "the road is flooded")
    given = planned(given=False)
    assignment = first(world, given, "assignment")
    with pytest.raises(Conflict, match="followup_assignment"):
        do(world.supervisor, work.reschedule, assignment.id, assignment.version, now() + D, "later")


def test_who_may_not_is_refused_once_and_nothing_changes(world, planned, rows):
    case_id = planned(risk="high")
    row = first(world, case_id)
    stranger = make_user(world.centre, "caseworker", world.team)
    deeds = (
        (work.complete, (done(row),)),
        (work.reschedule, (row.id, row.version, now() + D, "why")),
        (work.cancel, (row.id, row.version, "why")),
        (work.add, (AddFollowUp(new_id(), case_id, FollowUpKind.VISIT, now() + D),)),
    )
    for user in (world.operator, world.other_caseworker, stranger, world.admin, world.auditor):
        for deed, args in deeds:
            ctx = user.ctx()
            with pytest.raises((Forbidden, NotFound)), unit_of_work(ctx):
                deed(ctx, *args)
            assert [outcome for _, outcome in audited(rows, ctx)] == ["refused"]
            assert published(rows, ctx) == []
    assert first(world, case_id) == row


# --- watching


def watch(world, deed, at):
    """Run until nothing is left; other tests' rows may be among what is taken."""
    while system(deed, 100, at=at)[1] == 100:
        pass


def test_what_is_due_reminds_the_caseworker_once_in_the_app_and_by_mail(world, planned, rows):
    case_id = planned(risk="high")
    row = first(world, case_id)
    watch(world, watching.remind_due, row.due_at)
    watch(world, watching.remind_due, row.due_at + H)
    found = [m for m in messages(rows, world, "followup_due") if m[4]["followup_id"] == str(row.id)]
    assert sorted((who, channel, state) for who, channel, state, *_ in found) == [
        (world.caseworker.id, "in_app", "sent"), (world.caseworker.id, "mail", "queued"),
    ]  # fmt: skip
    assert set(found[0][4]) == {"case_id", "case", "followup_id", "kind", "due_at", "risk_level"}
    assert first(world, case_id).reminded_at == row.due_at
    events = rows("SELECT payload FROM outbox_events WHERE name = 'followups.reminded'")
    assert [p["followup_id"] for (p,) in events].count(str(row.id)) == 1
    assert rows("SELECT count(*) FROM case_events WHERE case_id = %s AND action = 'followup.reminded'"
                " AND details ->> 'kind' = 'first_response'", case_id) == [(1,)]  # fmt: skip


def test_nothing_is_said_before_its_time(world, planned, rows):
    case_id = planned(risk="high")
    row = first(world, case_id, "contact")
    watch(world, watching.remind_due, row.due_at - 2 * D)
    assert first(world, case_id, "contact").reminded_at is None


def test_nobodys_case_and_nobody_at_work_remind_the_supervisors(world, planned, rows):
    unassigned, left = planned(given=False), planned()
    rows("UPDATE users SET status = 'deactivated' WHERE id = %s", world.caseworker.id)
    for case_id, kind in ((unassigned, "assignment"), (left, "first_response")):
        row = first(world, case_id, kind)
        watch(world, watching.remind_due, row.due_at)
        told = {m[0] for m in messages(rows, world, "followup_due") if m[4]["followup_id"] == str(row.id)}
        assert told == {world.team_supervisor.id}


def test_mail_of_lesser_risk_waits_for_the_morning_and_the_app_does_not(world, planned, rows):
    zone, night = ZoneInfo("Asia/Phnom_Penh"), []
    for risk in ("low", "high"):
        case_id = planned(risk=risk)
        row = first(world, case_id, "contact")
        late = (row.due_at + 9 * D).astimezone(zone).replace(hour=23)
        watch(world, watching.escalate_due, late)
        found = {m[1]: m for m in messages(rows, world, "followup_escalated") if m[4]["followup_id"] == str(row.id)}
        assert found["in_app"][2] == "sent"
        night.append(found["mail"][3] - late)
    assert night == [8 * H, timedelta()]


def test_what_stays_undone_goes_to_the_teams_supervisors_once(world, planned, rows):
    case_id = planned(risk="high")
    row = first(world, case_id)
    watch(world, watching.escalate_due, row.due_at + H)
    assert first(world, case_id).escalated_at is None
    watch(world, watching.escalate_due, row.due_at + 2 * H)
    watch(world, watching.escalate_due, row.due_at + 3 * H)
    assert first(world, case_id).escalated_at == row.due_at + 2 * H
    found = [m for m in messages(rows, world, "followup_escalated") if m[4]["followup_id"] == str(row.id)]
    assert sorted((who, channel) for who, channel, *_ in found) == [
        (world.team_supervisor.id, "in_app"), (world.team_supervisor.id, "mail"),
    ]  # fmt: skip
    assert rows("SELECT count(*) FROM case_events WHERE case_id = %s AND action = 'followup.escalated'"
                " AND details ->> 'kind' = 'first_response'", case_id) == [(1,)]  # fmt: skip
    events = rows("SELECT payload FROM outbox_events WHERE name = 'followups.escalated'")
    assert [p["followup_id"] for (p,) in events].count(str(row.id)) == 1


def test_what_is_done_is_never_reminded_of(world, planned, rows):
    case_id = planned(risk="high")
    row = first(world, case_id)
    do(world.caseworker, work.complete, done(row))
    watch(world, watching.remind_due, row.due_at + D)
    watch(world, watching.escalate_due, row.due_at + D)
    for template in ("followup_due", "followup_escalated"):
        assert not [m for m in messages(rows, world, template) if m[4]["followup_id"] == str(row.id)]


def test_two_workers_remind_once(app, world, planned, rows):
    ids = [first(world, planned(risk="immediate")).id for _ in range(4)]
    at, start = now() + 2 * H, Barrier(2)

    def run():
        with app.app_context():
            start.wait()
            for _ in range(3):
                system(watching.remind_due, 2, at=at)

    with ThreadPoolExecutor(2) as pool:
        for each in [pool.submit(run) for _ in range(2)]:
            each.result()
    watch(world, watching.remind_due, at)
    mails = [m[4]["followup_id"] for m in messages(rows, world, "followup_due") if m[1] == "mail"]
    assert sorted(mail for mail in mails if mail in {str(i) for i in ids}) == sorted(str(i) for i in ids)


def test_only_the_reminder_reminds(world):
    for user in (world.supervisor, world.caseworker):
        with pytest.raises(Forbidden):
            do(user, watching.remind_due)


# --- reading


def listed(user, **wanted):
    ctx = user.ctx()
    with unit_of_work(ctx):
        return queries.list_followups(replace(queries.reach(ctx), **wanted))


def test_each_role_lists_what_it_reaches(world, planned):
    mine, other = planned(), planned(given=False, team_id=world.other_team)
    seen = {
        "caseworker": {row.case_id for row in listed(world.caseworker)},
        "team": {row.case_id for row in listed(world.team_supervisor)},
        "centre": {row.case_id for row in listed(world.supervisor)},
        "operator": {row.case_id for row in listed(world.operator)},
        "stranger": {row.case_id for row in listed(world.other_caseworker)},
        "admin": {row.case_id for row in listed(world.admin)},
        "auditor": {row.case_id for row in listed(world.auditor)},
    }
    assert seen == {
        "caseworker": {mine}, "team": {mine}, "centre": {mine, other}, "operator": {mine, other}, "stranger": set(),
        "admin": set(), "auditor": set(),
    }  # fmt: skip


def test_row_security_stands_behind_the_filter(world, planned):
    planned()
    for user in (world.other_caseworker, world.admin, world.auditor, make_user(world.centre, "operator")):
        with unit_of_work(user.ctx()):
            assert queries.list_followups(FollowUpFilter(state=ListState.ALL, centre_id=world.centre.id)) == []


def test_lists_go_on_where_they_stopped_and_count_what_they_show(world, planned):
    for _ in range(2):
        planned(risk="immediate")
    ctx = world.supervisor.ctx(at=now() + 2 * H)
    with unit_of_work(ctx):
        overdue = replace(queries.reach(ctx), state=ListState.OVERDUE)
        page = queries.list_followups(overdue, limit=1)
        rest = queries.list_followups(overdue, (page[0].due_at, page[0].id), limit=1)
        assert [row.kind for row in page[:1] + rest] == ["first_response"] * 2
        assert len({row.id for row in page[:1] + rest}) == 2
        assert queries.count_followups(overdue) == 2
        assert queries.count_overdue_by_risk(ctx) == {"immediate": 2}


def test_my_list_is_mine_alone(world, planned):
    case_id = planned()
    planned(given=False)
    ctx = world.caseworker.ctx()
    with unit_of_work(ctx):
        assert {row.case_id for row in queries.list_mine(ctx)} == {case_id}
        assert queries.list_mine(ctx, due_before=ctx.now) == []
