"""Break-glass: one case, a reason, half an hour, told at once, reviewed by another; and what it never opens."""

from datetime import timedelta

import pytest
from psycopg.errors import InsufficientPrivilege
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from helpline.foundation.access.permissions import SystemActor
from helpline.foundation.clock import now
from helpline.foundation.db import db, unit_of_work
from helpline.foundation.errors import Conflict, Forbidden, Invalid, NotFound
from helpline.foundation.ids import new_id
from helpline.privacy import queries
from helpline.privacy.commands import BreakGlass, Review
from helpline.privacy.services import closing, glass
from helpline.privacy.vocabulary import Outcome, Relation
from tests.factories.accounts import make_user
from tests.factories.calls import do
from tests.factories.cases import assign, make_world, open_case
from tests.factories.privacy import break_glass, close
from tests.privacy.test_closing import machine

BREAKERS = ["other_caseworker", "team_supervisor", "colleague"]


@pytest.fixture
def case(world, in_app):
    """A case of the other team, that none of them sees."""
    return open_case(world, team_id=world.other_team)


def breaker(world, role):
    return make_user(world.centre, "operator", world.team) if role == "colleague" else getattr(world, role)


def sees(user, case_id, at=None):
    """Case, call and child, by raw SQL."""
    statement = "SELECT (SELECT count(*) FROM cases WHERE id = :id) + (SELECT count(*) FROM calls) + (SELECT count(*) FROM persons)"
    with unit_of_work(user.ctx(at=at)):
        return db.session.scalar(text(statement), {"id": case_id})


@pytest.mark.parametrize("role", BREAKERS)
def test_it_opens_one_case_for_half_an_hour(world, case, rows, role):
    user, other = breaker(world, role), open_case(world, team_id=world.other_team)
    at = now()
    assert sees(user, case) == 0
    override_id = break_glass(user, case, at=at)
    assert sees(user, case) == 3
    with unit_of_work(user.ctx()):
        assert db.session.scalar(text("SELECT count(*) FROM cases WHERE id = :id"), {"id": other}) == 0
    assert sees(user, case, at + timedelta(minutes=29, seconds=59)) == 3
    assert sees(user, case, at + timedelta(minutes=30)) == 0
    assert rows("SELECT until_at - opened_at, review_by - opened_at, reason_sealed IS NOT NULL FROM glass_overrides WHERE id = %s", override_id) == [
        (timedelta(minutes=30), timedelta(hours=24), True)]  # fmt: skip
    assert rows(
        "SELECT details ->> 'override_id' FROM audit_entries WHERE actor_id = %s AND action = 'case.glass_broken'",
        user.id,
    ) == [(str(override_id),)]
    assert rows(
        "SELECT payload ->> 'override_id' FROM outbox_events WHERE name = 'privacy.glass_broken' AND payload ->> 'case_id' = %s",
        str(case),
    ) == [(str(override_id),)]
    do(user, glass.end_override, override_id)
    assert sees(user, case) == 0
    do(user, glass.end_override, override_id)  # again, or too late: nothing


KHMER_DIGITS = str.maketrans("0123456789", "០១២៣៤៥៦៧៨៩")


@pytest.mark.parametrize("said", [
    lambda code: f" {code.lower()} ",
    lambda code: code.rpartition("-")[2],
    lambda code: code.rpartition("-")[2].translate(KHMER_DIGITS),
])  # fmt: skip
def test_a_code_or_its_digits_open_it_as_well_as_an_id(world, case, rows, said):
    [(code,)] = rows("SELECT code FROM cases WHERE id = %s", case)
    break_glass(world.other_caseworker, said(code))
    assert sees(world.other_caseworker, case) == 3


@pytest.mark.parametrize("role", ["supervisor", "admin", "auditor"])
def test_who_may_not(world, case, rows, role):
    with pytest.raises(Forbidden):
        break_glass(getattr(world, role), case)
    assert rows(
        "SELECT count(*) FROM audit_entries WHERE actor_id = %s AND outcome = 'refused'", getattr(world, role).id
    ) == [(1,)]
    with unit_of_work(getattr(world, role).ctx()):  # nor by the database's own function
        assert (
            db.session.scalar(text("SELECT app.break_glass(:n, :c, '', '')"), {"n": new_id(), "c": str(case)}) is None
        )


