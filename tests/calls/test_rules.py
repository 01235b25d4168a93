import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpline.calls import rules
from helpline.calls.rules import NATIONAL_PRACTICE, DangerAnswers, RiskPolicy, assess_risk, first_response_due
from helpline.calls.vocabulary import Answer, RiskLevel
from helpline.calls.vocabulary import RiskReasonCode as Why
from helpline.foundation.errors import Invalid

NO, UNKNOWN, YES = Answer.NO, Answer.UNKNOWN, Answer.YES
ALL_NO = {"hurt": NO, "suicide_thoughts": NO, "near_person_feared": NO, "sexual_violence": NO, "suicide_means": NO}
answers = st.builds(DangerAnswers, **dict.fromkeys(ALL_NO, st.sampled_from(Answer)))
codes = st.sampled_from([*NATIONAL_PRACTICE.subcategories, "nutrition", "violence.neglect", "other"])
ages = st.none() | st.integers(-1, 25)


def judged(subcategories=(), age=None, **given_answers):
    risk = assess_risk(DangerAnswers(**(ALL_NO | given_answers)), subcategories, age)
    return risk.level, [reason.code for reason in risk.reasons]


@pytest.mark.parametrize(
    ("given_answers", "level", "why"),
    [
        ({"hurt": YES, "near_person_feared": YES}, RiskLevel.IMMEDIATE, Why.HURT_NEAR_PERSON_FEARED),
        ({"suicide_thoughts": YES, "suicide_means": YES}, RiskLevel.IMMEDIATE, Why.SUICIDE_WITH_MEANS),
        ({"suicide_thoughts": YES}, RiskLevel.HIGH, Why.SUICIDE_THOUGHTS),
        ({"suicide_thoughts": YES, "suicide_means": UNKNOWN}, RiskLevel.HIGH, Why.SUICIDE_THOUGHTS),
        ({"hurt": YES}, RiskLevel.HIGH, Why.HURT),
        ({"hurt": YES, "near_person_feared": UNKNOWN}, RiskLevel.HIGH, Why.HURT),
        ({"sexual_violence": YES}, RiskLevel.HIGH, Why.SEXUAL_VIOLENCE),
        ({"hurt": UNKNOWN, "near_person_feared": YES}, RiskLevel.HIGH, Why.MAYBE_HURT_NEAR_PERSON_FEARED),
        ({"near_person_feared": YES}, RiskLevel.MEDIUM, Why.NEAR_PERSON_FEARED),
        ({}, RiskLevel.LOW, Why.NO_DANGER_FOUND),
        (dict.fromkeys(ALL_NO, UNKNOWN), RiskLevel.LOW, Why.NOTHING_KNOWN),
        (dict.fromkeys(ALL_NO, UNKNOWN) | {"hurt": NO}, RiskLevel.LOW, Why.NO_DANGER_FOUND),
        ({"suicide_means": YES}, RiskLevel.LOW, Why.NO_DANGER_FOUND),
    ],
)
def test_each_answer_leads_to_its_level_and_says_why(given_answers, level, why):
    assert judged(**given_answers) == (level, [why])


@pytest.mark.parametrize(
    ("code", "level"),
    [
        ("sexual_violence", RiskLevel.HIGH),
        ("violence.sexual_violence", RiskLevel.HIGH),
        ("suicidal_thoughts_and_attempts", RiskLevel.HIGH),
        ("neglect", RiskLevel.MEDIUM),
        ("nutrition", RiskLevel.LOW),
        ("other", RiskLevel.LOW),
    ],
)
def test_the_reason_for_the_call_has_a_level_of_its_own(code, level):
    risk = assess_risk(DangerAnswers(**ALL_NO), [code])
    assert risk.level is level
    if level is not RiskLevel.LOW:
        assert [(r.code, r.value) for r in risk.reasons] == [(Why.SUBCATEGORY, code)]


def test_every_subcategory_with_a_level_stands_in_the_shipped_taxonomy():
    path = Path(rules.__file__).parents[1] / "reference/data/taxonomies/chi-2023.json"
    tree = json.loads(path.read_text())
    shipped = {sub["code"] for category in tree["categories"] for sub in category["subcategories"]}
    assert set(NATIONAL_PRACTICE.subcategories) <= shipped


def test_under_six_any_danger_counts_one_step_more():
    assert judged(near_person_feared=YES, age=5) == (RiskLevel.HIGH, [Why.YOUNG_CHILD, Why.NEAR_PERSON_FEARED])
    assert judged(sexual_violence=YES, age=5)[0] is RiskLevel.IMMEDIATE
    assert judged(sexual_violence=YES, age=6)[0] is RiskLevel.HIGH
    assert judged(hurt=YES, near_person_feared=YES, age=1)[0] is RiskLevel.IMMEDIATE
    assert judged(subcategories=["nutrition"], age=1)[0] is RiskLevel.LOW
    assert judged(near_person_feared=YES, age=None)[0] is RiskLevel.MEDIUM


