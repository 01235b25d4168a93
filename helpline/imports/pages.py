"""Bringing an old call log in, step by step: upload, columns, check, import."""

import io
import json
import uuid
from typing import Any

from flask import Blueprint, Response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from helpline.foundation.access.permissions import Permission
from helpline.foundation.errors import Invalid
from helpline.foundation.ids import new_id
from helpline.foundation.keyset import decode_key, encode_key
from helpline.foundation.tabular.rejects import write_rejects
from helpline.foundation.tabular.table import Rejected
from helpline.imports import queries
from helpline.imports.commands import Mapped, Upload
from helpline.imports.rules import draft_mapping
from helpline.imports.schemas import ImportOut
from helpline.imports.services import steps
from helpline.imports.vocabulary import WORKING, ImportState
from helpline.web.forms import refused
from helpline.web.guard import acting, guard

pages = Blueprint("imports", __name__, template_folder="templates")


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
@guard(Permission.CALL_IMPORT, retry=_list)
def upload() -> AnyResponse:
    """Take the file in; a page of its own follows it."""
    file = request.files.get("file")
    if file is None or not file.filename:
        raise Invalid("file_needed", "file")
    try:
        import_id = uuid.UUID(request.form.get("import_id", ""))
    except ValueError:
        import_id = new_id()
    made = steps.upload(acting(), Upload(import_id, _centre_id(), file.filename, file.stream))
    return redirect(url_for(".show_import", import_id=made.id))


@pages.get("/imports/<uuid:import_id>")
@guard(Permission.CALL_IMPORT)
def show_import(import_id: uuid.UUID) -> str:
    """Where it stands, what was found, and the next step; for htmx, while the machine works, the state alone."""
    return _show(None, import_id)


def _show(problem: Exception | None, import_id: uuid.UUID) -> str:
    shown = ImportOut().dump(queries.get_import(import_id))
    context: dict[str, Any] = {"it": shown, "working": shown["state"] in set(WORKING), "now": acting().now}
    if request.headers.get("HX-Request") and problem is None:
        return render_template("imports/state.html", **context)
    names = [saved.name for saved in queries.list_mappings(_centre_id())]
    names += [name for name in queries.shipped_mappings() if name not in names]
    document = shown["mapping"] or draft_mapping(shown["headers"])
    return render_template(
        "imports/import.html", **context, names=names, form=refused(problem),
        document=json.dumps(document, ensure_ascii=False, indent=2),
    )  # fmt: skip


@pages.post("/imports/<uuid:import_id>/mapping")
@guard(Permission.CALL_IMPORT, retry=_show)
def set_mapping(import_id: uuid.UUID) -> AnyResponse:
    """Use a named mapping, or the edited document; keep it under its name if asked."""
    ctx, form = acting(), request.form
    if form.get("use") == "named":
        document = queries.find_mapping(_centre_id(), form.get("name", ""))
        if document is None:
            raise Invalid("mapping_unknown", "name")
    else:
        try:
            document = json.loads(form.get("document", ""))
        except (ValueError, RecursionError):
            raise Invalid("mapping_not_json", "document") from None
        if not isinstance(document, dict):
            raise Invalid("mapping_not_json", "document")
    steps.set_mapping(ctx, Mapped(import_id, _version(), document))
    if form.get("save"):
        steps.save_mapping(ctx, _centre_id(), document)
    return redirect(url_for(".show_import", import_id=import_id))


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
    """Throw the file away; calls that are in stay."""
    steps.discard(acting(), import_id)
    return redirect(url_for(".list_imports"))


@pages.get("/imports/<uuid:import_id>/rejects.csv")
@guard(Permission.CALL_IMPORT, fresh=True)
def rejects(import_id: uuid.UUID) -> Response:
    """The rows that were not taken, with line and reason: safe to open in a spreadsheet."""
    found = steps.take_out_rejects(acting(), import_id)
    report = ImportOut(only=("id", "report")).dump(found)["report"] or {"rejects": []}
    out = io.StringIO()
    out.write("\ufeff")
    write_rejects(out, (Rejected(*each) for each in report["rejects"]))
    headers = {"Content-Disposition": 'attachment; filename="rejects.csv"'}
    return Response(out.getvalue(), mimetype="text/csv; charset=utf-8", headers=headers)
