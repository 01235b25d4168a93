"""What auditors see: who did and read what, what was unusual about it, and who may."""

import uuid
from typing import Any

from flask import Blueprint, current_app, redirect, render_template, request, url_for
from flask_babel import gettext as _
from marshmallow import ValidationError
from werkzeug.wrappers import Response

from helpline.accounts import queries as accounts
from helpline.foundation.access.engine import holds
from helpline.foundation.access.permissions import FieldGroup, Permission, Role, SystemActor
from helpline.foundation.context import Channel
from helpline.foundation.errors import Conflict, Invalid
from helpline.foundation.keyset import decode_key, encode_key
from helpline.oversight.queries import alerts as alert_queries
from helpline.oversight.queries import entries as queries
from helpline.oversight.schemas import AlertOut, EntryOut, EntryQuery, MatrixRow, SettleIn, StandingOut
from helpline.oversight.services import reading, watching
from helpline.web.deeds import DEEDS
from helpline.web.frame import ROLE_LABELS
from helpline.web.guard import acting, guard
from helpline.web.words import WORDS, word

pages = Blueprint("oversight", __name__, template_folder="templates")


@pages.get("/audit")
@guard(Permission.AUDIT_READ)
def audit() -> str:
    """Entries by who, what, which record and when; and how far all of it is proved."""
    ctx = acting()
    given = {name: value for name, value in request.args.items() if value.strip()}
    errors: dict[str, Any] = {}
    try:
        asked = EntryQuery().load(given)
    except ValidationError as error:
        asked, errors = EntryQuery().load({}), dict(error.messages)  # type: ignore[arg-type]
    rows = reading.search_audit(ctx, asked, decode_key(asked["after"]))
    shown = rows[: queries.PAGE]
    kept = {name: value for name, value in given.items() if name != "after"}
    last = shown[-1] if len(rows) > queries.PAGE else None
    older = url_for("oversight.audit", after=encode_key(last.at, last.id), **kept) if last else None  # type: ignore[arg-type]
    standing = reading.read_standing(ctx, current_app.extensions["helpline_settings"])
    return render_template(
        "oversight/audit.html", entries=EntryOut(many=True).dump(shown), names=_names(), asked=given, errors=errors,
        older=older, now=ctx.now, roles=_roles(), deeds=_deeds(), kinds=_sorted(WORDS["record"]),
        permissions=set(Permission),
        groups=[(group.value, word("field_group", group.value)) for group in FieldGroup],
        doors=[(door.value, word("door", door.value)) for door in Channel], standing=StandingOut().dump(standing),
    )  # fmt: skip


@pages.get("/alerts")
@guard(Permission.ALERT_READ)
def alerts() -> str:
    """Unusual reading that waits for somebody to ask about it; or what was settled."""
    return _alerts({})


def _alerts(form: dict[str, Any]) -> str:
    ctx, settled = acting(), request.args.get("settled") == "1"
    rows = watching.list_alerts(ctx, settled=settled, after=decode_key(request.args.get("after")))
    shown, more = rows[: alert_queries.PAGE], len(rows) > alert_queries.PAGE
    key = encode_key(shown[-1].raised_at, shown[-1].id) if more else None
    return render_template(
        "oversight/alerts.html", alerts=AlertOut(many=True).dump(shown), names=_names(), settled=settled, now=ctx.now,
        older=url_for("oversight.alerts", settled=int(settled), after=key) if key else None, form=form,
        searches=holds(ctx.actor, Permission.AUDIT_READ),
    )  # fmt: skip


def _again(problem: Invalid | ValidationError | Conflict, alert_id: uuid.UUID) -> str:
    code = problem.code if isinstance(problem, Invalid | Conflict) else "required"
    return _alerts({"id": str(alert_id), "code": code})


@pages.post("/alerts/<uuid:alert_id>")
@guard(Permission.ALERT_SETTLE, retry=_again)
def settle(alert_id: uuid.UUID) -> Response:
    """Somebody asked, and says what they found."""
    found = SettleIn().load({"note": request.form.get(f"note-{alert_id}", "")})
    watching.settle_alert(acting(), alert_id, found["note"])
    return redirect(url_for("oversight.alerts"))


@pages.get("/matrix")
@guard(Permission.MATRIX_READ)
def matrix() -> str:
    """Who may do what, how far, and which fields they see."""
    rows = MatrixRow(many=True).dump(reading.read_matrix(acting()))
    own = [row for row in rows if row["names"]]
    people = [row for row in rows if row["role"] in set(Role) and not row["names"]]
    machines = [row for row in rows if row["role"] not in set(Role)]
    groups = {_("People"): people, _("Roles of the centre"): own, _("The service itself"): machines}
    shown = {title: each for title, each in groups.items() if each}
    return render_template(
        "oversight/matrix.html", groups=list(shown.values()), titles=list(shown), roles=_roles(),
        built_in={row["role"]: row for row in rows if not row["names"]}, permissions=list(Permission),
        field_groups=list(FieldGroup),
    )  # fmt: skip


def _names() -> dict[str, str]:
    centre_id = acting().actor.centre_id
    return {str(user.id): user.name for user in accounts.list_users(centre_id)} if centre_id else {}


def _roles() -> dict[str, str]:
    machines = {actor.value: word("machine", actor.value) for actor in SystemActor}
    return {role.value: str(label) for role, label in ROLE_LABELS.items()} | machines


def _sorted(words: Any) -> list[tuple[str, str]]:
    return sorted(((code, str(text)) for code, text in words.items()), key=lambda pair: pair[1])


def _deeds() -> list[tuple[str, list[tuple[str, str]]]]:
    """What can be done or read, as sentences, by the kind of record."""
    kinds: dict[str, list[tuple[str, str]]] = {}
    for code, sentence in DEEDS.items():
        kinds.setdefault(word("record", code.partition(".")[0]), []).append((code, str(sentence)))
    return sorted((kind, sorted(pairs, key=lambda pair: pair[1])) for kind, pairs in kinds.items())
