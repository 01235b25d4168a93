"""Taking data out: of one child, by who supervises its case; of many calls or cases, by two people, without names.

An export lies sealed until whoever made it downloads it, once; it is gone then, or when its time is over.
"""

import base64
import csv
import io
import uuid
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

import orjson

from helpline.accounts.commands import Ask
from helpline.accounts.models import Approval
from helpline.accounts.services import approvals
from helpline.accounts.vocabulary import ApprovalKind
from helpline.foundation.access.engine import require
from helpline.foundation.access.permissions import FieldGroup, Permission, Scope
from helpline.foundation.audit.recorder import record
from helpline.foundation.context import Context
from helpline.foundation.crypto.index import blind_index
from helpline.foundation.db import db
from helpline.foundation.errors import Conflict, Forbidden, Invalid, NotFound
from helpline.foundation.tabular.rejects import safe_cell
from helpline.registers import rules
from helpline.registers.commands import AskBulk, MakeExport
from helpline.registers.models import DataExport
from helpline.registers.queries import exports as queries
from helpline.registers.services import dossier
from helpline.registers.vocabulary import BulkKind, Dossier, ExportKind, Section, Span, Taken

FORMAT = "helpline-subject-export/1"
BATCH = 50
Render = Callable[[Dossier], Mapping[str, str]]  # the package's readable files, by their names


def make_export(ctx: Context, command: MakeExport, render: Render) -> DataExport:
    """Put all that is held of the case's child into a sealed package. The same choices by one id give the first.

    Raises NotFound("case"); Forbidden for a case of another team, even where an override shows it;
    Invalid("required", "reason" | "recipient_name"); Conflict("id_in_use"), Conflict("erased") for a case of which
    nothing is left that tells of a child.
    """
    scope = require(ctx, Permission.EXPORT_MAKE, command.case_id)
    for name in ("reason", "recipient_name"):
        if not getattr(command, name).strip():
            raise Invalid("required", name)
    found = dossier.gather(ctx, command.case_id)
    if scope is not Scope.CENTRE and found.team_id not in ctx.actor.team_ids:
        raise Forbidden(Permission.EXPORT_MAKE.value, command.case_id)
    standing, asked = queries.find_export(command.export_id), _asked(command)
    if standing is not None:
        if (standing.requested_by, standing.body_index) != (ctx.actor.id, asked):
            raise Conflict("id_in_use")
        return standing
    if found.erased:
        raise Conflict("erased")
    whole = replace(found, records=rules.decided(found.records, command.release, command.keep_back))
    given = replace(whole, records=rules.told_of(whole.records))
    pieces = [piece for piece in given.pieces if piece.why is None]
    groups = sorted({piece.group.value for piece in pieces})
    export = DataExport(
        id=command.export_id, centre_id=given.centre_id, team_id=given.team_id, kind=ExportKind.SUBJECT.value,
        case_ids=list(given.case_ids), recipient=command.recipient.value, field_groups=groups, items=len(pieces),
        withheld=rules.count_withheld(whole.pieces), body_index=asked, requested_by=ctx.actor.id, made_at=ctx.now,
        expires_at=ctx.now + rules.KEPT,
    )  # fmt: skip
    export.reason, export.recipient_name = command.reason.strip(), command.recipient_name.strip()
    export.body = _sealed_body(_package(given, render(given), ctx))
    db.session.add(export)
    db.session.flush()
    record(
        ctx, "export.made", "export", export.id, *given.case_ids, *given.person_ids, fields=groups,
        centre_id=export.centre_id, what=export.kind, items=export.items, released=len(command.release),
    )  # fmt: skip
    return export


def _asked(command: MakeExport) -> bytes:
    """Keyed digest of all that was chosen: who goes back and keeps a piece back must not be handed the first file."""
    chosen = asdict(command) | {"release": sorted(command.release), "keep_back": sorted(command.keep_back)}
    return blind_index("export-body", orjson.dumps(chosen, option=orjson.OPT_SORT_KEYS).decode())


def _package(given: Dossier, files: Mapping[str, str], ctx: Context) -> bytes:
    data = {"format": FORMAT, "made_at": ctx.now, "records": [
        {
            "section": each.section.value, "at": each.at,
            "fields": {piece.what: piece.value for piece in each.pieces if piece.why is None},
            "withheld": {piece.what: piece.why.value for piece in each.pieces if piece.why is not None},
        } for each in given.records
    ]}  # fmt: skip
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as package:
        package.writestr("data.json", orjson.dumps(data, option=orjson.OPT_INDENT_2))
        package.writestr("schema.json", orjson.dumps(SCHEMA, option=orjson.OPT_INDENT_2))
        for name, text in files.items():
            package.writestr(name, text)
    return out.getvalue()


