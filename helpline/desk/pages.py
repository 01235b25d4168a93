"""The screens that show several slices at once: the call desk, a case, My work."""

import uuid
from dataclasses import replace
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from flask import Blueprint, g, redirect, render_template, request, url_for
from flask_babel import format_date
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from helpline.calls import queries as calls
from helpline.calls.schemas.call import CallItemOut
from helpline.calls.schemas.form import started
from helpline.cases import queries as cases
from helpline.cases import rules as case_rules
from helpline.cases.pages import STEPS
from helpline.cases.schemas import CaseItemOut, CaseOut, EventOut
from helpline.cases.vocabulary import CaseStatus, CaseStep, TimelineRow
from helpline.desk import queries, rules
from helpline.desk.rules import NextCode, WorkList
from helpline.desk.schemas import CallBriefOut, CaseChildOut
from helpline.followups.vocabulary import CLOCKS, FollowUpKind, FollowUpRow
from helpline.foundation.access.engine import holds, scope_held
from helpline.foundation.access.permissions import Permission, Scope
from helpline.foundation.calendar import day_bounds, local_day
from helpline.foundation.context import Context
from helpline.foundation.i18n import as_utc, format_due, format_when
from helpline.foundation.ids import new_id
from helpline.foundation.keyset import decode_key, encode_key
from helpline.referrals.schemas import ReferralOut, in_language
from helpline.search import pages as search
from helpline.web import frame
from helpline.web.guard import acting, guard

pages = Blueprint("desk", __name__, template_folder="templates")
# Times that say since when, not by when.
_NO_DUE = {"parked", "exhausted", "decide_closing", "wait_closing"}
_LAST_CALLS = 8
# Contacts that are no counselling, and the key that logs each.
_QUICK = [("silent", "S"), ("hang_up", "H"), ("abusive", "A"), ("wrong_number", "W"), ("test", "T"), ("thanks", "D"),
          ("information", "I")]  # fmt: skip
_RECORD = {"first_response": _l("Record contact"), "contact": _l("Record contact"), "visit": _l("Record visit"),
           "call": _l("Record call")}  # fmt: skip
_KINDS = {"case": "case", "referral": "referral", "followup": "followup"}


@pages.get("/")
@guard(Permission.OWN_ACCOUNT)
def call_desk() -> Any:
    """Ready for the next call; `draft` takes a parked one up again. Whoever takes no calls goes to their first page."""
    ctx = acting()
    if not holds(ctx.actor, Permission.CALL_LOG):
        return redirect(url_for(frame.home_endpoint(ctx.actor)), 303)
    draft, logged_id = request.args.get("draft", type=uuid.UUID), request.args.get("logged", type=uuid.UUID)
    if draft is not None:
        return redirect(url_for("calls.write", call_id=draft), 303)
    mine = replace(calls.reach(ctx), operator_id=ctx.actor.id)
    shown = CallItemOut(many=True).dump(calls.list_calls(mine, limit=_LAST_CALLS)[:_LAST_CALLS])
    dropped = request.args.get("dropped", type=uuid.UUID)
    g.drafts_done = [call["id"] for call in shown] + ([str(dropped)] if dropped else [])
    counselled = any(call["id"] == str(logged_id) and call["kind"] == "counselling" for call in shown)
    alike = search.alike(logged_id) if logged_id and counselled and holds(ctx.actor, Permission.CASE_OPEN) else None
    today = day_bounds(local_day(ctx.now, ZoneInfo(ctx.timezone)), ZoneInfo(ctx.timezone))[0]
    return render_template(
        "desk/call_desk.html", calls=shown, logged=next((c for c in shown if c["id"] == str(logged_id)), None),
        parked=[{"id": row.id, "begun": started(row.id, row.saved_at), "saved_at": row.saved_at}
                for row in calls.list_drafts(ctx.actor.id)],
        shift=calls.shift(ctx.actor.id, today), quick=_QUICK, quick_id=new_id(), now=ctx.now, alike=alike,
    )  # fmt: skip


