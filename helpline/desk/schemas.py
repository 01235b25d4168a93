"""What the desk's screens show beside what the slices' own schemas show."""

from marshmallow import fields as f

from helpline.foundation.access.permissions import FieldGroup
from helpline.web.schema import RecordOut

STORY = {"group": FieldGroup.STORY}


class CaseChildOut(RecordOut):
    """Who a case is about."""

    kind = "person"
    group = FieldGroup.CHILD_IDENTITY

    id = f.UUID()
    name = f.String(allow_none=True)


class CallBriefOut(RecordOut):
    """The call that a case came from."""

    kind = "call"
    group = FieldGroup.CASE_ADMINISTRATION

    id = f.UUID()
    number = f.Integer()
    channel = f.String()
    caller_relation = f.String()
    started_at = f.AwareDateTime()
    operator_name = f.String(allow_none=True)
    narrative = f.String(allow_none=True, metadata=STORY)
