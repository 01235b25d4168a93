"""Imports as pages and the API show them."""

from collections.abc import Mapping
from typing import Any

from marshmallow import fields as f
from marshmallow.validate import Length, OneOf

from helpline.foundation.access.permissions import FieldGroup
from helpline.foundation.tabular.table import MAX_HEADER_ROW, Options, spelled_delimiter
from helpline.imports.vocabulary import Found, ImportState
from helpline.web.schema import In, Out, Page, RecordOut
from helpline.web.validation import Range


class ImportItemOut(RecordOut):
    """A file on its way in."""

    kind = "import"
    group = FieldGroup.DIRECTORY

    id = f.UUID(required=True)
    version = f.Integer(required=True)
    created_at = f.AwareDateTime(required=True)
    requested_by = f.UUID(required=True)
    state = f.String(required=True, validate=OneOf(list(ImportState)))
    file_name = f.String()
    encoding = f.String()
    size_bytes = f.Integer()
    rows_total = f.Integer()
    rows_read = f.Integer()
    rows_rejected = f.Integer()
    rows_repeated = f.Integer()
    rows_known = f.Integer()
    calls_added = f.Integer()
    error_code = f.String(allow_none=True)
    finished_at = f.AwareDateTime(allow_none=True)


class ImportOut(ImportItemOut):
    """One with all of it. The report quotes its cells, so only its importers see it."""

    headers = f.List(f.String())
    mapping = f.Dict(allow_none=True)
    report = f.Dict(allow_none=True)


class ImportPage(Page):
    items = f.List(f.Nested(ImportItemOut), metadata={"group": FieldGroup.DIRECTORY})


class ImportQuery(In):
    group = FieldGroup.ACCOUNT

    after = f.String(load_default=None, allow_none=True, validate=Length(max=64))


class MappingIn(In):
    """Which mapping to use: the name of a known one, or a document. `save`: keep the document under its name."""

    group = FieldGroup.ACCOUNT

    version = f.Integer(required=True)
    name = f.String(load_default=None, allow_none=True, validate=Length(max=80))
    document = f.Dict(load_default=None, allow_none=True)
    save = f.Boolean(load_default=False)


class ImportStepIn(In):
    """What to do next: check the file, or import what was checked."""

    group = FieldGroup.ACCOUNT

    version = f.Integer(required=True)
    step = f.String(required=True, validate=OneOf([ImportState.CHECKING.value, ImportState.IMPORTING.value]))


class UploadOptionsIn(In):
    """What is known of a file and can't be told from it. `header_row` counts filled rows; what is above is skipped."""

    group = FieldGroup.ACCOUNT

    encoding = f.String(load_default=None, allow_none=True, validate=Length(max=40))
    delimiter = f.String(load_default=None, allow_none=True, validate=Length(max=3))
    sheet = f.String(load_default=None, allow_none=True, validate=Length(max=100))
    header_row = f.Integer(load_default=1, validate=Range(min=1, max=MAX_HEADER_ROW))


def options_of(loaded: Mapping[str, Any]) -> Options:
    """How the file must be read, from what `UploadOptionsIn` loaded."""
    return Options(**{**loaded, "delimiter": spelled_delimiter(loaded["delimiter"])})


class FindingsQuery(In):
    """Which findings: rows that are not taken, values not understood, or lines that repeat an earlier one."""

    group = FieldGroup.ACCOUNT

    kind = f.String(load_default=Found.REJECTS.value, validate=OneOf(list(Found)))
    after = f.Integer(load_default=-1, validate=Range(min=-1, max=2**31 - 1))


class FindingOut(Out):
    """A row that is not taken (line, reason, column, value), a value (column, value, times), or a line alone."""

    group = FieldGroup.DIRECTORY

    line = f.Integer()
    reason = f.String()
    column = f.String()
    value = f.String()
    times = f.Integer()


class FindingsOut(RecordOut):
    """Some hundred of them; `next` is the `after` of those that follow, until it is null."""

    kind = "import"
    group = FieldGroup.DIRECTORY

    id = f.UUID(required=True)
    items = f.List(f.Nested(FindingOut), required=True)
    next = f.Integer(required=True, allow_none=True)


FINDING = {
    Found.REJECTS: ("line", "reason", "column", "value"), Found.UNKNOWN: ("column", "value", "times"),
    Found.REPEATED: ("line",),
}  # fmt: skip


class UploadFile(UploadOptionsIn):
    """A CSV or XLSX file, and what is known of it: parts of one form."""

    group = FieldGroup.ACCOUNT

    file = f.Raw(required=True, metadata={"type": "string", "format": "binary"})
