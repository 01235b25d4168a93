"""What happened to a follow-up: ids, enums and times."""

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from helpline.foundation.outbox.publisher import Event


@dataclass(frozen=True, slots=True)
class FollowUpReminded(Event):
    name: ClassVar[str] = "followups.reminded"
    followup_id: uuid.UUID
    case_id: uuid.UUID
    centre_id: uuid.UUID
    kind: str
    due_at: datetime


@dataclass(frozen=True, slots=True)
class FollowUpEscalated(Event):
    name: ClassVar[str] = "followups.escalated"
    followup_id: uuid.UUID
    case_id: uuid.UUID
    centre_id: uuid.UUID
    kind: str
    due_at: datetime


@dataclass(frozen=True, slots=True)
class FollowUpCompleted(Event):
    name: ClassVar[str] = "followups.completed"
    followup_id: uuid.UUID
    case_id: uuid.UUID
    centre_id: uuid.UUID
    kind: str
    outcome: str
