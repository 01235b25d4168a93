"""Making checked rows, and turning them into calls: the two halves of an import that touch every row."""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import delete, text

from helpline.accounts.models import Centre
from helpline.foundation.access.engine import require
from helpline.foundation.access.permissions import Permission
from helpline.foundation.audit.recorder import record
from helpline.foundation.context import Context
from helpline.foundation.crypto.index import blind_index, phone_index
from helpline.foundation.crypto.records import new_record_key, seal
from helpline.foundation.db import db
from helpline.foundation.ids import new_id
from helpline.foundation.tabular.identity import Identities
from helpline.foundation.tabular.normalise import Normalised, Normaliser
from helpline.foundation.tabular.table import Rejected, Row
from helpline.imports import queries
from helpline.imports.models import CallImport, ImportChunk, ImportRow
from helpline.imports.rules import ReadyCall, Vocabulary, ready_call
from helpline.imports.vocabulary import ImportState
from helpline.notifications.commands import QueueMessage
from helpline.notifications.services import queue_message
from helpline.notifications.vocabulary import MessageChannel
from helpline.reference.rules import search_key

KEPT_REJECTS = 200_000
KEPT_UNKNOWN = 500


@dataclass
class Reading:
    """What was found while a file was read; becomes the report."""

    rows: int = 0
    repeated: list[int] = field(default_factory=list)
    rejects: list[Rejected] = field(default_factory=list)
    rejected: int = 0
    unknown: dict[tuple[str, str], int] = field(default_factory=dict)

    def reject(self, rejected: Rejected) -> None:
        self.rejected += 1
        if len(self.rejects) < KEPT_REJECTS:
            self.rejects.append(rejected)

    def report(self, normaliser: Normaliser, notes: list[Any]) -> dict[str, Any]:
        unknown = sorted(self.unknown.items(), key=lambda item: -item[1])[:KEPT_UNKNOWN]
        return {
            "rejects": [list(rejected) for rejected in self.rejects],
            "repeated_lines": self.repeated[:KEPT_REJECTS],
            "unknown": [[column, value, count] for (column, value), count in unknown],
            "missing": list(normaliser.missing), "unmapped": list(normaliser.unmapped),
            "notes": [[note.code, note.column, note.times] for note in notes],
        }  # fmt: skip


def staged_rows(  # noqa: PLR0917  # one call, in running.py
    import_id: uuid.UUID, centre: Centre, rows: Iterator[Row | Rejected], normaliser: Normaliser,
    vocabulary: Vocabulary, reading: Reading,
) -> Iterator[dict[str, Any]]:  # fmt: skip
    """Every good row, sealed as the call it will be; the others go to `reading`."""
    identities = Identities()
    for row in rows:
        reading.rows += 1
        if isinstance(row, Rejected):
            reading.reject(row)
            continue
        digest, occurrence = identities(row.cells)
        if occurrence > 1:
            reading.repeated.append(row.line)
        found = normaliser.apply(row)
        if isinstance(found, Rejected):
            reading.reject(found)
            continue
        for unknown in found.unknown:
            reading.unknown[unknown] = reading.unknown.get(unknown, 0) + 1
        if "province_name" in found.values:
            found.values["province_name"] = search_key(found.values["province_name"])
        yield _sealed(import_id, centre, found, ready_call(found.values, vocabulary)) | {
            "digest": blind_index("import.row", digest.hex()), "occurrence": occurrence,
        }  # fmt: skip


def _sealed(import_id: uuid.UUID, centre: Centre, row: Normalised, ready: ReadyCall) -> dict[str, Any]:
    call_id = new_id()
    call_key = new_record_key("calls", call_id)
    staged: dict[str, Any] = {
        "import_id": import_id, "line": row.line, "call_id": call_id, "body": ready.body, "call_key": call_key,
        "original": seal("calls", "original_sealed", call_id, call_key, {"row": row.original, "also": ready.also}),
        "narrative": seal("calls", "narrative_sealed", call_id, call_key, ready.narrative) if ready.narrative else None,
        "caller_phone_index": phone_index(ready.caller_phone, centre.country) if ready.caller_phone else None,
    }  # fmt: skip
    child = bool(ready.body["child"])
    background = ready.child_background if child else None
    caller = bool(ready.caller_name or ready.caller_phone or ready.body["caller"]["age"] is not None)
    caller = caller or ready.body["caller"]["gender"] != "unknown"
    for who, wanted, sealed in (
        ("child", child, {"name": ready.child_name, "background": background}),
        ("caller", caller, {"name": ready.caller_name, "phone": ready.caller_phone}),
    ):
        person_id = new_id() if wanted else None
        key = new_record_key("persons", person_id) if person_id else None
        staged |= {f"{who}_id": person_id, f"{who}_key": key}
        for column, value in sealed.items():
            open_to = bool(value and person_id and key)
            staged[f"{who}_{column}"] = (
                seal("persons", f"{column}_sealed", person_id, key, value) if open_to else None  # type: ignore[arg-type]
            )
    return staged


