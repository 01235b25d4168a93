"""What happened to calls: ids, levels, times."""

import uuid
from dataclasses import dataclass
from typing import ClassVar

from helpline.foundation.outbox.publisher import Event


@dataclass(frozen=True, slots=True)
class CallLogged(Event):
    name: ClassVar[str] = "calls.logged"
    call_id: uuid.UUID
    centre_id: uuid.UUID
    risk_level: str
    source: str


@dataclass(frozen=True, slots=True)
class CallCorrected(Event):
    name: ClassVar[str] = "calls.corrected"
    call_id: uuid.UUID
    centre_id: uuid.UUID
    risk_level: str


@dataclass(frozen=True, slots=True)
class CallVoided(Event):
    name: ClassVar[str] = "calls.voided"
    call_id: uuid.UUID
    centre_id: uuid.UUID
