"""Bringing an old call log in, step by step: upload, columns, check, import."""

import io
import json
import tempfile
import uuid
from collections.abc import Callable, Iterator
from typing import IO, Any, TextIO

from flask import Blueprint, Response, redirect, render_template, request, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response as AnyResponse

from helpline.accounts import queries as accounts
from helpline.foundation.access.engine import holds
from helpline.foundation.access.permissions import Permission
from helpline.foundation.errors import Invalid
from helpline.foundation.ids import new_id
from helpline.foundation.keyset import decode_key, encode_key
from helpline.foundation.tabular.reading import open_table
from helpline.foundation.tabular.rejects import write_rejects, write_unknown
from helpline.foundation.tabular.table import Rejected
from helpline.imports import queries
from helpline.imports.commands import Mapped, Upload
from helpline.imports.pages import columns
from helpline.imports.rules import draft_mapping
from helpline.imports.schemas import ImportOut, UploadOptionsIn, options_of
from helpline.imports.services import steps, working
from helpline.imports.vocabulary import WORKING, Found, ImportState
from helpline.web.errors import SENTENCES
from helpline.web.forms import refused
from helpline.web.guard import acting, guard

pages = Blueprint("imports", __name__, template_folder="../templates")

SENTENCES.update(
    {
        "file_needed": lambda: _("Choose a file first: the log as CSV or XLSX."),
        "file_empty": lambda: _("Nothing is in this file, or not as far down as the row of headers."),
        "file_too_large": lambda: _("This file is too large. Cut it into smaller ones."),
        "file_not_a_table": lambda: _("This is no table. Save the log as CSV or XLSX and choose that file."),
        "xls_not_supported": lambda: _("This is an old Excel file. Save it as XLSX or CSV and choose that file."),
        "workbook_encrypted": lambda: _("This workbook has a password. Save it without one and choose that file."),
        "mapping_unknown": lambda: _("No mapping is called so here. Choose one from the list."),
        "mapping_not_json": lambda: _("This is no JSON document. Compare brackets, commas and quotation marks."),
        "mapping_needed": lambda: _("Say first what the columns mean."),
        "mapping_time_zone": lambda: _("The document names a time zone that nobody knows."),
        "time_zone_missing": lambda: _("The document names a time zone that nobody knows."),
        "encoding_unsure": lambda: _(
            "The letters of this file cannot be told for certain. Say its encoding, below the file."
        ),
        "encoding_unknown": lambda: _("No encoding has this name. Usual ones: utf-8, cp1252, gb18030, cp1256."),
        "encoding_wrong": lambda: _("The file is not in this encoding."),
        "delimiter_unknown": lambda: _("This cannot stand between cells. Type one character, or the word tab."),
        "sheet_unknown": lambda: _("The workbook has no sheet of this name."),
        "workbook_too_large": lambda: _(
            "This workbook unpacks to more than can be read safely. Save its sheet as CSV."
        ),
    }
)


def _centre_id() -> uuid.UUID:
    centre_id = acting().actor.centre_id
    assert centre_id is not None  # roles with this permission belong to a centre
    return centre_id


def _version() -> int:
    """The version that the form was drawn from; one that is none is no longer the newest."""
    return request.form.get("version", 0, type=int)


@pages.get("/imports")
@guard(Permission.CALL_IMPORT)
def list_imports() -> str:
    """Files that were brought, newest first, and the form for the next one."""
    return _list()


def _list(problem: Exception | None = None) -> str:
    rows = queries.list_imports(_centre_id(), decode_key(request.args.get("after")))
    shown, more = rows[: queries.PAGE], len(rows) > queries.PAGE
    older = url_for(".list_imports", after=encode_key(shown[-1].created_at, shown[-1].id)) if more else None
    return render_template(
        "imports/list.html", imports=ImportOut(many=True).dump(shown), older=older, now=acting().now, new_id=new_id(),
        form=refused(problem),
    )  # fmt: skip


@pages.post("/imports")
@guard(Permission.CALL_IMPORT, retry=_list, files=True)
def upload() -> AnyResponse:
    """Take the file in; a page of its own follows it."""
    file = request.files.get("file")
    if file is None or not file.filename:
        raise Invalid("file_needed", "file")
    try:
        import_id = uuid.UUID(request.form.get("import_id", ""))
    except ValueError:
        import_id = new_id()
    given = {name: value for name in UploadOptionsIn().fields if (value := request.form.get(name, "").strip())}
    options = options_of(UploadOptionsIn().load(given))
    made = steps.upload(acting(), Upload(import_id, _centre_id(), file.filename, file.stream, options))
    return redirect(url_for(".show_import", import_id=made.id))


@pages.get("/imports/<uuid:import_id>")
@guard(Permission.CALL_IMPORT)
def show_import(import_id: uuid.UUID) -> str:
    """Where it stands, what was found, and the next step; for htmx, while the machine works, the state alone."""
    return _show(None, import_id)


def _show(problem: Exception | None, import_id: uuid.UUID) -> str:
    found = queries.get_import(import_id)
    shown = ImportOut().dump(found)
    at_work = shown["state"] in set(WORKING)
    context: dict[str, Any] = {
        "it": shown, "working": at_work, "now": acting().now, "may_read": holds(acting().actor, Permission.CALL_READ),
        "form": refused(problem),
    }  # fmt: skip
    if not at_work and shown["state"] != ImportState.DONE:
        context |= _columns(shown, problem)
    fragment = request.headers.get("HX-Request") and problem is None
    return render_template("imports/state.html" if fragment else "imports/import.html", **context)


