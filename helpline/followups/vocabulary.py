"""The closed lists of words about follow-ups, and the values that reads give."""

import uuid
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class FollowUpKind(StrEnum):
    """What is to be done by the due time. The first four are planned by the service, the others by hand."""

    ASSIGNMENT = "assignment"
    FIRST_RESPONSE = "first_response"
    CONTACT = "contact"
    REVIEW = "review"
    VISIT = "visit"
    CALL = "call"
    OTHER = "other"


class FollowUpState(StrEnum):
    PLANNED = "planned"
    DONE = "done"
    CANCELLED = "cancelled"


class Outcome(StrEnum):
    """What came of it. Reached, not reached, refused: the child or the family; done: work without them."""

    REACHED = "reached"
    NOT_REACHED = "not_reached"
    REFUSED = "refused"
    DONE = "done"


class ListState(StrEnum):
    """Which follow-ups a list shows."""

    OPEN = "open"
    OVERDUE = "overdue"
    ESCALATED = "escalated"
    DONE = "done"
    CANCELLED = "cancelled"
    ALL = "all"


K = FollowUpKind
BY_HAND = (K.VISIT, K.CALL, K.OTHER)
# The clocks of the case itself: kept by its risk, never moved by whoever is late.
CLOCKS = (K.ASSIGNMENT, K.FIRST_RESPONSE)
REGULAR = (K.CONTACT, K.REVIEW)
# To be settled before the case closes; the rhythm goes on for ever and ends with the case.
PROMISES = (K.FIRST_RESPONSE, *BY_HAND)
WITH_FAMILY = (K.FIRST_RESPONSE, K.CONTACT, K.VISIT, K.CALL)


@dataclass(frozen=True, slots=True)
class FollowUpFilter:
    """Which follow-ups a list shows. `theirs`: of cases given to this person or opened by them."""

    state: ListState = ListState.OPEN
    now: datetime | None = None  # what "overdue" is seen from
    centre_id: uuid.UUID | None = None
    team_ids: tuple[uuid.UUID, ...] = ()
    theirs: uuid.UUID | None = None
    opened_by: uuid.UUID | None = None
    caseworker_id: uuid.UUID | None = None
    case_id: uuid.UUID | None = None
    kind: str | None = None
    risk_level: str | None = None
    due_before: datetime | None = None


@dataclass(frozen=True, slots=True)
class FollowUpRow:
    """A follow-up with what its list shows of its case; sealed words only where one is read by itself."""

    id: uuid.UUID
    version: int
    case_id: uuid.UUID
    case_code: str
    centre_id: uuid.UUID
    team_id: uuid.UUID
    caseworker_id: uuid.UUID | None
    caseworker_name: str | None
    kind: str
    risk_level: str
    due_at: datetime
    state: str
    reminded_at: datetime | None
    escalated_at: datetime | None
    done_at: datetime | None
    done_by: uuid.UUID | None
    outcome: str | None
    created_at: datetime
    task: str | None = field(default=None, repr=False)
    note: str | None = field(default=None, repr=False)
    reason: str | None = field(default=None, repr=False)

    def overdue(self, now: datetime) -> bool:
        return self.state == FollowUpState.PLANNED and self.due_at < now


@dataclass(frozen=True, slots=True)
class PlanCase:
    """What planning may know of a case: clocks and people, no words."""

    id: uuid.UUID
    code: str
    centre_id: uuid.UUID
    team_id: uuid.UUID
    caseworker_id: uuid.UUID | None
    assigned_at: datetime | None
    source: str
    status: str
    risk_level: str
    opened_at: datetime
    assign_by: datetime
    first_response_by: datetime
    first_response_at: datetime | None
    country: str
    timezone: str
