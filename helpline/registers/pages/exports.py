"""Exports: what is held of one child, and many records without names; preparing, downloading, asking."""

import base64
import functools
import uuid
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from flask import Blueprint, Response, current_app, redirect, render_template, request, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response as AnyResponse

from helpline.foundation.access.engine import holds
from helpline.foundation.access.permissions import Permission
from helpline.foundation.errors import Invalid
from helpline.foundation.i18n import LANGUAGES, format_when, speaking
from helpline.foundation.ids import new_id
from helpline.foundation.keyset import decode_key, encode_key
from helpline.registers import vocabulary as v
from helpline.registers.commands import MakeExport
from helpline.registers.queries import books
from helpline.registers.queries import exports as queries
from helpline.registers.schemas.forms import BulkIn, ExportIn, RegisterQuery
from helpline.registers.schemas.shown import ExportItemOut, ExportOut
from helpline.registers.services import dossier, exporting
from helpline.web.errors import SENTENCES
from helpline.web.forms import posted, refused
from helpline.web.frame import LOCALES
from helpline.web.guard import acting, guard
from helpline.web.words import word

pages = Blueprint("registers", __name__, template_folder="../templates")

SENTENCES.update(
    {
        "export_gone": lambda: _("This file was downloaded already, or its time is over. Make another."),
        "export_too_large": lambda: _("These are too many rows for one file. Choose fewer days."),
        "days_turned": lambda: _("The last day is before the first."),
        "days_too_many": lambda: _("Choose three years at most."),
    }
)
_FILES = {
    v.ExportKind.SUBJECT: ("export.zip", "application/zip"),
    v.ExportKind.BULK: ("export.csv", "text/csv; charset=utf-8"),
}


def options(vocabulary: str, codes: Iterable[str]) -> list[tuple[str, str]]:
    """Codes with their words, for a form."""
    return [(str(code), word(vocabulary, code)) for code in codes]


@pages.get("/registers")
@guard(Permission.PROCESSING_READ)
def front() -> str:
    """Which registers there are, as far as the role reads them, and which clock runs."""
    ctx = acting()
    running = [row for row in books.list_breaches(ctx.now) if row.state in {v.BreachState.RUNNING, v.BreachState.LATE}]
    late = any(row.state is v.BreachState.LATE for row in running)
    may = {
        name: holds(ctx.actor, permission)
        for name, permission in (("exports", Permission.EXPORT_READ), ("ledger", Permission.DISCLOSURE_READ))
    }
    return render_template("registers/front.html", running=len(running), late=late, may=may)


def _prepare_again(problem: Exception | None, case_id: uuid.UUID) -> str:
    found = dossier.gather(acting(), case_id)
    form = refused(problem, "release", "keep_back")
    texts = [piece for piece in found.pieces if piece.is_text and piece.why is None]
    kept = [piece for piece in found.pieces if piece.why is not None]
    return render_template(
        "registers/prepare.html", found=found, texts=texts, form=form, locales=[each[:2] for each in LOCALES],
        kept=[piece for piece in kept if piece.why not in v.NEVER_GIVEN],
        never=[piece for piece in kept if piece.why in v.NEVER_GIVEN],
        export_id=request.form.get("export_id") or new_id(), recipients=options("recipient", v.Recipient),
    )  # fmt: skip


@pages.get("/cases/<uuid:case_id>/export")
@guard(Permission.EXPORT_MAKE)
def prepare_export(case_id: uuid.UUID) -> str:
    """All that is held of the child; what is withheld and why, to be decided piece by piece."""
    return _prepare_again(None, case_id)


@pages.post("/cases/<uuid:case_id>/export")
@guard(Permission.EXPORT_MAKE, retry=_prepare_again, fresh=True)
def make_export(case_id: uuid.UUID) -> AnyResponse:
    """Seal the package until it is downloaded."""
    data = ExportIn().load(posted("release", "keep_back"))
    chosen: dict[str, Any] = {name: frozenset(data.pop(name)) for name in ("release", "keep_back")}
    locale = data["locale"]
    export = exporting.make_export(
        acting(), MakeExport(case_id=case_id, **data, **chosen), lambda given: _readable(given, locale)
    )
    return redirect(url_for(".show_export", export_id=export.id), 303)


def _readable(given: v.Dossier, locale: str) -> Mapping[str, str]:
    """The page that people read: whole in itself, and no script in it."""
    with speaking(locale if locale in LANGUAGES else LANGUAGES[0]):
        sections = [(name, [each for each in given.records if each.section is name]) for name in v.Section]
        text = render_template(
            "registers/package.html", sections=[pair for pair in sections if pair[1]], locale=locale, font=_khmer(),
            now=acting().now, withheld=[piece for piece in given.pieces if piece.why is not None],
        )  # fmt: skip
    return {"index.html": text}