def test_what_it_never_opens_is_refused_alike(world, case, rows, database_urls):
    elsewhere, user = open_case(make_world(database_urls["owner"])), world.other_caseworker
    for relation in (None, Relation.HOUSEHOLD):
        shut = open_case(world, team_id=world.other_team)
        close(world.supervisor, shut, user.id, relation)
        for given in (shut, *rows("SELECT code FROM cases WHERE id = %s", shut)[0]):
            with pytest.raises(NotFound) as refusal:
                break_glass(user, given)
            assert (refusal.value.details, refusal.value.record_id) == ({"kind": "case"}, None)
    for given in (
        elsewhere,
        *rows("SELECT code FROM cases WHERE id = %s", elsewhere)[0],
        new_id(),
        "HC-99999999",
        "'; --",
        "7",
    ):
        with pytest.raises(NotFound) as refusal:
            break_glass(user, given)
        assert (refusal.value.details, refusal.value.record_id) == ({"kind": "case"}, None)
    assert rows("SELECT count(*) FROM glass_overrides WHERE user_id = %s", user.id) == [(0,)]
    assert rows(
        "SELECT count(DISTINCT (action, subject_kind, subject_ids, details)) FROM audit_entries WHERE actor_id = %s AND outcome = 'refused'",
        user.id,
    ) == [(1,)]


def test_closing_beats_an_override_that_lasts(world, case):
    break_glass(world.other_caseworker, case)
    close(world.supervisor, case, world.other_caseworker.id)
    assert sees(world.other_caseworker, case) == 0


def test_one_at_a_time_with_a_reason_and_only_where_needed(world, case):
    user, other = world.other_caseworker, open_case(world, team_id=world.other_team)
    with pytest.raises(Invalid, match="required"):
        do(user, glass.break_glass, BreakGlass(new_id(), str(case), " "))
    command = BreakGlass(new_id(), str(case), "Alone at night.")
    first = do(user, glass.break_glass, command)[1]
    assert do(user, glass.break_glass, command)[1].id == first.id
    with pytest.raises(Conflict, match="glass_not_needed"):
        break_glass(user, case)
    with pytest.raises(Conflict, match="glass_lasts"):
        break_glass(user, other)
    with unit_of_work(user.ctx()):
        assert (
            db.session.scalar(text("SELECT app.break_glass(:n, :c, '', '')"), {"n": new_id(), "c": str(other)}) is None
        )


def test_a_team_supervisor_hands_nothing_on_under_it(world, case):
    """Not by the services, nor by free SQL."""
    user = make_user(world.centre, "team_supervisor", world.team)
    break_glass(user, case)
    for deed in (
        lambda: assign(_as_supervisor(world, user), case, world.other_caseworker),
        lambda: close(user, case, world.operator.id),
    ):
        with pytest.raises(Forbidden):
            deed()


def test_who_is_shut_out_is_not_told_by_an_override(world, case):
    user = make_user(world.centre, "team_supervisor", world.team)
    close(world.supervisor, case, world.operator.id)
    break_glass(user, case)
    assert do(user, closing.see_access, case)[1][1] is None
    with unit_of_work(user.ctx()):
        assert db.session.execute(text("SELECT id FROM case_closings")).all() == []
        assert db.session.execute(text("SELECT id FROM grants WHERE effect = 'deny'")).all() == []


def _as_supervisor(world, user):
    class Seen:
        supervisor, caseworker = user, world.caseworker

    return Seen


ATTEMPTS = [  # free SQL under an override
    (
        "INSERT INTO grants (id, principal_id, kind, record_id, effect, reason, source_id, granted_by, from_at)"
        " VALUES (:new, :me, 'case', :case, 'allow', 'shared', :case, :me, now() - interval '1 day')"
    ),
    (
        "INSERT INTO grants (id, principal_id, kind, record_id, effect, reason, source_id, granted_by, from_at, until_at)"
        " VALUES (:new, :me, 'case', :case, 'allow', 'break_glass', :override, :me, now(), now() + interval '1 year')"
    ),
    (
        "INSERT INTO grants (id, principal_id, kind, record_id, effect, reason, source_id, granted_by, from_at)"
        " VALUES (:new, :other, 'case', :case, 'deny', 'closed_to', :case, :me, now())"
    ),
    "UPDATE grants SET until_at = until_at + interval '1 year' WHERE source_id = :override",
    "UPDATE cases SET team_id = :team WHERE id = :case",
    "UPDATE calls SET team_id = :team",
    (
        "INSERT INTO glass_overrides (id, record_key, case_id, case_code, centre_id, team_id, user_id, opened_at, until_at, review_by, remind_at)"
        " SELECT :new, '', case_id, case_code, centre_id, team_id, user_id, opened_at, until_at, review_by, remind_at FROM glass_overrides"
    ),
    "UPDATE glass_overrides SET until_at = until_at + interval '1 minute'",
    "UPDATE glass_overrides SET review_by = review_by + interval '1 day'",
    "UPDATE glass_overrides SET reviewed_at = now(), reviewed_by = :other, outcome = 'justified'",
    "UPDATE glass_overrides SET reviewed_at = now(), reviewed_by = :me, outcome = 'justified'",
    "DELETE FROM glass_overrides",
]


