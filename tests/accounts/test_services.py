"""Use cases of accounts: state, audit entry, event; and for whoever may not, neither, and one refusal."""

import secrets
from datetime import timedelta

import psycopg
import pytest

from helpline.accounts import queries
from helpline.accounts.commands import CreateToken, EditUser, InviteUser, SaveCentre, SaveTeam
from helpline.accounts.services import house, passwords, sessions, staff, tokens
from helpline.accounts.vocabulary import LinkPurpose, UserStatus
from helpline.foundation.access.permissions import Permission, Role, SystemActor
from helpline.foundation.clock import now
from helpline.foundation.context import Channel, Context, system_actor
from helpline.foundation.db import unit_of_work
from helpline.foundation.errors import Conflict, Forbidden, Invalid, NotFound
from helpline.foundation.ids import new_id
from helpline.reference import rules as reference
from tests.factories.accounts import PASSWORD, make_centre, make_team, make_user, set_password

NEW = "quiet boats cross at dawn"
PHNOM_PENH = reference.place_id("KH", "province", "12")
pytestmark = pytest.mark.usefixtures("in_app", "_fresh_counters")


@pytest.fixture
def admin(make_person):
    return make_person("admin")


def visitor(at=None):
    return Context(system_actor(SystemActor.VISITOR), at or now(), new_id(), Channel.PAGE)


def entries(look, action, subject):
    return look(
        "SELECT * FROM audit_entries WHERE action = %s AND %s = ANY (subject_ids) ORDER BY at, id", action, subject
    )


def events(look, name, user_id):
    return [
        row["payload"]
        for row in look("SELECT payload FROM outbox_events WHERE name = %s ORDER BY id", name)
        if row["payload"]["user_id"] == str(user_id)
    ]


def invitation(**more):
    mark = secrets.token_hex(4)
    values = {
        "user_id": new_id(), "name": "Chan Sokha", "login": f"sokha.{mark}", "email": f"sokha.{mark}@helpline.test",
        "role": Role.OPERATOR, "locale": "km",
    }  # fmt: skip
    return InviteUser(**values | more)


def sign_in(login, password=PASSWORD, address="203.0.113.9"):
    with unit_of_work(visitor()) as ctx:
        return sessions.sign_in(ctx, login, password, address)


# Signing in


def test_a_session_begins(make_person, look):
    person = make_person("operator")
    set_password(person)
    who = sign_in(f"  {person.login.upper()} ")
    assert who.actor.id == person.id
    assert who.actor.role == "operator"
    assert not who.locked
    [row] = look("SELECT * FROM user_sessions WHERE user_id = %s", person.id)
    assert row["token_hash"] == sessions.hash_token(who.token), "the token itself is nowhere"
    assert len(entries(look, "session.started", person.id)) == 1
    assert sign_in(person.email).actor.id == person.id, "the address does as well"


def test_refusals_are_not_told_apart(make_person, look):
    wrong, gone, invited = (
        make_person("operator"),
        make_person("operator", status="deactivated"),
        make_person("operator", status="invited"),
    )
    for person in (wrong, gone):
        set_password(person)
    assert sign_in(wrong.login, "not the password at all") is None
    assert sign_in(gone.login) is None
    assert sign_in(invited.login) is None
    assert sign_in("nobody.at.all") is None
    assert look("SELECT * FROM user_sessions WHERE user_id = ANY (%s)", [wrong.id, gone.id, invited.id]) == []
    assert len(entries(look, "session.refused", wrong.id)) == 1


def test_an_unknown_name_costs_as_much_as_a_wrong_password(monkeypatch, make_person):
    person = make_person("operator")
    set_password(person)
    asked = []

    class Hasher:
        def verify(self, known, given):
            asked.append((known[:10], given))
            return False

    monkeypatch.setattr(sessions, "_HASHER", Hasher())
    monkeypatch.setattr(sessions, "_nobodys_hash", lambda: "$argon2id$v=19$nobody")
    sign_in(person.login, "wrong")
    sign_in("nobody.at.all", "wrong")
    assert asked == [("$argon2id$", "wrong")] * 2


