"""Referrals: the list, one with its askings, and what people do with it. The partner's page stands below."""

import uuid
from typing import Any

from flask import Blueprint, redirect, render_template, request, url_for
from flask_babel import gettext as _
from marshmallow import ValidationError
from werkzeug.wrappers import Response

from helpline.agencies.vocabulary import Service
from helpline.cases.pages import NEEDS, SETTLED, Settled
from helpline.cases.queries import centre_of
from helpline.foundation.access.engine import holds
from helpline.foundation.access.permissions import Permission
from helpline.foundation.errors import Conflict, HelplineError, Invalid
from helpline.foundation.ids import new_id
from helpline.foundation.keyset import decode_key, encode_key, held
from helpline.referrals import queries
from helpline.referrals.rules import ENDED
from helpline.referrals.schemas import (
    AgencyChoiceIn,
    PortalAnswerIn,
    PortalFrontOut,
    PortalRequestOut,
    ReferralChangeIn,
    ReferralIn,
    ReferralOut,
    ReferralQuery,
    ServiceResultIn,
    WithdrawalIn,
)
from helpline.referrals.services import portal, seeking
from helpline.referrals.vocabulary import DeclineReason, ReferralState, WithdrawReason
from helpline.web.errors import sentence
from helpline.web.guard import acting, guard
from helpline.web.guard import portal as by_link

pages = Blueprint("referrals", __name__, template_folder="templates")
Problem = HelplineError | ValidationError


def _what(referral_id: uuid.UUID) -> str:
    found = queries.find_referral(referral_id)
    return str(_("Help sought: %(service)s", service=dict(NEEDS)[found.service])) if found else str(_("Help sought"))


SETTLED["referral"] = Settled("referrals.show_referral", _what)


@pages.get("/referrals")
@guard(Permission.REFERRAL_READ)
def list_referrals() -> str:
    """What is sought, by state."""
    ctx = acting()
    query = ReferralQuery().load({name: value for name, value in request.args.items() if value})
    after = decode_key(query["after"])
    rows = queries.list_referrals(ctx, query, after)
    shown = rows[: queries.PAGE]
    kept: dict[str, Any] = {name: value for name, value in request.args.items() if name in {"state", "late", "team_id"}}
    older = None
    if len(rows) > len(shown):
        older = url_for(".list_referrals", **kept, after=encode_key(shown[-1].requested_at, shown[-1].id))
    in_team = {"team_id": query["team_id"]} if query["team_id"] else {}
    return render_template(
        "referrals/list.html", referrals=ReferralOut(many=True).dump(shown), state=query["state"], late=query["late"],
        states=list(ReferralState), older=older, now=ctx.now, in_team=in_team,
        held=held(rows, queries.PAGE, after, lambda: queries.count_referrals(ctx, query)),
    )  # fmt: skip


@pages.get("/referrals/<uuid:referral_id>")
@guard(Permission.REFERRAL_READ)
def show_referral(referral_id: uuid.UUID) -> str:
    """One referral: who was asked and why, who was not, and what can be done."""
    return _page(referral_id)


def _page(referral_id: uuid.UUID, problem: Problem | None = None) -> str:
    ctx = acting()
    row = queries.get_row(referral_id)
    may_choose = holds(ctx.actor, Permission.CASE_ASSIGN) and row.state in {"requested", "asked", "exhausted"}
    return render_template(
        "referrals/show.html", referral=ReferralOut().dump(row), now=ctx.now,
        problem=_words(problem) if problem else None, may_change=holds(ctx.actor, Permission.REFERRAL_REQUEST),
        choices=queries.list_choices(row) if may_choose else [], may_choose=may_choose,
        withdraw_reasons=[each.value for each in WithdrawReason if each is not WithdrawReason.CLOSED_TO],
    )  # fmt: skip


def _redraw(problem: Problem, referral_id: uuid.UUID) -> str:
    return _page(referral_id, problem)


@pages.get("/cases/<uuid:case_id>/referrals/new")
@guard(Permission.REFERRAL_REQUEST)
def new_referral(case_id: uuid.UUID) -> str:
    """Choose what to seek."""
    centre_of(case_id)  # a case that is not there, or out of sight, has no such page
    return _new(case_id)


def _new(case_id: uuid.UUID, problem: Problem | None = None) -> str:
    sought = {row.service for row in queries.list_for_case(case_id) if row.state not in ENDED}
    return render_template(
        "referrals/new.html", case_id=case_id, referral_id=request.form.get("referral_id") or new_id(),
        services=[service.value for service in Service if service.value not in sought],
        problem=_words(problem) if problem else None,
    )  # fmt: skip


def _redraw_new(problem: Problem, case_id: uuid.UUID) -> str:
    return _new(case_id, problem)


