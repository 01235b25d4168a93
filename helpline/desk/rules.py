"""What a case needs next, and in which list of My work a thing stands: pure decisions."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from zoneinfo import ZoneInfo

from helpline.cases.vocabulary import CaseStatus, CaseStep
from helpline.foundation.calendar import local_day

_ORDER = list(CaseStep)


class NextCode(StrEnum):
    """The one thing to do next; each has its sentence and its button on the case's page."""

    ASSIGN = "assign"
    WAIT_ASSIGNMENT = "wait_assignment"
    DECIDE_CLOSING = "decide_closing"
    WAIT_CLOSING = "wait_closing"
    FIRST_CONTACT = "first_contact"
    CHOOSE_AGENCY = "choose_agency"
    FOLLOW_UP = "follow_up"
    STEP = "step"
    CLOSE = "close"
    KEEP_CONTACT = "keep_contact"
    REOPEN = "reopen"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a case stands, and what the reader may do about it."""

    status: str
    step: str
    has_caseworker: bool
    assign_by: datetime
    first_response_by: datetime
    first_response_at: datetime | None
    closing_asked: bool
    open_obligations: int
    exhausted: int = 0  # referrals for which nobody is left to ask
    followup_due: datetime | None = None  # the soonest open follow-up
    may_assign: bool = False
    may_update: bool = False
    may_decide: bool = False  # closing, without asking
    may_close: bool = False


@dataclass(frozen=True, slots=True)
class Next:
    """What comes next and by when."""

    code: NextCode
    due_at: datetime | None = None
    step: CaseStep | None = None


def next_for(case: Standing, now: datetime, zone: ZoneInfo) -> Next:
    """The most pressing thing that stands open: who has it, the first contact, an agency, a date, then the steps."""
    if case.status == CaseStatus.CLOSED:
        return Next(NextCode.REOPEN if case.may_close else NextCode.NOTHING)
    pressing = _waiting(case) or _pressing(case, now, zone)
    if pressing is not None:
        return pressing
    if not case.may_update:
        return Next(NextCode.NOTHING, case.followup_due)
    step = CaseStep(case.step)
    if step is not CaseStep.FOLLOW_UP:
        return Next(NextCode.STEP, case.followup_due, _ORDER[_ORDER.index(step) + 1])
    if case.may_close and not case.open_obligations:
        return Next(NextCode.CLOSE)
    return Next(NextCode.KEEP_CONTACT, case.followup_due)


def _waiting(case: Standing) -> Next | None:
    if not case.has_caseworker:
        return Next(NextCode.ASSIGN if case.may_assign else NextCode.WAIT_ASSIGNMENT, case.assign_by)
    if case.closing_asked:
        return Next(NextCode.DECIDE_CLOSING if case.may_decide else NextCode.WAIT_CLOSING)
    return None


def _pressing(case: Standing, now: datetime, zone: ZoneInfo) -> Next | None:
    if case.first_response_at is None and case.may_update:
        return Next(NextCode.FIRST_CONTACT, case.first_response_by)
    if case.exhausted and case.may_assign:
        return Next(NextCode.CHOOSE_AGENCY)
    if case.followup_due is not None and case.may_update and is_due(case.followup_due, now, zone):
        return Next(NextCode.FOLLOW_UP, case.followup_due)
    return None


def is_due(due: datetime, now: datetime, zone: ZoneInfo) -> bool:
    """Late, or to be done today."""
    return due <= now or local_day(due, zone) == local_day(now, zone)


class WorkList(StrEnum):
    """The three lists of My work."""

    OVERDUE = "overdue"
    TODAY = "today"
    WAITING = "waiting"


def list_for(due: datetime, now: datetime) -> WorkList:
    """Where a thing to be done stands that is due by the end of today."""
    return WorkList.OVERDUE if due < now else WorkList.TODAY
