"""Whatever changes about who may see a case counts from the next request of a session that is open."""

import pytest

from helpline.accounts.commands import EditUser
from helpline.accounts.services import staff
from helpline.foundation.access.permissions import Role
from tests.factories.accounts import make_user, sign_in
from tests.factories.calls import do
from tests.factories.cases import assign, open_case
from tests.factories.privacy import break_glass, close, lift


@pytest.fixture
def case(world, app):
    with app.app_context():
        return open_case(world)


def session(app, user, case):
    """`status()` of the case's page in one session that stays open; `change(deed)` runs a service beside it."""
    client = app.test_client()
    sign_in(client, user)

    def change(deed, *args):
        with app.app_context():
            deed(*args)

    return lambda: client.get(f"/cases/{case}").status_code, change


def edit(admin, user, role, *teams):
    def changed(ctx):
        found = staff.queries.get_user(user.id)
        staff.edit_user(ctx, EditUser(user.id, found.version, found.name, role, teams))

    do(admin, changed)


def test_an_assignment(world, case, app):
    status, change = session(app, world.caseworker, case)
    assert status() == 404
    change(assign, world, case)
    assert status() == 200
    with app.app_context():
        other = make_user(world.centre, "caseworker", world.team)
    change(assign, world, case, other)
    assert status() == 404


def test_a_team(world, case, app):
    user = world.team_supervisor
    status, change = session(app, user, case)
    assert status() == 200
    change(edit, world.admin, user, Role.TEAM_SUPERVISOR, world.other_team)
    assert status() == 404
    change(edit, world.admin, user, Role.TEAM_SUPERVISOR, world.other_team, world.team)
    assert status() == 200


def test_a_role(world, case, app):
    user = world.supervisor
    status, change = session(app, user, case)
    assert status() == 200
    change(edit, world.admin, user, Role.AUDITOR)
    assert status() == 403
    change(edit, world.admin, user, Role.OPERATOR)
    assert status() == 404


def test_a_closing_and_its_lifting(world, case, app):
    status, change = session(app, world.operator, case)
    assert status() == 200
    change(close, world.supervisor, case, world.operator.id)
    assert status() == 404
    change(lift, world.supervisor, case, world.operator.id)
    assert status() == 200


def test_breaking_the_glass(world, case, app):
    status, change = session(app, world.other_caseworker, case)
    assert status() == 404
    change(break_glass, world.other_caseworker, case)
    assert status() == 200
    change(close, world.supervisor, case, world.other_caseworker.id)
    assert status() == 404


def test_leaving(world, case, app):
    status, change = session(app, world.operator, case)
    assert status() == 200

    def leave(ctx):
        staff.deactivate_user(ctx, world.operator.id, staff.queries.get_user(world.operator.id).version)

    change(do, world.admin, leave)
    assert status() == 302  # to the sign-in page
