"""Reading the hash tree: what waits, leaves beside their entries, checkpoints, and who follows them."""

import uuid
from collections.abc import Iterator, Sequence
from datetime import datetime

from sqlalchemy import BigInteger, Text, cast, delete, exists, func, select, text

from helpline.foundation.audit.checkpoints import COLUMNS, leaf_data
from helpline.foundation.audit.models import AuditCheckpoint, AuditEntry, AuditFollower, AuditLeaf, AuditPending
from helpline.foundation.audit.proof import Leaf
from helpline.foundation.audit.tree import leaf_hash
from helpline.foundation.db import db

_CHUNK = 10_000
_LOCK = 1280_0015  # one notary at a time
_MICROSECONDS = cast(func.extract("epoch", AuditEntry.at) * 1_000_000, BigInteger)  # no session's time zone in it
# COLUMNS of an entry as text, the way it is hashed: what PostgreSQL prints of a value is the same for ever.
_ENTRY = [
    cast(_MICROSECONDS if name == "at" else AuditEntry.__table__.c[name], Text).label(f"entry_{name}")
    for name in COLUMNS
]


def alone() -> bool:
    """Whether this is the only notary until its unit of work ends; the others have nothing to do."""
    return bool(db.session.scalar(select(func.pg_try_advisory_xact_lock(_LOCK))))


def take_pending(limit: int) -> list[tuple[uuid.UUID, Sequence[str | None]]]:
    """Take entries off the waiting list, oldest first: their ids and columns.

    An entry that somebody removed while it waited comes with its id alone: its place tells of it.
    """
    waiting = select(AuditPending.entry_id).order_by(AuditPending.entry_id).limit(limit)
    taken = delete(AuditPending).where(AuditPending.entry_id.in_(waiting)).returning(AuditPending.entry_id).cte("taken")
    statement = select(taken.c.entry_id, *_ENTRY).select_from(
        taken.outerjoin(AuditEntry, AuditEntry.id == taken.c.entry_id)
    )
    rows = db.session.execute(statement.order_by(taken.c.entry_id))
    return [(row[0], row[1:]) for row in rows]


def last_checkpoint() -> AuditCheckpoint | None:
    return db.session.scalars(select(AuditCheckpoint).order_by(AuditCheckpoint.number.desc()).limit(1)).first()


def find_checkpoint(number: int) -> AuditCheckpoint | None:
    return db.session.get(AuditCheckpoint, number)


def list_checkpoints(after: int, limit: int) -> Sequence[AuditCheckpoint]:
    """Checkpoints with greater numbers, in order."""
    statement = select(AuditCheckpoint).where(AuditCheckpoint.number > after)
    return db.session.scalars(statement.order_by(AuditCheckpoint.number).limit(limit)).all()


def list_leaves(start: int, stop: int) -> list[Leaf]:
    """Leaves of these places with their entries, in order."""
    statement = select(AuditLeaf.seq, AuditLeaf.entry_id, AuditLeaf.leaf_hash, *_ENTRY).select_from(AuditLeaf)
    statement = statement.outerjoin(AuditEntry, AuditEntry.id == AuditLeaf.entry_id)
    rows = db.session.execute(statement.where(AuditLeaf.seq >= start, AuditLeaf.seq < stop).order_by(AuditLeaf.seq))
    return [Leaf(row[0], row[1], row[2], row[3:] if row[3] is not None else None) for row in rows]


def leaf_hashes(start: int, stop: int) -> Iterator[tuple[uuid.UUID, bytes]]:
    """(entry id, leaf hash) of these places, in order, a chunk of the table at a time."""
    for first in range(start, stop, _CHUNK):
        statement = select(AuditLeaf.entry_id, AuditLeaf.leaf_hash).order_by(AuditLeaf.seq)
        chunk = statement.where(AuditLeaf.seq >= first, AuditLeaf.seq < min(first + _CHUNK, stop))
        for row in db.session.execute(chunk):
            yield row[0], row[1]


def count_leaves() -> int:
    """One more than the last place that is taken."""
    last: int | None = db.session.scalar(select(func.max(AuditLeaf.seq)))
    return 0 if last is None else last + 1


def place_of(entry_id: uuid.UUID) -> int | None:
    return db.session.scalar(select(AuditLeaf.seq).where(AuditLeaf.entry_id == entry_id))


def belongs_at(seq: int, wanted: bytes) -> int | None:
    """The place of the entry that would give this hash at `seq`. Goes through all: for an audit already broken."""
    size = count_leaves()
    for first in range(0, size, _CHUNK):
        for leaf in list_leaves(first, first + _CHUNK):
            if leaf.columns is not None and leaf_hash(leaf_data(seq, leaf.columns)) == wanted:
                return leaf.seq
    return None


def first_unsealed() -> uuid.UUID | None:
    """An entry that stands in no tree and does not wait for it: nobody who may write the audit can have made it."""
    statement = select(AuditEntry.id).where(
        ~exists().where(AuditLeaf.entry_id == AuditEntry.id), ~exists().where(AuditPending.entry_id == AuditEntry.id)
    )
    return db.session.scalar(statement.order_by(AuditEntry.id).limit(1))


def follower(name: str, *, lock: bool = False) -> AuditFollower | None:
    """How far somebody who follows the audit is; `lock`: None as well while another process holds it."""
    statement = select(AuditFollower).where(AuditFollower.name == name)
    return db.session.scalars(statement.with_for_update(skip_locked=True) if lock else statement).first()


def list_followers() -> Sequence[AuditFollower]:
    return db.session.scalars(select(AuditFollower).order_by(AuditFollower.name)).all()


_STAND_IN = text("INSERT INTO audit_followers (name, position, due_at) VALUES (:name, 0, :due) ON CONFLICT DO NOTHING")


def add_follower(name: str, due: datetime) -> None:
    """Begin to follow from the first on, unless already begun."""
    db.session.execute(_STAND_IN, {"name": name, "due": due})
