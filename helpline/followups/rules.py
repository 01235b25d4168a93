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
from helpline.followups.vocabulary import FollowUpKind
from helpline.foundation.calendar import (
    WorkingTime,
    add_working_time,
    last_allowed,
    last_working_moment,
    next_allowed,
    utc,
)

_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)
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