_TEXTS = {"type": "object", "additionalProperties": {"type": "string"}}
SCHEMA: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "What a helpline holds about one child",
    "type": "object",
    "required": ["format", "made_at", "records"],
    "properties": {
        "format": {"const": FORMAT},
        "made_at": {"type": "string", "format": "date-time"},
        "records": {"type": "array", "items": {
            "type": "object",
            "required": ["section", "at", "fields", "withheld"],
            "additionalProperties": False,
            "properties": {
                "section": {"enum": [section.value for section in Section]},
                "at": {"type": ["string", "null"], "format": "date-time",
                       "description": "When it was told, opened, written, asked, due, given or read"},
                "fields": {"type": "object", "description": "What is held, by field; codes as in the helpline's API"},
                "withheld": _TEXTS | {"description": "Fields that are held and not given, with the reason as a code"},
            },
        }},
    },
}  # fmt: skip


_BULK = {
    BulkKind.CALLS: (queries.CALL_COLUMNS, queries.bulk_calls),
    BulkKind.CASES: (queries.CASE_COLUMNS, queries.bulk_cases),
}


def ask_bulk(ctx: Context, command: AskBulk) -> Approval:
    """Ask that many calls or cases may be taken out; another person decides.

    Raises Invalid("required", "reason"), Invalid("days_turned" | "days_too_many", "last"), and as `approvals.ask`.
    """
    require(ctx, Permission.EXPORT_BULK)
    rules.check_span(command.span)
    days = {"first": command.span.first.isoformat(), "last": command.span.last.isoformat()}
    asked = Ask(
        command.approval_id, ApprovalKind.BULK_EXPORT, None, command.reason, {"what": command.what.value} | days
    )  # fmt: skip
    return approvals.ask(ctx, asked)


def make_bulk(ctx: Context, approval_id: uuid.UUID) -> DataExport:
    """Make the file that was approved: once, by whoever asked. Its id is the approval's.

    Raises NotFound("approval"), Conflict("approval_unusable"), Invalid("export_too_large").
    """
    require(ctx, Permission.EXPORT_BULK, approval_id)
    approval = approvals.use(ctx, approval_id, ApprovalKind.BULK_EXPORT)
    what = BulkKind(approval.detail["what"])
    span = Span(*(date.fromisoformat(approval.detail[name]) for name in ("first", "last")))
    columns, read = _BULK[what]
    rows = read(approval.centre_id, span, ZoneInfo(ctx.timezone), rules.BULK_ROWS + 1)
    if len(rows) > rules.BULK_ROWS:
        raise Invalid("export_too_large")
    groups = sorted(group.value for group in (FieldGroup.STATISTICS, FieldGroup.RISK, FieldGroup.LOCATION))
    export = DataExport(
        id=approval.id, centre_id=approval.centre_id, team_id=None, kind=ExportKind.BULK.value, case_ids=[],
        recipient=None, field_groups=groups, items=len(rows), withheld=[], requested_by=ctx.actor.id, made_at=ctx.now,
        expires_at=ctx.now + rules.KEPT,
    )  # fmt: skip
    export.body = _sealed_body(_csv(columns, rows))
    db.session.add(export)
    db.session.flush()
    record(
        ctx, "export.made", "export", export.id, fields=groups, centre_id=export.centre_id, items=export.items,
        **approval.detail,
    )  # fmt: skip
    return export


def take_export(ctx: Context, export_id: uuid.UUID) -> Taken:
    """Hand the file to whoever made it; it is gone afterwards. From now on it counts as disclosed.

    Raises NotFound("export") for anybody else's, Conflict("export_gone").
    """
    require(ctx, Permission.EXPORT_MAKE, export_id)
    standing = queries.find_export(export_id)
    if standing is None or standing.requested_by != ctx.actor.id:
        raise NotFound("export", export_id)
    export = queries.take_body(export_id)
    if export is None or export.expires_at <= ctx.now:
        raise Conflict("export_gone")
    body = base64.b64decode(export.body or "")
    export.body, export.downloaded_at, export.gone_at = None, ctx.now, ctx.now
    db.session.flush()
    record(
        ctx, "export.downloaded", "export", export.id, *export.case_ids, fields=export.field_groups,
        centre_id=export.centre_id, what=export.kind,
    )  # fmt: skip
    return Taken(ExportKind(export.kind), body)


def drop_expired(ctx: Context, limit: int = BATCH) -> int:
    """The keeper's: destroy a batch of what nobody downloaded in time. Gives how many; less than `limit`: all."""
    require(ctx, Permission.EXPORT_READ)
    expired = queries.take_expired(ctx.now, limit)
    for export in expired:
        export.body, export.gone_at = None, ctx.now
        record(ctx, "export.expired", "export", export.id, centre_id=export.centre_id, what=export.kind)
    db.session.flush()
    return len(expired)


def _sealed_body(content: bytes) -> str:
    return base64.b64encode(content).decode()


def _csv(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> bytes:
    out = io.StringIO(newline="")
    writer = csv.writer(out, quoting=csv.QUOTE_ALL)
    writer.writerow(columns)
    writer.writerows([safe_cell("" if cell is None else str(cell)) for cell in row] for row in rows)
    return out.getvalue().encode("utf-8-sig")