def test_passwords_are_hashed_by_argon2id_with_64_mib():
    assert sessions.hash_password("x").startswith("$argon2id$v=19$m=65536,t=3,p=1$")


def test_five_wrong_tries_close_the_door_for_this_pair_alone(make_person):
    person = make_person("operator")
    set_password(person)
    for _ in range(5):
        assert sign_in(person.login, "wrong") is None
    assert sign_in(person.login) is None, "the right password does no more from here"
    assert sign_in(person.login, address="203.0.113.10") is not None, "its owner is not kept out elsewhere"


def test_a_good_sign_in_forgets_the_wrong_ones(make_person):
    person = make_person("operator")
    set_password(person)
    for _ in range(3):
        for _ in range(3):
            sign_in(person.login, "wrong")
        assert sign_in(person.login) is not None


def test_a_demo_account_signs_in_only_where_demos_may(make_person, database_urls, monkeypatch):
    person = make_person("operator")
    set_password(person)
    with psycopg.connect(database_urls["owner"]) as connection:
        connection.execute("UPDATE users SET demo = true WHERE id = %s", [person.id])
    assert sign_in(person.login) is None
    monkeypatch.setattr(sessions.door, "limits", sessions.rules.Limits(demo=True))
    assert sign_in(person.login) is not None


# Sessions


def identify(token, at, monkeypatch):
    monkeypatch.setattr(sessions, "now", lambda: at)
    with unit_of_work(visitor(at)):
        return sessions.identify_session(token)


def test_a_session_locks_when_idle_opens_by_password_and_ends_when_old(make_person, monkeypatch, look):
    person = make_person("operator")
    set_password(person)
    who, begin = sign_in(person.login), now()
    assert not identify(who.token, begin + timedelta(minutes=14), monkeypatch).locked
    assert not identify(who.token, begin + timedelta(minutes=28), monkeypatch).locked, "seen at 14"
    late = begin + timedelta(minutes=44)
    assert identify(who.token, late, monkeypatch).locked
    with unit_of_work(person.ctx(at=late)) as ctx:
        assert sessions.unlock(ctx, who.session_id, "wrong") == ""
    with unit_of_work(person.ctx(at=late)) as ctx:
        token = sessions.unlock(ctx, who.session_id, PASSWORD)
    assert identify(who.token, late, monkeypatch) is None
    assert not identify(token, late + timedelta(minutes=1), monkeypatch).locked
    assert identify(token, begin + timedelta(hours=12, minutes=1), monkeypatch) is None
    assert len(entries(look, "session.unlock_refused", who.session_id)) == 1
    assert len(entries(look, "session.unlocked", who.session_id)) == 1


def test_too_many_wrong_unlocks_end_the_session(make_person, monkeypatch):
    person = make_person("operator")
    set_password(person)
    who = sign_in(person.login)
    for _ in range(5):
        with unit_of_work(person.ctx()) as ctx:
            assert sessions.unlock(ctx, who.session_id, "wrong") == ""
    with unit_of_work(person.ctx()) as ctx:
        assert sessions.unlock(ctx, who.session_id, PASSWORD) is None
    assert identify(who.token, now(), monkeypatch) is None


def test_seen_at_is_written_once_a_minute(make_person, monkeypatch, look):
    person = make_person("operator")
    set_password(person)
    who, begin = sign_in(person.login), now()

    def seen():
        return look("SELECT seen_at FROM user_sessions WHERE id = %s", who.session_id)[0]["seen_at"]

    first = seen()
    identify(who.token, begin + timedelta(seconds=50), monkeypatch)
    assert seen() == first
    identify(who.token, begin + timedelta(seconds=70), monkeypatch)
    assert seen() > first


def test_nobody_ends_or_locks_anothers_session(make_person, look):
    person, other = make_person("operator"), make_person("supervisor")
    set_password(person)
    who = sign_in(person.login)
    for act in (sessions.sign_out, sessions.lock):
        with pytest.raises(NotFound), unit_of_work(other.ctx()) as ctx:
            act(ctx, who.session_id)
    [row] = look("SELECT * FROM user_sessions WHERE id = %s", who.session_id)
    assert (row["ended_at"], row["locked_at"]) == (None, None)


