"""The narrow role in which things are found, erased and thrown away: it sees ids, dates and links, and no word."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import text

from helpline.foundation.access.permissions import SystemActor
from helpline.foundation.context import Channel, Context, system_context
from helpline.foundation.db import db

_STEP_DOWN, _STEP_UP = text("SET LOCAL ROLE helpline_eraser"), text("RESET ROLE")


def eraser(channel: Channel = Channel.WORKER) -> Context:
    """The context of the system actor."""
    return system_context(SystemActor.ERASER, channel=channel)


@contextmanager
def stepped_down() -> Iterator[None]:
    """In the role, from the worker's login. After an error the transaction ends, and the role with it."""
    db.session.flush()
    db.session.execute(_STEP_DOWN)
    yield
    db.session.execute(_STEP_UP)
