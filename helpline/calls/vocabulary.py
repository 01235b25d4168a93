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
