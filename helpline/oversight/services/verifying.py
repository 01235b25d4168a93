"""Proving that the audit is whole, in parts of one unit of work each: a long audit outlives one signed context."""

import base64
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from helpline.foundation.access.engine import require
from helpline.foundation.access.permissions import Permission
from helpline.foundation.audit.checkpoints import BadCheckpoint, Checkpoint, leaf_data, read_checkpoint
from helpline.foundation.audit.proof import Finding, Known, Leaf, Proof, Witnessed, Wrong
from helpline.foundation.audit.recorder import record
from helpline.foundation.audit.tree import inclusion_proof, leaf_hash, root_of, verify_consistency, verify_inclusion
from helpline.foundation.context import Context
from helpline.foundation.errors import Invalid, NotFound
from helpline.oversight.commands import Line, read_line
from helpline.oversight.queries import entries
from helpline.oversight.queries import tree as queries
from helpline.oversight.services.witnessing import tell_guardians

EVERY = timedelta(hours=6)
PART = 20_000  # about so many entries a unit of work
_CHECKPOINTS = 500


@dataclass
class Verification:
    """How far a verification is: begin with `begin`, go on with `verify_part` until it is `over`."""

    proof: Proof
    witnessed_at: datetime | None = None
    witnessed_size: int = 0
    finding: Finding | None = None
    over: bool = False
    size: int = 0


class Held(Mapping[int, Witnessed]):
    """What a witness holds, by number of checkpoint; a line is read anew when asked for: little stands in memory."""

    def __init__(self, lines: Sequence[bytes], places: Mapping[int, int]) -> None:
        self._lines, self._places = lines, places

    def __getitem__(self, number: int) -> Witnessed:
        line = read_line(self._lines[self._places[number]])
        return Witnessed(line.note, line.leaves)

    def __contains__(self, number: object) -> bool:
        return number in self._places

    def __iter__(self) -> Iterator[int]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


def read_witness(texts: Sequence[bytes]) -> Held:
    """What a witness's file holds; its lines must stay at hand.

    Raises Invalid("witness_unreadable" | "witness_forged" | "witness_forked" | "witness_inconsistent", line=…): the
    file contradicts itself or our key, whatever the database says.
    """
    places: dict[int, int] = {}
    held = Held(texts, places)
    before: Checkpoint | None = None
    for place, text in enumerate(texts):
        line, stated = _read(text, place + 1)
        if line.number in held:
            if held[line.number].note != line.note:
                raise Invalid("witness_forked", line=place + 1, checkpoint=line.number)
            continue  # given twice: the first time was not heard
        if before is not None and before.number + 1 == stated.number:
            grown = verify_consistency(before.size, stated.size, before.root, stated.root, line.proof)
            if not grown or len(line.leaves) != stated.size - before.size:
                raise Invalid("witness_inconsistent", line=place + 1, checkpoint=line.number)
        places[line.number], before = place, stated
    return held


def begin(ctx: Context, witnessed: Mapping[int, Witnessed]) -> Verification:
    """A verification against what a witness holds (nothing: against the stored checkpoints alone)."""
    require(ctx, Permission.AUDIT_SEAL)
    known = Known(queries.count_leaves(), queries.place_of, queries.belongs_at)
    last = read_checkpoint(witnessed[max(witnessed)].note) if witnessed else None
    return Verification(
        Proof(known, witnessed), witnessed_at=last.at if last else None, witnessed_size=last.size if last else 0
    )


def verify_part(ctx: Context, state: Verification) -> None:
    """Go on for a part. The end is on record: whether the audit is whole, and up to how many entries."""
    require(ctx, Permission.AUDIT_SEAL)
    start, proof = state.proof.tree.size, state.proof
    read = _reader(start)
    notes = {found.number: found.note for found in queries.list_checkpoints(proof.number, _CHECKPOINTS)}
    last_stored = max(notes, default=0)
    last = last_stored if len(notes) == _CHECKPOINTS else max(last_stored, max(proof.witnessed, default=0))
    for number in range(proof.number + 1, last + 1):
        state.finding = proof.check(number, notes.get(number), read)
        if state.finding or proof.tree.size - start >= PART:
            break
    if state.finding is None and proof.number >= last and len(notes) < _CHECKPOINTS:
        beyond, newest = _beyond(proof), queries.last_checkpoint()
        state.over = newest is None or newest.number <= proof.number  # else the notary has gone on meanwhile
        state.finding = beyond if state.over else None
    state.over = state.over or state.finding is not None
    state.size = proof.tree.size
    if state.over:
        found = state.finding
        told: dict[str, Any] = (
            {"what": found.what.value, "place": found.seq, "entry_id": found.entry_id} if found else {}
        )
        record(ctx, "audit.verified", "audit", size=state.size, whole=found is None, **told)


