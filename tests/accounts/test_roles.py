"""Roles of a centre's own: who makes, gives and puts them aside, and that nobody widens one, not even by hand."""

import threading

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from helpline.accounts import queries
from helpline.accounts.commands import Ask, EditUser, InviteUser, SaveRole
from helpline.accounts.services import approvals, roles, sessions, staff
from helpline.accounts.vocabulary import ApprovalKind, Decision
from helpline.foundation.access.permissions import Permission, Role, Scope
from helpline.foundation.access.powers import BUILT_IN
from helpline.foundation.clock import now
from helpline.foundation.context import Channel, Context, system_actor
from helpline.foundation.db import db, unit_of_work
from helpline.foundation.errors import Conflict, Forbidden, Invalid, NotFound
from helpline.foundation.ids import new_id
from tests.factories.accounts import bear, make_centre, make_role, make_team, make_user

OTHERS = [role.value for role in Role if role not in {Role.ADMIN, Role.PARTNER}]
NAMES = {"en": "Night desk", "km": "តុយប់"}
pytestmark = pytest.mark.usefixtures("in_app")


@pytest.fixture
def admin(make_person):
    return make_person("admin")


def wanted(base="operator", *, role_id=None, names=NAMES, scopes=None, fields=None):
    taken = {"call:correct": "none"} if scopes is None and fields is None else scopes or {}
    return SaveRole(role_id or new_id(), base, names, taken, fields or {})


def act(user, deed, *args):
    with unit_of_work(user.ctx()) as ctx:
        return deed(ctx, *args)


def entries(look, action, role_id):
    return look("SELECT * FROM audit_entries WHERE action = %s AND %s = ANY (subject_ids)", action, role_id)


def give(admin, user, role_id, role=None, teams=()):
    def edit(ctx):
        found = queries.get_user(user.id)
        return staff.edit_user(
            ctx, EditUser(user.id, found.version, found.name, Role(role or found.role), teams, role_id)
        )

    return act(admin, edit)


def found(user):
    """Who they are by a session of theirs, as the door learns it."""
    with unit_of_work(Context(system_actor("visitor"), now(), new_id(), Channel.PAGE)):
        token = sessions.start_session(user.id, now())
    with unit_of_work(Context(system_actor("visitor"), now(), new_id(), Channel.PAGE)):
        return sessions.identify_session(token)


def test_an_administrator_makes_one(admin, look):
    command = wanted("supervisor", scopes={"case:read": "team", "call:read": "centre"}, fields={"health": "mask"})
    role = act(admin, roles.create_role, command)
    [row] = look("SELECT * FROM centre_roles WHERE id = %s", role.id)
    assert (row["base"], row["names"], row["version"]) == ("supervisor", NAMES, 1)
    assert row["scopes"] == {"case:read": "team"}, "what is as in the base is not kept"
    assert row["fields"] == {"health": "mask"}
    [entry] = entries(look, "role.created", role.id)
    assert entry["details"] == {"base": "supervisor", "version": 1, "taken": ["case:read team", "health mask"]}
    assert look("SELECT * FROM outbox_events WHERE request_id = %s", entry["request_id"]) == []
    assert act(admin, roles.create_role, command).id == role.id, "the same id twice is one"
    assert len(entries(look, "role.created", role.id)) == 1
    with pytest.raises(Conflict, match="id_in_use"):
        act(admin, roles.create_role, wanted(role_id=role.id, names={"en": "X", "km": "Y"}))


@pytest.mark.parametrize("base", ["admin", "partner", "router", "nobody"])
def test_what_is_whole_is_the_base_of_none(admin, base):
    with pytest.raises(Invalid, match="base_unfit"):
        act(admin, roles.create_role, wanted(base))


