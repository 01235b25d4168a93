"""Closing a case to somebody: what they lose, that nobody tells them, and who may say so or take it back."""

import psycopg
import pytest
from sqlalchemy import text

from helpline.cases import queries as case_queries
from helpline.cases.commands import OpenCase
from helpline.cases.services import opening
from helpline.dashboards.queries import work_figures
from helpline.followups.services import planning, watching
from helpline.foundation.access.permissions import SystemActor
from helpline.foundation.clock import now
from helpline.foundation.context import Actor, Channel, Context, system_context
from helpline.foundation.db import db, unit_of_work
from helpline.foundation.errors import Conflict, Forbidden, Invalid, NotFound
from helpline.foundation.ids import new_id
from helpline.notifications import services as notifications
from helpline.privacy.commands import CloseTo
from helpline.privacy.services import closing
from helpline.privacy.vocabulary import ClosingKind, Relation, Why
from helpline.referrals import queries as referrals
from helpline.referrals.services import portal, routing
from helpline.referrals.vocabulary import Exclusion
from tests.factories.accounts import make_user
from tests.factories.agencies import make_agency
from tests.factories.calls import do
from tests.factories.cases import assign, make_call, open_case
from tests.factories.privacy import close, lift

pytestmark = pytest.mark.usefixtures("in_app")
# Every table with a row of the case in it, by how it is found; counted by raw SQL through the web's own login.
PARTS = {
    "cases": "SELECT count(*) FROM cases WHERE id = :case",
    "calls": "SELECT count(*) FROM calls WHERE id = :call",
    "call_children": "SELECT count(*) FROM call_children WHERE call_id = :call",
    "persons": "SELECT count(*) FROM persons WHERE id = :child",
    "case_events": "SELECT count(*) FROM case_events WHERE case_id = :case AND action = 'case.opened'",
    "case_obligations": "SELECT count(*) FROM case_obligations WHERE case_id = :case AND kind = 'referral'",
    "referrals": "SELECT count(*) FROM referrals WHERE case_id = :case",
    "followups": "SELECT count(*) FROM followups WHERE case_id = :case AND kind = 'review'",
    "messages": "SELECT count(*) FROM messages WHERE recipient_id = :me AND params ->> 'case_id' = :case_text AND channel = 'in_app'",
}


def full_case(world):
    """A case with a referral, follow-ups and a message to everybody about it."""
    case_id = open_case(world, needs=("health",), team=world.team)
    machine(SystemActor.ROUTER, routing.request_needs, case_id, ["health"])
    machine(SystemActor.REMINDER, planning.plan, case_id)
    with psycopg.connect(world.centre.owner_url) as connection:
        for user in (world.operator, world.caseworker, world.team_supervisor, world.supervisor):
            connection.execute(
                "INSERT INTO messages (id, record_key, centre_id, recipient_id, template, params, channel, state,"
                " dedupe_key, created_at, due_at) VALUES (%s, '', %s, %s, 'referral_accepted',"
                " jsonb_build_object('case_id', %s::text), 'in_app', 'sent', %s, now(), now())",
                [new_id(), world.centre.id, user.id, str(case_id), str(new_id())],
            )
    return case_id


def machine(actor, deed, *args, at=None):
    ctx = system_context(actor)
    ctx = Context(ctx.actor, at or ctx.now, ctx.request_id, ctx.channel)
    with unit_of_work(ctx):
        return deed(ctx, *args)


def seen(user, case_id, rows):
    [(call_id, child_id)] = rows("SELECT call_id, child_person_id FROM cases WHERE id = %s", case_id)
    given = {"case": case_id, "case_text": str(case_id), "call": call_id, "child": child_id, "me": user.id}
    with unit_of_work(user.ctx()):
        return {table: db.session.scalar(text(statement), given) for table, statement in PARTS.items()}


ALL, NOTHING = dict.fromkeys(PARTS, 1), dict.fromkeys(PARTS, 0)


