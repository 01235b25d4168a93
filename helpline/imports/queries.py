"""Reading imports."""

import json
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import func, select, tuple_
from sqlalchemy.orm import undefer_group

from helpline.accounts.models import Centre
from helpline.foundation.db import db
from helpline.foundation.errors import Invalid, NotFound
from helpline.foundation.tabular.normalise import compile_mapping
from helpline.imports.models import CallImport, ImportChunk, ImportFinding, ImportRow, SavedMapping
from helpline.imports.rules import Vocabulary, read_for
from helpline.imports.vocabulary import Found
from helpline.reference import queries as reference
from helpline.reference.rules import search_key

PAGE = 50
SHIPPED = Path(__file__).parent / "data" / "mappings"


def get_import(import_id: uuid.UUID) -> CallImport:
    """With its sealed report. Raises NotFound("import")."""
    statement = select(CallImport).options(undefer_group("sealed")).where(CallImport.id == import_id)
    statement = statement.where(~CallImport.discarded)
    found = db.session.scalars(statement).first()
    if found is None:
        raise NotFound("import", import_id)
    return found


def list_imports(centre_id: uuid.UUID, after: Any = None) -> Sequence[CallImport]:
    """Newest first, one more than a page where there are more; file names come sealed with them."""
    statement = select(CallImport).options(undefer_group("sealed")).where(CallImport.centre_id == centre_id)
    statement = statement.where(~CallImport.discarded)
    if after is not None:
        statement = statement.where(tuple_(CallImport.created_at, CallImport.id) < after)
    ordered = statement.order_by(CallImport.created_at.desc(), CallImport.id.desc())
    return db.session.scalars(ordered.limit(PAGE + 1)).all()


def vocabulary_of(centre: Centre) -> Vocabulary:
    """What codes mean for this centre: its country's top level of places, the active taxonomy."""
    level = reference.country(centre.country).place_levels[0].code
    places = reference.list_places(centre.country, level)
    names = {search_key(name): place.id for place in places for name in place.names.values()}
    terms = {term.code: term.id for term in reference.list_terms()}
    return Vocabulary(terms, {place.code: place.id for place in places}, names)


def shipped_mappings() -> dict[str, dict[str, Any]]:
    """The mapping documents that come with the service, by name."""
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(SHIPPED.glob("*.json"))}


def list_mappings(centre_id: uuid.UUID) -> Sequence[SavedMapping]:
    statement = select(SavedMapping).where(SavedMapping.centre_id == centre_id)
    return db.session.scalars(statement.order_by(SavedMapping.name)).all()


def find_mapping(centre_id: uuid.UUID, name: str) -> dict[str, Any] | None:
    """A centre's own document of this name, else the shipped one."""
    statement = select(SavedMapping.document).where(SavedMapping.centre_id == centre_id, SavedMapping.name == name)
    return db.session.scalar(statement) or shipped_mappings().get(name)


def find_fault(document: dict[str, Any], centre: Centre, headers: Sequence[str]) -> Invalid | None:
    """Why this mapping can't read a file with these headers here; None where it can."""
    try:
        compile_mapping(read_for(document, vocabulary_of(centre)), headers, time_zone=ZoneInfo(centre.timezone))
    except Invalid as fault:
        return fault
    return None


def read_chunks(import_id: uuid.UUID) -> Iterator[str]:
    """The pieces of the uploaded file in order, in the clear, one at a time."""
    position = 0
    while True:
        statement = select(ImportChunk).options(undefer_group("sealed"))
        found = db.session.scalars(
            statement.where(ImportChunk.import_id == import_id, ImportChunk.position == position)
        ).first()
        if found is None:
            return
        yield found.body or ""
        db.session.expunge(found)
        position += 1


def find_findings(import_id: uuid.UUID, kind: Found, after: int = -1) -> ImportFinding | None:
    """The next piece of what was found, after this position; open, a page of some hundred items."""
    statement = select(ImportFinding).options(undefer_group("sealed")).order_by(ImportFinding.position).limit(1)
    return db.session.scalars(
        statement.where(
            ImportFinding.import_id == import_id, ImportFinding.kind == kind, ImportFinding.position > after
        )
    ).first()


def read_findings(import_id: uuid.UUID, kind: Found) -> Iterator[list[Any]]:
    """Everything found of a kind, in order, a piece of it in memory at a time."""
    position = -1
    while (piece := find_findings(import_id, kind, position)) is not None:
        yield from piece.body or ()
        position = piece.position
        db.session.expunge(piece)


def count_ready(import_id: uuid.UUID) -> int:
    return db.session.scalar(select(func.count()).select_from(ImportRow).where(ImportRow.import_id == import_id)) or 0
