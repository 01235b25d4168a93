"""What goes in."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from helpline.accounts.vocabulary import ApprovalKind
from helpline.foundation.access.permissions import Role


@dataclass(frozen=True, slots=True)
class InviteUser:
    """A new member of staff. `user_id` is minted by the form: inviting twice by one id is one invitation."""

    user_id: uuid.UUID
    name: str
    login: str
    email: str
    role: Role
    locale: str
    team_ids: tuple[uuid.UUID, ...] = ()
    centre_id: uuid.UUID | None = None  # the keeper's to say; for anybody else it is their own
    centre_role_id: uuid.UUID | None = None  # a role of the centre's own, narrower than `role`


@dataclass(frozen=True, slots=True)
class EditUser:
    """What an administrator may change, as it shall stand, and the version it replaces."""

    user_id: uuid.UUID
    version: int
    name: str
    role: Role
    team_ids: tuple[uuid.UUID, ...]
    centre_role_id: uuid.UUID | None = None  # as in InviteUser; None: the role as it is


@dataclass(frozen=True, slots=True)
class SaveRole:
    """A role of a centre's own as it shall stand. `scopes` and `fields`: by code, what is less than in `base`."""

    role_id: uuid.UUID
    base: str
    names: Mapping[str, str]
    scopes: Mapping[str, str]
    fields: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class SaveTeam:
    """A team as it shall stand; `places` are the provinces it covers."""

    team_id: uuid.UUID
    name: str
    places: tuple[uuid.UUID, ...] = ()
    active: bool = True
    centre_id: uuid.UUID | None = None  # as in InviteUser


@dataclass(frozen=True, slots=True)
class SaveCentre:
    """A centre as it shall stand. `code` (letters) begins its case numbers; the first language is the usual one."""

    name: str
    code: str
    timezone: str
    languages: tuple[str, ...]
    phone: str = ""


@dataclass(frozen=True, slots=True)
class CreateToken:
    """An API token for the actor: `scopes` are permissions of their own role."""

    name: str
    scopes: tuple[str, ...]
    days: int


@dataclass(frozen=True, slots=True)
class Ask:
    """What needs two people. `approval_id` is minted by the form: asking twice by one id is asking once.

    `subject_id`: whom of the staff it is about. Without, `detail` says in codes and days which records it is about.
    """

    approval_id: uuid.UUID
    kind: ApprovalKind
    subject_id: uuid.UUID | None
    reason: str = field(repr=False)
    detail: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AskErasure:
    """The erasure of a record. `detail`: what it is and what goes with it, in codes and numbers."""

    approval_id: uuid.UUID
    centre_id: uuid.UUID
    record_id: uuid.UUID
    detail: dict[str, Any]
    reason: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class LinkHolder:
    """Whom a valid link lets choose a password."""

    user_id: uuid.UUID
    centre_id: uuid.UUID
    version: int
    login: str
    words: tuple[str, ...] = field(repr=False)
    second_factor: bool = False


@dataclass(frozen=True, slots=True)
class MadeToken:
    """A new API token: `token` is shown once and kept nowhere."""

    id: uuid.UUID
    name: str
    scopes: tuple[str, ...]
    created_at: datetime
    expires_at: datetime
    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class BegunAuthenticator:
    """An app being set up: its secret (base32) and the same as the address that a QR code carries."""

    secret: str = field(repr=False)
    uri: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class AddedFactor:
    """A factor was added: the browser's new session token; with the first, recovery codes to be shown this once."""

    token: str = field(repr=False)
    codes: tuple[str, ...] = field(default=(), repr=False)