@pytest.mark.parametrize(
    ("scopes", "fields", "code"),
    [
        ({"call:read": "centre"}, {}, "role_unfit"),  # an operator's own: wider
        ({"user:edit": "none"}, {}, "role_unfit"),  # not an operator's at all
        ({"account:own": "none"}, {}, "role_unfit"),  # everybody keeps it
        ({}, {"risk": "mask"}, "role_unfit"),
        ({}, {"account": "read"}, "role_unfit"),
        ({}, {}, "role_takes_nothing"),
        ({"call:read": "own"}, {"story": "write"}, "role_takes_nothing"),
    ],
)
def test_only_what_is_offered_is_taken(admin, scopes, fields, code):
    with pytest.raises(Invalid, match=code):
        act(admin, roles.create_role, SaveRole(new_id(), "operator", NAMES, scopes, fields))


def test_two_are_not_called_alike(admin, database_urls):
    act(admin, roles.create_role, wanted())
    with pytest.raises(Invalid, match="role_name_taken"):
        act(admin, roles.create_role, wanted(names={"en": "Another", "km": NAMES["km"]}))
    stranger = make_user(make_centre(database_urls["owner"]), "admin")
    assert act(stranger, roles.create_role, wanted()).names == NAMES


def test_a_change_of_an_old_version_changes_nothing(admin, look):
    role = act(admin, roles.create_role, wanted())
    more = wanted(role_id=role.id, scopes={"call:void": "none"})
    assert act(admin, roles.edit_role, 1, more).version == 2
    with pytest.raises(Conflict, match="stale"):
        act(admin, roles.edit_role, 1, wanted(role_id=role.id))
    [row] = look("SELECT * FROM centre_roles WHERE id = %s", role.id)
    assert row["scopes"] == {"call:void": "none"}
    [entry] = entries(look, "role.changed", role.id)
    assert entry["details"] == {"base": "operator", "version": 2, "taken": ["call:void none"]}
    act(admin, roles.edit_role, 2, more)
    assert len(entries(look, "role.changed", role.id)) == 1, "the same again is no change"


def test_one_that_somebody_has_is_not_put_aside(admin, make_person, look):
    role, user = act(admin, roles.create_role, wanted()), make_person("operator")
    give(admin, user, role.id)
    with pytest.raises(Conflict, match="role_in_use"):
        act(admin, roles.retire_role, role.id, 1)
    assert look("SELECT retired_at FROM centre_roles WHERE id = %s", role.id) == [{"retired_at": None}]
    give(admin, user, None)
    assert act(admin, roles.retire_role, role.id, 1).retired_at is not None
    assert len(entries(look, "role.retired", role.id)) == 1
    with pytest.raises(Invalid, match="role_unfit"):
        give(admin, user, role.id)
    with pytest.raises(Conflict, match="role_retired"):
        act(admin, roles.edit_role, 2, wanted(role_id=role.id))
    assert act(admin, roles.create_role, wanted()).names == NAMES, "its name is free again"


@pytest.mark.parametrize("first", ["give", "retire"])
def test_giving_and_putting_aside_wait_for_each_other(app, admin, make_person, look, first):
    """The second begins while the first is not committed yet."""
    role, user, came = act(admin, roles.create_role, wanted()), make_person("operator"), []
    deeds = {
        "give": lambda ctx: staff.edit_user(ctx, EditUser(user.id, 1, "X", Role.OPERATOR, (), role.id)),
        "retire": lambda ctx: roles.retire_role(ctx, role.id, 1),
    }
    begun = threading.Event()

    def second():
        with app.app_context():
            begun.wait()
            try:
                act(admin, deeds["retire" if first == "give" else "give"])
            except (Conflict, Invalid) as problem:
                came.append(problem.code)

    rival = threading.Thread(target=second)
    rival.start()
    with unit_of_work(admin.ctx()) as ctx:
        deeds[first](ctx)
        begun.set()
        rival.join(0.5)
        assert rival.is_alive(), "it waits"
    rival.join()
    assert came == ["role_in_use" if first == "give" else "role_unfit"]
    [row] = look("SELECT retired_at IS NULL AS open FROM centre_roles WHERE id = %s", role.id)
    [given] = look("SELECT centre_role_id FROM users WHERE id = %s", user.id)
    assert (row["open"], given["centre_role_id"]) == ((True, role.id) if first == "give" else (False, None))


