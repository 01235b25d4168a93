"""Reading rules, what is due, held and erased."""

import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, and_, case, exists, func, or_, select, tuple_
from sqlalchemy.orm import aliased, undefer_group

from helpline.accounts.models import Approval, Centre, User
from helpline.accounts.vocabulary import Decision
from helpline.calls.models import Call
from helpline.cases.models import Case
from helpline.foundation.db import db
from helpline.keys.models import KeyRotation
from helpline.retention import rules
from helpline.retention.models import (
    Erasure,
    ErasureLedgerState,
    LegalHold,
    RetentionReview,
    RetentionRule,
    RetentionSweep,
)
from helpline.retention.queries.reaching import CALL_CODE, ids_of
from helpline.retention.vocabulary import (
    REVIEWED,
    DueRow,
    ErasureRow,
    HoldRow,
    LedgerProblem,
    LedgerState,
    Rule,
    RuleKind,
)

PAGE = 50
Key = tuple[datetime, uuid.UUID]
Lifter = aliased(User)
_CODE = func.coalesce(Case.code, case((Call.number.is_not(None), CALL_CODE)))


# Rules


def list_rules(centre_id: uuid.UUID) -> list[Rule]:
    """A rule for each kind: the centre's own, or what ships."""
    rows = db.session.execute(
        select(RetentionRule, User.name)
        .outerjoin(User, User.id == RetentionRule.changed_by)
        .where(RetentionRule.centre_id == centre_id)
    )
    own = {
        rule.kind: Rule(RuleKind(rule.kind), rule.months, rule.version, rule.changed_at, name) for rule, name in rows
    }
    return [own.get(kind.value, Rule(kind, months)) for kind, months in rules.DEFAULTS.items()]


def months_of(centre_id: uuid.UUID, kind: RuleKind) -> int:
    """In the eraser's role too."""
    statement = select(RetentionRule.months).where(RetentionRule.centre_id == centre_id, RetentionRule.kind == kind)
    return db.session.scalar(statement) or rules.DEFAULTS[kind]


def find_rule(centre_id: uuid.UUID, kind: RuleKind) -> RetentionRule | None:
    return db.session.get(RetentionRule, (centre_id, kind.value))


# What is due


def list_centre_ids() -> Sequence[uuid.UUID]:
    return db.session.scalars(select(Centre.id).order_by(Centre.id)).all()


def find_sweep(centre_id: uuid.UUID, kind: RuleKind) -> Row[*tuple[Any, ...]] | None:
    columns = RetentionSweep.after_at, RetentionSweep.after_id, RetentionSweep.swept_at
    of = RetentionSweep.centre_id == centre_id, RetentionSweep.kind == kind
    return db.session.execute(select(*columns).where(*of)).first()


def list_aged(centre_id: uuid.UUID, kind: RuleKind, before: datetime, after: Key | None, limit: int) -> list[Row[Any]]:
    """(id, when its age began), oldest first, of what is older; whether it may come up is looked at afterwards."""
    table: Any = Case if kind is RuleKind.CASE else Call
    began = Case.closed_at if kind is RuleKind.CASE else Call.started_at
    statement = select(table.id, began.label("began")).where(
        table.centre_id == centre_id, began.is_not(None), began < before, table.erased_at.is_(None)
    )
    if after is not None:
        statement = statement.where(tuple_(began, table.id) > after)
    return list(db.session.execute(statement.order_by(began, table.id).limit(limit)))


def list_due(centre_id: uuid.UUID, now: datetime, after: Key | None = None) -> list[DueRow]:
    """What waits for somebody's decision in a centre, oldest first; one more than a page where there are more."""
    statement = (
        select(RetentionReview, _CODE, _asked(RetentionReview.record_id, now))
        .outerjoin(Case, Case.id == RetentionReview.record_id)
        .outerjoin(Call, Call.id == RetentionReview.record_id)
        .where(*_waiting(centre_id, now))
    )
    if after is not None:
        statement = statement.where(tuple_(RetentionReview.began_at, RetentionReview.id) > after)
    found = db.session.execute(statement.order_by(RetentionReview.began_at, RetentionReview.id).limit(PAGE + 1))
    return [
        DueRow(row.id, row.record_kind, row.record_id, code or "", row.began_at, asked) for row, code, asked in found
    ]


def count_due(centre_id: uuid.UUID, now: datetime) -> int:
    """How many wait and are not asked for, up to a hundred."""
    waiting = select(RetentionReview.id).where(
        *_waiting(centre_id, now), ~_asked(RetentionReview.record_id, now)
    ).limit(100)  # fmt: skip
    return db.session.scalar(select(func.count()).select_from(waiting.subquery())) or 0


def _waiting(centre_id: uuid.UUID, now: datetime) -> list[ColumnElement[bool]]:
    """Past the rule as it is now, and neither kept nor held."""
    aged = [
        and_(
            RetentionReview.record_kind == kind.value,
            RetentionReview.began_at < rules.months_before(now, months_of(centre_id, kind)),
        )
        for kind in REVIEWED
    ]
    held = exists().where(LegalHold.record_id == RetentionReview.record_id, LegalHold.lifted_at.is_(None))
    kept = RetentionReview.keep_until.is_(None)
    return [RetentionReview.centre_id == centre_id, kept, or_(*aged), ~held]


