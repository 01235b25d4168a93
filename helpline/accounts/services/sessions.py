"""Signing in and out, locking, and who holds a credential."""

import functools
import hashlib
import secrets
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Protocol

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import Row, text, update

from helpline.accounts import queries, rules
from helpline.accounts.models import UserSession
from helpline.accounts.vocabulary import UserStatus
from helpline.foundation.access.powers import narrowed
from helpline.foundation.access.rows import ticket
from helpline.foundation.audit.recorder import record
from helpline.foundation.clock import now
from helpline.foundation.context import Actor, Channel, Context
from helpline.foundation.crypto.index import blind_index
from helpline.foundation.db import db
from helpline.foundation.errors import NotFound
from helpline.foundation.ids import new_id
from helpline.settings import Settings
from helpline.web.credentials import FactorState, Override, SignedIn

# Argon2id, RFC 9106's second recommended setting with fewer lanes: 64 MiB, three passes.
_HASHER = PasswordHasher(time_cost=3, memory_cost=64 * 1024, parallelism=1)

_START = text("SELECT app.start_session(:id, :user_id, :hash, :at, :ticket)")
_TOUCH = text("SELECT app.touch_session(:id, :at, :ticket)")
_TOUCH_TOKEN = text("SELECT app.touch_api_token(:id, :at, :ticket)")


class Counters(Protocol):
    """Counters of tries that forget themselves; `gateways.py` keeps them in Redis."""

    def count(self, limits: dict[str, tuple[int, int]]) -> bool:
        """Add one to each key; `limits` gives its (most, seconds it is kept). False if any was already full."""

    def forget(self, *keys: str) -> None:
        """Start again from nothing."""


class NoCounters:
    """For processes that nobody signs in at."""

    def count(self, limits: dict[str, tuple[int, int]]) -> bool:
        del limits
        return True

    def forget(self, *keys: str) -> None:
        del keys


@dataclass
class _Door:
    """What `install` sets from the settings, once a process."""

    limits: rules.Limits
    counters: Counters
    factor_roles: frozenset[str] = frozenset()
    party: rules.RelyingParty | None = None
    factor_wait: timedelta = timedelta(hours=24)


door = _Door(rules.Limits(), NoCounters())


def install(settings: Settings, counters: Counters) -> None:
    """Take the limits of sessions, what second factors are for, and the counters of tries."""
    door.limits = rules.Limits(
        timedelta(minutes=settings.session_idle_minutes), timedelta(hours=settings.session_hours), demo=settings.demo
    )
    door.counters = counters
    door.factor_roles = settings.factor_roles
    door.factor_wait = timedelta(hours=settings.factor_reset_hours)
    door.party = rules.relying_party(settings.public_url)


def hash_token(token: str) -> bytes:
    """Tokens are 256 random bits: one SHA-256 is enough, and it is what the database keeps."""
    return hashlib.sha256(token.encode()).digest()


def hash_password(password: str) -> str:
    """Argon2id; some 150 ms of a core."""
    return _HASHER.hash(rules.normal_password(password))


@functools.cache
def _nobodys_hash() -> str:
    return hash_password(secrets.token_urlsafe(32))


def verify_password(password_hash: str | None, password: str) -> bool:
    """Whether it is the password. Without a hash it takes as long and is false: who waits learns nothing."""
    if len(password) > rules.TYPED:
        password = ""
    try:
        matches = _HASHER.verify(password_hash or _nobodys_hash(), rules.normal_password(password))
    except (VerificationError, InvalidHashError):
        return False
    return matches and password_hash is not None


