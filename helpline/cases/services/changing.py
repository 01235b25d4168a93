"""What every change of a case does: lock, expect a version, write down why, tell the timeline and the audit."""

import uuid
from collections.abc import Sequence
from typing import Any

from sqlalchemy import insert, select

from helpline.cases import rules
from helpline.cases.models import Case, CaseEvent, CaseNote, digest_of
from helpline.cases.vocabulary import CaseAction, NoteKind
from helpline.foundation.audit.recorder import record
from helpline.foundation.context import Context
from helpline.foundation.db import db
from helpline.foundation.errors import Invalid, NotFound
from helpline.foundation.ids import new_id


def lock(case_id: uuid.UUID) -> Case:
    """The row as it stands, held until the unit ends. Raises NotFound("case")."""
    statement = select(Case).where(Case.id == case_id).with_for_update().execution_options(populate_existing=True)
    case = db.session.scalars(statement).first()
    if case is None:
        raise NotFound("case", case_id)
    return case


def open_for_change(case_id: uuid.UUID, version: int) -> Case:
    """As `lock`, and as the reader saw it. Raises Conflict("stale" | "case_closed")."""
    case = lock(case_id)
    case.expect(version)
    rules.check_open(case.status)
    return case


def write_reason(ctx: Context, case: Case, words: str, field: str = "reason") -> CaseNote:
    """Why something was done. Raises Invalid("required", field)."""
    if not words.strip():
        raise Invalid("required", field)
    return write_note(ctx, case, NoteKind.REASON, words, new_id())


def write_note(ctx: Context, case: Case, kind: NoteKind, body: str, note_id: uuid.UUID) -> CaseNote:
    """Add words to the case, sealed; the body's digest tells a repeat from another note under the same id."""
    note = CaseNote(
        id=note_id, case_id=case.id, centre_id=case.centre_id, author_id=ctx.actor.id, written_at=ctx.now, kind=kind,
        body_index=digest_of(kind, body),
    )  # fmt: skip
    note.body = body.strip()
    db.session.add(note)
    db.session.flush()
    return note


def change(
    ctx: Context, case: Case, action: CaseAction, details: dict[str, Any], note_id: uuid.UUID | None = None, *,
    fields: Sequence[str] = (),
) -> None:  # fmt: skip
    """Count the version up and tell of it."""
    case.version += 1
    db.session.flush()
    tell(ctx, case, action, details, note_id, fields=fields)


def tell(
    ctx: Context, case: Case, action: CaseAction, details: dict[str, Any], note_id: uuid.UUID | None = None, *,
    fields: Sequence[str] = (),
) -> None:  # fmt: skip
    """The same deed for the timeline and for the audit, which names the note that says why."""
    add_line(ctx, case.id, case.centre_id, action=action, details=details, note_id=note_id)
    why = {"note_id": note_id} if note_id else {}
    record(ctx, action.value, "case", case.id, fields=fields, centre_id=case.centre_id, **why)


def add_line(ctx: Context, case_id: uuid.UUID, centre_id: uuid.UUID, **line: Any) -> None:
    """A line of the timeline alone."""
    actor = {"at": ctx.now, "actor_id": ctx.actor.id, "actor_role": ctx.actor.role}
    db.session.execute(insert(CaseEvent).values(id=new_id(), case_id=case_id, centre_id=centre_id, **actor, **line))
