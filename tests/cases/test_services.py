"""Each use case: the state, the audit entry and the event; and for whoever is refused neither, but one refusal."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import psycopg
import pytest

from helpline.agencies.vocabulary import Service
from helpline.calls.vocabulary import RiskLevel
from helpline.cases import queries
from helpline.cases.commands import AddNote, CloseCase, Consent, OpenCase
from helpline.cases.services import assigning, closing, hooks, opening, working
from helpline.cases.vocabulary import CaseStep, CloseReason, ConsentAnswer, NoteKind
from helpline.foundation.access.permissions import FieldGroup
from helpline.foundation.db import unit_of_work
from helpline.foundation.errors import Conflict, Forbidden, HelplineError, Invalid, NotFound
from helpline.foundation.ids import new_id
from tests.factories.accounts import make_user
from tests.factories.cases import assign, make_call, open_case

pytestmark = pytest.mark.usefixtures("in_app")
H = timedelta(hours=1)


def do(user, deed, *args, **kwargs):
    """Run one service as this person, in a unit of work; gives the context and what came back."""
    ctx = user.ctx()
    with unit_of_work(ctx):
        return ctx, deed(ctx, *args, **kwargs)


def look(user, case_id):
    with unit_of_work(user.ctx()):
        return queries.get_case(case_id)


def audited(rows, ctx):
    return [
        (action, outcome)
        for action, outcome in rows("SELECT action, outcome FROM audit_entries WHERE request_id = %s", ctx.request_id)
    ]


def published(rows, ctx):
    return rows("SELECT name, payload FROM outbox_events WHERE request_id = %s", ctx.request_id)


def opening_of(call, **given):
    return OpenCase(new_id(), call.id, call.child_id, **given)


def test_opening_takes_over_the_call_starts_the_clocks_and_tells(world, rows):
    call = make_call(world.operator, risk="high", place=world.province)
    command = opening_of(call, needs=(Service.HEALTH, Service.POLICE, Service.HEALTH), summary="Hurt on the arm")
    ctx, case = do(world.operator, opening.open_case, command)
    seen = look(world.operator, case.id)
    assert (seen.risk_level, seen.child_age, seen.child_gender, seen.team_id) == ("high", 9, "female", world.team)
    assert (seen.step, seen.status, seen.source, seen.caseworker_id) == ("register", "open", "live", None)
    assert (seen.assign_by, seen.first_response_by) == (ctx.now + H, ctx.now + 24 * H)
    assert (seen.needs, seen.summary) == (["health", "police"], "Hurt on the arm")
    assert audited(rows, ctx) == [("case.opened", "done")]
    [(name, payload)] = published(rows, ctx)
    assert name == "cases.opened"
    assert payload == {
        "case_id": str(case.id), "centre_id": str(world.centre.id), "risk_level": "high", "source": "live",
        "needs": ["health", "police"],
    }  # fmt: skip
    assert rows("SELECT action FROM case_events WHERE case_id = %s", case.id) == [("case.opened",)]


def test_words_are_sealed_at_rest(world, rows):
    case_id = open_case(world, summary="Hurt on the arm")
    [(stored,)] = rows("SELECT row_to_json(c)::text FROM cases c WHERE id = %s", case_id)
    assert "Hurt" not in stored
    assert b"Hurt".hex() not in stored


def test_numbers_run_without_a_gap_within_a_centre(world, rows):
    failed = make_call(world.operator, place=None)
    first = open_case(world)
    with pytest.raises(Invalid, match="team_unknown"):
        do(world.operator, opening.open_case, opening_of(failed, team_id=new_id()))
    second = open_case(world)
    [(code,)] = rows("SELECT code FROM centres WHERE id = %s", world.centre.id)
    assert [look(world.operator, case_id).code for case_id in (first, second)] == [f"{code}-1", f"{code}-2"]


def test_a_repeat_gives_the_first_case_and_anything_else_under_its_id_is_refused(world, rows):
    call = make_call(world.operator, place=world.province)
    command = opening_of(call, summary="one")
    do(world.operator, opening.open_case, command)
    _, again = do(world.operator, opening.open_case, command)
    assert again.id == command.case_id
    with pytest.raises(Conflict, match="id_in_use"):
        do(world.operator, opening.open_case, OpenCase(command.case_id, call.id, call.child_id, summary="two"))
    with pytest.raises(Conflict, match="case_exists"):
        do(world.operator, opening.open_case, opening_of(call, summary="one"))
    assert rows("SELECT count(*) FROM cases WHERE call_id = %s", call.id) == [(1,)]
    assert rows("SELECT last_number FROM case_counters WHERE centre_id = %s", world.centre.id) == [(1,)]


def test_an_id_in_use_out_of_sight_is_refused_the_same_way(world):
    case_id = open_case(world)
    stranger = make_user(world.centre, "operator")
    call = make_call(stranger, place=world.province)
    with pytest.raises(Conflict, match="id_in_use"):
        do(stranger, opening.open_case, OpenCase(case_id, call.id, call.child_id))


def test_the_team_is_chosen_or_covers_the_place_or_is_the_calls_own(world):
    assert look(world.supervisor, open_case(world, team_id=world.other_team)).team_id == world.other_team
    assert look(world.supervisor, open_case(world)).team_id == world.team
    assert look(world.supervisor, open_case(world, place=None, team=world.other_team)).team_id == world.other_team
    with pytest.raises(Invalid, match="team_needed"):
        open_case(world, place=None)


def test_an_imported_call_opens_as_a_live_case(world, rows):
    assert look(world.supervisor, open_case(world, source="imported")).source == "live"


def test_a_call_out_of_sight_or_a_strange_child_opens_nothing(world, rows):
    call = make_call(world.operator, place=world.province)
    for user, command in (
        (make_user(world.centre, "operator"), opening_of(call)),
        (world.operator, OpenCase(new_id(), call.id, new_id())),
    ):
        ctx = user.ctx()
        with pytest.raises(NotFound), unit_of_work(ctx):
            opening.open_case(ctx, command)
        assert audited(rows, ctx) == [("call:read", "refused")]
        assert published(rows, ctx) == []


def test_a_voided_call_opens_nothing(world, database_urls):
    call = make_call(world.operator, place=world.province)
    with psycopg.connect(database_urls["owner"]) as connection:
        connection.execute("UPDATE calls SET voided_at = now() WHERE id = %s", [call.id])
    with pytest.raises(Conflict, match="call_voided"):
        do(world.operator, opening.open_case, opening_of(call))


def test_a_caseworker_opens_for_a_sibling_and_sees_it_until_it_is_given_to_another(world, database_urls):
    call, sibling = make_call(world.operator, place=world.province), make_call(world.operator)
    with psycopg.connect(database_urls["owner"]) as connection:
        connection.execute(
            "UPDATE call_children SET call_id = %s, position = 1 WHERE call_id = %s", [call.id, sibling.id]
        )
    assign(world, do(world.operator, opening.open_case, opening_of(call))[1].id)
    _, second = do(world.caseworker, opening.open_case, OpenCase(new_id(), call.id, sibling.child_id))
    assert look(world.caseworker, second.id).caseworker_id is None
    assign(world, second.id, make_user(world.centre, "caseworker", world.team))
    with pytest.raises(NotFound):
        look(world.caseworker, second.id)


def test_giving_it_to_whoever_has_it_changes_nothing(world, rows):
    case_id = open_case(world)
    assign(world, case_id)
    ctx, case = do(world.supervisor, assigning.assign_caseworker, case_id, 2, world.caseworker.id)
    assert (case.version, published(rows, ctx), audited(rows, ctx)) == (2, [], [])


def test_one_kind_of_obligation_is_settled_by_itself(world):
    case_id, source = open_case(world), new_id()
    for kind in ("answer", "report"):
        do(world.operator, hooks.open_obligation, case_id, kind, ("referral", source))
    do(world.operator, hooks.settle_obligation, source, "answer")
    with unit_of_work(world.operator.ctx()):
        assert [each.kind for each in queries.list_obligations(case_id)] == ["report"]


def test_assignment_opens_the_case_to_its_caseworker_and_closes_it_to_the_former(world, rows):
    case_id = open_case(world)
    second = make_user(world.centre, "caseworker", world.team)
    with pytest.raises(NotFound):
        look(world.caseworker, case_id)
    ctx, _ = do(world.supervisor, assigning.assign_caseworker, case_id, 1, world.caseworker.id)
    assert look(world.caseworker, case_id).caseworker_name is not None
    assert audited(rows, ctx) == [("case.assigned", "done")]
    [(name, payload)] = published(rows, ctx)
    assert (name, payload["caseworker_id"]) == ("cases.assigned", str(world.caseworker.id))
    do(world.team_supervisor, assigning.assign_caseworker, case_id, 2, second.id)
    assert look(second, case_id).caseworker_id == second.id
    with pytest.raises(NotFound):
        look(world.caseworker, case_id)


def test_a_case_goes_to_an_active_caseworker_of_its_team_alone(world):
    case_id = open_case(world)
    gone = make_user(world.centre, "caseworker", world.team, status="deactivated")
    for wrong in (world.other_caseworker.id, world.team_supervisor.id, gone.id, new_id()):
        with pytest.raises(Invalid, match="caseworker_not_of_team"):
            do(world.supervisor, assigning.assign_caseworker, case_id, 1, wrong)


@pytest.mark.parametrize("role", ["operator", "caseworker", "admin", "auditor"])
def test_who_may_not_assign_changes_nothing_and_leaves_one_refusal(world, rows, role):
    case_id = open_case(world)
    if role == "caseworker":
        assign(world, case_id)
    before = rows("SELECT caseworker_id, version FROM cases WHERE id = %s", case_id)
    ctx = getattr(world, role).ctx()
    with pytest.raises(Forbidden), unit_of_work(ctx):
        assigning.assign_caseworker(ctx, case_id, 1, world.caseworker.id)
    assert rows("SELECT caseworker_id, version FROM cases WHERE id = %s", case_id) == before
    assert audited(rows, ctx) == [("case:assign", "refused")]
    assert published(rows, ctx) == []


def test_two_who_change_the_same_are_told(world):
    case_id = open_case(world)
    do(world.supervisor, working.set_needs, case_id, 1, [Service.HEALTH])
    with pytest.raises(Conflict, match="stale"):
        do(world.supervisor, working.set_needs, case_id, 1, [Service.SHELTER])
    assert look(world.supervisor, case_id).needs == ["health"]


def test_new_needs_are_published_and_old_ones_are_not(world, rows):
    case_id = open_case(world, needs=(Service.HEALTH,))
    ctx, _ = do(world.operator, working.set_needs, case_id, 1, [Service.HEALTH, Service.LEGAL])
    [(name, payload)] = published(rows, ctx)
    assert (name, payload["needs"]) == ("cases.needs_added", ["legal"])
    ctx, _ = do(world.operator, working.set_needs, case_id, 2, [Service.LEGAL])
    assert published(rows, ctx) == []
    assert audited(rows, ctx) == [("case.needs_set", "done")]


def note(case_id, kind=NoteKind.CONTACT, body="The aunt was reached."):
    return AddNote(new_id(), case_id, kind, body)


def test_a_contact_settles_the_first_response_once_and_its_words_stand_in_the_timeline(world, rows):
    case_id = open_case(world)
    assign(world, case_id)
    ctx, _ = do(world.caseworker, working.add_note, note(case_id))
    assert look(world.caseworker, case_id).first_response_at == ctx.now
    assert [(name, payload["first"]) for name, payload in published(rows, ctx)] == [("cases.contacted", True)]
    assert audited(rows, ctx) == [("case.noted", "done")]
    later, _ = do(world.caseworker, working.add_note, note(case_id))
    assert [payload["first"] for _, payload in published(rows, later)] == [False]
    assert look(world.caseworker, case_id).first_response_at == ctx.now
    with unit_of_work(world.caseworker.ctx()):
        line = queries.timeline(case_id)[0]
    assert (line.action, line.note_kind, line.body) == ("case.noted", "contact", "The aunt was reached.")


def test_a_plain_note_is_no_response(world):
    case_id = open_case(world)
    do(world.operator, working.add_note, note(case_id, NoteKind.NOTE))
    assert look(world.operator, case_id).first_response_at is None


def test_a_note_posted_twice_is_one_note_and_another_under_its_id_is_refused(world, rows):
    case_id = open_case(world)
    first = note(case_id)
    do(world.operator, working.add_note, first)
    do(world.operator, working.add_note, first)
    with pytest.raises(Conflict, match="id_in_use"):
        do(world.operator, working.add_note, AddNote(first.note_id, case_id, first.kind, "Something else"))
    assert rows("SELECT count(*) FROM case_notes WHERE case_id = %s", case_id) == [(1,)]
    assert rows("SELECT count(*) FROM case_events WHERE case_id = %s AND action = 'case.noted'", case_id) == [(1,)]


def test_an_empty_note_is_refused(world):
    case_id = open_case(world)
    with pytest.raises(Invalid, match="required"):
        do(world.operator, working.add_note, note(case_id, body="  \n"))


def test_a_new_risk_needs_a_reason_moves_running_clocks_and_is_published(world, rows):
    case_id = open_case(world, risk="low")
    with pytest.raises(Invalid, match="required"):
        do(world.operator, working.change_risk, case_id, 1, RiskLevel.HIGH, " ")
    with pytest.raises(Invalid, match="risk_same"):
        do(world.operator, working.change_risk, case_id, 1, RiskLevel.LOW, "no change")
    ctx, _ = do(world.operator, working.change_risk, case_id, 1, RiskLevel.IMMEDIATE, "She is hurt now")
    seen = look(world.operator, case_id)
    assert (seen.risk_level, seen.first_response_by) == ("immediate", ctx.now + H)
    [(name, payload)] = published(rows, ctx)
    assert (name, payload["former"], payload["risk_level"]) == ("cases.risk_changed", "low", "immediate")
    with unit_of_work(world.operator.ctx()):
        assert queries.timeline(case_id)[0].body == "She is hurt now"


def test_consent_is_kept_with_what_is_withheld_and_why(world, rows):
    case_id = open_case(world)
    consent = Consent(services=ConsentAnswer.YES, withhold=(FieldGroup.STORY,), why="The mother asks for it")
    ctx, _ = do(world.operator, working.set_consent, case_id, 1, consent)
    seen = look(world.operator, case_id)
    assert (seen.consent["services"], seen.consent["withhold"]) == ("yes", ["story"])
    assert seen.consent_why == "The mother asks for it"
    assert audited(rows, ctx) == [("case.consent_set", "done")]
    assert "mother" not in str(rows("SELECT details FROM case_events WHERE case_id = %s", case_id))


def closing_of(case_id, version, note="All is well; she can call any time."):
    return CloseCase(case_id, version, CloseReason.GOALS_MET, note)


def test_a_caseworker_asks_to_close_and_a_supervisor_approves(world, rows):
    case_id = open_case(world)
    assign(world, case_id)
    ctx, _ = do(world.caseworker, closing.close_case, closing_of(case_id, 2))
    assert look(world.caseworker, case_id).status == "open"
    assert published(rows, ctx) == []
    assert audited(rows, ctx) == [("case.closing_requested", "done")]
    with pytest.raises(Conflict, match="closing_asked"):
        do(world.caseworker, closing.close_case, closing_of(case_id, 3))
    with pytest.raises(Forbidden):
        do(world.caseworker, closing.approve_closing, case_id, 3)
    ctx, _ = do(world.team_supervisor, closing.approve_closing, case_id, 3)
    seen = look(world.caseworker, case_id)
    assert (seen.status, seen.step, seen.close_reason, seen.closed_at) == ("closed", "close", "goals_met", ctx.now)
    assert [(name, payload["reason"]) for name, payload in published(rows, ctx)] == [("cases.closed", "goals_met")]


def test_a_closing_sent_back_says_why_and_the_case_stays_open(world):
    case_id = open_case(world)
    assign(world, case_id)
    do(world.caseworker, closing.close_case, closing_of(case_id, 2))
    with pytest.raises(Invalid, match="required"):
        do(world.supervisor, closing.decline_closing, case_id, 3, "")
    do(world.supervisor, closing.decline_closing, case_id, 3, "One visit more")
    assert look(world.caseworker, case_id).closing_requested_at is None
    with unit_of_work(world.caseworker.ctx()):
        assert queries.timeline(case_id)[0].body == "One visit more"
    with pytest.raises(Conflict, match="closing_not_asked"):
        do(world.supervisor, closing.approve_closing, case_id, 4)


def test_nothing_closes_without_a_note_or_with_something_unsettled(world):
    case_id, source = open_case(world), new_id()
    with pytest.raises(Invalid, match="required"):
        do(world.supervisor, closing.close_case, closing_of(case_id, 1, note=" "))
    do(world.operator, hooks.open_obligation, case_id, "referral", ("referral", source))
    do(world.operator, hooks.open_obligation, case_id, "referral", ("referral", source))
    with pytest.raises(Conflict, match="case_obligations") as refusal:
        do(world.supervisor, closing.close_case, closing_of(case_id, 1))
    assert refusal.value.details == {"count": 1}
    do(world.operator, hooks.settle_obligation, source)
    do(world.supervisor, closing.close_case, closing_of(case_id, 1))
    with pytest.raises(Conflict, match="case_closed"):
        do(world.operator, hooks.open_obligation, case_id, "referral", ("referral", new_id()))


def test_a_closed_case_takes_nothing_until_it_is_taken_up_again(world, rows):
    case_id = open_case(world)
    do(world.supervisor, closing.close_case, closing_of(case_id, 1))
    for deed, *args in (
        (working.set_needs, case_id, 2, []),
        (working.move_to_step, case_id, 2, CaseStep.ASSESS),
        (working.change_risk, case_id, 2, RiskLevel.LOW, "less"),
        (working.set_consent, case_id, 2, Consent()),
        (assigning.assign_caseworker, case_id, 2, world.caseworker.id),
        (working.add_note, note(case_id)),
        (closing.close_case, closing_of(case_id, 2)),
    ):
        with pytest.raises(Conflict, match="case_closed"):
            do(world.supervisor, deed, *args)
    ctx, _ = do(world.supervisor, closing.reopen_case, case_id, 2, "He came back")
    seen = look(world.supervisor, case_id)
    assert (seen.status, seen.step, seen.closed_at, seen.close_reason) == ("open", "assess", None, None)
    assert [name for name, _ in published(rows, ctx)] == ["cases.reopened"]
    with pytest.raises(Conflict, match="case_open"):
        do(world.supervisor, closing.reopen_case, case_id, 3, "again")


UPDATES = {
    "note": lambda ctx, case_id: working.add_note(ctx, note(case_id)),
    "needs": lambda ctx, case_id: working.set_needs(ctx, case_id, 1, [Service.HEALTH]),
    "consent": lambda ctx, case_id: working.set_consent(ctx, case_id, 1, Consent()),
    "risk": lambda ctx, case_id: working.change_risk(ctx, case_id, 1, RiskLevel.LOW, "less"),
    "step": lambda ctx, case_id: working.move_to_step(ctx, case_id, 1, CaseStep.ASSESS),
    "contact": working.record_contact,
    "close": lambda ctx, case_id: closing.close_case(ctx, closing_of(case_id, 1)),
    "reopen": lambda ctx, case_id: closing.reopen_case(ctx, case_id, 1, "again"),
    "event": lambda ctx, case_id: hooks.add_event(ctx, case_id, "referral.asked"),
    "obligation": lambda ctx, case_id: hooks.open_obligation(ctx, case_id, "x", ("referral", new_id())),
}


@pytest.mark.parametrize("role", ["caseworker", "admin", "auditor"])
@pytest.mark.parametrize("deed", UPDATES)
def test_whoever_has_no_part_in_a_case_changes_nothing(world, rows, role, deed):
    case_id = open_case(world)
    before = rows("SELECT * FROM cases WHERE id = %s", case_id)
    ctx = getattr(world, role).ctx()
    with pytest.raises((Forbidden, NotFound)) as refusal, unit_of_work(ctx):
        UPDATES[deed](ctx, case_id)
    assert isinstance(refusal.value, HelplineError)
    assert rows("SELECT * FROM cases WHERE id = %s", case_id) == before
    assert published(rows, ctx) == []
    assert [outcome for _, outcome in audited(rows, ctx)] == ["refused"]


def test_upper_slices_tell_the_timeline_of_a_case_they_see(world):
    case_id = open_case(world)
    do(world.operator, hooks.add_event, case_id, "referral.asked", {"service": "health"})
    with unit_of_work(world.operator.ctx()):
        line = queries.timeline(case_id)[0]
    assert (line.action, line.details, line.actor_role) == ("referral.asked", {"service": "health"}, "operator")
    with pytest.raises(NotFound):
        do(world.operator, hooks.add_event, new_id(), "referral.asked")


def at_once(app, deeds):
    """Run each deed in a thread of its own, with an application context; gives what each returned or raised."""

    def run(deed):
        with app.app_context():
            try:
                return deed()
            except Conflict as refusal:
                return refusal

    with ThreadPoolExecutor(len(deeds)) as pool:
        return list(pool.map(run, deeds))


def test_cases_opened_at_once_get_numbers_without_gap_or_double(app, world, rows):
    commands = [opening_of(make_call(world.operator, place=world.province)) for _ in range(6)]
    at_once(app, [lambda command=command: do(world.operator, opening.open_case, command) for command in commands])
    numbers = rows("SELECT number FROM cases WHERE centre_id = %s ORDER BY number", world.centre.id)
    assert [number for (number,) in numbers] == [1, 2, 3, 4, 5, 6]


def test_the_same_posted_at_once_makes_one_case(app, world, rows):
    call = make_call(world.operator, place=world.province)
    command, rival = opening_of(call), opening_of(call)
    found = at_once(
        app, [lambda each=each: do(world.operator, opening.open_case, each) for each in (command, command, rival)]
    )
    assert rows("SELECT count(*) FROM cases WHERE call_id = %s", call.id) == [(1,)]
    assert sum(isinstance(each, Conflict) for each in found) in {1, 2}  # the rival, or both repeats, came too late


def test_two_supervisors_give_it_at_once_and_one_is_told(app, world, rows):
    case_id, second = open_case(world), make_user(world.centre, "caseworker", world.team)
    deeds = [
        lambda each=each: do(world.supervisor, assigning.assign_caseworker, case_id, 1, each)
        for each in (world.caseworker.id, second.id)
    ]
    found = at_once(app, deeds)
    assert sum(isinstance(each, Conflict) for each in found) == 1
    granted = rows("SELECT count(*) FROM grants WHERE record_id = %s AND kind = 'case' AND ended_at IS NULL", case_id)
    assert granted == [(1,)]
