"""Follow-ups: planned when a case opens, moved with it, reminded of and escalated when due."""

import uuid
from collections.abc import Callable
from typing import Any

from helpline.calls.vocabulary import RiskLevel
from helpline.followups.services import planning, watching
from helpline.foundation.access.permissions import SystemActor
from helpline.foundation.context import Context, system_context
from helpline.foundation.db import unit_of_work
from helpline.foundation.failpoints import failpoint
from workers.task import job, on_event


def _case(payload: dict[str, Any]) -> uuid.UUID:
    return uuid.UUID(payload["case_id"])


@on_event("followups.plan_case", SystemActor.REMINDER)
def plan_case(ctx: Context, payload: dict[str, Any]) -> None:
    """Plan what the opened case needs; historic cases are left alone."""
    if payload["source"] == "live":
        planning.plan(ctx, _case(payload))


@on_event("followups.plan_again", SystemActor.REMINDER)
def plan_again(ctx: Context, payload: dict[str, Any]) -> None:
    """Plan anew for a case that was taken up again."""
    planning.plan(ctx, _case(payload), reopened=True)


@on_event("followups.reassign_case", SystemActor.REMINDER)
def reassign_case(ctx: Context, payload: dict[str, Any]) -> None:
    """Open follow-ups go with the case to its caseworker."""
    planning.reassign(ctx, _case(payload))


@on_event("followups.release_case", SystemActor.REMINDER)
def release_case(ctx: Context, payload: dict[str, Any]) -> None:
    """A case was closed to whoever had it: it waits for somebody else."""
    planning.release(ctx, _case(payload))


@on_event("followups.replan_case", SystemActor.REMINDER)
def replan_case(ctx: Context, payload: dict[str, Any]) -> None:
    """Open follow-ups move with the case's risk."""
    planning.replan(ctx, _case(payload), RiskLevel(payload["former"]))


@on_event("followups.note_contact", SystemActor.REMINDER)
def note_contact(ctx: Context, payload: dict[str, Any]) -> None:
    """A contact settles what waited for it."""
    planning.note_contact(ctx, _case(payload), first=payload["first"])


@on_event("followups.cancel_case", SystemActor.REMINDER)
def cancel_case(ctx: Context, payload: dict[str, Any]) -> None:
    """Nothing is to be done for a closed case."""
    planning.cancel_all(ctx, _case(payload))


@job("followups.remind_due")
def remind_due() -> None:
    """Remind of everything due, a batch a unit of work."""
    _all(watching.remind_due, "followups.remind.before_commit")


@job("followups.escalate_due")
def escalate_due() -> None:
    """Take to the supervisors what stayed undone, a batch a unit of work."""
    _all(watching.escalate_due, "followups.escalate.before_commit")


def _all(step: Callable[[Context, int], int], point: str) -> None:
    taken = watching.BATCH
    while taken == watching.BATCH:
        with unit_of_work(system_context(SystemActor.REMINDER)) as ctx:
            taken = step(ctx, watching.BATCH)
            failpoint(point)
