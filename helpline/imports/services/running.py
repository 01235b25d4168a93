"""Running an import, for the worker and for the command line: each step in a unit of work of its own."""

import uuid
from collections.abc import Callable, Iterator
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy.exc import InterfaceError, OperationalError

from helpline.accounts import queries as accounts
from helpline.accounts.services import roles
from helpline.foundation.access.permissions import SystemActor
from helpline.foundation.clock import now, real_now
from helpline.foundation.context import Channel, Context, system_context
from helpline.foundation.db import unit_of_work
from helpline.foundation.errors import Conflict, Invalid, NotFound
from helpline.foundation.failpoints import failpoint
from helpline.foundation.ids import new_id
from helpline.foundation.log import get_logger
from helpline.foundation.tabular.mapping import read_mapping
from helpline.foundation.tabular.normalise import compile_mapping
from helpline.foundation.tabular.reading import open_table
from helpline.foundation.tabular.table import Table
from helpline.imports import queries
from helpline.imports.commands import Claim, ImportFile, Mapped, Outcome, Upload
from helpline.imports.models import CallImport
from helpline.imports.rules import AHEAD, accept, targets
from helpline.imports.services import staging, steps, working
from helpline.imports.vocabulary import Found, ImportState

BATCH = 500
BATCH_CHARACTERS = 8 * 2**20
Progress = Callable[[int, int], None]
TakeFindings = Callable[[Found, Iterator[list[Any]]], object]
RunNext = Callable[[uuid.UUID, Progress], object]
log = get_logger(__name__)


def _ctx() -> Context:
    return system_context(SystemActor.IMPORTER)


def run_next(import_id: uuid.UUID | None = None, progress: Progress = lambda _done, _total: None) -> bool:
    """Take one waiting import (or this one) a step on; False if there is none. `progress(rows done, rows in all)`.

    Without an id it first clears what was stopped, and what commands left when they died.
    """
    with unit_of_work(_ctx()) as ctx:
        if import_id is None:
            working.clear_abandoned(ctx)
        claimed = working.claim(ctx, import_id)
    if claimed is None:
        return False
    try:
        _advance(claimed, progress)
    except Conflict as problem:
        if problem.code != "lease_lost":
            raise
        log.info("imports.lease_lost", import_id=claimed.import_id)  # stopped by its user, or another process has it
        with unit_of_work(_ctx()) as ctx:
            working.clear_abandoned(ctx)
    return True


def _advance(claimed: Claim, progress: Progress) -> None:
    try:
        if claimed.state is ImportState.CHECKING:
            _check(claimed, progress)
        else:
            failpoint("imports.before_import")
            with unit_of_work(_ctx()) as ctx:
                staging.import_calls(ctx, claimed)
                failpoint("imports.before_commit")
    except Invalid as problem:
        _fail(claimed, problem.code)
    except (Conflict, OperationalError, InterfaceError):
        raise  # another process has it, or the database is away: it is tried again
    except Exception:
        _fail(claimed, "unexpected")  # tried again it would fail again; the log tells why
        raise


def _fail(claimed: Claim, code: str) -> None:
    with unit_of_work(_ctx()) as ctx:
        working.note_progress(ctx, claimed)
        working.fail(ctx, claimed.import_id, code)


def _check(claimed: Claim, progress: Progress) -> None:
    """Read the file twice: once to know how long it is, once to keep its rows."""
    with unit_of_work(_ctx()) as ctx:
        latest = ctx.now + AHEAD
        working.note_progress(ctx, claimed)
        working.clear_rows(ctx, claimed.import_id)
        found = queries.get_import(claimed.import_id)
        centre = accounts.get_centre(found.centre_id)
        vocabulary, document, name = queries.vocabulary_of(centre), found.mapping or {}, found.file_name or ""
        options = working.options_of(found)
        file = working.open_file(claimed.import_id)
    with file:
        with open_table(file, name=name, options=options) as table:
            total = _count(claimed, table)
        reading = staging.Reading()
        with open_table(file, name=name, options=options) as table:
            mapping = read_mapping(document, targets=targets(vocabulary))
            normaliser = compile_mapping(
                mapping, table.headers, time_zone=ZoneInfo(centre.timezone), accept=accept(vocabulary, latest)
            )
            rows = staging.staged_rows(claimed.import_id, centre, table.rows, normaliser, vocabulary, reading)
            for batch in _batches(rows, reading):
                with unit_of_work(_ctx()) as ctx:
                    _note(ctx, claimed, reading, total)
                    working.keep_rows(ctx, claimed.import_id, batch)
                    working.keep_findings(ctx, claimed.import_id, reading.taken())
                failpoint("imports.after_batch")
                progress(reading.rows, total)
            notes = table.notes
    with unit_of_work(_ctx()) as ctx:
        _note(ctx, claimed, reading, total)
        working.keep_findings(ctx, claimed.import_id, reading.taken(last=True))
        working.finish_check(ctx, claimed.import_id, reading.report(normaliser, notes))
    progress(reading.rows, total)


