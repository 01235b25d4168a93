"""What happened to a referral: ids, enums and times."""

import uuid
from dataclasses import dataclass
from typing import ClassVar

from helpline.foundation.outbox.publisher import Event


@dataclass(frozen=True, slots=True)
class ReferralRequested(Event):
    name: ClassVar[str] = "referrals.requested"
    referral_id: uuid.UUID
    case_id: uuid.UUID
    centre_id: uuid.UUID
    service: str


@dataclass(frozen=True, slots=True)
class ReferralAsked(Event):
    name: ClassVar[str] = "referrals.asked"
    referral_id: uuid.UUID
    ask_id: uuid.UUID
    case_id: uuid.UUID
    centre_id: uuid.UUID
    agency_id: uuid.UUID


@dataclass(frozen=True, slots=True)
class ReferralAccepted(Event):
    name: ClassVar[str] = "referrals.accepted"
    referral_id: uuid.UUID
    ask_id: uuid.UUID
    case_id: uuid.UUID
    centre_id: uuid.UUID
    agency_id: uuid.UUID


@dataclass(frozen=True, slots=True)
class ReferralDeclined(Event):
    name: ClassVar[str] = "referrals.declined"
    referral_id: uuid.UUID
    ask_id: uuid.UUID
    case_id: uuid.UUID
    centre_id: uuid.UUID
    agency_id: uuid.UUID
    reason: str


@dataclass(frozen=True, slots=True)
class ReferralExpired(Event):
    """Silence: the time to answer passed."""

    name: ClassVar[str] = "referrals.expired"
    referral_id: uuid.UUID
    ask_id: uuid.UUID
    case_id: uuid.UUID
    centre_id: uuid.UUID
    agency_id: uuid.UUID


@dataclass(frozen=True, slots=True)
class ReferralExhausted(Event):
    """Nobody is left to ask."""

    name: ClassVar[str] = "referrals.exhausted"
    referral_id: uuid.UUID
    case_id: uuid.UUID
    centre_id: uuid.UUID


@dataclass(frozen=True, slots=True)
class ReferralWithdrawn(Event):
    name: ClassVar[str] = "referrals.withdrawn"
    referral_id: uuid.UUID
    case_id: uuid.UUID
    centre_id: uuid.UUID
    reason: str


@dataclass(frozen=True, slots=True)
class ReferralServiceRecorded(Event):
    """The service began, was delivered, or was not."""

    name: ClassVar[str] = "referrals.service_recorded"
    referral_id: uuid.UUID
    case_id: uuid.UUID
    centre_id: uuid.UUID
    state: str
