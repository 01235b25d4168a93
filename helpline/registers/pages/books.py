"""The ledger of what left the house, demands of authorities, breaches, and the register of processing."""

import uuid
from datetime import datetime
from typing import Any

from flask import redirect, render_template, request, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from helpline.accounts import queries as accounts
from helpline.cases import queries as cases
from helpline.cases.schemas import CaseOut
from helpline.foundation.access.engine import holds
from helpline.foundation.access.permissions import Permission
from helpline.foundation.errors import NotFound
from helpline.foundation.i18n import current_zone, format_due, format_when
from helpline.foundation.ids import new_id
from helpline.foundation.keyset import decode_key, encode_key
from helpline.registers import vocabulary as v
from helpline.registers.commands import EnterStep
from helpline.registers.pages.exports import options, pages
from helpline.registers.queries import books, ledger
from helpline.registers.schemas import forms, shown
from helpline.registers.services import looking, processing, recording
from helpline.web.errors import SENTENCES
from helpline.web.forms import posted, refused
from helpline.web.guard import acting, guard

__all__ = ["pages"]

SENTENCES.update(
    {
        "in_the_future": lambda: _("This is still to come."),
        "too_early": lambda: _("This is before it was noticed."),
        "corrected_already": lambda: _("A later entry puts this one right already. Correct that one."),
        "case_unknown": lambda: _("There is no case of such a number here."),
        "user_unknown": lambda: _("Nobody of the staff is meant by this."),
        "breach_closed": lambda: _("This log is closed."),
        "told_already": lambda: _("This is entered already."),
    }
)


def _local(when: datetime | None = None) -> str:
    """Then, or now, as a datetime field takes it, in the centre's time."""
    return (when or acting().now).astimezone(current_zone()).strftime("%Y-%m-%dT%H:%M")


def _lines(case_id: uuid.UUID, rows: list[v.LedgerLine]) -> list[dict[str, Any]]:
    now = acting().now
    dumped = shown.LedgerOut().dump({"id": case_id, "lines": rows})["lines"]
    return [line | {"when": format_when(row.at, now)} for row, line in zip(rows, dumped, strict=True)]


@pages.get("/cases/<uuid:case_id>/disclosures")
@guard(Permission.CASE_READ)
def case_disclosures(case_id: uuid.UUID) -> str:
    """What left the house about the child of this case, to whom, and why that was lawful."""
    ctx, case = acting(), CaseOut().dump(cases.get_case(case_id))
    return render_template(
        "registers/ledger.html", case=case, number=case["code"],
        lines=_lines(case_id, looking.see_ledger(ctx, case_id)),
        may=not case["erased_at"] and holds(ctx.actor, Permission.DISCLOSURE_RECORD),
        may_export=not case["erased_at"] and holds(ctx.actor, Permission.EXPORT_MAKE),
    )  # fmt: skip


def _disclosure_again(problem: Exception | None, case_id: uuid.UUID) -> str:
    case = CaseOut().dump(cases.get_case(case_id))
    corrects = request.values.get("corrects_id", type=uuid.UUID)
    former = ledger.find_disclosure(corrects) if corrects else None
    if corrects and (former is None or former.case_id != case_id):
        raise NotFound("disclosure", corrects)
    return render_template(
        "registers/disclosure.html", case=case, form=refused(problem, "groups"), former=former,
        when_local=_local(former.given_at if former else None),
        disclosure_id=request.form.get("disclosure_id") or new_id(), groups=options("field_group", forms.GROUPS),
        recipients=options("recipient", v.Recipient), means=options("means", v.Means),
        bases=options("disclosure_basis", v.Basis),
    )  # fmt: skip


@pages.route("/cases/<uuid:case_id>/disclosures/new", methods=["GET", "POST"])
@guard(Permission.DISCLOSURE_RECORD, retry=_disclosure_again)
def record_disclosure(case_id: uuid.UUID) -> Any:
    """Enter what was told or given by hand, or put an entry right."""
    if request.method == "GET":
        return _disclosure_again(None, case_id)
    recording.record_disclosure(acting(), forms.disclosure_of(forms.DisclosureIn().load(posted("groups")), case_id))
    return redirect(url_for(".case_disclosures", case_id=case_id), 303)


@pages.get("/registers/disclosures")
@guard(Permission.DISCLOSURE_READ)
def disclosures() -> str:
    """The ledger of one child, by a case's number: codes and times, no story."""
    asked = forms.LedgerQuery().load({name: value for name, value in request.args.items() if value.strip()})
    try:
        lines = _lines(*looking.find_ledger(acting(), asked["case"])) if asked["case"] else None
    except NotFound:
        lines = None
    return render_template(
        "registers/ledger.html", case=None, number=asked["case"], lines=lines,
        may=False, may_export=False,
    )  # fmt: skip


def _after() -> tuple[datetime, uuid.UUID] | None:
    asked = forms.RegisterQuery().load({name: value for name, value in request.args.items() if value.strip()})
    return decode_key(asked["after"])


@pages.get("/registers/demands")
@guard(Permission.DEMAND_READ)
def list_demands() -> str:
    """What authorities demanded, newest first."""
    rows = books.list_demands(_after())
    some, more = rows[: books.PAGE], len(rows) > books.PAGE
    older = url_for(".list_demands", after=encode_key(some[-1].received_at, some[-1].id)) if more else None
    return render_template(
        "registers/demands.html", demands=[_demand(row) for row in some], older=older,
        may=holds(acting().actor, Permission.DEMAND_RECORD),
    )  # fmt: skip


