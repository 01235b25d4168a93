from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpline.foundation.calendar import (
    ALWAYS_OPEN,
    OpeningHours,
    Span,
    WorkingTime,
    add_working_time,
    day_bounds,
    last_allowed,
    last_working_moment,
    local_day,
    month_bounds,
    next_allowed,
    next_working_day,
    opens_next,
    previous_working_day,
    range_bounds,
    utc,
    within_opening,
)

PP = ZoneInfo("Asia/Phnom_Penh")
# Clocks that change at midnight (Beirut, Havana, Cairo), by half an hour (Lord Howe), or not at all.
ZONES = [
    ZoneInfo(n)
    for n in (
        "Asia/Phnom_Penh",
        "America/Argentina/Buenos_Aires",
        "Europe/London",
        "America/New_York",
        "Asia/Beirut",
        "America/Havana",
        "Africa/Cairo",
        "Australia/Lord_Howe",
        "America/Sao_Paulo",
    )
]
zones = st.sampled_from(ZONES)
instants = st.datetimes(datetime(2013, 1, 1), datetime(2030, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001
days = st.dates(date(2013, 1, 1), date(2030, 12, 30))
clocks = st.times().map(lambda t: t.replace(microsecond=0))


def pp(*parts):
    return datetime(*parts, tzinfo=PP)


NAIVE = datetime(2026, 11, 23)  # noqa: DTZ001 - what must be refused
WEEK = WorkingTime(PP, holidays=frozenset({date(2026, 11, 23), date(2026, 11, 24), date(2026, 11, 25)}))


@pytest.mark.parametrize(
    "ask",
    [
        lambda: utc(NAIVE),
        lambda: local_day(NAIVE, PP),
        lambda: next_allowed(NAIVE, time(22), time(7), PP),
        lambda: add_working_time(NAIVE, timedelta(hours=1), WEEK),
        lambda: within_opening(ALWAYS_OPEN, NAIVE, PP),
        lambda: opens_next(ALWAYS_OPEN, NAIVE, PP),
    ],
)
def test_naive_datetimes_are_refused(ask):
    with pytest.raises(ValueError, match="naive"):
        ask()


# Days and months


@given(instants, zones)
def test_every_instant_lies_in_its_own_local_day(when, tz):
    start, end = day_bounds(local_day(when, tz), tz)
    assert start <= when < end


@given(days, zones)
def test_days_follow_each_other_without_a_gap(day, tz):
    start, end = day_bounds(day, tz)
    assert timedelta(hours=23) <= end - start <= timedelta(hours=25)
    assert end == day_bounds(day + timedelta(days=1), tz)[0]
    assert start.tzinfo is UTC
    assert range_bounds(day, day, tz) == (start, end)


def test_days_on_which_the_clocks_change_have_23_and_25_hours():
    london = ZoneInfo("Europe/London")
    for day, hours in ((date(2026, 3, 29), 23), (date(2026, 10, 25), 25), (date(2026, 11, 1), 24)):
        start, end = day_bounds(day, london)
        assert end - start == timedelta(hours=hours)


@given(st.integers(2013, 2030), st.integers(1, 12), zones)
def test_a_month_is_its_days(year, month, tz):
    first = date(year, month, 1)
    last = (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)
    assert month_bounds(year, month, tz) == range_bounds(first, last, tz)


def test_a_month_starts_at_local_midnight():
    assert month_bounds(2026, 12, PP) == (
        datetime(2026, 11, 30, 17, tzinfo=UTC),
        datetime(2026, 12, 31, 17, tzinfo=UTC),
    )


# Quiet hours


@pytest.mark.parametrize(
    ("when", "allowed"),
    [
        (pp(2026, 11, 23, 21, 59), pp(2026, 11, 23, 21, 59)),
        (pp(2026, 11, 23, 22, 0), pp(2026, 11, 24, 7, 0)),
        (pp(2026, 11, 24, 0, 30), pp(2026, 11, 24, 7, 0)),
        (pp(2026, 11, 24, 6, 59, 59), pp(2026, 11, 24, 7, 0)),
        (pp(2026, 11, 24, 7, 0), pp(2026, 11, 24, 7, 0)),
    ],
)
def test_the_night_is_quiet(when, allowed):
    assert next_allowed(when, time(22), time(7), PP) == allowed


def test_quiet_hours_within_a_day_and_none_at_all():
    assert next_allowed(pp(2026, 11, 24, 12, 30), time(12), time(14), PP) == pp(2026, 11, 24, 14)
    assert next_allowed(pp(2026, 11, 24, 11, 30), time(12), time(14), PP) == pp(2026, 11, 24, 11, 30)
    assert next_allowed(pp(2026, 11, 24, 3), time(7), time(7), PP) == pp(2026, 11, 24, 3)


@given(instants, clocks, clocks, zones)
def test_what_is_allowed_is_not_before_not_quiet_and_within_a_day(when, quiet_from, quiet_to, tz):
    allowed = next_allowed(when, quiet_from, quiet_to, tz)
    assert when <= allowed <= when + timedelta(hours=25)
    if allowed.astimezone(tz).time() == quiet_to:  # (a skipped quiet_to ends later, a doubled one may be met twice)
        assert next_allowed(allowed, quiet_from, quiet_to, tz) == allowed


@given(instants, clocks, clocks, zones)
def test_moving_out_of_the_quiet_hours_backwards_is_never_later(when, quiet_from, quiet_to, tz):
    earlier = last_allowed(when, quiet_from, quiet_to, tz)
    assert when - timedelta(hours=26) <= earlier <= when
    assert (earlier == when) == (next_allowed(when, quiet_from, quiet_to, tz) == when)


def test_quiet_hours_that_end_in_the_doubled_hour_end_the_second_time_too():
    london = ZoneInfo("Europe/London")
    second_time = datetime(2026, 10, 25, 1, 10, tzinfo=UTC)  # 01:10 on the wall, again
    assert next_allowed(second_time, time(22), time(1, 30), london) == second_time + timedelta(minutes=20)


def test_before_the_night_began():
    assert last_allowed(pp(2026, 11, 24, 6), time(22), time(7), PP) == pp(2026, 11, 23, 21, 59)
    assert last_allowed(pp(2026, 11, 23, 22), time(22), time(7), PP) == pp(2026, 11, 23, 21, 59)
    assert last_allowed(pp(2026, 11, 23, 12), time(22), time(7), PP) == pp(2026, 11, 23, 12)


# Working time


@pytest.mark.parametrize(
    ("when", "moment"),
    [
        (pp(2026, 11, 20, 9), pp(2026, 11, 20, 9)),
        (pp(2026, 11, 20, 17), pp(2026, 11, 20, 17)),
        (pp(2026, 11, 20, 18), pp(2026, 11, 20, 17)),
        (pp(2026, 11, 24, 12), pp(2026, 11, 20, 17)),
        (pp(2026, 11, 26, 6), pp(2026, 11, 20, 17)),
    ],
)
def test_the_last_working_moment_is_never_later(when, moment):
    assert last_working_moment(when, WEEK) == moment


def test_friday_afternoon_goes_over_the_weekend_and_the_water_festival():
    friday = pp(2026, 11, 20, 16, 0)
    assert add_working_time(friday, timedelta(hours=1), WEEK) == pp(2026, 11, 20, 17)
    assert add_working_time(friday, timedelta(hours=3), WEEK) == pp(2026, 11, 26, 10)
    assert add_working_time(friday, timedelta(hours=1 + 9 + 1), WEEK) == pp(2026, 11, 27, 9)


def test_outside_working_time_the_clock_waits():
    assert add_working_time(pp(2026, 11, 20, 3), timedelta(hours=2), WEEK) == pp(2026, 11, 20, 10)
    assert add_working_time(pp(2026, 11, 20, 20), timedelta(), WEEK) == pp(2026, 11, 26, 8)
    assert add_working_time(pp(2026, 11, 20, 17), timedelta(), WEEK) == pp(2026, 11, 26, 8)


hours = st.timedeltas(timedelta(), timedelta(days=20))
working = st.builds(
    WorkingTime,
    zones,
    st.frozensets(st.integers(0, 6), min_size=1),
    st.just(time(8)),
    st.just(time(17)),
    st.frozensets(st.dates(date(2026, 1, 1), date(2026, 12, 31)), max_size=20),
)


@given(
    st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 31), timezones=st.just(UTC)),  # noqa: DTZ001
    hours,
    hours.filter(bool),  # (nothing added at closing time waits for the next opening)
    working,
)
def test_adding_in_two_steps_is_adding_at_once_and_ends_in_working_time(when, one, other, week):
    end = add_working_time(when, one + other, week)
    assert add_working_time(add_working_time(when, one, week), other, week) == end
    wall = end.astimezone(week.tz)
    assert end >= when + one + other
    assert week.is_working_day(wall.date())
    assert week.start <= wall.time() <= week.end


