"""What is asked of a referral."""

import uuid
from dataclasses import dataclass

from helpline.agencies.vocabulary import Service
from helpline.referrals.vocabulary import Answer, DeclineReason


@dataclass(frozen=True, slots=True)
class RequestReferral:
    """Ask for a service for the child of a case. `referral_id` is the form's."""

    referral_id: uuid.UUID
    case_id: uuid.UUID
    service: Service


@dataclass(frozen=True, slots=True)
class GiveAnswer:
    """An agency's answer. `reason` is needed to decline; `note` is kept sealed."""

    answer: Answer
    reason: DeclineReason | None = None
    note: str | None = None
