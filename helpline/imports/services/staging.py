"""Making checked rows, and turning them into calls: the two halves of an import that touch every row."""

import traceback
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any

from sqlalchemy import delete, text

from helpline.accounts.models import Centre
from helpline.foundation.access.engine import require
from helpline.foundation.access.permissions import Permission
from helpline.foundation.audit.recorder import record
from helpline.foundation.context import Context
from helpline.foundation.crypto.index import blind_index, phone_index
from helpline.foundation.crypto.records import NewRecord
from helpline.foundation.db import db
from helpline.foundation.ids import new_id
from helpline.foundation.log import get_logger
from helpline.foundation.tabular.identity import Identities
from helpline.foundation.tabular.normalise import Normalised, Normaliser
from helpline.foundation.tabular.table import Rejected, Row
from helpline.imports import queries
from helpline.imports.commands import Claim
from helpline.imports.models import CallImport, ImportChunk, ImportRow
from helpline.imports.rules import ReadyCall, Vocabulary, ready_call
from helpline.imports.services.working import hold
from helpline.imports.vocabulary import Found, ImportState
from helpline.notifications.commands import QueueMessage
from helpline.notifications.services import queue_message
from helpline.notifications.vocabulary import MessageChannel

log = get_logger(__name__)
SHOWN = 500  # of each kind in the report; all of them stand in the findings
SHOWN_CHARACTERS = 200
KEPT_VALUES = 50_000  # different values counted at a time; more begin a new count
KEPT_CHARACTERS = 8 * 2**20


@dataclass
class Reading:
    """What was found while a file was read. Holds little: `taken` gives what must be kept before more is read."""

    rows: int = 0
    repeated: int = 0
    rejected: int = 0
    size: int = 0  # characters since anything was last taken
    counted: int = 0  # characters of the values being counted
    unknown: Counter[tuple[str, str]] = field(default_factory=Counter)
    waiting: dict[Found, list[Any]] = field(default_factory=lambda: {kind: [] for kind in Found})
    shown: dict[Found, list[Any]] = field(default_factory=lambda: {kind: [] for kind in Found})
    values: int = 0
    pieces: Counter[Found] = field(default_factory=Counter)
    troubles: set[str] = field(default_factory=set)

    def reject(self, rejected: Rejected) -> None:
        self.rejected += 1
        self._found(Found.REJECTS, [*rejected])
        self.size += len(rejected.value)

    def repeat(self, line: int) -> None:
        self.repeated += 1
        self._found(Found.REPEATED, line)

    def _found(self, kind: Found, item: Any) -> None:
        self.waiting[kind].append(item)
        if len(self.shown[kind]) < SHOWN:
            self.shown[kind].append([_short(part) for part in item] if isinstance(item, list) else item)

    def not_understood(self, values: Iterable[tuple[str, str]]) -> None:
        for value in values:
            self.unknown[value] += 1
            if self.unknown[value] == 1:
                self.counted += len(value[1])

    def taken(self, *, last: bool = False) -> list[tuple[Found, int, list[Any]]]:
        """Pieces (kind, position, items) of what was found since; the counts of values when they are many, or `last`.

        So the same value can stand in two pieces, each with its times.
        """
        if last or len(self.unknown) > KEPT_VALUES or self.counted > KEPT_CHARACTERS:
            often = [[column, value, times] for (column, value), times in self.unknown.most_common()]
            self.waiting[Found.UNKNOWN] += often
            self.values += len(often)
            short = [[_short(part) for part in each] for each in often[:SHOWN]]
            self.shown[Found.UNKNOWN] = sorted(self.shown[Found.UNKNOWN] + short, key=lambda each: -each[2])[:SHOWN]
            self.unknown.clear()
            self.counted = 0
        pieces = []
        for kind, items in self.waiting.items():
            for piece in (items[start : start + SHOWN] for start in range(0, len(items), SHOWN)):
                pieces.append((kind, self.pieces[kind], piece))
                self.pieces[kind] += 1
        self.waiting, self.size = {kind: [] for kind in Found}, 0
        return pieces

    def report(self, normaliser: Normaliser, notes: list[Any]) -> dict[str, Any]:
        """What a person looks at first, once all was taken."""
        return {
            "rejects": self.shown[Found.REJECTS], "repeated_lines": self.shown[Found.REPEATED],
            "unknown": self.shown[Found.UNKNOWN], "unknown_more": self.values - len(self.shown[Found.UNKNOWN]),
            "missing": list(normaliser.missing), "unmapped": list(normaliser.unmapped),
            "notes": [[note.code, note.column, note.times] for note in notes],
        }  # fmt: skip


def _short(part: Any) -> Any:
    return part if not isinstance(part, str) or len(part) <= SHOWN_CHARACTERS else f"{part[:SHOWN_CHARACTERS]}…"


