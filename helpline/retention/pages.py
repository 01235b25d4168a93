"""Keeping and erasing: what is due, rules, holds, the ledger; and one record, to decide about."""

import uuid
from datetime import date
from typing import Any

from flask import Blueprint, redirect, render_template, request, url_for
from flask_babel import format_date
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from werkzeug.wrappers import Response

from helpline.foundation.access.engine import holds
from helpline.foundation.access.permissions import Permission
from helpline.foundation.errors import NotFound
from helpline.foundation.i18n import format_when
from helpline.foundation.ids import new_id
from helpline.foundation.keyset import decode_key, encode_key
from helpline.retention.commands import Keep
from helpline.retention.queries import listing
from helpline.retention.queries.listing import PAGE
from helpline.retention.schemas import (
    AfterQuery,
    DueOut,
    ErasureLedgerOut,
    ErasureOut,
    HoldIn,
    HoldItemOut,
    KeepIn,
    ProposeIn,
    RecordStateOut,
    RuleIn,
    RuleOut,
)
from helpline.retention.services import deciding, showing
from helpline.retention.vocabulary import Hindrance, RuleKind
from helpline.web.errors import SENTENCES
from helpline.web.forms import posted, refused
from helpline.web.guard import acting, guard

pages = Blueprint("retention", __name__, template_folder="templates")
RULES = {
    RuleKind.CALL: _l("Calls without a case"), RuleKind.CASE: _l("Closed cases, with their people and referrals"),
    RuleKind.DRAFT: _l("Calls begun and not saved"),
    RuleKind.IMPORT_FILE: _l("Files of old logs and their rejected rows"),
    RuleKind.MESSAGE: _l("Messages and mail"), RuleKind.SESSION: _l("Sessions that are over"),
}  # fmt: skip
HINDRANCES = {
    Hindrance.ERASED: _l("It is erased already."),
    Hindrance.OPEN: _l("A case that would go with it is open. Close it first."),
    Hindrance.CASE: _l("A case hangs on this call. It goes with its case."),
    Hindrance.HELD: _l("It is held. Whoever answers for the hold must lift it first."),
    Hindrance.ASKED: _l("Its erasure is asked for already and waits for a second person, or for its time."),
}
SENTENCES.update({code.value: label.__str__ for code, label in HINDRANCES.items() if code is not Hindrance.ERASED})
SENTENCES.update(
    {
        "lifted_already": lambda: _("Somebody has lifted this hold already."),
        "keep_until": lambda: _("Name a day within the next ten years."),
        "out_of_range": lambda: _("Between 1 and 1,200 months."),
    }
)


def _tabs(current: str) -> list[dict[str, Any]]:
    tabs = (
        ("list_due", _("Due")), ("list_holds", _("Held")), ("list_erasures", _("Erased")), ("list_rules", _("Rules")),
    )  # fmt: skip
    return [{"label": label, "href": url_for(f".{name}"), "current": name == current} for name, label in tabs]


def _after() -> Any:
    return decode_key(AfterQuery().load(request.args.to_dict())["after"])


@pages.get("/retention")
@guard(Permission.RETENTION_READ)
def list_due() -> str:
    """What has been kept as long as the rules say, and waits for somebody's decision."""
    ctx = acting()
    found = showing.see_due(ctx, _after())
    shown, more = found[:PAGE], len(found) > PAGE
    due = [DueOut().dump(row) | {"since": format_date(row.began_at, "d MMMM y")} for row in shown]
    newer = url_for(".list_due", after=encode_key(shown[-1].began_at, shown[-1].id)) if more else None
    may = holds(ctx.actor, Permission.RETENTION_REVIEW)
    return render_template("retention/due.html", due=due, older=newer, tabs=_tabs("list_due"), may=may)


@pages.get("/retention/holds")
@guard(Permission.RETENTION_READ)
def list_holds() -> str:
    """What is kept whatever the rules say."""
    ctx = acting()
    held = [
        HoldItemOut().dump(row)
        | {
            "since": format_when(row.set_at, ctx.now),
            "lifted": format_when(row.lifted_at, ctx.now) if row.lifted_at else "",
        }
        for row in showing.see_holds(ctx)
    ]
    may = holds(ctx.actor, Permission.RETENTION_REVIEW)
    return render_template("retention/holds.html", held=held, tabs=_tabs("list_holds"), may=may)


@pages.get("/retention/erasures")
@guard(Permission.RETENTION_READ)
def list_erasures() -> str:
    """What was erased, how far it is gone from backups, and whether the ledger says the same."""
    ctx = acting()
    found, ledger = showing.see_erasures(ctx, _after())
    shown, more = found[:PAGE], len(found) > PAGE
    erased = [
        ErasureOut().dump(row)
        | {
            "when": format_when(row.erased_at, ctx.now), "backups": _day(row.backups_end_on),
            "complete_day": _day(row.complete_on) if row.complete_on else "", "rows": sum(row.counts.values()),
        }
        for row in shown
    ]  # fmt: skip
    older = url_for(".list_erasures", after=encode_key(shown[-1].erased_at, shown[-1].id)) if more else None
    state = ErasureLedgerOut().dump(ledger) | {"checked": format_when(ledger.checked_at, ctx.now)} if ledger else None
    return render_template(
        "retention/erasures.html", erased=erased, ledger=state, older=older, tabs=_tabs("list_erasures"),
        keys=holds(ctx.actor, Permission.KEYS_ROTATE),
    )  # fmt: skip


