"""What needs two people: asking, deciding, stopping."""

import uuid
from datetime import date
from typing import Any

from flask import redirect, render_template, request, url_for
from flask_babel import format_date
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from werkzeug.wrappers import Response

from helpline.accounts import queries
from helpline.accounts.pages.staff import pages
from helpline.accounts.schemas import ApprovalDecisionIn, ApprovalIn, ApprovalItemOut, ApprovalOut
from helpline.accounts.services import approvals, sessions
from helpline.accounts.vocabulary import ApprovalKind, ApprovalState, UserStatus
from helpline.foundation.access.engine import holds
from helpline.foundation.access.permissions import Permission
from helpline.foundation.errors import NotFound
from helpline.foundation.i18n import format_length, format_when
from helpline.foundation.ids import new_id
from helpline.web.errors import SENTENCES
from helpline.web.forms import posted, refused
from helpline.web.guard import acting, guard

__all__ = ["pages"]

KINDS = {
    ApprovalKind.ADMIN_ROLE.value: _l("Make somebody an administrator"),
    ApprovalKind.FACTOR_RESET.value: _l("Take away a lost second step"),
    ApprovalKind.BULK_EXPORT.value: _l("Take out many records"),
    ApprovalKind.ERASURE.value: _l("Erase a record"),
}
_ABOUT_PEOPLE = (ApprovalKind.ADMIN_ROLE.value, ApprovalKind.FACTOR_RESET.value)
STATES = {
    ApprovalState.ASKED: _l("waits for a second person"), ApprovalState.APPROVED: _l("approved, waits for its time"),
    ApprovalState.DECLINED: _l("declined"), ApprovalState.STOPPED: _l("stopped"),
    ApprovalState.EXPIRED: _l("nobody decided in time"), ApprovalState.DONE: _l("done"),
}  # fmt: skip
SENTENCES.update(
    {
        "role_needs_two": lambda: _("A second person must approve this. Ask for it under Approvals."),
        "not_about_yourself": lambda: _("You can't ask this for yourself. Let somebody else ask."),
        "asked_already": lambda: _("This has been asked for already."),
        "admin_already": lambda: _("They are an administrator already."),
        "account_closed": lambda: _("Their account is closed. Open it again first."),
        "factor_none": lambda: _("They have no second step that could be taken away."),
        "decided_already": lambda: _("Somebody has decided this already, or stopped it."),
        "approval_expired": lambda: _("Nobody decided in time. Ask again if it is still needed."),
        "approval_unusable": lambda: _("This approval was used already, stopped, or is more than a week old."),
        "approval_overtaken": lambda: _("This can't be done any more: the account has changed meanwhile."),
    }
)


def _about(detail: dict[str, Any]) -> str:
    """Which records, where it is about records."""
    if "first" not in detail:
        return ""
    days = [format_date(date.fromisoformat(detail[name]), "d MMM y") for name in ("first", "last")]
    what = {"calls": _("Calls"), "cases": _("Cases")}[detail["what"]]
    return str(_("%(what)s, %(first)s to %(last)s", what=what, first=days[0], last=days[1]))


def _spoken(row: dict[str, Any], *, whole: bool = False) -> dict[str, Any]:
    ctx = acting()
    dumped: dict[str, Any] = (ApprovalOut if whole else ApprovalItemOut)().dump(row)
    usable = row["what"] == ApprovalKind.BULK_EXPORT and row["state"] is ApprovalState.APPROVED
    state = _("approved: the file can be made") if usable else STATES[row["state"]]
    over = row["stopped_at"] or row["spent_at"] or row["decided_at"]
    return dumped | {
        "kind_label": KINDS[row["what"]], "about": _about(row["detail"]), "state_label": state,
        "asked": format_when(row["requested_at"], ctx.now), "until": format_when(row["expires_at"], ctx.now),
        "begins": format_when(row["not_before"], ctx.now) if row["not_before"] else "",
        "over": format_when(over, ctx.now) if over else "",
    }  # fmt: skip


