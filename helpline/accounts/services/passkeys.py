"""Passkeys (WebAuthn level 2, by py_webauthn): what the browser is asked, and whether its answer is right.

A challenge stands in the session's row, is good for one answer, and dies after five minutes.
"""

import secrets
import uuid

from sqlalchemy import select
from webauthn import (
    generate_authentication_options,
    generate_registration_options,
    options_to_json,
    verify_authentication_response,
    verify_registration_response,
)
from webauthn.helpers import parse_authentication_credential_json
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)
from webauthn.registration.verify_registration_response import VerifiedRegistration

from helpline.accounts import queries, rules
from helpline.accounts.models import Factor, UserSession
from helpline.accounts.services.sessions import door
from helpline.accounts.vocabulary import FactorKind
from helpline.foundation.context import Context
from helpline.foundation.db import db
from helpline.foundation.errors import Invalid, NotFound

NAME = "Helpline"
LARGEST = 20_000  # characters of an answer; real ones have some hundreds
_SELECTION = AuthenticatorSelectionCriteria(
    resident_key=ResidentKeyRequirement.PREFERRED, user_verification=UserVerificationRequirement.PREFERRED
)
_UNFIT = (WebAuthnException, ValueError, TypeError, KeyError)  # what the library says of an answer that is none


def creation_options(ctx: Context, session_id: uuid.UUID) -> str:
    """What the browser is to make a passkey of the actor's by, as JSON. Raises Invalid where there can be none."""
    party, user = _party(), queries.get_user(ctx.actor.id)
    options = generate_registration_options(
        rp_id=party.id, rp_name=NAME, user_id=user.id.bytes, user_name=user.login, user_display_name=user.name,
        challenge=_new_challenge(ctx, session_id), authenticator_selection=_SELECTION,
        exclude_credentials=_descriptors(_passkeys(ctx)),
    )  # fmt: skip
    return options_to_json(options)


def request_options(ctx: Context, session_id: uuid.UUID, passkeys: list[Factor]) -> str:
    """What the browser is to ask one of these passkeys, as JSON."""
    options = generate_authentication_options(
        rp_id=_party().id, challenge=_new_challenge(ctx, session_id), allow_credentials=_descriptors(passkeys),
        user_verification=UserVerificationRequirement.PREFERRED,
    )  # fmt: skip
    return options_to_json(options)


def check_new(ctx: Context, session_id: uuid.UUID, answer: str) -> VerifiedRegistration:
    """The passkey that the browser made. Raises Invalid("passkey_refused", "passkey")."""
    party, challenge = _party(), _take_challenge(ctx, session_id)
    if challenge is None or len(answer) > LARGEST:
        raise Invalid("passkey_refused", "passkey")
    try:
        return verify_registration_response(
            credential=answer, expected_challenge=challenge, expected_rp_id=party.id, expected_origin=party.origin
        )
    except _UNFIT:
        raise Invalid("passkey_refused", "passkey") from None


def accept_answer(ctx: Context, session_id: uuid.UUID, answer: str) -> uuid.UUID | None:
    """The passkey of the actor's that signed the session's challenge; None if none did."""
    challenge, party = _take_challenge(ctx, session_id), door.party
    if challenge is None or party is None or len(answer) > LARGEST:
        return None
    try:
        credential = parse_authentication_credential_json(answer)
        passkey = next((one for one in _passkeys(ctx, lock=True) if one.credential_id == credential.raw_id), None)
        if passkey is None:
            return None
        verified = verify_authentication_response(
            credential=credential, expected_challenge=challenge, expected_rp_id=party.id,
            expected_origin=party.origin, credential_public_key=passkey.public_key or b"",
            credential_current_sign_count=passkey.sign_count or 0,
        )  # fmt: skip
    except _UNFIT:
        return None
    passkey.sign_count, passkey.last_used_at = verified.new_sign_count, ctx.now
    return passkey.id


def _party() -> rules.RelyingParty:
    if door.party is None:
        raise Invalid("passkeys_need_a_name")
    return door.party


def _passkeys(ctx: Context, *, lock: bool = False) -> list[Factor]:
    found = queries.list_factors(ctx.actor.id, lock=lock)
    return [factor for factor in found if factor.kind == FactorKind.PASSKEY]


def _descriptors(passkeys: list[Factor]) -> list[PublicKeyCredentialDescriptor]:
    return [PublicKeyCredentialDescriptor(id=one.credential_id) for one in passkeys if one.credential_id]


def _session(ctx: Context, session_id: uuid.UUID) -> UserSession:
    """The actor's session, its row held: of two answers to one challenge the second finds none."""
    statement = select(UserSession).where(UserSession.id == session_id, UserSession.user_id == ctx.actor.id)
    found = db.session.scalars(statement.with_for_update().execution_options(populate_existing=True)).first()
    if found is None:
        raise NotFound("session", session_id)
    return found


def _new_challenge(ctx: Context, session_id: uuid.UUID) -> bytes:
    session = _session(ctx, session_id)
    session.challenge, session.challenge_at = secrets.token_bytes(32), ctx.now
    return session.challenge


def _take_challenge(ctx: Context, session_id: uuid.UUID) -> bytes | None:
    session = _session(ctx, session_id)
    challenge, at = session.challenge, session.challenge_at
    session.challenge = session.challenge_at = None
    db.session.flush()
    return challenge if at is not None and ctx.now - at < rules.CHALLENGE_LIVES else None
