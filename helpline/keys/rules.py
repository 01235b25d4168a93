"""When the link ends, and when an old master key may go."""

from datetime import datetime, timedelta

LINK_DAYS = 365
# Longer than a request or task may run with keys it read before the rotation ended (access/rows.py, LIFETIME).
SETTLING = timedelta(minutes=10)


def may_retire(finished_at: datetime | None, now: datetime) -> bool:
    """Whether nobody can be left who read a record's key before it was wrapped anew, and would write it back."""
    return finished_at is not None and now - finished_at >= SETTLING
