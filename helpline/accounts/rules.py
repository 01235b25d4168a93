"""Pure decisions about sessions, tries, passwords and second factors."""

import functools
import hmac
import itertools
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

import pyotp

from helpline.accounts.vocabulary import ApprovalState, Decision
from helpline.foundation.letters import PIECE, normal_form

# NIST SP 800-63B-4, 3.1.1.2: where the password is the only factor, and where a second one stands beside it.
SHORTEST, SHORTEST_BESIDE_FACTOR = 15, 8
LONGEST = 256
TYPED = PIECE  # more characters than this, in whatever form of theirs, are no password
OWN_PART = 8  # what must remain when names and words of the house are taken out
SEEN_EVERY = timedelta(minutes=1)
INVITATION_DAYS, RESET_HOURS = 7, 2
STEP_SECONDS, DRIFT_STEPS = 30, 1  # RFC 6238: a code's time, and how far a telephone's clock may be off
CHALLENGE_LIVES = timedelta(minutes=5)
DECIDE_WITHIN = timedelta(days=3)
RECOVERY_CODES, RECOVERY_SIGNS = 10, 16  # 79 random bits each

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
    pending: timedelta = timedelta(minutes=15)  # to present a second factor in
    demo: bool = False  # whether accounts of the demo helpline may sign in


def session_state(
    started_at: datetime,
    seen_at: datetime,
    locked_at: datetime | None,
    now: datetime,
    limits: Limits,
    *,
    pending: bool = False,
) -> SessionState:
    """What a session is good for at `now`. `pending`: its second factor was not presented yet."""
    if now - started_at >= (min(limits.life, limits.pending) if pending else limits.life):
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


def code_limits(user: str) -> dict[str, tuple[int, int]]:
    """Codes of six digits are few, and three count at a time: ten tries an hour, from wherever."""
    return {f"tries:code:{user}": (10, _HOUR)}


def mail_limits(login: str, address: str) -> dict[str, tuple[int, int]]:
    """Mails asked for by strangers: a few an hour."""
    return {f"mails:login:{login}": (3, _HOUR), f"mails:address:{address}": (30, _HOUR)}


def normal_password(password: str) -> str:
    """The form that is hashed: the same on every keyboard (NIST SP 800-63B-4, 3.1.1.2)."""
    return normal_form("NFKC", password)


def shortest_password(*, second_factor: bool) -> int:
    """How many characters a password needs at least."""
    return SHORTEST_BESIDE_FACTOR if second_factor else SHORTEST


def is_short(password: str) -> bool:
    """Whether it is too short to stand alone, and counts beside a second factor only."""
    return len(normal_password(password).casefold()) < SHORTEST


def password_problem(password: str, words: Iterable[str], *, second_factor: bool = False) -> str | None:
    """Why this password can't be had, as a code; None if it can. `words`: names around its owner.

    Length, a blocklist and the names of the house: no rules of composition, no rotation (NIST SP 800-63B-4).
    """
    if len(password) > TYPED:
        return "password_long"
    plain = normal_password(password).casefold()
    if len(plain) < shortest_password(second_factor=second_factor):
        return "password_short_beside_factor" if second_factor else "password_short"
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


def removal_problem(left: int, *, needed: bool, short_password: bool) -> str | None:
    """Why a factor can't be removed, as a code; None if it can. `left`: how many would remain."""
    if left:
        return None
    if needed:
        return "factor_needed_by_role"
    return "factor_beside_short_password" if short_password else None


def accepted_step(secret: str, code: str, now: datetime, last_step: int | None) -> int | None:
    """The time step whose code of the app this is, newer than `last_step`; None if it is none.

    A code counts once: the caller keeps the step, and no older or equal one is accepted again.
    """
    app, current = pyotp.TOTP(secret, interval=STEP_SECONDS), int(now.timestamp()) // STEP_SECONDS
    steps = range(max(current - DRIFT_STEPS, 0), current + DRIFT_STEPS + 1)
    given = code.encode()
    matching = [step for step in steps if hmac.compare_digest(app.generate_otp(step).encode(), given)]
    return next((step for step in matching if last_step is None or step > last_step), None)


def normal_code(code: str) -> str:
    """A code as it is compared: digits of any script, without the spaces and dashes that people put in between; what is
    far too long is none.
    """
    if len(code) > LONGEST:
        return ""
    return re.sub(r"[\s-]+", "", normal_form("NFKC", code)).casefold().translate(_DIGITS)


_DIGITS = {zero + n: str(n) for zero in (0x17E0, 0x0660, 0x06F0, 0x0966) for n in range(10)}  # Khmer and others


@dataclass(frozen=True, slots=True)
class RelyingParty:
    """Whose passkeys these are: a name, and the one origin at which browsers use them."""

    id: str
    origin: str


def relying_party(public_url: str) -> RelyingParty | None:
    """By the address that people open. None where passkeys can't be: WebAuthn knows names, not numbers.

    This machine's own number stands for `localhost`, which browsers trust without TLS.
    """
    parts = urlsplit(public_url)
    host = parts.hostname or ""
    try:
        number = ip_address(host)
    except ValueError:
        number = None
    if number is not None and not number.is_loopback:
        return None
    name = "localhost" if number is not None else host
    secure = parts.scheme == "https" or name == "localhost"
    port = f":{parts.port}" if parts.port else ""
    return RelyingParty(name, f"{parts.scheme}://{name}{port}") if name and secure else None


def approval_state(
    decision: str | None, expires_at: datetime, stopped_at: datetime | None, spent_at: datetime | None, now: datetime
) -> ApprovalState:
    """How far an approval has come at `now`."""
    if stopped_at is not None:
        return ApprovalState.STOPPED
    if spent_at is not None:
        return ApprovalState.DONE
    if decision is not None:
        return ApprovalState.APPROVED if decision == Decision.APPROVED else ApprovalState.DECLINED
    return ApprovalState.ASKED if now < expires_at else ApprovalState.EXPIRED
