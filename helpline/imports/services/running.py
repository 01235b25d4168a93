"""Running an import, for the worker and for the command line: each step in a unit of work of its own."""

import itertools
import uuid
from collections.abc import Callable
from zoneinfo import ZoneInfo

from sqlalchemy.exc import InterfaceError, OperationalError

from helpline.accounts import queries as accounts
from helpline.foundation.access.permissions import SystemActor
from helpline.foundation.clock import now
from helpline.foundation.context import Actor, Channel, Context, system_context
from helpline.foundation.db import unit_of_work
from helpline.foundation.errors import Conflict, Invalid, NotFound
from helpline.foundation.failpoints import failpoint
from helpline.foundation.ids import new_id
from helpline.foundation.tabular.mapping import read_mapping
from helpline.foundation.tabular.normalise import compile_mapping
from helpline.foundation.tabular.reading import open_table
from helpline.foundation.tabular.table import Rejected
from helpline.imports import queries
from helpline.imports.commands import ImportFile, Mapped, Outcome, Upload
from helpline.imports.models import CallImport
from helpline.imports.rules import targets
from helpline.imports.services import staging, steps
from helpline.imports.vocabulary import ImportState

BATCH = 500
Progress = Callable[[int, int], None]


def _ctx() -> Context:
    return system_context(SystemActor.IMPORTER)


def run_next(import_id: uuid.UUID | None = None, progress: Progress = lambda _done, _total: None) -> bool:
    """Take one waiting import (or this one) a step on; False if there is none. `progress(rows done, rows in all)`."""
    with unit_of_work(_ctx()) as ctx:
        claimed = steps.claim(ctx, import_id)
    if claimed is None:
        return False
    found_id, state = claimed
    try:
        if state is ImportState.CHECKING:
            _check(found_id, progress)
        else:
            failpoint("imports.before_import")
            with unit_of_work(_ctx()) as ctx:
                staging.import_calls(ctx, found_id)
                failpoint("imports.before_commit")
    except Invalid as problem:
        _fail(found_id, problem.code)
    except (Conflict, OperationalError, InterfaceError):
        raise  # another process has it, or the database is away: it is tried again
    except Exception:
        _fail(found_id, "unexpected")  # tried again it would fail again; the log tells why
        raise
    return True


def _fail(import_id: uuid.UUID, code: str) -> None:
    with unit_of_work(_ctx()) as ctx:
        steps.fail(ctx, import_id, code)


def _check(import_id: uuid.UUID, progress: Progress) -> None:
    """Read the file twice: once to know how long it is, once to keep its rows."""
    with unit_of_work(_ctx()) as ctx:
        steps.clear_rows(ctx, import_id)
        found = queries.get_import(import_id)
        centre = accounts.get_centre(found.centre_id)
        vocabulary, document, name = queries.vocabulary_of(centre), found.mapping or {}, found.file_name or ""
        file = steps.open_file(import_id)
    with file:
        with open_table(file, name=name) as table:
            total = sum(1 for _row in table.rows)
        reading = staging.Reading()
        with open_table(file, name=name) as table:
            mapping = read_mapping(document, targets=targets(vocabulary))
            normaliser = compile_mapping(mapping, table.headers, time_zone=ZoneInfo(centre.timezone))
            rows = staging.staged_rows(import_id, centre, table.rows, normaliser, vocabulary, reading)
            while batch := list(itertools.islice(rows, BATCH)):
                with unit_of_work(_ctx()) as ctx:
                    steps.keep_rows(ctx, import_id, batch)
                    _note(ctx, import_id, reading, total)
                failpoint("imports.after_batch")
                progress(reading.rows, total)
            notes = table.notes
    with unit_of_work(_ctx()) as ctx:
        _note(ctx, import_id, reading, total)
        steps.finish_check(ctx, import_id, reading.report(normaliser, notes))
    progress(reading.rows, total)


def _note(ctx: Context, import_id: uuid.UUID, reading: staging.Reading, total: int) -> None:
    steps.note_progress(
        ctx, import_id, rows_total=total, rows_read=reading.rows, rows_rejected=reading.rejected,
        rows_repeated=len(reading.repeated),
    )  # fmt: skip


def import_file(command: ImportFile, progress: Progress) -> Outcome:
    """Upload, map, check and import in one go. Raises Invalid, Forbidden, NotFound, Conflict.

    The login is looked up by the same narrow function as a sign-in; what it may do is asked of its own role.
    """
    with unit_of_work(system_context(SystemActor.KEEPER, channel=Channel.CLI)):
        person = accounts.find_login(command.login)
        centre = next((c for c in accounts.list_centres() if c.code == command.centre_code), None)
        if person is None or centre is None or person.centre_id != centre.id:
            raise NotFound("user" if person is None else "centre")
        actor = Actor(id=person.id, role=person.role, centre_id=centre.id)

    def ctx() -> Context:
        return Context(actor=actor, now=now(), request_id=new_id(), channel=Channel.CLI, timezone=centre.timezone)

    with unit_of_work(ctx()) as own:
        found = steps.upload(own, Upload(new_id(), centre.id, command.file_name, command.stream))
        import_id, version = found.id, found.version
        if command.mapping_name:
            document = queries.find_mapping(centre.id, command.mapping_name)
            if document is None:
                raise NotFound("import_mapping")
            version = steps.set_mapping(own, Mapped(import_id, version, document)).version
    for step in (ImportState.CHECKING,) if command.dry_run else (ImportState.CHECKING, ImportState.IMPORTING):
        with unit_of_work(ctx()) as own:
            found = queries.get_import(import_id)
            if found.state != ImportState.FAILED:
                steps.request(own, import_id, found.version, step)
        run_next(import_id, progress)
    with unit_of_work(ctx()) as own:
        outcome = _outcome(queries.get_import(import_id))
        if command.dry_run:
            steps.discard(own, import_id)
    return outcome


def _outcome(found: CallImport) -> Outcome:
    report = found.report or {"rejects": [], "unknown": []}
    return Outcome(
        rows=found.rows_read, added=found.calls_added, known=found.rows_known, repeated=found.rows_repeated,
        rejected=found.rows_rejected, rejects=tuple(Rejected(*each) for each in report["rejects"]),
        unknown=tuple((c, v, n) for c, v, n in report["unknown"]), error_code=found.error_code,
    )  # fmt: skip
