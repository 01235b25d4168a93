import dataclasses
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpline.calls.vocabulary import RiskLevel
from helpline.foundation.calendar import ALWAYS_OPEN, OpeningHours, Span, opens_next
from helpline.foundation.errors import Conflict
from helpline.people.vocabulary import Gender
from helpline.referrals.rules import (
    ANSWER_WITHIN,
    ENDED,
    TRANSITIONS,
    URGENCY,
    Candidate,
    Need,
    answer_by,
    best,
    check_transition,
    rank,
)
from helpline.referrals.vocabulary import Exclusion, ReferralState, Urgency
from helpline.referrals.vocabulary import RankReasonCode as Why

PP = ZoneInfo("Asia/Phnom_Penh")
MONDAY_NIGHT = datetime(2026, 11, 30, 21, 40, tzinfo=PP)
HOUR = timedelta(hours=1)
OFFICE = OpeningHours(tuple(Span(d, time(8), time(17)) for d in range(5)))
NEVER = OpeningHours(())
PATH = ("17100101", "171001", "1710", "17")  # village, commune, district, province
NEED = Need("medical", PATH, Urgency.URGENT, MONDAY_NIGHT, age=9, gender=Gender.FEMALE, language="km")
CLINIC = Candidate(
    UUID(int=50),
    services=frozenset({"medical"}),
    coverage=frozenset({"1710"}),
    hours=ALWAYS_OPEN,
    tz=PP,
    min_age=0,
    max_age=17,
    genders=frozenset({Gender.FEMALE}),
    capacity_left=5,
    languages=frozenset({"km"}),
    median_answer=3 * HOUR,
)


def other(number, **changes):
    return dataclasses.replace(CLINIC, agency_id=UUID(int=number), **changes)


def needing(**changes):
    return dataclasses.replace(NEED, **changes)


def winner(need, *agencies):
    chosen = best(rank(need, agencies))
    return chosen and chosen.agency_id.int


needs = st.builds(
    Need,
    service=st.sampled_from(["medical", "legal"]),
    place_path=st.sampled_from([PATH, PATH[1:], PATH[3:], ()]),
    urgency=st.sampled_from(Urgency),
    when=st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    age=st.none() | st.integers(-1, 25),
    gender=st.sampled_from(Gender),
    language=st.none() | st.sampled_from(["km", "en"]),
)
candidates = st.builds(
    Candidate,
    agency_id=st.uuids(),
    services=st.frozensets(st.sampled_from(["medical", "legal"])),
    coverage=st.frozensets(st.sampled_from([*PATH, "02", "0201"])),
    hours=st.sampled_from([ALWAYS_OPEN, OFFICE, NEVER]),
    tz=st.just(PP),
    holidays=st.frozensets(st.dates(date(2026, 11, 1), date(2026, 11, 30)), max_size=3),
    nationwide=st.booleans(),
    min_age=st.none() | st.integers(0, 10),
    max_age=st.none() | st.integers(10, 25),
    genders=st.frozensets(st.sampled_from(Gender)),
    capacity_left=st.none() | st.integers(0, 30),
    languages=st.frozensets(st.sampled_from(["km", "en"])),
    median_answer=st.none() | st.timedeltas(timedelta(), timedelta(days=9)),
    active=st.integers(0, 9).map(bool),
    accepting=st.integers(0, 9).map(bool),
    conflict=st.integers(0, 9).map(lambda n: n == 0),
    withheld=st.integers(0, 9).map(lambda n: n == 0),
    declined_before=st.integers(0, 9).map(lambda n: n == 0),
    silent_before=st.integers(0, 9).map(lambda n: n == 0),
)
directories = st.lists(candidates, max_size=6, unique_by=lambda c: c.agency_id)


# Who can't be asked


