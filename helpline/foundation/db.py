"""The database: metadata, the session, and the only commit and rollback in the project."""

import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

import orjson
import psycopg
from flask_sqlalchemy import SQLAlchemy
from psycopg.types.json import set_json_loads
from sqlalchemy import Connection, DateTime, Engine, MetaData, Table, Text, TextClause, Uuid, event, insert, text
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import InvalidatePoolError
from sqlalchemy.orm import DeclarativeBase, registry
from sqlalchemy.pool import ConnectionPoolEntry

from helpline.foundation.access.rows import machine_role, signed_context
from helpline.foundation.context import Context, active, current_context, replace_context
from helpline.foundation.errors import Forbidden, NotFound

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


class _Base(DeclarativeBase):
    metadata = MetaData(naming_convention=NAMING)
    registry = registry(
        type_annotation_map={datetime: DateTime(timezone=True), str: Text(), uuid.UUID: Uuid()}, metadata=metadata
    )


set_json_loads(orjson.loads)  # JSONB columns come with every row of a list

db = SQLAlchemy(model_class=_Base, session_options={"autoflush": False, "expire_on_commit": False})

if TYPE_CHECKING:
    Model = _Base
else:
    Model = db.Model

# What must be written inside every unit before it commits (audit entries, outbox rows), and what is written after a
# refused one has been rolled back. The rooms that own these tables register here.
before_commit: list[Callable[[], None]] = []
after_refusal: list[Callable[[Context, Forbidden | NotFound], None]] = []
after_unit: list[Callable[[], None]] = []

IDLE_SECONDS = 1.0
_unproved: ContextVar[bool] = ContextVar("helpline_unproved", default=False)
_SET_CONTEXT = text("SELECT set_config('app.context', :context, true), set_config('app.signature', :signature, true)")
_STEP_DOWN = text(f"{_SET_CONTEXT.text}, set_config('role', :role, true)")


def sign_transactions(engine: Engine, *, step_down: bool = False) -> None:
    """Let every transaction of `engine` carry the signed statement of who acts.

    `step_down`, for the workers: it runs in the narrow database role of the system actor who acts, until it ends.
    """

    @event.listens_for(engine, "begin")
    def _sign(connection: Connection) -> None:
        ctx = current_context()
        if ctx is None or _unproved.get():
            return
        if step_down:
            connection.execute(_STEP_DOWN, {**signed_context(ctx), "role": machine_role(ctx.actor.role)})
        else:
            connection.execute(_SET_CONTEXT, signed_context(ctx))


def ask_idle_connections(engine: Engine) -> None:
    """Let a connection that nobody used for a while answer once before it is used, and be made anew if it does not.

    Asking each time, as the pool would by itself, is a way there and back more in every request.
    """

    @event.listens_for(engine, "checkin")
    def _note(_connection: object, record: ConnectionPoolEntry) -> None:
        record.info["idle_since"] = time.monotonic()

    @event.listens_for(engine, "checkout")
    def _ask(connection: DBAPIConnection, record: ConnectionPoolEntry, _fairy: object) -> None:
        since = record.info.get("idle_since")
        if since is None or time.monotonic() - since < IDLE_SECONDS:
            return
        try:
            engine.dialect.do_ping(connection)
        except psycopg.OperationalError as error:
            raise InvalidatePoolError from error


@contextmanager
def unit_of_work(ctx: Context, *, proved: bool = True) -> Iterator[Context]:
    """Everything inside happens together or not at all.

    `proved=False` is the door's: until `become` says whom a credential proved, the rows know nobody and show nothing.

    Audit entries and events that services recorded are written just before the commit. A refusal (Forbidden, or a
    NotFound by id) rolls back and leaves one audit entry of its own, on the same connection. Not to be nested.
    """
    if db.session().in_transaction():
        raise RuntimeError("a unit of work is already open here")
    with active(ctx):
        _unproved.set(not proved)
        try:
            yield ctx
            for write in before_commit:
                write()
            db.session.commit()
        except (Forbidden, NotFound) as refusal:
            db.session.rollback()
            _unproved.set(False)
            for note in after_refusal:
                note(current_context() or ctx, refusal)
            db.session.commit()
            raise
        except BaseException:
            db.session.rollback()
            raise
        finally:
            _unproved.set(False)
            for forget in after_unit:
                forget()
            db.session.expunge_all()


def add_rows(model: type[_Base], rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert these rows (all with the same columns) in one statement, compiled once for good. For hot paths."""
    db.session.execute(insert(cast("Table", model.__table__)), rows)


def become(ctx: Context) -> None:
    """Go on in the open unit of work as the actor whom a credential has just proved."""
    replace_context(ctx)
    _unproved.set(False)
    if db.session().in_transaction():  # else it is signed as it begins
        db.session.execute(_SET_CONTEXT, signed_context(ctx))


def apart(statement: TextClause, values: Mapping[str, Any]) -> Any:
    """The value of one statement in a transaction of its own, which stays whatever becomes of the unit of work."""
    with db.engine.begin() as connection:
        return connection.scalar(statement, values)
