"""Hash trees as in RFC 6962, section 2.1: pure, over leaf hashes in order, in as little memory as a proof needs.

A tree of n leaves is kept as its *peaks*: the roots of the full subtrees that the binary digits of n name, widest
first. Adding a leaf to a tree of a million touches twenty hashes.
"""

from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256

Subtree = Callable[[int, int], bytes]  # the root over the leaves from the first place to before the second
EMPTY = sha256(b"").digest()


def leaf_hash(data: bytes) -> bytes:
    """The hash of one entry: marked, so that no inner node can be passed off as a leaf."""
    return sha256(b"\0" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return sha256(b"\1" + left + right).digest()


class Tree:
    """A growing tree: its size and its peaks."""

    __slots__ = ("peaks", "size")

    def __init__(self, size: int = 0, peaks: Iterable[bytes] = ()) -> None:
        """Go on from a stored size and its peaks. Raises ValueError when they don't belong together."""
        self.size, self.peaks = size, list(peaks)
        if len(self.peaks) != size.bit_count():
            raise ValueError("a tree has one peak for each binary digit of its size")

    def add(self, leaf: bytes) -> None:
        size = self.size
        while size & 1:
            leaf = node_hash(self.peaks.pop(), leaf)
            size >>= 1
        self.peaks.append(leaf)
        self.size += 1

    def root(self) -> bytes:
        return _fold(self.peaks)

    def subtree(self, leaves: Sequence[bytes]) -> Subtree:
        """What a consistency proof from this tree to the one with `leaves` added asks for."""

        def root_between(start: int, stop: int) -> bytes:
            if start >= self.size:
                return root_of(leaves[start - self.size : stop - self.size])
            place, inside = 0, []
            for peak, width in zip(self.peaks, _widths(self.size), strict=True):
                if start <= place < stop:
                    inside.append(peak)
                place += width
            return _fold(inside)

        return root_between


def root_of(leaves: Iterable[bytes]) -> bytes:
    """The root over these leaf hashes."""
    tree = Tree()
    for leaf in leaves:
        tree.add(leaf)
    return tree.root()


def inclusion_proof(place: int, size: int, subtree: Subtree) -> list[bytes]:
    """PATH(m, D[n]): the siblings on the way from leaf `place` to the root over `size` leaves."""
    start, stop, proof = 0, size, []
    while stop - start > 1:
        middle = start + _split(stop - start)
        if place < middle:
            proof.append(subtree(middle, stop))
            stop = middle
        else:
            proof.append(subtree(start, middle))
            start = middle
    return proof[::-1]


def consistency_proof(old: int, new: int, subtree: Subtree) -> list[bytes]:
    """PROOF(m, D[n]): what shows that the tree of `new` leaves begins with the one of `old`. Empty if none grew."""
    if old in {0, new}:
        return []
    start, stop, proof, whole = 0, new, [], True
    while old < stop:
        middle = start + _split(stop - start)
        if old <= middle:
            proof.append(subtree(middle, stop))
            stop = middle
        else:
            proof.append(subtree(start, middle))
            start, whole = middle, False
    return ([] if whole else [subtree(start, stop)]) + proof[::-1]


def verify_inclusion(leaf: bytes, place: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """Whether `proof` leads from this leaf at this place to the root over `size` leaves (RFC 9162, 2.1.3.2)."""
    if not 0 <= place < size:
        return False
    node, last = place, size - 1
    for sibling in proof:
        if last == 0:
            return False
        if node & 1 or node == last:
            leaf = node_hash(sibling, leaf)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            leaf = node_hash(leaf, sibling)
        node, last = node >> 1, last >> 1
    return last == 0 and leaf == root


def verify_consistency(old: int, new: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]) -> bool:
    """Whether `proof` shows that the tree of `new` leaves begins with the one of `old` (RFC 9162, 2.1.4.2)."""
    if old in {0, new}:
        return not proof and (old_root == EMPTY if old == 0 else old_root == new_root)
    if not 0 < old < new or not proof:
        return False
    path = [old_root, *proof] if old.bit_count() == 1 else list(proof)
    node, last = old - 1, new - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    before = after = path[0]
    for sibling in path[1:]:
        if last == 0:
            return False
        if node & 1 or node == last:
            before, after = node_hash(sibling, before), node_hash(sibling, after)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            after = node_hash(after, sibling)
        node, last = node >> 1, last >> 1
    return last == 0 and before == old_root and after == new_root


def _split(size: int) -> int:
    """The largest power of two below `size`: where a subtree is cut in two."""
    return 1 << (size - 1).bit_length() - 1


def _widths(size: int) -> list[int]:
    return [1 << bit for bit in reversed(range(size.bit_length())) if size >> bit & 1]


def _fold(peaks: Sequence[bytes]) -> bytes:
    if not peaks:
        return EMPTY
    *rest, root = peaks
    for peak in reversed(rest):
        root = node_hash(peak, root)
    return root
