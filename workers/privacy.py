"""Overrides: their supervisors are told at once, and reminded until the review is done."""

import uuid
from typing import Any

from helpline.foundation.access.permissions import SystemActor
from helpline.foundation.context import Context, system_context
from helpline.foundation.db import unit_of_work
from helpline.privacy.services import glass
from workers.task import job, on_event


@on_event("privacy.tell_broken", SystemActor.REMINDER)
def tell_broken(ctx: Context, payload: dict[str, Any]) -> None:
    """Somebody broke the glass."""
    glass.tell_broken(ctx, uuid.UUID(payload["override_id"]))


@job("privacy.remind_reviews")
def remind_reviews() -> None:
    """Ask again for each review that stands open, a batch a unit of work."""
    more = True
    while more:
        with unit_of_work(system_context(SystemActor.REMINDER)) as ctx:
            more = glass.remind_reviews(ctx) == glass.BATCH
