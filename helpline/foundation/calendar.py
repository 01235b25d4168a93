"""Pure arithmetic on time: working time, quiet hours, opening hours, local days and months.

Instants go in aware and come out in UTC; a naive one raises ValueError. Days, hours and holidays are local to the
time zone that is passed in, and all comparing and adding is done in UTC, so that a change of the clocks neither
loses nor doubles an hour. A local time that a change of the clocks skips means the instant the clocks moved on by.
Weekdays count from Monday = 0. Holidays are data: decreed yearly, kept by `reference`.
"""

from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

DAY = timedelta(days=1)
_HORIZON = 400  # days looked ahead for something to open; beyond it, it is closed for good


@dataclass(frozen=True, slots=True)
class WorkingTime:
    """When work counts: the days of the week, one span of local hours, less the holidays."""

    tz: ZoneInfo
    days: frozenset[int] = frozenset(range(5))
    start: time = time(8)
    end: time = time(17)
    holidays: frozenset[date] = frozenset()

    def __post_init__(self) -> None:
        if not self.days <= set(range(7)) or not self.days or self.start >= self.end:
            raise ValueError("working time needs days 0 to 6 and a start before its end")

    def is_working_day(self, day: date) -> bool:
        """Whether work is done on this local day."""
        return day.weekday() in self.days and day not in self.holidays


@dataclass(frozen=True, slots=True)
class Span:
    """Open from `opens` on this weekday until `closes`: the next day's if not later; equal times mean a whole day."""

    weekday: int
    opens: time
    closes: time


@dataclass(frozen=True, slots=True)
class OpeningHours:
    """A week of spans. `open_on_holidays` is for those who never close (police, hospitals, the helpline itself)."""

    spans: tuple[Span, ...]
    open_on_holidays: bool = False


ALWAYS_OPEN = OpeningHours(tuple(Span(day, time(), time()) for day in range(7)), open_on_holidays=True)


def utc(when: datetime) -> datetime:
    """The same instant in UTC. Raises ValueError for a naive one."""
    if when.tzinfo is None:
        raise ValueError("a naive datetime says no instant")
    return when.astimezone(UTC)


def at_local(day: date, clock: time, tz: ZoneInfo) -> datetime:
    """The instant of a local wall time, in UTC; the first of two when the clocks go back over it."""
    return datetime.combine(day, clock.replace(tzinfo=None), tz).astimezone(UTC)


def local_day(when: datetime, tz: ZoneInfo) -> date:
    """The local date of an instant."""
    return utc(when).astimezone(tz).date()


def day_bounds(day: date, tz: ZoneInfo) -> tuple[datetime, datetime]:
    """First instant of a local day and of the next: 23, 24 or 25 hours apart. Use as `start <= when < end`."""
    return at_local(day, time(), tz), at_local(day + DAY, time(), tz)


def range_bounds(first: date, last: date, tz: ZoneInfo) -> tuple[datetime, datetime]:
    """First instant of the first local day, and the one after the last day ended."""
    return day_bounds(first, tz)[0], day_bounds(last, tz)[1]


def month_bounds(year: int, month: int, tz: ZoneInfo) -> tuple[datetime, datetime]:
    """First instant of a local month and of the next."""
    following = date(year + month // 12, month % 12 + 1, 1)
    return at_local(date(year, month, 1), time(), tz), at_local(following, time(), tz)


def next_allowed(when: datetime, quiet_from: time, quiet_to: time, tz: ZoneInfo) -> datetime:
    """`when` itself, or the end of the quiet hours it falls in. They may span midnight; equal times mean none."""
    moment = utc(when)
    wall = moment.astimezone(tz).time()
    spans_midnight = quiet_from > quiet_to
    after, before = wall >= quiet_from, wall < quiet_to
    if not ((after or before) if spans_midnight else (after and before)):
        return moment
    today = local_day(moment, tz)
    ends = (at_local(today + DAY * ahead, quiet_to.replace(fold=fold), tz) for ahead in (0, 1) for fold in (0, 1))
    return min(end for end in ends if end > moment)


def next_working_day(day: date, working: WorkingTime) -> date:
    """The day itself if it is a working day, else the first after it."""
    while not working.is_working_day(day):
        day += DAY
    return day


def previous_working_day(day: date, working: WorkingTime) -> date:
    """The day itself if it is a working day, else the last before it."""
    while not working.is_working_day(day):
        day -= DAY
    return day


def add_working_time(when: datetime, amount: timedelta, working: WorkingTime) -> datetime:
    """The instant at which `amount` of working time has passed since `when`; zero gives `when` or the next opening."""
    if amount < timedelta():
        raise ValueError("working time is added, never taken away")
    moment = utc(when)
    day = local_day(moment, working.tz)
    while True:
        day = next_working_day(day, working)
        start = max(moment, at_local(day, working.start, working.tz))
        left = at_local(day, working.end, working.tz) - start
        if left > timedelta() and amount <= left:
            return start + amount
        amount -= max(left, timedelta())
        day += DAY


def last_working_moment(when: datetime, working: WorkingTime) -> datetime:
    """`when` itself if it lies in working time, else the end of the working time before it."""
    moment = utc(when)
    day = previous_working_day(local_day(moment, working.tz), working)
    if moment < at_local(day, working.start, working.tz):
        day = previous_working_day(day - DAY, working)
    return min(moment, at_local(day, working.end, working.tz))


def last_allowed(when: datetime, quiet_from: time, quiet_to: time, tz: ZoneInfo) -> datetime:
    """`when` itself, or one minute before the quiet hours that it falls in began."""
    moment = utc(when)
    if next_allowed(moment, quiet_from, quiet_to, tz) == moment:
        return moment
    today = local_day(moment, tz)
    starts = (at_local(today - DAY * back, quiet_from, tz) for back in (0, 1))
    return max(start for start in starts if start <= moment) - timedelta(minutes=1)


def within_opening(
    hours: OpeningHours, when: datetime, tz: ZoneInfo, holidays: AbstractSet[date] = frozenset()
) -> bool:
    """Whether it is open at this instant. A span belongs to the day it opens on, so a holiday closes all of it."""
    return opens_next(hours, when, tz, holidays) == utc(when)


def opens_next(
    hours: OpeningHours, when: datetime, tz: ZoneInfo, holidays: AbstractSet[date] = frozenset()
) -> datetime | None:
    """`when` itself if open, else the next opening; None if it does not open again within a year."""
    moment = utc(when)
    day = local_day(moment, tz) - DAY
    for _ in range(_HORIZON if hours.spans else 0):
        starts = [max(start, moment) for start, end in _open_on(hours, day, tz, holidays) if end > moment]
        if starts:
            return min(starts)
        day += DAY
    return None


def _open_on(
    hours: OpeningHours, day: date, tz: ZoneInfo, holidays: AbstractSet[date]
) -> Iterator[tuple[datetime, datetime]]:
    if day in holidays and not hours.open_on_holidays:
        return
    for span in hours.spans:
        if span.weekday == day.weekday():
            closing_day = day if span.closes > span.opens else day + DAY
            yield at_local(day, span.opens, tz), at_local(closing_day, span.closes, tz)
