"""What comes out."""

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from helpline.foundation.outbox.publisher import Event


@dataclass(frozen=True, slots=True)
class UserInvited(Event):
    """Somebody is to choose their first password. `version` is their credential's; the link dies when it moves."""

    name: ClassVar[str] = "accounts.user_invited"
    user_id: uuid.UUID
    centre_id: uuid.UUID
    version: int
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class PasswordResetRequested(Event):
    """Somebody forgot their password, or a stranger says so."""

    name: ClassVar[str] = "accounts.password_reset_requested"
    user_id: uuid.UUID
    centre_id: uuid.UUID
    version: int
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class PasswordResetUnmet(Event):
    """A link was asked for nobody who may have one: written so that asking takes as long, and leads to nothing."""

    name: ClassVar[str] = "accounts.password_reset_unmet"


@dataclass(frozen=True, slots=True)
class UserDeactivated(Event):
    """A member of staff left: what is theirs needs somebody else."""

    name: ClassVar[str] = "accounts.user_deactivated"
    user_id: uuid.UUID
    centre_id: uuid.UUID


@dataclass(frozen=True, slots=True)
class FactorChanged(Event):
    """Somebody's second factor or recovery codes changed: they are told, so that a stranger's doing is noticed."""

    name: ClassVar[str] = "accounts.factor_changed"
    user_id: uuid.UUID
    centre_id: uuid.UUID
    change: str


@dataclass(frozen=True, slots=True)
class ApprovalMoved(Event):
    """Something that needs two people was asked for, decided, stopped or done.

    `subject_id`: whom it is about, where it is about somebody.
    """

    name: ClassVar[str] = "accounts.approval_moved"
    approval_id: uuid.UUID
    centre_id: uuid.UUID
    kind: str
    subject_id: uuid.UUID | None
    requested_by: uuid.UUID
    state: str
    not_before: datetime | None = None
