"""Referrals: seeking what a new case needs, asking the next agency, taking silence for a no."""

import uuid
from typing import Any

from helpline.foundation.access.permissions import SystemActor
from helpline.foundation.context import Context, system_context
from helpline.foundation.db import unit_of_work
from helpline.referrals.services import routing
from workers.task import job, on_event


@on_event("referrals.route_case", SystemActor.ROUTER)
def route_case(ctx: Context, payload: dict[str, Any]) -> None:
    """A case has opened, or got new needs: seek each. What came in with an old log is left alone."""
    if payload.get("source", "live") == "live":
        routing.request_needs(ctx, uuid.UUID(payload["case_id"]), payload["needs"])


@on_event("referrals.route", SystemActor.ROUTER)
def route(ctx: Context, payload: dict[str, Any]) -> None:
    """A referral looks for an agency: at first, or after a no or silence."""
    routing.route(ctx, uuid.UUID(payload["referral_id"]))


@on_event("referrals.tell_accepted", SystemActor.ROUTER)
def tell_accepted(ctx: Context, payload: dict[str, Any]) -> None:
    """An agency will help: the caseworker hears of it."""
    routing.tell_accepted(ctx, uuid.UUID(payload["referral_id"]))


@on_event("referrals.shut_out", SystemActor.ROUTER)
def shut_out(ctx: Context, payload: dict[str, Any]) -> None:
    """A case was closed to somebody; where that is an agency that holds it, another is sought."""
    routing.shut_out(ctx, uuid.UUID(payload["case_id"]), uuid.UUID(payload["principal_id"]))


@job("referrals.expire_unanswered")
def expire_unanswered() -> None:
    """Take silence for a no, batch by batch."""
    more = True
    while more:
        with unit_of_work(system_context(SystemActor.ROUTER)) as ctx:
            more = routing.expire_unanswered(ctx) == routing.BATCH
