"""When a case must be looked after: first response, regular contact, review, reminders and escalation.

Source: DOMAIN.md, "Managing a case" (first response and assignment as in national practice and Primero's defaults,
rhythm weekly / two weeks / monthly, review every three months), all configurable. The daily rhythm of immediate risk,
the lead of reminders and the patience before escalation are this project's own choice, configurable too.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from types import MappingProxyType
from zoneinfo import ZoneInfo

from helpline.calls.rules import NATIONAL_PRACTICE as RISK_PRACTICE
from helpline.calls.vocabulary import RiskLevel
from helpline.followups.vocabulary import WITH_FAMILY, FollowUpKind, Outcome
from helpline.foundation.calendar import (
    WorkingTime,
    add_working_time,
    last_allowed,
    last_working_moment,
    next_allowed,
    utc,
)
from helpline.foundation.errors import Conflict, Invalid

_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)
LATEST = 92 * _DAY  # nothing is put off beyond the longest time between reviews
Lengths = Mapping[RiskLevel, timedelta]


def _by_risk(immediate: timedelta, high: timedelta, medium: timedelta, low: timedelta) -> Lengths:
    return MappingProxyType(
        {RiskLevel.IMMEDIATE: immediate, RiskLevel.HIGH: high, RiskLevel.MEDIUM: medium, RiskLevel.LOW: low}
    )


@dataclass(frozen=True, slots=True)
class FollowUpPolicy:
    """What a helpline may set for itself, by risk."""

    assign: Lengths = field(default_factory=lambda: _by_risk(_HOUR, _HOUR, 3 * _HOUR, 3 * _HOUR))
    first_response: Lengths = field(default_factory=lambda: RISK_PRACTICE.first_response)
    rhythm: Lengths = field(default_factory=lambda: _by_risk(_DAY, 7 * _DAY, 14 * _DAY, 30 * _DAY))
    review: timedelta = 90 * _DAY
    remind_before: Lengths = field(default_factory=lambda: _by_risk(_HOUR / 2, 4 * _HOUR, _DAY, _DAY))
    escalate_after: Lengths = field(default_factory=lambda: _by_risk(_HOUR / 4, 2 * _HOUR, _DAY, 3 * _DAY))
    try_again: Lengths = field(default_factory=lambda: _by_risk(_HOUR, 8 * _HOUR, 2 * _DAY, 5 * _DAY))


NATIONAL_PRACTICE = FollowUpPolicy()


@dataclass(frozen=True, slots=True)
class QuietHours:
    """Local hours in which nobody is written to, but for immediate danger. Equal times mean none."""

    begins: time = time(21)
    ends: time = time(7)


@dataclass(frozen=True, slots=True)
class Planned:
    """One thing to be done by an instant (UTC)."""

    kind: FollowUpKind
    due_at: datetime


def plan_followups(
    risk: RiskLevel, opened_at: datetime, working: WorkingTime, policy: FollowUpPolicy = NATIONAL_PRACTICE
) -> tuple[Planned, ...]:
    """What a case opened now needs, soonest first: assignment, first response, first regular contact, review."""
    opened = utc(opened_at)
    plan = [
        Planned(FollowUpKind.ASSIGNMENT, opened + policy.assign[risk]),
        Planned(FollowUpKind.FIRST_RESPONSE, _fit(risk, opened, policy.first_response[risk], working)),
        Planned(FollowUpKind.CONTACT, next_due(risk, opened, working, policy)),
        Planned(FollowUpKind.REVIEW, review_due(opened, working, policy)),
    ]
    return tuple(sorted(plan, key=lambda planned: planned.due_at))


def next_due(
    risk: RiskLevel, contacted_at: datetime, working: WorkingTime, policy: FollowUpPolicy = NATIONAL_PRACTICE
) -> datetime:
    """When the next regular contact is due, counted from the last one."""
    return _fit(risk, utc(contacted_at), policy.rhythm[risk], working)


def review_due(reviewed_at: datetime, working: WorkingTime, policy: FollowUpPolicy = NATIONAL_PRACTICE) -> datetime:
    """When the next review is due: never later than the policy's length after the last (or the opening)."""
    return _fit(RiskLevel.MEDIUM, utc(reviewed_at), policy.review, working)


