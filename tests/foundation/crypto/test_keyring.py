import base64
import copy
import json
import os
import pickle
import stat

import pytest

from helpline.foundation.crypto import keyfile, keyring
from helpline.foundation.crypto.document import SECRET_NAMES
from helpline.foundation.crypto.keyring import KeyRing, KeyRingError, Tampered, make_keys, wrapped_under


def inside(path):
    """What the key file seals, opened as an attacker with both files would."""
    machine = keyfile.read_machine(keyfile.machine_beside(path))
    outside = json.loads(path.read_text())
    return json.loads(
        keyfile.unseal(keyfile.unseal(machine, outside["machine"], keyfile.MACHINE), outside["ring"], keyfile.RING)
    )


def plain(path, **changes):
    """The same keys in the plain format of before, without a machine key."""
    document = {"format": 1, **inside(path), **changes}
    path.write_text(json.dumps({k: v for k, v in document.items() if v is not None}))
    keyfile.machine_beside(path).unlink()


def test_a_new_ring_is_for_its_owner_only_and_says_whether_it_was_generated(key_path, tmp_path):
    assert stat.S_IMODE(key_path.stat().st_mode) == 0o600
    assert KeyRing.open(key_path).generated is True
    make_keys(tmp_path / "own.json", generated=False)
    assert KeyRing.open(tmp_path / "own.json").generated is False
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "keys.json", "keys.json.machine", "own.json", "own.json.machine",
    ]  # fmt: skip


def test_the_mode_does_not_depend_on_the_umask(tmp_path):
    before = os.umask(0)
    try:
        make_keys(tmp_path / "deep" / "keys.json", generated=True)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "deep" / "keys.json").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "deep").stat().st_mode) == 0o700


def test_keys_are_never_overwritten(key_path):
    before = key_path.read_bytes()
    with pytest.raises(KeyRingError, match="already holds keys"):
        make_keys(key_path, generated=True)
    assert key_path.read_bytes() == before
    assert sorted(p.name for p in key_path.parent.iterdir()) == ["keys.json", "keys.json.machine"]


def test_every_key_is_32_bytes_and_none_is_like_another(key_path):
    document = inside(key_path)
    keys = [document["master"]["1"], *(document[name] for name in SECRET_NAMES)]
    assert {len(base64.b64decode(k)) for k in keys} == {32}
    assert len(set(keys)) == 6


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o610, 0o644])
def test_a_file_open_to_others_is_refused(key_path, mode):
    key_path.chmod(mode)
    with pytest.raises(KeyRingError, match="chmod 600"):
        KeyRing.open(key_path)


SHORT = base64.b64encode(bytes(31)).decode()


@pytest.mark.parametrize(
    "changes",
    [
        {"format": 3},
        {"master": None},
        {"master": {}},
        {"master": "no"},
        {"master": {"1": SHORT}},
        {"index": None},
        {"context": SHORT},
        {"link": 12},
        {"cookie": "not base64!"},
    ],
)
def test_a_damaged_ring_is_refused_without_showing_keys(key_path, changes):
    plain(key_path, **changes)
    with pytest.raises(KeyRingError) as refusal:
        KeyRing.open(key_path)
    assert str(key_path) in str(refusal.value)
    assert SHORT not in str(refusal.value)


def test_missing_unreadable_and_foreign_files_each_have_their_sentence(tmp_path, key_path):
    with pytest.raises(KeyRingError, match="no key file at"):
        KeyRing.open(tmp_path / "none.json")
    with pytest.raises(KeyRingError, match="Is a directory"):
        KeyRing.open(tmp_path)
    with pytest.raises(KeyRingError, match="can't be read"):
        KeyRing.open(key_path / "below-a-file")
    for content in ("{", "[]"):
        key_path.write_text(content)
        with pytest.raises(KeyRingError, match="damaged"):
            KeyRing.open(key_path)


def test_a_pipe_in_the_place_of_the_file_does_not_hang(tmp_path):
    os.mkfifo(tmp_path / "pipe", 0o600)
    with pytest.raises(KeyRingError, match="not a file"):
        KeyRing.open(tmp_path / "pipe")


def test_nothing_of_the_keys_shows(key_path):
    ring = KeyRing.open(key_path)
    shown = repr(ring) + str(ring) + f"{ring!r:>5}"
    for secret in (ring.master(1), *(ring.secret(n) for n in SECRET_NAMES)):
        assert base64.b64encode(secret).decode() not in shown
        assert repr(secret) not in shown
    for leak in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError):
            leak(ring)
    assert not hasattr(ring, "__dict__")


def test_a_new_master_is_used_at_once_and_the_old_one_still_opens(key_path):
    ring = KeyRing.open(key_path)
    old = ring.wrap(b"k" * 32, b"row")
    assert ring.add_master() == 2 == ring.current_version
    new = ring.wrap(b"k" * 32, b"row")
    assert (wrapped_under(old), wrapped_under(new)) == (1, 2)
    assert ring.unwrap(old, b"row") == ring.unwrap(new, b"row") == b"k" * 32
    assert stat.S_IMODE(key_path.stat().st_mode) == 0o600
    assert sorted(p.name for p in key_path.parent.iterdir()) == ["keys.json", "keys.json.machine"]


def test_a_process_that_runs_meets_a_master_added_by_another(key_path):
    running, other = KeyRing.open(key_path), KeyRing.open(key_path)
    other.add_master()
    assert running.unwrap(other.wrap(b"k" * 32, b"row"), b"row") == b"k" * 32
    assert running.add_master() == 3


def test_a_process_that_does_not_know_of_another_s_master_adds_one_more(key_path):
    stale, other = KeyRing.open(key_path), KeyRing.open(key_path)
    other.add_master()
    assert stale.add_master() == 3
    assert stale.master(2) == other.master(2)


def test_a_master_that_is_lost_is_named(key_path):
    with pytest.raises(KeyRingError, match="Master key 7"):
        KeyRing.open(key_path).master(7)


@pytest.mark.parametrize("byte", [0, 1, 2, 3, 14, 15, 62])
def test_a_wrapped_key_with_a_changed_byte_does_not_open(key_path, byte):
    ring = KeyRing.open(key_path)
    ring.add_master()
    wrapped = bytearray(ring.wrap(b"k" * 32, b"row"))
    wrapped[byte] ^= 1 if byte != 2 else 3
    with pytest.raises(KeyRingError if byte == 1 else Tampered):
        ring.unwrap(bytes(wrapped), b"row")


def test_a_wrapped_key_opens_only_where_it_is_bound(key_path):
    ring = KeyRing.open(key_path)
    with pytest.raises(Tampered):
        ring.unwrap(ring.wrap(b"k" * 32, b"row"), b"other row")
    for cut in (b"", b"\x01\x00\x01abc"):
        with pytest.raises(Tampered):
            ring.unwrap(cut, b"row")


class Kms:
    def wrap(self, data_key, bound_to):
        return b"kms" + data_key + bound_to

    def unwrap(self, wrapped, bound_to):
        return wrapped[3:35]


def test_the_port_gives_what_was_installed_and_refuses_before(key_path, installed_ring):
    ring, kms = KeyRing.open(key_path), Kms()
    try:
        keyring.install(None)
        for ask in (keyring.ring, keyring.wrapper):
            with pytest.raises(KeyRingError, match="No key ring"):
                ask()
        keyring.install(ring)
        assert keyring.ring() is keyring.wrapper() is ring
        keyring.install(ring, kms)
        assert keyring.ring() is ring
        assert keyring.wrapper() is kms
    finally:
        keyring.install(installed_ring)
