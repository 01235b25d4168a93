"""The list of follow-ups, and a page for each thing done with one."""

import uuid
from datetime import datetime
from typing import Any

from flask import Blueprint, redirect, render_template, request, url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from werkzeug.wrappers import Response

from helpline.cases.pages import SETTLED, Settled
from helpline.followups import queries
from helpline.followups.schemas import (
    CancelIn,
    FollowUpIn,
    FollowUpItemOut,
    FollowUpOut,
    FollowUpQuery,
    OutcomeIn,
    RescheduleIn,
)
from helpline.followups.services import work
from helpline.followups.vocabulary import WITH_FAMILY, FollowUpRow, ListState, Outcome
from helpline.foundation.access.engine import holds, scope_held
from helpline.foundation.access.permissions import Permission, Scope
from helpline.foundation.i18n import current_zone, format_due, format_when
from helpline.foundation.ids import new_id
from helpline.foundation.keyset import decode_key, encode_key, held
from helpline.web.errors import SENTENCES
from helpline.web.forms import posted, refused
from helpline.web.guard import acting, guard

pages = Blueprint("followups", __name__, template_folder="templates")

KINDS = {
    "assignment": _l("Give the case to somebody"), "first_response": _l("First contact"),
    "contact": _l("Regular contact"), "review": _l("Review"), "visit": _l("Visit"), "call": _l("Call"),
    "other": _l("To do"),
}  # fmt: skip
OUTCOMES = {
    Outcome.REACHED: _l("Reached"), Outcome.NOT_REACHED: _l("Not reached"), Outcome.REFUSED: _l("Contact refused"),
    Outcome.DONE: _l("Done"),
}  # fmt: skip
_TABS = (
    (ListState.OPEN, _l("Open")), (ListState.OVERDUE, _l("Overdue")), (ListState.ESCALATED, _l("With the supervisor")),
    (ListState.DONE, _l("Done")),
)  # fmt: skip


def _what(followup_id: uuid.UUID) -> str:
    found = work.find(followup_id)
    return str(_("Promised: %(what)s", what=KINDS[found.kind])) if found else str(_("A promise"))


SETTLED["followup"] = Settled("followups.complete", _what)

SENTENCES.update(
    {
        "date_past": lambda: _("Choose a time that lies ahead."),
        "date_far": lambda: _("That is too far ahead: three months at most."),
        "followup_assignment": lambda: _("This ends when the case is given to somebody."),
        "followup_regular": lambda: _("Regular contact and review go on while the case is open. Move it instead."),
        "followup_settled": lambda: _("This is over already."),
        "kind_by_hand": lambda: _("Choose a visit, a call or something to do."),
        "outcome_unfit": lambda: _("Choose what came of it."),
    }
)


@pages.get("/followups")
@guard(Permission.FOLLOWUP_READ)
def list_followups() -> str:
    """Follow-ups within my reach, soonest due first."""
    ctx = acting()
    asked = FollowUpQuery().load({name: value for name, value in request.args.items() if value.strip()})
    wanted, after = queries.narrowed(ctx, asked), decode_key(asked["after"])
    found = queries.list_followups(wanted, after)
    shown, more = found[: queries.PAGE], len(found) > queries.PAGE
    kept: dict[str, Any] = {name: value for name, value in request.args.items() if name != "after"}
    older = url_for("followups.list_followups", **kept, after=encode_key(shown[-1].due_at, shown[-1].id))\
        if more else None  # fmt: skip
    tabs = [
        {"label": label, "current": asked["state"] == state, "href": url_for(
            "followups.list_followups", **{k: v for k, v in kept.items() if k != "state"}, state=state.value)}
        for state, label in _TABS
    ]  # fmt: skip
    wide = scope_held(ctx.actor, Permission.FOLLOWUP_READ) in {Scope.TEAM, Scope.CENTRE}
    return render_template(
        "followups/list.html", followups=[_item(row, ctx.now) for row in shown], older=older, asked=asked, tabs=tabs,
        kept=kept, kinds=list(KINDS.items()), wide=wide, may_complete=holds(ctx.actor, Permission.FOLLOWUP_COMPLETE),
        held=held(found, queries.PAGE, after, lambda: queries.count_followups(wanted)),
    )  # fmt: skip


def _item(row: FollowUpRow, now: datetime) -> dict[str, Any]:
    item: dict[str, Any] = FollowUpItemOut().dump(row)
    return item | _spoken(row, now)