def test_working_time_is_never_taken_away_and_needs_days_and_hours():
    with pytest.raises(ValueError, match="never taken away"):
        add_working_time(pp(2026, 11, 20, 3), timedelta(hours=-1), WEEK)
    for wrong in ({"days": frozenset()}, {"days": frozenset({7})}, {"start": time(9), "end": time(9)}):
        with pytest.raises(ValueError, match="working time needs"):
            WorkingTime(PP, **wrong)


def test_the_working_days_around_a_festival():
    assert next_working_day(date(2026, 11, 21), WEEK) == date(2026, 11, 26)
    assert previous_working_day(date(2026, 11, 25), WEEK) == date(2026, 11, 20)
    assert next_working_day(date(2026, 11, 26), WEEK) == previous_working_day(date(2026, 11, 26), WEEK)


# Opening hours

OFFICE = OpeningHours(tuple(Span(d, time(8), time(17)) for d in range(5)))
NIGHT = OpeningHours((Span(4, time(20), time(6)),))  # Friday night until Saturday 06:00


@pytest.mark.parametrize(
    ("hours", "when", "is_open"),
    [
        (OFFICE, pp(2026, 11, 26, 8), True),
        (OFFICE, pp(2026, 11, 26, 7, 59), False),
        (OFFICE, pp(2026, 11, 26, 16, 59), True),
        (OFFICE, pp(2026, 11, 26, 17), False),
        (OFFICE, pp(2026, 11, 28, 10), False),
        (OFFICE, pp(2026, 11, 24, 10), False),  # the Water Festival
        (NIGHT, pp(2026, 11, 27, 23), True),
        (NIGHT, pp(2026, 11, 28, 5, 59), True),
        (NIGHT, pp(2026, 11, 28, 6), False),
        (NIGHT, pp(2026, 11, 27, 5), False),
        (ALWAYS_OPEN, pp(2026, 11, 24, 3), True),
        (OpeningHours(()), pp(2026, 11, 26, 10), False),
    ],
)
def test_open_or_not(hours, when, is_open):
    assert within_opening(hours, when, PP, WEEK.holidays) is is_open


