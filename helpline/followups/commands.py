"""What goes in."""

import uuid
from dataclasses import dataclass, field
from datetime import datetime

from helpline.followups.vocabulary import FollowUpKind, Outcome


@dataclass(frozen=True, slots=True)
class AddFollowUp:
    """Plan one by hand. `followup_id` is the form's: posting twice makes one. `task` is kept sealed."""

    followup_id: uuid.UUID
    case_id: uuid.UUID
    kind: FollowUpKind
    due_at: datetime
    task: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class CompleteFollowUp:
    """What came of it. `note` is kept sealed; `next_due_at` None lets the rhythm decide."""

    followup_id: uuid.UUID
    version: int
    outcome: Outcome
    note: str = field(repr=False)
    next_due_at: datetime | None = None
