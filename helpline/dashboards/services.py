"""Putting the figures together within what the actor may count."""

import uuid
from dataclasses import dataclass, replace
from datetime import date, datetime
from zoneinfo import ZoneInfo

from helpline.calls.queries import reach
from helpline.calls.vocabulary import CallFilter
from helpline.dashboards import queries
from helpline.dashboards.vocabulary import CallFigures, Period, Span, WorkFigures, span_of
from helpline.foundation.access.engine import require
from helpline.foundation.access.permissions import Permission, Scope
from helpline.foundation.audit.recorder import record
from helpline.foundation.calendar import local_day
from helpline.foundation.context import Context
from helpline.foundation.errors import Forbidden, NotFound


@dataclass(frozen=True, slots=True)
class Figures:
    """Counted at `counted_at` over local days `first` to `last`."""

    first: date | None
    last: date | None
    counted_at: datetime
    calls: CallFigures
    work: WorkFigures
    wanted: CallFilter


def count_figures(
    ctx: Context, period: Period, own: Span, *, team_id: uuid.UUID | None = None, source: str | None = None
) -> Figures:
    """Count within the actor's team or centre. Raises NotFound("team") for a team out of reach."""
    scope = require(ctx, Permission.FIGURES_READ)
    if ctx.actor.centre_id is None:
        raise Forbidden(Permission.FIGURES_READ)
    if team_id is not None and scope is Scope.TEAM and team_id not in ctx.actor.team_ids:
        raise NotFound("team", team_id)
    span = own if period is Period.CUSTOM else span_of(period, local_day(ctx.now, ZoneInfo(ctx.timezone)))
    teams = (team_id,) if team_id else ctx.actor.team_ids if scope is Scope.TEAM else None
    wanted = replace(reach(ctx), first=span.first, last=span.last, source=source, team_ids=teams)
    record(ctx, "figures.counted", "figures", period=period.value)
    return Figures(
        span.first, span.last, ctx.now, queries.call_figures(wanted),
        queries.work_figures(ctx.actor.centre_id, teams, ctx.now), wanted,
    )  # fmt: skip
