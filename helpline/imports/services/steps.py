"""Bringing an old log in: upload, map, check, import.

Checking reads the whole file and keeps each good row, sealed as the call it will be, in small units of its own that a
progress bar can follow. Importing turns them into calls in one unit: all of them, or none. A row's identity is its
content and its occurrence, so the same file adds nothing the second time. Historic calls publish no event.
"""

import base64
import uuid
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, BinaryIO, cast
from zoneinfo import ZoneInfo

from sqlalchemy import delete, insert, select

from helpline.accounts import queries as accounts
from helpline.accounts.models import Centre
from helpline.foundation.access.engine import require
from helpline.foundation.access.permissions import Permission
from helpline.foundation.audit.recorder import record
from helpline.foundation.clock import real_now
from helpline.foundation.context import Context
from helpline.foundation.crypto.sealed import seal_values
from helpline.foundation.db import db
from helpline.foundation.errors import Conflict, Invalid
from helpline.foundation.ids import new_id
from helpline.foundation.tabular.mapping import ImportMapping
from helpline.foundation.tabular.normalise import compile_mapping
from helpline.foundation.tabular.reading import open_table
from helpline.imports import queries
from helpline.imports.commands import Mapped, Upload
from helpline.imports.models import CallImport, ImportChunk, ImportFinding, ImportRow, SavedMapping
from helpline.imports.rules import read_for
from helpline.imports.vocabulary import WORKING, Found, ImportState

CHUNK_BYTES = 384 * 1024
LEASE = timedelta(seconds=60)


def upload(ctx: Context, command: Upload) -> CallImport:
    """Keep the file, sealed, in pieces. Raises Invalid with the tabular codes for what is no table."""
    require(ctx, Permission.CALL_IMPORT, command.centre_id)
    existing = db.session.get(CallImport, command.import_id)
    if existing is not None:
        return existing
    centre = accounts.get_centre(command.centre_id)
    with open_table(cast("BinaryIO", command.stream), name=command.file_name, options=command.options) as table:
        headers, encoding = table.headers, table.encoding
    size = command.stream.seek(0, 2)
    command.stream.seek(0)
    given = {name: getattr(command.options, name) for name in ("encoding", "delimiter", "sheet", "header_row")}
    made = CallImport(
        id=command.import_id, centre_id=centre.id, requested_by=ctx.actor.id, created_at=ctx.now,
        state=ImportState.UPLOADED, size_bytes=size, encoding=encoding, file_name=command.file_name[:200],
        headers=headers, mapping=_fitting(centre, headers), options=given, by_command=command.by_command,
        leased_until=real_now() + LEASE if command.by_command else None,
    )  # fmt: skip
    db.session.add(made)
    db.session.flush()
    position = 0
    while piece := command.stream.read(CHUNK_BYTES):
        chunk_id = new_id()
        sealed = seal_values("call_import_chunks", chunk_id, {"body_sealed": base64.b64encode(piece).decode()})
        values = {"id": chunk_id, "import_id": made.id, "position": position} | sealed
        db.session.execute(insert(ImportChunk).values(values))
        position += 1
    record(ctx, "import.uploaded", "import", made.id, centre_id=centre.id, size_bytes=size)
    return made


def _fitting(centre: Centre, headers: list[str]) -> dict[str, Any] | None:
    """The first known mapping whose columns the file all has, and whose codes this centre all knows."""
    known = [saved.document for saved in queries.list_mappings(centre.id)] + list(queries.shipped_mappings().values())
    fits = (document for document in known if _fits(document, headers))
    return next((document for document in fits if queries.find_fault(document, centre, headers) is None), None)


def _fits(document: dict[str, Any], headers: list[str]) -> bool:
    there = {header.casefold() for header in headers}
    named = [rule["columns"] for rule in document.get("fields", [])]
    return bool(named) and all(any(name.casefold() in there for name in columns) for columns in named)