@pytest.mark.parametrize("role", ["operator", "caseworker", "team_supervisor"])
@pytest.mark.parametrize("relation", [None, Relation.HOUSEHOLD])
def test_who_is_shut_out_loses_the_case_and_all_that_belongs_to_it(world, rows, role, relation):
    case_id, user = full_case(world), getattr(world, role)
    assign(world, case_id)
    assert seen(user, case_id, rows) == ALL
    close(world.supervisor, case_id, user.id, relation)
    assert seen(user, case_id, rows) == NOTHING
    with unit_of_work(user.ctx()):
        assert (
            db.session.execute(
                text("SELECT id FROM grants WHERE principal_id = :me AND effect = 'deny'"), {"me": user.id}
            ).all()
            == []
        )
    lift(world.supervisor, case_id, user.id, ClosingKind.PARTY if relation else ClosingKind.CLOSED_TO)
    assert seen(user, case_id, rows) == (NOTHING | {"messages": 1} if role == "caseworker" else ALL)


def test_a_supervisor_who_is_a_party_sees_nothing_and_can_lift_nothing(world, rows):
    case_id, other = full_case(world), make_user(world.centre, "supervisor")
    close(other, case_id, world.supervisor.id, Relation.SELF)
    assert seen(world.supervisor, case_id, rows) == NOTHING
    with unit_of_work(world.supervisor.ctx()):
        assert case_queries.who_looked(case_id, now().replace(year=2020)) == []
        assert db.session.execute(text("SELECT * FROM case_closings")).all() == []
    with pytest.raises(NotFound):
        lift(world.supervisor, case_id, world.supervisor.id, ClosingKind.PARTY)
    with pytest.raises(NotFound):
        do(world.supervisor, closing.see_access, case_id)


def test_closing_and_lifting_are_on_record_with_sealed_reasons(world, rows):
    case_id = full_case(world)
    close(world.supervisor, case_id, world.operator.id, Relation.SELF)
    lift(world.supervisor, case_id, world.operator.id, ClosingKind.PARTY)
    audit = rows(
        "SELECT action, details FROM audit_entries WHERE action IN ('case.closed_to', 'case.opened_to') AND %s = ANY (subject_ids) ORDER BY id",
        case_id,
    )
    told = {"principal_id": str(world.operator.id), "why": "party"}
    assert audit == [("case.closed_to", told), ("case.opened_to", told)]
    assert rows("SELECT kind, relation, reason_sealed IS NOT NULL FROM case_closings WHERE case_id = %s ORDER BY id", case_id) == [
        ("party", "self", True), ("lifted", None, True)]  # fmt: skip
    assert rows(
        "SELECT count(*) FROM outbox_events WHERE name = 'privacy.case_shut' AND payload ->> 'case_id' = %s",
        str(case_id),
    ) == [(1,)]


@pytest.mark.parametrize("role", ["operator", "caseworker", "admin", "auditor", "elsewhere"])
def test_who_may_not_close_changes_nothing_and_leaves_one_refusal(world, rows, role):
    case_id = full_case(world)
    assign(world, case_id)
    user = make_user(world.centre, "team_supervisor", world.other_team) if role == "elsewhere" else getattr(world, role)
    with pytest.raises((Forbidden, NotFound)):
        close(user, case_id, world.team_supervisor.id)
    assert rows("SELECT count(*) FROM grants WHERE record_id = %s AND effect = 'deny'", case_id) == [(0,)]
    assert rows("SELECT count(*) FROM audit_entries WHERE actor_id = %s AND outcome = 'refused'", user.id) == [(1,)]


def test_what_cannot_be_closed_says_so(world):
    case_id, agency = full_case(world), make_agency(world)
    for principal, relation, code in (
        (world.supervisor.id, None, "closed_to_unknown"), (new_id(), None, "closed_to_unknown"),
        (agency, Relation.SELF, "party_is_staff"),
    ):  # fmt: skip
        with pytest.raises(Invalid, match=code):
            close(world.supervisor, case_id, principal, relation)
    with pytest.raises(Invalid, match="required"):
        do(world.supervisor, closing.close_to, CloseTo(case_id, world.operator.id, " "))
    close(world.supervisor, case_id, world.operator.id)
    with pytest.raises(Conflict, match="closed_already"):
        close(world.supervisor, case_id, world.operator.id)


def test_whoever_opens_a_case_may_close_it_in_the_same_breath(world, rows):
    call, agency = make_call(world.operator, place=world.province), make_agency(world)
    command = OpenCase(new_id(), call.id, call.child_id, closed_to=(world.team_supervisor.id, agency))
    do(world.operator, opening.open_case, command)
    with unit_of_work(world.team_supervisor.ctx()):
        assert db.session.scalar(text("SELECT count(*) FROM cases WHERE id = :id"), {"id": command.case_id}) == 0
    [shut] = [do(world.supervisor, closing.see_access, command.case_id)[1][1]]
    assert {each.principal_id for each in shut} == {world.team_supervisor.id, agency}
    with pytest.raises(Invalid, match="closed_to_unknown"):
        again = make_call(world.operator, place=world.province)
        do(
            world.operator,
            opening.open_case,
            OpenCase(new_id(), again.id, again.child_id, closed_to=(world.operator.id,)),
        )


