"""Pure decisions: what is withheld from a subject, how the clock of a breach runs, what stays in a bulk export.

72 hours are GDPR's (article 33), counted by the clock: nights and holidays are no excuse. Reminders come when 48, 24,
12 and 4 hours are left, at the end, and every 12 hours from then on.
"""

import uuid
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from helpline.foundation.access.permissions import FieldGroup
from helpline.foundation.errors import Invalid
from helpline.registers.vocabulary import NEVER_GIVEN, BreachState, Held, Piece, Span, Withheld

CLOCK = timedelta(hours=72)
KEPT = timedelta(days=3)  # how long an export waits for whoever made it
USABLE = timedelta(days=7)  # how long an approved bulk export can be made; the database holds it too
BULK_ROWS = 100_000
LONGEST = timedelta(days=3 * 366)
_LEFT = [timedelta(hours=hours) for hours in (48, 24, 12, 4, 0)]
_AGAIN = timedelta(hours=12)


def remind_next(notify_by: datetime, now: datetime) -> datetime:
    """When a breach of which nobody told the authority is to be reminded of next."""
    coming = [notify_by - left for left in _LEFT if notify_by - left > now]
    if coming:
        return coming[0]
    return now + _AGAIN


def breach_state(
    notify_by: datetime, authority_told_at: datetime | None, closed_at: datetime | None, now: datetime
) -> BreachState:
    if closed_at is not None:
        return BreachState.CLOSED
    if authority_told_at is not None:
        return BreachState.TOLD
    return BreachState.LATE if now > notify_by else BreachState.RUNNING


def check_past(at: datetime, now: datetime, field: str, since: datetime | None = None) -> None:
    """Raise Invalid("in_the_future" | "too_early") for what can't have happened then. A minute is forgiven."""
    if at > now + timedelta(minutes=1):
        raise Invalid("in_the_future", field)
    if since is not None and at < since:
        raise Invalid("too_early", field)


def check_span(span: Span) -> None:
    """Raise Invalid("days_turned" | "days_too_many", "last")."""
    if span.last < span.first:
        raise Invalid("days_turned", "last")
    if span.last - span.first > LONGEST:
        raise Invalid("days_too_many", "last")


def withheld_by_consent(pieces: Collection[Piece], consent: Mapping[str, Any]) -> tuple[Piece, ...]:
    """The same pieces; what consent keeps back from others is kept back here too, unless there is a reason already.

    An export is often asked for by somebody else than the child: so this holds whoever gave the consent.
    """
    groups = {FieldGroup(group) for group in consent.get("withhold", ())}
    return tuple(
        replace(piece, why=Withheld.CONSENT) if piece.why is None and piece.group in groups else piece
        for piece in pieces
    )


def decided(
    records: Sequence[Held], release: Collection[str], keep_back: Collection[str]
) -> tuple[Held, ...]:  # fmt: skip
    """The records with what whoever prepares the export decided. What can never be given stays withheld."""
    return tuple(
        replace(record, pieces=tuple(_decide(piece, release, keep_back) for piece in record.pieces))
        for record in records
    )


def told_of(records: Sequence[Held]) -> tuple[Held, ...]:
    """Without those of which not even their being there may be told."""
    return tuple(
        record for record in records if any(piece.why is not Withheld.NOT_TOLD for piece in record.pieces)
    )  # fmt: skip


def _decide(piece: Piece, release: Collection[str], keep_back: Collection[str]) -> Piece:
    if piece.key in keep_back and piece.why is None:
        return replace(piece, why=Withheld.BY_HAND)
    if piece.key in release and piece.why not in NEVER_GIVEN:
        return replace(piece, why=None)
    return piece


def count_withheld(pieces: Collection[Piece]) -> list[dict[str, Any]]:
    """Why something is withheld and how often: `[{"why": …, "times": …}]`."""
    found = Counter(piece.why.value for piece in pieces if piece.why is not None)
    return [{"why": why, "times": times} for why, times in sorted(found.items())]


def readable_key(kind: str, record_id: uuid.UUID, what: str) -> str:
    """The key of a piece in a form: `call:<id>:narrative`."""
    return f"{kind}:{record_id}:{what}"
