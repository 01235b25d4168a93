"""Choosing a password: by the link of an invitation or of a forgotten one, or knowing the old one."""

import uuid
from datetime import datetime, timedelta

from sqlalchemy import text

from helpline.accounts import queries, rules
from helpline.accounts.commands import LinkHolder
from helpline.accounts.events import PasswordResetRequested, PasswordResetUnmet, UserInvited
from helpline.accounts.services.sessions import door, hash_password, own_session, start_session, verify_password
from helpline.accounts.vocabulary import LinkPurpose, UserStatus
from helpline.foundation.access.engine import require
from helpline.foundation.access.permissions import Permission
from helpline.foundation.access.rows import ticket
from helpline.foundation.audit.recorder import record
from helpline.foundation.context import Context
from helpline.foundation.crypto import links
from helpline.foundation.crypto.index import blind_index
from helpline.foundation.db import db
from helpline.foundation.errors import Conflict, Invalid
from helpline.foundation.outbox.publisher import publish

_SET = text("SELECT app.set_credential(:user_id, :known, :hash, :at, :short, :ticket)")
_FITS = {LinkPurpose.INVITATION: UserStatus.INVITED, LinkPurpose.PASSWORD: UserStatus.ACTIVE}
HOUSE = ("helpline", "child", "centre", "login", "password", "1280", "operator", "supervisor", "caseworker", "admin")


def invite_again(ctx: Context, user_id: uuid.UUID, centre_id: uuid.UUID, version: int = 0) -> UserInvited:
    """Publish an invitation; the mail's link is derived from it when it is sent."""
    event = UserInvited(user_id, centre_id, version, ctx.now + timedelta(days=rules.INVITATION_DAYS))
    publish(ctx, event)
    return event


def request_password_reset(ctx: Context, login: str, address: str) -> None:
    """Send a link to whoever this is. Nothing comes back, and for nobody as much is written: the asker learns not even
    whether there is such a person.
    """
    login = login.strip().lower()[:254]
    keys = rules.mail_limits(blind_index("login", login).hex(), blind_index("address", address).hex())
    if not login or not door.counters.count(keys):
        return
    row = queries.find_credential(login)
    if row is None or row.status == UserStatus.DEACTIVATED or row.demo:
        publish(ctx, PasswordResetUnmet())
        record(ctx, "user.link_requested", "user")
        return
    if row.status == UserStatus.INVITED:
        invite_again(ctx, row.user_id, row.centre_id, row.version)
    else:
        expires_at = ctx.now + timedelta(hours=rules.RESET_HOURS)
        publish(ctx, PasswordResetRequested(row.user_id, row.centre_id, row.version, expires_at))
    record(ctx, "user.link_requested", "user", row.user_id, centre_id=row.centre_id)


def link_path(purpose: LinkPurpose, user_id: uuid.UUID, version: int, expires_at: datetime) -> str:
    """The path of the page where this link's holder chooses a password."""
    return f"/{purpose.value}/{links.sign(purpose.value, user_id, version, expires_at)}"


def open_link(ctx: Context, purpose: LinkPurpose, token: str) -> LinkHolder:
    """Whose link this is. Raises Invalid("link_invalid") or Invalid("link_expired"), also for one already used."""
    user_id, version = links.verify(purpose.value, token, ctx.now)
    row = queries.find_credential_of(user_id)
    if row is None or row.version != version or row.status != _FITS[purpose]:
        raise Invalid("link_expired")
    words = (row.login, row.email, row.name, row.centre)
    return LinkHolder(user_id, row.centre_id, version, row.login, words, second_factor=row.has_factor)


def accept_link(ctx: Context, purpose: LinkPurpose, token: str, password: str) -> None:
    """Set the password of the link's holder, once: the link dies with it, and every session ends.

    Raises Invalid(code, "password") for a password that can't be had, else as `open_link`.
    """
    holder = open_link(ctx, purpose, token)
    _refuse_weak(password, holder.words, second_factor=holder.second_factor)
    _set(ctx, holder.user_id, holder.version, password)
    action = "user.joined" if purpose is LinkPurpose.INVITATION else "user.password_reset"
    record(ctx, action, "user", holder.user_id, centre_id=holder.centre_id)


def change_password(ctx: Context, session_id: uuid.UUID, current: str, new: str) -> str:
    """Replace the actor's own password; every session ends. Gives the token of one in place of this session.

    Raises Invalid("password_wrong", "current") or Invalid(code, "password").
    """
    require(ctx, Permission.OWN_ACCOUNT)
    row = queries.find_credential_of(ctx.actor.id)
    if row is None or not door.counters.count(rules.unlock_limits(ctx.actor.id.hex)):
        raise Invalid("password_wrong", "current")
    if not verify_password(row.password_hash, current):
        raise Invalid("password_wrong", "current")
    _refuse_weak(new, (row.login, row.email, row.name, row.centre), second_factor=row.has_factor)
    factor_at = own_session(ctx, session_id).factor_at
    _set(ctx, row.user_id, row.version, new)
    record(ctx, "user.password_changed", "user", row.user_id)
    return start_session(row.user_id, factor_at)


def set_first_password(ctx: Context, user_id: uuid.UUID, password: str) -> None:
    """The keeper's, for accounts of the demo helpline, whose passwords are generated."""
    require(ctx, Permission.USER_EDIT)
    _set(ctx, user_id, 0, password)


def _refuse_weak(password: str, words: tuple[str, ...], *, second_factor: bool) -> None:
    problem = rules.password_problem(password, (*HOUSE, *words), second_factor=second_factor)
    if problem:
        raise Invalid(problem, "password")


def _set(ctx: Context, user_id: uuid.UUID, known: int, password: str) -> None:
    values = {
        "user_id": user_id, "known": known, "hash": hash_password(password), "at": ctx.now,
        "short": rules.is_short(password),
    }  # fmt: skip
    leave = ticket("set_credential", *values.values())
    if not db.session.execute(_SET, values | {"ticket": leave}).scalar():
        raise Conflict("link_expired")
