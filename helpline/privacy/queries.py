"""Reading who may see a case and why, who is shut out of it, and overrides."""

import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, and_, func, or_, select, tuple_
from sqlalchemy.orm import aliased, undefer_group

from helpline.accounts import queries as accounts
from helpline.accounts.models import User
from helpline.agencies.models import Agency
from helpline.cases.models import Case
from helpline.cases.vocabulary import CaseRow
from helpline.foundation.access import grants
from helpline.foundation.access.models import Grant
from helpline.foundation.access.permissions import Role
from helpline.foundation.db import db
from helpline.foundation.errors import NotFound
from helpline.privacy.models import CaseClosing, Override
from helpline.privacy.vocabulary import OverrideRow, Seer, Shut, Why
from helpline.referrals.models import ReferralAsk

PAGE = 50
Key = tuple[datetime, uuid.UUID]
Reviewer, Latest = aliased(User), aliased(CaseClosing)


def who_sees(case: CaseRow, now: datetime) -> list[Seer]:
    """Staff who see the case, each with one reason, and agencies that hold a link."""
    shut = grants.shut_out([case.id])[case.id]
    agencies, granted = _granted(case.id, now)
    found: dict[uuid.UUID, Seer] = {}
    for user, why, until_at in [*_by_role(case), *granted]:
        if user.id not in shut:
            found.setdefault(user.id, Seer(user.id, user.name, user.role, why, until_at))
    return [*found.values(), *(agency for agency in agencies if agency.id not in shut)]


def _by_role(case: CaseRow) -> list[tuple[User, Why, None]]:
    """The caseworker, who opened it (where their role reaches their own), the team's and the centre's supervisors."""
    found: list[tuple[User, Why, None]] = []
    caseworker = accounts.find_user(case.caseworker_id) if case.caseworker_id else None
    if caseworker is not None:
        found.append((caseworker, Why.CASEWORKER, None))
    opener = accounts.find_user(case.opened_by)
    if opener is not None and opener.role == Role.OPERATOR and opener.status == "active":
        found.append((opener, Why.OPENED, None))
    found += [(user, Why.TEAM, None) for user in accounts.users_of_team(case.team_id, Role.TEAM_SUPERVISOR)]
    return found + [(user, Why.CENTRE, None) for user in accounts.active_of(case.centre_id, Role.SUPERVISOR)]


def _granted(case_id: uuid.UUID, now: datetime) -> tuple[list[Seer], list[tuple[User, Why, datetime | None]]]:
    """By grants that count now: agencies by their links, and staff."""
    statement = (
        select(Grant.reason, Grant.until_at, User, Agency)
        .outerjoin(User, User.id == Grant.principal_id)
        .outerjoin(ReferralAsk, ReferralAsk.id == Grant.principal_id)
        .outerjoin(Agency, Agency.id == ReferralAsk.agency_id)
        .where(
            Grant.kind == "case", Grant.record_id == case_id, Grant.effect == "allow", Grant.ended_at.is_(None),
            or_(Grant.until_at.is_(None), Grant.until_at > now), Grant.reason != "assigned",
        )
        .order_by(Grant.from_at)
    )  # fmt: skip
    agencies: list[Seer] = []
    staff: list[tuple[User, Why, datetime | None]] = []
    for reason, until_at, user, agency in db.session.execute(statement):
        if agency is not None:
            agencies.append(Seer(agency.id, "", Role.PARTNER, Why.REFERRAL, until_at, agency.names))
        elif user is not None:
            staff.append((user, Why(reason), until_at))
    return agencies, staff


def list_shut(case_id: uuid.UUID) -> list[Shut]:
    """To whom the case is closed, with the last reason given; nothing for whoever may not manage it."""
    latest = (
        select(Latest.id)
        .where(Latest.case_id == case_id, Latest.principal_id == Grant.principal_id, Latest.kind == Grant.reason)
        .order_by(Latest.recorded_at.desc())
        .limit(1)
        .correlate(Grant)
        .scalar_subquery()
    )
    statement = (
        select(Grant.principal_id, Grant.reason, Grant.from_at, User.name, User.role, Agency.names, CaseClosing)
        .outerjoin(User, User.id == Grant.principal_id)
        .outerjoin(Agency, Agency.id == Grant.principal_id)
        .outerjoin(CaseClosing, and_(CaseClosing.id == latest, CaseClosing.recorded_at >= Grant.from_at))
        .where(Grant.kind == "case", Grant.record_id == case_id, Grant.effect == "deny", Grant.ended_at.is_(None))
        .options(undefer_group("sealed"))
        .order_by(Grant.from_at, Grant.id)
    )
    return [
        Shut(
            principal_id=principal_id, name=name or "", role=role or Role.PARTNER, kind=kind, since=since,
            relation=closing.relation if closing else None, names=names, reason=closing.reason if closing else None,
        )
        for principal_id, kind, since, name, role, names, closing in db.session.execute(statement)
    ]  # fmt: skip


