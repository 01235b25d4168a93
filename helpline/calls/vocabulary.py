"""The closed lists of words about calls."""

import uuid
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from helpline.people.vocabulary import Answer as Answer


class RiskLevel(StrEnum):
    """How soon somebody must act. Compare by `severity`, never by the text."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    IMMEDIATE = "immediate"

    @property
    def severity(self) -> int:
        """0 for low up to 3 for immediate."""
        return list(RiskLevel).index(self)


# What lists may be asked for besides codes: what nobody noted, and the two levels at which somebody must act soon.
NONE = "none"
SEVERE = "severe"


def risk_levels(asked: str) -> tuple[str, ...]:
    """The levels that a filter's word means: itself, or high and immediate together."""
    return (RiskLevel.HIGH, RiskLevel.IMMEDIATE) if asked == SEVERE else (asked,)


@dataclass(frozen=True, slots=True)
class DangerAnswers:
    """The four questions asked once, and the one that follows a yes about suicide. Not asked means unknown."""

    hurt: Answer = Answer.UNKNOWN  # hurt, or about to be?
    suicide_thoughts: Answer = Answer.UNKNOWN
    near_person_feared: Answer = Answer.UNKNOWN  # with the person feared, or that person is nearby?
    sexual_violence: Answer = Answer.UNKNOWN
    suicide_means: Answer = Answer.UNKNOWN  # a plan, or the means at hand?


class RiskReasonCode(StrEnum):
    """Why a risk level was chosen."""

    HURT_NEAR_PERSON_FEARED = "hurt_near_person_feared"
    SUICIDE_WITH_MEANS = "suicide_with_means"
    HURT = "hurt"
    SUICIDE_THOUGHTS = "suicide_thoughts"
    SEXUAL_VIOLENCE = "sexual_violence"
    MAYBE_HURT_NEAR_PERSON_FEARED = "maybe_hurt_near_person_feared"
    NEAR_PERSON_FEARED = "near_person_feared"
    SUBCATEGORY = "subcategory"
    JUDGED = "judged"  # by a person, who gave a reason
    YOUNG_CHILD = "young_child"
    NO_DANGER_FOUND = "no_danger_found"
    NOTHING_KNOWN = "nothing_known"  # about the danger: no question was answered


class CallChannel(StrEnum):
    """How the contact came."""

    PHONE = "phone"
    SMS = "sms"
    WEB_CHAT = "web_chat"
    MESSENGER = "messenger"
    EMAIL = "email"
    LETTER = "letter"
    WALK_IN = "walk_in"
    SOCIAL = "social"


class Direction(StrEnum):
    IN = "in"
    OUT = "out"


class CallKind(StrEnum):
    """Counselling and non-counselling contacts, as Child Helpline International counts them."""

    COUNSELLING = "counselling"
    SILENT = "silent"
    HANG_UP = "hang_up"
    ABUSIVE = "abusive"
    THANKS = "thanks"
    WRONG_NUMBER = "wrong_number"
    TEST = "test"
    INFORMATION = "information"
    OTHER = "other"


class Relation(StrEnum):
    """Who the caller is to the child."""

    SELF = "self"
    PARENT = "parent"
    SIBLING = "sibling"
    RELATIVE = "relative"
    NEIGHBOUR = "neighbour"
    FRIEND = "friend"
    TEACHER = "teacher"
    POLICE = "police"
    HEALTH_WORKER = "health_worker"
    OTHER_PROFESSIONAL = "other_professional"
    OTHER = "other"
    UNKNOWN = "unknown"


class CallAction(StrEnum):
    """What was done on the call."""

    COUNSELLING = "counselling"
    INFORMATION = "information"
    SAFETY_PLAN = "safety_plan"
    DIRECT_INTERVENTION = "direct_intervention"
    RESOURCES = "resources"
    REFERRAL_CHILD_PROTECTION = "referral_child_protection"
    REFERRAL_HEALTH = "referral_health"
    REFERRAL_POLICE = "referral_police"
    REFERRAL_MENTAL_HEALTH = "referral_mental_health"
    REFERRAL_SCHOOL = "referral_school"
    REFERRAL_LEGAL = "referral_legal"
    REFERRAL_SHELTER = "referral_shelter"
    REFERRAL_OTHER = "referral_other"
    EMERGENCY_DISPATCH = "emergency_dispatch"
    ABUSE_MATERIAL_REPORTED = "abuse_material_reported"


