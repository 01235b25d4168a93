"""What is signed of the audit: an entry's canonical bytes, and checkpoints as signed notes.

A checkpoint says "so many entries, under this root, at this time, after that checkpoint". Its text follows the
checkpoint and signed-note formats of C2SP (c2sp.org/tlog-checkpoint), so that programs of others can check it.
"""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256

import orjson
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from helpline.foundation.crypto.keyring import ring

# Every column of an entry, in the order in which it is hashed. Columns that come later join at the end and are left
# out where they are null: what was hashed before keeps its hash.
COLUMNS = (
    "id", "at", "centre_id", "actor_id", "actor_role", "channel", "request_id", "cause_id", "action", "outcome",
    "subject_kind", "subject_ids", "field_groups", "details",
)  # fmt: skip
FIRST = "-"
_ED25519 = b"\x01"
_SEPARATOR = "\n\n\u2014 "


class BadCheckpoint(Exception):
    """This text is no checkpoint that the given key signed."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """`number` counts from 1; `previous` is the digest of the checkpoint before, FIRST for the first."""

    number: int
    size: int
    root: bytes
    at: datetime
    previous: str


def leaf_data(seq: int, columns: Sequence[str | None]) -> bytes:
    """An entry as it is hashed: its place, and each of COLUMNS as text (see `queries.entry_columns`)."""
    return orjson.dumps([seq, *columns])


def digest_of(note: str) -> str:
    """By what the next checkpoint names this one."""
    return _text(sha256(note.encode()).digest())


def sign_checkpoint(checkpoint: Checkpoint) -> str:
    """The signed note, by the key ring's own key for checkpoints."""
    key = _signing_key()
    public = key.public_key()
    body = _body(checkpoint, origin(public))
    return f"{body}\n\u2014 {origin(public)} {_text(_key_hash(public) + key.sign(body.encode()))}\n"


def read_checkpoint(note: str, public: Ed25519PublicKey | None = None) -> Checkpoint:
    """The checkpoint that a note states. Raises BadCheckpoint unless `public` (ours by default) signed it as it is."""
    public = public or public_key()
    body, separator, signed = note.partition(_SEPARATOR)
    body += "\n"
    try:
        name, signature = signed.removesuffix("\n").split(" ")
        raw = base64.b64decode(signature, validate=True)
        if not separator or name != origin(public) or raw[:4] != _key_hash(public):
            raise BadCheckpoint
        public.verify(raw[4:], body.encode())
        lines = body.splitlines()
        found = Checkpoint(
            number=int(lines[3].removeprefix("number ")), size=int(lines[1]), root=base64.b64decode(lines[2]),
            at=datetime.fromisoformat(lines[4].removeprefix("at ")), previous=lines[5].removeprefix("previous "),
        )  # fmt: skip
    except (ValueError, IndexError, binascii.Error, InvalidSignature) as error:
        raise BadCheckpoint from error
    return found


def public_key() -> Ed25519PublicKey:
    """What checks our checkpoints."""
    return _signing_key().public_key()


def sign_bytes(body: bytes) -> str:
    """A signature over what is handed to a witness, by the same key, for its `Helpline-Signature` header."""
    return _text(_signing_key().sign(body))


def origin(public: Ed25519PublicKey) -> str:
    """The name of this installation's log: it follows from its key."""
    return f"helpline-audit/{sha256(public.public_bytes_raw()).hexdigest()[:16]}"


def _signing_key() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(ring().secret("checkpoint"))


def _key_hash(public: Ed25519PublicKey) -> bytes:
    return sha256(f"{origin(public)}\n".encode() + _ED25519 + public.public_bytes_raw()).digest()[:4]


def _body(checkpoint: Checkpoint, name: str) -> str:
    at = checkpoint.at.astimezone(UTC).isoformat(timespec="microseconds")
    lines = (
        name, checkpoint.size, _text(checkpoint.root), f"number {checkpoint.number}", f"at {at}",
        f"previous {checkpoint.previous}",
    )  # fmt: skip
    return "".join(f"{line}\n" for line in lines)


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