# All in SQL over rows that are sealed already: one statement a table, whatever the number of calls.
_LOCK = text("SELECT pg_advisory_xact_lock(hashtextextended(:centre, 1280))")
_KNOWN = text("""
    DELETE FROM call_import_rows r USING call_identities i
    WHERE r.import_id = :import AND i.centre_id = :centre AND i.digest = r.digest AND i.occurrence = r.occurrence
""")
_PERSON = """
    INSERT INTO persons (id, record_key, centre_id, role, name_sealed, phone_sealed, phone_index, background_sealed,
                         age, age_known, gender, language, disability, added_by, created_at)
    SELECT {who}_id, {who}_key, :centre, '{who}', {who}_name, {phone}, {index}, {background},
           (body -> '{who}' ->> 'age')::smallint, body -> '{who}' ->> 'age_known', body -> '{who}' ->> 'gender',
           body -> '{who}' ->> 'language', body -> '{who}' ->> 'disability', :actor, :now
    FROM call_import_rows WHERE import_id = :import AND {who}_id IS NOT NULL
"""
_CHILDREN = text(_PERSON.format(who="child", phone="NULL", index="NULL", background="child_background"))
_CALLERS = text(_PERSON.format(who="caller", phone="caller_phone", index="caller_phone_index", background="NULL"))
_CALLS = text("""
    INSERT INTO calls (id, record_key, centre_id, operator_id, channel, direction, kind, started_at, ended_at,
                       logged_at, caller_relation, caller_person_id, place_id, province_id, risk_level, risk_reasons,
                       primary_term_id, narrative_sealed, source, import_id, original_sealed)
    SELECT call_id, call_key, :centre, :operator, body ->> 'channel', body ->> 'direction', body ->> 'kind',
           (body ->> 'started_at')::timestamptz, (body ->> 'ended_at')::timestamptz, :now, body ->> 'caller_relation',
           caller_id, (body ->> 'province_id')::uuid, (body ->> 'province_id')::uuid, body ->> 'risk_level',
           body -> 'risk_reasons', (body -> 'terms' ->> 0)::uuid, narrative, 'imported', :import, original
    FROM call_import_rows WHERE import_id = :import ORDER BY line
""")
_CALL_CHILDREN = text("""
    INSERT INTO call_children (call_id, person_id, centre_id, position, age_band, gender)
    SELECT call_id, child_id, :centre, 0, body -> 'child' ->> 'age_band', body -> 'child' ->> 'gender'
    FROM call_import_rows WHERE import_id = :import AND child_id IS NOT NULL
""")
_CALL_TERMS = text("""
    INSERT INTO call_terms (call_id, term_id, centre_id, position)
    SELECT call_id, term.id::uuid, :centre, term.position - 1
    FROM call_import_rows, jsonb_array_elements_text(body -> 'terms') WITH ORDINALITY term (id, position)
    WHERE import_id = :import
""")
_IDENTITIES = text("""
    INSERT INTO call_identities (centre_id, digest, occurrence, call_id)
    SELECT :centre, digest, occurrence, call_id FROM call_import_rows WHERE import_id = :import
""")


def import_calls(ctx: Context, import_id: uuid.UUID) -> CallImport:
    """Turn every kept row into a call, in this one unit; rows that are calls already are left out and counted.

    Publishes no event: historic calls never route, remind or alert.
    """
    require(ctx, Permission.CALL_IMPORT, import_id)
    found = queries.get_import(import_id)
    values = {
        "import": import_id, "centre": found.centre_id, "operator": found.requested_by, "actor": ctx.actor.id,
        "now": ctx.now,
    }  # fmt: skip
    db.session.execute(_LOCK, {"centre": str(found.centre_id)})
    db.session.refresh(found)
    if found.state != ImportState.IMPORTING:  # its lease ran out while another process was at it, and finished
        return found
    known: Any = db.session.execute(_KNOWN, values)
    added: Any = None
    for statement in (_CHILDREN, _CALLERS, _CALLS, _CALL_CHILDREN, _CALL_TERMS, _IDENTITIES):
        added = db.session.execute(statement, values)
    db.session.execute(delete(ImportRow).where(ImportRow.import_id == import_id))
    db.session.execute(delete(ImportChunk).where(ImportChunk.import_id == import_id))
    found.rows_known, found.calls_added = known.rowcount, added.rowcount
    found.state, found.finished_at, found.leased_until = ImportState.DONE, ctx.now, None
    db.session.flush()
    record(
        ctx, "call.imported", "import", import_id, centre_id=found.centre_id, added=added.rowcount,
        known=known.rowcount, rejected=found.rows_rejected, requested_by=found.requested_by,
    )  # fmt: skip
    queue_message(
        ctx,
        QueueMessage(
            centre_id=found.centre_id, template="import_done", dedupe_key=f"import:{import_id}",
            user_id=found.requested_by, channels=(MessageChannel.IN_APP,),
            params={"import_id": import_id, "added": added.rowcount, "rejected": found.rows_rejected},
        ),
    )  # fmt: skip
    return found