@pages.get("/cases/<uuid:case_id>")
@guard(Permission.CASE_READ)
def case_page(case_id: uuid.UUID) -> str:
    """One case: who, how dangerous, what is next, what happened, what comes, who else knows, who looked."""
    ctx = acting()
    kind = _KINDS.get(request.args.get("kind", ""))
    view = queries.get_case_view(ctx, case_id, kind=kind, after=decode_key(request.args.get("after")))
    may, sought = _may(ctx), _referrals(ctx, view)
    if view.case.erased_at is not None:
        may = {name: name == "keep" and allowed for name, allowed in may.items()}
    why = {ask["id"]: ask["why"] for row in sought for ask in row["asks"]}
    shown, more = view.lines[: cases.PAGE], len(view.lines) > cases.PAGE
    older = (
        url_for(".case_page", case_id=case_id, kind=kind, after=encode_key(shown[-1].at, shown[-1].id))
        if more
        else None
    )
    return render_template(
        "desk/case.html", case=CaseOut().dump(view.case), child=_child(view), call=_call(view), may=may,
        kind=kind or "", erased=view.case.erased_at and format_when(view.case.erased_at, ctx.now),
        open=view.case.status == CaseStatus.OPEN, since=format_when(view.case.opened_at, ctx.now),
        next=_next(ctx, view, may),
        step_items=_steps(view.case.step), back_steps=_back_steps(view.case.step), referrals=sought,
        lines=[_line(line, view, why, ctx.now) for line in shown], older=older,
        related=CaseItemOut(many=True).dump(view.related), looks=_looks(ctx, view),
        coming=[_coming(row, ctx.now) for row in view.coming if row.kind not in CLOCKS], you=str(ctx.actor.id),
        terms={code: {"label": in_language(names)} for code, names in view.terms.items()},
    )  # fmt: skip


@pages.get("/work")
@guard(Permission.CASE_READ)
def my_work() -> str:
    """What I have to do by the end of today, late first, and what I wait for."""
    ctx = acting()
    items = queries.list_work(ctx)
    shown = [item.case for item in items if item.case]
    dumped = {case["id"]: case for case in CaseItemOut(many=True).dump(list({row.id: row for row in shown}.values()))}
    lists = [
        (where.value, [_work(item, dumped, ctx.now) for item in items if item.where is where]) for where in WorkList
    ]
    first = next((entry for _where, entries in lists for entry in entries if not entry["waits"]), None)
    if first is not None:
        first["main"] = True
    return render_template(
        "desk/work.html", anything=first is not None, lists=lists,
        today=format_date(local_day(ctx.now, ZoneInfo(ctx.timezone)), "EEEE d MMMM"),
        open_cases=cases.count_cases(cases.reach(ctx)), role=ctx.actor.role,
    )  # fmt: skip


def _work(item: queries.WorkItem, dumped: dict[str, dict[str, Any]], now: datetime) -> dict[str, Any]:
    waits = item.where is WorkList.WAITING
    late = bool(item.due_at and item.due_at < now and item.kind not in _NO_DUE)
    return {
        "kind": item.kind, "service": item.service, "case": dumped.get(str(item.case.id)) if item.case else None,
        "when": _when(item, now), "late": late, "href": _address(item), "waits": waits, "main": False,
    }  # fmt: skip


def _when(item: queries.WorkItem, now: datetime) -> str:
    if item.due_at is None:
        return ""
    if item.kind in _NO_DUE:
        return str(_("since %(when)s", when=format_when(item.due_at, now)))
    return _by(item.due_at, now)


