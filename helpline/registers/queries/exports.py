"""Reading exports, and the coarse rows of a bulk export."""

import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Select, func, select, tuple_
from sqlalchemy.orm import aliased, undefer

from helpline.accounts.models import User
from helpline.calls.models import Call, CallChild
from helpline.cases.models import Case
from helpline.foundation.calendar import day_bounds
from helpline.foundation.db import db
from helpline.foundation.errors import NotFound
from helpline.people.vocabulary import AgeBand
from helpline.reference.models import Place, TaxonomyTerm
from helpline.registers.models import DataExport
from helpline.registers.vocabulary import ExportRow, Span

PAGE = 50
Key = tuple[datetime, uuid.UUID]
Province = aliased(Place)
_PLAIN = (
    "id", "kind", "case_ids", "recipient", "field_groups", "items", "withheld", "requested_by", "made_at", "expires_at",
    "downloaded_at", "gone_at",
)  # fmt: skip
CALL_COLUMNS = (
    "month", "channel", "direction", "kind", "source", "province", "reason", "risk", "child_age_band", "child_gender",
)  # fmt: skip
CASE_COLUMNS = (
    "opened_month", "province", "child_age_band", "child_gender", "risk", "step", "status", "needs", "closed_month",
    "close_reason",
)  # fmt: skip


def find_export(export_id: uuid.UUID) -> DataExport | None:
    return db.session.get(DataExport, export_id)


def take_body(export_id: uuid.UUID) -> DataExport | None:
    """With its body, held until the end; None for one that is gone or out of sight."""
    statement = select(DataExport).where(DataExport.id == export_id, DataExport.gone_at.is_(None))
    body = undefer(DataExport.body_sealed), undefer(DataExport.record_key)
    found = db.session.scalars(statement.options(*body).with_for_update().execution_options(populate_existing=True))
    return found.first()


def get_export(export_id: uuid.UUID) -> ExportRow:
    """One with the reason given. Raises NotFound("export")."""
    reason = undefer(DataExport.reason_sealed), undefer(DataExport.record_key)
    found = db.session.execute(_rows().where(DataExport.id == export_id).options(*reason)).first()
    if found is None:
        raise NotFound("export", export_id)
    return _row(*found, reason=found[0].reason)


def list_exports(after: Key | None = None) -> list[ExportRow]:
    """Those in the actor's sight, newest first, one more than a page where there are more."""
    statement = _rows().order_by(DataExport.made_at.desc(), DataExport.id.desc()).limit(PAGE + 1)
    if after is not None:
        statement = statement.where(tuple_(DataExport.made_at, DataExport.id) < after)
    return [_row(*found) for found in db.session.execute(statement)]


def take_expired(now: datetime, limit: int) -> Sequence[DataExport]:
    """Those whose time is over, locked; what another worker holds is left to it."""
    statement = select(DataExport).where(DataExport.gone_at.is_(None), DataExport.expires_at <= now)
    statement = statement.order_by(DataExport.expires_at).limit(limit)
    return db.session.scalars(statement.with_for_update(skip_locked=True)).all()


def bulk_calls(centre_id: uuid.UUID, span: Span, zone: ZoneInfo, limit: int) -> list[tuple[Any, ...]]:
    """CALL_COLUMNS of the centre's calls, one row a child; sorted by what they say, so that no order tells whose."""
    month = func.to_char(func.timezone(zone.key, Call.started_at), "YYYY-MM")
    columns = (
        month, Call.channel, Call.direction, Call.kind, Call.source, Province.code, TaxonomyTerm.code, Call.risk_level,
        CallChild.age_band, CallChild.gender,
    )  # fmt: skip
    first, last = day_bounds(span.first, zone)[0], day_bounds(span.last, zone)[1]
    statement = (
        select(*columns)
        .outerjoin(Province, Province.id == Call.province_id)
        .outerjoin(TaxonomyTerm, TaxonomyTerm.id == Call.primary_term_id)
        .outerjoin(CallChild, CallChild.call_id == Call.id)
        .where(Call.centre_id == centre_id, Call.voided_at.is_(None), Call.started_at >= first, Call.started_at < last)
        .order_by(*columns)
        .limit(limit)
    )
    return [tuple(row) for row in db.session.execute(statement)]


def bulk_cases(centre_id: uuid.UUID, span: Span, zone: ZoneInfo, limit: int) -> list[tuple[Any, ...]]:
    """CASE_COLUMNS of the centre's cases, sorted alike."""
    opened, closed = (func.to_char(func.timezone(zone.key, at), "YYYY-MM") for at in (Case.opened_at, Case.closed_at))
    first, last = day_bounds(span.first, zone)[0], day_bounds(span.last, zone)[1]
    statement = (
        select(
            opened, Province.code, Case.child_age, Case.child_gender, Case.risk_level, Case.step, Case.status,
            Case.needs, closed, Case.close_reason,
        )
        .outerjoin(Province, Province.id == Case.province_id)
        .where(Case.centre_id == centre_id, Case.opened_at >= first, Case.opened_at < last)
        .limit(limit)
    )  # fmt: skip
    rows = [
        (month, province, AgeBand.of(age).value, gender, risk, step, status, " ".join(sorted(needs)), over, reason)
        for month, province, age, gender, risk, step, status, needs, over, reason in db.session.execute(statement)
    ]
    return sorted(rows, key=lambda row: tuple(cell or "" for cell in row))


def _rows() -> Select[DataExport, str]:
    return select(DataExport, User.name).outerjoin(User, User.id == DataExport.requested_by)


def _row(export: DataExport, name: str | None, reason: str | None = None) -> ExportRow:
    known: dict[str, Any] = {each: getattr(export, each) for each in _PLAIN}
    return ExportRow(**known, requested_by_name=name, reason=reason)
