"""Rules, holds, what is due and what was erased, as pages and the API take and show them."""

from datetime import UTC, datetime, time
from typing import Any

from marshmallow import fields as f
from marshmallow import post_load
from marshmallow.validate import Length

from helpline.foundation.access.permissions import FieldGroup
from helpline.retention import vocabulary as v
from helpline.retention.commands import Propose, SetHold, SetRule
from helpline.retention.rules import MOST_MONTHS
from helpline.web.schema import In, Out, Page, RecordOut
from helpline.web.validation import Range

G = FieldGroup
WORDS = Length(min=1, max=20_000)
STORY = {"group": G.STORY}
_KIND = {"enum": [kind.value for kind in v.RecordKind]}


class RuleIn(In):
    """How long a kind is kept. `version`: of the rule as read; 0 where it is the one that ships."""

    group = G.DIRECTORY

    kind = f.Enum(v.RuleKind, by_value=True, required=True)
    months = f.Integer(required=True, validate=Range(min=1, max=MOST_MONTHS))
    version = f.Integer(required=True, validate=Range(min=0, max=2**31 - 1))

    @post_load
    def make(self, data: dict[str, Any], **_: Any) -> SetRule:
        return SetRule(**data)


class HoldIn(In):
    """Keep a record until somebody lifts it. Mint `hold_id` (UUIDv7): posting the same twice is one hold."""

    group = G.CASE_ADMINISTRATION

    hold_id = f.UUID(required=True)
    record_id = f.UUID(required=True)
    reason = f.String(required=True, validate=WORDS, metadata=STORY)

    @post_load
    def make(self, data: dict[str, Any], **_: Any) -> SetHold:
        return SetHold(**data)


class KeepIn(In):
    """Keep what is due until the end of that day (UTC)."""

    group = G.CASE_ADMINISTRATION

    until = f.Date(required=True)
    reason = f.String(required=True, validate=WORDS, metadata=STORY)

    @post_load
    def make(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        return data | {"until": datetime.combine(data["until"], time.max, UTC)}


class ProposeIn(In):
    """Ask that a record be erased. Mint `approval_id` (UUIDv7): asking twice by one id is asking once."""

    group = G.CASE_ADMINISTRATION

    approval_id = f.UUID(required=True)
    record_id = f.UUID(required=True)
    why = f.Enum(v.Why, by_value=True, required=True)
    reason = f.String(required=True, validate=WORDS, metadata=STORY)

    @post_load
    def make(self, data: dict[str, Any], **_: Any) -> Propose:
        return Propose(**data)


class AfterQuery(In):
    group = G.STATISTICS

    after = f.String(load_default=None, allow_none=True, validate=Length(max=64))


class RuleOut(Out):
    """How long a kind is kept. The first two kinds come up for review, the others are thrown away when old."""

    group = G.DIRECTORY

    kind = f.String(metadata={"enum": [kind.value for kind in v.RuleKind]})
    months = f.Integer()
    version = f.Integer()
    changed_at = f.AwareDateTime(allow_none=True)
    changed_by_name = f.String(allow_none=True)


class RulesOut(Out):
    group = G.DIRECTORY

    items = f.List(f.Nested(RuleOut))


class DueOut(RecordOut):
    """A record whose time has come. `code` is empty for whoever does not reach the record."""

    kind = "retention"
    group = G.CASE_ADMINISTRATION

    id = f.UUID(required=True)
    record_kind = f.String(metadata=_KIND)
    record_id = f.UUID()
    code = f.String()
    began_at = f.AwareDateTime(metadata={"description": "The call, or the closing of the case"})
    asked = f.Boolean(metadata={"description": "Its erasure waits for a second person"})


class DuePage(Page):
    items = f.List(f.Nested(DueOut), metadata={"group": G.CASE_ADMINISTRATION})


class HoldItemOut(RecordOut):
    """A hold in a list: no words."""

    kind = "hold"
    group = G.CASE_ADMINISTRATION

    id = f.UUID(required=True)
    record_kind = f.String(metadata=_KIND)
    record_id = f.UUID()
    code = f.String()
    set_by_name = f.String(allow_none=True)
    set_at = f.AwareDateTime()
    lifted_by_name = f.String(allow_none=True)
    lifted_at = f.AwareDateTime(allow_none=True)


class HoldOut(HoldItemOut):
    """With the reason given, which is story."""

    reason = f.String(allow_none=True, metadata=STORY)


class HoldsOut(Out):
    group = G.CASE_ADMINISTRATION

    items = f.List(f.Nested(HoldItemOut))


class RecordStateOut(RecordOut):
    """A record as somebody decides about it: what would go with it, what stays, what stands in the way."""

    kind = "retention"
    group = G.CASE_ADMINISTRATION

    id = f.UUID(required=True)
    record_kind = f.String(attribute="kind", metadata=_KIND)
    code = f.String()
    erased_at = f.AwareDateTime(allow_none=True)
    counts = f.Dict(metadata={"description": "calls, cases, persons that go; calls_stay, persons_stay"})
    hindrances = f.List(f.Enum(v.Hindrance, by_value=True))
    began_at = f.AwareDateTime(allow_none=True, metadata={"description": "Where it is due: when its age began"})
    keep_until = f.AwareDateTime(allow_none=True)
    kept_because = f.String(allow_none=True, metadata=STORY)
    hold = f.Nested(HoldOut, allow_none=True)
    approval_id = f.UUID(allow_none=True)
    child_id = f.UUID(allow_none=True)


class ErasureOut(RecordOut):
    """What was erased. `complete_on`: from when on backups are rid of it; null until the older master key is gone."""

    kind = "erasure"
    group = G.CASE_ADMINISTRATION

    id = f.UUID(required=True)
    record_kind = f.String(metadata=_KIND)
    record_id = f.UUID()
    why = f.String(metadata={"enum": [why.value for why in v.Why]})
    erased_at = f.AwareDateTime()
    counts = f.Dict(metadata={"description": "Rows by table"})
    finished_at = f.AwareDateTime(allow_none=True)
    backups_end_on = f.Date()
    complete_on = f.Date(allow_none=True)
    complete = f.Boolean()


class ErasureLedgerOut(Out):
    """How the ledger and this database compare."""

    group = G.STATISTICS

    entries = f.Integer()
    unknown_here = f.Integer(metadata={"description": "In the ledger, not done in this database"})
    unknown_there = f.Integer(metadata={"description": "Done in this database, not in the ledger"})
    problem = f.Enum(v.LedgerProblem, by_value=True, allow_none=True)
    checked_at = f.AwareDateTime()
    whole = f.Boolean()


class ErasurePage(Page):
    items = f.List(f.Nested(ErasureOut), metadata={"group": G.CASE_ADMINISTRATION})
    ledger = f.Nested(ErasureLedgerOut, allow_none=True, metadata={"group": G.STATISTICS})