def _address(item: queries.WorkItem) -> str:
    """Where it is done; for what one waits for, where it stands."""
    if item.kind == "parked":
        return url_for("desk.call_desk", draft=item.source_id)
    if item.kind in {"asked", "exhausted"}:
        return url_for("referrals.show_referral", referral_id=item.source_id)
    assert item.case is not None  # everything else is of a case
    if item.kind in _RECORD or item.kind in {FollowUpKind.REVIEW, FollowUpKind.OTHER}:
        return url_for("followups.complete", followup_id=item.source_id)
    endpoints = {"assign": "cases.assign", "assignment": "cases.assign", "decide_closing": "cases.decide_closing"}
    return url_for(endpoints.get(item.kind, "desk.case_page"), case_id=item.case.id)


def _may(ctx: Context) -> dict[str, bool]:
    close = scope_held(ctx.actor, Permission.CASE_CLOSE)
    return {
        "assign": holds(ctx.actor, Permission.CASE_ASSIGN), "change": holds(ctx.actor, Permission.CASE_UPDATE),
        "refer": holds(ctx.actor, Permission.REFERRAL_REQUEST), "close": holds(ctx.actor, Permission.CASE_CLOSE),
        "follow_up": holds(ctx.actor, Permission.FOLLOWUP_COMPLETE), "decide": close in {Scope.TEAM, Scope.CENTRE},
        "keep": holds(ctx.actor, Permission.RETENTION_REVIEW),
    }  # fmt: skip


def _child(view: queries.CaseView) -> dict[str, Any]:
    return CaseChildOut().dump(view.child) if view.child else {}


def _call(view: queries.CaseView) -> dict[str, Any] | None:
    return CallBriefOut().dump(view.call) if view.call else None


def _standing(view: queries.CaseView, may: dict[str, bool]) -> rules.Standing:
    case, due = view.case, _due(view)
    return rules.Standing(
        status=case.status, step=case.step, has_caseworker=case.caseworker_id is not None, assign_by=case.assign_by,
        first_response_by=case.first_response_by, first_response_at=case.first_response_at,
        closing_asked=case.closing_requested_at is not None, open_obligations=view.obligations,
        exhausted=sum(row.state == "exhausted" for row in view.referrals),
        followup_due=due.due_at if due else None,
        may_assign=may["assign"], may_update=may["change"], may_decide=may["decide"], may_close=may["close"],
    )  # fmt: skip


def _due(view: queries.CaseView) -> FollowUpRow | None:
    """The soonest follow-up that is not one of the case's own clocks."""
    return next((row for row in view.coming if row.kind not in CLOCKS), None)


def _next(ctx: Context, view: queries.CaseView, may: dict[str, bool]) -> dict[str, Any]:
    """The Next box: its code, by when, and the page's one filled button."""
    found = rules.next_for(_standing(view, may), ctx.now, ZoneInfo(ctx.timezone))
    late = found.due_at is not None and found.due_at < ctx.now
    label, href = _button(found, view, may)
    return {
        "code": found.code.value, "step": found.step.value if found.step else None, "late": late, "label": label,
        "href": href, "kind": (coming := _due(view)) and coming.kind,
        "due": format_when(found.due_at, ctx.now) if found.due_at else "",
        "when": _by(found.due_at, ctx.now) if found.due_at else "",
    }  # fmt: skip


def _by(due: datetime, now: datetime) -> str:
    return str(_("by %(when)s, %(distance)s", when=format_when(due, now), distance=format_due(due, now)))


