"""Audit entries and the matrix as pages and the API show them."""

from marshmallow import fields as f
from marshmallow.validate import OneOf

from helpline.foundation.access.permissions import FieldGroup
from helpline.web.schema import In, Out, Page


class EntryQuery(In):
    """Which entries; what is left out does not narrow. Days are local, both included."""

    group = FieldGroup.ACCOUNT  # one's own question: asking writes no record

    actor = f.UUID(load_default=None, allow_none=True)
    action = f.String(load_default=None, allow_none=True)
    kind = f.String(load_default=None, allow_none=True)
    outcome = f.String(load_default=None, allow_none=True, validate=OneOf(["done", "shown", "refused"]))
    subject = f.UUID(load_default=None, allow_none=True)
    first = f.Date(data_key="from", load_default=None, allow_none=True)
    last = f.Date(data_key="to", load_default=None, allow_none=True)
    after = f.String(load_default=None, allow_none=True)


class EntryOut(Out):
    """Who did, read or was refused what. No sealed value is ever in it."""

    group = FieldGroup.STATISTICS

    id = f.UUID(required=True)
    at = f.AwareDateTime(required=True)
    actor_id = f.UUID(required=True)
    actor_role = f.String(required=True)
    channel = f.String(required=True)
    request_id = f.UUID(required=True)
    cause_id = f.UUID(allow_none=True)
    action = f.String(required=True)
    outcome = f.String(required=True)
    subject_kind = f.String(allow_none=True)
    subject_ids = f.List(f.UUID(), required=True)
    field_groups = f.List(f.String(), required=True)
    details = f.Dict(required=True, metadata={"description": "Ids, enums and numbers"})


class EntryPage(Page):
    items = f.List(f.Nested(EntryOut), metadata={"group": FieldGroup.STATISTICS})


class MatrixRow(Out):
    group = FieldGroup.STATISTICS

    role = f.String(required=True)
    permissions = f.Dict(keys=f.String(), values=f.String(), metadata={"description": "Permission to scope"})
    fields_ = f.Dict(
        data_key="fields", attribute="fields", keys=f.String(), values=f.String(),
        metadata={"description": "Field group to mask, read or write"},
    )  # fmt: skip


class MatrixOut(Out):
    group = FieldGroup.STATISTICS

    roles = f.List(f.Nested(MatrixRow), required=True)