def test_the_caseworker_to_whom_it_is_closed_has_it_no_more(world, rows):
    case_id = full_case(world)
    assign(world, case_id)
    machine(SystemActor.REMINDER, planning.reassign, case_id)
    close(world.supervisor, case_id, world.caseworker.id)
    assert rows("SELECT caseworker_id, assigned_at, assign_by > now() FROM cases WHERE id = %s", case_id) == [
        (None, None, True)
    ]
    machine(SystemActor.REMINDER, planning.release, case_id)
    assert rows(
        "SELECT count(*) FROM followups WHERE case_id = %s AND kind = 'assignment' AND state = 'planned'", case_id
    ) == [(1,)]
    assert rows(
        "SELECT count(*) FROM followups WHERE case_id = %s AND caseworker_id IS NOT NULL AND state = 'planned'", case_id
    ) == [(0,)]
    with unit_of_work(world.supervisor.ctx()):
        assert world.caseworker.id not in {load.id for load in case_queries.caseload(world.team, case_id)}
        assert world.caseworker.id in {load.id for load in case_queries.caseload(world.team)}
    with pytest.raises(Invalid, match="caseworker_not_of_team"):
        assign(world, case_id)


def told(rows, template, case_id=None):
    return {who for (who,) in rows(
        "SELECT recipient_id FROM messages WHERE template = %s AND (%s::text IS NULL OR params ->> 'case_id' = %s)",
        template, case_id and str(case_id), case_id and str(case_id),
    )}  # fmt: skip


def test_reminders_fall_to_the_next_who_may_know_and_at_last_to_the_admin_without_a_word(world, rows):
    case_id = full_case(world)
    far = now().replace(year=now().year + 1)
    close(world.supervisor, case_id, world.team_supervisor.id)
    machine(SystemActor.REMINDER, watching.escalate_due, 10_000, at=far)
    assert told(rows, "followup_escalated", case_id) == {world.supervisor.id}
    assert told(rows, "nobody_left") & {world.admin.id} == set()
    other = make_user(world.centre, "supervisor")
    close(other, case_id, world.supervisor.id, Relation.SELF)
    close(world.supervisor, open_case(world), other.id)  # of another case: changes nothing here
    with psycopg.connect(world.centre.owner_url) as connection:
        connection.execute("UPDATE users SET status = 'deactivated' WHERE id = %s", [other.id])
    machine(SystemActor.REMINDER, watching.remind_due, 10_000, at=far)
    assert told(rows, "followup_due", case_id) == set()
    assert world.admin.id in told(rows, "nobody_left")
    assert rows(
        "SELECT DISTINCT params FROM messages WHERE template = 'nobody_left' AND recipient_id = %s", world.admin.id
    ) == [({},)]


def test_mail_that_waits_is_not_sent_to_whom_the_case_was_closed_meanwhile(world, rows):
    case_id = full_case(world)
    close(world.supervisor, case_id, world.operator.id)
    with psycopg.connect(world.centre.owner_url) as connection:
        connection.execute("UPDATE messages SET state = 'sent' WHERE state = 'queued'")
        connection.execute(
            "INSERT INTO messages (id, record_key, centre_id, recipient_id, template, params, channel, state, dedupe_key,"
            " created_at, due_at) SELECT %s, '', centre_id, recipient_id, template, params, 'mail', 'queued', dedupe_key,"
            " created_at, due_at FROM messages WHERE recipient_id = %s AND params ->> 'case_id' = %s AND channel = 'in_app' LIMIT 1",
            [new_id(), world.operator.id, str(case_id)],
        )
    assert machine(SystemActor.MESSENGER, notifications.claim_next) is None
    assert rows(
        "SELECT state, error_code FROM messages WHERE channel = 'mail' AND recipient_id = %s", world.operator.id
    ) == [("not_sent", "closed_to_them")]


def referral_of(case_id, rows):
    return rows("SELECT id, state FROM referrals WHERE case_id = %s ORDER BY requested_at, id", case_id)


