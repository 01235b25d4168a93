"""Keys of lists: where a page of a list ordered by time and id goes on. Opaque to whoever carries them."""

import base64
import binascii
import struct
import uuid
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from helpline.foundation.errors import Invalid

_KEY = struct.Struct(">q16s")
_MICRO = 1_000_000
COUNTED = 1000  # so far a list says exactly how many it holds; then "more than"


def encode_key(at: datetime, record_id: uuid.UUID) -> str:
    """The key of the row at this place, for `decode_key`."""
    return base64.urlsafe_b64encode(_KEY.pack(round(at.timestamp() * _MICRO), record_id.bytes)).decode().rstrip("=")


def decode_key(text: str | None) -> tuple[datetime, uuid.UUID] | None:
    """The place that a key names; None for no key. Raises Invalid("page_key") for anything else."""
    if not text:
        return None
    try:
        micros, raw = _KEY.unpack(base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True))
        return datetime.fromtimestamp(micros / _MICRO, UTC), uuid.UUID(bytes=raw)
    except (binascii.Error, struct.error, ValueError, OverflowError, OSError):
        raise Invalid("page_key", "after") from None


def held(found: Sequence[object], page: int, after: object, count: Callable[[], int]) -> int:
    """How many a list holds in all; asked of the database only where its first page does not show it."""
    return len(found) if after is None and len(found) <= page else count()