@pages.get("/approvals")
@guard(Permission.APPROVAL_READ)
def list_approvals() -> str:
    """What needs two people: what waits first, then what was decided."""
    ctx = acting()
    return render_template(
        "accounts/approvals.html", approvals=[_spoken(row) for row in approvals.see_all(ctx)],
        may=holds(ctx.actor, Permission.APPROVAL_ASK),
    )  # fmt: skip


def _draw_ask(problem: Exception | None = None) -> str:
    ctx = acting()
    if ctx.actor.centre_id is None:
        raise NotFound("centre")
    asked = request.values.get("kind", ApprovalKind.FACTOR_RESET.value)
    kind = asked if asked in _ABOUT_PEOPLE else ApprovalKind.FACTOR_RESET.value
    wanted = UserStatus.ACTIVE, UserStatus.DEACTIVATED if kind == ApprovalKind.ADMIN_ROLE else UserStatus.INVITED
    people = [
        (user.id, user.name) for user in queries.list_users(ctx.actor.centre_id)
        if user.id != ctx.actor.id and user.status in wanted
    ]  # fmt: skip
    return render_template(
        "accounts/ask.html", kind=kind, kind_label=KINDS[kind], people=people, form=refused(problem),
        chosen=request.values.get("subject_id", ""), approval_id=request.form.get("approval_id") or new_id(),
        wait=format_length(sessions.door.factor_wait), said=request.args.get("said"),
    )  # fmt: skip


@pages.get("/approvals/new")
@guard(Permission.APPROVAL_ASK)
def new_approval() -> str:
    """The form that asks for what needs two people."""
    return _draw_ask()


@pages.post("/approvals/new")
@guard(Permission.APPROVAL_ASK, retry=_draw_ask, fresh=True)
def ask_approval() -> Response:
    """Ask for what needs two people."""
    approval = approvals.ask(acting(), ApprovalIn().load(posted()))
    return redirect(url_for("accounts.show_approval", approval_id=approval.id), 303)


def _draw_approval(problem: Exception | None = None, *, approval_id: uuid.UUID) -> str:
    ctx = acting()
    row = approvals.see(ctx, approval_id)
    may = holds(ctx.actor, Permission.APPROVAL_DECIDE)
    return render_template(
        "accounts/approval.html", it=_spoken(row, whole=True), form=refused(problem),
        may_decide=may and row["state"] is ApprovalState.ASKED
        and ctx.actor.id not in {row["requested_by"], row["subject_id"]},
        may_make=row["what"] == ApprovalKind.BULK_EXPORT and row["state"] is ApprovalState.APPROVED
        and row["requested_by"] == ctx.actor.id,
        may_stop=may and row["state"] in {ApprovalState.ASKED, ApprovalState.APPROVED},
        wait=format_length(sessions.door.factor_wait),
    )  # fmt: skip


@pages.get("/approvals/<uuid:approval_id>")
@guard(Permission.APPROVAL_READ)
def show_approval(approval_id: uuid.UUID) -> str:
    """Who asks, for what, why, and what happens."""
    return _draw_approval(approval_id=approval_id)


@pages.post("/approvals/<uuid:approval_id>/decide")
@guard(Permission.APPROVAL_DECIDE, retry=_draw_approval, fresh=True)
def decide_approval(approval_id: uuid.UUID) -> Response:
    """Approve or decline what somebody else asked for."""
    approvals.decide(acting(), approval_id, ApprovalDecisionIn().load(posted())["decision"])
    return redirect(url_for("accounts.show_approval", approval_id=approval_id), 303)


@pages.post("/approvals/<uuid:approval_id>/stop")
@guard(Permission.APPROVAL_DECIDE, retry=_draw_approval)
def stop_approval(approval_id: uuid.UUID) -> Response:
    """Stop what was not done yet."""
    approvals.stop(acting(), approval_id)
    return redirect(url_for("accounts.show_approval", approval_id=approval_id), 303)