def _button(found: rules.Next, view: queries.CaseView, may: dict[str, bool]) -> tuple[str, str | None]:
    """Its label and address; no address for a step, which is a form, and nothing where the reader may only look."""
    case_id = view.case.id
    contact = url_for("cases.add_note", case_id=case_id, kind="contact")
    due = _due(view)
    followup = url_for("followups.complete", followup_id=due.id) if due and may["follow_up"] else contact
    if found.code is NextCode.CHOOSE_AGENCY:
        exhausted = next(row for row in view.referrals if row.state == "exhausted")
        return _("Choose an agency"), url_for("referrals.show_referral", referral_id=exhausted.id)
    buttons = {
        NextCode.ASSIGN: (_("Choose a caseworker"), url_for("cases.assign", case_id=case_id)),
        NextCode.DECIDE_CLOSING: (_("Decide"), url_for("cases.decide_closing", case_id=case_id)),
        NextCode.FIRST_CONTACT: (_("Record the first contact"), contact),
        NextCode.FOLLOW_UP: (_RECORD.get(due.kind if due else "", _l("Record it")), followup),
        NextCode.STEP: (_("Go on"), None),
        NextCode.CLOSE: (_("Close the case"), url_for("cases.close", case_id=case_id)),
        NextCode.KEEP_CONTACT: (_("Record contact"), followup),
        NextCode.REOPEN: (_("Take it up again"), url_for("cases.reopen", case_id=case_id)),
    }
    note = url_for("cases.add_note", case_id=case_id, kind="note") if may["change"] else None
    return buttons.get(found.code, (_("Write a note"), note))


def _steps(current: str) -> list[dict[str, Any]]:
    at = list(CaseStep).index(CaseStep(current))
    states = ["done"] * at + ["here"] + ["todo"] * len(STEPS)
    return [{"code": code, "label": str(label), "state": states[n]} for n, (code, label) in enumerate(STEPS)]


def _back_steps(current: str) -> list[tuple[str, str]]:
    order = list(CaseStep)
    onward = order.index(CaseStep(current)) + 1
    allowed = case_rules.TRANSITIONS[CaseStep(current)]
    return [(code, str(label)) for code, label in STEPS if code in allowed and order.index(CaseStep(code)) != onward]


def _line(line: TimelineRow, view: queries.CaseView, why: dict[str, list[str]], now: datetime) -> dict[str, Any]:
    item: dict[str, Any] = EventOut().dump(line)
    asks = {str(ask.id): ask for row in view.referrals for ask in row.asks}
    ask = asks.get(str(line.details.get("ask_id")))
    person = line.details.get("caseworker_id")
    return item | {
        "iso": as_utc(line.at),
        "when": format_when(line.at, now),
        "agency": ask.agency_names if ask else None,
        "person": view.names.get(uuid.UUID(person)) if person else None,
        "why": why.get(str(ask.id)) if ask and line.action == "referral.asked" else None,
    }


def _referrals(ctx: Context, view: queries.CaseView) -> list[dict[str, Any]]:
    """Each with the agency that is asked or has accepted, and why it was chosen."""
    found: list[dict[str, Any]] = []
    for row, dumped in zip(view.referrals, ReferralOut(many=True).dump(view.referrals), strict=True):
        current = row.current
        why: list[str] = next((ask["why"] for ask in dumped["asks"] if current and ask["id"] == str(current.id)), [])
        asked = current if current and row.state == "asked" else None
        found.append(
            dumped
            | {
                "agency": current.agency_names if current else None, "phone": current.agency_phone if current else None,
                "why": why, "answer_by": _by(asked.answer_by, ctx.now) if asked else None,
                "silent": bool(asked and asked.answer_by < ctx.now),
                "href": url_for("referrals.show_referral", referral_id=row.id),
            }
        )  # fmt: skip
    return found


def _coming(row: FollowUpRow, now: datetime) -> dict[str, Any]:
    return {
        "id": row.id, "kind": row.kind, "late": row.overdue(now), "when": format_when(row.due_at, now),
        "due": format_due(row.due_at, now),
    }  # fmt: skip


def _looks(ctx: Context, view: queries.CaseView) -> list[dict[str, Any]] | None:
    if view.looks is None:
        return None
    return [
        {"you": look.actor_id == ctx.actor.id, "name": look.actor_name, "role": look.actor_role, "times": look.times}
        for look in view.looks
    ]


frame.counts["work"] = lambda: queries.count_overdue(acting())
