"""Whether the audit is whole: every entry under the root that was signed over it, and signed as a witness holds it.

Pure: the caller reads checkpoints and leaves in order and hands them over, a span (what one checkpoint added) at a
time. The first thing that is wrong is named, and nothing after it is looked at. A witness's copy holds ids and hashes
of entries, so that the very entry is named even where somebody rewrote the whole tree and signed it again; without
one, a tree that was computed anew can only be told from the last root that is still right.
"""

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from helpline.foundation.audit.checkpoints import (
    FIRST,
    BadCheckpoint,
    Checkpoint,
    digest_of,
    leaf_data,
    read_checkpoint,
)
from helpline.foundation.audit.tree import Tree, leaf_hash


class Wrong(StrEnum):
    """What can be wrong, as it is said."""

    EDITED = "edited"
    REMOVED = "removed"
    REORDERED = "reordered"
    INSERTED = "inserted"
    FORGED = "forged"  # a checkpoint that our key did not sign, or whose number or predecessor is another
    FORKED = "forked"  # a checkpoint of our key, but not the one that the witness holds
    LOST = "lost"  # a checkpoint that is no longer there
    UNPROVEN = "unproven"  # each entry fits its leaf, but the leaves do not give the root that was signed


@dataclass(frozen=True, slots=True)
class Finding:
    """The first thing that is wrong. `seq`: its place in the tree; `until`: the last place it may be at."""

    what: Wrong
    checkpoint: int | None = None
    seq: int | None = None
    entry_id: uuid.UUID | None = None
    until: int | None = None


@dataclass(frozen=True, slots=True)
class Leaf:
    """A stored leaf; `columns` is its entry's (COLUMNS as text), None where the entry is gone."""

    seq: int
    entry_id: uuid.UUID
    leaf_hash: bytes
    columns: Sequence[str | None] | None


@dataclass(frozen=True, slots=True)
class Witnessed:
    """What a witness holds of one checkpoint: its note, and (id, hash) of each entry it added."""

    note: str
    leaves: Sequence[tuple[uuid.UUID, bytes]]


@dataclass(frozen=True, slots=True)
class Known:
    """Where else something stands; asked only about what is wrong. Places are those of the tree as it is stored."""

    size: int
    place_of: Callable[[uuid.UUID], int | None]  # where an entry's leaf stands
    belongs_at: Callable[[int, bytes], int | None]  # whose entry would give this hash at that place


@dataclass
class Proof:
    """The state of going through it."""

    known: Known
    witnessed: Mapping[int, Witnessed] = field(default_factory=dict)
    tree: Tree = field(default_factory=Tree)
    number: int = 0
    last_note: str = ""
    suspect: Finding | None = None

    def check(self, number: int, note: str | None, read: Callable[[int, int], Sequence[Leaf]]) -> Finding | None:
        """Go through one checkpoint (`note` None: it is gone) and what it added: `read(start, stop)` gives the leaves.

        Numbers are to be given in order, those that a witness holds beyond the stored ones as well.
        """
        wrong, held = self._judge(number, note), self.witnessed.get(number)
        told = held.note if held else note
        try:
            stated = read_checkpoint(told) if told else None
        except BadCheckpoint:
            stated = None
        if stated is None:
            return wrong
        finding = self._take(stated, held.leaves if held else (), read(self.tree.size, stated.size))
        self.number, self.last_note = number, note or ""
        if finding and finding.what is not Wrong.UNPROVEN:
            return finding
        wrong = self.suspect or wrong or finding
        if wrong and number + 1 in self.witnessed:  # what the witness holds further on may name the very entry
            self.suspect = wrong
            return None
        return wrong

    def _judge(self, number: int, note: str | None) -> Finding | None:
        held = self.witnessed.get(number)
        if note is None:
            return Finding(Wrong.LOST, number, self.tree.size)
        try:
            stated = read_checkpoint(note)
        except BadCheckpoint:
            return Finding(Wrong.FORGED, number, self.tree.size)
        if held and held.note != note:
            return Finding(Wrong.FORKED, number, self.tree.size)
        previous = digest_of(self.last_note) if self.last_note else FIRST
        if (stated.number, stated.previous) != (number, previous) or stated.size < self.tree.size:
            return Finding(Wrong.FORGED, number, self.tree.size)
        return None

    def _take(
        self, stated: Checkpoint, witnessed: Sequence[tuple[uuid.UUID, bytes]], leaves: Sequence[Leaf]
    ) -> Finding | None:  # fmt: skip
        stored, start = {leaf.seq: leaf for leaf in leaves}, self.tree.size
        for seq in range(start, stated.size):
            should = witnessed[seq - start] if seq - start < len(witnessed) else None
            leaf = stored.get(seq)
            finding = self._look(seq, leaf, should, stated.number)
            if finding or leaf is None:
                return finding
            self.tree.add(leaf.leaf_hash)
        if self.tree.root() != stated.root:
            return Finding(Wrong.UNPROVEN, stated.number, start, until=max(stated.size - 1, start))
        return None

    def _look(
        self, seq: int, leaf: Leaf | None, should: tuple[uuid.UUID, bytes] | None, number: int
    ) -> Finding | None:  # fmt: skip
        if should and (leaf is None or leaf.entry_id != should[0]):
            elsewhere = self.known.place_of(should[0])
            if leaf is not None and not self._is_witnessed(leaf.entry_id):
                inserted = elsewhere is not None
                return Finding(Wrong.INSERTED if inserted else Wrong.REMOVED, number, seq,
                               leaf.entry_id if inserted else should[0])  # fmt: skip
            return Finding(Wrong.REMOVED if elsewhere is None else Wrong.REORDERED, number, seq, should[0])
        if leaf is None or leaf.columns is None:
            return Finding(Wrong.REMOVED, number, seq, leaf.entry_id if leaf else None)
        actual = leaf_hash(leaf_data(seq, leaf.columns))
        if should and actual != should[1]:
            return Finding(Wrong.EDITED, number, seq, leaf.entry_id)
        if actual != leaf.leaf_hash:
            moved = self._stood_elsewhere(leaf) or self.known.belongs_at(seq, leaf.leaf_hash) is not None
            return Finding(Wrong.REORDERED if moved else Wrong.EDITED, number, seq, leaf.entry_id)
        return None

    def _is_witnessed(self, entry_id: uuid.UUID) -> bool:
        """Whether the witness holds it anywhere. Goes through all: for an audit already broken."""
        return any(entry_id == held for line in self.witnessed.values() for held, _hash in line.leaves)

    def _stood_elsewhere(self, leaf: Leaf) -> bool:
        """Whether the leaf's hash is its entry's at some other place: it was moved, not edited."""
        if leaf.columns is None:
            return False
        return any(leaf_hash(leaf_data(seq, leaf.columns)) == leaf.leaf_hash for seq in range(self.known.size))
