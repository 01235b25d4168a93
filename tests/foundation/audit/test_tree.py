"""Hash trees: against the definitions of RFC 6962 taken literally, and the roots that its authors' own program gives."""

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpline.foundation.audit.tree import (
    EMPTY,
    Tree,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    node_hash,
    root_of,
    verify_consistency,
    verify_inclusion,
)

# certificate-transparency/cpp/merkletree/merkle_tree_test.cc: eight inputs, and the roots over the first 1…8 of them
INPUTS = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
sizes = st.integers(1, 70)


def leaves_of(size):
    return [leaf_hash(str(place).encode()) for place in range(size)]


def cut(size):
    k = 1
    while k * 2 < size:
        k *= 2
    return k


def mth(leaves):  # section 2.1, word by word
    if not leaves:
        return sha256().digest()
    if len(leaves) == 1:
        return leaves[0]
    k = cut(len(leaves))
    return node_hash(mth(leaves[:k]), mth(leaves[k:]))


def path(m, leaves):  # section 2.1.1
    if len(leaves) == 1:
        return []
    k = cut(len(leaves))
    return [*path(m, leaves[:k]), mth(leaves[k:])] if m < k else [*path(m - k, leaves[k:]), mth(leaves[:k])]


def subproof(m, leaves, whole):  # section 2.1.2
    if m == len(leaves):
        return [] if whole else [mth(leaves)]
    k = cut(len(leaves))
    if m <= k:
        return [*subproof(m, leaves[:k], whole), mth(leaves[k:])]
    return [*subproof(m - k, leaves[k:], False), mth(leaves[:k])]


def spoiled(proof, at):
    return [node_hash(node, node) if place == at else node for place, node in enumerate(proof)]


@pytest.mark.parametrize("size", range(1, 9))
def test_the_known_roots(size):
    assert root_of(leaf_hash(bytes.fromhex(text)) for text in INPUTS[:size]).hex() == ROOTS[size - 1]


def test_the_empty_tree():
    assert root_of([]) == Tree().root() == EMPTY == sha256().digest()


@given(st.integers(0, 70), st.integers(0, 70))
def test_a_tree_goes_on_from_its_peaks(old, more):
    leaves = leaves_of(old + more)
    first = Tree()
    for leaf in leaves[:old]:
        first.add(leaf)
    second = Tree(first.size, first.peaks)
    for leaf in leaves[old:]:
        second.add(leaf)
    assert (second.size, second.root()) == (old + more, mth(leaves))
    assert first.root() == mth(leaves[:old])


def test_peaks_of_another_size_are_refused():
    with pytest.raises(ValueError, match="one peak"):
        Tree(3, [EMPTY])


@given(sizes, st.data())
def test_inclusion(size, data):
    leaves, place = leaves_of(size), data.draw(st.integers(0, size - 1))
    proof = inclusion_proof(place, size, lambda start, stop: mth(leaves[start:stop]))
    root = mth(leaves)
    assert proof == path(place, leaves)
    assert verify_inclusion(leaves[place], place, size, proof, root)
    assert not verify_inclusion(leaf_hash(b"another"), place, size, proof, root)
    assert not verify_inclusion(leaves[place], place, size, proof, leaf_hash(b"another"))
    assert not verify_inclusion(leaves[place], place, size, [*proof, root], root)
    assert not verify_inclusion(leaves[place], size, size, proof, root)
    other = data.draw(st.integers(0, size - 1))
    assert verify_inclusion(leaves[place], other, size, proof, root) == (other == place)
    if proof:
        assert not verify_inclusion(leaves[place], place, size, proof[:-1], root)
        at = data.draw(st.integers(0, len(proof) - 1))
        assert not verify_inclusion(leaves[place], place, size, spoiled(proof, at), root)


@given(sizes, st.data())
def test_consistency(new, data):
    leaves, old = leaves_of(new), data.draw(st.integers(1, new))
    proof = consistency_proof(old, new, lambda start, stop: mth(leaves[start:stop]))
    before, after = mth(leaves[:old]), mth(leaves)
    assert proof == subproof(old, leaves, True)
    assert verify_consistency(old, new, before, after, proof)
    assert not verify_consistency(old, new, leaf_hash(b"another"), after, proof)
    assert not verify_consistency(old, new, before, leaf_hash(b"another"), proof)
    assert not verify_consistency(old, new, before, after, [*proof, after])
    assert not verify_consistency(new + 1, new, before, after, proof)
    if proof:
        assert not verify_consistency(old, new, before, after, [])
        assert not verify_consistency(old, new, before, after, proof[:-1])
        at = data.draw(st.integers(0, len(proof) - 1))
        assert not verify_consistency(old, new, before, after, spoiled(proof, at))


@given(sizes, st.data())
def test_the_peaks_and_what_is_new_are_enough_for_a_consistency_proof(new, data):
    leaves, old = leaves_of(new), data.draw(st.integers(0, new))
    tree = Tree()
    for leaf in leaves[:old]:
        tree.add(leaf)
    proof = consistency_proof(old, new, tree.subtree(leaves[old:]))
    assert proof == consistency_proof(old, new, lambda start, stop: mth(leaves[start:stop]))
    assert verify_consistency(old, new, tree.root(), mth(leaves), proof)


def test_everything_begins_with_nothing():
    assert verify_consistency(0, 5, EMPTY, mth(leaves_of(5)), [])
    assert not verify_consistency(0, 5, leaf_hash(b""), mth(leaves_of(5)), [])
