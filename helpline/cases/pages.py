"""The list of cases, opening one from a call, and one page for each thing that changes in a case.

The case itself is the desk's page (`desk.case_page`), which shows several slices at once.
"""

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask import Blueprint, redirect, render_template, request, url_for
from flask_babel import get_locale
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from werkzeug.wrappers import Response

from helpline.accounts import queries as accounts
from helpline.agencies import queries as agencies
from helpline.agencies.vocabulary import Service
from helpline.calls import queries as calls
from helpline.cases import queries
from helpline.cases.commands import AddNote, CloseCase, Consent
from helpline.cases.schemas import (
    AssignmentIn,
    CallChildOut,
    CallRiskOut,
    CaseItemOut,
    CaseOut,
    CaseQuery,
    ClosingIn,
    ConsentChangeIn,
    DecisionIn,
    NeedsIn,
    NoteIn,
    OpenCaseIn,
    ReopeningIn,
    RiskIn,
    StepIn,
)
from helpline.cases.services import assigning, closing, opening, working
from helpline.cases.vocabulary import CASELOAD_WARNING, CaseRow, CaseStep, CloseReason, NoteKind
from helpline.foundation.access.engine import scope_held
from helpline.foundation.access.permissions import Permission, Role, Scope
from helpline.foundation.errors import Invalid
from helpline.foundation.i18n import format_due, format_when
from helpline.foundation.ids import new_id
from helpline.foundation.keyset import decode_key, encode_key, held
from helpline.reference import queries as reference
from helpline.reference.rules import spoken
from helpline.web import frame
from helpline.web.errors import SENTENCES
from helpline.web.forms import posted, refused
from helpline.web.guard import acting, guard

pages = Blueprint("cases", __name__, template_folder="templates")

STEPS = [
    (CaseStep.REGISTER.value, _l("Register")), (CaseStep.ASSESS.value, _l("Assess")),
    (CaseStep.PLAN.value, _l("Plan")), (CaseStep.IMPLEMENT.value, _l("Carry out")),
    (CaseStep.FOLLOW_UP.value, _l("Follow up")), (CaseStep.CLOSE.value, _l("Close")),
]  # fmt: skip
NEEDS = [
    (Service.CHILD_PROTECTION.value, _l("Child protection")), (Service.HEALTH.value, _l("Health care")),
    (Service.MENTAL_HEALTH.value, _l("Mental health care")), (Service.POLICE.value, _l("Police")),
    (Service.SHELTER.value, _l("Shelter")), (Service.LEGAL.value, _l("Legal aid")),
    (Service.SCHOOL.value, _l("School")), (Service.OTHER.value, _l("Another service")),
]  # fmt: skip
CLOSE_REASONS = [
    (CloseReason.GOALS_MET.value, _l("The goals are met")),
    (CloseReason.TRANSFERRED.value, _l("Handed over to another service")),
    (CloseReason.MOVED_AWAY.value, _l("The child moved away")),
    (CloseReason.AGED_OUT.value, _l("Too old for the service")),
    (CloseReason.CHILDS_WISH.value, _l("The child wishes it")),
    (CloseReason.LOST_CONTACT.value, _l("Contact lost after several tries")),
    (CloseReason.DEATH.value, _l("The child died")),
    (CloseReason.OPENED_IN_ERROR.value, _l("Opened by mistake")),
]
GROUPS = [
    ("child_identity", _l("Name, age and gender")), ("contact", _l("Phone and contact")),
    ("location", _l("Where the child is")), ("story", _l("The story")),
    ("alleged_perpetrator", _l("Who is said to have done it")), ("health", _l("Health")),
]  # fmt: skip

# What stands above the form that opens a case; the slice that knows doubles registers itself here.
alike: list[Callable[[uuid.UUID], dict[str, Any]]] = []


@dataclass(frozen=True, slots=True)
class Settled:
    """Where a kind of obligation is settled, and its words by id; the slice that owns it stands above and adds it."""

    endpoint: str
    words: Callable[[uuid.UUID], Any]


SETTLED: dict[str, Settled] = {}