def sign_in(ctx: Context, login: str, password: str, address: str) -> SignedIn | None:
    """A new session for whoever this is, or None: wrong, unknown, deactivated and throttled are not told apart.

    Whoever has a second factor presents it in that session before anything else; a password too short to stand alone
    is none without one. `address` is where the request comes from. The old session of this browser, if any, is the
    caller's to end.
    """
    login = login.strip().lower()[:254]
    keys = rules.sign_in_limits(blind_index("login", login).hex(), blind_index("address", address).hex())
    if not door.counters.count(keys):
        record(ctx, "session.throttled", "user")
        return None
    row = queries.find_credential(login)
    matches = verify_password(row.password_hash if row else None, password)
    if row is None or not matches or not _may_enter(row):
        known = [row.user_id] if row else []
        record(ctx, "session.refused", "user", *known, centre_id=row.centre_id if row else None)
        return None
    door.counters.forget(*[key for key in keys if not key.startswith("tries:address:")])
    record(ctx, "session.started", "user", row.user_id, centre_id=row.centre_id)
    return identify_session(start_session(row.user_id))


def _may_enter(row: Row[Any]) -> bool:
    enough = row.has_factor or not row.short
    return row.status == UserStatus.ACTIVE and enough and (door.limits.demo or not row.demo)


def start_session(user_id: uuid.UUID, factor_at: datetime | None = None, goes_on: UserSession | None = None) -> str:
    """A new session; its token, for the browser alone. `factor_at`: when the actor, its owner, presented a factor;
    `goes_on`: the one of before, just ended, whose age it keeps.
    """
    token, session_id, at = secrets.token_urlsafe(32), new_id(), now()
    values = {
        "id": session_id,
        "user_id": user_id,
        "hash": hash_token(token),
        "at": goes_on.created_at if goes_on else at,
    }
    db.session.execute(_START, values | {"ticket": ticket("start_session", *values.values())})
    if factor_at is not None or goes_on is not None:
        seen_at = goes_on.ended_at if goes_on else at
        known = update(UserSession).where(UserSession.id == session_id).values(factor_at=factor_at, seen_at=seen_at)
        db.session.execute(known)
    return token


def renew_session(ctx: Context, session_id: uuid.UUID, factor_at: datetime | None) -> str:
    """End this session, in which its owner just proved to be there, for one that goes on with a new token: what was
    known or planted before is worth nothing. `factor_at`: as for `start_session`.
    """
    session = own_session(ctx, session_id)
    session.ended_at = ctx.now
    return start_session(ctx.actor.id, factor_at, session)


def factor_state(role: str, *, has_factor: bool, given: bool) -> FactorState:
    """How somebody of this role stands, whose session has been GIVEN a factor or not."""
    if has_factor:
        return FactorState.GIVEN if given else FactorState.PENDING
    return FactorState.MISSING if role in door.factor_roles else FactorState.NONE


def identify_session(token: str) -> SignedIn | None:
    """Who holds this session, or None. A session that idled too long comes back locked; one too old is none."""
    at = now()
    row = queries.find_session(hash_token(token), at)
    if row is None or (row.demo and not door.limits.demo):
        return None
    factor = factor_state(row.role, has_factor=row.has_factor, given=row.factor_at is not None)
    pending = factor is FactorState.PENDING
    state = rules.session_state(row.started_at, row.seen_at, row.locked_at, at, door.limits, pending=pending)
    if state is rules.SessionState.OVER:
        return None
    if state is rules.SessionState.OPEN and at - row.seen_at >= rules.SEEN_EVERY:
        leave = ticket("touch_session", row.token_id, at)
        db.session.execute(_TOUCH, {"id": row.token_id, "at": at, "ticket": leave})
    return SignedIn(
        actor=_actor(row), channel=Channel.PAGE, token=token, session_id=row.token_id, name=row.name, locale=row.locale,
        timezone=row.timezone, theme=row.theme, locked=state is rules.SessionState.LOCKED, factor=factor,
        factor_at=row.factor_at, override=_override(row), role_names=_role_names(row),
    )  # fmt: skip


