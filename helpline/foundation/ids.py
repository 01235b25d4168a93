"""Identifiers: UUIDv7, minted in Python, so that a form can carry the id of what it will make."""

import secrets
import uuid

from helpline.foundation.clock import real_now

_VERSION = 0x7 << 76
_VARIANT = 0b10 << 62


def new_id() -> uuid.UUID:
    """A time-ordered UUID (RFC 9562, version 7): 48 bits of milliseconds, 74 random bits.

    Real time, not the test offset: a clock moved back must not make ids of one journey run backwards.
    """
    milliseconds = int(real_now().timestamp() * 1000)
    return uuid.UUID(
        int=(milliseconds << 80) | _VERSION | (secrets.randbits(12) << 64) | _VARIANT | secrets.randbits(62)
    )
