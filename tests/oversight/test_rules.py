"""What counts as unusual reading."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpline.foundation.access.permissions import Role
from helpline.oversight.rules import LIMITS, unusual, windows
from helpline.oversight.vocabulary import AlertKind

PHNOM_PENH = ZoneInfo("Asia/Phnom_Penh")  # UTC+7
moments = st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


@given(st.sampled_from(list(LIMITS)), moments)
def test_every_window_holds_its_moment_and_is_the_same_all_through_it(role, at):
    for window in windows(role, at, PHNOM_PENH):
        assert window.from_at <= at < window.until_at
        for other in (window.from_at, window.until_at - timedelta(seconds=1)):
            assert window in windows(role, other, PHNOM_PENH)


@pytest.mark.parametrize(
    ("clock", "asked"), [("14:59", False), ("15:00", True), ("21:59", True), ("22:00", False), ("03:00", False)]
)
def test_the_night_is_from_ten_to_five_by_the_centres_clock(clock, asked):
    at = datetime.fromisoformat(f"2026-11-25T{clock}+00:00")  # 22:00 there is 15:00 in UTC
    assert (AlertKind.AT_NIGHT in {w.kind for w in windows(Role.CASEWORKER, at, PHNOM_PENH)}) is asked


def test_one_night_is_one_window_though_it_spans_two_days():
    evening, morning = datetime(2026, 11, 25, 16, tzinfo=UTC), datetime(2026, 11, 25, 21, tzinfo=UTC)
    found = [
        [w for w in windows(Role.SUPERVISOR, at, PHNOM_PENH) if w.kind == AlertKind.AT_NIGHT]
        for at in (evening, morning)
    ]
    assert found[0] == found[1] != []


def test_operators_work_at_night_and_nobody_asks():
    assert AlertKind.AT_NIGHT not in LIMITS[Role.OPERATOR]


@pytest.mark.parametrize("role", list(LIMITS))
def test_a_busy_day_is_not_unusual(role):
    assert not unusual(role, AlertKind.MANY_IN_DAY, 100, 1000)
    assert not unusual(role, AlertKind.MANY_IN_HOUR, 30, 300)


@pytest.mark.parametrize("role", list(LIMITS))
@pytest.mark.parametrize("kind", list(AlertKind))
def test_one_more_than_the_limit_is(role, kind):
    limit = LIMITS[role].get(kind)
    if limit is None:
        assert not unusual(role, kind, 10_000, 10_000)
    else:
        assert not unusual(role, kind, limit.opened, limit.listed)
        assert unusual(role, kind, limit.opened + 1, 0)
        assert unusual(role, kind, 0, limit.listed + 1)


@pytest.mark.parametrize("role", ["admin", "auditor", "partner", "router"])
def test_who_reads_no_story_is_not_counted(role):
    assert windows(role, datetime(2026, 11, 25, tzinfo=UTC), PHNOM_PENH) == []
