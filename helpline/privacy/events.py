"""What comes out: ids and times."""

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from helpline.foundation.outbox.publisher import Event


@dataclass(frozen=True, slots=True)
class CaseShut(Event):
    """A case was closed to somebody. `principal_id`: a user or an agency."""

    name: ClassVar[str] = "privacy.case_shut"
    case_id: uuid.UUID
    centre_id: uuid.UUID
    principal_id: uuid.UUID


@dataclass(frozen=True, slots=True)
class GlassBroken(Event):
    """Somebody sees a case by an override until then: its supervisors are told at once."""

    name: ClassVar[str] = "privacy.glass_broken"
    override_id: uuid.UUID
    case_id: uuid.UUID
    centre_id: uuid.UUID
    user_id: uuid.UUID
    until_at: datetime