class CallSource(StrEnum):
    LIVE = "live"
    IMPORTED = "imported"


class CallChange(StrEnum):
    """What made an earlier version of a call."""

    CORRECTED = "corrected"
    VOIDED = "voided"


@dataclass(frozen=True, slots=True)
class Logged:
    """A call just written, or found written already (`first` is false)."""

    id: uuid.UUID
    number: int
    risk_level: str
    first: bool


@dataclass(frozen=True, slots=True)
class Ground:
    """A centre's country and, where a place was named, its path from the province down."""

    country: str
    place_path: tuple[uuid.UUID, ...]


@dataclass(frozen=True, slots=True)
class CallFilter:
    """Which calls a list shows; None does not narrow. Days and hours are local to `zone`; `last` is included.

    The first five say how far the actor reaches.
    """

    centre_id: uuid.UUID | None = None
    team_ids: tuple[uuid.UUID, ...] | None = None
    operator_id: uuid.UUID | None = None
    granted: bool = False
    zone: str = "UTC"
    kind: str | None = None
    channel: str | None = None
    category: str | None = None  # the main reason: a category with all of its own, or one subcategory; NONE: no reason
    any_category: str | None = None
    province: uuid.UUID | str | None = None  # NONE: no place was told
    risk: str | None = None  # of calls that were judged: counselling
    source: str | None = None
    gender: str | None = None
    age_band: str | None = None
    first: date | None = None
    last: date | None = None
    hour: int | None = None
    weekday: int | None = None  # ISO: Monday is 1
    voided: bool = False


@dataclass(frozen=True, slots=True)
class TermRow:
    code: str
    names: dict[str, str]
    group_names: dict[str, str] | None = None


@dataclass(frozen=True, slots=True)
class PersonRow:
    """A person of a call, in the clear."""

    id: uuid.UUID
    name: str | None = field(repr=False)
    phone: str | None = field(repr=False)
    age: int | None
    age_known: str
    gender: str
    language: str | None
    nationality: str | None
    ethnicity: str | None
    schooling: str | None
    living_situation: str | None
    disability: str


@dataclass(frozen=True, slots=True)
class CallRow:
    """A call in a list: nothing sealed. `children`: (gender, age band) each."""

    id: uuid.UUID
    number: int
    version: int
    kind: str
    channel: str
    direction: str
    source: str
    started_at: datetime
    ended_at: datetime | None
    logged_at: datetime
    operator_id: uuid.UUID
    operator_name: str | None
    team_id: uuid.UUID | None
    caller_relation: str
    risk_level: str | None  # None: no counselling, so not judged
    voided_at: datetime | None
    erased_at: datetime | None
    erased_why: str | None
    place_id: uuid.UUID | None
    province_id: uuid.UUID | None
    place_names: dict[str, str] | None
    province_names: dict[str, str] | None
    category: str | None
    category_names: dict[str, str] | None
    children: list[dict[str, str]]


@dataclass(frozen=True, slots=True)
class CallDetail(CallRow):
    """A call with its words and people, for its page."""

    risk_reasons: list[dict[str, Any]]
    risk_reason: str | None = field(repr=False)
    danger: dict[str, str]
    actions: list[str]
    narrative: str | None = field(repr=False)
    void_reason: str | None = field(repr=False)
    place_label: dict[str, str]
    categories: list[TermRow]
    caller: PersonRow | None
    people: list[PersonRow]


@dataclass(frozen=True, slots=True)
class VersionRow:
    """What a call said before a change, by whom it was changed, when and why."""

    id: uuid.UUID
    call_id: uuid.UUID
    version: int
    at: datetime
    actor_id: uuid.UUID
    actor_name: str | None
    action: str
    before: dict[str, Any] = field(repr=False)
    reason: str | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class EarlierCall:
    """A call from the same number before."""

    id: uuid.UUID
    number: int
    kind: str
    started_at: datetime
    ended_at: datetime | None
    risk_level: str


@dataclass(frozen=True, slots=True)
class ShiftCounts:
    """What somebody did since the shift began."""

    answered: int
    counselling: int
    severe: int