SENTENCES.update(
    {
        "case_closed": lambda: _("This case is closed. Take it up again first."),
        "case_exists": lambda: _("This call already has a case for this child."),
        "case_code": lambda: _("A case number is its digits, with or without the letters before them: 2481."),
        "case_obligations": lambda: _("Referrals or follow-ups are still open. Settle them first."),
        "caseworker_not_of_team": lambda: _("Choose an active caseworker of the case's team."),
        "closed_to_unknown": lambda: _("Choose staff or agencies of your centre, and not yourself."),
        "child_needed": lambda: _("Choose at least one child."),
        "closing_asked": lambda: _("The closing was already asked for; a supervisor decides."),
        "closing_not_asked": lambda: _("Nobody asks to close this case any more."),
        "consent_basis_needed": lambda: _("Choose the legal basis on which consent was overridden."),
        "consent_reason_needed": lambda: _("Say why it is withheld."),
        "id_in_use": lambda: _("This form was already used for something else. Start again from the case."),
        "risk_same": lambda: _("That is the risk it has already."),
        "team_needed": lambda: _("No team covers this place. Choose one."),
        "team_unknown": lambda: _("Choose a team of your centre."),
    }
)


@pages.get("/cases")
@guard(Permission.CASE_READ)
def list_cases() -> str:
    """Cases within my reach, newest first."""
    ctx = acting()
    asked = CaseQuery().load({name: value for name, value in request.args.items() if value.strip()})
    wanted, after = queries.narrowed(ctx, asked), decode_key(asked["after"])
    found = queries.list_cases(wanted, after)
    shown, more = found[: queries.PAGE], len(found) > queries.PAGE
    kept: dict[str, Any] = {name: value for name, value in request.args.items() if name != "after"}
    older = url_for("cases.list_cases", **kept, after=encode_key(shown[-1].opened_at, shown[-1].id)) if more else None
    own_form = ("code", "risk_level", "step")
    return render_template(
        "cases/list.html", cases=[_item(row, ctx.now) for row in shown], older=older, asked=asked, steps=STEPS,
        tabs=_tabs(asked), held=held(found, queries.PAGE, after, lambda: queries.count_cases(wanted)),
        kept={name: value for name, value in kept.items() if name not in own_form}, form=None,
    )  # fmt: skip


def _item(row: CaseRow, now: datetime) -> dict[str, Any]:
    lateness = ""
    if row.assignment_late(now):
        lateness = _("assignment %(late)s", late=format_due(row.assign_by, now))
    elif row.response_late(now):
        lateness = _("first response %(late)s", late=format_due(row.first_response_by, now))
    item: dict[str, Any] = CaseItemOut().dump(row)
    return item | {"lateness": lateness, "opened": format_when(row.opened_at, now)}


def _tabs(asked: dict[str, Any]) -> list[dict[str, Any]]:
    scope = scope_held(acting().actor, Permission.CASE_READ)
    kinds: list[tuple[str, Any, dict[str, Any]]] = [("", _l("Open"), {})]
    if scope in {Scope.TEAM, Scope.CENTRE}:
        kinds.append(("unassigned", _l("Unassigned"), {"unassigned": "true"}))
        kinds.append(("closing_asked", _l("To approve"), {"closing_asked": "true"}))
    kinds.append(("late", _l("Late"), {"late": "true"}))
    kinds.append(("closed", _l("Closed"), {"status": "closed"}))
    current = next((name for name in ("unassigned", "closing_asked", "late") if asked[name]), "")
    current = "closed" if asked["status"] == "closed" else current
    return [
        {"label": label, "href": url_for("cases.list_cases", **args), "current": name == current}
        for name, label, args in kinds
    ]


def shut_choices() -> list[tuple[str, str]]:
    """Staff and agencies of the actor's centre to whom a case can be closed, by name; not oneself."""
    ctx, locale = acting(), str(get_locale())
    if ctx.actor.centre_id is None:
        return []
    staff = [(str(user.id), f"{user.name} · {frame.ROLE_LABELS[Role(user.role)]}")
             for user in accounts.list_users(ctx.actor.centre_id) if user.id != ctx.actor.id]  # fmt: skip
    names = {str(agency_id): names for agency_id, names in agencies.list_names(ctx.actor.centre_id)}
    return staff + [(agency_id, of.get(locale) or next(iter(of.values()), "")) for agency_id, of in names.items()]


def _open_again(problem: Exception | None, call_id: uuid.UUID) -> str:
    centre_id = acting().actor.centre_id
    teams = accounts.list_teams(centre_id) if centre_id else ()
    children = [
        child | {"new_id": request.form.get(f"case_id-{child['id']}") or new_id()}
        for child in CallChildOut(many=True).dump(queries.list_children(call_id))
    ]
    chosen = request.form.getlist("children") if problem else [child["id"] for child in children]
    return render_template(
        "cases/open.html", children=children, chosen=chosen, needs=NEEDS, groups=GROUPS, **_danger(call_id),
        teams=[(team.id, team.name) for team in teams if team.active], call_id=call_id, consent=Consent().document(),
        alike=[look(call_id) for look in alike], shut=shut_choices(),
        form=refused(problem, "needs", "consent.withhold", "children", "closed_to"),
    )  # fmt: skip


