"""Centres, teams and people for tests, written by the owner's login: each test makes its own."""

import functools
import uuid
from dataclasses import dataclass, field, replace

import psycopg
import pyotp
from psycopg.types.json import Jsonb

from helpline.accounts.services.sessions import hash_password, hash_token
from helpline.foundation.access.powers import Powers, narrow
from helpline.foundation.clock import now
from helpline.foundation.context import Actor, Channel, Context
from helpline.foundation.crypto.sealed import seal_values
from helpline.foundation.ids import new_id


@dataclass(frozen=True)
class MadeCentre:
    owner_url: str = field(repr=False)
    id: uuid.UUID
    timezone: str


@dataclass(frozen=True)
class MadeUser:
    id: uuid.UUID
    role: str
    centre: MadeCentre
    team_ids: tuple[uuid.UUID, ...]
    login: str
    email: str
    narrowed: Powers | None = None

    def ctx(self, channel: Channel = Channel.PAGE, at=None) -> Context:
        """A fresh context of this person: one a unit of work."""
        actor = Actor(
            id=self.id, role=self.role, centre_id=self.centre.id, team_ids=self.team_ids, narrowed=self.narrowed
        )
        return Context(
            actor=actor, now=at or now(), request_id=new_id(), channel=channel, timezone=self.centre.timezone
        )


def make_centre(
    owner_url: str, *, country: str = "KH", timezone: str = "Asia/Phnom_Penh", languages=("km", "en")
) -> MadeCentre:
    centre_id = new_id()
    with psycopg.connect(owner_url) as connection:
        connection.execute(
            "INSERT INTO centres (id, name, code, country, timezone, languages, created_at) VALUES (%s, %s, %s, %s, %s, %s, now())",
            [centre_id, f"Centre {centre_id.hex[-6:]}", f"C{centre_id.hex[-8:]}", country, timezone, list(languages)],
        )
    return MadeCentre(owner_url, centre_id, timezone)


def make_team(centre: MadeCentre, *, places=(), name: str | None = None) -> uuid.UUID:
    team_id = new_id()
    with psycopg.connect(centre.owner_url) as connection:
        connection.execute(
            "INSERT INTO teams (id, centre_id, name, places) VALUES (%s, %s, %s, %s)",
            [team_id, centre.id, name or f"Team {team_id.hex[-6:]}", list(places)],
        )
    return team_id


def make_role(centre: MadeCentre, base: str, *, scopes=None, fields=None, **more) -> uuid.UUID:
    """A role of the centre's own, made of `base`, as the row says it: nothing here checks what it takes away."""
    role_id = new_id()
    values = {"names": {"en": f"Own {role_id.hex[-6:]}", "km": f"តួនាទី {role_id.hex[-6:]}"}} | more
    with psycopg.connect(centre.owner_url) as connection:
        connection.execute(
            "INSERT INTO centre_roles (id, centre_id, base, names, scopes, fields, created_at)"
            " VALUES (%s, %s, %s, %s, %s, %s, now())",
            [role_id, centre.id, base, Jsonb(values["names"]), Jsonb(scopes or {}), Jsonb(fields or {})],
        )
    return role_id


def bear(user: MadeUser, *, scopes=None, fields=None) -> MadeUser:
    """The same person from now on in a role of the centre's own, which takes this away of the one they have."""
    role_id = make_role(user.centre, user.role, scopes=scopes, fields=fields)
    with psycopg.connect(user.centre.owner_url) as connection:
        connection.execute("UPDATE users SET centre_role_id = %s WHERE id = %s", [role_id, user.id])
    return replace(user, narrowed=narrow(user.role, {"scopes": scopes or {}, "fields": fields or {}}))


def make_user(centre: MadeCentre, role: str, *teams: uuid.UUID, locale: str = "en", status: str = "active") -> MadeUser:
    user_id = new_id()
    login = f"{role}.{user_id.hex[-8:]}"
    with psycopg.connect(centre.owner_url) as connection:
        connection.execute(
            "INSERT INTO users (id, centre_id, name, login, email, role, status, locale, created_at)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, now())",
            [user_id, centre.id, f"{role} {user_id.hex[-4:]}", login, f"{login}@helpline.test", role, status, locale],
        )
        for team_id in teams:
            connection.execute("INSERT INTO team_members (user_id, team_id) VALUES (%s, %s)", [user_id, team_id])
    return MadeUser(user_id, role, centre, tuple(teams), login, f"{login}@helpline.test")


def sign_in(client, user: MadeUser, *, fresh: bool = False) -> None:
    """Give the test client a session of this person, without the sign-in page. `fresh`: a factor was given just now."""
    token = uuid.uuid4().hex
    with psycopg.connect(user.centre.owner_url) as connection:
        connection.execute(
            "INSERT INTO user_sessions (id, user_id, token_hash, created_at, seen_at, factor_at)"
            " VALUES (%s, %s, %s, %s, %s, %s)",
            [new_id(), user.id, hash_token(token), now(), now(), now() if fresh else None],
        )
    with client.session_transaction() as session:
        session["_user_id"] = token
        session["_fresh"] = True


def add_authenticator(user: MadeUser) -> pyotp.TOTP:
    """Give this person an authenticator app; the app itself comes back."""
    factor_id, secret = new_id(), pyotp.random_base32()
    sealed = seal_values("factors", factor_id, {"secret_sealed": secret})
    with psycopg.connect(user.centre.owner_url) as connection:
        connection.execute(
            "INSERT INTO factors (id, user_id, kind, name, record_key, secret_sealed, created_at, confirmed_at)"
            " VALUES (%s, %s, 'authenticator', 'Telephone', %s, %s, %s, %s)",
            [factor_id, user.id, sealed["record_key"], sealed["secret_sealed"], now(), now()],
        )
    return pyotp.TOTP(secret)


PASSWORD = "the tea is cold at noon"


@functools.cache
def _password_hash() -> str:
    return hash_password(PASSWORD)


def set_password(user: MadeUser) -> None:
    """Let this person sign in by PASSWORD: hashed once a test session, since hashing is slow on purpose."""
    with psycopg.connect(user.centre.owner_url) as connection:
        connection.execute(
            "INSERT INTO credentials (user_id, password_hash, version, changed_at) VALUES (%s, %s, 1, now())",
            [user.id, _password_hash()],
        )
