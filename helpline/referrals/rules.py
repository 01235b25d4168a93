"""Which agency to ask, by when it should answer, and how a referral may move on.

Each candidate is judged by itself: one that can't serve the need is excluded with the reason; the others get a score
of digits, the most important first, so that order and score can't disagree and no candidate changes how another
stands, but for one thing: who opens only after an answer is due is asked where nobody else can be. Nearness comes
first, for immediate need being open does. Source: DOMAIN.md (routing by service, coverage,
age, sex, opening hours, capacity); the steps of each digit and the answer times are this project's own choice.
"""

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from types import MappingProxyType
from uuid import UUID
from zoneinfo import ZoneInfo

from helpline.calls.vocabulary import RiskLevel
from helpline.foundation.calendar import OpeningHours, opens_next, utc
from helpline.foundation.errors import Conflict
from helpline.people.vocabulary import Gender
from helpline.referrals.vocabulary import Exclusion, RankReasonCode, ReferralState, Urgency

_HOUR, _BEST = timedelta(hours=1), 9
_WAITS = tuple(hours * _HOUR for hours in (0, 2, 6, 12, 24, 48, 72, 168))  # one digit less beyond each
_SPEEDS = tuple(hours * _HOUR for hours in (1, 2, 4, 12, 24, 48, 72))
_SPEED_UNKNOWN = 5  # as one that answers within a day: a new agency gets its chance


@dataclass(frozen=True, slots=True)
class Need:
    """What one child needs. `place_path` runs from the nearest known place up to the province; empty: unknown."""

    service: str
    place_path: tuple[str, ...]
    urgency: Urgency
    when: datetime
    age: int | None = None  # years
    gender: Gender = Gender.UNKNOWN
    language: str | None = None


@dataclass(frozen=True, slots=True)
class Candidate:
    """What the directory knows of one agency, and this case's history with it."""

    agency_id: UUID
    services: frozenset[str]
    coverage: frozenset[str]  # place codes of any level
    hours: OpeningHours
    tz: ZoneInfo
    holidays: AbstractSet[date] = frozenset()
    nationwide: bool = False
    min_age: int | None = None  # years, both inclusive
    max_age: int | None = None
    genders: frozenset[Gender] = frozenset()  # empty: all
    capacity_left: int | None = None  # None: not limited
    languages: frozenset[str] = frozenset()
    median_answer: timedelta | None = None
    active: bool = True
    reachable: bool = True  # it has an address that a message can go to
    accepting: bool = True
    conflict: bool = False  # the case is closed to them: somebody there is part of the story
    withheld: bool = False  # the family wants them not to know
    declined_before: bool = False  # this need, this case
    silent_before: bool = False


@dataclass(frozen=True, slots=True)
class RankReason:
    """One reason with what it rests on: a place code, an ISO instant in UTC, a language, a number."""

    code: RankReasonCode
    value: str | int | None = None


@dataclass(frozen=True, slots=True)
class Ranked:
    """An agency's place in the order. `score` is 0 and `reasons` are empty where `excluded` says why not."""

    agency_id: UUID
    score: int = 0
    reasons: tuple[RankReason, ...] = ()
    excluded: Exclusion | None = None


def rank(need: Need, agencies: Iterable[Candidate]) -> list[Ranked]:
    """All candidates: those that can be asked first, best first; then the excluded. Ties go by agency id."""
    candidates = list(agencies)
    judged = [_judge(need, agency) for agency in candidates]
    if best(judged) is None:
        judged = [_judge(need, agency, may_open_late=True) for agency in candidates]
    return sorted(judged, key=lambda each: (each.excluded is not None, -each.score, each.agency_id))


def best(ranked: Iterable[Ranked]) -> Ranked | None:
    """The first that can be asked; None when the list is exhausted and a supervisor must decide."""
    return next((each for each in ranked if each.excluded is None), None)


