"""Searches as pages and the API take and show them."""

from marshmallow import fields as f
from marshmallow.validate import Length, OneOf

from helpline.cases.schemas import CaseItemOut
from helpline.foundation.access.permissions import FieldGroup
from helpline.web.schema import In, Out, RecordOut
from helpline.web.validation import Range

G = FieldGroup
CONTACT, LOCATION, RISK, ADMIN = ({"group": g} for g in (G.CONTACT, G.LOCATION, G.RISK, G.CASE_ADMINISTRATION))


class SearchIn(In):
    """Words in the body, never in an address: a name, a phone number or a case's number.

    Mint `search_id` (UUIDv7) and give back the one of each answer: typing on is then one search to the audit.
    """

    group = G.ACCOUNT  # one's own question: asking writes no record

    search_id = f.UUID(required=True)
    text = f.String(required=True, validate=Length(max=200))
    age = f.Integer(load_default=None, allow_none=True, validate=Range(min=-1, max=120))
    gender = f.String(load_default=None, allow_none=True, validate=OneOf(["female", "male", "other"]))
    province_id = f.UUID(load_default=None, allow_none=True)


class HitOut(RecordOut):
    """A person found, with the last call and the case that tell of them. The search itself notes what was shown."""

    group = G.CHILD_IDENTITY

    id = f.UUID(required=True)
    role = f.String(metadata={"description": "child, caller or carer"})
    name = f.String(allow_none=True)
    age = f.Integer(allow_none=True)
    gender = f.String(allow_none=True)
    phone_end = f.String(allow_none=True, metadata=CONTACT | {"description": "The last digits alone"})
    place_names = f.Dict(allow_none=True, metadata=LOCATION)
    call_id = f.UUID(allow_none=True, metadata=ADMIN)
    call_number = f.Integer(allow_none=True, metadata=ADMIN)
    last_contact_at = f.AwareDateTime(allow_none=True, metadata=ADMIN)
    case_id = f.UUID(allow_none=True, metadata=ADMIN)
    case_code = f.String(allow_none=True, metadata=ADMIN)
    case_status = f.String(allow_none=True, metadata=ADMIN)
    risk_level = f.String(allow_none=True, metadata=RISK)


class FoundOut(Out):
    """`state` other than ready: names can't be searched now; numbers can."""

    group = G.STATISTICS

    search_id = f.UUID(required=True)
    by = f.String(required=True, metadata={"description": "name, phone, code or nothing"})
    state = f.String(required=True, metadata={"description": "ready, loading, closed or away"})
    items = f.List(f.Nested(HitOut), required=True, metadata={"group": G.CHILD_IDENTITY})


class AlikeOut(Out):
    """`elsewhere`: a case out of sight may concern a child of the call; ask its supervisor. No more is said of it."""

    group = G.CASE_ADMINISTRATION

    elsewhere = f.Boolean(required=True)
    cases = f.List(f.Nested(CaseItemOut), required=True)