def test_a_holiday_closes_the_night_that_begins_on_it_and_not_the_one_before():
    nights = OpeningHours(tuple(Span(d, time(20), time(6)) for d in range(7)))
    festival = {date(2026, 11, 24)}
    assert within_opening(nights, pp(2026, 11, 24, 5), PP, festival)
    assert not within_opening(nights, pp(2026, 11, 24, 21), PP, festival)
    assert not within_opening(nights, pp(2026, 11, 25, 5), PP, festival)
    assert opens_next(nights, pp(2026, 11, 24, 21), PP, festival) == pp(2026, 11, 25, 20)


def test_when_it_opens_next():
    assert opens_next(OFFICE, pp(2026, 11, 20, 18), PP, WEEK.holidays) == pp(2026, 11, 26, 8)
    assert opens_next(OFFICE, pp(2026, 11, 26, 9), PP) == pp(2026, 11, 26, 9)
    assert opens_next(OpeningHours(()), pp(2026, 11, 26, 9), PP) is None
    closed = frozenset(date(2026, 1, 1) + timedelta(days=n) for n in range(900))
    assert opens_next(OFFICE, pp(2026, 11, 26, 9), PP, closed) is None


spans = st.builds(Span, st.integers(0, 6), clocks, clocks)


@given(st.lists(spans, max_size=4).map(lambda s: OpeningHours(tuple(s))), instants, zones)
def test_the_next_opening_is_open_and_nothing_opens_before_it(hours, when, tz):
    opening = opens_next(hours, when, tz)
    if opening is None:
        assert not hours.spans
        return
    assert when <= opening
    assert within_opening(hours, opening, tz)
    if opening > when:
        assert not within_opening(hours, opening - timedelta(microseconds=1), tz)
        assert not within_opening(hours, when + (opening - when) / 2, tz)


@given(instants, zones)
def test_what_never_closes_is_open_through_every_change_of_the_clocks(when, tz):
    assert within_opening(ALWAYS_OPEN, when, tz, {local_day(when, tz)})
