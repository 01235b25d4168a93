"""The closed lists of words about cases."""

from enum import StrEnum


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


class Service(StrEnum):
    """What a child may need from a partner agency."""

    CHILD_PROTECTION = "child_protection"
    HEALTH = "health"
    POLICE = "police"
    MENTAL_HEALTH = "mental_health"
    SCHOOL = "school"
    LEGAL = "legal"
    SHELTER = "shelter"
    OTHER = "other"


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
    NOTED = "case.noted"
    NEEDS_SET = "case.needs_set"
    CONSENT_SET = "case.consent_set"
    RISK_CHANGED = "case.risk_changed"
    STEP_CHANGED = "case.step_changed"
    CLOSING_REQUESTED = "case.closing_requested"
    CLOSING_DECLINED = "case.closing_declined"
    CLOSED = "case.closed"
    REOPENED = "case.reopened"