def _count(claimed: Claim, table: Table) -> int:
    """How many rows there are. Keeps the lease: a large sheet takes minutes."""
    total, renewed = 0, real_now()
    for total, _row in enumerate(table.rows, start=1):
        if total % BATCH == 0 and real_now() - renewed > steps.LEASE / 6:
            renewed = real_now()
            with unit_of_work(_ctx()) as ctx:
                working.note_progress(ctx, claimed)
    return total


def _batches(rows: Iterator[dict[str, Any] | None], reading: staging.Reading) -> Iterator[list[dict[str, Any]]]:
    """The good ones of so many rows at a time: fewer where they are long."""
    batch: list[dict[str, Any]] = []
    for number, row in enumerate(rows, start=1):
        if row is not None:
            batch.append(row)
        if number % BATCH == 0 or reading.size > BATCH_CHARACTERS:
            yield batch
            batch = []
    yield batch


def _note(ctx: Context, claimed: Claim, reading: staging.Reading, total: int) -> None:
    working.note_progress(
        ctx, claimed, rows_total=total, rows_read=reading.rows, rows_rejected=reading.rejected,
        rows_repeated=reading.repeated,
    )  # fmt: skip


def import_file(
    command: ImportFile,
    progress: Progress,
    take: TakeFindings = lambda _kind, _items: None,
    run: RunNext = run_next,
) -> Outcome:
    """Upload, map, check and import in one go; `take` is given all that was found, kind by kind.

    Needs the web login: it acts as a person. `run` is `run_next` at the workers' login, for what the importer does.

    Raises Invalid, Forbidden, NotFound, Conflict.

    The login is looked up by the same narrow function as a sign-in; what it may do is asked of its own role.
    """
    with unit_of_work(system_context(SystemActor.KEEPER, channel=Channel.CLI)):
        person = accounts.find_login(command.login)
        centre = next((c for c in accounts.list_centres() if c.code == command.centre_code), None)
        if person is None or centre is None or person.centre_id != centre.id:
            raise NotFound("user" if person is None else "centre")
        actor = roles.actor_of(person)

    def ctx() -> Context:
        return Context(actor=actor, now=now(), request_id=new_id(), channel=Channel.CLI, timezone=centre.timezone)

    with unit_of_work(ctx()) as own:
        found = steps.upload(own, _upload(command, centre.id))
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
        run(import_id, progress)
    with unit_of_work(ctx()) as own:
        outcome = _outcome(queries.get_import(import_id))
        for kind in Found:
            take(kind, queries.read_findings(import_id, kind))
        if command.dry_run:
            steps.discard(own, import_id)
    return outcome


def _upload(command: ImportFile, centre_id: uuid.UUID) -> Upload:
    return Upload(new_id(), centre_id, command.file_name, command.stream, command.options, by_command=True)


def _outcome(found: CallImport) -> Outcome:
    report = found.report or {"unknown": [], "unknown_more": 0}
    return Outcome(
        rows=found.rows_read, added=found.calls_added, known=found.rows_known, repeated=found.rows_repeated,
        rejected=found.rows_rejected, unknown=tuple((c, v, n) for c, v, n in report["unknown"]),
        unknown_more=report["unknown_more"], error_code=found.error_code,
    )  # fmt: skip
