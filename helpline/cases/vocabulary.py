"""The closed lists of words about cases, and the values that reads give."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

CASELOAD_WARNING = 25  # open cases a caseworker (DOMAIN.md); beyond it the pages warn


class CaseStep(StrEnum):
    """Where the work on a case stands: the six steps of case management (Inter-Agency Guidelines, 2014)."""

    REGISTER = "register"
    ASSESS = "assess"
    PLAN = "plan"
    IMPLEMENT = "implement"
    FOLLOW_UP = "follow_up"
    CLOSE = "close"


class CaseStatus(StrEnum):
    OPEN = "open"
    CLOSED = "closed"


class CaseSource(StrEnum):
    """Whether a person opened the case here, or it came in with an old log: those never route, remind or alert."""

    LIVE = "live"
    IMPORTED = "imported"


class NoteKind(StrEnum):
    """What a note tells. Contact and visit count as having reached the child or the family."""

    NOTE = "note"
    CONTACT = "contact"
    VISIT = "visit"
    REASON = "reason"  # why something was done; written with it, never alone


class CloseReason(StrEnum):
    """Why a case ends (DOMAIN.md: closing reasons are a list)."""

    GOALS_MET = "goals_met"
    TRANSFERRED = "transferred"
    MOVED_AWAY = "moved_away"
    AGED_OUT = "aged_out"
    CHILDS_WISH = "childs_wish"
    LOST_CONTACT = "lost_contact"
    DEATH = "death"
    OPENED_IN_ERROR = "opened_in_error"


class ConsentAnswer(StrEnum):
    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


class ConsentBy(StrEnum):
    """Who gave it, or that it was overridden on a stated legal basis."""

    CHILD = "child"
    CAREGIVER = "caregiver"
    OVERRIDE = "override"


class ConsentBasis(StrEnum):
    """The legal basis of an override (CPIMS+: best interest, mandatory report)."""

    BEST_INTEREST = "best_interest"
    MANDATORY_REPORT = "mandatory_report"


class CaseAction(StrEnum):
    """What a case's timeline tells by itself. Upper slices add theirs: `referral.asked`, `followup.completed`."""

    OPENED = "case.opened"
    ASSIGNED = "case.assigned"
    RELEASED = "case.released"  # it was closed to whoever had it
    NOTED = "case.noted"
    NEEDS_SET = "case.needs_set"
    CONSENT_SET = "case.consent_set"
    RISK_CHANGED = "case.risk_changed"
    STEP_CHANGED = "case.step_changed"
    CLOSING_REQUESTED = "case.closing_requested"
    CLOSING_DECLINED = "case.closing_declined"
    CLOSED = "case.closed"
    REOPENED = "case.reopened"


@dataclass(frozen=True, slots=True)
class Origin:
    """What a case takes over from its call and child when it is opened."""

    centre_id: uuid.UUID
    centre_code: str
    risk_clocks: Mapping[str, Mapping[str, int]] | None
    team_id: uuid.UUID | None
    risk_level: str
    risk_reasons: list[dict[str, Any]]
    place_id: uuid.UUID | None
    province_id: uuid.UUID | None
    place_path: list[uuid.UUID] | None
    voided_at: datetime | None
    erased_at: datetime | None
    age: int | None
    gender: str


@dataclass(frozen=True, slots=True)
class RoutingCase:
    """What routing may know of a case: no name, no words. `place_codes` run from the nearest place up; may be empty."""

    id: uuid.UUID
    centre_id: uuid.UUID
    team_id: uuid.UUID
    caseworker_id: uuid.UUID | None
    code: str
    source: str
    status: str
    risk_level: str
    needs: tuple[str, ...]
    consent: dict[str, Any]
    place_ids: tuple[uuid.UUID, ...]
    place_codes: tuple[str, ...]
    child_age: int | None
    child_gender: str
    child_language: str | None


@dataclass(frozen=True, slots=True)
class CaseFilter:
    """Which cases a list shows. `late`: past the clock of assignment or of first response, seen from `now`."""

    status: str | None = CaseStatus.OPEN
    centre_id: uuid.UUID | None = None
    team_ids: tuple[uuid.UUID, ...] = ()
    caseworker_id: uuid.UUID | None = None
    opened_by: uuid.UUID | None = None
    given_to: uuid.UUID | None = None  # theirs, or opened by them and not yet given on
    risk_level: str | None = None
    step: str | None = None
    province_id: uuid.UUID | None = None
    unassigned: bool = False
    assigned: bool = False
    closing_asked: bool = False
    late_at: datetime | None = None
    assignment_late_at: datetime | None = None
    response_late_at: datetime | None = None
    number: int | None = None
    call_id: uuid.UUID | None = None


@dataclass(frozen=True, slots=True)
class CaseRow:
    """A case in a list: nothing sealed."""

    id: uuid.UUID
    version: int
    code: str
    centre_id: uuid.UUID
    team_id: uuid.UUID
    team_name: str
    call_id: uuid.UUID
    child_person_id: uuid.UUID
    risk_level: str
    risk_reasons: list[dict[str, Any]]
    child_age: int | None
    child_gender: str
    place_names: dict[str, str] | None
    province_names: dict[str, str] | None
    step: str
    status: str
    source: str
    opened_at: datetime
    opened_by: uuid.UUID
    caseworker_id: uuid.UUID | None
    caseworker_name: str | None
    assigned_at: datetime | None
    assign_by: datetime
    first_response_by: datetime
    first_response_at: datetime | None
    needs: list[str]
    consent: dict[str, Any]
    closing_requested_at: datetime | None
    closing_reason: str | None
    closed_at: datetime | None
    close_reason: str | None
    erased_at: datetime | None
    erased_why: str | None
    summary: str | None = field(default=None, repr=False)
    consent_why: str | None = field(default=None, repr=False)

    def assignment_late(self, now: datetime) -> bool:
        return self.status == CaseStatus.OPEN and self.caseworker_id is None and self.assign_by < now

    def response_late(self, now: datetime) -> bool:
        return self.status == CaseStatus.OPEN and self.first_response_at is None and self.first_response_by < now


@dataclass(frozen=True, slots=True)
class TimelineRow:
    """A line of the timeline, with its note's words where it has one."""

    id: uuid.UUID
    at: datetime
    actor_id: uuid.UUID
    actor_role: str
    actor_name: str | None
    action: str
    details: dict[str, Any]
    note_kind: str | None
    body: str | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Load:
    """A caseworker and how many open cases they carry."""

    id: uuid.UUID
    name: str
    open_cases: int


@dataclass(frozen=True, slots=True)
class Looks:
    """How often somebody's page or answer showed a case."""

    actor_id: uuid.UUID
    actor_role: str
    actor_name: str | None
    times: int


@dataclass(frozen=True, slots=True)
class ChildRow:
    """A child of a call, and the case that it already has for them."""

    id: uuid.UUID
    age: int | None
    gender: str
    case_id: uuid.UUID | None
    case_code: str | None
    name: str | None = field(repr=False)
