"""The service without what protects it, or with one part of it alone: put together here, for what protection costs.

The services, queries, schemas and routes are the shipped ones. Before they are imported, the few functions through
which all of them sign transactions, seal and audit are replaced; the database is a copy without row security.
"""

import importlib
import json
from typing import Any
from uuid import UUID

from flask import Flask

from helpline.foundation import db as database
from helpline.foundation.audit import recorder
from helpline.foundation.context import replace_context
from helpline.foundation.crypto import records

ROWS, SEALING, AUDIT = "rows", "sealing", "audit"
SIDES: dict[str, frozenset[str]] = {  # what each side keeps
    "protected": frozenset({ROWS, SEALING, AUDIT}),
    "bare": frozenset(),
    "rows_only": frozenset({ROWS}),
    "sealing_only": frozenset({SEALING}),
    "audit_only": frozenset({AUDIT}),
}


def _nothing(*_: Any, **__: Any) -> None:
    """In place of what signs and what records."""


def plain(_table: str, _column: str, _row_id: UUID, _record_key: bytes, value: Any) -> bytes:
    """A value as it is: in place of sealing it."""
    return b"t" + value.encode() if isinstance(value, str) else b"j" + json.dumps(value, ensure_ascii=False).encode()


def _clear(_table: str, _column: str, _row_id: UUID, _record_key: bytes, stored: bytes) -> Any:
    return stored[1:].decode() if stored[:1] == b"t" else json.loads(stored[1:])


class _PlainRecord:
    """A row that is being made, without a key."""

    def __init__(self, _table: str, row_id: UUID) -> None:
        self.id, self.record_key = row_id, b"-"

    def seal(self, column: str, value: Any) -> bytes:
        return plain("", column, self.id, b"", value)


def _application(kept: frozenset[str]) -> Flask:
    if ROWS not in kept:
        database.sign_transactions = _nothing
        database.become = replace_context
    if SEALING not in kept:
        records.new_record_key = lambda _table, _row_id: b"-"
        records.seal, records.unseal = plain, _clear
        records.NewRecord = _PlainRecord  # type: ignore[assignment,misc]
    if AUDIT not in kept:
        recorder.record = recorder.showed = _nothing
        database.before_commit.remove(recorder._write)  # noqa: SLF001  # the only one that writes the audit
    # Only now: every room takes these functions by name when it is first imported.
    app: Flask = importlib.import_module("helpline.app").serve()
    return app


def protected() -> Flask:
    """The shipped application, started by the same hand."""
    return _application(SIDES["protected"])


def bare() -> Flask:
    return _application(SIDES["bare"])


def rows_only() -> Flask:
    return _application(SIDES["rows_only"])


def sealing_only() -> Flask:
    return _application(SIDES["sealing_only"])


def audit_only() -> Flask:
    return _application(SIDES["audit_only"])
