"""What free SQL through the web's own login can't write, whoever acts: rights, staff, other centres, other records."""

from uuid import UUID

import pytest
from psycopg.errors import InsufficientPrivilege
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from helpline.cases.commands import AddNote, OpenCase
from helpline.cases.services import hooks, opening, working
from helpline.cases.vocabulary import NoteKind
from helpline.foundation.access import grants
from helpline.foundation.context import Actor, Channel, Context
from helpline.foundation.db import db, unit_of_work
from helpline.foundation.ids import new_id
from tests.factories.accounts import make_user
from tests.factories.agencies import make_agency
from tests.factories.cases import make_call, make_world, open_case

pytestmark = pytest.mark.usefixtures("in_app")


def copy_of(table, key, **changed):
    """SQL that inserts a copy of a row that the actor sees, some columns changed; by name, the database filling in."""
    pairs = ", ".join(f"'{column}', CAST(:{name} AS text)" for column, name in changed.items())
    return f"INSERT INTO {table} SELECT (jsonb_populate_record(t, jsonb_build_object({pairs}))).* FROM {table} t WHERE {key}"


GRANT = (
    "INSERT INTO grants (id, principal_id, kind, record_id, effect, reason, source_id, granted_by, from_at)"
    " VALUES (:new, :me, '{kind}', :{record}, 'allow', 'shared', :{record}, :me, now() - interval '1 day')"
)
AUDIT = (
    "INSERT INTO audit_entries (id, at, centre_id, actor_id, actor_role, channel, request_id, action, outcome,"
    " subject_ids, field_groups, details)"
    " VALUES (:new, now(), :their_centre, :me, 'operator', 'page', :new, 'x', 'done', '{}', '{}', '{}')"
)
MESSAGE = (
    "INSERT INTO messages (id, record_key, centre_id, recipient_id, template, params, channel, state, dedupe_key,"
    " created_at, due_at) VALUES (:new, '', :their_centre, :me, 'x', '{}', 'in_app', 'queued', 'x', now(), now())"
)
CORRECTED = "WITH done AS (UPDATE calls SET version = version + 1 WHERE id = :{}) "
EVENT = (
    "INSERT INTO outbox_events (id, name, payload, request_id, created_at) SELECT CAST(:new AS uuid), '{name}',"
    " jsonb_build_object('{kind}_id', CAST(:{record} AS text), 'centre_id', CAST(:{centre} AS text)), CAST(:new AS uuid), now()"
)
TOLD = {"kind": "call", "record": "my_call", "centre": "my_centre"}  # what is told of a call of theirs
ATTEMPTS = [
    ("operator", EVENT.format(name="calls.corrected", **TOLD)),  # nothing was
    ("operator", CORRECTED.format("my_call") + EVENT.format(name="calls.corrected", **TOLD | {"record": "their_call"})),
    ("operator", CORRECTED.format("my_call") + EVENT.format(name="calls.corrected", **TOLD | {"centre": "their_centre"})),
    ("operator", EVENT.format(name="cases.closed", kind="case", record="their_case", centre="their_centre")),
    ("supervisor", EVENT.format(name="cases.assigned", kind="case", record="my_case", centre="my_centre")),
    ("operator", EVENT.format(name="accounts.factor_changed", kind="user", record="admin", centre="my_centre")),
    ("operator", EVENT.format(name="accounts.approval_moved", kind="approval", record="new", centre="my_centre")),
    ("operator", EVENT.format(name="privacy.case_shut", kind="case", record="my_case", centre="my_centre")),
    ("operator", EVENT.format(name="made.up", **TOLD)),
    ("operator", EVENT.format(name="followups.escalated", **TOLD)),
    ("operator", EVENT.format(name="referrals.expired", **TOLD)),
    ("operator", EVENT.format(name="referrals.accepted", **TOLD)),
    ("operator", EVENT.format(name="accounts.user_deactivated", **TOLD)),
    ("operator", copy_of("call_children", "call_id = :my_call", person_id="their_child")),
    ("operator", copy_of("call_children", "call_id = :my_call", person_id="colleagues_child")),
    ("operator", "UPDATE calls SET caller_person_id = :their_child WHERE id = :my_call"),
    ("operator", "UPDATE calls SET caller_person_id = :colleagues_child WHERE id = :my_call"),
    ("operator", GRANT.format(kind="case", record="their_case")),
    ("operator", GRANT.format(kind="case", record="colleagues_case")),
    ("caseworker", GRANT.format(kind="case", record="my_case")),
    ("caseworker", GRANT.format(kind="call", record="my_call")),
    ("caseworker", GRANT.format(kind="person", record="my_child")),
    ("caseworker", GRANT.format(kind="message", record="my_case")),
    ("operator", "UPDATE grants SET ended_at = NULL WHERE granted_by = :supervisor"),
    ("operator", "UPDATE grants SET ended_at = now() WHERE record_id = :their_case"),
    ("operator", AUDIT),
    ("operator", MESSAGE),
    ("operator", "UPDATE users SET role = 'admin' WHERE id = :me"),
    ("operator", "UPDATE users SET email = 'mine@agency.test' WHERE id = :admin"),
    ("supervisor", "UPDATE users SET role = 'admin' WHERE id = :colleague"),
    ("admin", "UPDATE users SET centre_id = :their_centre WHERE id = :me"),
    ("caseworker", "INSERT INTO team_members (user_id, team_id) VALUES (:me, :other_team)"),
    ("operator", "DELETE FROM team_members WHERE user_id = :caseworker"),
    ("operator", "UPDATE teams SET active = false WHERE id = :team"),
    ("operator", "UPDATE centres SET phone = '1' WHERE id = :my_centre"),
    ("operator", "UPDATE agencies SET email = 'mine@agency.test' WHERE id = :agency"),
    ("operator", "DELETE FROM agency_services WHERE agency_id = :agency"),
    ("supervisor", "UPDATE agencies SET centre_id = :their_centre WHERE id = :agency"),
    ("operator", "UPDATE cases SET centre_id = :their_centre WHERE id = :my_case"),
    ("operator", "UPDATE cases SET team_id = :their_team WHERE id = :my_case"),
    ("operator", "UPDATE cases SET call_id = :their_call WHERE id = :my_case"),
    ("operator", copy_of("cases", "id = :my_case", id="new", number="seven", centre_id="their_centre")),
    ("operator", copy_of("cases", "id = :my_case", id="new", number="seven", call_id="their_call")),
    ("operator", "UPDATE calls SET operator_id = :colleague, team_id = NULL WHERE id = :my_call"),
    ("supervisor", "UPDATE calls SET operator_id = :me WHERE id = :my_call"),
    ("supervisor", copy_of("case_notes", "case_id = :my_case", id="new", case_id="their_case")),
    ("supervisor", copy_of("case_events", "case_id = :my_case AND action = 'case.opened'", id="new", case_id="their_case")),
    ("operator", copy_of("case_events", "case_id = :my_case AND action = 'case.opened'", id="new", centre_id="their_centre")),
    ("supervisor", copy_of("case_obligations", "case_id = :my_case", id="new", source_id="new", case_id="their_case")),
    ("operator", "UPDATE case_obligations SET case_id = :their_case WHERE case_id = :my_case"),
    ("supervisor", copy_of("call_children", "call_id = :my_call", call_id="their_call")),
    ("supervisor", "UPDATE call_children SET person_id = :their_child WHERE call_id = :my_call"),
    ("supervisor", "UPDATE persons SET centre_id = :their_centre WHERE id = :my_child"),
    ("partner", "UPDATE cases SET version = version + 1 WHERE id = :my_case"),
]  # fmt: skip


