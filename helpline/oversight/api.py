"""Audit, alerts and matrix by API."""

import uuid
from typing import Any

from flask import current_app

from helpline.foundation.access.permissions import Permission
from helpline.foundation.keyset import decode_key, encode_key
from helpline.oversight.queries import alerts, entries
from helpline.oversight.schemas import (
    AlertOut,
    AlertPage,
    AlertQuery,
    EntryPage,
    EntryQuery,
    MatrixOut,
    SettleIn,
    StandingOut,
)
from helpline.oversight.services import reading, watching
from helpline.web.api import ApiBlueprint
from helpline.web.guard import acting, guard

api = ApiBlueprint("oversight", "What auditors see.")


@api.get("/audit")
@guard(Permission.AUDIT_READ)
@api.arguments(EntryQuery, location="query")
@api.response(200, EntryPage)
def list_entries(asked: dict[str, Any]) -> dict[str, Any]:
    """Who did, read or was refused what, newest first."""
    rows = reading.search_audit(acting(), asked, decode_key(asked["after"]))
    shown = rows[: entries.PAGE]
    more = len(rows) > entries.PAGE
    return {"items": shown, "next": encode_key(shown[-1].at, shown[-1].id) if more else None}


@api.get("/audit/standing")
@guard(Permission.AUDIT_READ)
@api.response(200, StandingOut)
def read_standing() -> dict[str, Any]:
    """How far the audit is proved, and held by a witness outside."""
    return reading.read_standing(acting(), current_app.extensions["helpline_settings"])


@api.get("/alerts")
@guard(Permission.ALERT_READ)
@api.arguments(AlertQuery, location="query")
@api.response(200, AlertPage)
def list_alerts(asked: dict[str, Any]) -> dict[str, Any]:
    """Unusual reading, newest first: what is open, or what was settled."""
    rows = watching.list_alerts(acting(), settled=asked["settled"], after=decode_key(asked["after"]))
    shown, more = rows[: alerts.PAGE], len(rows) > alerts.PAGE
    return {"items": shown, "next": encode_key(shown[-1].raised_at, shown[-1].id) if more else None}


@api.post("/alerts/<uuid:alert_id>/settlement")
@guard(Permission.ALERT_SETTLE)
@api.arguments(SettleIn)
@api.response(200, AlertOut)
def settle_alert(found: dict[str, Any], alert_id: uuid.UUID) -> Any:
    """Say what was found out; it can't be said twice."""
    return watching.settle_alert(acting(), alert_id, found["note"])


@api.get("/matrix")
@guard(Permission.MATRIX_READ)
@api.response(200, MatrixOut)
def read_matrix() -> dict[str, Any]:
    """Roles with their permissions and field groups."""
    return {"roles": reading.read_matrix(acting())}