def _danger(call_id: uuid.UUID) -> dict[str, Any]:
    """How dangerous the call is, why, and whom to ring now."""
    ctx = acting()
    call = CallRiskOut().dump(calls.find_posted(call_id))
    codes = {reason.get("value") for reason in call["risk_reasons"] or []}
    terms = reference.list_terms() if codes - {None} else ()
    country = reference.country_of_centre(ctx.actor.centre_id)
    return {
        "call": call, "names": {term.code: {"label": spoken(term.names, ctx.locale)} for term in terms},
        "risk": {"level": call["risk_level"]},
        "now_numbers": reference.country(country).emergency_numbers if country else (),
    }  # fmt: skip


@pages.route("/calls/<uuid:call_id>/cases/new", methods=["GET", "POST"])
@guard(Permission.CASE_OPEN, retry=_open_again)
def open_case(call_id: uuid.UUID) -> Any:
    """Open a case for each child that is ticked; all are opened, or none is."""
    if request.method == "GET":
        return _open_again(None, call_id)
    form = posted("needs", "consent.withhold", "children", "closed_to")
    children = form.pop("children")
    if not children:
        raise Invalid("child_needed", "children")
    shared = {name: value for name, value in form.items() if not name.startswith("case_id-")}
    opened = []
    for child in children:
        one = {"case_id": form.get(f"case_id-{child}"), "call_id": str(call_id), "child_person_id": child}
        opened.append(opening.open_case(acting(), OpenCaseIn().load(shared | one)).id)
    return _back(opened[0])


def _draw(template: str, case_id: uuid.UUID, problem: Exception | None, *lists: str, **more: Any) -> str:
    case = more.pop("row", None) or queries.get_case(case_id)
    return render_template(template, case=CaseOut().dump(case), form=refused(problem, *lists), **more)


def _back(case_id: uuid.UUID) -> Response:
    return redirect(url_for("desk.case_page", case_id=case_id), 303)


def _assign_again(problem: Exception | None, case_id: uuid.UUID) -> str:
    row = queries.get_case(case_id)
    loads = [
        {"id": str(load.id), "name": load.name, "open_cases": load.open_cases,
         "over": load.open_cases > CASELOAD_WARNING}
        for load in queries.caseload(row.team_id, row.id)
    ]  # fmt: skip
    chosen = request.form.get("caseworker_id") or str(row.caseworker_id)
    return _draw("cases/assign.html", case_id, problem, row=row, loads=loads, chosen=chosen)


@pages.route("/cases/<uuid:case_id>/assignment", methods=["GET", "POST"])
@guard(Permission.CASE_ASSIGN, retry=_assign_again)
def assign(case_id: uuid.UUID) -> Any:
    """Give the case to a caseworker of its team, their load in sight."""
    if request.method == "GET":
        return _assign_again(None, case_id)
    data = AssignmentIn().load(posted())
    assigning.assign_caseworker(acting(), case_id, data["version"], data["caseworker_id"])
    return _back(case_id)


def _note_again(problem: Exception | None, case_id: uuid.UUID) -> str:
    kind = request.args.get("kind", NoteKind.CONTACT.value)
    note_id = request.form.get("note_id") or new_id()
    return _draw("cases/note.html", case_id, problem, note_id=note_id, kind=None if problem else kind)


@pages.route("/cases/<uuid:case_id>/notes/new", methods=["GET", "POST"])
@guard(Permission.CASE_UPDATE, retry=_note_again)
def add_note(case_id: uuid.UUID) -> Any:
    """Write a note, or record a contact or a visit."""
    if request.method == "GET":
        return _note_again(None, case_id)
    form = posted()
    form.pop("version", None)  # notes are added, not changed: nobody can overwrite anybody's
    data = NoteIn().load(form)
    working.add_note(acting(), AddNote(data["note_id"], case_id, NoteKind(data["kind"]), data["body"]))
    return _back(case_id)


def _risk_again(problem: Exception | None, case_id: uuid.UUID) -> str:
    return _draw("cases/risk.html", case_id, problem)


@pages.route("/cases/<uuid:case_id>/risk", methods=["GET", "POST"])
@guard(Permission.CASE_UPDATE, retry=_risk_again)
def change_risk(case_id: uuid.UUID) -> Any:
    """Judge the risk anew."""
    if request.method == "GET":
        return _risk_again(None, case_id)
    data = RiskIn().load(posted())
    working.change_risk(acting(), case_id, data["version"], data["risk_level"], data["reason"])
    return _back(case_id)


