"""Who acts, when, and for what request: passed to every service, frozen."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from helpline.foundation.access.powers import Powers
from helpline.foundation.clock import now
from helpline.foundation.ids import new_id


class Channel(StrEnum):
    """Through which door an action came in."""

    PAGE = "page"
    API = "api"
    PORTAL = "portal"
    WORKER = "worker"
    CLI = "cli"


@dataclass(frozen=True, slots=True)
class Actor:
    """A person, a partner's link, or a named system actor.

    `role` is a key of the access matrix. `id` is a user's id, a referral's id for a partner's link, or a fixed
    id for a system actor. `centre_id` is None for system actors, who act for the centre of the row at hand.
    """

    id: uuid.UUID
    role: str
    centre_id: uuid.UUID | None = None
    team_ids: tuple[uuid.UUID, ...] = ()
    permissions: frozenset[str] | None = None  # an API token's scopes; None: all the role holds
    narrowed: Powers | None = None  # a role of the centre's own, narrower than `role`; None: the role as it is


@dataclass(frozen=True, slots=True)
class Context:
    """One request or one task. `now` is the business time of everything done in it (aware, UTC)."""

    actor: Actor
    now: datetime
    request_id: uuid.UUID
    channel: Channel
    locale: str = "en"
    timezone: str = "Asia/Phnom_Penh"
    cause_id: uuid.UUID | None = None  # the event that caused this task, the override under which it is done


_NAMESPACE = uuid.UUID("6f9c0b1e-0b7d-5c8e-9f53-2f6b3f0f1280")


def system_actor(name: str, centre_id: uuid.UUID | None = None) -> Actor:
    """The named system actor (`router`, `reminder`, `importer`…), with its own row in the matrix."""
    return Actor(id=uuid.uuid5(_NAMESPACE, name), role=name, centre_id=centre_id)


def system_context(name: str, *, channel: Channel = Channel.WORKER, cause_id: uuid.UUID | None = None) -> Context:
    """A context for work that no person started just now."""
    return Context(actor=system_actor(name), now=now(), request_id=new_id(), channel=channel, cause_id=cause_id)


_current: ContextVar[Context | None] = ContextVar("helpline_context", default=None)


def current_context() -> Context | None:
    """The context whose unit of work is open here, if any."""
    return _current.get()


def replace_context(ctx: Context) -> None:
    """Go on as `ctx` inside the running `active` block, which still restores what was before it."""
    _current.set(ctx)


@contextmanager
def active(ctx: Context) -> Iterator[Context]:
    """Make `ctx` the one that row security and the log see until the block ends."""
    token = _current.set(ctx)
    try:
        yield ctx
    finally:
        _current.reset(token)
