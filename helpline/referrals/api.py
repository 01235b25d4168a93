"""Referrals by API, the partner's link included."""

import uuid
from typing import Any

from helpline.cases.queries import centre_of
from helpline.foundation.access.permissions import Permission
from helpline.foundation.keyset import decode_key, encode_key
from helpline.referrals import queries
from helpline.referrals.commands import GiveAnswer
from helpline.referrals.schemas import (
    AgencyChoiceIn,
    PortalAnswerIn,
    PortalFrontOut,
    PortalRequestOut,
    ReferralChangeIn,
    ReferralIn,
    ReferralOut,
    ReferralPage,
    ReferralQuery,
    ServiceResultIn,
    WithdrawalIn,
)
from helpline.referrals.services import portal, seeking
from helpline.web.api import ApiBlueprint, Problem
from helpline.web.guard import acting, guard
from helpline.web.guard import portal as by_link

api = ApiBlueprint("referrals", "Services sought from partner agencies, and the agencies' answers.")


@api.route("/referrals", methods=["GET"])
@guard(Permission.REFERRAL_READ)
@api.arguments(ReferralQuery, location="query")
@api.response(200, ReferralPage)
def list_referrals(query: dict[str, Any]) -> dict[str, Any]:
    """What is sought, newest first, 50 a page."""
    rows = queries.list_referrals(acting(), query, decode_key(query["after"]))
    shown = rows[: queries.PAGE]
    more = encode_key(shown[-1].requested_at, shown[-1].id) if len(rows) > len(shown) else None
    return {"items": shown, "next": more}


@api.route("/cases/<uuid:case_id>/referrals", methods=["GET"])
@guard(Permission.REFERRAL_READ)
@api.response(200, ReferralOut(many=True))
def list_for_case(case_id: uuid.UUID) -> Any:
    """What is and was sought for a case."""
    centre_of(case_id)
    return queries.list_for_case(case_id)


@api.route("/cases/<uuid:case_id>/referrals", methods=["POST"])
@guard(Permission.REFERRAL_REQUEST)
@api.arguments(ReferralIn)
@api.response(201, ReferralOut)
@api.alt_response(404, schema=Problem, description="No such case here")
@api.alt_response(409, schema=Problem, description="Sought already, the case is closed, or the id is in use")
def request_referral(data: dict[str, Any], case_id: uuid.UUID) -> Any:
    """Seek a service; the router asks the best agency."""
    referral = seeking.request_referral(acting(), ReferralIn().command(case_id, data))
    return queries.get_row(referral.id)


@api.route("/referrals/<uuid:referral_id>", methods=["GET"])
@guard(Permission.REFERRAL_READ)
@api.response(200, ReferralOut)
@api.alt_response(404, schema=Problem, description="No such referral here")
def get_referral(referral_id: uuid.UUID) -> Any:
    """One referral with its askings."""
    return queries.get_row(referral_id)


@api.route("/referrals/<uuid:referral_id>/withdrawal", methods=["POST"])
@guard(Permission.REFERRAL_REQUEST)
@api.arguments(WithdrawalIn)
@api.response(200, ReferralOut)
@api.alt_response(404, schema=Problem, description="No such referral here")
@api.alt_response(409, schema=Problem, description="Changed since that version, or ended")
def withdraw(data: dict[str, Any], referral_id: uuid.UUID) -> Any:
    """Ask nobody any longer."""
    seeking.withdraw(acting(), referral_id, data["version"], data["reason"])
    return queries.get_row(referral_id)


@api.route("/referrals/<uuid:referral_id>/search", methods=["POST"])
@guard(Permission.REFERRAL_REQUEST)
@api.arguments(ReferralChangeIn)
@api.response(200, ReferralOut)
@api.alt_response(404, schema=Problem, description="No such referral here")
@api.alt_response(409, schema=Problem, description="Changed since that version, or not exhausted")
def try_again(data: dict[str, Any], referral_id: uuid.UUID) -> Any:
    """Search anew after nobody was left."""
    seeking.try_again(acting(), referral_id, data["version"])
    return queries.get_row(referral_id)


@api.route("/referrals/<uuid:referral_id>/agency", methods=["PUT"])
@guard(Permission.CASE_ASSIGN)
@api.arguments(AgencyChoiceIn)
@api.response(200, ReferralOut)
@api.alt_response(404, schema=Problem, description="No such referral here")
@api.alt_response(409, schema=Problem, description="Changed since that version, no consent, or answered")
def choose_agency(data: dict[str, Any], referral_id: uuid.UUID) -> Any:
    """Ask this agency instead of whoever is asked now."""
    seeking.choose_agency(acting(), referral_id, data["version"], data["agency_id"])
    return queries.get_row(referral_id)


@api.route("/referrals/<uuid:referral_id>/service", methods=["PUT"])
@guard(Permission.REFERRAL_REQUEST)
@api.arguments(ServiceResultIn)
@api.response(200, ReferralOut)
@api.alt_response(404, schema=Problem, description="No such referral here")
@api.alt_response(409, schema=Problem, description="Changed since that version, or no agency has accepted")
def record_service(data: dict[str, Any], referral_id: uuid.UUID) -> Any:
    """Record that the service began, was delivered, or was not."""
    seeking.record_service(acting(), referral_id, data["version"], data["state"])
    return queries.get_row(referral_id)


@api.route("/portal/<token>/request", methods=["POST"])
@by_link()
@api.doc(security=[])
@api.response(200, PortalRequestOut)
@api.alt_response(401, schema=Problem, description="The link was not signed here, or its time is over")
@api.alt_response(404, schema=Problem, description="The asking has ended")
def open_request(token: str) -> Any:  # noqa: ARG001  # the door has read it
    """Open what a partner's link is about. The look is on record."""
    return portal.view_request(acting())


@api.route("/portal/<token>/answer", methods=["POST"])
@by_link()
@api.doc(security=[])
@api.arguments(PortalAnswerIn)
@api.response(200, PortalFrontOut)
@api.alt_response(401, schema=Problem, description="The link was not signed here, or its time is over")
def answer(command: GiveAnswer, token: str) -> Any:  # noqa: ARG001
    """Accept or decline, once; later answers get what stands."""
    return portal.answer(acting(), command)
