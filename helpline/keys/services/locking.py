"""The emergency lock, from inside and by a prepared link; and opening again by two key holders.

Locking only writes that it is so. Each process that has keys looks every two seconds (foundation/crypto/watch.py), lets
go of them, and destroys its machine's key.
"""

from datetime import timedelta
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from helpline.foundation.access.engine import require
from helpline.foundation.access.permissions import Permission, SystemActor
from helpline.foundation.audit.recorder import record
from helpline.foundation.clock import now
from helpline.foundation.context import Channel, Context, current_context, system_actor, system_context
from helpline.foundation.crypto import keyring, links
from helpline.foundation.crypto.keyring import KeyRing, KeyRingError
from helpline.foundation.db import become, db, unit_of_work
from helpline.foundation.errors import Forbidden, Invalid
from helpline.keys import queries
from helpline.keys.rules import LINK_DAYS
from helpline.web.credentials import SignedIn

PURPOSE = "lock"
_LOCK = text("SELECT app.lock_keys(:at)")
_UNLOCK = text("SELECT app.unlock_keys()")


def lock_keys(ctx: Context) -> None:
    """Lock the keys of the whole installation, within seconds of the commit; every session is locked as well."""
    require(ctx, Permission.KEYS_LOCK)
    record(ctx, "keys.locked", "keys")
    db.session.execute(_LOCK, {"at": ctx.now})


def make_link(ctx: Context) -> str:
    """The path of a new prepared link, which is kept nowhere; the one of before ends."""
    require(ctx, Permission.KEYS_ROTATE)
    if ctx.actor.centre_id is None:
        raise Forbidden(Permission.KEYS_ROTATE)
    state = queries.get_state()
    state.link_version += 1
    state.link_centre_id = ctx.actor.centre_id
    record(ctx, "keys.link_made", "keys", version=state.link_version)
    token = links.sign(PURPOSE, ctx.actor.centre_id, state.link_version, ctx.now + timedelta(days=LINK_DAYS))
    return f"/close/{token}"


def end_link(ctx: Context) -> None:
    """Let no prepared link count any more."""
    require(ctx, Permission.KEYS_ROTATE)
    state = queries.get_state()
    state.link_version += 1
    state.link_centre_id = None
    record(ctx, "keys.link_ended", "keys", version=state.link_version)


def identify_link(token: str) -> SignedIn | None:
    """Who holds this link: somebody who may lock the keys and do nothing else. None where it does not count."""
    try:
        centre_id, version = links.verify(PURPOSE, token, now())
    except Invalid:
        return None
    visitor = current_context()
    if visitor is None:
        return None
    become(visitor)  # a link that was once signed here: enough to see whether it still counts
    state = queries.get_state()
    if (state.link_centre_id, state.link_version) != (centre_id, version):
        return None
    actor = system_actor(SystemActor.LOCKER, centre_id)
    return SignedIn(actor=actor, channel=Channel.PORTAL, locale=visitor.locale)


def open_keys(path: Path, machine: Path | None, first: str, second: str, channel: Channel) -> None:
    """Open the keys by two holders' shares; processes of this machine take them up within seconds.

    Opens a unit of work of its own: the proof is the shares, and it is on record in every centre. Raises KeyRingError
    for shares that do not open, a database that is away, files that can't be written; doing it again is safe.
    """
    ring = KeyRing.by_shares(path, first, second)
    with keyring.using(ring):
        try:
            with unit_of_work(system_context(SystemActor.KEEPER, channel=channel)) as ctx:
                db.session.execute(_UNLOCK)
                for centre_id in queries.list_centre_ids():
                    record(ctx, "keys.opened", "keys", centre_id=centre_id)
        except SQLAlchemyError as error:
            raise KeyRingError("The database can't be told that the keys open; mend that and try again.") from error
        # Only now: while the database says locked, whoever looks destroys what stands here.
        ring.renew_machine(machine)