def _judge(need: Need, agency: Candidate, *, may_open_late: bool = False) -> Ranked:
    excluded = _excluded(need, agency)
    if excluded is None and not may_open_late and _opens_too_late(need, agency):
        excluded = Exclusion.OPENS_TOO_LATE
    if excluded is not None:
        return Ranked(agency.agency_id, excluded=excluded)
    near, opening = _nearness(need, agency), _opening(need, agency)
    first, second = (opening, near) if need.urgency is Urgency.IMMEDIATE else (near, opening)
    parts = [_certainty(need, agency), first, second, _language(need, agency), _capacity(agency), _speed(agency)]
    score = int("".join(str(digit) for digit, _ in parts))
    return Ranked(agency.agency_id, score, tuple(reason for _, reasons in parts for reason in reasons))


def _excluded(need: Need, agency: Candidate) -> Exclusion | None:
    covered = agency.nationwide or not agency.coverage.isdisjoint(need.place_path)
    certain_gender = need.gender is not Gender.UNKNOWN
    checks = (
        (not agency.active, Exclusion.INACTIVE),
        (not agency.accepting, Exclusion.NOT_ACCEPTING),
        (not agency.reachable, Exclusion.NO_ADDRESS),
        (agency.conflict, Exclusion.CONFLICT_OF_INTEREST),
        (agency.withheld, Exclusion.WITHHELD),
        (need.service not in agency.services, Exclusion.SERVICE_NOT_OFFERED),
        (not covered and not need.place_path, Exclusion.PLACE_UNKNOWN),
        (not covered, Exclusion.OUTSIDE_COVERAGE),
        (need.age is not None and agency.min_age is not None and need.age < agency.min_age, Exclusion.TOO_YOUNG),
        (need.age is not None and agency.max_age is not None and need.age > agency.max_age, Exclusion.TOO_OLD),
        (bool(agency.genders) and certain_gender and need.gender not in agency.genders, Exclusion.GENDER_NOT_SERVED),
        (agency.capacity_left is not None and agency.capacity_left <= 0, Exclusion.FULL),
        (agency.declined_before, Exclusion.DECLINED_BEFORE),
        (agency.silent_before, Exclusion.SILENT_BEFORE),
    )
    return next((exclusion for holds, exclusion in checks if holds), None)


def _opens_too_late(need: Need, agency: Candidate) -> bool:
    """Its silence would be certain. Unknown hours say nothing."""
    opening = opens_next(agency.hours, need.when, agency.tz, agency.holidays)
    return opening is not None and opening >= utc(need.when) + ANSWER_WITHIN[need.urgency][1]


_Part = tuple[int, list[RankReason]]


def _certainty(need: Need, agency: Candidate) -> _Part:
    """An agency that takes only some ages or genders may not fit a child whose age or gender is unknown."""
    limited_age = agency.min_age is not None or agency.max_age is not None
    doubts = []
    if need.age is None and limited_age:
        doubts.append(RankReason(RankReasonCode.AGE_UNCERTAIN))
    if need.gender is Gender.UNKNOWN and agency.genders:
        doubts.append(RankReason(RankReasonCode.GENDER_UNCERTAIN))
    return _BEST - len(doubts), doubts


def _nearness(need: Need, agency: Candidate) -> _Part:
    """One digit less for each level further up that the coverage begins; the whole country is the furthest."""
    for distance, code in enumerate(need.place_path):
        if code in agency.coverage:
            return max(1, _BEST - distance), [RankReason(RankReasonCode.COVERS_PLACE, code)]
    return 0, [RankReason(RankReasonCode.COVERS_COUNTRY)]


def _opening(need: Need, agency: Candidate) -> _Part:
    opening = opens_next(agency.hours, need.when, agency.tz, agency.holidays)
    if opening is None:
        return 0, [RankReason(RankReasonCode.NO_OPENING_KNOWN)]
    wait = opening - utc(need.when)
    if not wait:
        return _BEST, [RankReason(RankReasonCode.OPEN_NOW)]
    return _steps(wait, _WAITS), [RankReason(RankReasonCode.OPENS_AT, opening.isoformat(timespec="seconds"))]


