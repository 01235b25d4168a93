"""The closed lists of words about referrals."""

from enum import StrEnum


class Urgency(StrEnum):
    """How soon the service is needed."""

    IMMEDIATE = "immediate"
    URGENT = "urgent"
    ROUTINE = "routine"


class ReferralState(StrEnum):
    """Where a referral stands. REQUESTED: the router looks for the next agency to ask."""

    REQUESTED = "requested"
    ASKED = "asked"
    ACCEPTED = "accepted"
    EXHAUSTED = "exhausted"  # nobody left to ask: a supervisor decides
    WITHDRAWN = "withdrawn"
    SERVICE_STARTED = "service_started"
    DELIVERED = "delivered"
    NOT_DELIVERED = "not_delivered"


class AskState(StrEnum):
    """Where one asking of one agency stands."""

    ASKED = "asked"
    ACCEPTED = "accepted"
    DECLINED = "declined"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"


class Answer(StrEnum):
    """What an agency may say."""

    ACCEPT = "accept"
    DECLINE = "decline"


class DeclineReason(StrEnum):
    """Why an agency can't help."""

    FULL = "full"
    NO_STAFF_NOW = "no_staff_now"
    NOT_OUR_SERVICE = "not_our_service"
    OUTSIDE_OUR_AREA = "outside_our_area"
    AGE_OR_SEX = "age_or_sex"
    TOO_LATE = "too_late"
    OTHER = "other"


class WithdrawReason(StrEnum):
    """Why nobody is asked any longer."""

    NO_CONSENT = "no_consent"
    NO_LONGER_NEEDED = "no_longer_needed"
    HELPED_OTHERWISE = "helped_otherwise"
    FAMILY_REFUSED = "family_refused"
    BY_MISTAKE = "by_mistake"
    CLOSED_TO = "closed_to"  # the case was closed to the agency that had accepted
    OTHER = "other"


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
    NO_ADDRESS = "no_address"
    DECLINED_BEFORE = "declined_before"
    SILENT_BEFORE = "silent_before"
    OPENS_TOO_LATE = "opens_too_late"  # only after its answer would be due; asked where nobody else is left


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
