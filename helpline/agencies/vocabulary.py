"""The closed lists of words about agencies."""

from enum import StrEnum


class Service(StrEnum):
    """What an agency can provide."""

    CHILD_PROTECTION = "child_protection"
    HEALTH = "health"
    POLICE = "police"
    MENTAL_HEALTH = "mental_health"
    SCHOOL = "school"
    LEGAL = "legal"
    SHELTER = "shelter"
    OTHER = "other"


class AgencyKind(StrEnum):
    """What sort of organisation it is."""

    GOVERNMENT = "government"
    POLICE = "police"
    HEALTH = "health"
    SCHOOL = "school"
    NGO = "ngo"
    LEGAL_AID = "legal_aid"
    COMMUNITY = "community"
    OTHER = "other"


class Sex(StrEnum):
    """Whom a service is for, where it is not for everybody."""

    FEMALE = "female"
    MALE = "male"
    OTHER = "other"
