"""Turning to a new master key while the service is used: every record's own key is wrapped anew, in small batches.

The tables are those of the metadata that hold a `record_key`. A batch and how far it came are one unit of work, so that
a process killed anywhere loses nothing; a row's key is replaced only if it is still the one that was read. The
rotator's own database role sees ids and wrapped keys of records and nothing else. What is sealed under
no record's key (blind indexes, links, cookies) has keys of its own that this does not change.
"""

import uuid
from typing import Any

from sqlalchemy import Table, bindparam, func, or_, select, update

from helpline.foundation.access.engine import require
from helpline.foundation.access.permissions import Permission, SystemActor
from helpline.foundation.audit.recorder import record
from helpline.foundation.context import Context, system_context
from helpline.foundation.crypto.keyring import KeyRingError, NoKeys, Tampered, ring, wrapped_under
from helpline.foundation.crypto.records import rewrap
from helpline.foundation.crypto.sealed import wrapped_keys
from helpline.foundation.db import db, unit_of_work
from helpline.foundation.errors import Conflict
from helpline.foundation.failpoints import failpoint
from helpline.foundation.ids import new_id
from helpline.keys import queries
from helpline.keys.models import KeyRotation
from helpline.keys.rules import may_retire

BATCH = 200
RUN = 50  # batches that one call of the job takes on: it is called again two seconds later
KEY = "record_key"


def start_rotation(ctx: Context) -> KeyRotation:
    """Ask for a new master key and for every record's key under it. Raises Conflict while one is under way."""
    require(ctx, Permission.KEYS_ROTATE)
    if queries.find_open() is not None:
        raise Conflict("rotation_running")
    rotation = KeyRotation(
        id=new_id(), centre_id=ctx.actor.centre_id, started_by=ctx.actor.id, started_at=ctx.now, total=0, done=0,
        unread=0,
    )  # fmt: skip
    db.session.add(rotation)
    record(ctx, "keys.rotation_started", "key_rotation", rotation.id)
    return rotation


def ask_to_retire(ctx: Context, rotation_id: uuid.UUID) -> None:
    """Ask that the master keys before this rotation be destroyed. Raises NotFound, Conflict while it is too early."""
    require(ctx, Permission.KEYS_ROTATE, rotation_id)
    rotation = queries.get_rotation(rotation_id)
    if rotation.retired_at is not None or not may_retire(rotation.finished_at, ctx.now):
        raise Conflict("retire_too_early")
    rotation.retire_asked_at = ctx.now
    record(ctx, "keys.retirement_asked", "key_rotation", rotation_id)


def advance() -> None:
    """Take an open rotation a good piece on, or retire what was asked for; each batch a unit of work of its own."""
    for _ in range(RUN):
        if not step():
            break


def step() -> bool:
    """One batch; False if nothing is to be done, or another process is doing it."""
    with unit_of_work(system_context(SystemActor.ROTATOR)) as ctx:
        require(ctx, Permission.KEYS_ROTATE)
        rotation = queries.claim_open()
        if rotation is None:
            return _retire(ctx)
        if rotation.master_version is None:
            rotation.master_version = ring().add_master()
            failpoint("keys.rotate.after_master")
            _begin(rotation)
        elif rotation.table_name is not None:
            _wrap_batch(rotation, db.metadata.tables[rotation.table_name])
            failpoint("keys.rotate.before_commit")
        else:
            _conclude(ctx, rotation, rotation.master_version)
    failpoint("keys.rotate.after_commit")
    return True


def _tables() -> list[str]:
    return [name for name, columns in wrapped_keys(db.metadata).items() if KEY in columns]


def _begin(rotation: KeyRotation) -> None:
    """To the first row of the first table."""
    tables = _tables()
    rotation.total = sum(db.session.scalar(select(func.count(_of(name).c.id))) or 0 for name in tables)
    rotation.table_name, rotation.after_id, rotation.done, rotation.unread = tables[0], None, 0, 0


def _wrap_batch(rotation: KeyRotation, table: Table) -> None:
    statement = select(table.c.id, table.c[KEY]).order_by(table.c.id).limit(BATCH)
    if rotation.after_id is not None:
        statement = statement.where(table.c.id > rotation.after_id)
    rows = db.session.execute(statement).all()
    anew, unread = _anew(table.name, rows, rotation.master_version or 0)
    if anew:
        replace = update(table).where(table.c.id == bindparam("row"), table.c[KEY] == bindparam("old"))
        db.session.execute(replace.values({KEY: bindparam("new")}), anew)
    rotation.done += len(rows)
    rotation.unread += unread
    if len(rows) == BATCH:
        rotation.after_id = rows[-1].id
    else:
        tables = _tables()
        rotation.table_name = next(iter(tables[tables.index(table.name) + 1 :]), None)
        rotation.after_id = None


def _anew(table: str, rows: Any, version: int) -> tuple[list[dict[str, Any]], int]:
    """What is to be replaced by what, and how many keys no master key opens."""
    anew, unread = [], 0
    for row_id, old in rows:
        if wrapped_under(old) < version:
            try:
                anew.append({"row": row_id, "old": old, "new": rewrap(table, row_id, old)})
            except NoKeys:
                raise
            except (Tampered, KeyRingError):
                unread += 1
    return anew, unread


def _conclude(ctx: Context, rotation: KeyRotation, version: int) -> None:
    """Finish, unless a row came in under an old master key while the tables were gone through: then once more."""
    left = sum(_count_before(name, {KEY}, version) for name in _tables())
    if left > rotation.unread:
        _begin(rotation)
        return
    rotation.finished_at = ctx.now
    record(
        ctx, "keys.rotated", "key_rotation", rotation.id, centre_id=rotation.centre_id, version=version,
        total=rotation.total, unread=rotation.unread,
    )  # fmt: skip


def _retire(ctx: Context) -> bool:
    """Destroy the older master keys, if it was asked for and nothing needs them."""
    rotation = queries.claim_retirement()
    if rotation is None or rotation.master_version is None or rotation.retire_asked_at is None:
        return False
    version = rotation.master_version
    left = sum(_count_before(name, columns, version) for name, columns in wrapped_keys(db.metadata).items())
    # Never before it was asked, whatever two machines' clocks say: else it would be tried without end.
    rotation.retire_tried_at, rotation.retire_left = max(ctx.now, rotation.retire_asked_at), left
    if left:
        record(ctx, "keys.retirement_refused", "key_rotation", rotation.id, centre_id=rotation.centre_id, left=left)
        return True
    rotation.retired_at = ctx.now
    record(ctx, "keys.retired", "key_rotation", rotation.id, centre_id=rotation.centre_id, version=version)
    for older in ring().versions():
        if older < version:
            ring().retire_master(older)
    return True


def _count_before(name: str, columns: set[str], version: int) -> int:
    """Rows with a key that an older master key wrapped (bytes two and three of a wrapped key are its version)."""
    bound = version.to_bytes(2, "big")
    older = [func.substring(_of(name).c[column], 2, 2) < bound for column in sorted(columns)]
    return db.session.scalar(select(func.count()).select_from(_of(name)).where(or_(*older))) or 0


def _of(name: str) -> Table:
    return db.metadata.tables[name]