def _needs_again(problem: Exception | None, case_id: uuid.UUID) -> str:
    return _draw("cases/needs.html", case_id, problem, "needs", needs=NEEDS)


@pages.route("/cases/<uuid:case_id>/needs", methods=["GET", "POST"])
@guard(Permission.CASE_UPDATE, retry=_needs_again)
def set_needs(case_id: uuid.UUID) -> Any:
    """Say which services the child needs."""
    if request.method == "GET":
        return _needs_again(None, case_id)
    data = NeedsIn().load(posted("needs"))
    working.set_needs(acting(), case_id, data["version"], data["needs"])
    return _back(case_id)


def _consent_again(problem: Exception | None, case_id: uuid.UUID) -> str:
    return _draw("cases/consent.html", case_id, problem, "consent.withhold", groups=GROUPS)


@pages.route("/cases/<uuid:case_id>/consent", methods=["GET", "POST"])
@guard(Permission.CASE_UPDATE, retry=_consent_again)
def set_consent(case_id: uuid.UUID) -> Any:
    """Record to what was agreed, by whom, and what stays withheld."""
    if request.method == "GET":
        return _consent_again(None, case_id)
    data = ConsentChangeIn().load(posted("consent.withhold"))
    working.set_consent(acting(), case_id, data["version"], data["consent"])
    return _back(case_id)


@pages.post("/cases/<uuid:case_id>/step")
@guard(Permission.CASE_UPDATE)
def move_to_step(case_id: uuid.UUID) -> Response:
    """Go on to the next step, or back."""
    data = StepIn().load(posted())
    working.move_to_step(acting(), case_id, data["version"], data["step"])
    return _back(case_id)


def _settled_at(owed: Any) -> dict[str, Any]:
    """An obligation in words, with the address where it is settled."""
    settled = SETTLED[owed.source_kind]
    due = format_when(owed.due_at, acting().now) if owed.due_at else ""
    named: dict[str, Any] = {f"{owed.source_kind}_id": owed.source_id}
    return {"what": str(settled.words(owed.source_id)), "href": url_for(settled.endpoint, **named), "due": due}


def _close_again(problem: Exception | None, case_id: uuid.UUID) -> str:
    decides = scope_held(acting().actor, Permission.CASE_CLOSE).reaches(Scope.TEAM)
    obligations = [_settled_at(each) for each in queries.list_obligations(case_id)]
    return _draw(
        "cases/close.html", case_id, problem, reasons=CLOSE_REASONS, obligations=obligations, decides=decides
    )  # fmt: skip


@pages.route("/cases/<uuid:case_id>/closing", methods=["GET", "POST"])
@guard(Permission.CASE_CLOSE, retry=_close_again)
def close(case_id: uuid.UUID) -> Any:
    """Close the case; a caseworker asks, and a supervisor decides."""
    if request.method == "GET":
        return _close_again(None, case_id)
    data = ClosingIn().load(posted())
    closing.close_case(acting(), CloseCase(case_id, data["version"], data["reason"], data["note"]))
    return _back(case_id)


def _decide_again(problem: Exception | None, case_id: uuid.UUID) -> str:
    return _draw("cases/decide.html", case_id, problem)


@pages.route("/cases/<uuid:case_id>/closing/decision", methods=["GET", "POST"])
@guard(Permission.CASE_CLOSE, retry=_decide_again)
def decide_closing(case_id: uuid.UUID) -> Any:
    """Approve a request to close, or send it back with a reason."""
    if request.method == "GET":
        return _decide_again(None, case_id)
    data = DecisionIn().load(posted())
    if data["approve"]:
        closing.approve_closing(acting(), case_id, data["version"])
    else:
        closing.decline_closing(acting(), case_id, data["version"], data["reason"])
    return _back(case_id)


def _reopen_again(problem: Exception | None, case_id: uuid.UUID) -> str:
    return _draw("cases/reopen.html", case_id, problem)


@pages.route("/cases/<uuid:case_id>/reopening", methods=["GET", "POST"])
@guard(Permission.CASE_CLOSE, retry=_reopen_again)
def reopen(case_id: uuid.UUID) -> Any:
    """Take a closed case up again."""
    if request.method == "GET":
        return _reopen_again(None, case_id)
    data = ReopeningIn().load(posted())
    closing.reopen_case(acting(), case_id, data["version"], data["reason"])
    return _back(case_id)
