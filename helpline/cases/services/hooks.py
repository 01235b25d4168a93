"""What upper slices tell a case: lines of its timeline, and what must be settled before it closes."""

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import update
from sqlalchemy.dialects.postgresql import insert as upsert

from helpline.cases import queries, rules
from helpline.cases.models import CaseObligation
from helpline.cases.services import changing
from helpline.foundation.access.engine import require
from helpline.foundation.access.permissions import Permission
from helpline.foundation.context import Context
from helpline.foundation.db import db
from helpline.foundation.ids import new_id


def add_event(
    ctx: Context,
    case_id: uuid.UUID,
    action: str,
    details: dict[str, Any] | None = None,
    *,
    centre_id: uuid.UUID | None = None,
) -> None:
    """Add a line to the timeline: `referral.asked`, with ids, enums and times in `details`.

    Give `centre_id` where the case was just read. Raises NotFound("case").
    """
    require(ctx, Permission.CASE_READ, case_id)
    centre_id = centre_id or queries.centre_of(case_id)
    changing.add_line(ctx, case_id, centre_id, action=action, details=details or {})


def open_obligation(
    ctx: Context, case_id: uuid.UUID, kind: str, source: tuple[str, uuid.UUID], due_at: datetime | None = None
) -> None:
    """Note that the case can't close until this is settled; again for the same source and kind changes nothing.

    `source`: the kind and id of the record that it stands for: `("referral", referral.id)`.
    Locks the case, so that a closing under way comes first. Raises NotFound("case"), Conflict("case_closed").
    """
    require(ctx, Permission.CASE_READ, case_id)
    case = changing.lock(case_id)
    rules.check_open(case.status)
    values = {
        "id": new_id(), "case_id": case.id, "centre_id": case.centre_id, "kind": kind, "source_kind": source[0],
        "source_id": source[1], "due_at": due_at, "opened_at": ctx.now,
    }  # fmt: skip
    db.session.execute(upsert(CaseObligation).values(values).on_conflict_do_nothing())


def settle_obligation(ctx: Context, source_id: uuid.UUID, kind: str | None = None) -> None:
    """It is done, given up or no longer needed. Settling twice changes nothing."""
    require(ctx, Permission.CASE_READ)
    settled = update(CaseObligation).where(CaseObligation.source_id == source_id, CaseObligation.settled_at.is_(None))
    if kind is not None:
        settled = settled.where(CaseObligation.kind == kind)
    db.session.execute(settled.values(settled_at=ctx.now))