@pytest.fixture(scope="module")
def house(app, database_urls):
    """One for all, since hardly anything comes of them. Names for the attempts: a case of ours with a note and an obligation, one of a colleague's, one of elsewhere."""
    with app.app_context():
        world = make_world(database_urls["owner"])
        return world, _names(world, make_world(database_urls["owner"]))


def _names(world, theirs):
    colleague = make_user(world.centre, "operator", world.team)
    their_call, my_case, ask = make_call(theirs.operator), open_case(world), new_id()
    ctx = world.operator.ctx()
    with unit_of_work(ctx):
        working.add_note(ctx, AddNote(new_id(), my_case, NoteKind.NOTE, "The aunt was asked."))
        hooks.open_obligation(ctx, my_case, "referral", ("referral", new_id()))
        my_call, my_child = db.session.execute(
            text("SELECT call_id, child_person_id FROM cases WHERE id = :id"), {"id": my_case}
        ).one()
    ctx = world.supervisor.ctx()
    with unit_of_work(ctx):
        grants.allow(ctx, ask, [("case", my_case)], reason="referral", source_id=ask)
    colleagues = _opened_by(world, colleague)
    names = {
        "my_case": my_case, "their_case": open_case(theirs), "my_call": my_call, "their_call": their_call.id,
        "my_child": my_child, "their_child": their_call.child_id, "colleagues_case": colleagues.id, "colleagues_child": colleagues.child_person_id,
        "my_centre": world.centre.id, "their_centre": theirs.centre.id, "team": world.team,
        "other_team": world.other_team, "their_team": theirs.team, "agency": make_agency(world),
        "colleague": colleague.id, "admin": world.admin.id, "caseworker": world.caseworker.id,
        "supervisor": world.supervisor.id, "seven": 700_000, "ask": ask,
    }  # fmt: skip
    return {name: str(value) for name, value in names.items()}


