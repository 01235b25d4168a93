"""The canary: beat sends it through the queue, a worker writes that both were seen."""

from sqlalchemy import text

from helpline.foundation.access.permissions import SystemActor
from helpline.foundation.clock import real_now
from helpline.foundation.context import system_context
from helpline.foundation.db import db, unit_of_work
from workers.task import job

SEEN = text(
    "INSERT INTO heartbeats (part, seen_at) VALUES ('beat', :at), ('worker', :at) "
    "ON CONFLICT (part) DO UPDATE SET seen_at = excluded.seen_at"
)


@job("heartbeat.beat_seen")
def beat_seen() -> None:
    """Note that beat sent and a worker received."""
    with unit_of_work(system_context(SystemActor.KEEPER)):
        db.session.execute(SEEN, {"at": real_now()})
