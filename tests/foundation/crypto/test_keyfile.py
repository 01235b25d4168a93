"""Key files of the plain format are sealed in place; whatever is killed wherever, no key is lost."""

import json
import stat
import subprocess
import sys

import pytest

from helpline.foundation.crypto import document, keyfile
from helpline.foundation.crypto.keyfile import Closed, machine_beside
from helpline.foundation.crypto.keyring import KeyRing, KeyRingError, make_keys
from helpline.settings import ROOT
from tests.foundation.crypto.test_keyring import inside, plain


def test_a_plain_file_is_sealed_when_it_is_first_opened(key_path):
    before = KeyRing.open(key_path)
    wrapped = before.wrap(b"k" * 32, b"row")
    plain(key_path)
    held = json.loads(key_path.read_text())
    ring = KeyRing.open(key_path)
    assert ring.unwrap(wrapped, b"row") == b"k" * 32
    assert ring.generated is True
    assert inside(key_path) == {name: value for name, value in held.items() if name != "format"}
    for secret in (held["master"]["1"], held["index"], held["cookie"]):
        assert secret not in key_path.read_text()
    for path in (key_path, machine_beside(key_path)):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert KeyRing.open(key_path).secret("link") == ring.secret("link")


def dies_at(point, tmp_path, call):
    """Run `call` in a process that is killed at the failpoint."""
    points = tmp_path / "points"
    points.write_text(point)
    program = (
        "from pathlib import Path\nfrom helpline.foundation.failpoints import use_failpoints_file\n"
        "from helpline.foundation.crypto.keyring import KeyRing\n"
        f"use_failpoints_file(Path({str(points)!r}))\n{call}\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False)
    assert done.returncode == -9, "it was not killed"
    points.unlink()


@pytest.mark.parametrize(
    "point", ["keys.upgrade.after_machine", "keys.upgrade.before_replace", "keys.upgrade.after_replace"]
)
def test_sealing_killed_anywhere_loses_nothing(key_path, tmp_path, point):
    secrets = inside(key_path)
    plain(key_path)
    dies_at(point, tmp_path, f"KeyRing.open(Path({str(key_path)!r}))")
    KeyRing.open(key_path)
    assert inside(key_path) == secrets


@pytest.mark.parametrize("point", ["keys.write", "keys.open.before_machine"])
def test_opening_killed_anywhere_leaves_it_closed_and_to_be_opened_again(tmp_path, point):
    path = tmp_path / "keys.json"
    codes = make_keys(path, generated=False, holders=2)
    index = KeyRing.open(path).secret("index")
    keyfile.destroy_machine(machine_beside(path))
    call = f"KeyRing.by_shares(Path({str(path)!r}), {codes[0]!r}, {codes[1]!r}).renew_machine()"
    dies_at(point, tmp_path, call)
    with pytest.raises(Closed):
        KeyRing.open(path)
    KeyRing.by_shares(path, *codes).renew_machine()
    assert KeyRing.open(path).secret("index") == index


def test_a_new_master_killed_before_it_stands_is_none(key_path, tmp_path):
    dies_at("keys.write", tmp_path, f"KeyRing.open(Path({str(key_path)!r})).add_master()")
    assert KeyRing.open(key_path).versions() == [1]


def test_a_secret_added_by_a_newer_version_is_made_and_kept(key_path, monkeypatch):
    before = KeyRing.open(key_path)
    monkeypatch.setattr(document, "SECRET_NAMES", (*document.SECRET_NAMES, "later"))
    made = KeyRing.open(key_path).secret("later")
    assert len(made) == 32
    assert KeyRing.open(key_path).secret("later") == made
    assert KeyRing.open(key_path).secret("index") == before.secret("index")


def test_an_old_master_is_destroyed_and_the_one_in_use_is_not(key_path):
    ring = KeyRing.open(key_path)
    old = ring.wrap(b"k" * 32, b"row")
    with pytest.raises(ValueError):
        ring.retire_master(1)
    ring.add_master()
    ring.retire_master(1)
    ring.retire_master(1)
    assert KeyRing.open(key_path).versions() == [2]
    with pytest.raises(KeyRingError, match="Master key 1"):
        KeyRing.open(key_path).unwrap(old, b"row")
    assert ring.add_master() == 3


@pytest.mark.parametrize("content", [b"", b"short", b"x" * 33])
def test_a_machine_key_that_is_none_leaves_it_closed(key_path, content):
    machine_beside(key_path).write_bytes(content)
    with pytest.raises(Closed):
        KeyRing.open(key_path)


def test_a_machine_key_of_another_file_opens_nothing(key_path, tmp_path):
    make_keys(tmp_path / "other.json", generated=True)
    with pytest.raises(Closed):
        KeyRing.open(key_path, machine_beside(tmp_path / "other.json"))


def test_a_machine_key_open_to_others_is_refused(key_path):
    machine_beside(key_path).chmod(0o640)
    with pytest.raises(KeyRingError, match="chmod 600"):
        KeyRing.open(key_path)


def test_a_machine_key_may_stand_elsewhere(tmp_path):
    path, machine = tmp_path / "a" / "keys", tmp_path / "b" / "machine"
    make_keys(path, generated=True, machine=machine)
    assert [file.name for file in path.parent.iterdir()] == ["keys"]
    KeyRing.open(path, machine)
    with pytest.raises(Closed):
        KeyRing.open(path)


def test_a_destroyed_machine_key_is_overwritten_first(key_path, tmp_path):
    machine = machine_beside(key_path)
    key = machine.read_bytes()
    (tmp_path / "same").hardlink_to(machine)
    keyfile.destroy_machine(machine)
    keyfile.destroy_machine(machine)
    assert not machine.exists()
    assert (tmp_path / "same").read_bytes() != key


def test_a_folder_that_cannot_be_written_is_named(key_path, monkeypatch):
    def full(*_args, **_kwargs):
        raise OSError(28, "No space left")

    ring = KeyRing.open(key_path)
    monkeypatch.setattr(keyfile, "write_beside", full)
    with pytest.raises(KeyRingError, match="can't be written"):
        ring.add_master()
    with pytest.raises(KeyRingError, match="can't be written"):
        keyfile.new_machine(machine_beside(key_path))