@pytest.mark.parametrize(
    ("agency", "need", "why"),
    [
        ({"active": False}, {}, Exclusion.INACTIVE),
        ({"accepting": False}, {}, Exclusion.NOT_ACCEPTING),
        ({"reachable": False}, {}, Exclusion.NO_ADDRESS),
        ({"conflict": True}, {}, Exclusion.CONFLICT_OF_INTEREST),
        ({"withheld": True}, {}, Exclusion.WITHHELD),
        ({}, {"service": "legal"}, Exclusion.SERVICE_NOT_OFFERED),
        ({}, {"place_path": ()}, Exclusion.PLACE_UNKNOWN),
        ({"coverage": frozenset({"02"})}, {}, Exclusion.OUTSIDE_COVERAGE),
        ({"coverage": frozenset()}, {}, Exclusion.OUTSIDE_COVERAGE),
        ({"min_age": 10}, {}, Exclusion.TOO_YOUNG),
        ({"max_age": 8}, {}, Exclusion.TOO_OLD),
        ({}, {"gender": Gender.MALE}, Exclusion.GENDER_NOT_SERVED),
        ({"capacity_left": 0}, {}, Exclusion.FULL),
        ({"declined_before": True}, {}, Exclusion.DECLINED_BEFORE),
        ({"silent_before": True}, {}, Exclusion.SILENT_BEFORE),
    ],
)
def test_each_hard_rule_excludes_and_says_why(agency, need, why):
    assert winner(NEED, CLINIC) == 50
    (ranked,) = rank(needing(**need), [other(1, **agency)])
    assert (ranked.excluded, ranked.score, ranked.reasons) == (why, 0, ())
    assert best([ranked]) is None


def test_the_limits_themselves_are_served():
    assert winner(needing(age=9), other(1, min_age=9, max_age=9)) == 1
    assert winner(NEED, other(1, capacity_left=1)) == 1
    assert winner(NEED, other(1, capacity_left=None, genders=frozenset())) == 1
    assert winner(needing(place_path=()), other(1, nationwide=True)) == 1


@given(needs, directories)
def test_an_excluded_agency_is_never_chosen_and_everyone_is_accounted_for(need, agencies):
    ranked = rank(need, agencies)
    assert sorted(r.agency_id for r in ranked) == sorted(a.agency_id for a in agencies)
    chosen = best(ranked)
    by_id = {a.agency_id: a for a in agencies}
    if chosen is None:
        assert all(r.excluded for r in ranked)
        return
    agency = by_id[chosen.agency_id]
    assert agency.active
    assert agency.accepting
    assert (agency.conflict, agency.withheld) == (False, False)
    assert (agency.declined_before, agency.silent_before) == (False, False)
    assert need.service in agency.services
    assert agency.nationwide or agency.coverage & set(need.place_path)
    assert agency.capacity_left != 0
    assert need.age is None or (agency.min_age or -9) <= need.age <= (agency.max_age or 99)
    assert chosen.reasons


# In which order


def in_time(ranked, *, but_not=None):
    return [r for r in ranked if r.excluded is not Exclusion.OPENS_TOO_LATE and r.agency_id != but_not]


@given(needs, directories, candidates, st.randoms())
def test_another_agency_never_changes_how_the_others_stand_but_for_those_that_open_too_late(
    need, agencies, late, random
):
    before = rank(need, agencies)
    if late.agency_id not in {a.agency_id for a in agencies}:
        after = in_time(rank(need, [late, *agencies]), but_not=late.agency_id)
        passed_over = {r.agency_id for r in rank(need, [late, *agencies])} - {r.agency_id for r in after}
        assert after == [r for r in in_time(before) if r.agency_id not in passed_over]
    shuffled = list(agencies)
    random.shuffle(shuffled)
    assert rank(need, shuffled) == before


@given(needs, candidates, st.integers(0, 3), st.integers(0, 3))
def test_nearer_coverage_wins_all_else_equal(need, agency, one, two):
    need = dataclasses.replace(need, place_path=PATH)
    near, far = sorted((one, two))
    here = dataclasses.replace(agency, agency_id=UUID(int=2), coverage=frozenset({PATH[near]}))
    there = dataclasses.replace(agency, agency_id=UUID(int=1), coverage=frozenset({PATH[far]}))
    chosen = winner(need, there, here)
    assert chosen in ({None} if rank(need, [here])[0].excluded else {2 if near < far else 1})


