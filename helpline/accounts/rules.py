"""Pure decisions about sessions, tries and passwords."""

import functools
import itertools
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path

SHORTEST = 15  # NIST SP 800-63B-4, 3.1.1.2: where the password is the only factor
LONGEST = 256
OWN_PART = 8  # what must remain when names and words of the house are taken out
SEEN_EVERY = timedelta(minutes=1)
INVITATION_DAYS, RESET_HOURS = 7, 2

_QUARTER, _HOUR = 15 * 60, 60 * 60
_COMMON = Path(__file__).parent / "data" / "common_passwords.txt"


class SessionState(StrEnum):
    OPEN = "open"
    LOCKED = "locked"
    OVER = "over"


@dataclass(frozen=True, slots=True)
class Limits:
    """How long a session may idle before it locks, and live before it ends."""

    idle: timedelta = timedelta(minutes=15)
    life: timedelta = timedelta(hours=12)
    demo: bool = False  # whether accounts of the demo helpline may sign in


def session_state(
    started_at: datetime, seen_at: datetime, locked_at: datetime | None, now: datetime, limits: Limits
) -> SessionState:
    """What a session is good for at `now`."""
    if now - started_at >= limits.life:
        return SessionState.OVER
    if locked_at is not None or now - seen_at >= limits.idle:
        return SessionState.LOCKED
    return SessionState.OPEN


def sign_in_limits(login: str, address: str) -> dict[str, tuple[int, int]]:
    """Counter -> (tries, seconds). `login` and `address` are keyed digests: the counters name nobody.

    Few tries for one name from one place; more for the name from anywhere, so that a stranger cannot keep its owner
    out with five tries; most for a place, since a whole centre shares one address.
    """
    return {
        f"tries:pair:{login}:{address}": (5, _QUARTER),
        f"tries:login:{login}": (30, _HOUR),
        f"tries:address:{address}": (100, _QUARTER),
    }


def unlock_limits(session: str) -> dict[str, tuple[int, int]]:
    return {f"tries:unlock:{session}": (5, _HOUR)}


def mail_limits(login: str, address: str) -> dict[str, tuple[int, int]]:
    """Mails asked for by strangers: a few an hour."""
    return {f"mails:login:{login}": (3, _HOUR), f"mails:address:{address}": (30, _HOUR)}


def normal_password(password: str) -> str:
    """The form that is hashed: the same on every keyboard (NIST SP 800-63B-4, 3.1.1.2)."""
    return unicodedata.normalize("NFKC", password)


def password_problem(password: str, words: Iterable[str]) -> str | None:
    """Why this password can't be had, as a code; None if it can. `words`: names around its owner.

    Length, a blocklist and the names of the house: no rules of composition, no rotation (NIST SP 800-63B-4).
    """
    plain = normal_password(password).casefold()
    if len(plain) < SHORTEST:
        return "password_short"
    if len(plain) > LONGEST:
        return "password_long"
    unit = re.fullmatch(r"(.+?)\1*", plain, re.DOTALL)
    stem = plain.strip("0123456789 .,!?-_@#$%&*+=")
    if _is_run(plain) or {plain, unit.group(1) if unit else plain, stem} & common_passwords():
        return "password_common"
    if unit and len(unit.group(1)) < OWN_PART:
        return "password_common"
    rest = plain
    parts = {part for word in words for part in re.split(r"[\W_]+", word.casefold()) if len(part) > 2}  # noqa: PLR2004
    for part in sorted(parts, key=len, reverse=True):
        rest = rest.replace(part, "")
    return "password_names" if len(rest) < OWN_PART else None


def _is_run(text: str) -> bool:
    """One step through the alphabet or the digits: 123456…, abcdef…, downwards too."""
    steps = {(ord(b) - ord(a)) % 10 if (a + b).isdigit() else ord(b) - ord(a) for a, b in itertools.pairwise(text)}
    return len(steps) == 1 and steps <= {-1, 0, 1, 9}


@functools.cache
def common_passwords() -> frozenset[str]:
    """Passwords that everybody tries first, lower case."""
    return frozenset(_COMMON.read_text(encoding="utf-8").split())
