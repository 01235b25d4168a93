"""The key ring: every secret of this installation, in one file that only its owner reads, and the port to reach it.

Keys never pass through settings or the environment (`/proc/<pid>/environ` outlives a popped variable). A process
calls `install(KeyRing.open(path))` once at its start; sealed types, indexes and links then ask `ring()`.

The risk that stays: whoever can read the file, or this process's memory, holds every key. A key management service
takes the master keys out of the process: give `install` a `KeyWrapper` that calls it.
"""

import base64
import binascii
import fcntl
import hmac
import json
import os
import secrets
import stat
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, NoReturn, Protocol, cast, get_args

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

SecretName = Literal["index", "context", "link", "cookie", "checkpoint"]
SECRET_NAMES: tuple[SecretName, ...] = get_args(SecretName)
KEY_BYTES = 32
_FORMAT = 1
_NONCE_BYTES = 12
_WRAP_FORMAT = b"\x01"


class KeyRingError(Exception):
    """The keys can't be used; the text is one sentence that says what to do, and never holds a key."""


class Tampered(Exception):
    """A sealed value or wrapped key does not open here: altered, moved from elsewhere, or under a lost key."""


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

    __slots__ = ("_masters", "_path", "_secrets", "current_version", "generated")

    def __init__(self, path: Path, document: Mapping[str, Any]) -> None:
        """Take a parsed key file. Raises KeyRingError for a missing, misspelt or short key."""
        self._path = path
        if document.get("format") != _FORMAT or not isinstance(document.get("master"), dict):
            raise KeyRingError(f"The key file {path} is not a key ring; make one with `flask make-keys`.")
        self.generated = document.get("generated") is not False
        self._secrets = {name: _decoded(path, name, text) for name, text in _completed(path, document).items()}
        self._take(document)

    @classmethod
    def open(cls, path: Path) -> "KeyRing":
        """Read the file. Raises KeyRingError when it is missing, open to others, or incomplete."""
        return cls(path, _read(path))

    def master(self, version: int) -> bytes:
        """One master key. A version added by another process is read from the file. KeyRingError if there is none."""
        if version not in self._masters:
            self._take(_read(self._path))
        if version not in self._masters:
            raise KeyRingError(f"Master key {version} is not in {self._path}; restore it from your backup of the keys.")
        return self._masters[version]

    def secret(self, name: SecretName) -> bytes:
        """The 32 bytes kept under this name."""
        return self._secrets[name]

    def add_master(self) -> int:
        """Add a fresh master key to the file and use it from now on; old ones stay to open what they wrapped.

        Returns its version. Safe against a second process doing the same; others read it when they first meet it.
        """
        with _locked(self._path.parent):
            document = _read(self._path)
            version = KeyRing(self._path, document).current_version + 1
            document["master"][str(version)] = _encoded(secrets.token_bytes(KEY_BYTES))
            temporary = _write_beside(self._path, document)
            temporary.replace(self._path)
            _sync(self._path.parent)
        self._take(document)
        return version

    def wrap(self, data_key: bytes, bound_to: bytes) -> bytes:
        """Wrap under the current master: format byte, version (two bytes), nonce, ciphertext with its tag."""
        header = _WRAP_FORMAT + self.current_version.to_bytes(2, "big")
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return header + nonce + AESGCM(self.master(self.current_version)).encrypt(nonce, data_key, header + bound_to)

    def unwrap(self, wrapped: bytes, bound_to: bytes) -> bytes:
        """Open what `wrap` made. Raises Tampered, or KeyRingError when its master key is lost."""
        header, nonce, ciphertext = wrapped[:3], wrapped[3 : 3 + _NONCE_BYTES], wrapped[3 + _NONCE_BYTES :]
        if header[:1] != _WRAP_FORMAT or len(nonce) < _NONCE_BYTES:
            raise Tampered
        try:
            return AESGCM(self.master(wrapped_under(wrapped))).decrypt(nonce, ciphertext, header + bound_to)
        except InvalidTag:
            raise Tampered from None

    def _take(self, document: Mapping[str, Any]) -> None:
        masters = {int(v): _decoded(self._path, "master", k) for v, k in document["master"].items() if v.isdecimal()}
        if not masters:
            raise KeyRingError(f"The key file {self._path} holds no master key; restore it from a backup.")
        self._masters, self.current_version = masters, max(masters)

    def __repr__(self) -> str:
        return f"<KeyRing with {len(self._masters)} master key(s)>"

    def __reduce_ex__(self, _protocol: object) -> NoReturn:
        raise TypeError("a key ring is never pickled or copied")