def test_signing_out_ends_the_session(make_person, monkeypatch, look):
    person = make_person("operator")
    set_password(person)
    who = sign_in(person.login)
    with unit_of_work(person.ctx()) as ctx:
        sessions.sign_out(ctx, who.session_id)
    assert identify(who.token, now(), monkeypatch) is None
    assert len(entries(look, "session.ended", who.session_id)) == 1


# Invitations and passwords


def test_an_invitation_is_a_row_an_entry_and_an_event(admin, look):
    command = invitation()
    with unit_of_work(admin.ctx()) as ctx:
        staff.invite_user(ctx, command)
    [row] = look("SELECT * FROM users WHERE id = %s", command.user_id)
    assert (row["status"], row["centre_id"], row["role"]) == ("invited", admin.centre.id, "operator")
    assert len(entries(look, "user.invited", command.user_id)) == 1
    [event] = events(look, "accounts.user_invited", command.user_id)
    assert set(event) == {"user_id", "centre_id", "version", "expires_at"}, "no token leaves the database"


def accept(path, password, at=None):
    _, purpose, token = path.split("/")
    with unit_of_work(visitor(at)) as ctx:
        passwords.accept_link(ctx, LinkPurpose(purpose), token, password)


def invite(admin, **more):
    command = invitation(**more)
    with unit_of_work(admin.ctx()) as ctx:
        event = staff.invite_user(ctx, command)
    return command, passwords.link_path(LinkPurpose.INVITATION, event.user_id, event.version, event.expires_at)


def test_the_link_of_an_invitation_works_once(admin, look):
    command, path = invite(admin)
    accept(path, NEW)
    assert sign_in(command.login, NEW).actor.id == command.user_id
    assert len(entries(look, "user.joined", command.user_id)) == 1
    with pytest.raises(Invalid, match="link_expired"):
        accept(path, "another one that is long")
    assert sign_in(command.login, NEW) is not None


def test_a_link_ends_and_cannot_be_bent(admin):
    _command, path = invite(admin)
    with pytest.raises(Invalid, match="link_expired"):
        accept(path, NEW, now() + timedelta(days=8))
    with pytest.raises(Invalid, match="link_invalid"):
        accept(path[:-4] + "AAAA", NEW)
    with pytest.raises(Invalid, match="link_invalid"):
        accept(path.replace("invitation", "password"), NEW)


def test_a_weak_password_is_refused_beside_its_field(admin):
    _command, path = invite(admin)
    for password, code in (("short", "password_short"), ("chansokha.helpline", "password_names")):
        with pytest.raises(Invalid, match=code) as refused:
            accept(path, password)
        assert refused.value.field == "password"
    accept(path, NEW)


def test_a_forgotten_password_is_replaced_and_every_session_ends(make_person, look, monkeypatch):
    person = make_person("operator")
    set_password(person)
    before = sign_in(person.login)
    with unit_of_work(visitor()) as ctx:
        assert passwords.request_password_reset(ctx, person.email, "203.0.113.9") is None
    [event] = events(look, "accounts.password_reset_requested", person.id)
    path = passwords.link_path(LinkPurpose.PASSWORD, person.id, event["version"], now() + timedelta(hours=1))
    accept(path, NEW)
    assert identify(before.token, now(), monkeypatch) is None
    assert sign_in(person.login) is None
    assert sign_in(person.login, NEW) is not None
    with pytest.raises(Invalid):
        accept(path, PASSWORD)


def test_asking_for_a_stranger_or_someone_gone_sends_nothing(make_person, look):
    gone = make_person("operator", status="deactivated")
    for login in ("nobody@helpline.test", gone.login, ""):
        with unit_of_work(visitor()) as ctx:
            assert passwords.request_password_reset(ctx, login, "203.0.113.9") is None
    assert events(look, "accounts.password_reset_requested", gone.id) == []


