"""Imports as pages and the API show them."""

from marshmallow import fields as f
from marshmallow.validate import Length, OneOf

from helpline.foundation.access.permissions import FieldGroup
from helpline.imports.vocabulary import ImportState
from helpline.web.schema import In, Page, RecordOut


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


class UploadFile(In):
    """A CSV or XLSX file."""

    group = FieldGroup.ACCOUNT

    file = f.Raw(required=True, metadata={"type": "string", "format": "binary"})
