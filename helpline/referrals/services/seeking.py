"""What people do with a referral: seek a service, choose an agency by hand, take it back, record what came of it."""

import uuid

from helpline.agencies import queries as agencies
from helpline.cases import queries as case_queries
from helpline.cases import rules as case_rules
from helpline.cases.services import hooks
from helpline.foundation.access import grants
from helpline.foundation.access.engine import require
from helpline.foundation.access.permissions import Permission
from helpline.foundation.context import Context
from helpline.foundation.errors import Conflict, Invalid
from helpline.foundation.outbox.publisher import publish
from helpline.referrals import events, policy, queries, rules
from helpline.referrals.commands import RequestReferral
from helpline.referrals.models import Referral
from helpline.referrals.services.routing import OBLIGATION, add_request, ask_agency, end_ask, note, take_back
from helpline.referrals.vocabulary import AskState, Exclusion, ReferralState, WithdrawReason

# A supervisor may ask an agency that refused, was silent, is full or far; not one that can't be asked or can't help.
_BY_HAND_NEVER = frozenset(
    {Exclusion.INACTIVE, Exclusion.NO_ADDRESS, Exclusion.SERVICE_NOT_OFFERED, Exclusion.WITHHELD,
     Exclusion.CONFLICT_OF_INTEREST}
)  # fmt: skip


def request_referral(ctx: Context, command: RequestReferral) -> Referral:
    """Seek a service for the child of an open case; the router asks the best agency at once.

    The same again gives the first. Raises NotFound("case"), Conflict("case_closed" | "referral_sought" | "id_in_use").
    """
    require(ctx, Permission.REFERRAL_REQUEST, command.case_id)
    case = case_queries.case_for_routing(command.case_id)
    hooks.open_obligation(ctx, case.id, OBLIGATION, ("referral", command.referral_id))
    standing = queries.find_referral(command.referral_id)
    if standing is not None:
        if (standing.case_id, standing.service) != (command.case_id, command.service):
            raise Conflict("id_in_use")
        return standing
    if queries.find_sought(command.case_id, command.service) is not None:
        raise Conflict("referral_sought")
    return add_request(ctx, command.referral_id, case, command.service)


def choose_agency(ctx: Context, referral_id: uuid.UUID, version: int, agency_id: uuid.UUID) -> Referral:
    """A supervisor asks this agency instead of whoever is asked now.

    Raises Invalid("agency_<why>", "agency_id") for one that can't be asked, Conflict("no_consent" | "stale" | …).
    """
    scope = require(ctx, Permission.CASE_ASSIGN, referral_id)
    referral = _for_change(referral_id, version)
    case = case_queries.case_for_routing(referral.case_id)
    case_rules.check_team(scope, case.team_id, ctx.actor.team_ids, Permission.CASE_ASSIGN)
    if policy.forbids(case.consent):
        raise Conflict("no_consent")
    offer = next((o for o in agencies.offers(case.centre_id, referral.service, ()) if o.agency_id == agency_id), None)
    if offer is None:
        raise Invalid("agency_service_not_offered", "agency_id")
    ranked = rules.rank(queries.need_of(referral, case, ctx.now), queries.candidates(ctx, referral, [offer]))[0]
    if ranked.excluded in _BY_HAND_NEVER:
        raise Invalid(f"agency_{ranked.excluded}", "agency_id")
    if referral.state == ReferralState.ASKED:
        ask = queries.find_ask(referral.current_ask_id)
        if ask is not None and ask.agency_id == agency_id:
            return referral
        if ask is not None:
            end_ask(ctx, referral, ask, AskState.WITHDRAWN)
    ask_agency(ctx, referral, offer, ranked, by_hand=True)
    return referral


def try_again(ctx: Context, referral_id: uuid.UUID, version: int) -> Referral:
    """Search anew after nobody was left: the directory may have changed. Raises Conflict, NotFound."""
    require(ctx, Permission.REFERRAL_REQUEST, referral_id)
    referral = _for_change(referral_id, version)
    referral.move(ReferralState.REQUESTED)
    referral.decided_at = None
    note(ctx, referral, "referral.tried_again")
    publish(ctx, events.ReferralRequested(referral.id, referral.case_id, referral.centre_id, referral.service))
    return referral


def withdraw(ctx: Context, referral_id: uuid.UUID, version: int, reason: WithdrawReason) -> Referral:
    """Ask nobody any longer; whoever was asked sees that it was taken back. Raises Conflict, NotFound."""
    require(ctx, Permission.REFERRAL_REQUEST, referral_id)
    referral = _for_change(referral_id, version)
    take_back(ctx, referral, reason)
    return referral


def record_service(ctx: Context, referral_id: uuid.UUID, version: int, state: ReferralState) -> Referral:
    """The service began, was delivered, or was not. At its end the agency's page closes. Raises Conflict, NotFound."""
    require(ctx, Permission.REFERRAL_REQUEST, referral_id)
    if state not in rules.SERVICE_STEPS:
        raise Invalid("referral_service_state", "state")
    referral = _for_change(referral_id, version)
    referral.move(state)
    if state is ReferralState.SERVICE_STARTED:
        referral.service_started_at = ctx.now
    else:
        referral.service_ended_at = ctx.now
        hooks.settle_obligation(ctx, referral.id)
        if referral.current_ask_id is not None:
            grants.end(ctx, source_id=referral.current_ask_id, reason="referral")
    note(ctx, referral, f"referral.{state.value}")
    publish(ctx, events.ReferralServiceRecorded(referral.id, referral.case_id, referral.centre_id, referral.state))
    return referral


def _for_change(referral_id: uuid.UUID, version: int) -> Referral:
    referral = queries.get_referral(referral_id, lock=True)
    referral.expect(version)
    return referral
