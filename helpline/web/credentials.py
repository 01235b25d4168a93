"""Ports through which the door learns who knocks. `app.py` wires them to the slices that keep the credentials."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from flask_login import UserMixin

from helpline.foundation.context import Actor, Channel


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
    locale: str = "en"
    timezone: str = "Asia/Phnom_Penh"
    theme: str = ""
    override: Override | None = None
    locked: bool = False  # idle too long: signed in, but only to unlock

    def get_id(self) -> str:
        """Flask-Login keeps this, not the user's id, in the cookie: ending the session row ends the sign-in."""
        return self.token


Identify = Callable[[str], SignedIn | None]


@dataclass
class Ports:
    """Each takes what was presented and gives who it is, or None. All run inside the request's unit of work."""

    session: Identify = lambda _token: None
    api_token: Identify = lambda _token: None
    portal_link: Identify = lambda _token: None
    lock_link: Identify = lambda _token: None


ports = Ports()