def set_mapping(ctx: Context, command: Mapped) -> CallImport:
    """Choose or edit the mapping; what was checked under another one is thrown away.

    Raises Invalid with the path of a fault in the document, Conflict("stale" | "import_busy").
    """
    require(ctx, Permission.CALL_IMPORT, command.import_id)
    found = _waiting(command.import_id, command.version)
    centre = accounts.get_centre(found.centre_id)
    mapping = _read(command.document, centre)
    compile_mapping(mapping, found.headers or [], time_zone=ZoneInfo(centre.timezone))
    forget_check(found.id)
    found.mapping, found.state, found.report = dict(mapping.document), ImportState.UPLOADED, None
    db.session.flush()
    record(ctx, "import.mapped", "import", found.id, fields=["mapping"])
    return found


def _read(document: dict[str, Any], centre: Centre) -> ImportMapping:
    return read_for(document, queries.vocabulary_of(centre))


def save_mapping(ctx: Context, centre_id: uuid.UUID, document: dict[str, Any]) -> SavedMapping:
    """Keep a document under its own name for the centre's next logs; the same name is replaced."""
    require(ctx, Permission.CALL_IMPORT, centre_id)
    mapping = _read(document, accounts.get_centre(centre_id))
    statement = select(SavedMapping).where(SavedMapping.centre_id == centre_id, SavedMapping.name == mapping.name)
    saved = db.session.scalars(statement).first()
    if saved is None:
        saved = SavedMapping(id=new_id(), centre_id=centre_id, name=mapping.name)
        db.session.add(saved)
    saved.document, saved.saved_at, saved.saved_by = document, ctx.now, ctx.actor.id
    db.session.flush()
    record(ctx, "import.mapping_saved", "import_mapping", saved.id)
    return saved


def request(ctx: Context, import_id: uuid.UUID, version: int, step: ImportState) -> CallImport:
    """Ask for the check, or for the import of what was checked; a worker takes it from there.

    Raises Invalid("mapping_needed"), Conflict("stale" | "import_busy" | "check_first").
    """
    require(ctx, Permission.CALL_IMPORT, import_id)
    found = _waiting(import_id, version)
    if found.mapping is None:
        raise Invalid("mapping_needed", "mapping")
    if step is ImportState.IMPORTING and found.state != ImportState.CHECKED:
        raise Conflict("check_first")
    found.state, found.error_code = step, None
    found.leased_until = real_now() + LEASE if found.by_command else None
    db.session.flush()
    record(ctx, f"import.{step.value}", "import", found.id)
    return found


def discard(ctx: Context, import_id: uuid.UUID) -> None:
    """Throw away a file that was not imported, or stop what is at work on it: the process that has it takes nothing in.

    Raises Conflict("import_busy") when it is in.
    """
    require(ctx, Permission.CALL_IMPORT, import_id)
    found = queries.get_import(import_id)
    db.session.refresh(found, ["state", "version"], with_for_update={"key_share": True})
    if found.state == ImportState.DONE:
        raise Conflict("import_busy")
    if found.state in WORKING and found.leased_until is not None:
        found.discarded, found.lease = True, None
    else:
        db.session.delete(found)
    db.session.flush()
    record(ctx, "import.discarded", "import", import_id)


def take_out_findings(ctx: Context, import_id: uuid.UUID, kind: Found) -> Iterator[list[Any]]:
    """What was found of a kind, as it leaves the service in a file: what it quotes is out of its hands from here on."""
    _export(ctx, import_id, kind)
    return queries.read_findings(import_id, kind)


def take_out_piece(ctx: Context, import_id: uuid.UUID, kind: Found, after: int) -> ImportFinding | None:
    """The same, a piece at a time, for a program: each piece is a taking out of its own."""
    _export(ctx, import_id, kind)
    return queries.find_findings(import_id, kind, after)


def _export(ctx: Context, import_id: uuid.UUID, kind: Found) -> None:
    require(ctx, Permission.CALL_IMPORT, import_id)
    queries.get_import(import_id)
    record(ctx, "import.exported", "import", import_id, fields=[kind.value])


def forget_check(import_id: uuid.UUID) -> None:
    """What a check kept and found goes."""
    for kept in (ImportRow, ImportFinding):
        db.session.execute(delete(kept).where(kept.import_id == import_id))


def _waiting(import_id: uuid.UUID, version: int) -> CallImport:
    found = queries.get_import(import_id)
    if found.version != version:
        raise Conflict("stale")
    if found.state in WORKING or found.state == ImportState.DONE:
        raise Conflict("import_busy")
    return found