def test_nobody_can_be_flooded_with_mail(make_person, look):
    person = make_person("operator")
    set_password(person)
    for _ in range(6):
        with unit_of_work(visitor()) as ctx:
            passwords.request_password_reset(ctx, person.login, "203.0.113.9")
    assert len(events(look, "accounts.password_reset_requested", person.id)) == 3


def test_who_was_invited_and_asks_again_gets_an_invitation(admin, look):
    command, _path = invite(admin)
    with unit_of_work(visitor()) as ctx:
        passwords.request_password_reset(ctx, command.email, "203.0.113.9")
    assert len(events(look, "accounts.user_invited", command.user_id)) == 2


def test_the_own_password_changes_by_the_old_one(make_person, monkeypatch):
    person = make_person("operator")
    set_password(person)
    before = sign_in(person.login)
    with pytest.raises(Invalid, match="password_wrong"), unit_of_work(person.ctx()) as ctx:
        passwords.change_password(ctx, before.session_id, "wrong", NEW)
    with unit_of_work(person.ctx()) as ctx:
        token = passwords.change_password(ctx, before.session_id, PASSWORD, NEW)
    assert identify(before.token, now(), monkeypatch) is None
    assert identify(token, now(), monkeypatch).actor.id == person.id


# What an administrator decides

OTHERS = [role.value for role in Role if role not in {Role.ADMIN, Role.PARTNER}]


@pytest.mark.parametrize("role", OTHERS)
def test_only_an_administrator_decides_about_staff(role, make_person, admin, look):
    person, target, command = make_person(role), make_person("operator"), invitation()
    acts = [
        lambda ctx: staff.invite_user(ctx, command),
        lambda ctx: staff.edit_user(ctx, EditUser(target.id, 1, "X", Role.ADMIN, ())),
        lambda ctx: staff.deactivate_user(ctx, target.id, 1),
        lambda ctx: staff.reactivate_user(ctx, target.id, 1),
        lambda ctx: staff.invite_once_more(ctx, target.id),
        lambda ctx: house.create_team(ctx, SaveTeam(new_id(), "X")),
        lambda ctx: house.edit_centre(ctx, 1, SaveCentre("X", "X", "UTC", ("en",))),
        lambda ctx: house.create_centre(ctx, new_id(), "KH", SaveCentre("X", "X", "UTC", ("en",))),
        lambda ctx: staff.add_demo_user(ctx, command, NEW),
    ]
    for act in acts:
        ctx = person.ctx()
        with pytest.raises(Forbidden), unit_of_work(ctx):
            act(ctx)
        rows = look("SELECT outcome FROM audit_entries WHERE request_id = %s", ctx.request_id)
        assert [row["outcome"] for row in rows] == ["refused"]
    assert look("SELECT * FROM users WHERE id = %s", command.user_id) == []
    [row] = look("SELECT * FROM users WHERE id = %s", target.id)
    assert (row["status"], row["role"], row["version"]) == ("active", "operator", 1)


def test_a_role_and_teams_are_changed(admin, make_person, look):
    team, person = make_team(admin.centre), make_person("operator")
    with unit_of_work(admin.ctx()) as ctx:
        staff.edit_user(ctx, EditUser(person.id, 1, "New Name", Role.CASEWORKER, (team,)))
    [row] = look("SELECT * FROM users WHERE id = %s", person.id)
    assert (row["name"], row["role"], row["version"]) == ("New Name", "caseworker", 2)
    assert [row["team_id"] for row in look("SELECT * FROM team_members WHERE user_id = %s", person.id)] == [team]
    [entry] = entries(look, "user.changed", person.id)
    assert entry["field_groups"] == ["name", "role", "teams"]


def test_an_old_version_changes_nothing(admin, make_person):
    person = make_person("operator")
    with unit_of_work(admin.ctx()) as ctx:
        staff.edit_user(ctx, EditUser(person.id, 1, "First", Role.OPERATOR, ()))
    with pytest.raises(Conflict, match="stale"), unit_of_work(admin.ctx()) as ctx:
        staff.edit_user(ctx, EditUser(person.id, 1, "Second", Role.OPERATOR, ()))
    with unit_of_work(admin.ctx()):
        assert queries.get_user(person.id).name == "First"


