"""What the router does: asks the best agency, goes on at silence and refusal, tells people what they must know.

Every use case of referrals locks the referral's row first; two partial unique indexes hold what a lock could miss:
one need is sought once, one agency is asked at a time.
"""

import uuid
from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy.exc import IntegrityError

from helpline.accounts import queries as accounts
from helpline.agencies import queries as agencies
from helpline.agencies.queries import Offer
from helpline.calls.vocabulary import RiskLevel
from helpline.cases import queries as case_queries
from helpline.cases.services import hooks
from helpline.cases.vocabulary import RoutingCase
from helpline.foundation.access import grants
from helpline.foundation.access.engine import require
from helpline.foundation.access.permissions import Permission
from helpline.foundation.audit.recorder import record
from helpline.foundation.calendar import opens_next
from helpline.foundation.context import Context
from helpline.foundation.db import db
from helpline.foundation.errors import Conflict
from helpline.foundation.ids import new_id
from helpline.foundation.outbox.publisher import publish
from helpline.notifications.commands import QueueMessage
from helpline.notifications.services import queue_message, tell_administrators
from helpline.referrals import events, policy, queries, rules
from helpline.referrals.models import Referral, ReferralAsk
from helpline.referrals.vocabulary import AskState, ReferralState, Urgency, WithdrawReason

OBLIGATION = "referral"
# An accepted request can be read again for so long after its answer was due.
LINK_LIVES = timedelta(days=14)
BATCH = 50
_ENDED = {AskState.DECLINED: "declined", AskState.EXPIRED: "expired", AskState.WITHDRAWN: "taken_back"}


def request_needs(ctx: Context, case_id: uuid.UUID, needs: Sequence[str]) -> None:
    """Seek each of these services unless it is sought already: what the router does for a case that just opened."""
    require(ctx, Permission.REFERRAL_ROUTE, case_id)
    case = case_queries.case_for_routing(case_id)
    if case.status != "open":
        return
    for service in needs:
        referral_id = new_id()
        hooks.open_obligation(ctx, case.id, OBLIGATION, ("referral", referral_id))
        if queries.find_sought(case_id, service) is None:
            add_request(ctx, referral_id, case, service)
        else:
            hooks.settle_obligation(ctx, referral_id)


def route(ctx: Context, referral_id: uuid.UUID) -> None:
    """Ask the best agency that was not asked before; nobody left: tell the supervisors. No consent: ask nobody.

    Does nothing where the referral is not looking for an agency. Raises NotFound.
    """
    require(ctx, Permission.REFERRAL_ROUTE, referral_id)
    referral = queries.get_referral(referral_id, lock=True)
    if referral.state != ReferralState.REQUESTED:
        return
    case = case_queries.case_for_routing(referral.case_id)
    if policy.forbids(case.consent):
        take_back(ctx, referral, WithdrawReason.NO_CONSENT)
        tell(ctx, referral, case, "referral_no_consent")
        return
    offers = {offer.agency_id: offer for offer in agencies.offers(case.centre_id, referral.service, case.place_ids)}
    need = queries.need_of(referral, case, ctx.now)
    ranked = rules.rank(need, queries.candidates(ctx, referral, list(offers.values())))
    referral.excluded = [
        {"agency_id": str(each.agency_id), "code": each.excluded} for each in ranked if each.excluded is not None
    ]
    chosen = rules.best(ranked)
    if chosen is None:
        _exhaust(ctx, referral, case)
    else:
        ask_agency(ctx, referral, offers[chosen.agency_id], chosen)


def shut_out(ctx: Context, case_id: uuid.UUID, agency_id: uuid.UUID) -> None:
    """The case was closed to this agency: what it was asked or has begun goes to another. Its link is dead already."""
    require(ctx, Permission.REFERRAL_ROUTE, case_id)
    for referral_id in queries.list_held(case_id, agency_id):
        referral = queries.get_referral(referral_id, lock=True)
        ask = queries.find_ask(referral.current_ask_id)
        if ask is None or ask.agency_id != agency_id:
            continue  # answered, or taken back, just now
        if referral.state == ReferralState.ASKED:
            end_ask(ctx, referral, ask, AskState.WITHDRAWN)
            publish(ctx, events.ReferralRequested(referral.id, case_id, referral.centre_id, referral.service))
        elif referral.state in rules.UNDER_WAY:
            _seek_another(ctx, referral, ask)