def _opened_by(world, operator):
    call = make_call(operator, place=world.province)
    ctx = operator.ctx()
    with unit_of_work(ctx):
        return opening.open_case(ctx, OpenCase(new_id(), call.id, call.child_id))


def context_of(world, role, names):
    if role != "partner":
        return getattr(world, role).ctx()
    partner = world.supervisor.ctx()
    actor = Actor(id=UUID(names["ask"]), role="partner", centre_id=world.centre.id)
    return Context(actor, partner.now, new_id(), Channel.PORTAL)


def written(ctx, statement, names):
    """How many rows the statement wrote; nought if the database refused it."""
    try:
        with unit_of_work(ctx):
            return db.session.execute(text(statement), names | {"me": str(ctx.actor.id), "new": str(new_id())}).rowcount
    except DBAPIError as error:
        assert isinstance(error.orig, InsufficientPrivilege), error  # noqa: PT017  # not for another reason
        return 0


@pytest.mark.parametrize(("role", "statement"), ATTEMPTS)
def test_sight_gives_no_right_to_write_it_elsewhere(house, role, statement):
    world, names = house
    assert written(context_of(world, role, names), statement, names) == 0


WHAT_GOES = [
    ("operator", CORRECTED.format("my_call") + EVENT.format(name="calls.corrected", **TOLD)),
    ("operator", EVENT.format(name="accounts.factor_changed", kind="user", record="me", centre="my_centre")),
    ("operator", "UPDATE calls SET caller_person_id = :my_child WHERE id = :my_call"),
    ("operator", GRANT.format(kind="case", record="my_case")),
    ("supervisor", GRANT.format(kind="call", record="my_call")),
    ("caseworker", GRANT.format(kind="case", record="new")),  # one that they are about to open
    ("operator", "UPDATE users SET theme = 'dark' WHERE id = :me"),
    ("admin", "UPDATE users SET role = 'caseworker' WHERE id = :colleague"),
    ("supervisor", "UPDATE agencies SET email = 'new@agency.test' WHERE id = :agency"),
    ("supervisor", copy_of("case_events", "case_id = :my_case AND action = 'case.opened'", id="new")),
]


@pytest.mark.parametrize(("role", "statement"), WHAT_GOES)
def test_what_is_theirs_to_write_is_written(house, role, statement):
    world, names = house
    assert written(context_of(world, role, names), statement, names) == 1
