"""Imports by API."""

import uuid
from typing import Any

from flask import request

from helpline.foundation.access.permissions import Permission
from helpline.foundation.errors import Invalid
from helpline.foundation.ids import new_id
from helpline.foundation.keyset import decode_key, encode_key
from helpline.imports import queries
from helpline.imports.commands import Mapped, Upload
from helpline.imports.schemas import (
    FINDING,
    FindingsOut,
    FindingsQuery,
    ImportOut,
    ImportPage,
    ImportQuery,
    ImportStepIn,
    MappingIn,
    UploadFile,
    UploadOptionsIn,
    options_of,
)
from helpline.imports.services import steps
from helpline.imports.vocabulary import Found, ImportState
from helpline.web.api import ApiBlueprint
from helpline.web.guard import acting, guard

api = ApiBlueprint("imports", "Bringing old call logs in.")


def _centre_id() -> uuid.UUID:
    centre_id = acting().actor.centre_id
    assert centre_id is not None  # roles with this permission belong to a centre
    return centre_id


@api.get("/imports")
@guard(Permission.CALL_IMPORT)
@api.arguments(ImportQuery, location="query")
@api.response(200, ImportPage)
def list_imports(query: dict[str, Any]) -> dict[str, Any]:
    """Files that were brought, newest first."""
    rows = queries.list_imports(_centre_id(), decode_key(query["after"]))
    shown = rows[: queries.PAGE]
    more = len(rows) > queries.PAGE
    return {"items": shown, "next": encode_key(shown[-1].created_at, shown[-1].id) if more else None}


@api.post("/imports")
@guard(Permission.CALL_IMPORT, files=True)
@api.arguments(UploadFile, location="files")
@api.response(201, ImportOut)
def upload(files: dict[str, Any]) -> Any:
    """Bring a CSV or XLSX file; a mapping whose columns fit is chosen by itself."""
    file, given = files["file"], options_of(UploadOptionsIn().load(request.form.to_dict()))
    return steps.upload(acting(), Upload(new_id(), _centre_id(), file.filename or "file", file.stream, given))


@api.get("/imports/<uuid:import_id>")
@guard(Permission.CALL_IMPORT)
@api.response(200, ImportOut)
def read_import(import_id: uuid.UUID) -> Any:
    """Where it stands, and what was found."""
    return queries.get_import(import_id)


@api.get("/imports/<uuid:import_id>/findings")
@guard(Permission.CALL_IMPORT)
@api.arguments(FindingsQuery, location="query")
@api.response(200, FindingsOut)
def list_findings(query: dict[str, Any], import_id: uuid.UUID) -> dict[str, Any]:
    """All that was found while the file was read, in its order; a value can come in two pieces, each with its times."""
    kind = Found(query["kind"])
    piece = steps.take_out_piece(acting(), import_id, kind, query["after"])
    items = piece.body if piece and piece.body else []
    named = [dict(zip(FINDING[kind], item if isinstance(item, list) else [item], strict=True)) for item in items]
    return {"id": import_id, "items": named, "next": piece.position if piece else None}


@api.put("/imports/<uuid:import_id>/mapping")
@guard(Permission.CALL_IMPORT)
@api.arguments(MappingIn)
@api.response(200, ImportOut)
def set_mapping(body: dict[str, Any], import_id: uuid.UUID) -> Any:
    """Choose a known mapping by name, or give a document."""
    document = body["document"]
    if document is None:
        document = queries.find_mapping(_centre_id(), body["name"] or "")
    if document is None:
        raise Invalid("mapping_unknown", "name")
    found = steps.set_mapping(acting(), Mapped(import_id, body["version"], document))
    if body["save"]:
        steps.save_mapping(acting(), _centre_id(), document)
    return found


@api.post("/imports/<uuid:import_id>/step")
@guard(Permission.CALL_IMPORT)
@api.arguments(ImportStepIn)
@api.response(202, ImportOut)
def take_step(body: dict[str, Any], import_id: uuid.UUID) -> Any:
    """Check the file, or import what was checked; a worker does it."""
    return steps.request(acting(), import_id, body["version"], ImportState(body["step"]))


@api.delete("/imports/<uuid:import_id>")
@guard(Permission.CALL_IMPORT)
@api.response(204)
def discard(import_id: uuid.UUID) -> None:
    """Throw away a file that was not imported; what is at work on it stops, and nothing stays."""
    steps.discard(acting(), import_id)
