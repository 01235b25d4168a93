"""Who may see a case; closing it to somebody; emergency access and its review."""

import uuid
from typing import Any

from flask import Blueprint, redirect, render_template, request, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from helpline.cases import queries as cases
from helpline.cases.pages import shut_choices
from helpline.cases.schemas import CaseOut
from helpline.foundation.access.engine import holds
from helpline.foundation.access.permissions import Permission
from helpline.foundation.i18n import format_when
from helpline.foundation.ids import new_id
from helpline.foundation.keyset import decode_key, encode_key
from helpline.privacy import queries
from helpline.privacy.commands import CloseTo, Lift, Review
from helpline.privacy.schemas import (
    AccessOut,
    BreakGlassIn,
    CloseToIn,
    LiftIn,
    OverrideItemOut,
    OverrideOut,
    OverrideQuery,
    ReviewIn,
)
from helpline.privacy.services import closing, glass
from helpline.privacy.vocabulary import OverrideRow
from helpline.web.errors import SENTENCES
from helpline.web.forms import posted, refused
from helpline.web.guard import acting, guard

pages = Blueprint("privacy", __name__, template_folder="templates")

SENTENCES.update(
    {
        "closed_already": lambda: _("The case is closed to them already."),
        "party_is_staff": lambda: _("Only somebody of the staff can be a party; close it to the agency instead."),
        "glass_not_needed": lambda: _("You may see this case anyway: find it under Cases."),
        "glass_lasts": lambda: _("Another emergency access of yours still lasts. End it first."),
        "reviewed_already": lambda: _("Somebody has reviewed this already."),
    }
)


def _access(case_id: uuid.UUID) -> dict[str, Any]:
    seen_by, shut = closing.see_access(acting(), case_id)
    return AccessOut().dump({"id": case_id, "seen_by": seen_by, "closed_to": shut})  # type: ignore[no-any-return]


@pages.get("/cases/<uuid:case_id>/access")
@guard(Permission.CASE_READ)
def access(case_id: uuid.UUID) -> str:
    """Who sees the case and why; who is shut out, for whoever may say so."""
    case, found = CaseOut().dump(cases.get_case(case_id)), _access(case_id)
    may = found["closed_to"] is not None
    return render_template("privacy/access.html", case=case, access=found, may=may, now=acting().now)


def _close_again(problem: Exception | None, case_id: uuid.UUID) -> str:
    case = CaseOut().dump(cases.get_case(case_id))
    return render_template("privacy/close.html", case=case, choices=shut_choices(), form=refused(problem))


@pages.route("/cases/<uuid:case_id>/closings/new", methods=["GET", "POST"])
@guard(Permission.CASE_RESTRICT, retry=_close_again)
def close_to(case_id: uuid.UUID) -> Any:
    """Close the case to somebody of the staff or to an agency."""
    if request.method == "GET":
        return _close_again(None, case_id)
    data = CloseToIn().load(_without_version())
    closing.close_to(acting(), CloseTo(case_id, **data))
    return redirect(url_for(".access", case_id=case_id), 303)


def _lift_again(problem: Exception | None, case_id: uuid.UUID) -> str:
    case, found = CaseOut().dump(cases.get_case(case_id)), _access(case_id)
    asked = {name: request.values.get(name, "") for name in ("principal_id", "kind")}
    who = next((each for each in found["closed_to"] or () if {name: each[name] for name in asked} == asked), None)
    return render_template("privacy/lift.html", case=case, who=who, asked=asked, form=refused(problem))


@pages.route("/cases/<uuid:case_id>/closings/lift", methods=["GET", "POST"])
@guard(Permission.CASE_RESTRICT, retry=_lift_again)
def lift(case_id: uuid.UUID) -> Any:
    """Take back that the case is closed to somebody, with a reason."""
    if request.method == "GET":
        return _lift_again(None, case_id)
    data = LiftIn().load(_without_version())
    closing.lift(acting(), Lift(case_id, **data))
    return redirect(url_for(".access", case_id=case_id), 303)


def _without_version() -> dict[str, Any]:
    """Decisions are added, not changed: nobody can overwrite anybody's."""
    form = posted()
    form.pop("version", None)
    return form


def _break_again(problem: Exception | None) -> str:
    override_id = request.form.get("override_id") or new_id()
    return render_template("privacy/break.html", override_id=override_id, form=refused(problem))


@pages.route("/break-glass", methods=["GET", "POST"])
@guard(Permission.GLASS_BREAK, retry=_break_again, fresh=True)
def break_glass() -> Any:
    """Emergency access to one case, with a written reason."""
    if request.method == "GET":
        return _break_again(None)
    override = glass.break_glass(acting(), BreakGlassIn().load(posted()))
    return redirect(url_for("desk.case_page", case_id=override.case_id), 303)


@pages.post("/overrides/<uuid:override_id>/end")
@guard(Permission.GLASS_BREAK)
def end_override(override_id: uuid.UUID) -> Response:
    """End one's own emergency access now."""
    glass.end_override(acting(), override_id)
    return redirect(url_for("cases.list_cases"), 303)


@pages.get("/overrides")
@guard(Permission.GLASS_READ)
def list_overrides() -> str:
    """Emergency accesses and what their reviews found, newest first."""
    ctx = acting()
    asked = OverrideQuery().load({name: value for name, value in request.args.items() if value.strip()})
    found = queries.list_overrides(open_only=asked["state"] == "open", after=decode_key(asked["after"]))
    shown, more = found[: queries.PAGE], len(found) > queries.PAGE
    older = (
        url_for(".list_overrides", state=asked["state"], after=encode_key(shown[-1].opened_at, shown[-1].id))
        if more
        else None
    )
    tabs = [
        {"label": label, "href": url_for(".list_overrides", state=state), "current": state == asked["state"]}
        for state, label in (("all", _("All")), ("open", _("To review")))
    ]
    return render_template(
        "privacy/overrides.html", overrides=[_spoken(row) for row in shown], older=older, tabs=tabs, you=ctx.actor.id
    )


def _spoken(row: OverrideRow, *, whole: bool = False) -> dict[str, Any]:
    now = acting().now
    dumped: dict[str, Any] = (OverrideOut if whole else OverrideItemOut)().dump(row)
    return dumped | {
        "began": format_when(row.opened_at, now), "over": format_when(row.ended_at or row.until_at, now),
        "by": format_when(row.review_by, now), "late": row.reviewed_at is None and row.review_by < now,
    }  # fmt: skip


def _override_again(problem: Exception | None, override_id: uuid.UUID) -> str:
    ctx = acting()
    row = glass.see_override(ctx, override_id)
    may = holds(ctx.actor, Permission.GLASS_REVIEW) and row.user_id != ctx.actor.id and row.reviewed_at is None
    form = refused(problem)
    return render_template("privacy/override.html", it=_spoken(row, whole=True), may=may, form=form)


@pages.get("/overrides/<uuid:override_id>")
@guard(Permission.GLASS_READ)
def show_override(override_id: uuid.UUID) -> str:
    """One emergency access: why, for how long, and what the review found."""
    return _override_again(None, override_id)


@pages.post("/overrides/<uuid:override_id>/review")
@guard(Permission.GLASS_REVIEW, retry=_override_again)
def review(override_id: uuid.UUID) -> Response:
    """Say what came of looking into it."""
    data = ReviewIn().load(posted())
    glass.review(acting(), Review(override_id, **data))
    return redirect(url_for(".show_override", override_id=override_id), 303)
