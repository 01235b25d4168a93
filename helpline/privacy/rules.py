"""How long, how soon and how often: pure decisions about overrides.

Half an hour, told at once and reviewed within a day is the issue's own rule; the database holds the half hour and the
day as well (`app.break_glass`).
"""

from datetime import datetime, timedelta
from uuid import UUID

from helpline.foundation.errors import Conflict, Forbidden

REMIND_EVERY = timedelta(hours=8)


def check_review(broken_by: UUID, reviewer: UUID, reviewed_at: datetime | None, permission: str) -> None:
    """Raise Forbidden for a review of one's own override, Conflict("reviewed_already") for a second one."""
    if broken_by == reviewer:
        raise Forbidden(permission)
    if reviewed_at is not None:
        raise Conflict("reviewed_already")