def test_a_team_of_another_centre_or_none_is_refused(admin, make_person, database_urls):
    person = make_person("operator")
    foreign = make_team(make_centre(database_urls["owner"]))
    with pytest.raises(Invalid, match="team_unknown"), unit_of_work(admin.ctx()) as ctx:
        staff.edit_user(ctx, EditUser(person.id, 1, "X", Role.OPERATOR, (foreign,)))
    with pytest.raises(Invalid, match="team_needed"), unit_of_work(admin.ctx()) as ctx:
        staff.edit_user(ctx, EditUser(person.id, 1, "X", Role.CASEWORKER, ()))
    with pytest.raises(Invalid, match="role_unfit"), unit_of_work(admin.ctx()) as ctx:
        staff.edit_user(ctx, EditUser(person.id, 1, "X", Role.PARTNER, ()))


def test_deactivation_ends_sessions_and_tokens_at_once(admin, make_person, look, monkeypatch):
    person = make_person("operator")
    set_password(person)
    who = sign_in(person.login)
    with unit_of_work(person.ctx()) as ctx:
        token = tokens.create_api_token(ctx, CreateToken("script", (Permission.REFERENCE_READ.value,), 30)).token
    with unit_of_work(admin.ctx()) as ctx:
        staff.deactivate_user(ctx, person.id, 1)
    assert identify(who.token, now(), monkeypatch) is None
    with unit_of_work(visitor()):
        assert sessions.identify_token(token) is None
    assert sign_in(person.login) is None
    assert len(entries(look, "user.deactivated", person.id)) == 1
    assert len(events(look, "accounts.user_deactivated", person.id)) == 1
    with unit_of_work(admin.ctx()) as ctx:
        staff.reactivate_user(ctx, person.id, queries.get_user(person.id).version)
    assert sign_in(person.login) is not None
    with unit_of_work(visitor()):
        assert sessions.identify_token(token) is None, "a revoked token stays revoked"
    assert identify(who.token, now(), monkeypatch) is None


def test_the_last_administrator_stays(admin, make_person):
    with pytest.raises(Conflict, match="last_admin"), unit_of_work(admin.ctx()) as ctx:
        staff.edit_user(ctx, EditUser(admin.id, 1, "X", Role.OPERATOR, ()))
    second = make_person("admin")
    with unit_of_work(admin.ctx()) as ctx:
        staff.deactivate_user(ctx, second.id, 1)
    with pytest.raises(Conflict), unit_of_work(admin.ctx()) as ctx:
        staff.deactivate_user(ctx, admin.id, 1)
    with unit_of_work(admin.ctx()):
        assert queries.get_user(admin.id).status == UserStatus.ACTIVE


def test_staff_of_another_centre_are_not_there(admin, database_urls):
    stranger = make_user(make_centre(database_urls["owner"]), "operator")
    for act in (
        lambda ctx: staff.deactivate_user(ctx, stranger.id, 1),
        lambda ctx: staff.edit_user(ctx, EditUser(stranger.id, 1, "X", Role.OPERATOR, ())),
        lambda ctx: queries.get_user(stranger.id),
    ):
        with pytest.raises(NotFound), unit_of_work(admin.ctx()) as ctx:
            act(ctx)


def test_a_name_or_address_in_use_is_said(admin, make_person):
    person = make_person("operator")
    for more, field in (
        ({"login": person.login}, "login"),
        ({"email": person.email}, "email"),
        ({"login": person.email}, "login"),
    ):
        with pytest.raises(Invalid) as refused, unit_of_work(admin.ctx()) as ctx:
            staff.invite_user(ctx, invitation(**more))
        assert refused.value.field == field


# The house


