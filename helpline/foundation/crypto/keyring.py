"""The key ring: every secret of this installation, opened from one key file, and the port to reach it.

Keys never pass through settings or the environment (`/proc/<pid>/environ` outlives a popped variable). A process
calls `install(KeyRing.open(path))` once at its start; sealed types, indexes and links then ask `ring()`. While the keys
are locked nothing is installed, and asking raises NoKeys (watch.py follows locking and opening).

The risk that stays: whoever can read this process's memory holds every key, and memory that was let go is not wiped for
sure. A key management service takes the master keys out of the process: give `install` a `KeyWrapper` that calls it.
"""

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any, NoReturn, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from helpline.foundation.crypto import document as documents
from helpline.foundation.crypto import keyfile
from helpline.foundation.crypto.document import SecretName, make_keys
from helpline.foundation.crypto.keyfile import KEY_BYTES, NONCE_BYTES, Closed, KeyRingError, encoded
from helpline.foundation.crypto.shares import new_shares, open_by_pair, read_code, wrap_for_pairs
from helpline.foundation.failpoints import failpoint

_WRAP_FORMAT = b"\x01"

__all__ = [
    "KEY_BYTES", "Closed", "KeyRing", "KeyRingError", "KeyWrapper", "NoKeys", "SecretName", "Tampered", "install",
    "is_open", "make_keys", "ring", "using", "wrapped_under", "wrapper",
]  # fmt: skip


class Tampered(Exception):
    """A sealed value or wrapped key does not open here: altered, moved from elsewhere, or under a lost key."""


class NoKeys(KeyRingError):
    """This process has no keys: none were installed, or they are locked."""


class KeyWrapper(Protocol):
    """What wraps the records' data keys: the key ring itself, or a key management service.

    `bound_to` is authenticated, not stored: the same bytes must be given to unwrap (a service's encryption context).
    """

    def wrap(self, data_key: bytes, bound_to: bytes) -> bytes:
        """Return the wrapped data key, to be stored beside the record."""
        ...

    def unwrap(self, wrapped: bytes, bound_to: bytes) -> bytes:
        """Return the data key. Raises Tampered when `wrapped` or `bound_to` is not what was wrapped."""
        ...


