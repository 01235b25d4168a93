"""What a partner's link opens: who it is for, what is asked as far as consent goes, and the answer."""

import uuid
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from helpline.foundation.access.engine import require
from helpline.foundation.access.permissions import FieldGroup, Permission, Role
from helpline.foundation.audit.recorder import record, showed
from helpline.foundation.context import Actor, Channel, Context, current_context
from helpline.foundation.crypto import links
from helpline.foundation.db import db
from helpline.foundation.errors import Invalid, NotFound, Unauthenticated
from helpline.foundation.outbox.publisher import publish
from helpline.people.vocabulary import AgeBand
from helpline.referrals import events, policy, queries
from helpline.referrals.commands import GiveAnswer
from helpline.referrals.models import Referral, ReferralAsk
from helpline.referrals.queries import Front, Request
from helpline.referrals.services.routing import end_ask, note
from helpline.referrals.vocabulary import Answer, AskState, ReferralState
from helpline.web.credentials import SignedIn

PURPOSE = "referral"
G = FieldGroup
COARSE = 2  # levels of place that a partner learns before it has accepted: province and district


@dataclass(frozen=True, slots=True)
class RequestView:
    """What a partner's page shows; None where it is withheld, not agreed to, or opens only after a yes."""

    id: uuid.UUID
    state: AskState
    referral_state: str
    helpline: str
    phone: str
    agency_names: dict[str, str]
    service: str
    urgency: str | None
    answer_by: datetime
    link_until: datetime
    age_band: str | None
    gender: str | None
    places: list[dict[str, str]] | None
    case_code: str | None
    age: int | None
    name: str | None = field(repr=False)
    story: str | None = field(repr=False)
    open_groups: frozenset[FieldGroup]


def link_path(params: dict[str, Any]) -> str:
    """The path of the partner's page, signed, from the params of the message `referral_asked`."""
    token = links.sign(
        PURPOSE, uuid.UUID(params["ask_id"]), params["version"], datetime.fromisoformat(params["link_until"])
    )
    return f"/r/{token}"


def identify_link(token: str) -> SignedIn | None:
    """Whose link this is: an agency's, for one asking. None where it was not signed here. Runs as the visitor.

    Raises Unauthenticated("link_ended") where its time is over. A link that was answered or taken back still tells
    who it was for: the page says so (`Front.works`).
    """
    ctx = current_context()
    assert ctx is not None  # the door calls this inside a unit of work
    try:
        ask_id, version = links.verify(PURPOSE, token, ctx.now)
    except Invalid as problem:
        if problem.code == "link_expired":
            raise Unauthenticated("link_ended") from None
        return None
    front = queries.find_front(ask_id)
    if front is None:
        return None
    if front.works and version != front.version:
        raise Unauthenticated("link_ended")
    actor = Actor(id=ask_id, role=Role.PARTNER, centre_id=front.centre_id)
    return SignedIn(
        actor=actor, channel=Channel.PORTAL, token=token, name=next(iter(front.agency_names.values()), ""),
        locale=ctx.locale, timezone=front.timezone,
    )  # fmt: skip


def get_front(ctx: Context) -> Front:
    """Where the acting link's asking stands: nothing of the child. Raises NotFound."""
    require(ctx, Permission.REFERRAL_ANSWER, ctx.actor.id)
    front = queries.find_front(ctx.actor.id)
    if front is None:
        raise NotFound("referral_ask", ctx.actor.id)
    return front


def view_request(ctx: Context) -> RequestView:
    """What this link's asking is about, as far as consent opens it. The look is on record. Raises NotFound if ended."""
    front, request = get_front(ctx), queries.find_request(ctx.actor.id)
    if request is None or not front.works:
        raise NotFound("referral_ask", ctx.actor.id)
    accepted = request.ask.state == AskState.ACCEPTED
    groups = policy.opens(request.consent, accepted=accepted)
    if request.ask.opened_at is None:
        request.ask.opened_at = ctx.now
        db.session.flush()
    record(ctx, "referral.opened", "referral", request.referral.id, fields=groups, ask_id=request.ask.id)
    showed("case", request.case_id, groups)
    return _view(front, request, groups)


def answer(ctx: Context, command: GiveAnswer) -> Front:
    """The agency's yes or no, once: whatever comes later gets what stands. Raises Invalid("required", "reason").

    An answer that comes late, but before silence was noted, still counts: nobody else was asked in between.
    """
    require(ctx, Permission.REFERRAL_ANSWER, ctx.actor.id)
    request = queries.find_request(ctx.actor.id)
    referral = queries.find_referral(request.referral.id, lock=True) if request else None
    ask = queries.find_ask(ctx.actor.id) if referral else None
    if referral is not None and ask is not None and ask.state == AskState.ASKED:
        if command.answer is Answer.ACCEPT:
            _accept(ctx, referral, ask)
        else:
            _decline(ctx, referral, ask, command)
    return get_front(ctx)


def _accept(ctx: Context, referral: Referral, ask: ReferralAsk) -> None:
    ask.state, ask.answered_at = AskState.ACCEPTED, ctx.now
    referral.move(ReferralState.ACCEPTED)
    referral.decided_at = ctx.now
    note(ctx, referral, "referral.accepted", agency_id=str(ask.agency_id), ask_id=str(ask.id))
    publish(ctx, events.ReferralAccepted(referral.id, ask.id, ask.case_id, ask.centre_id, ask.agency_id))


def _decline(ctx: Context, referral: Referral, ask: ReferralAsk, command: GiveAnswer) -> None:
    if command.reason is None:
        raise Invalid("required", "reason")
    ask.decline_reason, ask.decline_note, ask.answered_at = command.reason, command.note or None, ctx.now
    end_ask(ctx, referral, ask, AskState.DECLINED, reason=command.reason.value)
    publish(
        ctx,
        events.ReferralDeclined(referral.id, ask.id, ask.case_id, ask.centre_id, ask.agency_id, command.reason.value),
    )


def _view(front: Front, request: Request, groups: frozenset[FieldGroup]) -> RequestView:
    accepted = request.ask.state == AskState.ACCEPTED
    seen = request.places if accepted else request.places[:COARSE]
    return RequestView(
        id=request.ask.id, state=front.state, referral_state=front.referral_state, helpline=front.helpline,
        phone=front.phone, agency_names=front.agency_names,
        service=request.referral.service, urgency=request.referral.urgency if G.RISK in groups else None,
        answer_by=request.ask.answer_by, link_until=request.ask.link_until,
        age_band=AgeBand.of(request.child_age) if G.STATISTICS in groups else None,
        gender=request.child_gender if G.STATISTICS in groups else None,
        places=list(seen) if G.LOCATION in groups else None,
        case_code=request.case_code if accepted else None,
        age=request.child_age if G.CHILD_IDENTITY in groups else None,
        name=queries.open_name() if G.CHILD_IDENTITY in groups else None,
        story=queries.open_summary(request.case_id) if G.STORY in groups else None,
        open_groups=groups,
    )  # fmt: skip
