"""What counts as unusual reading: pure, on roles, times and numbers.

The numbers are ours, set well above a busy day of each role: an operator takes some hundred calls in a long shift, a
caseworker holds 25 cases, a supervisor answers for six caseworkers. There is no rota yet to tell who is on duty:
operators work at night as a matter of course, so only the others are asked about it, and only from several records
on, since one emergency is no habit.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from helpline.foundation.access.permissions import FieldGroup, Role
from helpline.foundation.calendar import at_local, day_bounds, local_day
from helpline.oversight.vocabulary import AlertKind

# What makes a reading one of a child's record, not of a list of dates.
TELLING = (FieldGroup.STORY, FieldGroup.CHILD_IDENTITY, FieldGroup.CONTACT, FieldGroup.ALLEGED_PERPETRATOR)
FEW = 10  # records in one answer: they were opened; more are a list gone through


@dataclass(frozen=True, slots=True)
class Limit:
    """How many records may be opened, and how many seen in lists, before somebody should ask."""

    opened: int
    listed: int


_DESK = {AlertKind.MANY_IN_HOUR: Limit(40, 400), AlertKind.MANY_IN_DAY: Limit(150, 1500)}
_LEADING = {AlertKind.MANY_IN_HOUR: Limit(80, 800), AlertKind.MANY_IN_DAY: Limit(300, 3000)}
_AT_NIGHT = {AlertKind.AT_NIGHT: Limit(4, 200)}
LIMITS: Mapping[str, Mapping[AlertKind, Limit]] = {
    Role.OPERATOR: _DESK,
    Role.CASEWORKER: _DESK | _AT_NIGHT,
    Role.TEAM_SUPERVISOR: _LEADING | _AT_NIGHT,
    Role.SUPERVISOR: _LEADING | _AT_NIGHT,
}
NIGHT_FROM, NIGHT_TO = time(22), time(5)


@dataclass(frozen=True, slots=True)
class Window:
    """The time over which the records of one person are counted. An alert is raised once a window."""

    kind: AlertKind
    from_at: datetime
    until_at: datetime


def windows(role: str, at: datetime, zone: ZoneInfo) -> list[Window]:
    """The windows of the role's limits that an instant falls in: its hour, its day, its night (local time)."""
    limits = LIMITS.get(role, {})
    found = {
        AlertKind.MANY_IN_HOUR: _hour(at), AlertKind.MANY_IN_DAY: day_bounds(local_day(at, zone), zone),
        AlertKind.AT_NIGHT: _night(at, zone),
    }  # fmt: skip
    return [Window(kind, *span) for kind, span in found.items() if kind in limits and span is not None]


def unusual(role: str, kind: AlertKind, opened: int, listed: int) -> bool:
    """Whether so many records opened, or so many seen in lists, are more than the role's work asks for."""
    limit = LIMITS.get(role, {}).get(kind)
    return limit is not None and (opened > limit.opened or listed > limit.listed)


def _hour(at: datetime) -> tuple[datetime, datetime]:
    start = at.replace(minute=0, second=0, microsecond=0)
    return start, start + timedelta(hours=1)


def _night(at: datetime, zone: ZoneInfo) -> tuple[datetime, datetime] | None:
    day, clock = local_day(at, zone), at.astimezone(zone).time()
    if NIGHT_TO <= clock < NIGHT_FROM:
        return None
    evening = day if clock >= NIGHT_FROM else day - timedelta(days=1)
    return at_local(evening, NIGHT_FROM, zone), at_local(evening + timedelta(days=1), NIGHT_TO, zone)