def partner(world, ask_id):
    actor = Actor(id=ask_id, role="partner", centre_id=world.centre.id)
    return Context(actor, now(), new_id(), Channel.PORTAL)


def test_an_agency_that_is_shut_out_is_never_asked_and_says_why(world, rows):
    case_id, agency = full_case(world), make_agency(world)
    [(referral_id, _)] = referral_of(case_id, rows)
    close(world.supervisor, case_id, agency)
    machine(SystemActor.ROUTER, routing.route, referral_id)
    assert referral_of(case_id, rows) == [(referral_id, "exhausted")]
    with unit_of_work(world.supervisor.ctx()):
        row = referrals.get_row(referral_id)
        assert {(each["agency_id"], each["code"]) for each in row.excluded} == {
            (str(agency), Exclusion.CONFLICT_OF_INTEREST)
        }
        assert agency not in {agency_id for agency_id, _names in referrals.list_choices(row)}


@pytest.mark.parametrize("accepted", [False, True])
def test_a_link_that_is_out_dies_at_once_and_another_is_sought(world, rows, accepted):
    case_id, agency = full_case(world), make_agency(world)
    [(referral_id, _)] = referral_of(case_id, rows)
    machine(SystemActor.ROUTER, routing.route, referral_id)
    [(ask_id,)] = rows("SELECT id FROM referral_asks WHERE referral_id = %s", referral_id)
    with unit_of_work(partner(world, ask_id)) as ctx:
        portal.view_request(ctx)
    if accepted:
        with psycopg.connect(world.centre.owner_url) as connection:
            connection.execute("UPDATE referral_asks SET state = 'accepted' WHERE id = %s", [ask_id])
            connection.execute("UPDATE referrals SET state = 'accepted' WHERE id = %s", [referral_id])
    close(world.supervisor, case_id, agency)
    with pytest.raises(NotFound), unit_of_work(partner(world, ask_id)) as ctx:
        portal.view_request(ctx)
    with unit_of_work(partner(world, ask_id)):
        assert referrals.open_name() is None
        assert db.session.scalar(text("SELECT count(*) FROM cases")) == 0
    machine(SystemActor.ROUTER, routing.shut_out, case_id, agency)
    states = [state for _id, state in referral_of(case_id, rows)]
    assert states == (["withdrawn", "requested"] if accepted else ["requested"])
    assert rows("SELECT count(*) FROM grants WHERE principal_id = %s AND ended_at IS NULL", ask_id) == [(0,)]


def test_who_sees_it_and_why_is_told_and_names_only_to_who_may_manage(world):
    case_id = full_case(world)
    assign(world, case_id)
    close(world.supervisor, case_id, world.operator.id)
    seen_by, shut = do(world.team_supervisor, closing.see_access, case_id)[1]
    assert {(each.id, each.why) for each in seen_by} == {
        (world.caseworker.id, Why.CASEWORKER), (world.team_supervisor.id, Why.TEAM), (world.supervisor.id, Why.CENTRE)}  # fmt: skip
    assert [(each.principal_id, each.reason) for each in shut] == [(world.operator.id, "She is his sister.")]
    assert do(world.caseworker, closing.see_access, case_id)[1][1] is None


def test_an_auditor_who_is_a_party_reads_nothing_of_the_case(world, rows):
    case_id = full_case(world)
    close(world.supervisor, case_id, world.operator.id)
    about = text("SELECT count(*) > 0 FROM audit_entries WHERE :id = ANY (subject_ids)")
    with unit_of_work(world.auditor.ctx()):
        assert db.session.scalar(about, {"id": case_id})
    close(world.supervisor, case_id, world.auditor.id, Relation.SELF)
    with unit_of_work(world.auditor.ctx()):
        assert not db.session.scalar(about, {"id": case_id})


def test_figures_and_counts_leave_it_out(world):
    full_case(world)
    other = full_case(world)

    def counted(user):
        with unit_of_work(user.ctx()) as ctx:
            figures = work_figures(world.centre.id, None, ctx.now)
            cases_open, sought = (
                sum(each.count for each in figures.cases_by_risk),
                sum(each.count for each in figures.referrals),
            )
            return cases_open, sought, case_queries.count_cases(case_queries.reach(ctx))

    assert counted(world.supervisor) == counted(world.team_supervisor) == (2, 2, 2)
    close(world.supervisor, other, world.team_supervisor.id)
    assert counted(world.team_supervisor) == (1, 1, 1)
    assert counted(world.supervisor) == (2, 2, 2)