def _columns(shown: dict[str, Any], problem: Exception | None) -> dict[str, Any]:
    """The form of what the columns mean, as it stands or as it was posted, and what is wrong with it."""
    centre, headers, samples = accounts.get_centre(_centre_id()), shown["headers"], _samples(uuid.UUID(shown["id"]))
    choices = columns.choices_of(centre.country, acting().locale)
    document = shown["mapping"] or draft_mapping(headers)
    if request.form.get("use") == "columns":
        document = columns.document_of(request.form, document, headers, samples, choices)
    fault = problem if isinstance(problem, Invalid) else None
    if fault is None and shown["state"] == ImportState.FAILED and shown["mapping"]:
        fault = queries.find_fault(shown["mapping"], centre, headers)
    names = [saved.name for saved in queries.list_mappings(centre.id)]
    names += [name for name in queries.shipped_mappings() if name not in names]
    form = refused(problem)
    words = columns.said(fault) if fault else ""
    if form and words:
        form["errors"] = {_beside(fault): [words]}
    odd = (shown["report"] or {}).get("unknown", ())
    return {
        "lines": columns.lines_of(document, headers, samples, choices, odd), "choices": choices, "form": form,
        "flags": columns.flags_of(document, headers), "names": names, "mapping": document, "fault": words,
        "document": json.dumps(document, ensure_ascii=False, indent=2),
    }  # fmt: skip


def _beside(fault: Invalid | None) -> str:
    """The field of the page beside which a fault stands."""
    use, target = request.form.get("use"), fault.details.get("target") if fault else None
    if use != "columns":
        return "name" if use == "named" else "document"
    missing = fault is not None and fault.code == "mapping_needs_start"
    return "column-started_at" if missing else f"column-{target}" if target in columns.TARGETS else ""


def _samples(import_id: uuid.UUID) -> dict[str, list[str]]:
    found = queries.get_import(import_id)
    options = working.options_of(found)
    with working.open_file(import_id) as file, open_table(file, name=found.file_name or "", options=options) as table:
        return columns.samples_of(table)


@pages.post("/imports/<uuid:import_id>/mapping")
@guard(Permission.CALL_IMPORT, retry=_show)
def set_mapping(import_id: uuid.UUID) -> AnyResponse:
    """Use a named mapping, the columns that were chosen, or the edited document; keep it under its name if asked."""
    ctx, form = acting(), request.form
    document = _asked(import_id)
    steps.set_mapping(ctx, Mapped(import_id, _version(), document))
    if form.get("save"):
        steps.save_mapping(ctx, _centre_id(), document)
    return redirect(url_for(".show_import", import_id=import_id))


def _asked(import_id: uuid.UUID) -> dict[str, Any]:
    form = request.form
    if form.get("use") == "named":
        named = queries.find_mapping(_centre_id(), form.get("name", ""))
        if named is None:
            raise Invalid("mapping_unknown", "name")
        return named
    if form.get("use") == "columns":
        found, centre = queries.get_import(import_id), accounts.get_centre(_centre_id())
        headers = found.headers or []
        old = found.mapping or draft_mapping(headers)
        choices = columns.choices_of(centre.country, acting().locale)
        return columns.document_of(form, old, headers, _samples(import_id), choices)
    try:
        document = json.loads(form.get("document", ""))
    except (ValueError, RecursionError):
        raise Invalid("mapping_not_json", "document") from None
    if not isinstance(document, dict):
        raise Invalid("mapping_not_json", "document")
    return document


@pages.post("/imports/<uuid:import_id>/step")
@guard(Permission.CALL_IMPORT, retry=_show)
def take_step(import_id: uuid.UUID) -> AnyResponse:
    """Check it, or import what was checked."""
    step = ImportState.IMPORTING if request.form.get("step") == "importing" else ImportState.CHECKING
    steps.request(acting(), import_id, _version(), step)
    return redirect(url_for(".show_import", import_id=import_id))


@pages.post("/imports/<uuid:import_id>/discard")
@guard(Permission.CALL_IMPORT)
def discard(import_id: uuid.UUID) -> AnyResponse:
    """Throw the file away, or stop what is at work on it; calls that are in stay."""
    steps.discard(acting(), import_id)
    return redirect(url_for(".list_imports"))


@pages.get("/imports/<uuid:import_id>/rejects.csv")
@guard(Permission.CALL_IMPORT, fresh=True)
def rejects(import_id: uuid.UUID) -> Response:
    """The rows that were not taken, with line and reason: safe to open in a spreadsheet."""
    return _findings(
        import_id, Found.REJECTS, lambda out, items: write_rejects(out, (Rejected(*each) for each in items))
    )


@pages.get("/imports/<uuid:import_id>/unknown.csv")
@guard(Permission.CALL_IMPORT, fresh=True)
def unknown(import_id: uuid.UUID) -> Response:
    """The values that were not understood, with how often each came."""
    return _findings(import_id, Found.UNKNOWN, write_unknown)


def _findings(import_id: uuid.UUID, kind: Found, write: Callable[[TextIO, Iterator[list[Any]]], int]) -> Response:
    """All of them, however many: written to a file that vanishes with the answer, never held in memory."""
    ImportOut(only=("id",)).dump(queries.get_import(import_id))
    file = tempfile.TemporaryFile()  # noqa: SIM115  # the answer closes it
    out = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
    write(out, steps.take_out_findings(acting(), import_id, kind))
    out.detach()
    file.seek(0)
    headers = {"Content-Disposition": f'attachment; filename="{kind}.csv"'}
    return Response(_pieces(file), mimetype="text/csv", headers=headers)


def _pieces(file: IO[bytes]) -> Iterator[bytes]:
    with file:
        while piece := file.read(2**16):
            yield piece