def _language(need: Need, agency: Candidate) -> _Part:
    if need.language is None or not agency.languages:
        return 1, []
    if need.language in agency.languages:
        return 2, [RankReason(RankReasonCode.SPEAKS_LANGUAGE, need.language)]
    return 0, [RankReason(RankReasonCode.LANGUAGE_NOT_SPOKEN, need.language)]


def _capacity(agency: Candidate) -> _Part:
    if agency.capacity_left is None:
        return _BEST, []
    return min(_BEST, agency.capacity_left), [RankReason(RankReasonCode.PLACES_LEFT, agency.capacity_left)]


def _speed(agency: Candidate) -> _Part:
    if agency.median_answer is None:
        return _SPEED_UNKNOWN, []
    minutes = agency.median_answer // timedelta(minutes=1)
    return _steps(agency.median_answer, _SPEEDS), [RankReason(RankReasonCode.ANSWERS_WITHIN_MINUTES, minutes)]


def _steps(length: timedelta, steps: tuple[timedelta, ...]) -> int:
    return _BEST - sum(length > step for step in steps)


# By when an agency should answer: so long after it opens, and no later than the second length from now. One that opens
# only then is passed over; where it is asked all the same, its time runs from its opening.
ANSWER_WITHIN: Mapping[Urgency, tuple[timedelta, timedelta]] = MappingProxyType(
    {
        Urgency.IMMEDIATE: (_HOUR, _HOUR),
        Urgency.URGENT: (4 * _HOUR, 24 * _HOUR),
        Urgency.ROUTINE: (48 * _HOUR, 7 * 24 * _HOUR),
    }
)
URGENCY: Mapping[RiskLevel, Urgency] = MappingProxyType(
    {
        RiskLevel.IMMEDIATE: Urgency.IMMEDIATE,
        RiskLevel.HIGH: Urgency.URGENT,
        RiskLevel.MEDIUM: Urgency.ROUTINE,
        RiskLevel.LOW: Urgency.ROUTINE,
    }
)


def answer_by(urgency: Urgency, now: datetime, opening: datetime | None) -> datetime:
    """When silence counts as a no. `opening` is when the agency next opens (`opens_next`); None: not known."""
    after_opening, at_most = ANSWER_WITHIN[urgency]
    latest = utc(now) + at_most
    if opening is None:
        return latest
    in_time = utc(opening) + after_opening
    return in_time if utc(opening) >= latest else min(latest, in_time)


_S = ReferralState
TRANSITIONS: Mapping[ReferralState, frozenset[ReferralState]] = MappingProxyType(
    {
        _S.REQUESTED: frozenset({_S.ASKED, _S.EXHAUSTED, _S.WITHDRAWN}),
        _S.ASKED: frozenset({_S.REQUESTED, _S.ACCEPTED, _S.WITHDRAWN}),  # refusal and silence look for the next
        _S.EXHAUSTED: frozenset({_S.REQUESTED, _S.ASKED, _S.WITHDRAWN}),  # a supervisor tries again, or chooses
        _S.ACCEPTED: frozenset({_S.SERVICE_STARTED, _S.DELIVERED, _S.NOT_DELIVERED, _S.WITHDRAWN}),
        _S.SERVICE_STARTED: frozenset({_S.DELIVERED, _S.NOT_DELIVERED}),
        _S.WITHDRAWN: frozenset(),
        _S.DELIVERED: frozenset(),
        _S.NOT_DELIVERED: frozenset(),
    }
)
# Where the agency still looks after the child, and its page stays open.
UNDER_WAY = frozenset({_S.ACCEPTED, _S.SERVICE_STARTED})
ENDED = frozenset(state for state, following in TRANSITIONS.items() if not following)
# What the caseworker records about the service once an agency has accepted.
SERVICE_STEPS = frozenset({_S.SERVICE_STARTED, _S.DELIVERED, _S.NOT_DELIVERED})


def check_transition(current: ReferralState, following: ReferralState) -> None:
    """Raise Conflict("referral_transition") unless a referral may move from one state to the other."""
    if following not in TRANSITIONS[current]:
        raise Conflict("referral_transition", current=current.value, following=following.value)
