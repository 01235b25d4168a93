"""The two kinds of task: one handles an event, once; the other is a job that beat calls again and again.

Both are thin: they open a unit of work as a named system actor and call one service.
"""

import functools
import uuid
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from flask import Flask
from sqlalchemy.exc import InterfaceError, OperationalError

from helpline.app import create_app, follow_lock
from helpline.foundation.access.permissions import SystemActor
from helpline.foundation.context import Context, system_context
from helpline.foundation.crypto.keyring import NoKeys
from helpline.foundation.db import unit_of_work
from helpline.foundation.failpoints import failpoint
from helpline.foundation.outbox.publisher import first_handling
from workers.celery_app import celery, settings

TRANSIENT = (OperationalError, InterfaceError, ConnectionError)
_RETRY: dict[str, Any] = {
    "autoretry_for": TRANSIENT, "retry_backoff": 2, "retry_backoff_max": 30, "retry_jitter": True, "max_retries": 3,
}  # fmt: skip


@functools.cache
def flask_app() -> Flask:
    """The application of this process, made after the fork: a database connection does not survive one."""
    app = create_app(settings, database_role="worker")
    follow_lock(app, settings.database_worker_url)
    return app


# Work that the emergency lock takes the keys from is given up, and lost it is not: an event stays open in the outbox
# until its handler is done, and beat calls its jobs again.
unless_locked = suppress(NoKeys)


Handle = Callable[[Context, dict[str, Any]], None]


def on_event(name: str, actor: SystemActor) -> Callable[[Handle], Handle]:
    """A task that handles an event exactly once: its effect and the note that it is done commit together."""

    def decorate(handle: Handle) -> Handle:
        @celery.task(name=name, **_RETRY)
        def run(*, event_id: str, payload: dict[str, Any], **_: object) -> None:
            ctx = system_context(actor, cause_id=uuid.UUID(event_id))
            with flask_app().app_context(), unless_locked, unit_of_work(ctx):
                if first_handling(ctx, uuid.UUID(event_id), name):
                    handle(ctx, payload)
                    failpoint(f"{name}.before_commit")
            failpoint(f"{name}.after_commit")

        return handle

    return decorate


Work = Callable[[], None]


def job(name: str, **options: Any) -> Callable[[Work], Work]:
    """A task that beat calls: it opens its own units of work (`unit_of_work(system_context(...))`), one a batch."""

    def decorate(work: Work) -> Work:
        @celery.task(name=name, **options)  # no retry: beat calls again soon
        def run(**_: object) -> None:
            with flask_app().app_context(), unless_locked:
                work()

        return work

    return decorate