@pytest.mark.parametrize("statement", ATTEMPTS)
def test_free_sql_makes_it_no_longer_and_no_wider(world, case, statement):
    user = make_user(world.centre, "team_supervisor", world.team)
    override_id = break_glass(user, case)
    given = {
        "new": new_id(),
        "me": user.id,
        "case": case,
        "override": override_id,
        "team": world.team,
        "other": world.supervisor.id,
    }
    with pytest.raises(DBAPIError) as error, unit_of_work(user.ctx()):
        db.session.execute(text(statement), given)
    assert isinstance(error.value.orig, InsufficientPrivilege) or "reviewed_by_another" in str(error.value.orig)


def told(rows, template):
    return {who for (who,) in rows("SELECT recipient_id FROM messages WHERE template = %s", template)}


def test_supervisors_are_told_at_once_and_reminded_until_it_is_reviewed(world, case, rows, app, in_app):
    at = now()
    override_id = break_glass(
        world.team_supervisor, case, at=at
    )  # the other team has no supervisor: the centre's answer
    machine(SystemActor.REMINDER, glass.tell_broken, override_id)
    assert told(rows, "glass_broken") & {world.supervisor.id, world.team_supervisor.id} == {world.supervisor.id}
    assert rows(
        "SELECT DISTINCT channel FROM messages WHERE template = 'glass_broken' AND recipient_id = %s ORDER BY 1",
        world.supervisor.id,
    ) == [("in_app",), ("mail",)]
    for hours, expected in ((7, 0), (9, 1), (10, 1), (18, 2)):
        machine(SystemActor.REMINDER, glass.remind_reviews, at=at + timedelta(hours=hours))
        count = (
            "SELECT count(*) FROM messages WHERE template = 'glass_review' AND recipient_id = %s AND channel = 'in_app'"
        )
        assert rows(count, world.supervisor.id) == [(expected,)], hours
    with app.app_context():
        do(world.supervisor, glass.review, Review(override_id, Outcome.JUSTIFIED, "A child alone."))
    machine(SystemActor.REMINDER, glass.remind_reviews, at=at + timedelta(hours=40))
    assert rows(count, world.supervisor.id) == [(2,)]


def test_a_review_is_another_supervisors_once_and_on_record(world, case, rows):
    override_id = break_glass(world.other_caseworker, case)
    own = make_user(world.centre, "team_supervisor", world.team)
    for user, kind in ((world.operator, Forbidden), (world.auditor, Forbidden), (own, NotFound)):
        with pytest.raises(kind):
            do(user, glass.review, Review(override_id, Outcome.JUSTIFIED, "Well."))
    mine = break_glass(own, case)
    with pytest.raises(Forbidden):
        do(own, glass.review, Review(mine, Outcome.JUSTIFIED, "Well."))
    with pytest.raises(Invalid, match="required"):
        do(world.supervisor, glass.review, Review(override_id, Outcome.JUSTIFIED, " "))
    do(world.supervisor, glass.review, Review(override_id, Outcome.FOLLOW_UP, "Talk with her."))
    with pytest.raises(Conflict, match="reviewed_already"):
        do(world.supervisor, glass.review, Review(override_id, Outcome.JUSTIFIED, "No."))
    assert rows("SELECT outcome, reviewed_by FROM glass_overrides WHERE id = %s", override_id) == [
        ("follow_up", world.supervisor.id)
    ]
    assert rows(
        "SELECT details ->> 'outcome' FROM audit_entries WHERE action = 'glass.reviewed' AND %s = ANY (subject_ids)",
        override_id,
    ) == [("follow_up",)]


def test_who_sees_overrides(world, case):
    override_id = break_glass(world.other_caseworker, case)
    own_team = make_user(world.centre, "team_supervisor", world.other_team)
    close(world.supervisor, case, own_team.id)
    expected = {
        world.other_caseworker: True, world.supervisor: True, world.auditor: True, world.admin: False,
        world.team_supervisor: False, world.operator: False, world.caseworker: False, own_team: False,
        make_user(world.centre, "team_supervisor", world.other_team): True,
    }  # fmt: skip
    for user, may in expected.items():
        with unit_of_work(user.ctx()):
            assert [row.id for row in queries.list_overrides()] == ([override_id] if may else []), user.role