def test_the_deciding_reason_stands_first():
    level, why = judged(subcategories=["neglect"], hurt=YES, sexual_violence=YES, near_person_feared=YES)
    assert level is RiskLevel.IMMEDIATE
    assert why == [Why.HURT_NEAR_PERSON_FEARED, Why.SEXUAL_VIOLENCE, Why.SUBCATEGORY]


@given(answers, st.lists(codes, max_size=3), ages, st.sampled_from(sorted(ALL_NO)))
def test_a_no_is_never_above_an_unknown_nor_an_unknown_above_a_yes(given_answers, subcategories, age, question):
    severities = []
    for answer in (NO, UNKNOWN, YES):
        values = {name: getattr(given_answers, name) for name in ALL_NO} | {question: answer}
        severities.append(assess_risk(DangerAnswers(**values), subcategories, age).level.severity)
    assert severities == sorted(severities)


@given(answers, st.lists(codes, max_size=3), codes, ages)
def test_one_more_reason_never_lowers_the_risk_and_every_risk_has_a_reason(given_answers, subcategories, code, age):
    risk = assess_risk(given_answers, subcategories, age)
    more = assess_risk(given_answers, [*subcategories, code], age)
    assert more.level.severity >= risk.level.severity
    assert risk.reasons
    assert assess_risk(given_answers, reversed(subcategories), age).level is risk.level


def test_a_helpline_sets_its_own_levels():
    policy = RiskPolicy(subcategories={"bullying": RiskLevel.HIGH}, young_below=10)
    assert assess_risk(DangerAnswers(**ALL_NO), ["bullying"], 9, policy).level is RiskLevel.IMMEDIATE
    assert assess_risk(DangerAnswers(**ALL_NO), ["neglect"], 9, policy).level is RiskLevel.LOW


@pytest.mark.parametrize(
    ("level", "hours"),
    [(RiskLevel.IMMEDIATE, 1), (RiskLevel.HIGH, 24), (RiskLevel.MEDIUM, 72), (RiskLevel.LOW, 168)],
)
def test_the_first_response_clock(level, hours):
    since = datetime(2026, 11, 23, 22, tzinfo=UTC)
    assert first_response_due(level, since) == since + timedelta(hours=hours)


def test_severity_orders_the_levels():
    assert [level.severity for level in (RiskLevel.LOW, RiskLevel.MEDIUM, RiskLevel.HIGH, RiskLevel.IMMEDIATE)] == [
        0,
        1,
        2,
        3,
    ]


NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("starts", "ends", "code", "field"),
    [
        (timedelta(0), timedelta(0), None, None),
        (-timedelta(hours=1), -timedelta(minutes=1), None, None),
        (timedelta(seconds=1), timedelta(seconds=2), "in_future", "started_at"),
        (-timedelta(hours=1), timedelta(seconds=1), "in_future", "ended_at"),
        (-timedelta(hours=1), -timedelta(hours=2), "ends_before_start", "ended_at"),
    ],
)
def test_a_call_ends_after_it_began_and_not_in_the_future(starts, ends, code, field):
    if code is None:
        rules.check_times(NOON + starts, NOON + ends, NOON)
        return
    with pytest.raises(Invalid, match=code) as refusal:
        rules.check_times(NOON + starts, NOON + ends, NOON)
    assert refusal.value.field == field


def test_the_youngest_child_counts_and_a_persons_judgement_wins_and_says_over_what():
    answers_ = DangerAnswers(sexual_violence=YES)
    assert rules.judge(answers_, [], [12, None, 3])[0] is RiskLevel.IMMEDIATE
    assert rules.judge(answers_, [], [12, None])[0] is RiskLevel.HIGH
    level, reasons = rules.judge(answers_, ["violence.neglect"], [], RiskLevel.LOW)
    assert level is RiskLevel.LOW
    assert reasons == [
        {"code": "judged", "value": "high"}, {"code": "sexual_violence"},
        {"code": "subcategory", "value": "violence.neglect"},
    ]  # fmt: skip
    assert rules.judge(answers_, [], [], RiskLevel.HIGH)[1] == [{"code": "sexual_violence"}]


def test_what_changed_between_two_versions():
    assert rules.changed({"a": 1, "b": 2, "c": 3}, {"a": 1, "b": 3, "d": 4}) == ["b", "c", "d"]