def lock_case(case_id: uuid.UUID) -> Case:
    """The case, held until this unit ends. Raises NotFound("case")."""
    case = db.session.scalars(select(Case).where(Case.id == case_id).with_for_update()).one_or_none()
    if case is None:
        raise NotFound("case", case_id)
    return case


def find_visible(centre_id: uuid.UUID | None, given: str) -> uuid.UUID | None:
    """The case by this code or id, if the actor sees it anyway."""
    try:
        return db.session.scalar(select(Case.id).where(Case.id == uuid.UUID(given)))
    except ValueError:
        number = given.rpartition("-")[2]
        if not (number.isascii() and number.isdecimal() and len(number) <= 18):  # noqa: PLR2004
            return None
        of_centre = select(Case.id).where(Case.centre_id == centre_id, Case.number == int(number))
        return db.session.scalar(of_centre.where(func.upper(Case.code) == given.upper()))


def find_lasting(user_id: uuid.UUID, now: datetime) -> Override | None:
    """The override that lasts for this person."""
    statement = select(Override).where(
        Override.user_id == user_id, Override.ended_at.is_(None), Override.until_at > now
    )  # fmt: skip
    return db.session.scalars(statement).first()


def find_override(override_id: uuid.UUID, *, lock: bool = False, words: bool = True) -> Override | None:
    """`words`: with its reason and note, which no machine reads."""
    statement = select(Override).where(Override.id == override_id)
    if words:
        statement = statement.options(undefer_group("sealed"))
    if lock:
        statement = statement.with_for_update().execution_options(populate_existing=True)
    return db.session.scalars(statement).one_or_none()


def get_override(override_id: uuid.UUID) -> OverrideRow:
    """One override with its words. Raises NotFound("glass")."""
    found = db.session.execute(_rows().where(Override.id == override_id).options(undefer_group("sealed"))).first()
    if found is None:
        raise NotFound("glass", override_id)
    return _row(found, sealed=True)


def list_overrides(*, open_only: bool = False, after: Key | None = None) -> list[OverrideRow]:
    """Those in the actor's sight, newest first, one more than a page where there are more; nothing sealed."""
    statement = _rows().order_by(Override.opened_at.desc(), Override.id.desc()).limit(PAGE + 1)
    if open_only:
        statement = statement.where(Override.reviewed_at.is_(None))
    if after is not None:
        statement = statement.where(tuple_(Override.opened_at, Override.id) < after)
    return [_row(found) for found in db.session.execute(statement)]


def take_unreviewed(now: datetime, limit: int) -> Sequence[Override]:
    """Those whose review is to be asked for again now, locked; what another worker holds is left to it."""
    statement = select(Override).where(Override.reviewed_at.is_(None), Override.remind_at <= now)
    return db.session.scalars(
        statement.order_by(Override.remind_at).limit(limit).with_for_update(skip_locked=True)
    ).all()  # fmt: skip


def _rows() -> Select[*tuple[Any, ...]]:
    return (
        select(Override, User.name, Reviewer.name)
        .outerjoin(User, User.id == Override.user_id)
        .outerjoin(Reviewer, Reviewer.id == Override.reviewed_by)
    )


def _row(found: Row[*tuple[Any, ...]], *, sealed: bool = False) -> OverrideRow:
    row, name, reviewer = found
    words = {"reason": row.reason, "note": row.note} if sealed else {}
    return OverrideRow(
        id=row.id, case_id=row.case_id, case_code=row.case_code, user_id=row.user_id, user_name=name or "",
        opened_at=row.opened_at, until_at=row.until_at, ended_at=row.ended_at, review_by=row.review_by,
        reviewed_at=row.reviewed_at, reviewed_by_name=reviewer, outcome=row.outcome, **words,
    )  # fmt: skip
