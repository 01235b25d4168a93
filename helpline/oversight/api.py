"""Audit and matrix by API."""

from typing import Any

from helpline.foundation.access.permissions import Permission
from helpline.foundation.keyset import decode_key, encode_key
from helpline.oversight import queries, services
from helpline.oversight.schemas import EntryPage, EntryQuery, MatrixOut
from helpline.web.api import ApiBlueprint
from helpline.web.guard import acting, guard

api = ApiBlueprint("oversight", "What auditors see.")


@api.get("/audit")
@guard(Permission.AUDIT_READ)
@api.arguments(EntryQuery, location="query")
@api.response(200, EntryPage)
def list_entries(asked: dict[str, Any]) -> dict[str, Any]:
    """Who did, read or was refused what, newest first."""
    rows = services.search_audit(acting(), asked, decode_key(asked["after"]))
    shown = rows[: queries.PAGE]
    more = len(rows) > queries.PAGE
    return {"items": shown, "next": encode_key(shown[-1].at, shown[-1].id) if more else None}


@api.get("/matrix")
@guard(Permission.MATRIX_READ)
@api.response(200, MatrixOut)
def read_matrix() -> dict[str, Any]:
    """Roles with their permissions and field groups."""
    return {"roles": services.read_matrix(acting())}
