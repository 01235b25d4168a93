"""Use cases of accounts."""

import hashlib
import secrets
import uuid

from sqlalchemy import text

from helpline.accounts import queries
from helpline.foundation.clock import now
from helpline.foundation.context import Actor, Channel
from helpline.foundation.db import db
from helpline.foundation.ids import new_id
from helpline.web.credentials import SignedIn

_START = text("SELECT app.start_session(:id, :user_id, :hash, :at)")


def hash_token(token: str) -> bytes:
    """Tokens are 256 random bits: one SHA-256 is enough, and it is what the database keeps."""
    return hashlib.sha256(token.encode()).digest()


def start_session(user_id: uuid.UUID) -> str:
    """A new session; its token, for the browser alone."""
    token = secrets.token_urlsafe(32)
    db.session.execute(_START, {"id": new_id(), "user_id": user_id, "hash": hash_token(token), "at": now()})
    return token


def identify_session(token: str) -> SignedIn | None:
    """Who holds this session, or None."""
    row = queries.find_session(hash_token(token))
    if row is None:
        return None
    actor = Actor(id=row.user_id, role=row.role, centre_id=row.centre_id, team_ids=tuple(row.team_ids))
    return SignedIn(
        actor=actor, channel=Channel.PAGE, token=token, session_id=row.token_id, name=row.name, locale=row.locale,
        timezone=row.timezone, theme=row.theme, locked=row.locked_at is not None,
    )  # fmt: skip


def identify_token(token: str) -> SignedIn | None:
    """Who holds this API token, or None."""
    row = queries.find_api_token(hash_token(token), now())
    if row is None:
        return None
    actor = Actor(
        id=row.user_id, role=row.role, centre_id=row.centre_id, team_ids=tuple(row.team_ids),
        permissions=frozenset(row.scopes),
    )  # fmt: skip
    return SignedIn(
        actor=actor,
        channel=Channel.API,
        session_id=row.token_id,
        name=row.name,
        locale=row.locale,
        timezone=row.timezone,
    )
