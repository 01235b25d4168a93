"""The closed lists of words about referrals."""

from enum import StrEnum


class Urgency(StrEnum):
    """How soon the service is needed."""

    IMMEDIATE = "immediate"
    URGENT = "urgent"
    ROUTINE = "routine"


class ReferralState(StrEnum):
    """Where a referral stands."""

    DRAFT = "draft"
    REQUESTED = "requested"
    ACCEPTED = "accepted"
    DECLINED = "declined"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"
    SERVICE_STARTED = "service_started"
    DELIVERED = "delivered"
    NOT_DELIVERED = "not_delivered"


class Exclusion(StrEnum):
    """Why an agency can't be asked."""

    INACTIVE = "inactive"
    NOT_ACCEPTING = "not_accepting"
    CONFLICT_OF_INTEREST = "conflict_of_interest"
    WITHHELD = "withheld"
    SERVICE_NOT_OFFERED = "service_not_offered"
    PLACE_UNKNOWN = "place_unknown"
    OUTSIDE_COVERAGE = "outside_coverage"
    TOO_YOUNG = "too_young"
    TOO_OLD = "too_old"
    GENDER_NOT_SERVED = "gender_not_served"
    FULL = "full"
    DECLINED_BEFORE = "declined_before"
    SILENT_BEFORE = "silent_before"


class RankReasonCode(StrEnum):
    """Why an agency stands where it stands."""

    COVERS_PLACE = "covers_place"
    COVERS_COUNTRY = "covers_country"
    OPEN_NOW = "open_now"
    OPENS_AT = "opens_at"
    NO_OPENING_KNOWN = "no_opening_known"
    SPEAKS_LANGUAGE = "speaks_language"
    LANGUAGE_NOT_SPOKEN = "language_not_spoken"
    PLACES_LEFT = "places_left"
    ANSWERS_WITHIN_MINUTES = "answers_within_minutes"
    AGE_UNCERTAIN = "age_uncertain"
    GENDER_UNCERTAIN = "gender_uncertain"
