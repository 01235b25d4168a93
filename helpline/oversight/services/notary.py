"""Giving entries their places in the hash tree, and signing what stands: the notary's work, again and again."""

from datetime import timedelta

from helpline.foundation.access.engine import require
from helpline.foundation.access.permissions import Permission
from helpline.foundation.audit.checkpoints import (
    FIRST,
    Checkpoint,
    digest_of,
    leaf_data,
    read_checkpoint,
    sign_checkpoint,
)
from helpline.foundation.audit.models import AuditCheckpoint, AuditLeaf
from helpline.foundation.audit.tree import Tree, consistency_proof, leaf_hash
from helpline.foundation.context import Context
from helpline.foundation.db import add_rows, db
from helpline.oversight.queries import tree as queries

BATCH = 5000
IDLE = timedelta(seconds=35)  # with nothing new, one is signed this often all the same: silence is on record too


def seal_entries(ctx: Context, limit: int = BATCH) -> int:
    """Place what waits (at most `limit`, oldest first) and sign a checkpoint over all. Gives how many were placed.

    Whatever committed late still waits, and gets the next place: places tell in which order entries were sealed.
    Reads the last checkpoint and what is new, however long the audit is. Writes no audit entry: it would never end.
    """
    require(ctx, Permission.AUDIT_SEAL)
    if not queries.alone():
        return 0
    last = queries.last_checkpoint()
    before = read_checkpoint(last.note) if last else None
    taken = queries.take_pending(limit)
    if not taken and before is not None and ctx.now - before.at < IDLE:
        return 0
    tree = Tree(before.size, last.peaks) if last and before else Tree()
    old, hashes = Tree(tree.size, tree.peaks), []
    for seq, (_entry_id, columns) in enumerate(taken, tree.size):
        hashes.append(leaf_hash(leaf_data(seq, columns)))
        tree.add(hashes[-1])
    leaves = zip(range(old.size, tree.size), taken, hashes, strict=True)
    rows = [{"seq": seq, "entry_id": entry_id, "leaf_hash": digest} for seq, (entry_id, _columns), digest in leaves]
    if rows:
        add_rows(AuditLeaf, rows)
    checkpoint = Checkpoint(
        number=before.number + 1 if before else 1, size=tree.size, root=tree.root(), at=ctx.now,
        previous=digest_of(last.note) if last else FIRST,
    )  # fmt: skip
    proof = consistency_proof(old.size, tree.size, old.subtree(hashes))
    db.session.add(
        AuditCheckpoint(
            number=checkpoint.number,
            note=sign_checkpoint(checkpoint),
            peaks=list(tree.peaks),
            proof=proof,
        )
    )
    db.session.flush()
    return len(taken)