@pages.post("/cases/<uuid:case_id>/referrals")
@guard(Permission.REFERRAL_REQUEST, retry=_redraw_new)
def request_referral(case_id: uuid.UUID) -> Response:
    """Seek a service; the router goes on from here."""
    data = ReferralIn().load(_form())
    seeking.request_referral(acting(), ReferralIn().command(case_id, data))
    return redirect(url_for("desk.case_page", case_id=case_id), 303)


@pages.post("/referrals/<uuid:referral_id>/withdraw")
@guard(Permission.REFERRAL_REQUEST, retry=_redraw)
def withdraw(referral_id: uuid.UUID) -> Response:
    """Ask nobody any longer."""
    data = WithdrawalIn().load(_form())
    seeking.withdraw(acting(), referral_id, data["version"], data["reason"])
    return _shown(referral_id)


@pages.post("/referrals/<uuid:referral_id>/search")
@guard(Permission.REFERRAL_REQUEST, retry=_redraw)
def try_again(referral_id: uuid.UUID) -> Response:
    """Search anew."""
    seeking.try_again(acting(), referral_id, ReferralChangeIn().load(_form())["version"])
    return _shown(referral_id)


@pages.post("/referrals/<uuid:referral_id>/agency")
@guard(Permission.CASE_ASSIGN, retry=_redraw)
def choose_agency(referral_id: uuid.UUID) -> Response:
    """Ask this agency instead."""
    data = AgencyChoiceIn().load(_form())
    seeking.choose_agency(acting(), referral_id, data["version"], data["agency_id"])
    return _shown(referral_id)


@pages.post("/referrals/<uuid:referral_id>/service")
@guard(Permission.REFERRAL_REQUEST, retry=_redraw)
def record_service(referral_id: uuid.UUID) -> Response:
    """The service began, was delivered, or was not."""
    data = ServiceResultIn().load(_form())
    seeking.record_service(acting(), referral_id, data["version"], data["state"])
    return _shown(referral_id)


def _shown(referral_id: uuid.UUID) -> Response:
    return redirect(url_for(".show_referral", referral_id=referral_id), 303)


def _form() -> dict[str, str]:
    return {name: value for name, value in request.form.items() if name != "csrf_token"}


def _words(problem: Problem) -> str:
    """What a person is told who could not do what they wanted."""
    sentences = {
        "referral_transition": _("Things have moved on meanwhile: this is how it stands now."),
        "stale": _("Things have moved on meanwhile: this is how it stands now."),
        "no_consent": _("The child or family does not agree, so nobody may be asked. Change the consent first."),
        "referral_sought": _("This is being sought already."),
        "case_closed": _("The case is closed. Reopen it first."),
        "agency_inactive": _("This agency is no longer asked."),
        "agency_no_address": _("This agency has no e-mail address, so it can't be asked here. Call it instead."),
        "agency_service_not_offered": _("This agency does not offer what is sought."),
    }
    if isinstance(problem, ValidationError):
        return str(_("Choose one of the answers, then try again."))
    return str(sentences.get(problem.code) or sentence(problem.code))


# The partner's page. Mail scanners open links: only a post opens anything, and the link itself is the proof.


@pages.get("/r/<token>")
@pages.get("/r/<token>/answer")  # where a change of language leads back to
@by_link()
def portal_page(token: str) -> Any:
    """That something waits, for whom and where; nothing of the child."""
    return _front(token)


@pages.post("/r/<token>")
@by_link()
def open_request(token: str) -> Any:
    """What is asked, as far as consent opens it."""
    return _request(token)


def _redraw_request(problem: Problem, token: str) -> Any:
    return _request(token, problem)


@pages.post("/r/<token>/answer")
@by_link(retry=_redraw_request)
def answer(token: str) -> Any:
    """We can help, or we can't."""
    typed = {name: value for name, value in _form().items() if value}
    front = portal.answer(acting(), PortalAnswerIn().load(typed))
    return _request(token, just_answered=True) if front.works else _ended(front, just_answered=True)


def _front(token: str) -> Any:
    front = portal.get_front(acting())
    return (
        render_template("portal/front.html", front=PortalFrontOut().dump(front), token=token)
        if front.works
        else _ended(front)
    )


def _request(token: str, problem: Problem | None = None, *, just_answered: bool = False) -> Any:
    ctx = acting()
    front = portal.get_front(ctx)
    if not front.works:
        return _ended(front)
    wrong = isinstance(problem, ValidationError | Invalid | Conflict)
    why = _("Choose why, so that we can ask better next time.")
    return render_template(
        "portal/request.html", view=PortalRequestOut().dump(portal.view_request(ctx)),
        token=token, now=ctx.now, just_answered=just_answered, reasons=[reason.value for reason in DeclineReason],
        form={"data": request.form, "errors": {"reason": why} if wrong else {}},
    )  # fmt: skip


def _ended(front: queries.Front, *, just_answered: bool = False) -> tuple[str, int]:
    page = render_template("portal/ended.html", front=PortalFrontOut().dump(front), just_answered=just_answered)
    return page, 200 if just_answered else 410
