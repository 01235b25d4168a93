from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpline.calls.vocabulary import RiskLevel
from helpline.followups.rules import (
    NATIONAL_PRACTICE,
    FollowUpPolicy,
    QuietHours,
    escalation_at,
    next_due,
    plan_followups,
    reminder_at,
    review_due,
)
from helpline.followups.vocabulary import FollowUpKind as Kind
from helpline.foundation.calendar import WorkingTime

PP = ZoneInfo("Asia/Phnom_Penh")
IMMEDIATE, HIGH, MEDIUM, LOW = RiskLevel.IMMEDIATE, RiskLevel.HIGH, RiskLevel.MEDIUM, RiskLevel.LOW
WEEK = WorkingTime(PP, holidays=frozenset(date(2026, 11, d) for d in (23, 24, 25)))
PLAIN_WEEK = WorkingTime(PP)
QUIET = QuietHours(time(21), time(7))
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def pp(*parts):
    return datetime(*parts, tzinfo=PP)


instants = st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001
weeks = st.builds(
    WorkingTime,
    st.sampled_from([PP, ZoneInfo("America/New_York"), ZoneInfo("Africa/Cairo")]),
    holidays=st.frozensets(st.dates(date(2026, 1, 1), date(2027, 12, 31)), max_size=60),
)
risks = st.sampled_from(RiskLevel)


def due(risk, opened, kind, working=PLAIN_WEEK):
    return {p.kind: p.due_at for p in plan_followups(risk, opened, working)}[kind]


@pytest.mark.parametrize(
    ("risk", "assign", "respond"),
    [(IMMEDIATE, 1, 1), (HIGH, 1, 24), (MEDIUM, 3, 72), (LOW, 3, 168)],
)
def test_assignment_and_first_response_follow_the_risk(risk, assign, respond):
    opened = pp(2026, 11, 9, 10)
    assert due(risk, opened, Kind.ASSIGNMENT) == opened + assign * HOUR
    assert due(risk, opened, Kind.FIRST_RESPONSE) == opened + respond * HOUR


@pytest.mark.parametrize(("risk", "days"), [(IMMEDIATE, 1), (HIGH, 7), (MEDIUM, 14), (LOW, 30)])
def test_the_rhythm_follows_the_risk(risk, days):
    contacted = pp(2026, 6, 3, 10)
    assert next_due(risk, contacted, PLAIN_WEEK) == contacted + days * DAY


def test_a_closed_day_moves_high_and_medium_earlier_and_low_later():
    assert next_due(HIGH, pp(2026, 11, 17, 10), WEEK) == pp(2026, 11, 20, 17)  # the 24th is the Water Festival
    assert next_due(MEDIUM, pp(2026, 11, 10, 10), WEEK) == pp(2026, 11, 20, 17)
    assert next_due(LOW, pp(2026, 10, 25, 10), WEEK) == pp(2026, 11, 26, 8)
    assert next_due(HIGH, pp(2026, 11, 19, 22), WEEK) == pp(2026, 11, 26, 17)  # an evening is closed too


def test_the_clock_of_immediate_and_high_runs_through_night_and_holiday():
    evening = pp(2026, 11, 19, 18)
    assert due(HIGH, evening, Kind.FIRST_RESPONSE, WEEK) == evening + DAY
    assert due(IMMEDIATE, evening, Kind.CONTACT, WEEK) == evening + DAY
    night = pp(2026, 11, 23, 23)
    assert due(HIGH, night, Kind.FIRST_RESPONSE, WEEK) == night + DAY
    assert due(IMMEDIATE, night, Kind.CONTACT, WEEK) == night + DAY
    assert due(IMMEDIATE, night, Kind.ASSIGNMENT, WEEK) == night + HOUR


def test_moving_earlier_never_goes_back_to_before_the_case_was_opened():
    opened = pp(2026, 11, 21, 12)  # Saturday before the festival
    assert due(MEDIUM, opened, Kind.FIRST_RESPONSE, WEEK) == opened + 3 * DAY


@given(risks, instants, weeks)
def test_nothing_is_due_before_it_began_and_only_low_risk_is_ever_later(risk, opened, working):
    plan = plan_followups(risk, opened, working)
    assert [p.kind for p in plan if p.due_at <= opened] == []
    assert list(plan) == sorted(plan, key=lambda p: p.due_at)
    assert {p.kind for p in plan} == {Kind.ASSIGNMENT, Kind.FIRST_RESPONSE, Kind.CONTACT, Kind.REVIEW}
    full = opened + NATIONAL_PRACTICE.rhythm[risk]
    if risk is LOW:
        assert next_due(risk, opened, working) >= full
    else:
        assert next_due(risk, opened, working) <= full


@given(instants, weeks)
def test_a_review_comes_within_three_months(reviewed, working):
    assert reviewed < review_due(reviewed, working) <= reviewed + 90 * DAY


@given(instants, weeks)
def test_higher_risk_is_seen_sooner(contacted, working):
    dues = [next_due(risk, contacted, working) for risk in (IMMEDIATE, HIGH, MEDIUM, LOW)]
    assert dues == sorted(dues)


def test_a_helpline_sets_its_own_rhythm():
    policy = FollowUpPolicy(rhythm=dict.fromkeys(RiskLevel, 3 * DAY), review=30 * DAY)
    assert next_due(HIGH, pp(2026, 6, 1, 10), PLAIN_WEEK, policy) == pp(2026, 6, 4, 10)
    assert review_due(pp(2026, 6, 1, 10), PLAIN_WEEK, policy) == pp(2026, 7, 1, 10)


@pytest.mark.parametrize(("risk", "length"), [(IMMEDIATE, HOUR / 4), (HIGH, 2 * HOUR), (MEDIUM, DAY), (LOW, 3 * DAY)])
def test_what_stays_undone_escalates(risk, length):
    assert escalation_at(pp(2026, 11, 20, 17), risk) == pp(2026, 11, 20, 17) + length


# Reminders


def test_a_reminder_comes_ahead_and_not_at_night():
    planned = pp(2026, 11, 1, 10)
    assert reminder_at(pp(2026, 11, 20, 17), planned, HIGH, QUIET, PP) == pp(2026, 11, 20, 13)
    assert reminder_at(pp(2026, 11, 20, 17), planned, LOW, QUIET, PP) == pp(2026, 11, 19, 17)
    assert reminder_at(pp(2026, 11, 20, 10), planned, HIGH, QUIET, PP) == pp(2026, 11, 20, 7)


def test_where_the_night_would_outlast_the_due_time_the_evening_before_is_right():
    assert reminder_at(pp(2026, 11, 20, 6), pp(2026, 11, 1, 10), HIGH, QUIET, PP) == pp(2026, 11, 19, 20, 59)


def test_what_is_planned_late_is_said_at_once_and_immediate_danger_wakes_people():
    night = pp(2026, 11, 20, 2)
    assert reminder_at(night + 3 * HOUR, night, HIGH, QUIET, PP) == night
    assert reminder_at(night + HOUR, night - DAY, IMMEDIATE, QUIET, PP) == night + HOUR / 2
    assert reminder_at(pp(2026, 11, 20, 12), pp(2026, 11, 20, 11), LOW, QUIET, PP) == pp(2026, 11, 20, 11)


@given(instants, st.timedeltas(timedelta(), 60 * DAY), risks, st.times(), st.times())
def test_a_reminder_is_never_late_nor_before_the_plan(planned, length, risk, begins, ends):
    moment = reminder_at(planned + length, planned, risk, QuietHours(begins, ends), PP)
    assert planned <= moment <= planned + length