def staged_rows(  # noqa: PLR0917  # one call, in running.py
    import_id: uuid.UUID, centre: Centre, rows: Iterator[Row | Rejected], normaliser: Normaliser,
    vocabulary: Vocabulary, reading: Reading,
) -> Iterator[dict[str, Any] | None]:  # fmt: skip
    """Every good row, sealed as the call it will be; for one that goes to `reading` instead, None."""
    identities = Identities()
    for row in rows:
        reading.rows += 1
        if isinstance(row, Rejected):
            reading.reject(row)
            yield None
            continue
        digest, occurrence = identities(row.cells)
        if occurrence > 1:
            reading.repeat(row.line)
        found = _understood(row, normaliser, vocabulary, reading)
        if found is None:
            yield None
            continue
        reading.size += len(found[1].narrative or "")
        yield _sealed(import_id, centre, *found) | {
            "digest": blind_index("import.row", digest.hex()), "occurrence": occurrence,
        }  # fmt: skip


def _understood(
    row: Row, normaliser: Normaliser, vocabulary: Vocabulary, reading: Reading
) -> tuple[Normalised, ReadyCall] | None:
    """The row as a call; None where it is a reject. Our own mistake costs this row, and the log tells where it is."""
    try:
        found = normaliser.apply(row)
        if isinstance(found, Rejected):
            reading.reject(found)
            return None
        ready = ready_call(found.values, vocabulary)
        reading.not_understood([*found.unknown, *(normaliser.told(target, row.cells) for target in ready.dropped)])
    except Exception as problem:  # noqa: BLE001  # whatever it is, the other rows are not to blame
        frame = traceback.extract_tb(problem.__traceback__)[-1]
        where = f"{PurePath(frame.filename).name}:{frame.lineno}"
        if where not in reading.troubles:  # once, not for each of a million rows
            reading.troubles.add(where)
            log.error("imports.row_failed", line=row.line, error=type(problem).__name__, where=where)  # noqa: TRY400
        reading.reject(Rejected(row.line, "row_failed"))
        return None
    return found, ready


def _sealed(import_id: uuid.UUID, centre: Centre, row: Normalised, ready: ReadyCall) -> dict[str, Any]:
    call = NewRecord("calls", new_id())
    background = ready.child_background if ready.body["child"] else None
    told = ready.body["caller"]
    child = NewRecord("persons", new_id()) if ready.body["child"] else None
    known = ready.caller_name or ready.caller_phone or told["age"] is not None or told["gender"] != "unknown"
    caller = NewRecord("persons", new_id()) if known else None
    return {
        "import_id": import_id, "line": row.line, "call_id": call.id, "body": ready.body, "call_key": call.record_key,
        "original": call.seal("original_sealed", {"row": row.original, "also": ready.also}),
        "narrative": call.seal("narrative_sealed", ready.narrative) if ready.narrative else None,
        **_person("child", child, name=ready.child_name, background=background),
        **_person("caller", caller, name=ready.caller_name, phone=ready.caller_phone),
        "caller_phone_index": phone_index(ready.caller_phone, centre.country) if ready.caller_phone else None,
    }  # fmt: skip


def _person(who: str, person: NewRecord | None, **told: Any) -> dict[str, Any]:
    staged: dict[str, Any] = {
        f"{who}_id": person.id if person else None, f"{who}_key": person.record_key if person else None,
    }  # fmt: skip
    for name, value in told.items():
        staged[f"{who}_{name}"] = person.seal(f"{name}_sealed", value) if person and value else None
    return staged


# All in SQL over rows that are sealed already: one statement a table, whatever the number of calls.
_LOCK = text("SELECT pg_advisory_xact_lock(hashtextextended(:centre, 1280))")
# By a subquery for each row, so that its plan is the look-up by key: as a join, in tables too young for statistics, the
# planner compared every row with every identity.
_KNOWN = text("""
    DELETE FROM call_import_rows r
    WHERE import_id = :import AND (SELECT true FROM call_identities i
        WHERE i.centre_id = :centre AND i.digest = r.digest AND i.occurrence = r.occurrence)
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


def import_calls(ctx: Context, claimed: Claim) -> CallImport:
    """Turn every kept row into a call, in this one unit; rows that are calls already are left out and counted.

    Publishes no event: historic calls never route, remind or alert. Raises Conflict("lease_lost") when its user has
    stopped it, or another process has it.
    """
    import_id = claimed.import_id
    require(ctx, Permission.CALL_IMPORT, import_id)
    hold(claimed)
    found = queries.get_import(import_id)
    values = {
        "import": import_id, "centre": found.centre_id, "operator": found.requested_by, "actor": ctx.actor.id,
        "now": ctx.now,
    }  # fmt: skip
    db.session.execute(_LOCK, {"centre": str(found.centre_id)})
    known: Any = db.session.execute(_KNOWN, values)
    added: Any = None
    for statement in (_CHILDREN, _CALLERS, _CALLS, _CALL_CHILDREN, _CALL_TERMS, _IDENTITIES):
        added = db.session.execute(statement, values)
        hold(claimed)
    hold(claimed, last=True)
    db.session.execute(delete(ImportRow).where(ImportRow.import_id == import_id))
    db.session.execute(delete(ImportChunk).where(ImportChunk.import_id == import_id))
    found.rows_known, found.calls_added = known.rowcount, added.rowcount
    found.state, found.finished_at, found.leased_until, found.lease = ImportState.DONE, ctx.now, None, None
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