def test_whoever_returns_in_a_role_put_aside_has_it_still(admin, make_person):
    role, user = act(admin, roles.create_role, wanted()), make_person("operator")
    give(admin, user, role.id)
    act(admin, staff.deactivate_user, user.id, 2)
    act(admin, roles.retire_role, role.id, 1)
    act(admin, staff.reactivate_user, user.id, 3)
    with psycopg.connect(admin.centre.owner_url) as connection:
        connection.execute("UPDATE users SET status = 'active' WHERE id = %s", [user.id])
    assert found(user).actor.narrowed.scope(Permission.CALL_CORRECT) is Scope.NONE
    assert give(admin, user, role.id).centre_role_id == role.id, "and may keep it"


@pytest.mark.parametrize("role", OTHERS)
def test_only_an_administrator_decides_about_roles(role, make_person, admin, look):
    standing, person = act(admin, roles.create_role, wanted()), make_person(role)
    acts = [
        (roles.create_role, wanted(names={"en": "X", "km": "Y"})), (roles.retire_role, standing.id, 1),
        (roles.edit_role, 1, wanted(role_id=standing.id, scopes={"call:void": "none"})),
    ]  # fmt: skip
    for deed, *args in acts:
        ctx = person.ctx()
        with pytest.raises(Forbidden), unit_of_work(ctx):
            deed(ctx, *args)
        rows = look("SELECT outcome FROM audit_entries WHERE request_id = %s", ctx.request_id)
        assert [row["outcome"] for row in rows] == ["refused"]
    assert len(look("SELECT * FROM centre_roles WHERE centre_id = %s AND version = 1", admin.centre.id)) == 1


def test_another_centres_role_is_not_there(admin, make_person, database_urls):
    stranger = make_user(make_centre(database_urls["owner"]), "admin")
    foreign = act(stranger, roles.create_role, wanted())
    for deed, *args in ((roles.edit_role, 1, wanted(role_id=foreign.id)), (roles.retire_role, foreign.id, 1)):
        with pytest.raises(NotFound):
            act(admin, deed, *args)
    with pytest.raises(Invalid, match="role_unfit"):
        give(admin, make_person("operator"), foreign.id)


def test_it_is_given_to_whom_it_is_made_of(admin, make_person, look):
    role, person = act(admin, roles.create_role, wanted()), make_person("caseworker", make_team(admin.centre))
    with pytest.raises(Invalid, match="role_unfit"):
        give(admin, person, role.id, teams=person.team_ids)
    give(admin, person, role.id, "operator")
    [row] = look("SELECT role, centre_role_id FROM users WHERE id = %s", person.id)
    assert row == {"role": "operator", "centre_role_id": role.id}
    [entry] = look("SELECT * FROM audit_entries WHERE action = 'user.changed' AND %s = ANY (subject_ids)", person.id)
    assert entry["details"] == {"before": "caseworker", "role": "operator", "own_role": str(role.id)}
    with pytest.raises(Invalid, match="role_unfit"):
        give(admin, person, role.id, "supervisor")


def test_whoever_is_narrowed_to_teams_needs_one(admin, make_person):
    role, person = (
        act(admin, roles.create_role, wanted("supervisor", scopes={"case:read": "team"})),
        make_person("supervisor"),
    )
    with pytest.raises(Invalid, match="team_needed"):
        give(admin, person, role.id)
    assert give(admin, person, role.id, teams=(make_team(admin.centre),)).centre_role_id == role.id


def test_an_invitation_names_it(admin):
    role, user_id = act(admin, roles.create_role, wanted()), new_id()
    mark = user_id.hex[-8:]
    command = InviteUser(user_id, "Chan", mark, f"{mark}@x.test", Role.OPERATOR, "en", centre_role_id=role.id)
    act(admin, staff.invite_user, command)
    with unit_of_work(admin.ctx()):
        assert queries.get_user(user_id).centre_role_id == role.id


