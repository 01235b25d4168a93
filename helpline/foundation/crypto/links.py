"""Signed links: a token that names one purpose, one record, one version of it, and an end. It holds no personal data.

Single use is the caller's: it raises the record's version when the token is spent, and compares what `verify` returns.
Layout before base64: format byte, subject (16 bytes), version (4), expiry in seconds since 1970 (8), MAC (16): 60
characters, so that it fits a text message and never needs padding.
"""

import base64
import binascii
import hmac
import struct
from datetime import UTC, datetime
from uuid import UUID

from helpline.foundation.crypto.keyring import ring
from helpline.foundation.errors import Invalid

_BODY = struct.Struct(">B16sIq")
_FORMAT = 1
_MAC_BYTES = 16
_TOKEN_CHARACTERS = (_BODY.size + _MAC_BYTES) * 4 // 3


def sign(purpose: str, subject: UUID, version: int, expires_at: datetime) -> str:
    """A URL-safe token for `verify` with the same purpose. `expires_at` is aware; it counts in whole seconds."""
    if expires_at.tzinfo is None:
        raise ValueError("expires_at must be aware")
    body = _BODY.pack(_FORMAT, subject.bytes, version, int(expires_at.timestamp()))
    return base64.urlsafe_b64encode(body + _mac(purpose, body)).decode()


def verify(purpose: str, token: str, now: datetime) -> tuple[UUID, int]:
    """The subject and version a token was signed for.

    Raises Invalid("link_invalid") for anything not signed here for this purpose, Invalid("link_expired") from
    `expires_at` on. The signature is compared in constant time and before anything inside is looked at.
    """
    raw = _decode(token)
    body, mac = raw[: _BODY.size], raw[_BODY.size :]
    if not hmac.compare_digest(mac, _mac(purpose, body)):
        raise Invalid("link_invalid")
    _, subject, version, expires = _BODY.unpack(body)
    if now >= datetime.fromtimestamp(expires, UTC):
        raise Invalid("link_expired")
    return UUID(bytes=subject), version


def _decode(token: str) -> bytes:
    if len(token) != _TOKEN_CHARACTERS or not token.isascii():
        raise Invalid("link_invalid")
    try:
        return base64.b64decode(token, altchars=b"-_", validate=True)
    except binascii.Error:
        raise Invalid("link_invalid") from None


def _mac(purpose: str, body: bytes) -> bytes:
    key = hmac.digest(ring().secret("link"), f"link/{purpose}".encode(), "sha256")
    return hmac.digest(key, body, "sha256")[:_MAC_BYTES]
