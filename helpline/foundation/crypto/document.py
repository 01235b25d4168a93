"""What a key file says: made new, sealed from the plain format of before, and read back into keys."""

import base64
import binascii
import json
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, cast, get_args

from helpline.foundation.crypto import keyfile
from helpline.foundation.crypto.keyfile import KEY_BYTES, KeyRingError, encoded
from helpline.foundation.crypto.shares import new_shares, wrap_for_pairs
from helpline.foundation.failpoints import failpoint

SecretName = Literal["index", "context", "link", "cookie", "checkpoint"]
SECRET_NAMES: tuple[SecretName, ...] = get_args(SecretName)
# Every key file ever made holds these: without one it is damaged. A name added later is made where it is missing.
FIRST_SECRETS = ("index", "context", "link", "cookie")


def make_keys(path: Path, *, generated: bool, machine: Path | None = None, holders: int = 0) -> list[str]:
    """Write a new key file and its machine key. Raises KeyRingError rather than touch a key file that exists.

    `generated` marks keys that were made unasked for development; production refuses them. Gives the codes of the
    shares, if there are to be holders.
    """
    machine = machine or keyfile.machine_beside(path)
    ring = {name: encoded(secrets.token_bytes(KEY_BYTES)) for name in SECRET_NAMES}
    ring_key = secrets.token_bytes(KEY_BYTES)
    shares = new_shares(holders) if holders else []
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with keyfile.locked(path.parent):
        if path.exists():
            raise KeyRingError(f"{path} already holds keys and is left alone; move it away to make new ones.")
        first: dict[str, Any] = {"generated": generated, "master": {"1": encoded(secrets.token_bytes(KEY_BYTES))}}
        key = keyfile.new_machine(machine)
        keyfile.write(path, _document(key, ring_key, first | ring) | {"pairs": wrap_for_pairs(shares, ring_key)})
    return [share.code for share in shares]


def upgrade(path: Path, machine: Path) -> dict[str, Any]:
    """Seal a key file of the plain format, in its place; killed anywhere, it is what it was, or what it should be."""
    with keyfile.locked(path.parent):
        plain = keyfile.read(path)
        if plain.get("format") != keyfile.PLAIN_FORMAT:
            return plain  # another process was first
        if not isinstance(plain.get("master"), dict):
            raise KeyRingError(f"The key file {path} is not a key ring; make one with `flask make-keys`.")
        ring = {name: value for name, value in plain.items() if name != "format"}
        keys_of(path, ring)
        key = keyfile.read_machine(machine) or keyfile.new_machine(machine)
        failpoint("keys.upgrade.after_machine")
        document = _document(key, secrets.token_bytes(KEY_BYTES), ring)
        keyfile.write(path, document, "keys.upgrade.before_replace")
        failpoint("keys.upgrade.after_replace")
    return document


def _document(machine_key: bytes, ring_key: bytes, ring: Mapping[str, Any]) -> dict[str, Any]:
    wrapped = keyfile.seal(machine_key, ring_key, keyfile.MACHINE)
    return {"format": keyfile.FORMAT, "ring": sealed_ring(ring_key, ring), "machine": wrapped, "pairs": {}}


def sealed_ring(ring_key: bytes, ring: Mapping[str, Any]) -> str:
    return keyfile.seal(ring_key, json.dumps(ring).encode(), keyfile.RING)


def unsealed_ring(path: Path, document: Mapping[str, Any], ring_key: bytes) -> dict[str, Any]:
    plain = keyfile.unseal(ring_key, document.get("ring"), keyfile.RING)
    if plain is None:
        raise KeyRingError(f"The key file {path} is damaged; restore it from your backup of the keys.")
    return cast("dict[str, Any]", json.loads(plain))


def refuse_unknown(path: Path, document: Mapping[str, Any]) -> None:
    if document.get("format") != keyfile.FORMAT:
        raise KeyRingError(f"The key file {path} is not a key ring; make one with `flask make-keys`.")


def keys_of(path: Path, ring: Mapping[str, Any]) -> tuple[dict[int, bytes], dict[str, bytes]]:
    """Masters by version, and secrets by name."""
    masters = {int(v): _decoded(path, "master", k) for v, k in ring["master"].items() if v.isdecimal()}
    if not masters:
        raise KeyRingError(f"The key file {path} holds no master key; restore it from a backup.")
    there = [name for name in SECRET_NAMES if name in ring or name in FIRST_SECRETS]
    return masters, {name: _decoded(path, name, ring.get(name)) for name in there}


def with_new_secrets(ring: dict[str, Any]) -> None:
    for name in SECRET_NAMES:
        ring.setdefault(name, encoded(secrets.token_bytes(KEY_BYTES)))


def next_version(ring: Mapping[str, Any]) -> str:
    return str(max(int(version) for version in ring["master"]) + 1)


def _decoded(path: Path, name: str, text: object) -> bytes:
    try:
        key = base64.b64decode(cast("str", text), validate=True)
    except (TypeError, binascii.Error, ValueError):
        key = b""
    if len(key) != KEY_BYTES:
        raise KeyRingError(f"The key '{name}' in {path} is missing or not {KEY_BYTES} bytes; restore it from a backup.")
    return key
