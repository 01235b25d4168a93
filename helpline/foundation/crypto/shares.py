"""Key holders' shares: any two of them together open the key file, one alone opens nothing.

No secret sharing by hand: for each pair of holders the ring key is wrapped once more, under HKDF-SHA256 of both shares.
A share is 160 random bits, printed once as forty letters and digits (Crockford's base32: no I, L, O, U) with the
holder's number and a checksum in them, and stored nowhere.
"""

import hashlib
import itertools
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from helpline.foundation.crypto.keyfile import KEY_BYTES, KeyRingError, seal, unseal

LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
FEWEST_HOLDERS, MOST_HOLDERS = 2, 20
_SECRET_BYTES = 20
_CHECK_BYTES = 4
_CODE_BYTES = 1 + _SECRET_BYTES + _CHECK_BYTES
_CODE_LETTERS = _CODE_BYTES * 8 // 5
_GROUP = 5
_READ_AS = str.maketrans("OIL", "011", " -\t\r\n")


class ShareError(KeyRingError):
    """What was typed is no share: a letter is wrong or missing."""


@dataclass(frozen=True)
class Share:
    """One holder's share. `holder` counts from 1."""

    holder: int
    secret: bytes = field(repr=False)

    @property
    def code(self) -> str:
        """As it is printed: eight groups of five."""
        body = bytes([self.holder]) + self.secret
        number = int.from_bytes(body + _check(body), "big")
        text = "".join(LETTERS[number >> shift & 31] for shift in range((_CODE_LETTERS - 1) * 5, -1, -5))
        return "-".join(text[at : at + _GROUP] for at in range(0, _CODE_LETTERS, _GROUP))


def read_code(text: str) -> Share:
    """The share that somebody typed, in either case, with or without hyphens. Raises ShareError."""
    letters = text.upper().translate(_READ_AS)
    if len(letters) != _CODE_LETTERS or not set(letters) <= set(LETTERS):
        raise ShareError("That is not a share; each is eight groups of five letters and digits.")
    number = 0
    for letter in letters:
        number = number << 5 | LETTERS.index(letter)
    raw = number.to_bytes(_CODE_BYTES, "big")
    body, check = raw[:-_CHECK_BYTES], raw[-_CHECK_BYTES:]
    if check != _check(body):
        raise ShareError("That share has a mistake in it; compare it with the paper.")
    return Share(body[0], body[1:])


def new_shares(holders: int) -> list[Share]:
    """A fresh share for each holder. Raises KeyRingError for fewer or more than are possible."""
    if not FEWEST_HOLDERS <= holders <= MOST_HOLDERS:
        raise KeyRingError(f"Shares are for {FEWEST_HOLDERS} to {MOST_HOLDERS} key holders.")
    return [Share(number, secrets.token_bytes(_SECRET_BYTES)) for number in range(1, holders + 1)]


def wrap_for_pairs(shares: Iterable[Share], ring_key: bytes) -> dict[str, str]:
    """The ring key, wrapped for each two of them: what the key file keeps as `pairs`."""
    return {
        f"{one.holder}-{other.holder}": seal(_pair_key(one, other), ring_key, _bound(one, other))
        for one, other in itertools.combinations(shares, 2)
    }


def open_by_pair(pairs: object, first: Share, second: Share) -> bytes | None:
    """The ring key, from any two different shares in either order; None where they open nothing."""
    one, other = sorted((first, second), key=lambda share: share.holder)
    wrapped = pairs.get(f"{one.holder}-{other.holder}") if isinstance(pairs, dict) else None
    return unseal(_pair_key(one, other), wrapped, _bound(one, other))


def _pair_key(one: Share, other: Share) -> bytes:
    return HKDF(SHA256(), KEY_BYTES, salt=None, info=_bound(one, other)).derive(one.secret + other.secret)


def _bound(one: Share, other: Share) -> bytes:
    return f"helpline/shares/{one.holder}-{other.holder}".encode()


def _check(body: bytes) -> bytes:
    return hashlib.sha256(b"helpline/share" + body).digest()[:_CHECK_BYTES]
