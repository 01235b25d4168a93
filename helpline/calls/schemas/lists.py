"""Lists, histories and drafts of calls."""

from typing import Any

from marshmallow import fields as f
from marshmallow.validate import Length, OneOf

from helpline.calls import vocabulary as v
from helpline.calls.schemas.call import ADMIN, CONTACT, RISK, STORY, CallItemOut
from helpline.foundation.access.permissions import FieldGroup
from helpline.people.vocabulary import AgeBand, Gender
from helpline.web.schema import In, Page, RecordOut
from helpline.web.validation import Range

G = FieldGroup
_CATEGORY = {"description": "Main reason: a code, or none"}
_PROVINCE = {"description": "Its code or id, or none"}
_RISK = {"description": "Of counselling calls, which alone are judged; severe: high or immediate"}


class CallQuery(In):
    """Which calls a list shows; all that are left out do not narrow it. Days and hours are those of the centre."""

    group = G.STATISTICS

    kind = f.Enum(v.CallKind, by_value=True, load_default=None)
    channel = f.Enum(v.CallChannel, by_value=True, load_default=None)
    category = f.String(load_default=None, validate=Length(max=100), metadata=_CATEGORY)
    any_category = f.String(load_default=None, validate=Length(max=100), metadata={"description": "Any reason"})
    province = f.String(load_default=None, validate=Length(max=64), metadata=_PROVINCE)
    risk = f.String(load_default=None, validate=OneOf([*v.RiskLevel, v.SEVERE]), metadata=_RISK)
    source = f.Enum(v.CallSource, by_value=True, load_default=None)
    gender = f.Enum(Gender, by_value=True, load_default=None)
    age_band = f.Enum(AgeBand, by_value=True, load_default=None)
    first = f.Date(load_default=None, data_key="from")
    last = f.Date(load_default=None, data_key="to", metadata={"description": "Included"})
    hour = f.Integer(load_default=None, strict=False, validate=Range(0, 23))
    weekday = f.Integer(load_default=None, strict=False, validate=Range(1, 7), metadata={"description": "Monday is 1"})
    voided = f.Boolean(load_default=False)
    mine = f.Boolean(load_default=False)
    team = f.UUID(load_default=None, metadata={"description": "One of the teams within my reach"})
    after = f.String(load_default=None, validate=Length(max=64))


class CallPage(Page):
    items = f.List(f.Nested(CallItemOut), metadata=ADMIN)


class CallVersionOut(RecordOut):
    """What a call said before a change; read as part of the call's history."""

    kind = "call_version"
    group = G.CASE_ADMINISTRATION

    id = f.UUID(required=True)
    version = f.Integer()
    at = f.AwareDateTime()
    actor_id = f.UUID()
    actor_name = f.String(allow_none=True)
    action = f.String()
    reason = f.String(allow_none=True, metadata=STORY)
    before = f.Dict(allow_none=True, metadata=STORY)


class CallHistoryOut(RecordOut):
    kind = "call"
    group = G.CASE_ADMINISTRATION

    id = f.UUID(required=True)
    items = f.List(f.Nested(CallVersionOut), metadata={"group": G.STORY})


class QuickCallIn(In):
    """A contact that was no counselling."""

    group = G.CASE_ADMINISTRATION

    call_id = f.UUID(required=True)
    kind = f.Enum(v.CallKind, by_value=True, required=True)
    channel = f.Enum(v.CallChannel, by_value=True, load_default=v.CallChannel.PHONE)


class CallDraftIn(In):
    """A form as typed so far. `base`: the `saved_at` that this text began from."""

    group = G.STORY

    fields_ = f.List(
        f.List(f.String(validate=Length(max=20_000)), validate=Length(min=2, max=4)), data_key="fields",
        attribute="fields", required=True, validate=Length(max=1000),
    )  # fmt: skip
    base = f.String(load_default=None, allow_none=True, validate=Length(max=40), metadata=ADMIN)


class CallDraftSavedOut(RecordOut):
    group = G.CASE_ADMINISTRATION

    saved_at = f.String()


class CallDraftOut(RecordOut):
    kind = "call_draft"
    group = G.STORY

    id = f.UUID(required=True, metadata=ADMIN)
    saved_at = f.String(metadata=ADMIN)
    fields_ = f.List(f.List(f.String()), data_key="fields", attribute="fields")


class EarlierCallsIn(In):
    """A number in the body, never in an address."""

    group = G.CONTACT

    phone = f.String(required=True, validate=Length(max=200))
    but_not = f.UUID(load_default=None, allow_none=True, metadata=ADMIN)


class EarlierCallOut(RecordOut):
    kind = "call"
    group = G.CASE_ADMINISTRATION

    id = f.UUID(required=True)
    number = f.Integer()
    call_kind = f.String(data_key="kind", attribute="kind")
    started_at = f.AwareDateTime()
    ended_at = f.AwareDateTime(allow_none=True)
    risk_level = f.String(allow_none=True, metadata=RISK)


class EarlierCallsOut(RecordOut):
    group = G.CONTACT

    count = f.Integer(metadata=CONTACT)
    items = f.List(f.Nested(EarlierCallOut), metadata=ADMIN)


def only_asked(args: Any) -> dict[str, str]:
    """A page's query without what was left blank."""
    return {name: value for name, value in args.items() if value.strip()}