def is_due(ctx: Context) -> bool:
    """Whether the last verification is long ago."""
    require(ctx, Permission.AUDIT_SEAL)
    last = entries.last_verification()
    return last is None or last.at < ctx.now - EVERY


def alarm_broken(ctx: Context, state: Verification) -> None:
    """Tell the auditors and administrators of every centre, once for each finding."""
    require(ctx, Permission.AUDIT_SEAL)
    tell_guardians(ctx, "audit_broken", f"{state.finding}")


_HOW = {
    Wrong.EDITED: "was edited", Wrong.REMOVED: "was removed", Wrong.REORDERED: "does not stand where it was sealed",
    Wrong.INSERTED: "was inserted",
}  # fmt: skip
_CHECKPOINT_HOW = {
    Wrong.FORGED: "is not signed by this service's key, or does not follow the one before it",
    Wrong.FORKED: "is not the one that the witness holds, though our key signed it",
    Wrong.LOST: "is gone",
    Wrong.UNPROVEN: "does not fit: its entries do not give the root that was signed",
}


def sentences(state: Verification) -> list[str]:
    """What came out, in plain words."""
    found = state.finding
    held = (
        f"last witnessed checkpoint {max(state.proof.witnessed)} of {state.witnessed_at},"
        f" {state.witnessed_size} entries"
        if state.proof.witnessed else "compared with no witness"
    )  # fmt: skip
    if found is None:
        return [f"Whole: {state.size} entries, {held}."]
    before = f"Before it, {state.size} entries are as they were sealed; {held}."
    if found.what in _HOW:
        entry = f"entry {found.entry_id}" if found.entry_id else "an entry"
        place = f" (place {found.seq})" if found.seq is not None else " (it never got a place)"
        return [f"NOT whole: {entry}{place} {_HOW[found.what]}.", before]
    first = f"The first entry that can be wrong has place {found.seq}"
    until = f", the last {found.until}." if found.until is not None else "."
    return [f"NOT whole: checkpoint {found.checkpoint} {_CHECKPOINT_HOW[found.what]}.", first + until, before]


def prove_inclusion(ctx: Context, entry_id: uuid.UUID) -> tuple[int, Checkpoint, list[str], bool]:
    """An entry's place, the last checkpoint, the proof that leads from it to the signed root, and whether it does.

    Raises NotFound("audit_entry") for one that stands in no tree (yet), Invalid("checkpoint_forged").
    """
    require(ctx, Permission.AUDIT_SEAL)
    place, last = queries.place_of(entry_id), queries.last_checkpoint()
    if place is None or last is None:
        raise NotFound("audit_entry", entry_id)
    try:
        checkpoint = read_checkpoint(last.note)
    except BadCheckpoint as error:
        raise Invalid("checkpoint_forged", checkpoint=last.number) from error
    proof = inclusion_proof(place, checkpoint.size, lambda start, stop: root_of(
        digest for _entry_id, digest in queries.leaf_hashes(start, stop)
    ))  # fmt: skip
    found = queries.list_leaves(place, place + 1)[0]
    digest = leaf_hash(leaf_data(place, found.columns)) if found.columns is not None else b""
    leads = verify_inclusion(digest, place, checkpoint.size, proof, checkpoint.root)
    return place, checkpoint, [base64.b64encode(node).decode() for node in proof], leads


def _read(text: bytes, place: int) -> tuple[Line, Checkpoint]:
    try:
        line = read_line(text)
    except ValueError as error:
        raise Invalid("witness_unreadable", line=place) from error
    try:
        stated = read_checkpoint(line.note)
    except BadCheckpoint as error:
        raise Invalid("witness_forged", line=place, checkpoint=line.number) from error
    if stated.number != line.number:
        raise Invalid("witness_forged", line=place, checkpoint=line.number)
    return line, stated


def _reader(start: int) -> Callable[[int, int], Sequence[Leaf]]:
    """Leaves of a part, in one statement where the spans of its checkpoints lie within it."""
    cached = {leaf.seq: leaf for leaf in queries.list_leaves(start, start + PART)}

    def read(first: int, stop: int) -> Sequence[Leaf]:
        if stop > start + PART:
            return queries.list_leaves(first, stop)
        return [cached[seq] for seq in range(first, stop) if seq in cached]

    return read


def _beyond(proof: Proof) -> Finding | None:
    """What stands after the last checkpoint, where nothing may."""
    left = queries.list_leaves(proof.tree.size, proof.tree.size + 1)
    if left or queries.count_leaves() > proof.tree.size:
        return Finding(Wrong.INSERTED, None, left[0].seq if left else None, left[0].entry_id if left else None)
    unsealed = queries.first_unsealed()
    return Finding(Wrong.INSERTED, entry_id=unsealed) if unsealed else None