def _day(day: date) -> str:
    return str(format_date(day, "d MMMM y"))


def _draw_rules(problem: Exception | None = None) -> str:
    ctx = acting()
    told = [
        RuleOut().dump(rule)
        | {
            "label": RULES[rule.kind],
            "changed": format_when(rule.changed_at, ctx.now) if rule.changed_at else "",
        }
        for rule in showing.see_rules(ctx)
    ]
    may = holds(ctx.actor, Permission.RETENTION_EDIT)
    form, wrong = refused(problem), request.form.get("kind", "")
    if form is not None and "months" in form["errors"]:  # each line of the table is a form of its own
        form["errors"] = {f"months-{wrong}": form["errors"]["months"]}
    return render_template(
        "retention/rules.html", rules=told, may=may, form=form, wrong=wrong,
        tabs=_tabs("list_rules"),
    )  # fmt: skip


@pages.get("/retention/rules")
@guard(Permission.RETENTION_READ)
def list_rules() -> str:
    """How long each kind is kept."""
    return _draw_rules()


@pages.post("/retention/rules")
@guard(Permission.RETENTION_EDIT, retry=_draw_rules)
def set_rule() -> Response:
    """Keep a kind so many months from now on."""
    deciding.set_rule(acting(), RuleIn().load(posted()))
    return redirect(url_for(".list_rules"), 303)


def _draw_record(problem: Exception | None = None, *, record_id: uuid.UUID) -> str:
    ctx = acting()
    view = deciding.see_record(ctx, record_id)
    it = RecordStateOut().dump(view) | {
        "in_the_way": [str(HINDRANCES[each]) for each in view.hindrances],
        "since": format_date(view.began_at, "d MMMM y") if view.began_at else "",
        "kept": format_date(view.keep_until, "d MMMM y") if view.keep_until else "",
        "held_since": format_when(view.hold.set_at, ctx.now) if view.hold else "",
        "erased": format_when(view.erased_at, ctx.now) if view.erased_at else "",
    }
    return render_template(
        "retention/record.html", it=it, form=refused(problem), new_id=request.form.get("approval_id") or new_id(),
        hold_id=request.form.get("hold_id") or new_id(),
    )  # fmt: skip


@pages.get("/retention/records/<uuid:record_id>")
@guard(Permission.RETENTION_REVIEW)
def show_record(record_id: uuid.UUID) -> str:
    """One record: what would go with it, what would stay, and what stands in the way."""
    return _draw_record(record_id=record_id)


@pages.post("/retention/records/<uuid:record_id>/keep")
@guard(Permission.RETENTION_REVIEW, retry=_draw_record)
def keep(record_id: uuid.UUID) -> Response:
    """Keep what is due longer."""
    deciding.keep(acting(), Keep(record_id, **KeepIn().load(posted())))
    return redirect(url_for(".show_record", record_id=record_id), 303)


@pages.post("/retention/records/<uuid:record_id>/hold")
@guard(Permission.HOLD_SET, retry=_draw_record)
def set_hold(record_id: uuid.UUID) -> Response:
    """Keep it whatever the rules say."""
    deciding.set_hold(acting(), HoldIn().load(posted() | {"record_id": str(record_id)}))
    return redirect(url_for(".show_record", record_id=record_id), 303)


@pages.post("/retention/records/<uuid:record_id>/propose")
@guard(Permission.RETENTION_REVIEW, retry=_draw_record, fresh=True)
def propose(record_id: uuid.UUID) -> Response:
    """Ask that it be erased."""
    form = posted() | {"record_id": str(record_id)}
    approval = deciding.propose(acting(), ProposeIn().load(form))
    return redirect(url_for("accounts.show_approval", approval_id=approval.id), 303)


def _lifted(_problem: Exception | None, hold_id: uuid.UUID) -> Any:
    """Pressed twice, or lifted by somebody else meanwhile: the record says how it stands."""
    hold = listing.find_hold(hold_id)
    if hold is None:
        raise NotFound("hold", hold_id)
    return redirect(url_for(".show_record", record_id=hold.record_id), 303)


@pages.post("/retention/holds/<uuid:hold_id>/lift")
@guard(Permission.HOLD_SET, retry=_lifted)
def lift_hold(hold_id: uuid.UUID) -> Response:
    """Let the rules count for it again."""
    hold = deciding.lift_hold(acting(), hold_id)
    return redirect(url_for(".show_record", record_id=hold.record_id), 303)
