"""Audit entries and the matrix as pages and the API show them."""

from marshmallow import fields as f
from marshmallow.validate import Length, OneOf

from helpline.foundation.access.permissions import FieldGroup
from helpline.foundation.context import Channel
from helpline.oversight.vocabulary import AlertKind
from helpline.web.schema import In, Out, Page, RecordOut


class EntryQuery(In):
    """Which entries; what is left out does not narrow. Days are local, both included."""

    group = FieldGroup.ACCOUNT  # one's own question: asking writes no record

    actor = f.UUID(load_default=None, allow_none=True)
    action = f.String(load_default=None, allow_none=True)
    kind = f.String(load_default=None, allow_none=True)
    outcome = f.String(load_default=None, allow_none=True, validate=OneOf(["done", "shown", "refused"]))
    subject = f.UUID(
        load_default=None, allow_none=True, metadata={"description": "A record, or a user, that the entry speaks of"}
    )
    child = f.Boolean(
        load_default=False, metadata={"description": "With `subject`: every record about the same child as well"}
    )
    fields_ = f.String(
        data_key="fields", attribute="fields", load_default=None, allow_none=True, validate=OneOf(list(FieldGroup)),
        metadata={"description": "A group of fields that was shown"},
    )  # fmt: skip
    channel = f.String(load_default=None, allow_none=True, validate=OneOf(list(Channel)))
    house = f.Boolean(
        load_default=False,
        metadata={"description": "What belongs to no centre: refused at the door, done by the service for all"},
    )
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


class StandingOut(Out):
    """How far the audit is proved: the last checkpoint here, the last that a witness holds, the last verification."""

    group = FieldGroup.STATISTICS

    size = f.Integer(required=True, metadata={"description": "Entries under the last signed checkpoint"})
    signed_at = f.AwareDateTime(required=True, allow_none=True)
    witnessed_size = f.Integer(required=True)
    witnessed_at = f.AwareDateTime(required=True, allow_none=True)
    configured = f.List(f.String(), required=True, metadata={"description": "Witnesses that the settings name"})
    failing = f.List(f.String(), required=True)
    late = f.Boolean(required=True, metadata={"description": "No witness was reached in time"})
    verified_at = f.AwareDateTime(required=True, allow_none=True)
    verified_size = f.Integer(required=True)
    whole = f.Boolean(required=True, allow_none=True, metadata={"description": "None: not verified yet"})
    wrong = f.String(required=True, allow_none=True, metadata={"description": "What was found wrong first"})
    wrong_place = f.Integer(required=True, allow_none=True)
    wrong_entry = f.UUID(required=True, allow_none=True)


class AlertQuery(In):
    """Which alerts."""

    group = FieldGroup.ACCOUNT

    settled = f.Boolean(load_default=False)
    after = f.String(load_default=None, allow_none=True)


class SettleIn(In):
    """What was found out about an alert."""

    group = FieldGroup.ACCOUNT  # one's own finding: it belongs to no child's record

    note = f.String(required=True, validate=Length(min=1, max=4000))


class AlertOut(RecordOut):
    """Somebody's reading was unusual."""

    kind = "alert"
    group = FieldGroup.DIRECTORY

    id = f.UUID(required=True)
    user_id = f.UUID(required=True)
    why = f.String(attribute="kind", required=True, validate=OneOf(list(AlertKind)))
    from_at = f.AwareDateTime(required=True)
    until_at = f.AwareDateTime(required=True)
    records = f.Integer(required=True, metadata={"description": "How many different records"})
    raised_at = f.AwareDateTime(required=True)
    settled_at = f.AwareDateTime(allow_none=True)
    settled_by = f.UUID(allow_none=True)
    note = f.String(allow_none=True)


class AlertPage(Page):
    items = f.List(f.Nested(AlertOut), metadata={"group": FieldGroup.DIRECTORY})


class MatrixRow(Out):
    group = FieldGroup.STATISTICS

    role = f.String(required=True)
    names = f.Dict(
        keys=f.String(), values=f.String(), allow_none=True,
        metadata={"description": "Of a role of the centre's own, made of `role`; null for the role itself"},
    )  # fmt: skip
    permissions = f.Dict(keys=f.String(), values=f.String(), metadata={"description": "Permission to scope"})
    fields_ = f.Dict(
        data_key="fields", attribute="fields", keys=f.String(), values=f.String(),
        metadata={"description": "Field group to mask, read or write"},
    )  # fmt: skip


class MatrixOut(Out):
    group = FieldGroup.STATISTICS

    roles = f.List(f.Nested(MatrixRow), required=True)
