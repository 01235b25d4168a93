"""Reading referrals, and what the router must know to choose."""

import uuid
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Select, and_, exists, func, select, text, tuple_
from sqlalchemy.orm import undefer, undefer_group

from helpline.accounts import queries as accounts
from helpline.agencies import queries as agencies
from helpline.agencies.models import Agency
from helpline.agencies.queries import Offer
from helpline.cases.models import Case
from helpline.cases.vocabulary import RoutingCase
from helpline.foundation.access import grants
from helpline.foundation.access.engine import scope_held
from helpline.foundation.access.permissions import Permission, Scope
from helpline.foundation.access.rows import ticket
from helpline.foundation.context import Context
from helpline.foundation.crypto.sealed import unseal_row
from helpline.foundation.db import db
from helpline.foundation.errors import NotFound
from helpline.foundation.keyset import COUNTED
from helpline.people.vocabulary import Gender
from helpline.reference.models import Place
from helpline.referrals.models import Referral, ReferralAsk
from helpline.referrals.rules import ENDED, UNDER_WAY, Candidate, Need
from helpline.referrals.vocabulary import AskState, ReferralState, Urgency

PAGE = 50
_ASKED_CHILD = text("SELECT * FROM app.asked_child()")
_FIND_ASK = text("SELECT * FROM app.find_ask(:ask_id, :ticket)")

Key = tuple[datetime, uuid.UUID]


@dataclass(frozen=True, slots=True)
class Front:
    """What stands on the neutral page behind a link: nothing of the child."""

    id: uuid.UUID
    version: int
    state: AskState
    answer_by: datetime
    referral_state: ReferralState
    centre_id: uuid.UUID
    helpline: str
    phone: str
    timezone: str
    agency_names: dict[str, str]

    @property
    def works(self) -> bool:
        """Whether the link still opens something."""
        under_way = self.state is AskState.ACCEPTED and self.referral_state in UNDER_WAY
        return self.state is AskState.ASKED or under_way


