"""Any two of the holders open the key file; one alone, a wrong one or an old one opens nothing and shows nothing."""

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpline.foundation.crypto import keyfile, shares
from helpline.foundation.crypto.keyring import Closed, KeyRing, KeyRingError, make_keys
from helpline.foundation.crypto.shares import (
    LETTERS,
    Share,
    ShareError,
    new_shares,
    open_by_pair,
    read_code,
    wrap_for_pairs,
)


@given(st.integers(2, 8), st.data())
def test_any_two_of_n_open_in_either_order_and_no_other_pair_does(holders, data):
    ring_key, made, others = b"r" * 32, new_shares(holders), new_shares(holders)
    pairs = wrap_for_pairs(made, ring_key)
    one, other = data.draw(st.permutations(made))[:2]
    assert open_by_pair(pairs, one, other) == open_by_pair(pairs, other, one) == ring_key
    assert open_by_pair(pairs, one, one) is None
    assert open_by_pair(pairs, one, others[other.holder - 1]) is None, "a share of another making"
    assert open_by_pair(pairs, one, Share(holders + 1, other.secret)) is None
    renamed = Share(one.holder, other.secret)
    assert open_by_pair(pairs, renamed, other) is None


@given(st.integers(1, 20), st.binary(min_size=20, max_size=20), st.data())
def test_a_code_comes_back_however_it_is_typed_and_one_wrong_letter_is_noticed(holder, secret, data):
    share = Share(holder, secret)
    code = share.code
    assert [len(group) for group in code.split("-")] == [5] * 8
    typed = code.lower().replace("-", " ").replace("0", "o").replace("1", data.draw(st.sampled_from("ilIL1")))
    assert read_code(code) == read_code(typed) == share
    at = data.draw(st.integers(0, 39))
    letters = list(code.replace("-", ""))
    letters[at] = data.draw(st.sampled_from([letter for letter in LETTERS if letter != letters[at]]))
    with pytest.raises(ShareError):
        read_code("".join(letters))


@pytest.mark.parametrize("typed", ["", "1234", "U" * 40, "0" * 39, "ក" * 40, "0" * 41])
def test_what_is_no_share_is_said_to_be_none(typed):
    with pytest.raises(ShareError):
        read_code(typed)


def test_a_share_does_not_show_its_secret():
    share = new_shares(2)[0]
    assert repr(share.secret) not in repr(share)


@pytest.mark.parametrize("holders", [-1, 1, 21])
def test_there_are_two_holders_at_least(tmp_path, holders):
    with pytest.raises(KeyRingError, match="2 to 20"):
        make_keys(tmp_path / "keys.json", generated=False, holders=holders)
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def held(tmp_path):
    path = tmp_path / "keys.json"
    return path, make_keys(path, generated=False, holders=3)


def test_two_holders_restore_what_the_machine_key_opened(held):
    path, codes = held
    before = KeyRing.open(path)
    keyfile.destroy_machine(keyfile.machine_beside(path))
    with pytest.raises(Closed):
        KeyRing.open(path)
    for first, second in itertools.permutations(codes, 2):
        assert KeyRing.by_shares(path, first, second).secret("index") == before.secret("index")
    KeyRing.by_shares(path, codes[0], codes[2]).renew_machine()
    assert KeyRing.open(path).master(1) == before.master(1)
    KeyRing.open(path).make_shares(2)
    with pytest.raises(Closed):  # those of before open this file no more
        KeyRing.by_shares(path, codes[0], codes[1])


def test_one_holder_alone_opens_nothing(held):
    path, codes = held
    for second in (codes[0], new_shares(3)[1].code):
        with pytest.raises(Closed, match="do not open") as refusal:
            KeyRing.by_shares(path, codes[0], second)
        assert codes[0] not in str(refusal.value)


def test_neither_the_ring_key_nor_a_secret_nor_a_share_stands_in_a_file(held):
    path, codes = held
    ring = KeyRing.open(path)
    ring.add_master()
    content = b"".join(file.read_bytes() for file in path.parent.iterdir())
    raw = content + b"".join(
        shares_free for shares_free in map(_decoded, _texts(json.loads(path.read_text()))) if shares_free
    )
    secrets = [
        ring._ring_key,
        ring.master(1),
        ring.master(2),
        *(ring.secret(n) for n in ("index", "context", "link", "cookie")),
    ]
    secrets += [shares.read_code(code).secret for code in codes]
    for secret in secrets:
        assert secret not in raw
        assert keyfile.encoded(secret).encode() not in raw
    for code in codes:
        assert code.encode() not in raw


def _texts(value):
    return [text for each in value.values() for text in _texts(each)] if isinstance(value, dict) else [value]


def _decoded(text):
    return keyfile.base64.b64decode(text) if isinstance(text, str) else b""
