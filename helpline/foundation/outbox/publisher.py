"""Publishing and handling events, inside the caller's unit of work."""

import uuid
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import orjson
from sqlalchemy.dialects.postgresql import insert as upsert

from helpline.foundation.context import Context
from helpline.foundation.db import add_rows, db
from helpline.foundation.ids import new_id
from helpline.foundation.outbox.models import HandledEvent, OutboxEvent


@dataclass(frozen=True, slots=True)
class Event:
    """Base of every event: a frozen dataclass of ids, enums and times. `name` is `<slice>.<past_tense>`."""

    name: ClassVar[str]


def publish(ctx: Context, event: Event) -> None:
    """Write the event; the relay takes it from there once this unit has committed."""
    payload: dict[str, Any] = orjson.loads(orjson.dumps(asdict(event)))
    row = {
        "id": new_id(), "name": event.name, "payload": payload, "request_id": ctx.request_id, "created_at": ctx.now,
    }  # fmt: skip
    add_rows(OutboxEvent, [row])


def first_handling(ctx: Context, event_id: uuid.UUID, handler: str) -> bool:
    """Claim the event for `handler`; False if it was already done. Waits for a rival's transaction to end."""
    statement = upsert(HandledEvent).values(event_id=event_id, handler=handler, handled_at=ctx.now)
    done = db.session.execute(statement.on_conflict_do_nothing().returning(HandledEvent.event_id))
    return done.first() is not None
