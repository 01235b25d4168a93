"""Sealing: each record has a data key of its own, wrapped by the master key and kept beside it (`record_key`).

AES-256-GCM throughout. The table, column and row id are authenticated with every value, and table and row id with
every wrapped key: a ciphertext copied to another row, column or table does not open. Destroying a row's `record_key`
destroys what it sealed, in backups too as soon as they rotate. Lengths show only in steps of 32 bytes.

Not hidden: that a value is there or not, and that it changed. An older value of the same cell still opens if someone
who can write to the database puts it back; the audit trail is what shows that.

A sealed value is: kind byte (text or JSON), nonce (12 bytes), ciphertext with its tag.
"""

import json
import secrets
from typing import Any
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from helpline.foundation.crypto.keyring import KEY_BYTES, Tampered, wrapper

PAD_BYTES = 32
_NONCE_BYTES = 12
_LENGTH_BYTES = 4
_TEXT, _JSON = b"\x11", b"\x12"
# What stands in `record_key` once a record's key is destroyed: no wrapped key is so short, and its version is none that
# a master key reaches, so that a renewal passes it by.
DESTROYED = b"\x01\xff\xff"
_as_json = json.JSONEncoder(ensure_ascii=False).encode


def new_record_key(table: str, row_id: UUID) -> bytes:
    """A fresh data key for this row, wrapped: what `record_key` holds."""
    return wrapper().wrap(secrets.token_bytes(KEY_BYTES), _row(table, row_id))


def rewrap(table: str, row_id: UUID, record_key: bytes) -> bytes:
    """The same data key under the current master key; sealed values stay as they are. Raises Tampered."""
    return wrapper().wrap(wrapper().unwrap(record_key, _row(table, row_id)), _row(table, row_id))


def seal(table: str, column: str, row_id: UUID, record_key: bytes, value: Any) -> bytes:
    """Seal a text, or any other value as JSON, for exactly this cell. Raises Tampered if the key is not this row's."""
    return _sealed(_cipher(table, row_id, record_key), table, column, row_id, value)


class NewRecord:
    """A row that is being made: its fresh key is at hand, so that its first values are sealed without unwrapping it."""

    __slots__ = ("_cipher", "_table", "id", "record_key")

    def __init__(self, table: str, row_id: UUID) -> None:
        key = secrets.token_bytes(KEY_BYTES)
        self.id, self.record_key = row_id, wrapper().wrap(key, _row(table, row_id))
        self._table, self._cipher = table, AESGCM(key)

    def seal(self, column: str, value: Any) -> bytes:
        """As `seal`, for a cell of this row."""
        return _sealed(self._cipher, self._table, column, self.id, value)


def _sealed(cipher: AESGCM, table: str, column: str, row_id: UUID, value: Any) -> bytes:
    kind, content = (_TEXT, value) if isinstance(value, str) else (_JSON, _as_json(value))
    plain = content.encode()
    padding = -(_LENGTH_BYTES + len(plain)) % PAD_BYTES
    nonce = secrets.token_bytes(_NONCE_BYTES)
    padded = len(plain).to_bytes(_LENGTH_BYTES, "big") + plain + bytes(padding)
    return kind + nonce + cipher.encrypt(nonce, padded, _cell(kind, table, column, row_id))


def unseal(table: str, column: str, row_id: UUID, record_key: bytes, sealed: bytes) -> Any:
    """Open a sealed cell: a text comes back as str, JSON as what it was. Raises Tampered."""
    kind, nonce, ciphertext = sealed[:1], sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :]
    if kind not in {_TEXT, _JSON} or len(nonce) < _NONCE_BYTES:
        raise Tampered
    try:
        padded = _cipher(table, row_id, record_key).decrypt(nonce, ciphertext, _cell(kind, table, column, row_id))
    except InvalidTag:
        raise Tampered from None
    text = padded[_LENGTH_BYTES : _LENGTH_BYTES + int.from_bytes(padded[:_LENGTH_BYTES], "big")].decode()
    return text if kind == _TEXT else json.loads(text)


def _cipher(table: str, row_id: UUID, record_key: bytes) -> AESGCM:
    return AESGCM(wrapper().unwrap(record_key, _row(table, row_id)))


def _row(table: str, row_id: UUID) -> bytes:
    return b"\0".join((b"row", table.encode(), row_id.bytes))


def _cell(kind: bytes, table: str, column: str, row_id: UUID) -> bytes:
    return b"\0".join((b"cell" + kind, table.encode(), column.encode(), row_id.bytes))