def _seek_another(ctx: Context, referral: Referral, ask: ReferralAsk) -> None:
    """What an agency had agreed to, or begun, ends here; the same service is sought anew."""
    if referral.state == ReferralState.ACCEPTED:
        take_back(ctx, referral, WithdrawReason.CLOSED_TO)
    else:
        referral.move(ReferralState.NOT_DELIVERED)
        referral.service_ended_at = ctx.now
        note(ctx, referral, "referral.not_delivered")
        hooks.settle_obligation(ctx, referral.id)
        grants.end(ctx, source_id=ask.id, reason="referral")
    request_needs(ctx, referral.case_id, [referral.service])


def expire_unanswered(ctx: Context) -> int:
    """Take silence for a no, for a batch of askings whose time has passed. Gives how many."""
    require(ctx, Permission.REFERRAL_ROUTE)
    expired = 0
    for referral_id, ask_id in queries.list_silent(ctx.now, BATCH):
        referral = queries.find_referral(referral_id, lock=True, wait=False)
        ask = queries.find_ask(ask_id) if referral is not None else None
        if referral is None or ask is None or ask.state != AskState.ASKED:
            continue  # answered, or being answered, just now
        end_ask(ctx, referral, ask, AskState.EXPIRED)
        publish(ctx, events.ReferralExpired(referral.id, ask.id, ask.case_id, ask.centre_id, ask.agency_id))
        expired += 1
    return expired


def tell_accepted(ctx: Context, referral_id: uuid.UUID) -> None:
    """Let the caseworker know (or the supervisors, while there is none) that an agency will help."""
    require(ctx, Permission.REFERRAL_ROUTE, referral_id)
    referral = queries.get_referral(referral_id)
    tell(ctx, referral, case_queries.case_for_routing(referral.case_id), "referral_accepted")


def add_request(ctx: Context, referral_id: uuid.UUID, case: RoutingCase, service: str) -> Referral:
    referral = Referral(
        id=referral_id, case_id=case.id, centre_id=case.centre_id, service=service,
        urgency=rules.URGENCY[RiskLevel(case.risk_level)], state=ReferralState.REQUESTED, requested_by=ctx.actor.id,
        requested_at=ctx.now, excluded=[], version=1,
    )  # fmt: skip
    db.session.add(referral)
    try:
        db.session.flush()
    except IntegrityError as error:  # an id in use where this actor can't look
        raise Conflict("id_in_use") from error
    note(ctx, referral, "referral.requested")
    publish(ctx, events.ReferralRequested(referral.id, case.id, case.centre_id, service))
    return referral


def ask_agency(ctx: Context, referral: Referral, offer: Offer, ranked: rules.Ranked, *, by_hand: bool = False) -> None:
    zone = ZoneInfo(accounts.get_centre(referral.centre_id).timezone)
    opening = opens_next(offer.hours, ctx.now, zone, agencies.holidays(ctx.now, referral.centre_id))
    due = rules.answer_by(Urgency(referral.urgency), ctx.now, opening)
    ask = ReferralAsk(
        id=new_id(), referral_id=referral.id, case_id=referral.case_id, centre_id=referral.centre_id,
        agency_id=offer.agency_id, position=queries.count_asks(referral.id) + 1, by_hand=by_hand, asked_at=ctx.now,
        answer_by=due, link_until=due + LINK_LIVES, state=AskState.ASKED, score=ranked.score,
        reasons=[{"code": each.code, "value": each.value} for each in ranked.reasons], excluded=referral.excluded,
        version=1,
    )  # fmt: skip
    referral.move(ReferralState.ASKED)
    referral.current_ask_id, referral.decided_at = ask.id, None
    db.session.add(ask)
    note(
        ctx, referral, "referral.asked", agency_id=str(ask.agency_id), ask_id=str(ask.id), position=ask.position,
        by_hand=by_hand,
    )  # fmt: skip
    reached = [("case", referral.case_id), ("referral", referral.id)]
    grants.allow(ctx, ask.id, reached, reason="referral", source_id=ask.id, until_at=ask.link_until)
    publish(ctx, events.ReferralAsked(referral.id, ask.id, ask.case_id, ask.centre_id, ask.agency_id))
    _tell_agency(ctx, ask, offer)