def retry_due(
    risk: RiskLevel, tried_at: datetime, working: WorkingTime, policy: FollowUpPolicy = NATIONAL_PRACTICE
) -> datetime:
    """When to try again after the child or the family was not reached."""
    return _fit(risk, utc(tried_at), policy.try_again[risk], working)


def moved_due(
    running: datetime,
    former: RiskLevel,
    risk: RiskLevel,
    *,
    contacted_at: datetime,
    now: datetime,
    working: WorkingTime,
) -> datetime:
    """The next regular contact after the risk was judged anew.

    A higher risk counts from now and never gives more time than there was; a lower one counts from the last contact
    and never gives less.
    """
    if risk.severity > former.severity:
        return min(running, next_due(risk, now, working))
    return max(running, next_due(risk, contacted_at, working))


def mail_at(now: datetime, risk: RiskLevel, quiet: QuietHours, tz: ZoneInfo) -> datetime:
    """When a mail may leave: at once for immediate and high risk, else not in the recipient's quiet hours."""
    if risk.severity >= RiskLevel.HIGH.severity:
        return utc(now)
    return next_allowed(now, quiet.begins, quiet.ends, tz)


def check_due(due_at: datetime, now: datetime, field: str) -> None:
    """Raise Invalid("date_past" | "date_far") unless it lies ahead, and no later than a review would."""
    if due_at <= now:
        raise Invalid("date_past", field)
    if due_at > now + LATEST:
        raise Invalid("date_far", field)


def check_outcome(kind: FollowUpKind, outcome: Outcome) -> None:
    """Raise Conflict("followup_assignment") for what assigning settles, Invalid("outcome_unfit") for a wrong word."""
    if kind is FollowUpKind.ASSIGNMENT:
        raise Conflict("followup_assignment")
    if (kind in WITH_FAMILY) is (outcome is Outcome.DONE):
        raise Invalid("outcome_unfit", "outcome")


def escalation_at(due: datetime, risk: RiskLevel, policy: FollowUpPolicy = NATIONAL_PRACTICE) -> datetime:
    """When what is still undone goes to the supervisor: in real hours after it was due."""
    return utc(due) + policy.escalate_after[risk]


def reminder_at(
    due: datetime,
    planned_at: datetime,
    risk: RiskLevel,
    quiet: QuietHours,
    tz: ZoneInfo,
    *,
    policy: FollowUpPolicy = NATIONAL_PRACTICE,
) -> datetime:
    """When to remind: ahead of the due time, outside quiet hours, never after it was due nor before it was planned.

    If the quiet hours would outlast the due time, the reminder goes out before they begin; what is planned too late
    for that is said at once. Immediate danger knows no quiet hours.
    """
    planned, wanted = utc(planned_at), utc(due) - policy.remind_before[risk]
    moment = max(wanted, planned)
    if risk is RiskLevel.IMMEDIATE:
        return moment
    allowed = next_allowed(moment, quiet.begins, quiet.ends, tz)
    if allowed <= max(utc(due), planned):
        return allowed
    return max(last_allowed(moment, quiet.begins, quiet.ends, tz), planned)


def _fit(risk: RiskLevel, since: datetime, length: timedelta, working: WorkingTime) -> datetime:
    """`since` + `length`, moved into working time: later for low risk, else earlier, and never to before `since`.

    Immediate and high risk keep to the clock when less than two days are given: the helpline never closes.
    """
    due = since + length
    if risk is RiskLevel.LOW:
        return add_working_time(due, timedelta(), working)
    if length < 2 * _DAY:
        return due
    earlier = last_working_moment(due, working)
    return earlier if earlier > since else due
