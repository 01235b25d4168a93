"""The machine's side of an import: who has it, how far it is, what was found, and what becomes of what a death left."""

import base64
import tempfile
import uuid
from collections.abc import Mapping, Sequence
from typing import Any, BinaryIO

from sqlalchemy import ColumnElement, delete, insert, or_, select, update

from helpline.foundation.access.engine import require
from helpline.foundation.access.permissions import Permission
from helpline.foundation.audit.recorder import record
from helpline.foundation.clock import real_now
from helpline.foundation.context import Context
from helpline.foundation.crypto.sealed import seal_values
from helpline.foundation.db import add_rows, db
from helpline.foundation.errors import Conflict, NotFound
from helpline.foundation.ids import new_id
from helpline.foundation.tabular.table import Options
from helpline.imports import queries
from helpline.imports.commands import Claim
from helpline.imports.models import CallImport, ImportFinding, ImportRow
from helpline.imports.services.steps import LEASE, forget_check
from helpline.imports.vocabulary import WORKING, Found, ImportState

_OVER = (ImportState.DONE, ImportState.FAILED)


def _free() -> ColumnElement[bool]:
    return or_(CallImport.leased_until.is_(None), CallImport.leased_until < real_now())


def claim(ctx: Context, import_id: uuid.UUID | None = None) -> Claim | None:
    """Take an import that waits for the machine, or that a dead worker left; leased for 60 s.

    By id, any; without one, none that belongs to a command's own process.
    """
    require(ctx, Permission.CALL_IMPORT)
    wanted = CallImport.id == import_id if import_id is not None else ~CallImport.by_command
    free = CallImport.by_command | _free() if import_id is not None else _free()
    statement = select(CallImport).where(wanted, free, CallImport.state.in_(WORKING), ~CallImport.discarded)
    found = db.session.scalars(
        statement.order_by(CallImport.created_at).limit(1).with_for_update(skip_locked=True)
    ).first()
    if found is None:
        return None
    found.leased_until, found.lease = real_now() + LEASE, new_id()
    return Claim(found.id, ImportState(found.state), found.lease)


def clear_abandoned(ctx: Context) -> None:
    """What was stopped by its user goes; what a command's process left when it died fails, and nobody takes it up."""
    require(ctx, Permission.CALL_IMPORT)
    stopped = select(CallImport.id).where(CallImport.discarded)
    for import_id in db.session.scalars(stopped.with_for_update(skip_locked=True)).all():
        db.session.execute(delete(CallImport).where(CallImport.id == import_id))
    left = select(CallImport.id).where(
        CallImport.by_command, CallImport.state.not_in(_OVER), ~CallImport.discarded, _free()
    )
    for import_id in db.session.scalars(left.with_for_update(skip_locked=True)).all():
        fail(ctx, import_id, "interrupted")


def note_progress(ctx: Context, claimed: Claim, **counts: int) -> None:
    """Write how far it is and keep the lease. Raises Conflict("lease_lost"): stopped, or another process has it."""
    require(ctx, Permission.CALL_IMPORT, claimed.import_id)
    kept = db.session.execute(
        update(CallImport)
        .where(CallImport.id == claimed.import_id, CallImport.lease == claimed.lease)
        .values(leased_until=real_now() + LEASE, **counts)
        .returning(CallImport.id)
    ).first()
    if kept is None:
        raise Conflict("lease_lost")


def hold(claimed: Claim, *, last: bool = False) -> None:
    """Keep everybody but its user from an import while this unit lasts. Raises Conflict("lease_lost").

    Its user may stop it until `last`: the row is then locked, and what follows is sure.
    """
    statement = select(CallImport.id).where(CallImport.id == claimed.import_id, CallImport.lease == claimed.lease)
    locked = statement.with_for_update() if last else statement.with_for_update(read=True, key_share=True)
    if db.session.execute(locked).first() is None:
        raise Conflict("lease_lost")


def fail(ctx: Context, import_id: uuid.UUID, error_code: str) -> None:
    """It cannot go on: nothing is left behind but the file and the reason."""
    found = queries.get_import(import_id)
    forget_check(import_id)
    found.state, found.error_code, found.leased_until, found.lease = ImportState.FAILED, error_code, None, None
    found.by_command = False  # from here on it is one like any other
    db.session.flush()
    record(ctx, "import.failed", "import", import_id, centre_id=found.centre_id, code=error_code)


def open_file(import_id: uuid.UUID) -> BinaryIO:
    """The uploaded file, in the clear, in an unnamed temporary file that vanishes with this process."""
    copy = tempfile.TemporaryFile()  # noqa: SIM115  # the caller closes it
    for piece in queries.read_chunks(import_id):
        copy.write(base64.b64decode(piece))
    copy.seek(0)
    return copy


def options_of(found: CallImport) -> Options:
    """How its bringer said the file must be read."""
    return Options(**(found.options or {}))


def clear_rows(ctx: Context, import_id: uuid.UUID) -> None:
    """Begin the check again: what a dead process had kept goes."""
    require(ctx, Permission.CALL_IMPORT, import_id)
    forget_check(import_id)


def keep_rows(ctx: Context, import_id: uuid.UUID, rows: Sequence[Mapping[str, Any]]) -> None:
    """Keep a batch of checked rows."""
    require(ctx, Permission.CALL_IMPORT, import_id)
    if rows:
        add_rows(ImportRow, rows)


def keep_findings(ctx: Context, import_id: uuid.UUID, pieces: Sequence[tuple[Found, int, list[Any]]]) -> None:
    """Keep what was found, sealed: pieces of (kind, position, items)."""
    require(ctx, Permission.CALL_IMPORT, import_id)
    for kind, position, items in pieces:
        finding_id = new_id()
        sealed = seal_values("call_import_findings", finding_id, {"body_sealed": items})
        values = {"id": finding_id, "import_id": import_id, "kind": kind, "position": position} | sealed
        db.session.execute(insert(ImportFinding).values(values))


def finish_check(ctx: Context, import_id: uuid.UUID, report: dict[str, Any]) -> None:
    """The whole file was read: its report waits for a person."""
    found = queries.get_import(import_id)
    if found.state != ImportState.CHECKING:
        raise NotFound("import", import_id)
    found.report, found.state, found.lease = report, ImportState.CHECKED, None
    found.leased_until = real_now() + LEASE if found.by_command else None
    db.session.flush()
    record(ctx, "import.checked", "import", import_id, centre_id=found.centre_id, rows=found.rows_read)