def identify_token(token: str) -> SignedIn | None:
    """Who holds this API token, or None. Where its owner needs a second factor and has none, it opens nothing."""
    at = now()
    row = queries.find_api_token(hash_token(token), at)
    if row is None or (row.demo and not door.limits.demo):
        return None
    if row.seen_at is None or at - row.seen_at >= rules.SEEN_EVERY:
        leave = ticket("touch_api_token", row.token_id, at)
        db.session.execute(_TOUCH_TOKEN, {"id": row.token_id, "at": at, "ticket": leave})
    actor = replace(_actor(row), permissions=frozenset(row.scopes))
    return SignedIn(
        actor=actor, channel=Channel.API, session_id=row.token_id, name=row.name, locale=row.locale,
        timezone=row.timezone, theme=row.theme, factor=factor_state(row.role, has_factor=row.has_factor, given=True),
        override=_override(row), role_names=_role_names(row),
    )  # fmt: skip


def _actor(row: Row[Any]) -> Actor:
    return Actor(
        id=row.user_id, role=row.role, centre_id=row.centre_id, team_ids=tuple(row.team_ids),
        narrowed=narrowed(row.role, row.own_role) if row.own_role is not None else None,
    )  # fmt: skip


def _role_names(row: Row[Any]) -> dict[str, str]:
    return dict(row.own_role_names or {})


def _override(row: Row[Any]) -> Override | None:
    if row.override_id is None:
        return None
    return Override(row.override_id, row.override_case_id, row.override_code, row.override_until)


def own_session(ctx: Context, session_id: uuid.UUID) -> UserSession:
    """One of the actor's own sessions. Raises NotFound for another's."""
    session = db.session.get(UserSession, session_id)
    if session is None or session.user_id != ctx.actor.id:
        raise NotFound("session", session_id)
    return session


def sign_out(ctx: Context, session_id: uuid.UUID) -> None:
    """End one of the actor's own sessions. Ending it twice is no error. Raises NotFound for another's."""
    session = own_session(ctx, session_id)
    if session.ended_at is None:
        session.ended_at = ctx.now
        record(ctx, "session.ended", "session", session_id)


def end_other_sessions(ctx: Context, session_id: uuid.UUID) -> None:
    """End every session of the actor's but this one."""
    ended = db.session.scalars(
        update(UserSession)
        .where(UserSession.user_id == ctx.actor.id, UserSession.id != session_id, UserSession.ended_at.is_(None))
        .values(ended_at=ctx.now)
        .returning(UserSession.id)
    ).all()
    if ended:
        record(ctx, "session.ended", "session", *ended)


def lock(ctx: Context, session_id: uuid.UUID) -> None:
    """Let the session show nothing until the password is given again."""
    session = own_session(ctx, session_id)
    if session.locked_at is None and session.ended_at is None:
        session.locked_at = ctx.now
        record(ctx, "session.locked", "session", session_id)


def unlock(ctx: Context, session_id: uuid.UUID, password: str) -> str | None:
    """The token of the session that goes on in its place; "": not the password. None: too many tries, it is over."""
    session = own_session(ctx, session_id)
    keys = rules.unlock_limits(session_id.hex)
    if not door.counters.count(keys):
        sign_out(ctx, session_id)
        return None
    row = queries.find_credential_of(ctx.actor.id)
    if not verify_password(row.password_hash if row else None, password):
        record(ctx, "session.unlock_refused", "session", session_id)
        return ""
    door.counters.forget(*keys)
    record(ctx, "session.unlocked", "session", session_id)
    return renew_session(ctx, session_id, session.factor_at)


def list_sessions(ctx: Context) -> Sequence[UserSession]:
    """The actor's own sessions that still count, newest first."""
    has_factor = bool(queries.list_factors(ctx.actor.id))
    return [row for row in queries.open_sessions(ctx.actor.id) if not _over(row, ctx.now, has_factor=has_factor)]


def _over(row: UserSession, at: datetime, *, has_factor: bool) -> bool:
    pending = has_factor and row.factor_at is None
    state = rules.session_state(row.created_at, row.seen_at, row.locked_at, at, door.limits, pending=pending)
    return state is rules.SessionState.OVER
