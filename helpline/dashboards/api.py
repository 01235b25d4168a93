"""Figures by API."""

from typing import Any

from helpline.dashboards import services
from helpline.dashboards.schemas import FiguresOut, FiguresQuery
from helpline.dashboards.vocabulary import Period, Span
from helpline.foundation.access.permissions import Permission
from helpline.web.api import ApiBlueprint
from helpline.web.guard import acting, guard

api = ApiBlueprint("dashboards", "Figures for supervisors.")


@api.get("/figures")
@guard(Permission.FIGURES_READ)
@api.arguments(FiguresQuery, location="query")
@api.response(200, FiguresOut)
def read_figures(asked: dict[str, Any]) -> services.Figures:
    """Calls over a period, and what is open now, within one's team or centre."""
    own = Span(asked["first"], asked["last"])
    period = Period.CUSTOM if own != Span(None, None) else asked["period"]
    return services.count_figures(acting(), period, own, team_id=asked["team"], source=asked["source"])
