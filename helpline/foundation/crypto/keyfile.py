"""The key file at rest, and how it changes without ever standing half written.

The secrets are one sealed text (`ring`) under a random ring key. The ring key stands beside it, wrapped by the machine
key (`machine`), which lives in a file of its own so that it can be destroyed, and once for each pair of key holders
(`pairs`, see shares.py). Files are 0600, written beside and moved into place, and changed under a lock on the folder.

The risk that stays: a disk may keep what a destroyed file held (flash, snapshots, journals). Whoever reads key file and
machine key together reads everything.
"""

import base64
import binascii
import fcntl
import json
import os
import secrets
import stat
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from helpline.foundation.failpoints import failpoint

KEY_BYTES = 32
NONCE_BYTES = 12
FORMAT, PLAIN_FORMAT = 2, 1  # the plain one held the secrets in the clear; it is sealed when first opened
MACHINE, RING = b"helpline/machine", b"helpline/ring"


class KeyRingError(Exception):
    """The keys can't be used; the text is one sentence that says what to do, and never holds a key."""


class Closed(KeyRingError):
    """The keys are locked: this machine can't open its key file. Two key holders can (`flask open-keys`)."""


def machine_beside(path: Path) -> Path:
    """Where the machine key of a key file is, unless the settings say otherwise."""
    return path.with_name(f"{path.name}.machine")


def read(path: Path) -> dict[str, Any]:
    """The document. Raises KeyRingError when it is missing, open to others, or damaged."""
    try:
        with open(path, "rb", opener=_open_at_once) as file:
            _refuse_open(path, os.fstat(file.fileno()).st_mode)
            document = json.load(file)
    except FileNotFoundError:
        raise KeyRingError(f"There is no key file at {path}; make one with `flask make-keys`.") from None
    except OSError as error:
        raise KeyRingError(f"The key file {path} can't be read ({os.strerror(error.errno or 0)}).") from None
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise KeyRingError(f"The key file {path} is damaged; restore it from your backup of the keys.")
    return document


def write(path: Path, document: Mapping[str, Any], point: str = "keys.write") -> None:
    """Put the document in the file's place, whole or not at all. Raises KeyRingError where it can't be written.

    `point` names the failpoint between the text on the disk and its taking the place.
    """
    try:
        temporary = write_beside(path, json.dumps(document, indent=1).encode())
        failpoint(point)
        temporary.replace(path)
        sync(path.parent)
    except OSError as error:
        raise KeyRingError(f"The key file {path} can't be written ({os.strerror(error.errno or 0)}).") from None


def read_machine(machine: Path) -> bytes | None:
    """The machine key, or None where there is none that could be one. Raises KeyRingError if others can read it."""
    try:
        with open(machine, "rb", opener=_open_at_once) as file:
            _refuse_open(machine, os.fstat(file.fileno()).st_mode)
            key = file.read(KEY_BYTES + 1)
    except OSError:
        return None
    return key if len(key) == KEY_BYTES else None


def new_machine(machine: Path) -> bytes:
    """A fresh machine key, in its file. Raises KeyRingError where it can't be written."""
    key = secrets.token_bytes(KEY_BYTES)
    write_machine(machine, key)
    return key


def write_machine(machine: Path, key: bytes) -> None:
    """Put this machine key in its file. Raises KeyRingError where it can't be written."""
    try:
        machine.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_beside(machine, key).replace(machine)
        sync(machine.parent)
    except OSError as error:
        raise KeyRingError(f"The machine key {machine} can't be written ({os.strerror(error.errno or 0)}).") from None


def destroy_machine(machine: Path) -> None:
    """Overwrite the machine key and remove it; none there is no error. What it wrapped opens by shares alone."""
    try:
        descriptor = os.open(machine, os.O_WRONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    except FileNotFoundError:
        return
    try:
        os.write(descriptor, secrets.token_bytes(KEY_BYTES))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    machine.unlink(missing_ok=True)
    sync(machine.parent)


def seal(key: bytes, plain: bytes, what: bytes) -> str:
    """AES-256-GCM, bound to what it is: nonce and ciphertext as text."""
    nonce = secrets.token_bytes(NONCE_BYTES)
    return encoded(nonce + AESGCM(key).encrypt(nonce, plain, what))


def unseal(key: bytes, text: object, what: bytes) -> bytes | None:
    """What `seal` sealed; None where it does not open."""
    try:
        raw = base64.b64decode(cast("str", text), validate=True)
        return AESGCM(key).decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], what)
    except (TypeError, ValueError, binascii.Error, InvalidTag):
        return None


def encoded(key: bytes) -> str:
    return base64.b64encode(key).decode()


def _open_at_once(name: str, flags: int) -> int:
    """Open without waiting: a pipe in the file's place must not hang the start."""
    return os.open(name, flags | os.O_NONBLOCK)


def _refuse_open(path: Path, mode: int) -> None:
    if not stat.S_ISREG(mode):
        raise KeyRingError(f"{path} is not a file; name the key file itself.")
    if mode & 0o077:
        raise KeyRingError(f"Others can read the key file {path}; close it with `chmod 600 {path}`.")


def write_beside(path: Path, content: bytes) -> Path:
    """Write a 0600 file next to `path`, on the disk for sure, and return where."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(descriptor)
    return Path(name)


def sync(folder: Path) -> None:
    """See to it that what was moved or removed in the folder is so on the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the folder against every other process that changes a key file in it."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