def test_any_place_is_nearer_than_the_whole_country():
    assert winner(NEED, other(1, nationwide=True, coverage=frozenset()), other(2, coverage=frozenset({"17"}))) == 2


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        ({}, {"hours": OFFICE}),
        ({"hours": OFFICE}, {"hours": NEVER}),
        ({}, {"languages": frozenset({"en"})}),
        ({"languages": frozenset()}, {"languages": frozenset({"en"})}),
        ({}, {"languages": frozenset()}),
        ({"capacity_left": 6}, {}),
        ({"capacity_left": None}, {}),
        ({"median_answer": HOUR}, {}),
        ({"median_answer": None}, {"median_answer": 60 * HOUR}),
        # an earlier rule outweighs all later ones together
        ({"coverage": frozenset({"171001"}), "hours": OFFICE, "capacity_left": 1, "median_answer": 99 * HOUR}, {}),
        ({"capacity_left": 1, "median_answer": 99 * HOUR}, {"hours": OFFICE, "capacity_left": None}),
    ],
)
def test_soft_rules_put_one_before_the_other(better, worse):
    assert winner(NEED, other(1, **worse), other(2, **better)) == 2


def test_who_opens_sooner_comes_first_in_hours_not_only_in_days():
    sooner = OpeningHours((Span(1, time(2), time(5)),))  # Tuesday, in under five hours
    assert winner(NEED, other(1, hours=OFFICE), other(2, hours=sooner)) == 2


def test_who_opens_only_after_the_answer_is_due_is_passed_over_and_says_why():
    closed, is_open = other(1, hours=OFFICE), other(2, hours=ALWAYS_OPEN, nationwide=True, coverage=frozenset())
    need = needing(urgency=Urgency.IMMEDIATE, when=MONDAY_NIGHT)
    assert winner(need, closed, is_open) == 2
    assert {r.agency_id.int: r.excluded for r in rank(need, [closed, is_open])} == {
        1: Exclusion.OPENS_TOO_LATE, 2: None
    }  # fmt: skip
    assert winner(need, closed, other(2, hours=ALWAYS_OPEN, silent_before=True)) == 1, "nobody else is left"


@given(needs, directories)
def test_nobody_is_asked_who_must_be_silent_while_somebody_else_can_answer(need, agencies):
    ranked, by_id = rank(need, agencies), {a.agency_id: a for a in agencies}

    def can_answer(agency):
        opening = opens_next(agency.hours, need.when, agency.tz, agency.holidays)
        return opening is None or opening < need.when + ANSWER_WITHIN[need.urgency][1]

    chosen = best(ranked)
    if chosen is not None and not can_answer(by_id[chosen.agency_id]):
        assert all(r.excluded or not can_answer(by_id[r.agency_id]) for r in ranked)
        assert all(r.excluded is not Exclusion.OPENS_TOO_LATE for r in ranked)
    assert chosen is not None or all(r.excluded is not Exclusion.OPENS_TOO_LATE for r in ranked)


def test_for_immediate_need_being_open_outweighs_being_near():
    near_closed, far_open = other(1, coverage=frozenset({PATH[0]}), hours=OFFICE), other(2, coverage=frozenset({"17"}))
    assert winner(NEED, near_closed, far_open) == 1
    assert winner(needing(urgency=Urgency.IMMEDIATE), near_closed, far_open) == 2


def test_a_sure_fit_comes_before_a_doubtful_one_which_is_still_asked():
    unknown = needing(age=None, gender=Gender.UNKNOWN)
    doubtful = other(1, coverage=frozenset({PATH[0]}))
    anyone = other(2, min_age=None, max_age=None, genders=frozenset())
    assert winner(unknown, doubtful, anyone) == 2
    assert winner(unknown, doubtful) == 1
    codes = {reason.code for reason in rank(unknown, [doubtful])[0].reasons}
    assert {Why.AGE_UNCERTAIN, Why.GENDER_UNCERTAIN} <= codes


