"""API tokens: a user's own, narrower than the user, hashed at rest, shown once."""

import secrets
import uuid
from datetime import timedelta

from sqlalchemy import insert

from helpline.accounts.commands import CreateToken, MadeToken
from helpline.accounts.models import ApiToken
from helpline.accounts.services.sessions import hash_token
from helpline.foundation.access.engine import holds, require
from helpline.foundation.access.permissions import Permission
from helpline.foundation.audit.recorder import record
from helpline.foundation.context import Context
from helpline.foundation.db import db
from helpline.foundation.errors import Invalid, NotFound
from helpline.foundation.ids import new_id

PREFIX = "hlp_"  # so that a scanner of leaked secrets can know one


def scopes_of(ctx: Context) -> list[str]:
    """What a token of the actor may carry at most."""
    return [permission.value for permission in Permission if holds(ctx.actor, permission)]


def create_api_token(ctx: Context, command: CreateToken) -> MadeToken:
    """A new token of the actor. Raises Invalid("scope_unfit", "scopes") for what the actor does not hold."""
    require(ctx, Permission.OWN_ACCOUNT)
    if not command.scopes or not set(command.scopes) <= set(scopes_of(ctx)):
        raise Invalid("scope_unfit", "scopes")
    token, token_id = PREFIX + secrets.token_urlsafe(32), new_id()
    expires_at = ctx.now + timedelta(days=command.days)
    values = {
        "id": token_id, "user_id": ctx.actor.id, "name": command.name, "token_hash": hash_token(token),
        "scopes": sorted(set(command.scopes)), "created_at": ctx.now, "expires_at": expires_at,
    }  # fmt: skip
    db.session.execute(insert(ApiToken).values(values))
    record(ctx, "token.created", "token", token_id, scopes=values["scopes"])
    return MadeToken(token_id, command.name, tuple(sorted(set(command.scopes))), ctx.now, expires_at, token)


def revoke_api_token(ctx: Context, token_id: uuid.UUID) -> None:
    """End a token of the actor's; again is no error. Raises NotFound for another's."""
    require(ctx, Permission.OWN_ACCOUNT)
    token = db.session.get(ApiToken, token_id)
    if token is None or token.user_id != ctx.actor.id:
        raise NotFound("token", token_id)
    if token.revoked_at is None:
        token.revoked_at = ctx.now
        record(ctx, "token.revoked", "token", token_id)
