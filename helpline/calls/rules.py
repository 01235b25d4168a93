"""How dangerous a situation is, judged from four questions, the reasons for the call and the child's age.

Source: the levels and their clocks are DOMAIN.md's "common national practice, configurable"; which answers lead to
which level is common national practice too. All of it is data in a RiskPolicy, so that a helpline can set its own.
The judgement proposes: an operator may override it with a reason, which the service records beside it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any

from helpline.calls.vocabulary import Answer as Answer
from helpline.calls.vocabulary import DangerAnswers as DangerAnswers
from helpline.calls.vocabulary import RiskLevel, RiskReasonCode
from helpline.foundation.calendar import utc
from helpline.foundation.errors import Invalid

_HIGH_SUBCATEGORIES = (
    "child_abduction", "female_genital_mutilation", "online_child_sexual_abuse_and_exploitation", "sexual_violence",
    "suicidal_thoughts_and_attempts",
)  # fmt: skip
_MEDIUM_SUBCATEGORIES = (
    "child_early_forced_marriage", "child_labour", "lost_or_unaccounted_for", "neglect", "physical_violence",
    "psychological_emotional_violence", "runaway", "self_harm", "traumatic_distress",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class RiskReason:
    """One reason; `value` names the subcategory it rests on, where it rests on one."""

    code: RiskReasonCode
    value: str | None = None


@dataclass(frozen=True, slots=True)
class Risk:
    """The level, and why, the deciding reason first."""

    level: RiskLevel
    reasons: tuple[RiskReason, ...]


@dataclass(frozen=True, slots=True)
class RiskPolicy:
    """What a helpline may set for itself. Subcategories that are not named are low."""

    subcategories: Mapping[str, RiskLevel] = field(
        default_factory=lambda: MappingProxyType(
            dict.fromkeys(_HIGH_SUBCATEGORIES, RiskLevel.HIGH) | dict.fromkeys(_MEDIUM_SUBCATEGORIES, RiskLevel.MEDIUM)
        )
    )
    young_below: int = 6  # years; younger children can't leave, call or tell: one step more, where there is any danger
    first_response: Mapping[RiskLevel, timedelta] = field(
        default_factory=lambda: MappingProxyType(
            {
                RiskLevel.IMMEDIATE: timedelta(hours=1),
                RiskLevel.HIGH: timedelta(hours=24),
                RiskLevel.MEDIUM: timedelta(hours=72),
                RiskLevel.LOW: timedelta(days=7),
            }
        )
    )


NATIONAL_PRACTICE = RiskPolicy()


def assess_risk(
    answers: DangerAnswers,
    subcategories: Iterable[str] = (),
    child_age: int | None = None,
    policy: RiskPolicy = NATIONAL_PRACTICE,
) -> Risk:
    """The level that the answers, reasons for the call and age (years; None: unknown) call for.

    An unknown answer never makes the level lower than a no would, nor a yes lower than an unknown.
    """
    found = [*_from_answers(answers), *_from_subcategories(subcategories, policy)]
    found.sort(key=lambda each: -each[0].severity)
    if not found:
        asked = any(getattr(answers, name) is not Answer.UNKNOWN for name in answers.__slots__)
        why = RiskReasonCode.NO_DANGER_FOUND if asked else RiskReasonCode.NOTHING_KNOWN
        return Risk(RiskLevel.LOW, (RiskReason(why),))
    level, reasons = found[0][0], [reason for _, reason in found]
    young = child_age is not None and child_age < policy.young_below
    if young and RiskLevel.LOW.severity < level.severity < RiskLevel.IMMEDIATE.severity:
        level = list(RiskLevel)[level.severity + 1]
        reasons.insert(0, RiskReason(RiskReasonCode.YOUNG_CHILD))
    return Risk(level, tuple(reasons))


def first_response_due(level: RiskLevel, since: datetime, policy: RiskPolicy = NATIONAL_PRACTICE) -> datetime:
    """By when somebody must have acted: real hours, day and night, since the call."""
    return utc(since) + policy.first_response[level]


def _from_answers(answers: DangerAnswers) -> list[tuple[RiskLevel, RiskReason]]:
    yes, no = Answer.YES, Answer.NO
    hurt, near = answers.hurt, answers.near_person_feared
    rules = (
        (hurt is yes and near is yes, RiskLevel.IMMEDIATE, RiskReasonCode.HURT_NEAR_PERSON_FEARED),
        (
            answers.suicide_thoughts is yes and answers.suicide_means is yes,
            RiskLevel.IMMEDIATE,
            RiskReasonCode.SUICIDE_WITH_MEANS,
        ),
        (hurt is yes and near is not yes, RiskLevel.HIGH, RiskReasonCode.HURT),
        (
            answers.suicide_thoughts is yes and answers.suicide_means is not yes,
            RiskLevel.HIGH,
            RiskReasonCode.SUICIDE_THOUGHTS,
        ),
        (answers.sexual_violence is yes, RiskLevel.HIGH, RiskReasonCode.SEXUAL_VIOLENCE),
        (hurt is Answer.UNKNOWN and near is yes, RiskLevel.HIGH, RiskReasonCode.MAYBE_HURT_NEAR_PERSON_FEARED),
        (hurt is no and near is yes, RiskLevel.MEDIUM, RiskReasonCode.NEAR_PERSON_FEARED),
    )
    return [(level, RiskReason(code)) for holds, level, code in rules if holds]


def _from_subcategories(codes: Iterable[str], policy: RiskPolicy) -> list[tuple[RiskLevel, RiskReason]]:
    """Codes may be qualified by their category (`violence.neglect`); the policy may name them either way."""
    levels = policy.subcategories
    known = [(levels.get(code, levels.get(code.rpartition(".")[2], RiskLevel.LOW)), code) for code in codes]
    return [
        (level, RiskReason(RiskReasonCode.SUBCATEGORY, code)) for level, code in known if level is not RiskLevel.LOW
    ]


def check_times(started_at: datetime, ended_at: datetime, now: datetime) -> None:
    """Raises Invalid("in_future" | "ends_before_start") beside the field it belongs to."""
    if started_at > now:
        raise Invalid("in_future", "started_at")
    if ended_at > now:
        raise Invalid("in_future", "ended_at")
    if ended_at < started_at:
        raise Invalid("ends_before_start", "ended_at")


def judge(
    answers: DangerAnswers,
    subcategories: Iterable[str],
    ages: Iterable[int | None],
    override: RiskLevel | None = None,
    policy: RiskPolicy = NATIONAL_PRACTICE,
) -> tuple[RiskLevel, list[dict[str, str]]]:
    """The level of a call and its reasons as stored; the youngest child counts, and a person's own judgement wins."""
    known = [age for age in ages if age is not None]
    risk = assess_risk(answers, subcategories, min(known, default=None), policy)
    reasons = [
        {"code": reason.code.value} | ({"value": reason.value} if reason.value else {}) for reason in risk.reasons
    ]
    if override is None or override is risk.level:
        return risk.level, reasons
    return override, [{"code": RiskReasonCode.JUDGED.value, "value": risk.level.value}, *reasons]


def changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Names of the fields in which two snapshots of a call differ."""
    return sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