def find_review(record_id: uuid.UUID) -> RetentionReview | None:
    statement = select(RetentionReview).where(RetentionReview.record_id == record_id).options(undefer_group("sealed"))
    return db.session.scalars(statement).first()


def _asked(record_id: Any, now: datetime) -> ColumnElement[bool]:
    return exists().where(Approval.record_id == record_id, *_in_hand(now))


def _in_hand(now: datetime) -> tuple[ColumnElement[bool], ...]:
    waits = and_(Approval.decision.is_(None), Approval.expires_at > now)
    return (
        Approval.spent_at.is_(None), Approval.stopped_at.is_(None),
        or_(waits, Approval.decision == Decision.APPROVED.value),
    )  # fmt: skip


# Holds


def _holds() -> Select[*tuple[Any, ...]]:
    return (
        select(LegalHold, _CODE, User.name, Lifter.name)
        .outerjoin(Case, Case.id == LegalHold.record_id)
        .outerjoin(Call, Call.id == LegalHold.record_id)
        .outerjoin(User, User.id == LegalHold.set_by)
        .outerjoin(Lifter, Lifter.id == LegalHold.lifted_by)
    )


def list_holds() -> list[HoldRow]:
    """The newest, in the actor's sight; those that last first. Nothing sealed."""
    order = LegalHold.lifted_at.desc().nulls_first(), LegalHold.set_at.desc(), LegalHold.id
    return [_hold(found) for found in db.session.execute(_holds().order_by(*order).limit(PAGE * 4))]


def find_hold_row(record_id: uuid.UUID) -> HoldRow | None:
    """The hold that keeps this record, with its words."""
    statement = _holds().where(LegalHold.record_id == record_id, LegalHold.lifted_at.is_(None))
    found = db.session.execute(statement.options(undefer_group("sealed"))).first()
    return _hold(found, sealed=True) if found is not None else None


def find_hold(hold_id: uuid.UUID) -> LegalHold | None:
    return db.session.get(LegalHold, hold_id)


def _hold(found: Row[*tuple[Any, ...]], *, sealed: bool = False) -> HoldRow:
    row, code, name, lifter = found
    return HoldRow(
        row.id, row.record_kind, row.record_id, code or "", name, row.set_at, lifter, row.lifted_at,
        row.reason if sealed else None,
    )  # fmt: skip


# Erasures


def list_erasures_asked(centre_id: uuid.UUID, now: datetime) -> Sequence[Approval]:
    """What is asked or agreed and not yet done."""
    of_records = Approval.centre_id == centre_id, Approval.record_id.is_not(None)
    return db.session.scalars(select(Approval).where(*of_records, *_in_hand(now))).all()


def list_erasures(backup_days: int, now: datetime, after: Key | None = None) -> list[ErasureRow]:
    """Newest first, and how far each is gone from backups; one more than a page where there are more."""
    statement = select(Erasure).order_by(Erasure.erased_at.desc(), Erasure.id.desc()).limit(PAGE + 1)
    if after is not None:
        statement = statement.where(tuple_(Erasure.erased_at, Erasure.id) < after)
    retired = _retirements()
    return [_erasure(row, retired, backup_days, now) for row in db.session.scalars(statement)]


def find_erasure(erasure_id: uuid.UUID) -> Erasure | None:
    return db.session.get(Erasure, erasure_id)


def known_erasures() -> set[uuid.UUID]:
    """Those that are done."""
    return ids_of(select(Erasure.id).where(Erasure.finished_at.is_not(None)))


def _retirements() -> list[tuple[int, datetime]]:
    """(master key version, when all before it were destroyed), oldest first."""
    found = db.session.execute(
        select(KeyRotation.master_version, KeyRotation.retired_at)
        .where(KeyRotation.retired_at.is_not(None))
        .order_by(KeyRotation.retired_at)
    )
    return [(version, at) for version, at in found if version is not None and at is not None]


def _erasure(row: Erasure, retired: list[tuple[int, datetime]], backup_days: int, now: datetime) -> ErasureRow:
    version = row.master_version
    gone_at = next((at for newer, at in retired if version is not None and newer > version), None)
    complete = rules.complete_on(row.erased_at, backup_days, gone_at)
    return ErasureRow(
        row.id, row.record_kind, row.record_id, row.why, row.erased_at, row.counts, row.finished_at,
        rules.backups_end(row.erased_at, backup_days), complete, complete is not None and complete <= now.date(),
    )  # fmt: skip


def find_ledger_state() -> LedgerState | None:
    row = db.session.scalars(select(ErasureLedgerState)).first()
    if row is None:
        return None
    problem = LedgerProblem(row.problem) if row.problem else None
    return LedgerState(row.entries, row.unknown_here, row.unknown_there, problem, row.checked_at)
