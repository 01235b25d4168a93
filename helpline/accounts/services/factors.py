"""Second factors: setting one up, presenting it, and taking it away. Whoever owns it is told of each change."""

import secrets
import uuid

import pyotp
from sqlalchemy import delete, insert, update

from helpline.accounts import queries, rules
from helpline.accounts.commands import AddedFactor, BegunAuthenticator
from helpline.accounts.events import FactorChanged
from helpline.accounts.models import Factor, RecoveryCode, UserSession
from helpline.accounts.services import passkeys
from helpline.accounts.services.sessions import door, own_session, renew_session
from helpline.accounts.vocabulary import FactorChange, FactorKind
from helpline.foundation.access.engine import require
from helpline.foundation.access.permissions import Permission
from helpline.foundation.audit.recorder import record
from helpline.foundation.context import Context
from helpline.foundation.crypto.index import blind_index
from helpline.foundation.db import db
from helpline.foundation.errors import Conflict, Invalid, NotFound
from helpline.foundation.ids import new_id
from helpline.foundation.outbox.publisher import publish
from helpline.web.credentials import FactorChoice, Presented

_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"  # nothing that is taken for something else


def choose_factor(ctx: Context, session_id: uuid.UUID, origin: str) -> FactorChoice:
    """How the actor can present a factor in a page at `origin`; makes a new challenge where by passkey."""
    found = queries.list_factors(ctx.actor.id)
    keys = [factor for factor in found if factor.kind == FactorKind.PASSKEY]
    code = len(keys) < len(found)
    if not keys or door.party is None:
        return FactorChoice(code)
    if door.party.origin != origin:
        return FactorChoice(code, elsewhere=door.party.origin)
    return FactorChoice(code, passkeys.request_options(ctx, session_id, keys))


def present_factor(ctx: Context, session_id: uuid.UUID, presented: Presented) -> bool:
    """Whether this is a factor of the actor's; if so the session has it on record from now on.

    Wrong, used before and too many tries are not told apart.
    """
    factor_id = (
        passkeys.accept_answer(ctx, session_id, presented.passkey)
        if presented.passkey
        else _accept_code(ctx, rules.normal_code(presented.code))
    )
    if factor_id is None:
        record(ctx, "factor.refused", "session", session_id)
        return False
    own_session(ctx, session_id).factor_at = ctx.now
    db.session.flush()
    record(ctx, "factor.presented", "session", session_id, factor_id=factor_id)
    return True


def enter(ctx: Context, session_id: uuid.UUID, presented: Presented) -> str | None:
    """Complete a sign-in, or answer a door that asked again: the token of a session in place of this one, or None."""
    return renew_session(ctx, session_id, ctx.now) if present_factor(ctx, session_id, presented) else None


def _accept_code(ctx: Context, code: str) -> uuid.UUID | None:
    keys = rules.code_limits(blind_index("factor", ctx.actor.id.hex).hex())
    if not door.counters.count(keys):
        record(ctx, "factor.throttled", "user", ctx.actor.id)
        return None
    accepted = _accept_app_code(ctx, code) if code.isdigit() else _use_recovery_code(ctx, code)
    if accepted is not None:
        door.counters.forget(*keys)
    return accepted


def _accept_app_code(ctx: Context, code: str) -> uuid.UUID | None:
    """The rows are held until the end: of two posts of one code the second finds its step taken."""
    for factor in queries.list_factors(ctx.actor.id, lock=True):
        if factor.secret is not None:
            step = rules.accepted_step(factor.secret, code, ctx.now, factor.last_step)
            if step is not None:
                factor.last_step, factor.last_used_at = step, ctx.now
                db.session.flush()
                return factor.id
    return None


def _use_recovery_code(ctx: Context, code: str) -> uuid.UUID | None:
    statement = (
        update(RecoveryCode)
        .where(
            RecoveryCode.user_id == ctx.actor.id, RecoveryCode.code_index == _code_index(ctx, code),
            RecoveryCode.used_at.is_(None),
        )
        .values(used_at=ctx.now)
        .returning(RecoveryCode.id)
    )  # fmt: skip
    used = db.session.scalar(statement)
    if used is not None:
        _tell(ctx, "recovery_code.used", FactorChange.CODE_USED, used)
    return used


def begin_authenticator(ctx: Context) -> None:
    """Make the secret of a new app, which counts once a code of it was given. What was begun before is forgotten."""
    require(ctx, Permission.OWN_ACCOUNT)
    db.session.execute(delete(Factor).where(Factor.user_id == ctx.actor.id, Factor.confirmed_at.is_(None)))
    db.session.add(
        Factor(
            id=new_id(), user_id=ctx.actor.id, kind=FactorKind.AUTHENTICATOR.value, name="",
            secret=pyotp.random_base32(), created_at=ctx.now,
        )
    )  # fmt: skip
    db.session.flush()


def begun_authenticator(ctx: Context) -> BegunAuthenticator | None:
    """The app that the actor is setting up, if any."""
    factor = queries.find_begun_authenticator(ctx.actor.id)
    if factor is None or factor.secret is None:
        return None
    app = pyotp.TOTP(factor.secret, interval=rules.STEP_SECONDS)
    login = queries.get_user(ctx.actor.id).login
    return BegunAuthenticator(factor.secret, app.provisioning_uri(name=login, issuer_name=passkeys.NAME))