def test_equals_go_by_id():
    assert winner(NEED, other(9), other(3), other(5)) == 3


def test_the_reasons_carry_what_they_rest_on():
    (ranked,) = rank(NEED, [other(1, hours=OFFICE)])
    assert [(r.code, r.value) for r in ranked.reasons] == [
        (Why.COVERS_PLACE, "1710"),
        (Why.OPENS_AT, "2026-12-01T01:00:00+00:00"),
        (Why.SPEAKS_LANGUAGE, "km"),
        (Why.PLACES_LEFT, 5),
        (Why.ANSWERS_WITHIN_MINUTES, 180),
    ]
    assert rank(NEED, [CLINIC])[0].reasons[1].code is Why.OPEN_NOW
    odd = rank(NEED, [other(1, hours=NEVER, nationwide=True, coverage=frozenset(), languages=frozenset({"en"}))])
    assert [r.code for r in odd[0].reasons][:3] == [
        Why.COVERS_COUNTRY,
        Why.NO_OPENING_KNOWN,
        Why.LANGUAGE_NOT_SPOKEN,
    ]


def test_holidays_count_where_the_agency_is():
    festival = frozenset({date(2026, 12, 1)})
    assert rank(NEED, [other(1, hours=OFFICE, holidays=festival)])[0].reasons[1].value == "2026-12-02T01:00:00+00:00"


# By when it answers


@pytest.mark.parametrize(
    ("urgency", "opens_in", "hours"),
    [
        (Urgency.IMMEDIATE, 0, 1),
        (Urgency.IMMEDIATE, 0.5, 1),
        (Urgency.IMMEDIATE, 1, 2),
        (Urgency.IMMEDIATE, 10, 11),
        (Urgency.IMMEDIATE, None, 1),
        (Urgency.URGENT, 0, 4),
        (Urgency.URGENT, 10, 14),
        (Urgency.URGENT, 22, 24),
        (Urgency.URGENT, 60, 64),
        (Urgency.URGENT, None, 24),
        (Urgency.ROUTINE, 10, 58),
        (Urgency.ROUTINE, 400, 448),
    ],
)
def test_time_to_answer_counts_from_opening_and_ends_in_time_unless_it_opens_only_then(urgency, opens_in, hours):
    opening = None if opens_in is None else MONDAY_NIGHT + opens_in * HOUR
    assert answer_by(urgency, MONDAY_NIGHT, opening) == MONDAY_NIGHT + hours * HOUR


def test_urgency_follows_risk():
    assert [URGENCY[level] for level in RiskLevel] == [
        Urgency.ROUTINE,
        Urgency.ROUTINE,
        Urgency.URGENT,
        Urgency.IMMEDIATE,
    ]


# How it moves on

ALLOWED = {
    ("requested", "asked"),
    ("requested", "exhausted"),
    ("requested", "withdrawn"),
    ("asked", "requested"),
    ("asked", "accepted"),
    ("asked", "withdrawn"),
    ("exhausted", "requested"),
    ("exhausted", "asked"),
    ("exhausted", "withdrawn"),
    ("accepted", "service_started"),
    ("accepted", "delivered"),
    ("accepted", "not_delivered"),
    ("accepted", "withdrawn"),
    ("service_started", "delivered"),
    ("service_started", "not_delivered"),
}


@pytest.mark.parametrize("current", ReferralState)
@pytest.mark.parametrize("following", ReferralState)
def test_a_referral_moves_only_as_the_table_says(current, following):
    if (current, following) in ALLOWED:
        check_transition(current, following)
    else:
        with pytest.raises(Conflict) as refused:
            check_transition(current, following)
        assert refused.value.code == "referral_transition"


def test_every_state_can_be_reached_and_left_or_is_an_end():
    assert set(TRANSITIONS) == set(ReferralState)
    reached = {ReferralState.REQUESTED}
    for _ in ReferralState:
        reached |= {after for state in reached for after in TRANSITIONS[state]}
    assert reached == set(ReferralState)
    assert {"withdrawn", "delivered", "not_delivered"} == ENDED