def _demand(row: v.DemandRow, *, whole: bool = False) -> dict[str, Any]:
    now = acting().now
    dumped: dict[str, Any] = (shown.DemandOut if whole else shown.DemandItemOut)().dump(row)
    return dumped | {"when": format_when(row.received_at, now), "entered": format_when(row.recorded_at, now)}


@pages.get("/registers/demands/<uuid:demand_id>")
@guard(Permission.DEMAND_READ)
def show_demand(demand_id: uuid.UUID) -> str:
    """One demand: who, on which basis, what, what was given; and what was entered before."""
    row = books.get_demand(demand_id)
    return render_template(
        "registers/demand.html", it=_demand(row, whole=True), before=[_demand(each, whole=True) for each in row.before],
        may=holds(acting().actor, Permission.DEMAND_RECORD) and not row.corrected,
    )  # fmt: skip


def _demand_again(problem: Exception | None) -> str:
    ctx, corrects = acting(), request.values.get("corrects_id", type=uuid.UUID)
    former = books.get_demand(corrects) if corrects else None
    found = accounts.list_users(ctx.actor.centre_id) if ctx.actor.centre_id else []
    return render_template(
        "registers/new_demand.html", form=refused(problem), former=former,
        when_local=_local(former.received_at if former else None),
        demand_id=request.form.get("demand_id") or new_id(), staff=[(user.id, user.name) for user in found],
        authorities=options("authority", v.Authority), bases=options("demand_basis", v.DemandBasis),
        outcomes=options("demand_outcome", v.DemandOutcome), told=options("told", v.Told),
    )  # fmt: skip


@pages.route("/registers/demands/new", methods=["GET", "POST"])
@guard(Permission.DEMAND_RECORD, retry=_demand_again)
def record_demand() -> Any:
    """Enter what an authority demanded, or put an entry right."""
    if request.method == "GET":
        return _demand_again(None)
    demand = recording.record_demand(acting(), forms.DemandIn().load(posted()))
    return redirect(url_for(".show_demand", demand_id=demand.id), 303)


@pages.get("/registers/breaches")
@guard(Permission.BREACH_READ)
def list_breaches() -> str:
    """What got out or was lost, newest first, with each clock."""
    ctx = acting()
    rows = books.list_breaches(ctx.now, _after())
    some, more = rows[: books.PAGE], len(rows) > books.PAGE
    older = url_for(".list_breaches", after=encode_key(some[-1].noticed_at, some[-1].id)) if more else None
    return render_template(
        "registers/breaches.html", breaches=[_breach(row) for row in some], older=older,
        may=holds(ctx.actor, Permission.BREACH_RECORD),
    )  # fmt: skip


def _breach(row: v.BreachRow, *, whole: bool = False) -> dict[str, Any]:
    now = acting().now
    dumped: dict[str, Any] = (shown.BreachOut if whole else shown.BreachItemOut)().dump(row)
    return dumped | {
        "noticed": format_when(row.noticed_at, now), "by": format_when(row.notify_by, now),
        "left": format_due(row.notify_by, now), "late": row.state is v.BreachState.LATE,
        "told": format_when(row.authority_told_at, now) if row.authority_told_at else "",
    }  # fmt: skip


def _breach_again(problem: Exception | None, breach_id: uuid.UUID) -> str:
    ctx = acting()
    row = books.get_breach(breach_id, ctx.now)
    done = {v.BreachStep.AUTHORITY_TOLD: row.authority_told_at, v.BreachStep.SUBJECTS_TOLD: row.subjects_told_at}
    return render_template(
        "registers/breach.html", it=_breach(row, whole=True), form=refused(problem), now=ctx.now, now_local=_local(),
        entry_id=request.form.get("entry_id") or new_id(),
        steps=options("breach_step", [step for step in v.BreachStep if not done.get(step)]),
        may=holds(ctx.actor, Permission.BREACH_RECORD) and row.closed_at is None,
    )  # fmt: skip


@pages.get("/registers/breaches/<uuid:breach_id>")
@guard(Permission.BREACH_READ)
def show_breach(breach_id: uuid.UUID) -> str:
    """One breach: what happened, how its clock stands, and its log."""
    return _breach_again(None, breach_id)


@pages.post("/registers/breaches/<uuid:breach_id>/steps")
@guard(Permission.BREACH_RECORD, retry=_breach_again)
def enter_step(breach_id: uuid.UUID) -> Response:
    """Add to its log."""
    data = forms.BreachStepIn().load(posted())
    recording.enter_step(acting(), EnterStep(breach_id=breach_id, **data))
    return redirect(url_for(".show_breach", breach_id=breach_id), 303)


def _new_breach_again(problem: Exception | None) -> str:
    return render_template(
        "registers/new_breach.html", form=refused(problem, "categories"), now_local=_local(),
        breach_id=request.form.get("breach_id") or new_id(), affected=options("affected", v.Affected),
    )  # fmt: skip


@pages.route("/registers/breaches/new", methods=["GET", "POST"])
@guard(Permission.BREACH_RECORD, retry=_new_breach_again)
def open_breach() -> Any:
    """Begin a breach's log."""
    if request.method == "GET":
        return _new_breach_again(None)
    breach = recording.open_breach(acting(), forms.BreachIn().load(posted("categories")))
    return redirect(url_for(".show_breach", breach_id=breach.id), 303)


@pages.get("/registers/processing")
@guard(Permission.PROCESSING_READ)
def read_processing() -> str:
    """What is processed why, where, who reads it and how long it is kept; to be printed."""
    activities = shown.ActivityOut(many=True).dump(processing.read_processing(acting()))
    return render_template("registers/processing.html", activities=activities)