def _tell_agency(ctx: Context, ask: ReferralAsk, offer: Offer) -> None:
    """That something waits: whose mail it is, who asks, by when. Never what for: a service can tell a child's story."""
    centre = accounts.get_centre(ask.centre_id)
    locale = next((language for language in offer.names if language in offer.languages), centre.languages[0])
    params = {
        "ask_id": ask.id, "version": ask.version, "link_until": ask.link_until, "helpline": centre.name,
        "agency": offer.names.get(locale) or next(iter(offer.names.values())),
        "answer_by": ask.answer_by,
    }  # fmt: skip
    key = f"referral_asked:{ask.id}"
    message = QueueMessage(ask.centre_id, "referral_asked", key, params, address=offer.email, locale=locale)
    queue_message(ctx, message)


def end_ask(ctx: Context, referral: Referral, ask: ReferralAsk, state: AskState, **details: Any) -> None:
    """The asking ends without a yes; its link and its reach with it. The referral looks for an agency again."""
    ask.state, ask.version = state, ask.version + 1
    referral.move(ReferralState.REQUESTED)
    referral.current_ask_id = None
    note(ctx, referral, f"referral.{_ENDED[state]}", agency_id=str(ask.agency_id), ask_id=str(ask.id), **details)
    grants.end(ctx, source_id=ask.id, reason="referral")  # last: a partner who declines stops seeing the rows


def take_back(ctx: Context, referral: Referral, reason: WithdrawReason) -> None:
    ask = queries.find_ask(referral.current_ask_id)
    referral.move(ReferralState.WITHDRAWN)
    referral.withdraw_reason, referral.decided_at = reason, ctx.now
    if ask is not None:
        ask.state, ask.version = AskState.WITHDRAWN, ask.version + 1
        grants.end(ctx, source_id=ask.id, reason="referral")
    note(ctx, referral, "referral.withdrawn", reason=reason.value)
    hooks.settle_obligation(ctx, referral.id)
    publish(ctx, events.ReferralWithdrawn(referral.id, referral.case_id, referral.centre_id, reason.value))


def _exhaust(ctx: Context, referral: Referral, case: RoutingCase) -> None:
    referral.move(ReferralState.EXHAUSTED)
    referral.decided_at = ctx.now
    note(ctx, referral, "referral.exhausted")
    publish(ctx, events.ReferralExhausted(referral.id, referral.case_id, referral.centre_id))
    tell(ctx, referral, case, "referral_exhausted", supervisors=True)


def tell(ctx: Context, referral: Referral, case: RoutingCase, template: str, *, supervisors: bool = False) -> None:
    """A message to the caseworker, or to the supervisors: asked for, or while the case has nobody."""
    shut = grants.shut_out([case.id])[case.id]
    if supervisors or case.caseworker_id is None or case.caseworker_id in shut:
        people = [user.id for user in accounts.supervisors_for(case.centre_id, case.team_id, shut)]
    else:
        people = [case.caseworker_id]
    if not people:
        tell_administrators(ctx, case.centre_id, referral.id)
    params = {"case_id": case.id, "case": case.code, "referral_id": referral.id, "service": referral.service}
    for user_id in people:
        key = f"{template}:{referral.id}:{referral.version}:{user_id}"
        queue_message(ctx, QueueMessage(case.centre_id, template, key, params, user_id=user_id))


def note(ctx: Context, referral: Referral, action: str, **details: Any) -> None:
    """The same deed for the case's timeline and for the audit."""
    db.session.flush()
    line = {"referral_id": str(referral.id), "service": referral.service} | details
    hooks.add_event(ctx, referral.case_id, action, line, centre_id=referral.centre_id)
    record(ctx, action, "referral", referral.id, centre_id=referral.centre_id, **details)
