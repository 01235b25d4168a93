from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpline.foundation.crypto import keyring
from helpline.foundation.crypto.records import NewRecord, Tampered, new_record_key, rewrap, seal, unseal

ROW = uuid4()
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(), lambda v: st.lists(v) | st.dictionaries(st.text(), v)
)


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])) | JSON)
def test_what_was_sealed_comes_back_as_it_was(value):
    key = new_record_key("calls", ROW)
    opened = unseal("calls", "narrative_sealed", ROW, key, seal("calls", "narrative_sealed", ROW, key, value))
    assert opened == value
    assert type(opened) is type(value)


def test_khmer_is_kept_to_the_byte_and_nothing_of_it_shows():
    key = new_record_key("calls", ROW)
    sealed = seal("calls", "narrative_sealed", ROW, key, "ស្រីនាង")
    assert unseal("calls", "narrative_sealed", ROW, key, sealed) == "ស្រីនាង"
    assert "ស្រីនាង".encode() not in sealed


@given(st.text(max_size=9, alphabet="abc"), st.text(max_size=28, alphabet="abc"))
def test_short_values_are_all_of_one_length(one, other):
    key = new_record_key("calls", ROW)
    lengths = {len(seal("calls", "name_sealed", ROW, key, value)) for value in (one, other)}
    assert lengths == {1 + 12 + 32 + 16}


def test_length_shows_in_steps_of_32_bytes_only():
    key = new_record_key("calls", ROW)
    lengths = [len(seal("calls", "a_sealed", ROW, key, "x" * n)) for n in (28, 29, 60, 61)]
    assert lengths == [61, 93, 93, 125]


def test_sealing_twice_gives_two_ciphertexts_and_two_rows_have_two_keys():
    key = new_record_key("calls", ROW)
    assert len({seal("calls", "a_sealed", ROW, key, "x") for _ in range(50)}) == 50
    bound = b"\0".join((b"row", b"calls", ROW.bytes))
    opened = {keyring.ring().unwrap(new_record_key("calls", ROW), bound) for _ in range(50)}
    assert len(opened) == 50


@pytest.mark.parametrize(
    "place", [("cases", "a_sealed", ROW), ("calls", "b_sealed", ROW), ("calls", "a_sealed", uuid4())]
)
def test_a_ciphertext_copied_elsewhere_does_not_open_even_with_a_key_bound_there(place):
    """The value's own binding is tested apart from the key's: the same data key is wrapped for the other place."""
    table, column, row_id = place
    key = new_record_key("calls", ROW)
    sealed = seal("calls", "a_sealed", ROW, key, "x")
    ring = keyring.ring()
    data_key = ring.unwrap(key, b"\0".join((b"row", b"calls", ROW.bytes)))
    key_there = ring.wrap(data_key, b"\0".join((b"row", table.encode(), row_id.bytes)))
    with pytest.raises(Tampered):
        unseal(table, column, row_id, key_there, sealed)


@pytest.mark.parametrize("place", [("cases", ROW), ("calls", uuid4())])
def test_a_record_key_copied_to_another_row_or_table_neither_opens_nor_seals(place):
    table, row_id = place
    key = new_record_key("calls", ROW)
    with pytest.raises(Tampered):
        seal(table, "a_sealed", row_id, key, "x")
    with pytest.raises(Tampered):
        unseal(table, "a_sealed", row_id, key, seal("calls", "a_sealed", ROW, key, "x"))


@given(st.data())
def test_any_changed_byte_is_noticed(data):
    key = new_record_key("calls", ROW)
    sealed = bytearray(seal("calls", "a_sealed", ROW, key, "17 Nov, at school"))
    sealed[data.draw(st.integers(0, len(sealed) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(Tampered):
        unseal("calls", "a_sealed", ROW, key, bytes(sealed))


def test_a_text_cannot_be_passed_off_as_json_and_rubbish_is_refused():
    key = new_record_key("calls", ROW)
    sealed = seal("calls", "a_sealed", ROW, key, "[1]")
    for wrong in (b"\x12" + sealed[1:], b"", b"\x11short", b"plain text that was never sealed at all"):
        with pytest.raises(Tampered):
            unseal("calls", "a_sealed", ROW, key, wrong)


def test_after_rotation_a_key_wrapped_anew_opens_the_old_values(key_path, installed_ring):
    ring = keyring.KeyRing.open(key_path)
    keyring.install(ring)
    try:
        key = new_record_key("calls", ROW)
        sealed = seal("calls", "a_sealed", ROW, key, "x")
        ring.add_master()
        newer = rewrap("calls", ROW, key)
        assert keyring.wrapped_under(newer) == 2
        assert unseal("calls", "a_sealed", ROW, newer, sealed) == unseal("calls", "a_sealed", ROW, key, sealed) == "x"
    finally:
        keyring.install(installed_ring)


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])) | JSON)
def test_the_first_values_of_a_new_row_open_like_any_other(value):
    row = NewRecord("calls", uuid4())
    assert unseal("calls", "narrative_sealed", row.id, row.record_key, row.seal("narrative_sealed", value)) == value
    with pytest.raises(Tampered):
        unseal("calls", "other_sealed", row.id, row.record_key, row.seal("narrative_sealed", value))
