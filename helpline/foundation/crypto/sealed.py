"""Sealed columns for models.

    class Call(Sealed, Base):
        narrative_sealed: Mapped[bytes | None] = sealed_column()
        narrative = sealed_text("narrative_sealed")

Sealed columns are deferred together with `record_key`: a list query can't decrypt by accident, and the first reading
loads all of a row's sealed columns in one statement. Rows get their id in Python before anything is sealed, since
the id is part of what is authenticated: name `id` first in the constructor.
"""

from collections.abc import Mapping
from typing import Any, Generic, Self, TypeVar, cast, overload
from uuid import UUID

from sqlalchemy import LargeBinary, MetaData, event
from sqlalchemy.orm import Mapped, MappedColumn, mapped_column

from helpline.foundation.crypto.records import new_record_key, seal, unseal

SUFFIX = "_sealed"
_INFO = {"sealed": True}
T = TypeVar("T")


class Sealed:
    """Mixin of every model with sealed columns: the row's own wrapped data key, made when first needed."""

    record_key: Mapped[bytes] = mapped_column(LargeBinary, deferred=True, deferred_group="sealed")


def sealed_column() -> MappedColumn[bytes | None]:
    """A nullable, deferred column of ciphertext. Its name ends in `_sealed`."""
    return mapped_column(LargeBinary, nullable=True, deferred=True, deferred_group="sealed", info=dict(_INFO))


class SealedValue(Generic[T]):
    """Reads and writes a sealed column in the clear. None stays None.

    Raises Tampered when the stored bytes are not this cell's, ValueError when the row has no id yet.
    """

    def __init__(self, column: str) -> None:
        self.column = column

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...
    @overload
    def __get__(self, instance: object, owner: type) -> T | None: ...
    def __get__(self, instance: Any, owner: type) -> Self | T | None:
        if instance is None:
            return self
        sealed = getattr(instance, self.column)
        if sealed is None:
            return None
        return cast("T", unseal(instance.__tablename__, self.column, instance.id, instance.record_key, sealed))

    def __set__(self, instance: Any, value: T | None) -> None:
        setattr(instance, self.column, None if value is None else _sealed_for(instance, self.column, value))


def sealed_text(column: str) -> SealedValue[str]:
    """The clear text behind a sealed column."""
    return SealedValue(column)


def sealed_json(column: str) -> SealedValue[Any]:
    """The clear JSON value behind a sealed column. Each reading is a fresh copy: assign to change it."""
    return SealedValue(column)


def sealed_columns(metadata: MetaData) -> dict[str, set[str]]:
    """Which columns of which tables are sealed: what the architecture tests and the privacy register read."""
    found = {t.name: {c.name for c in t.columns if c.info.get("sealed")} for t in metadata.sorted_tables}
    return {table: columns for table, columns in found.items() if columns}


def wrapped_key_column(*, nullable: bool = False) -> MappedColumn[Any]:
    """A column of a wrapped key on its way to the row it belongs to: no master key that wrapped it may go."""
    return mapped_column(LargeBinary, nullable=nullable, info={"wrapped_key": True})


def wrapped_keys(metadata: MetaData) -> dict[str, set[str]]:
    """Which columns of which tables hold wrapped keys: every `record_key`, and those of `wrapped_key_column`."""
    found = {
        t.name: {c.name for c in t.columns if c.name == "record_key" or c.info.get("wrapped_key")}
        for t in metadata.sorted_tables
    }
    return {table: columns for table, columns in found.items() if columns}


def seal_values(table: str, row_id: UUID, plain: Mapping[str, Any], record_key: bytes | None = None) -> dict[str, Any]:
    """Values for a core insert: `{"narrative_sealed": "…"}` becomes ciphertexts plus `record_key`. None stays None.

    Give the row's stored `record_key` for an update; without one, a fresh key is made.
    """
    key = record_key or new_record_key(table, row_id)
    sealed = {c: None if value is None else seal(table, c, row_id, key, value) for c, value in plain.items()}
    return {"record_key": key, **sealed}


def unseal_row(table: str, row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of a core select in the clear: `narrative_sealed` comes back as `narrative`; `record_key` is left out.

    The row must hold `id` and `record_key`. Raises Tampered.
    """
    return {
        name.removesuffix(SUFFIX): unseal(table, name, row["id"], row["record_key"], value)
        if name.endswith(SUFFIX) and value is not None
        else value
        for name, value in row.items()
        if name != "record_key"
    }


def _key_of(instance: Any) -> bytes:
    if instance.id is None:
        raise ValueError(f"{type(instance).__name__} needs its id before anything in it can be sealed")
    if instance.record_key is None:
        instance.record_key = new_record_key(instance.__tablename__, instance.id)
    return cast("bytes", instance.record_key)


def _sealed_for(instance: Any, column: str, value: Any) -> bytes:
    key = _key_of(instance)
    return seal(instance.__tablename__, column, instance.id, key, value)


@event.listens_for(Sealed, "before_insert", propagate=True)
def _give_key(_mapper: object, _connection: object, target: Any) -> None:
    """A row with nothing sealed yet gets its key as well, so that a later update finds one."""
    _key_of(target)
