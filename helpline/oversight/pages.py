"""What auditors see: who did and read what, and who may."""

from typing import Any

from flask import Blueprint, render_template, request, url_for
from marshmallow import ValidationError

from helpline.accounts import queries as accounts
from helpline.foundation.access.permissions import FieldGroup, Permission, Role, SystemActor
from helpline.foundation.keyset import decode_key, encode_key
from helpline.oversight import queries, services
from helpline.oversight.schemas import EntryOut, EntryQuery, MatrixRow
from helpline.web.frame import ROLE_LABELS
from helpline.web.guard import acting, guard
from helpline.web.words import word

pages = Blueprint("oversight", __name__, template_folder="templates")


@pages.get("/audit")
@guard(Permission.AUDIT_READ)
def audit() -> str:
    """Entries by who, what, which record and when."""
    ctx = acting()
    given = {name: value for name, value in request.args.items() if value.strip()}
    errors: dict[str, Any] = {}
    try:
        asked = EntryQuery().load(given)
    except ValidationError as error:
        asked, errors = EntryQuery().load({}), dict(error.messages)  # type: ignore[arg-type]
    rows = services.search_audit(ctx, asked, decode_key(asked["after"]))
    shown = rows[: queries.PAGE]
    kept = {name: value for name, value in given.items() if name != "after"}
    last = shown[-1] if len(rows) > queries.PAGE else None
    older = url_for("oversight.audit", after=encode_key(last.at, last.id), **kept) if last else None  # type: ignore[arg-type]
    staff = accounts.list_users(ctx.actor.centre_id) if ctx.actor.centre_id else []
    return render_template(
        "oversight/audit.html", entries=EntryOut(many=True).dump(shown), names={str(u.id): u.name for u in staff},
        asked=given, errors=errors, older=older, now=ctx.now, roles=_roles(),
    )  # fmt: skip


@pages.get("/matrix")
@guard(Permission.MATRIX_READ)
def matrix() -> str:
    """Who may do what, how far, and which fields they see."""
    rows = MatrixRow(many=True).dump(services.read_matrix(acting()))
    people = [row for row in rows if row["role"] in set(Role)]
    machines = [row for row in rows if row["role"] not in set(Role)]
    return render_template(
        "oversight/matrix.html", groups=(people, machines), roles=_roles(), permissions=list(Permission),
        field_groups=list(FieldGroup),
    )  # fmt: skip


def _roles() -> dict[str, str]:
    machines = {actor.value: word("machine", actor.value) for actor in SystemActor}
    return {role.value: str(label) for role, label in ROLE_LABELS.items()} | machines