def _spoken(row: FollowUpRow, now: datetime) -> dict[str, Any]:
    return {
        "what": KINDS[row.kind], "when": format_when(row.due_at, now), "late": row.overdue(now),
        "due": format_due(row.due_at, now) if row.state == "planned" else "",
        "outcome_word": OUTCOMES[Outcome(row.outcome)] if row.outcome else "",
    }  # fmt: skip


def _draw(template: str, followup_id: uuid.UUID, problem: Exception | None, **more: Any) -> str:
    row = queries.get_followup(followup_id)
    followup = FollowUpOut().dump(row) | _spoken(row, acting().now)
    back = url_for("desk.case_page", case_id=row.case_id)
    return render_template(
        template, followup=followup, form=refused(problem), now_local=_local(acting().now), back=back, **more
    )  # fmt: skip


def _local(when: datetime) -> str:
    """As a datetime field takes it, in the centre's time."""
    return when.astimezone(current_zone()).strftime("%Y-%m-%dT%H:%M")


def _back(case_id: uuid.UUID) -> Response:
    return redirect(url_for("desk.case_page", case_id=case_id), 303)


def _add_again(problem: Exception | None, case_id: uuid.UUID) -> str:
    case = queries.get_plan_case(case_id)
    return render_template(
        "followups/add.html", case_id=case_id, case_code=case.code, form=refused(problem),
        followup_id=request.form.get("followup_id") or new_id(), now_local=_local(acting().now),
        back=url_for("desk.case_page", case_id=case_id),
    )  # fmt: skip


@pages.route("/cases/<uuid:case_id>/followups/new", methods=["GET", "POST"])
@guard(Permission.FOLLOWUP_PLAN, retry=_add_again)
def add(case_id: uuid.UUID) -> Any:
    """Plan a visit, a call or something to do."""
    if request.method == "GET":
        return _add_again(None, case_id)
    schema = FollowUpIn()
    work.add(acting(), schema.command(schema.load(posted()), case_id))
    return _back(case_id)


def _complete_again(problem: Exception | None, followup_id: uuid.UUID) -> str:
    proposed, row = work.proposal(acting(), followup_id), queries.get_followup(followup_id)
    with_family = row.kind in WITH_FAMILY
    outcomes = [(code, word) for code, word in OUTCOMES.items() if (code is Outcome.DONE) is not with_family]
    return _draw(
        "followups/complete.html", followup_id, problem, outcomes=outcomes,
        proposed=format_when(proposed, acting().now) if proposed else "",
    )  # fmt: skip


@pages.route("/followups/<uuid:followup_id>", methods=["GET", "POST"])
@guard(Permission.FOLLOWUP_COMPLETE, retry=_complete_again)
def complete(followup_id: uuid.UUID) -> Any:
    """Write down what came of it."""
    if request.method == "GET":
        return _complete_again(None, followup_id)
    schema = OutcomeIn()
    return _back(work.complete(acting(), schema.command(schema.load(posted()), followup_id)).case_id)


def _reschedule_again(problem: Exception | None, followup_id: uuid.UUID) -> str:
    return _draw("followups/reschedule.html", followup_id, problem)


@pages.route("/followups/<uuid:followup_id>/due", methods=["GET", "POST"])
@guard(Permission.FOLLOWUP_PLAN, retry=_reschedule_again)
def reschedule(followup_id: uuid.UUID) -> Any:
    """Move it, with a reason."""
    if request.method == "GET":
        return _reschedule_again(None, followup_id)
    data = RescheduleIn().load(posted())
    return _back(work.reschedule(acting(), followup_id, data["version"], data["due_at"], data["reason"]).case_id)


def _cancel_again(problem: Exception | None, followup_id: uuid.UUID) -> str:
    return _draw("followups/cancel.html", followup_id, problem)


@pages.route("/followups/<uuid:followup_id>/cancellation", methods=["GET", "POST"])
@guard(Permission.FOLLOWUP_PLAN, retry=_cancel_again)
def cancel(followup_id: uuid.UUID) -> Any:
    """Call it off, with a reason."""
    if request.method == "GET":
        return _cancel_again(None, followup_id)
    data = CancelIn().load(posted())
    return _back(work.cancel(acting(), followup_id, data["version"], data["reason"]).case_id)
