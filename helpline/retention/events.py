"""What comes out: ids and times."""

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from helpline.foundation.outbox.publisher import Event


@dataclass(frozen=True, slots=True)
class RecordErased(Event):
    """The keys of a record and of what hung on it are destroyed. `kind`: call, case or person."""

    name: ClassVar[str] = "retention.record_erased"
    erasure_id: uuid.UUID
    centre_id: uuid.UUID
    kind: str
    record_id: uuid.UUID
    erased_at: datetime