def confirm_authenticator(ctx: Context, session_id: uuid.UUID, name: str, code: str) -> AddedFactor:
    """Let the app count, its first code being right. Raises Invalid("code_wrong", "code"), Conflict("factor_gone")."""
    require(ctx, Permission.OWN_ACCOUNT)
    factor = queries.find_begun_authenticator(ctx.actor.id)
    if factor is None or factor.secret is None:
        raise Conflict("factor_gone")
    step = rules.accepted_step(factor.secret, rules.normal_code(code), ctx.now, None)
    if step is None:
        raise Invalid("code_wrong", "code")
    factor.name, factor.last_step, factor.confirmed_at, factor.last_used_at = name, step, ctx.now, ctx.now
    return _added(ctx, session_id, factor, FactorChange.AUTHENTICATOR_ADDED)


def add_passkey(ctx: Context, session_id: uuid.UUID, name: str, answer: str) -> AddedFactor:
    """Add the passkey that the browser made at `creation_options`. Raises Invalid as `passkeys.check_new`."""
    require(ctx, Permission.OWN_ACCOUNT)
    made = passkeys.check_new(ctx, session_id, answer)
    factor = Factor(
        id=new_id(), user_id=ctx.actor.id, kind=FactorKind.PASSKEY.value, name=name, credential_id=made.credential_id,
        public_key=made.credential_public_key, sign_count=made.sign_count, created_at=ctx.now, confirmed_at=ctx.now,
        last_used_at=ctx.now,
    )  # fmt: skip
    db.session.add(factor)
    return _added(ctx, session_id, factor, FactorChange.PASSKEY_ADDED)


def _added(ctx: Context, session_id: uuid.UUID, factor: Factor, change: FactorChange) -> AddedFactor:
    db.session.flush()
    first = len(queries.list_factors(ctx.actor.id)) == 1
    _tell(ctx, "factor.added", change, factor.id)
    return AddedFactor(renew_session(ctx, session_id, ctx.now), _new_codes(ctx) if first else ())


def make_recovery_codes(ctx: Context) -> tuple[str, ...]:
    """Ten new codes for the actor, to be shown this once; the old ones end. Raises Conflict without a factor."""
    require(ctx, Permission.OWN_ACCOUNT)
    if not queries.list_factors(ctx.actor.id):
        raise Conflict("factor_missing")
    codes = _new_codes(ctx)
    _tell(ctx, "recovery_code.made", FactorChange.CODES_MADE)
    return codes


def _new_codes(ctx: Context) -> tuple[str, ...]:
    signs = [
        "".join(secrets.choice(_ALPHABET) for _ in range(rules.RECOVERY_SIGNS)) for _ in range(rules.RECOVERY_CODES)
    ]
    _forget_codes(ctx.actor.id)
    rows = [
        {"id": new_id(), "user_id": ctx.actor.id, "code_index": _code_index(ctx, code), "created_at": ctx.now}
        for code in signs
    ]
    db.session.execute(insert(RecoveryCode), rows)
    return tuple("-".join(code[at : at + 4] for at in range(0, len(code), 4)) for code in signs)


def _code_index(ctx: Context, code: str) -> bytes:
    return blind_index("recovery-code", f"{ctx.actor.id.hex}:{code}")


def _forget_codes(user_id: uuid.UUID) -> None:
    db.session.execute(delete(RecoveryCode).where(RecoveryCode.user_id == user_id))


def remove_factor(ctx: Context, factor_id: uuid.UUID) -> None:
    """Take away one of the actor's factors; with the last go the recovery codes.

    Raises NotFound for another's, Conflict where the role needs one, or the password is too short without one.
    """
    require(ctx, Permission.OWN_ACCOUNT)
    found = queries.list_factors(ctx.actor.id, lock=True)
    factor = next((one for one in found if one.id == factor_id), None)
    if factor is None:
        raise NotFound("factor", factor_id)
    row = queries.find_credential_of(ctx.actor.id)
    problem = rules.removal_problem(
        len(found) - 1, needed=ctx.actor.role in door.factor_roles, short_password=row is not None and row.short
    )
    if problem:
        raise Conflict(problem)
    db.session.delete(factor)
    db.session.flush()
    if len(found) == 1:
        _forget_codes(ctx.actor.id)
        db.session.execute(update(UserSession).where(UserSession.user_id == ctx.actor.id).values(factor_at=None))
    _tell(ctx, "factor.removed", FactorChange.REMOVED, factor_id)


def remove_factors(ctx: Context, user_id: uuid.UUID) -> None:
    """The keeper's, for somebody who lost them: every factor and recovery code goes, and every session ends.

    At the next sign-in they set up another where their role needs one; a password too short to stand alone must be
    replaced first, by "Forgotten password". Row security lets no web session do this.
    """
    require(ctx, Permission.USER_EDIT, user_id)
    user = queries.get_user(user_id)
    db.session.execute(delete(Factor).where(Factor.user_id == user_id))
    _forget_codes(user_id)
    open_sessions = UserSession.user_id == user_id, UserSession.ended_at.is_(None)
    db.session.execute(update(UserSession).where(*open_sessions).values(ended_at=ctx.now))
    record(ctx, "factor.all_removed", "user", user_id, centre_id=user.centre_id)
    publish(ctx, FactorChanged(user_id, user.centre_id, FactorChange.ALL_REMOVED.value))


def _tell(ctx: Context, action: str, change: FactorChange, *ids: uuid.UUID) -> None:
    """On record, and on its way to whoever it concerns."""
    record(ctx, action, "factor", *ids)
    assert ctx.actor.centre_id is not None  # a person's own doing
    publish(ctx, FactorChanged(ctx.actor.id, ctx.actor.centre_id, change.value))
