"""The relay: takes events from the outbox and wakes their handlers. The only place that enqueues.

It is woken by LISTEN and, should a notification be lost, by a sweep. An event stays open until each of its handlers
has noted that it is done; until then it is sent again, later and later. So a broker that loses everything loses
nothing, and a handler that is called twice does its work once. While the keys are locked it sends nothing.
"""

import signal
import time
from typing import Any

import psycopg
from celery import Celery
from kombu.exceptions import OperationalError
from psycopg.types.json import Jsonb

from helpline.foundation.failpoints import failpoint, use_failpoints_file
from helpline.foundation.log import configure_logging, get_logger
from workers.celery_app import celery, settings
from workers.subscriptions import SUBSCRIPTIONS

log = get_logger(__name__)
SWEEP_SECONDS = 2.0
BATCH = 200

# Machine time throughout: retries must not jump with a test's clock.
CLAIM = """
UPDATE outbox_events SET attempts = attempts + 1,
    next_attempt_at = now() + least(power(2, attempts) * interval '15 seconds', interval '10 minutes')
WHERE id IN (SELECT id FROM outbox_events WHERE settled_at IS NULL AND next_attempt_at <= now()
             AND NOT (SELECT app.keys_locked())
             ORDER BY next_attempt_at, id LIMIT %s FOR UPDATE SKIP LOCKED)
RETURNING id, name, payload
"""
SETTLE = """
UPDATE outbox_events e SET settled_at = now()
WHERE settled_at IS NULL AND attempts > 0
  AND (SELECT count(*) FROM handled_events h WHERE h.event_id = e.id) >= coalesce((%s::jsonb ->> e.name)::int, 0)
"""
SEEN = (
    "INSERT INTO heartbeats (part, seen_at) VALUES ('relay', clock_timestamp()) "
    "ON CONFLICT (part) DO UPDATE SET seen_at = excluded.seen_at"
)


def dispatch(connection: psycopg.Connection[Any], app: Celery) -> int:
    """Claim a batch of open events, send each to its handlers, then commit the claim. Gives how many it took."""
    with connection.transaction():
        events = connection.execute(CLAIM, [BATCH]).fetchall()
        failpoint("relay.after_claim")
        for event_id, name, payload in events:
            for task in SUBSCRIPTIONS.get(name, ()):
                app.send_task(task, kwargs={"event_id": str(event_id), "payload": payload}, retry=False)
                failpoint("relay.after_send")
    return len(events)


def settle(connection: psycopg.Connection[Any]) -> None:
    """Close the events whose handlers have all noted that they are done."""
    needed = Jsonb({name: len(tasks) for name, tasks in SUBSCRIPTIONS.items()})
    connection.execute(SETTLE, [needed])


def serve(connection: psycopg.Connection[Any], app: Celery, stopping: list[bool]) -> None:
    """Work until asked to stop. Raises psycopg.OperationalError or kombu's OperationalError when a server is gone."""
    connection.execute("LISTEN outbox")
    while not stopping:
        while dispatch(connection, app) == BATCH:
            pass
        settle(connection)
        connection.execute(SEEN)
        for _notice in connection.notifies(timeout=SWEEP_SECONDS, stop_after=1):
            break


def main() -> None:
    """Serve, and after a lost server try again each second."""
    configure_logging(settings)
    use_failpoints_file(settings.failpoints_path if settings.failpoints_path.name else None)
    stopping: list[bool] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.append(True))
    while not stopping:
        try:
            with psycopg.connect(settings.database_relay_url, autocommit=True) as connection:
                log.info("relay.connected")
                serve(connection, celery, stopping)
        except (psycopg.OperationalError, OperationalError, ConnectionError) as error:
            log.warning("relay.waiting", error=type(error).__name__)
            time.sleep(1)


if __name__ == "__main__":
    main()
