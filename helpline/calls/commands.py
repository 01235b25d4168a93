"""What goes into the use cases of calls."""

import uuid
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from helpline.calls.vocabulary import CallAction, CallChannel, CallKind, DangerAnswers, Direction, Relation, RiskLevel
from helpline.people.commands import PersonDetails


@dataclass(frozen=True, slots=True)
class ToldChild:
    """A child whom the call concerns. `person_id` names one already recorded, when a call is corrected."""

    details: PersonDetails
    person_id: uuid.UUID | None = None


@dataclass(frozen=True, slots=True)
class CallContent:
    """What a call says. Times are aware; left out, they are now (in a correction: as they were).

    `categories`: codes of the taxonomy, the main one first.
    """

    kind: CallKind = CallKind.COUNSELLING
    channel: CallChannel = CallChannel.PHONE
    direction: Direction = Direction.IN
    started_at: datetime | None = None
    ended_at: datetime | None = None
    relation: Relation = Relation.UNKNOWN
    caller: PersonDetails | None = None
    children: tuple[ToldChild, ...] = ()
    place_id: uuid.UUID | None = None
    categories: tuple[str, ...] = ()
    danger: DangerAnswers = field(default_factory=DangerAnswers)
    risk_level: RiskLevel | None = None  # a person's own judgement; None: as the answers say
    risk_reason: str | None = field(default=None, repr=False)  # why it was judged otherwise
    actions: tuple[CallAction, ...] = ()
    narrative: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class LogCall:
    """A call to be recorded. Whoever posts mints `call_id` (UUIDv7): posting twice makes one call."""

    call_id: uuid.UUID
    content: CallContent


@dataclass(frozen=True, slots=True)
class CorrectCall:
    """A call as it should have been recorded. `version` is the one that was read."""

    call_id: uuid.UUID
    version: int
    content: CallContent
    reason: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class SaveDraft:
    """What a form holds so far. `base`: when the draft it goes on from was saved; None: there was none."""

    call_id: uuid.UUID
    fields: Any = field(repr=False)
    base: str | None = None
