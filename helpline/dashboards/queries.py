"""Counting for supervisors: a few grouped statements, whatever the number of rows."""

import uuid
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Date, Integer, Select, cast, exists, func, select, tuple_

from helpline.accounts.models import User
from helpline.calls.models import Call, CallChild, CallTerm
from helpline.calls.queries import conditions
from helpline.calls.vocabulary import CallFilter, CallKind, RiskLevel
from helpline.cases.models import Case
from helpline.cases.vocabulary import CaseStatus
from helpline.dashboards.vocabulary import CallFigures, Cell, Count, WorkerLoad, WorkFigures
from helpline.followups.models import FollowUp
from helpline.followups.vocabulary import FollowUpState
from helpline.foundation.db import db
from helpline.reference.models import TaxonomyTerm
from helpline.referrals.models import Referral, ReferralAsk
from helpline.referrals.vocabulary import AskState

_OF_COUNSELLING = ("risk", "term")  # only these calls are judged, and asked why
_TOP = func.split_part(TaxonomyTerm.code, ".", 1)


def call_figures(wanted: CallFilter) -> CallFigures:
    """All charts of calls over one filter: one pass over the calls, one over their children, one over their reasons."""
    groups = _grouped(wanted)
    kinds = dict(groups["kind"])
    days = sorted(groups["day"], key=lambda pair: pair[0])
    months, categories = defaultdict[str, int](int), defaultdict[str, int](int)
    for day, count in days:
        months[day[:7]] += count
    for term, count in groups["term"]:
        categories[term.partition(".")[0]] += count
    any_categories, any_subcategories = _any_reasons(wanted)
    return CallFigures(
        total=sum(kinds.values()), counselling=kinds.get(CallKind.COUNSELLING, 0),
        hours=[Cell(*key.partition(" ")[::2], count) for key, count in groups["hour"]],
        days=[Count(*pair) for pair in days], months=[Count(*pair) for pair in months.items()],
        channels=_most(groups["channel"]), kinds=_most(groups["kind"]),
        categories=_most(list(categories.items())), subcategories=_most(groups["term"]),
        any_categories=any_categories, any_subcategories=any_subcategories, provinces=_most(groups["province"]),
        risks=sorted(_most(groups["risk"]), key=lambda each: -RiskLevel(each.key).severity), children=_children(wanted),
    )  # fmt: skip


def _grouped(wanted: CallFilter) -> dict[str, list[tuple[str, int]]]:
    local = func.timezone(wanted.zone, Call.started_at)
    slot = func.concat(cast(func.extract("isodow", local), Integer), " ", cast(func.extract("hour", local), Integer))
    counselling = Call.kind == CallKind.COUNSELLING.value
    keys: dict[str, Any] = {
        "hour": slot, "day": cast(local, Date), "channel": Call.channel, "kind": Call.kind,
        "province": Call.province_id, "risk": Call.risk_level, "term": TaxonomyTerm.code,
    }  # fmt: skip
    # Named once in a subquery: grouping sets must meet the very same expression.
    rows = (
        select(*(key.label(name) for name, key in keys.items()), counselling.label("counselling"))
        .outerjoin(TaxonomyTerm, TaxonomyTerm.id == Call.primary_term_id)
        .where(*conditions(wanted))
        .subquery()
    )
    columns = [rows.c[name] for name in keys]
    sets = [tuple_(rows.c[name]) for name in keys if name not in _OF_COUNSELLING]
    sets += [tuple_(rows.c[name], rows.c.counselling) for name in _OF_COUNSELLING]
    which = func.grouping(*columns)
    found = db.session.execute(
        select(which, *columns, rows.c.counselling, func.count()).group_by(func.grouping_sets(*sets))
    )
    groups: dict[str, list[tuple[str, int]]] = {name: [] for name in keys}
    for bits, *values, of_counselling, count in found:
        at = next(place for place in range(len(keys)) if not bits >> (len(keys) - 1 - place) & 1)
        name = list(keys)[at]
        if name not in _OF_COUNSELLING or of_counselling:
            groups[name].append(("" if values[at] is None else str(values[at]), count))
    return groups