def test_two_people_make_an_administrator_of_somebody_narrowed(house):
    person = bear(house.operator, scopes={"call:correct": "none"})
    command = Ask(new_id(), ApprovalKind.ADMIN_ROLE, person.id, "She runs the house.")
    act(house.admin, approvals.ask, command)
    act(house.other_admin, approvals.decide, command.approval_id, Decision.APPROVED)
    who = found(person)
    assert (who.actor.role, who.actor.narrowed) == ("admin", None)


# What the database does by itself


def by_hand(user, statement, **values):
    """This statement in their context, as somebody who can run statements would; gives how many rows it touched."""
    with unit_of_work(user.ctx()):
        return db.session.execute(text(statement), values).rowcount


def refused(user, statement, **values):
    with pytest.raises(DBAPIError):
        by_hand(user, statement, **values)
    db.session.rollback()


def test_nobody_gives_themselves_a_role_or_takes_theirs_off(make_person, admin, look):
    user = bear(make_person("supervisor"), scopes={"agency:edit": "none"})
    other = make_role(admin.centre, "supervisor")
    for value in (None, other):
        refused(user, "UPDATE users SET centre_role_id = :role WHERE id = :id", role=value, id=user.id)
    assert look("SELECT centre_role_id FROM users WHERE id = %s", user.id) != [{"centre_role_id": None}]


def test_nobody_but_an_administrator_writes_a_role(make_person, admin, look):
    user = make_person("supervisor")
    role_id = make_role(admin.centre, "supervisor", scopes={"case:read": "none"})
    change = "UPDATE centre_roles SET scopes = '{}' WHERE id = :id"
    refused(user, change, id=role_id)
    row = {"id": new_id(), "centre": admin.centre.id}
    insert = (
        "INSERT INTO centre_roles (id, centre_id, base, names, scopes, fields, created_at)"
        " VALUES (:id, :centre, 'operator', '{}', '{}', '{}', now())"
    )
    refused(user, insert, **row)
    assert by_hand(admin, change, id=role_id) == 1
    refused(admin, "UPDATE centre_roles SET base = 'operator' WHERE id = :id", id=role_id)


def test_the_database_holds_what_a_role_is_made_of_and_that_it_is_free(make_person, admin, database_urls):
    caseworker, operator = make_person("caseworker"), make_person("operator")
    role_id = make_role(admin.centre, "operator")
    give_by_hand = "UPDATE users SET centre_role_id = :role WHERE id = :id"
    refused(admin, give_by_hand, role=role_id, id=caseworker.id)
    foreign = make_role(make_centre(database_urls["owner"]), "operator")
    refused(admin, give_by_hand, role=foreign, id=operator.id)
    assert by_hand(admin, give_by_hand, role=role_id, id=operator.id) == 1
    refused(admin, "UPDATE users SET role = 'supervisor' WHERE id = :id", id=operator.id)
    retire = "UPDATE centre_roles SET retired_at = now() WHERE id = :id"
    refused(admin, retire, id=role_id)
    by_hand(admin, give_by_hand, role=None, id=operator.id)
    by_hand(admin, retire, id=role_id)
    refused(admin, give_by_hand, role=role_id, id=operator.id)


@pytest.mark.parametrize(
    ("scopes", "fields"),
    [
        ({"case:read": "all", "user:edit": "centre", "audit:read": "all"}, {"story": "write", "nonsense": "write"}),
        ({"case:read": "centre", "call:read": 7}, {"story": ["write"]}),
    ],
)
def test_a_row_written_by_hand_widens_nothing(make_person, scopes, fields):
    user = bear(make_person("operator"), scopes=scopes, fields=fields)
    who = found(user).actor
    base = BUILT_IN["operator"]
    for permission in Permission:
        assert base.scope(permission).reaches(who.narrowed.scope(permission))
    assert all(base.access(group).covers(access) for group, access in who.narrowed.fields.items())
    assert set(who.narrowed.reach.items()) <= set(base.reach.items())