def test_a_team_covers_provinces(admin, look):
    command = SaveTeam(new_id(), "North", (PHNOM_PENH,))
    with unit_of_work(admin.ctx()) as ctx:
        house.create_team(ctx, command)
    with unit_of_work(admin.ctx()) as ctx:
        assert house.create_team(ctx, command).id == command.team_id, "posted twice, made once"
    with unit_of_work(admin.ctx()):
        assert queries.team_covering(admin.centre.id, [PHNOM_PENH]).id == command.team_id
    assert len(entries(look, "team.created", command.team_id)) == 1
    with pytest.raises(Invalid, match="place_unknown"), unit_of_work(admin.ctx()) as ctx:
        house.create_team(ctx, SaveTeam(new_id(), "South", (reference.place_id("AR", "province", "14"),)))


def test_a_centre_is_changed_by_its_administrator(admin, look):
    mark = secrets.token_hex(3).upper()
    with unit_of_work(admin.ctx()) as ctx:
        house.edit_centre(ctx, 1, SaveCentre("House", mark, "Asia/Phnom_Penh", ("km", "en")))
    [row] = look("SELECT * FROM centres WHERE id = %s", admin.centre.id)
    assert (row["name"], row["code"], row["version"]) == ("House", mark, 2)
    assert len(entries(look, "centre.changed", admin.centre.id)) == 1
    for command, code in (
        (SaveCentre("House", mark, "Mars/Olympus", ("km",)), "timezone_unknown"),
        (SaveCentre("House", mark, "UTC", ("xx",)), "language_unknown"),
    ):
        with pytest.raises(Invalid, match=code), unit_of_work(admin.ctx()) as ctx:
            house.edit_centre(ctx, 2, command)
    with pytest.raises(Conflict, match="stale"), unit_of_work(admin.ctx()) as ctx:
        house.edit_centre(ctx, 1, SaveCentre("Other", mark, "UTC", ("km",)))


# API tokens


def test_a_token_is_shown_once_and_is_narrower_than_its_owner(make_person, look):
    person = make_person("operator")
    with unit_of_work(person.ctx()) as ctx:
        made = tokens.create_api_token(ctx, CreateToken("script", (Permission.REFERENCE_READ.value,), 30))
    [row] = look("SELECT * FROM api_tokens WHERE id = %s", made.id)
    assert row["token_hash"] == sessions.hash_token(made.token)
    assert made.token not in str(row)
    with unit_of_work(visitor()):
        who = sessions.identify_token(made.token)
    assert who.actor.permissions == {Permission.REFERENCE_READ}
    for scopes in ((), (Permission.USER_EDIT.value,), ("no:such",)):
        with pytest.raises(Invalid, match="scope_unfit"), unit_of_work(person.ctx()) as ctx:
            tokens.create_api_token(ctx, CreateToken("wide", scopes, 30))


def test_a_token_ends(make_person, monkeypatch, look):
    person, other = make_person("operator"), make_person("operator")
    with unit_of_work(person.ctx()) as ctx:
        made = tokens.create_api_token(ctx, CreateToken("script", (Permission.REFERENCE_READ.value,), 1))
    monkeypatch.setattr(sessions, "now", lambda: now() + timedelta(days=2))
    with unit_of_work(visitor()):
        assert sessions.identify_token(made.token) is None
    monkeypatch.undo()
    with pytest.raises(NotFound), unit_of_work(other.ctx()) as ctx:
        tokens.revoke_api_token(ctx, made.id)
    with unit_of_work(person.ctx()) as ctx:
        tokens.revoke_api_token(ctx, made.id)
    with unit_of_work(visitor()):
        assert sessions.identify_token(made.token) is None
    assert len(entries(look, "token.revoked", made.id)) == 1


# Rows


def test_the_application_cannot_read_a_password_or_anothers_token(make_person, database_urls):
    person = make_person("operator")
    set_password(person)
    with psycopg.connect(database_urls["web"]) as connection:
        for statement in (
            "SELECT * FROM credentials",
            "SELECT token_hash FROM user_sessions",
            "SELECT token_hash FROM api_tokens",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege), connection.transaction():
                connection.execute(statement)
        for table in ("users", "centres", "teams", "team_members"):
            assert connection.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,), "without a context, no row"


def test_the_relay_may_look_nobody_up(database_urls):
    with psycopg.connect(database_urls["relay"]) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute("SELECT * FROM app.find_credential('anybody', '')")