def _any_reasons(wanted: CallFilter) -> tuple[list[Count], list[Count]]:
    """Calls by any of their reasons: each once per category, and once per subcategory."""
    rows = (
        select(Call.id, _TOP.label("category"), TaxonomyTerm.code)
        .join(CallTerm, CallTerm.call_id == Call.id)
        .join(TaxonomyTerm, TaxonomyTerm.id == CallTerm.term_id)
        .where(*conditions(wanted))
        .subquery()
    )
    sets = func.grouping_sets(tuple_(rows.c.category), tuple_(rows.c.code))
    statement = select(rows.c.category, rows.c.code, func.count(func.distinct(rows.c.id))).group_by(sets)
    found = [(category, code, count) for category, code, count in db.session.execute(statement)]
    return (
        _most([(category, count) for category, _code, count in found if category is not None]),
        _most([(code, count) for _category, code, count in found if code is not None]),
    )


def _children(wanted: CallFilter) -> list[Cell]:
    """Calls by the age and gender of a child they concern."""
    statement = (
        select(CallChild.age_band, CallChild.gender, func.count(func.distinct(Call.id)))
        .join(Call, Call.id == CallChild.call_id)
        .where(*conditions(wanted))
        .group_by(CallChild.age_band, CallChild.gender)
    )
    return [Cell(*row) for row in db.session.execute(statement)]


def _most(pairs: Sequence[tuple[str, int]]) -> list[Count]:
    return [Count(*pair) for pair in sorted(pairs, key=lambda pair: (-pair[1], pair[0]))]


def work_figures(centre_id: uuid.UUID, team_ids: Sequence[uuid.UUID] | None, now: datetime) -> WorkFigures:
    """What is open in a centre, or in these teams of it."""

    def within(model: Any) -> list[ColumnElement[bool]]:
        own = [model.centre_id == centre_id]
        return own if team_ids is None else [*own, model.team_id.in_(team_ids)]

    still_open = [*within(Case), Case.status == CaseStatus.OPEN.value]
    unassigned = func.count().filter(Case.caseworker_id.is_(None), Case.assign_by < now)
    unanswered = func.count().filter(Case.first_response_at.is_(None), Case.first_response_by < now)
    risks = db.session.execute(
        select(Case.risk_level, func.count(), unassigned, unanswered).where(*still_open).group_by(Case.risk_level)
    ).all()
    overdue = _counted(
        select(FollowUp.risk_level, func.count())
        .where(*within(FollowUp), FollowUp.state == FollowUpState.PLANNED.value, FollowUp.due_at < now)
        .group_by(FollowUp.risk_level)
    )
    silent = exists().where(
        ReferralAsk.referral_id == Referral.id, ReferralAsk.state == AskState.ASKED, ReferralAsk.answer_by < now
    )
    referrals = db.session.execute(
        select(Referral.state, func.count(), func.count().filter(silent))
        .join(Case, Case.id == Referral.case_id)
        .where(Referral.centre_id == centre_id, *within(Case))
        .group_by(Referral.state)
    ).all()
    loads = db.session.execute(
        select(User.id, User.name, func.count())
        .join(Case, Case.caseworker_id == User.id)
        .where(*still_open)
        .group_by(User.id, User.name)
        .order_by(func.count().desc(), User.name)
    )
    return WorkFigures(
        cases_by_risk=[Count(row[0], row[1]) for row in risks], unassigned_late=sum(row[2] for row in risks),
        response_late=sum(row[3] for row in risks), overdue_by_risk=overdue,
        referrals=[Count(row[0], row[1]) for row in referrals], answers_late=sum(row[2] for row in referrals),
        caseload=[WorkerLoad(*row) for row in loads],
    )  # fmt: skip


def _counted(statement: Select[str, int]) -> list[Count]:
    return [Count(str(key), count) for key, count in db.session.execute(statement)]