def wrapped_under(wrapped: bytes) -> int:
    """The version of the master key that wrapped this data key (to find what still waits to be wrapped anew)."""
    return int.from_bytes(wrapped[1:3], "big")


def make_keys(path: Path, *, generated: bool) -> None:
    """Write a new key ring, mode 0600, all at once. Raises KeyRingError rather than touch a file that exists.

    `generated` marks keys that were made unasked for development; production refuses them.
    """
    fresh: dict[str, str] = {name: _encoded(secrets.token_bytes(KEY_BYTES)) for name in SECRET_NAMES}
    first = {"1": _encoded(secrets.token_bytes(KEY_BYTES))}
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    temporary = _write_beside(path, {"format": _FORMAT, "generated": generated, "master": first, **fresh})
    try:
        os.link(temporary, path)  # unlike a rename, a link never replaces what is there
    except FileExistsError:
        raise KeyRingError(f"{path} already holds keys and is left alone; move it away to make new ones.") from None
    finally:
        temporary.unlink()
    _sync(path.parent)


def _open_at_once(name: str, flags: int) -> int:
    """Open without waiting: a pipe in the file's place must not hang the start."""
    return os.open(name, flags | os.O_NONBLOCK)


def _read(path: Path) -> dict[str, Any]:
    try:
        with open(path, "rb", opener=_open_at_once) as file:
            mode = os.fstat(file.fileno()).st_mode
            if not stat.S_ISREG(mode):
                raise KeyRingError(f"{path} is not a file; name the key file itself.")
            if mode & 0o077:
                raise KeyRingError(f"Others can read the key file {path}; close it with `chmod 600 {path}`.")
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


def _decoded(path: Path, name: str, text: object) -> bytes:
    try:
        key = base64.b64decode(cast("str", text), validate=True)
    except (TypeError, binascii.Error, ValueError):
        key = b""
    if len(key) != KEY_BYTES:
        raise KeyRingError(f"The key '{name}' in {path} is missing or not {KEY_BYTES} bytes; restore it from a backup.")
    return key


def _completed(path: Path, document: Mapping[str, Any]) -> dict[str, Any]:
    """The named secrets; files from before there was "checkpoint" have one that follows from "link".

    Not from "context": whoever owns the database holds that one, and must not be able to sign checkpoints.
    """
    found: dict[str, Any] = {name: document.get(name) for name in SECRET_NAMES}
    if "checkpoint" not in document:
        found["checkpoint"] = _encoded(hmac.digest(_decoded(path, "link", found["link"]), b"checkpoint", "sha256"))
    return found


def _encoded(key: bytes) -> str:
    return base64.b64encode(key).decode()


def _write_beside(path: Path, document: Mapping[str, Any]) -> Path:
    """Write a 0600 file next to `path`, on the disk for sure, and return where."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with os.fdopen(descriptor, "w") as file:
        json.dump(document, file, indent=1)
        file.flush()
        os.fsync(descriptor)
    return Path(name)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


class _Port:
    ring: KeyRing | None = None
    wrapper: KeyWrapper | None = None


def install(new: KeyRing | None, wrapper: KeyWrapper | None = None) -> None:
    """Give this process its keys (None takes them away). `wrapper` stands in for the master keys when given."""
    _Port.ring, _Port.wrapper = new, wrapper or new


def ring() -> KeyRing:
    """The installed key ring. Raises KeyRingError if this process was given none."""
    if _Port.ring is None:
        raise KeyRingError("No key ring is installed in this process; open one at its start.")
    return _Port.ring


def wrapper() -> KeyWrapper:
    """What wraps data keys here. Raises KeyRingError if this process was given no keys."""
    if _Port.wrapper is None:
        raise KeyRingError("No key ring is installed in this process; open one at its start.")
    return _Port.wrapper