@dataclass(frozen=True, slots=True)
class Request:
    """What an asking is about, before anything is withheld. `places`: names from the province down."""

    ask: ReferralAsk
    referral: Referral
    case_id: uuid.UUID
    case_code: str
    consent: dict[str, Any]
    child_age: int | None
    child_gender: str
    places: list[dict[str, str]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class AskRow:
    """One asking as the case's people see it."""

    id: uuid.UUID
    agency_id: uuid.UUID
    agency_names: dict[str, str]
    agency_phone: str | None
    position: int
    by_hand: bool
    state: str
    asked_at: datetime
    answer_by: datetime
    opened_at: datetime | None
    answered_at: datetime | None
    decline_reason: str | None
    decline_note: str | None
    reasons: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class ReferralRow:
    """A referral with its askings, newest first, and who was not asked and why (`excluded`)."""

    id: uuid.UUID
    case_id: uuid.UUID
    case_code: str
    service: str
    urgency: str
    state: str
    withdraw_reason: str | None
    requested_at: datetime
    decided_at: datetime | None
    service_started_at: datetime | None
    service_ended_at: datetime | None
    version: int
    asks: tuple[AskRow, ...]
    excluded: list[dict[str, Any]]

    @property
    def current(self) -> AskRow | None:
        """The agency that is asked, or has accepted."""
        return next((ask for ask in self.asks if ask.state in {AskState.ASKED, AskState.ACCEPTED}), None)


def get_referral(referral_id: uuid.UUID, *, lock: bool = False) -> Referral:
    """Raises NotFound. With `lock` nobody else changes it, or its asks, until this unit ends."""
    found = find_referral(referral_id, lock=lock)
    if found is None:
        raise NotFound("referral", referral_id)
    return found


def find_referral(referral_id: uuid.UUID, *, lock: bool = False, wait: bool = True) -> Referral | None:
    """As `get_referral`, or None; without `wait` also when somebody else holds it."""
    statement = select(Referral).where(Referral.id == referral_id)
    if lock:
        statement = statement.with_for_update(skip_locked=not wait).execution_options(populate_existing=True)
    return db.session.scalars(statement).one_or_none()


def find_sought(case_id: uuid.UUID, service: str) -> Referral | None:
    """The referral of this need that has not ended."""
    statement = select(Referral).where(
        Referral.case_id == case_id, Referral.service == service, Referral.state.not_in(ENDED)
    )
    return db.session.scalars(statement).one_or_none()


def find_ask(ask_id: uuid.UUID | None) -> ReferralAsk | None:
    """One asking, read anew."""
    statement = select(ReferralAsk).where(ReferralAsk.id == ask_id).options(undefer(ReferralAsk.record_key))
    return db.session.scalars(statement.execution_options(populate_existing=True)).one_or_none()


def count_asks(referral_id: uuid.UUID) -> int:
    return db.session.scalar(select(func.count()).where(ReferralAsk.referral_id == referral_id)) or 0


def list_silent(now: datetime, limit: int) -> Sequence[tuple[uuid.UUID, uuid.UUID]]:
    """(referral, ask) of askings whose time to answer has passed, longest first."""
    statement = (
        select(ReferralAsk.referral_id, ReferralAsk.id)
        .where(ReferralAsk.state == AskState.ASKED, ReferralAsk.answer_by <= now)
        .order_by(ReferralAsk.answer_by)
        .limit(limit)
    )
    return [(referral_id, ask_id) for referral_id, ask_id in db.session.execute(statement)]


def list_held(case_id: uuid.UUID, agency_id: uuid.UUID) -> Sequence[uuid.UUID]:
    """Referrals of the case in which this agency is asked, or has accepted."""
    statement = (
        select(Referral.id)
        .join(ReferralAsk, ReferralAsk.id == Referral.current_ask_id)
        .where(Referral.case_id == case_id, ReferralAsk.agency_id == agency_id, Referral.state.not_in(ENDED))
    )
    return db.session.scalars(statement.order_by(Referral.id)).all()


def find_front(ask_id: uuid.UUID) -> Front | None:
    """What a link's bearer may know before the link has proved who they are: by one narrow definer function."""
    row = db.session.execute(_FIND_ASK, {"ask_id": ask_id, "ticket": ticket("find_ask", ask_id)}).mappings().first()
    if row is None:
        return None
    states = {"state": AskState(row["state"]), "referral_state": ReferralState(row["referral_state"])}
    return Front(**dict(row) | states)


def find_request(ask_id: uuid.UUID) -> Request | None:
    """What is asked, for the partner's page; None when the asking is no longer theirs to see."""
    found = db.session.execute(
        select(ReferralAsk, Referral, Case, Place.path)
        .join(Referral, Referral.id == ReferralAsk.referral_id)
        .join(Case, Case.id == ReferralAsk.case_id)
        .outerjoin(Place, Place.id == Case.place_id)
        .where(ReferralAsk.id == ask_id)
    ).first()
    if found is None:
        return None
    ask, referral, case, path = found
    names = _place_names(path or ())
    return Request(
        ask=ask, referral=referral, case_id=case.id, case_code=case.code, consent=case.consent,
        child_age=case.child_age, child_gender=case.child_gender,
        places=[names[place_id] for place_id in path or ()],
    )  # fmt: skip


def open_summary(case_id: uuid.UUID) -> str | None:
    """The case's story, unsealed."""
    case = db.session.scalars(select(Case).where(Case.id == case_id).options(undefer_group("sealed"))).one_or_none()
    return case.summary if case else None


def open_name() -> str | None:
    """The name of the child whom the acting partner has accepted, unsealed; None for anybody else."""
    row = db.session.execute(_ASKED_CHILD).mappings().first()
    return unseal_row("persons", dict(row))["name"] if row else None


def list_for_case(case_id: uuid.UUID) -> list[ReferralRow]:
    """All referrals of a case, newest first, each with its askings."""
    return _rows(select(Referral, Case.code).join(Case).where(Referral.case_id == case_id))


def get_row(referral_id: uuid.UUID) -> ReferralRow:
    """One referral with its askings. Raises NotFound."""
    rows = _rows(select(Referral, Case.code).join(Case).where(Referral.id == referral_id))
    if not rows:
        raise NotFound("referral", referral_id)
    return rows[0]


def list_referrals(ctx: Context, asked: Mapping[str, Any], after: Key | None = None) -> list[ReferralRow]:
    """What the actor's centre or teams seek, newest first; one more than a page tells that there are more."""
    statement = select(Referral, Case.code).join(Case).where(*_conditions(ctx, asked))
    if after is not None:
        statement = statement.where(tuple_(Referral.requested_at, Referral.id) < after)
    return _rows(statement.limit(PAGE + 1))


def count_referrals(ctx: Context, asked: Mapping[str, Any]) -> int:
    """How many there are; stops counting one beyond COUNTED."""
    some = select(Referral.id).join(Case).where(*_conditions(ctx, asked)).limit(COUNTED + 1).subquery()
    return db.session.scalar(select(func.count()).select_from(some)) or 0


def _conditions(ctx: Context, asked: Mapping[str, Any]) -> list[ColumnElement[bool]]:
    conditions = [Referral.centre_id == ctx.actor.centre_id]
    if ctx.actor.team_ids and scope_held(ctx.actor, Permission.REFERRAL_READ) is Scope.TEAM:
        conditions.append(Case.team_id.in_(ctx.actor.team_ids))
    if asked["team_id"] is not None:
        conditions.append(Case.team_id == asked["team_id"])
    if asked["state"] is not None:
        conditions.append(Referral.state == asked["state"])
    if asked["late"]:
        silent = ReferralAsk.referral_id == Referral.id, ReferralAsk.answer_by < ctx.now
        conditions.append(exists().where(*silent, ReferralAsk.state == AskState.ASKED))
    return conditions


def list_choices(row: ReferralRow) -> list[tuple[uuid.UUID, dict[str, str]]]:
    """Agencies that a person may choose by hand for this service: active, with an address, not asked just now."""
    centre_id = db.session.scalar(select(Referral.centre_id).where(Referral.id == row.id))
    assert centre_id is not None  # the row was just read
    unfit = {row.current.agency_id if row.current else None, *grants.shut_out([row.case_id])[row.case_id]}
    offers = agencies.offers(centre_id, row.service, ())
    return [(o.agency_id, o.names) for o in offers if o.active and o.email and o.agency_id not in unfit]


def need_of(referral: Referral, case: RoutingCase, now: datetime) -> Need:
    """What the case's child needs, as the rule reckons with it. Places go by their ids."""
    return Need(
        service=referral.service, place_path=tuple(map(str, case.place_ids)), urgency=Urgency(referral.urgency),
        when=now, age=case.child_age, gender=Gender(case.child_gender), language=case.child_language,
    )  # fmt: skip


def candidates(ctx: Context, referral: Referral, offers: Sequence[Offer]) -> list[Candidate]:
    """The offers with what the referral's own history adds: places left, speed of answering, earlier refusals."""
    zone = ZoneInfo(accounts.get_centre(referral.centre_id).timezone)
    days = agencies.holidays(ctx.now, referral.centre_id)
    past = _history(referral, [offer.agency_id for offer in offers])
    shut = grants.shut_out([referral.case_id])[referral.case_id]
    return [
        replace(
            _candidate(referral.service, offer, past[offer.agency_id], zone, days), conflict=offer.agency_id in shut
        )
        for offer in offers
    ]


@dataclass(frozen=True, slots=True)
class _Past:
    median: float | None = None  # seconds
    holding: int = 0
    declined: bool = False
    silent: bool = False


def _history(referral: Referral, agency_ids: Sequence[uuid.UUID]) -> defaultdict[uuid.UUID, _Past]:
    same = and_(Referral.case_id == referral.case_id, Referral.service == referral.service)
    holds = and_(Referral.service == referral.service, Referral.state.in_(UNDER_WAY))
    took = func.extract("epoch", ReferralAsk.answered_at - ReferralAsk.asked_at)

    def happened(state: AskState) -> ColumnElement[bool]:
        return func.coalesce(func.bool_or(and_(same, ReferralAsk.state == state)), False)

    rows = db.session.execute(
        select(
            ReferralAsk.agency_id,
            func.percentile_cont(0.5).within_group(took),
            func.count().filter(and_(holds, ReferralAsk.state == AskState.ACCEPTED)),
            happened(AskState.DECLINED),
            happened(AskState.EXPIRED),
        )
        .join(Referral, Referral.id == ReferralAsk.referral_id)
        .where(ReferralAsk.agency_id.in_(agency_ids))
        .group_by(ReferralAsk.agency_id)
    )
    return defaultdict(_Past, {agency_id: _Past(*past) for agency_id, *past in rows})


def _candidate(service: str, offer: Offer, past: _Past, zone: ZoneInfo, days: frozenset[Any]) -> Candidate:
    return Candidate(
        agency_id=offer.agency_id, services=frozenset({service}), coverage=frozenset(map(str, offer.covered)),
        hours=offer.hours, tz=zone, holidays=days, nationwide=offer.nationwide, min_age=offer.min_age,
        max_age=offer.max_age, genders=frozenset(map(Gender, offer.sexes)), languages=offer.languages,
        capacity_left=None if offer.capacity is None else max(0, offer.capacity - past.holding),
        median_answer=None if past.median is None else timedelta(seconds=float(past.median)),
        active=offer.active, reachable=bool(offer.email), declined_before=past.declined, silent_before=past.silent,
    )  # fmt: skip


def _rows(statement: Select[Referral, str]) -> list[ReferralRow]:
    found = db.session.execute(statement.order_by(Referral.requested_at.desc(), Referral.id.desc())).all()
    asks: defaultdict[uuid.UUID, list[AskRow]] = defaultdict(list)
    rows = db.session.execute(
        select(ReferralAsk, Agency.names, Agency.phone)
        .join(Agency, Agency.id == ReferralAsk.agency_id)
        .where(ReferralAsk.referral_id.in_([referral.id for referral, _ in found]))
        .options(undefer_group("sealed"))
        .order_by(ReferralAsk.position.desc())
    ).all()
    covered = (r["value"] for ask, *_ in rows for r in ask.reasons if r["code"] == "covers_place")
    places = _place_names([uuid.UUID(value) for value in covered])
    for ask, names, phone in rows:
        asks[ask.referral_id].append(_ask_row(ask, names, phone, places))
    passed_over = agencies.names_of([uuid.UUID(e["agency_id"]) for referral, _ in found for e in referral.excluded])
    return [
        ReferralRow(
            id=r.id, case_id=r.case_id, case_code=code, service=r.service, urgency=r.urgency, state=r.state,
            withdraw_reason=r.withdraw_reason, requested_at=r.requested_at, decided_at=r.decided_at,
            service_started_at=r.service_started_at, service_ended_at=r.service_ended_at, version=r.version,
            asks=tuple(asks[r.id]),
            excluded=[each | {"names": passed_over.get(uuid.UUID(each["agency_id"]), {})} for each in r.excluded],
        )
        for r, code in found
    ]  # fmt: skip


def _ask_row(
    ask: ReferralAsk, names: dict[str, str], phone: str | None, places: dict[uuid.UUID, dict[str, str]]
) -> AskRow:
    reasons = [
        reason | {"names": places.get(uuid.UUID(reason["value"]), {})} if reason["code"] == "covers_place" else reason
        for reason in ask.reasons
    ]
    return AskRow(
        id=ask.id, agency_id=ask.agency_id, agency_names=names, agency_phone=phone, position=ask.position,
        by_hand=ask.by_hand, state=ask.state, asked_at=ask.asked_at, answer_by=ask.answer_by, opened_at=ask.opened_at,
        answered_at=ask.answered_at, decline_reason=ask.decline_reason, decline_note=ask.decline_note, reasons=reasons,
    )  # fmt: skip


def _place_names(place_ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, dict[str, str]]:
    if not place_ids:
        return {}
    return dict(db.session.execute(select(Place.id, Place.names).where(Place.id.in_(place_ids))).all())
