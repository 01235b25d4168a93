"""What is asked, where it takes more than a handful of values."""

import uuid
from dataclasses import dataclass, field
from datetime import datetime

from helpline.retention.vocabulary import RuleKind, Why


@dataclass(frozen=True, slots=True)
class SetRule:
    """How long this kind is kept from now on. `version`: of the rule as it was read, 0 where nobody had changed it."""

    kind: RuleKind
    months: int
    version: int


@dataclass(frozen=True, slots=True)
class SetHold:
    """Keep a record whatever the rules say. `hold_id` is the form's: the same twice is once."""

    hold_id: uuid.UUID
    record_id: uuid.UUID
    reason: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Keep:
    """Keep what is due until then."""

    record_id: uuid.UUID
    until: datetime
    reason: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Propose:
    """Ask that a record be erased. `approval_id` is the form's: asking twice by one id is asking once."""

    approval_id: uuid.UUID
    record_id: uuid.UUID
    why: Why
    reason: str = field(repr=False)
