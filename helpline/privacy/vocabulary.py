"""The closed lists of words about who may see a case, and the values that reads give."""

import uuid
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class ClosingKind(StrEnum):
    """What was decided about somebody and a case."""

    CLOSED_TO = "closed_to"
    PARTY = "party"  # they, or their household, are part of the story
    LIFTED = "lifted"


class Relation(StrEnum):
    """Who of the person concerned is a party."""

    SELF = "self"
    HOUSEHOLD = "household"


class Outcome(StrEnum):
    """What the review of an override found."""

    JUSTIFIED = "justified"
    NOT_JUSTIFIED = "not_justified"
    FOLLOW_UP = "follow_up"


class Why(StrEnum):
    """Why somebody sees a case."""

    CASEWORKER = "caseworker"
    OPENED = "opened"
    TEAM = "team"
    CENTRE = "centre"
    SHARED = "shared"
    BREAK_GLASS = "break_glass"
    REFERRAL = "referral"


@dataclass(frozen=True, slots=True)
class Seer:
    """Somebody who sees a case, or an agency that holds a link to it. `names`: an agency's, by language."""

    id: uuid.UUID
    name: str
    role: str
    why: Why
    until_at: datetime | None = None
    names: dict[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Shut:
    """Somebody, or an agency, to whom a case is closed. `reason` is not there where it was said at the opening."""

    principal_id: uuid.UUID
    name: str
    role: str
    kind: str
    since: datetime
    relation: str | None
    names: dict[str, str] | None = None
    reason: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class OverrideRow:
    """One breaking of the glass and its review."""

    id: uuid.UUID
    case_id: uuid.UUID
    case_code: str
    user_id: uuid.UUID
    user_name: str
    opened_at: datetime
    until_at: datetime
    ended_at: datetime | None
    review_by: datetime
    reviewed_at: datetime | None
    reviewed_by_name: str | None
    outcome: str | None
    reason: str | None = field(default=None, repr=False)
    note: str | None = field(default=None, repr=False)
