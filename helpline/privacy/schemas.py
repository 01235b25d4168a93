"""Who may see a case, closings and overrides, as pages and the API take and show them."""

from typing import Any

from marshmallow import fields as f
from marshmallow import post_load
from marshmallow.validate import Length, OneOf

from helpline.foundation.access.permissions import FieldGroup
from helpline.privacy import vocabulary as v
from helpline.privacy.commands import BreakGlass
from helpline.web.schema import In, Out, Page, RecordOut

G = FieldGroup
WORDS, STORY = Length(min=1, max=20_000), {"group": G.STORY}
_CASE = {"group": G.CASE_ADMINISTRATION}


class CloseToIn(In):
    """Shut somebody out. `relation` where they, or their household, are a party: staff alone can be."""

    group = G.CASE_ADMINISTRATION

    principal_id = f.UUID(required=True, metadata={"description": "A member of staff or an agency of the centre"})
    relation = f.Enum(v.Relation, by_value=True, load_default=None, allow_none=True)
    reason = f.String(required=True, validate=WORDS, metadata=STORY)


class LiftIn(In):
    """Take one such decision back."""

    group = G.CASE_ADMINISTRATION

    principal_id = f.UUID(required=True)
    kind = f.Enum(v.ClosingKind, by_value=True, required=True)
    reason = f.String(required=True, validate=WORDS, metadata=STORY)


class BreakGlassIn(In):
    """See one case for half an hour. Mint `override_id` (UUIDv7): posting the same twice breaks the glass once."""

    group = G.CASE_ADMINISTRATION

    override_id = f.UUID(required=True)
    case = f.String(required=True, validate=Length(min=1, max=40), metadata={"description": "Its code, or its id"})
    reason = f.String(required=True, validate=WORDS, metadata=STORY)

    @post_load
    def make(self, data: dict[str, Any], **_: Any) -> BreakGlass:
        return BreakGlass(**data)


class ReviewIn(In):
    group = G.CASE_ADMINISTRATION

    outcome = f.Enum(v.Outcome, by_value=True, required=True)
    note = f.String(required=True, validate=WORDS, metadata=STORY)


class OverrideQuery(In):
    group = G.STATISTICS

    state = f.String(load_default="all", validate=OneOf(["open", "all"]))
    after = f.String(load_default=None, allow_none=True, validate=Length(max=64))


class SeerOut(Out):
    """Who sees the case: a member of staff, or an agency by its link (`names`)."""

    group = G.DIRECTORY

    id = f.UUID()
    name = f.String()
    names = f.Dict(allow_none=True)
    role = f.String()
    why = f.String(metadata={"enum": [why.value for why in v.Why]})
    until_at = f.AwareDateTime(allow_none=True)


class ShutOut(RecordOut):
    """To whom the case is closed; shown to whoever may close it alone."""

    group = G.CASE_ADMINISTRATION

    principal_id = f.UUID()
    name = f.String()
    names = f.Dict(allow_none=True)
    role = f.String()
    kind_ = f.String(data_key="kind", attribute="kind")
    relation = f.String(allow_none=True)
    since = f.AwareDateTime()
    reason = f.String(allow_none=True, metadata=STORY)


class AccessOut(RecordOut):
    """Who may see a case, and who may not."""

    kind = "case"
    group = G.CASE_ADMINISTRATION

    id = f.UUID(required=True)
    seen_by = f.List(f.Nested(SeerOut))
    closed_to = f.List(
        f.Nested(ShutOut), allow_none=True, metadata={"description": "null for whoever may not close the case"}
    )


class OverrideItemOut(RecordOut):
    """An override in a list: no words."""

    kind = "glass"
    group = G.CASE_ADMINISTRATION

    id = f.UUID(required=True)
    case_id = f.UUID()
    case_code = f.String()
    user_id = f.UUID()
    user_name = f.String()
    opened_at = f.AwareDateTime()
    until_at = f.AwareDateTime()
    ended_at = f.AwareDateTime(allow_none=True)
    review_by = f.AwareDateTime()
    reviewed_at = f.AwareDateTime(allow_none=True)
    reviewed_by_name = f.String(allow_none=True)
    outcome = f.String(allow_none=True)


class OverrideOut(OverrideItemOut):
    """With the reason given and what the review found; both are story."""

    reason = f.String(allow_none=True, metadata=STORY)
    note = f.String(allow_none=True, metadata=STORY)


class OverridePage(Page):
    items = f.List(f.Nested(OverrideItemOut), metadata=_CASE)