class KeyRing:
    """The keys of one file. Shows nothing of them in repr, str or logs, and refuses to be pickled or copied."""

    __slots__ = ("_masters", "_path", "_ring_key", "_secrets", "_stamp", "current_version", "generated", "has_holders")

    def __init__(self, path: Path, ring_key: bytes) -> None:
        """Open the file with its ring key. Raises KeyRingError for a missing, misspelt or short key."""
        self._path, self._ring_key = path, ring_key
        self._stamp = 0
        self._load()
        if any(name not in self._secrets for name in documents.SECRET_NAMES):
            self._change(documents.with_new_secrets)

    @classmethod
    def open(cls, path: Path, machine: Path | None = None) -> "KeyRing":
        """Open the file by the machine key (beside it, unless named). A file of the plain format is sealed first.

        Raises Closed when the machine key is gone, KeyRingError when the file is missing, open to others, or damaged.
        """
        machine = machine or keyfile.machine_beside(path)
        document = keyfile.read(path)
        if document.get("format") == keyfile.PLAIN_FORMAT:
            document = documents.upgrade(path, machine)
        documents.refuse_unknown(path, document)
        key = keyfile.read_machine(machine)
        ring_key = keyfile.unseal(key, document.get("machine"), keyfile.MACHINE) if key else None
        if ring_key is None:
            raise Closed(f"The keys of {path} are locked; two key holders open them with `flask open-keys`.")
        return cls(path, ring_key)

    @classmethod
    def by_shares(cls, path: Path, first: str, second: str) -> "KeyRing":
        """Open the file by the codes of two key holders. Raises Closed for any two that do not open it."""
        document = keyfile.read(path)
        documents.refuse_unknown(path, document)
        ring_key = open_by_pair(document.get("pairs"), read_code(first), read_code(second))
        if ring_key is None:
            raise Closed("These two shares do not open the keys.")
        return cls(path, ring_key)

    def renew_machine(self, machine: Path | None = None) -> None:
        """Give this machine a fresh key to open the file with from now on. Raises KeyRingError."""
        machine = machine or keyfile.machine_beside(self._path)
        with keyfile.locked(self._path.parent):
            key = secrets.token_bytes(KEY_BYTES)
            document = keyfile.read(self._path) | {"machine": keyfile.seal(key, self._ring_key, keyfile.MACHINE)}
            keyfile.write(self._path, document)
            failpoint("keys.open.before_machine")
            keyfile.write_machine(machine, key)

    def make_shares(self, holders: int) -> list[str]:
        """Fresh shares for so many holders, as codes to be printed once; those of before open this file no more."""
        made = new_shares(holders)
        with keyfile.locked(self._path.parent):
            pairs = wrap_for_pairs(made, self._ring_key)
            keyfile.write(self._path, keyfile.read(self._path) | {"pairs": pairs})
        return [share.code for share in made]

    def master(self, version: int) -> bytes:
        """One master key. A version added by another process is read from the file. KeyRingError if there is none."""
        if version not in self._masters:
            self._load()
        if version not in self._masters:
            raise KeyRingError(f"Master key {version} is not in {self._path}; restore it from your backup of the keys.")
        return self._masters[version]

    def versions(self) -> list[int]:
        """The versions of the master keys that are in the file now."""
        self.refresh()
        return sorted(self._masters)

    def secret(self, name: SecretName) -> bytes:
        """The 32 bytes kept under this name."""
        return self._secrets[name]

    def refresh(self) -> None:
        """Read the file again if it changed: what another process added counts here too."""
        if self._path.stat().st_mtime_ns != self._stamp:
            self._load()

    def add_master(self) -> int:
        """Add a fresh master key to the file and use it from now on; old ones stay to open what they wrapped.

        Returns its version. Safe against a second process doing the same; others read it within seconds (watch.py).
        """
        self._change(
            lambda ring: ring["master"].__setitem__(documents.next_version(ring), encoded(secrets.token_bytes(32)))
        )
        return self.current_version

    def retire_master(self, version: int) -> None:
        """Destroy an old master key: what is still wrapped under it can never be opened again. Repeating is harmless.

        Raises ValueError for the one in use. That nothing needs it any more is the caller's to know.
        """
        if version >= self.current_version:
            raise ValueError("the master key in use can't be retired")
        self._change(lambda ring: ring["master"].pop(str(version), None))

    def wrap(self, data_key: bytes, bound_to: bytes) -> bytes:
        """Wrap under the current master: format byte, version (two bytes), nonce, ciphertext with its tag."""
        header = _WRAP_FORMAT + self.current_version.to_bytes(2, "big")
        nonce = secrets.token_bytes(NONCE_BYTES)
        return header + nonce + AESGCM(self.master(self.current_version)).encrypt(nonce, data_key, header + bound_to)

    def unwrap(self, wrapped: bytes, bound_to: bytes) -> bytes:
        """Open what `wrap` made. Raises Tampered, or KeyRingError when its master key is lost."""
        header, nonce, ciphertext = wrapped[:3], wrapped[3 : 3 + NONCE_BYTES], wrapped[3 + NONCE_BYTES :]
        if header[:1] != _WRAP_FORMAT or len(nonce) < NONCE_BYTES:
            raise Tampered
        try:
            return AESGCM(self.master(wrapped_under(wrapped))).decrypt(nonce, ciphertext, header + bound_to)
        except InvalidTag:
            raise Tampered from None

    def _load(self) -> None:
        self._stamp = self._path.stat().st_mtime_ns
        document = keyfile.read(self._path)
        ring = documents.unsealed_ring(self._path, document, self._ring_key)
        self._masters, self._secrets = documents.keys_of(self._path, ring)
        self.current_version = max(self._masters)
        self.generated, self.has_holders = ring.get("generated") is not False, bool(document.get("pairs"))

    def _change(self, change: Callable[[dict[str, Any]], Any]) -> None:
        """Change the ring in the file, under the lock, as it is there now; then take what came of it."""
        with keyfile.locked(self._path.parent):
            document = keyfile.read(self._path)
            ring = documents.unsealed_ring(self._path, document, self._ring_key)
            change(ring)
            keyfile.write(self._path, document | {"ring": documents.sealed_ring(self._ring_key, ring)})
            self._load()

    def __repr__(self) -> str:
        return f"<KeyRing with {len(self._masters)} master key(s)>"

    def __reduce_ex__(self, _protocol: object) -> NoReturn:
        raise TypeError("a key ring is never pickled or copied")


def wrapped_under(wrapped: bytes) -> int:
    """The version of the master key that wrapped this data key (to find what still waits to be wrapped anew)."""
    return int.from_bytes(wrapped[1:3], "big")


_borrowed: ContextVar[KeyRing | None] = ContextVar("helpline_ring", default=None)


class _Port:
    ring: KeyRing | None = None
    wrapper: KeyWrapper | None = None


def install(new: KeyRing | None, wrapper: KeyWrapper | None = None) -> None:
    """Give this process its keys (None takes them away). `wrapper` stands in for the master keys when given."""
    _Port.ring, _Port.wrapper = new, wrapper or new


@contextmanager
def using(borrowed: KeyRing) -> Iterator[None]:
    """Let the block alone have this ring; the process stays as it is. For opening the keys again."""
    token = _borrowed.set(borrowed)
    try:
        yield
    finally:
        _borrowed.reset(token)


def is_open() -> bool:
    """Whether this process has its keys."""
    return _Port.ring is not None


def ring() -> KeyRing:
    """The installed key ring. Raises NoKeys if this process has none."""
    found = _Port.ring or _borrowed.get()
    if found is None:
        raise NoKeys("No key ring is installed in this process; open one at its start.")
    return found


def wrapper() -> KeyWrapper:
    """What wraps data keys here. Raises NoKeys if this process has none."""
    if _Port.wrapper is None:
        raise NoKeys("No key ring is installed in this process; open one at its start.")
    return _Port.wrapper
