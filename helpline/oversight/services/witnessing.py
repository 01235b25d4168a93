"""Handing checkpoints to witnesses outside: claim (commit), give with no transaction open, record (commit).

A repeat does no harm, since a checkpoint says the same each time: what may have been given is given again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256

from helpline.accounts import queries as accounts
from helpline.accounts.vocabulary import UserStatus
from helpline.foundation.access.engine import require
from helpline.foundation.access.permissions import Permission, Role
from helpline.foundation.audit.checkpoints import read_checkpoint
from helpline.foundation.audit.models import AuditCheckpoint, AuditFollower
from helpline.foundation.context import Context
from helpline.foundation.db import db
from helpline.foundation.errors import NotFound
from helpline.notifications.commands import QueueMessage
from helpline.notifications.services import queue_message
from helpline.oversight.commands import Line
from helpline.oversight.queries import tree as queries
from helpline.oversight.vocabulary import Witness
from helpline.settings import Settings

GIVE_WITHIN = timedelta(seconds=60)  # a claim older than this belonged to a process that died
BATCH, ENTRIES = 100, 20_000  # checkpoints at once, and about how many entries they may add
_EVERY = {Witness.MAIL: timedelta(hours=1)}  # the others get each one at once
_FIRST_RETRY, _MOST_RETRIES = timedelta(seconds=15), 6


def configured(settings: Settings) -> set[Witness]:
    """The witnesses that the settings name."""
    named = {
        Witness.FILE: settings.audit_witness_path.name, Witness.WEBHOOK: settings.audit_witness_url,
        Witness.MAIL: settings.audit_witness_mail,
    }  # fmt: skip
    return {witness for witness, name in named.items() if name}


def claim(ctx: Context, witness: Witness) -> Sequence[Line]:
    """What is to be given to this witness now, oldest first; the newest alone by mail. Empty: nothing, or not yet."""
    require(ctx, Permission.AUDIT_SEAL)
    queries.add_follower(witness, ctx.now)
    follower = queries.follower(witness, lock=True)
    if follower is None or follower.due_at > ctx.now:
        return []
    if witness is Witness.MAIL:
        last = queries.last_checkpoint()
        lines = [Line(last.number, last.note, [], [])] if last and last.number > follower.position else []
    else:
        lines = _lines(follower.position)
    if lines:
        follower.due_at = ctx.now + GIVE_WITHIN
        db.session.flush()
    return lines


def record_given(ctx: Context, witness: Witness, number: int) -> None:
    """The witness holds every checkpoint up to this one."""
    follower = _held(ctx, witness)
    follower.position, follower.moved_at = max(follower.position, number), ctx.now
    follower.due_at = ctx.now + _EVERY.get(witness, timedelta())
    follower.attempts, follower.error_code = 0, None
    db.session.flush()


def record_failed(ctx: Context, witness: Witness, error_code: str) -> None:
    """It was not given, or nobody knows: tried again, later and later, for as long as it takes."""
    follower = _held(ctx, witness)
    follower.due_at = ctx.now + _FIRST_RETRY * 2 ** min(follower.attempts, _MOST_RETRIES)
    follower.attempts, follower.error_code = follower.attempts + 1, error_code
    db.session.flush()


@dataclass(frozen=True, slots=True)
class Standing:
    """How the audit stands outside: the last checkpoint here, the last that a witness holds, and what fails."""

    size: int
    signed_at: datetime | None
    witnessed_size: int
    witnessed_at: datetime | None
    configured: tuple[str, ...]
    failing: tuple[str, ...]
    late: bool


def standing(ctx: Context, settings: Settings) -> Standing:
    """How it stands now. `late`: nobody outside holds a young checkpoint, though the settings name a witness."""
    wanted, deadline = configured(settings), timedelta(minutes=settings.audit_witness_minutes)
    last = queries.last_checkpoint()
    followers = [each for each in queries.list_followers() if each.name in wanted]
    ahead = max(followers, key=lambda each: each.position, default=None)
    held = queries.find_checkpoint(ahead.position) if ahead else None
    signed, given = (read_checkpoint(found.note) if found else None for found in (last, held))
    since = given or (read_checkpoint(queries.list_checkpoints(0, 1)[0].note) if last else None)
    patience = deadline if any(each not in _EVERY for each in wanted) else max(deadline, 2 * _EVERY[Witness.MAIL])
    return Standing(
        size=signed.size if signed else 0, signed_at=signed.at if signed else None,
        witnessed_size=given.size if given else 0, witnessed_at=given.at if given else None,
        configured=tuple(sorted(wanted)), failing=tuple(each.name for each in followers if each.error_code),
        late=bool(wanted and since and since.at < ctx.now - patience),
    )  # fmt: skip


def alarm_late(ctx: Context, settings: Settings) -> bool:
    """Tell the auditors and administrators of every centre, once, that no witness has been reached in time."""
    require(ctx, Permission.AUDIT_SEAL)
    state = standing(ctx, settings)
    if state.late:
        tell_guardians(ctx, "witness_late", f"{state.witnessed_size}:{state.witnessed_at}")
    return state.late


def tell_guardians(ctx: Context, template: str, what: str) -> None:
    """A message to each auditor and administrator, once for each `what`."""
    about = sha256(what.encode()).hexdigest()[:16]
    for centre in accounts.list_centres():
        for user in accounts.list_users(centre.id):
            if user.role in {Role.AUDITOR, Role.ADMIN} and user.status == UserStatus.ACTIVE:
                queue_message(
                    ctx, QueueMessage(centre.id, template, f"{template}:{about}:{user.id}", user_id=user.id)
                )  # fmt: skip


def _lines(position: int) -> list[Line]:
    previous = queries.find_checkpoint(position)
    start = read_checkpoint(previous.note).size if previous else 0
    taken: list[tuple[AuditCheckpoint, int]] = []
    for found in queries.list_checkpoints(position, BATCH):
        taken.append((found, read_checkpoint(found.note).size))
        if taken[-1][1] - start >= ENTRIES:
            break
    leaves = list(queries.leaf_hashes(start, taken[-1][1])) if taken else []
    starts = [start, *(size for _found, size in taken)]
    return [
        Line(found.number, found.note, found.proof, leaves[begin - start : size - start])
        for (found, size), begin in zip(taken, starts, strict=False)
    ]


def _held(ctx: Context, witness: Witness) -> AuditFollower:
    require(ctx, Permission.AUDIT_SEAL)
    follower = queries.follower(witness)
    if follower is None:
        raise NotFound("witness")
    return follower