@functools.cache
def _khmer() -> str:
    """The letters of Khmer, for a page that is read where they may be missing; base 64."""
    folder = Path(current_app.static_folder or "")
    return base64.b64encode((folder / "vendor/noto/noto-sans-khmer-khmer-wght-normal.woff2").read_bytes()).decode()


@pages.get("/registers/exports")
@guard(Permission.EXPORT_READ)
def list_exports() -> str:
    """What was taken out, by whom, for whom, and what became of it."""
    ctx = acting()
    asked = RegisterQuery().load({name: value for name, value in request.args.items() if value.strip()})
    rows = queries.list_exports(decode_key(asked["after"]))
    shown, more = rows[: queries.PAGE], len(rows) > queries.PAGE
    older = url_for(".list_exports", after=encode_key(shown[-1].made_at, shown[-1].id)) if more else None
    return render_template(
        "registers/exports.html", exports=[_spoken(row) for row in shown], older=older,
        may=holds(ctx.actor, Permission.EXPORT_BULK),
        home=url_for(".front" if holds(ctx.actor, Permission.PROCESSING_READ) else "desk.call_desk"),
    )  # fmt: skip


def _spoken(row: v.ExportRow, *, whole: bool = False) -> dict[str, Any]:
    now = acting().now
    dumped: dict[str, Any] = (ExportOut if whole else ExportItemOut)().dump(row)
    return dumped | {
        "made": format_when(row.made_at, now), "until": format_when(row.expires_at, now),
        "waits": row.gone_at is None and row.expires_at > now,
        "taken": format_when(row.downloaded_at, now) if row.downloaded_at else "",
    }  # fmt: skip


def _export_again(_problem: Exception | None, export_id: uuid.UUID) -> str:
    ctx, row = acting(), queries.get_export(export_id)
    it = _spoken(row, whole=True)
    mine = row.requested_by == ctx.actor.id and holds(ctx.actor, Permission.EXPORT_MAKE)
    return render_template("registers/export.html", it=it, may=mine and it["waits"], form=refused(_problem))


@pages.get("/registers/exports/<uuid:export_id>")
@guard(Permission.EXPORT_READ)
def show_export(export_id: uuid.UUID) -> str:
    """One export: what kinds of data, what was withheld and why, and whether it waits."""
    return _export_again(None, export_id)


@pages.post("/registers/exports/<uuid:export_id>/download")
@guard(Permission.EXPORT_MAKE, retry=_export_again, fresh=True)
def download(export_id: uuid.UUID) -> Response:
    """The file, once, to whoever made it. Its name tells nothing."""
    taken = exporting.take_export(acting(), export_id)
    name, kind = _FILES[taken.kind]
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(taken.body, mimetype=kind, headers=headers)


def _bulk_again(problem: Exception | None) -> str:
    return render_template(
        "registers/bulk.html", form=refused(problem), approval_id=request.form.get("approval_id") or new_id()
    )  # fmt: skip


@pages.get("/registers/exports/new")
@guard(Permission.EXPORT_BULK)
def new_bulk() -> str:
    """The form that asks for many records without names."""
    return _bulk_again(None)


@pages.post("/registers/exports/new")
@guard(Permission.EXPORT_BULK, retry=_bulk_again, fresh=True)
def ask_bulk() -> AnyResponse:
    """Ask; another person decides."""
    approval = exporting.ask_bulk(acting(), BulkIn().load(posted()))
    return redirect(url_for("accounts.show_approval", approval_id=approval.id), 303)


def _bulk_made(problem: Exception | None, approval_id: uuid.UUID) -> Any:
    """Pressed twice: what the first press made; else the approval, which says how it stands."""
    if isinstance(problem, Invalid):
        return _bulk_again(problem)
    if queries.find_export(approval_id) is not None:
        return redirect(url_for(".show_export", export_id=approval_id), 303)
    return redirect(url_for("accounts.show_approval", approval_id=approval_id), 303)


@pages.post("/registers/exports/approved/<uuid:approval_id>")
@guard(Permission.EXPORT_BULK, retry=_bulk_made, fresh=True)
def make_bulk(approval_id: uuid.UUID) -> AnyResponse:
    """Make the file that was approved."""
    export = exporting.make_bulk(acting(), approval_id)
    return redirect(url_for(".show_export", export_id=export.id), 303)
