"""Ports through which the door learns who knocks. `app.py` wires them to the slices that keep the credentials."""

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from flask_login import UserMixin

from helpline.foundation.context import Actor, Channel, Context

FRESH_FOR = timedelta(minutes=10)  # how long a presented factor answers for what matters


class FactorState(StrEnum):
    """How a session stands with its owner's second factor."""

    NONE = "none"  # they have none, and need none
    MISSING = "missing"  # they have none, and their role needs one
    PENDING = "pending"  # it was not yet presented in this session
    GIVEN = "given"


@dataclass(frozen=True, slots=True)
class Override:
    """The emergency override by which somebody sees one case more, until then (privacy's break-glass)."""

    id: uuid.UUID
    case_id: uuid.UUID
    code: str
    until_at: datetime


@dataclass(frozen=True)
class SignedIn(UserMixin):  # type: ignore[misc]  # Flask-Login ships no types
    """Someone whose credential still counts, as the door needs to know them."""

    actor: Actor
    channel: Channel
    token: str = field(repr=False, default="")  # what the browser's session cookie carries; empty for API tokens
    session_id: uuid.UUID | None = None
    name: str = ""
    role_names: Mapping[str, str] = field(default_factory=dict)  # of a role of the centre's own, by language
    locale: str = "en"
    timezone: str = "Asia/Phnom_Penh"
    theme: str = ""
    override: Override | None = None
    locked: bool = False  # idle too long: signed in, but only to unlock
    factor: FactorState = FactorState.NONE
    factor_at: datetime | None = None  # when the second factor was last presented in this session

    @property
    def entered(self) -> bool:
        """Nothing of the sign-in is left to do."""
        return self.factor in {FactorState.NONE, FactorState.GIVEN}

    def fresh(self, now: datetime) -> bool:
        """Whether the factor was presented just now. Never so for an API token."""
        return self.factor_at is not None and now - self.factor_at < FRESH_FOR

    def get_id(self) -> str:
        """Flask-Login keeps this, not the user's id, in the cookie: ending the session row ends the sign-in."""
        return self.token


@dataclass(frozen=True, slots=True)
class FactorChoice:
    """How somebody can present a factor here: by code; by passkey (`passkey`: the browser's options, as JSON).

    `elsewhere`: the origin at which their passkeys work, where that is not this one.
    """

    code: bool = False
    passkey: str = ""
    elsewhere: str = ""


@dataclass(frozen=True, slots=True)
class Presented:
    """What a form brought as a second factor: a code of an app or for recovery, or a passkey's answer as JSON."""

    code: str = field(default="", repr=False)
    passkey: str = field(default="", repr=False)


Identify = Callable[[str], SignedIn | None]


@dataclass
class Ports:
    """Each takes what was presented and gives who it is, or None. All run inside the request's unit of work.

    `factor_choice(ctx, session_id, origin)`: how this session's owner can present a factor; `present_factor(ctx,
    session_id, presented)`: the token of the session that goes on in place of this one if that was it, else None.
    """

    session: Identify = lambda _token: None
    api_token: Identify = lambda _token: None
    portal_link: Identify = lambda _token: None
    lock_link: Identify = lambda _token: None
    factor_choice: Callable[[Context, uuid.UUID, str], FactorChoice] = lambda *_: FactorChoice()
    present_factor: Callable[[Context, uuid.UUID, Presented], str | None] = lambda *_: None


ports = Ports()
