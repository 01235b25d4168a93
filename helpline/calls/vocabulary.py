"""The closed lists of words about calls."""

from enum import StrEnum


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


class Answer(StrEnum):
    """To a question that a child may not answer."""

    NO = "no"
    UNKNOWN = "unknown"
    YES = "yes"


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
    YOUNG_CHILD = "young_child"
    NO_DANGER_FOUND = "no_danger_found"
