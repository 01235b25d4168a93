"""Follow-ups as pages and the API take and show them."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from marshmallow import fields as f
from marshmallow.validate import Length, OneOf

from helpline.calls.vocabulary import SEVERE, RiskLevel
from helpline.followups.commands import AddFollowUp, CompleteFollowUp
from helpline.followups.vocabulary import BY_HAND, FollowUpKind, FollowUpState, ListState, Outcome
from helpline.foundation.access.permissions import FieldGroup
from helpline.foundation.context import current_context
from helpline.web.schema import In, Page, RecordOut

G = FieldGroup
WORDS = Length(max=20_000)
STORY, RISK = {"group": G.STORY}, {"group": G.RISK}
_RISK_LEVEL = {"description": "severe: high or immediate"}
_LOCAL = "With an offset; without one it is local time of the centre"


class LocalDateTime(f.DateTime):
    """An instant; one typed without an offset is meant in the centre's time zone."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> datetime:
        found: datetime = super()._deserialize(value, attr, data, **kwargs)
        ctx = current_context()
        zone = ZoneInfo(ctx.timezone if ctx else "UTC")
        try:
            aware = found.replace(tzinfo=zone) if found.tzinfo is None else found
            aware.timestamp()
        except (OverflowError, ValueError):
            raise self.make_error("invalid", input=value, obj_type=self.OBJ_TYPE) from None
        return aware


class FollowUpQuery(In):
    """Which follow-ups a list shows; open and overdue ones soonest due first, others latest due first."""

    group = G.STATISTICS

    state = f.String(load_default=ListState.OPEN.value, validate=OneOf([state.value for state in ListState]))
    mine = f.Boolean(load_default=False)
    team_id = f.UUID(load_default=None)
    caseworker_id = f.UUID(load_default=None)
    case_id = f.UUID(load_default=None)
    kind = f.String(load_default=None, validate=OneOf([kind.value for kind in FollowUpKind]))
    risk_level = f.String(load_default=None, validate=OneOf([*RiskLevel, SEVERE]), metadata=_RISK_LEVEL)
    after = f.String(load_default=None)


class FollowUpIn(In):
    """One planned by hand. Mint `followup_id` (UUIDv7): posting the same twice makes one."""

    group = G.CASE_ADMINISTRATION

    followup_id = f.UUID(required=True)
    kind = f.String(required=True, validate=OneOf([kind.value for kind in BY_HAND]))
    due_at = LocalDateTime(required=True, metadata={"description": _LOCAL})
    task = f.String(load_default=None, allow_none=True, validate=WORDS, metadata=STORY)

    def command(self, data: dict[str, Any], case_id: Any) -> AddFollowUp:
        return AddFollowUp(data["followup_id"], case_id, FollowUpKind(data["kind"]), data["due_at"], data["task"])


class OutcomeIn(In):
    """What came of it. Without `next_due_at` the rhythm of the case's risk decides when the next is due."""

    group = G.CASE_ADMINISTRATION

    version = f.Integer(required=True)
    outcome = f.String(required=True, validate=OneOf([outcome.value for outcome in Outcome]))
    note = f.String(load_default="", validate=WORDS, metadata=STORY)
    next_due_at = LocalDateTime(load_default=None, allow_none=True, metadata={"description": _LOCAL})

    def command(self, data: dict[str, Any], followup_id: Any) -> CompleteFollowUp:
        return CompleteFollowUp(
            followup_id, data["version"], Outcome(data["outcome"]), data["note"], data["next_due_at"]
        )  # fmt: skip


class RescheduleIn(In):
    group = G.CASE_ADMINISTRATION

    version = f.Integer(required=True)
    due_at = LocalDateTime(required=True, metadata={"description": _LOCAL})
    reason = f.String(load_default="", validate=WORDS, metadata=STORY)


class CancelIn(In):
    group = G.CASE_ADMINISTRATION

    version = f.Integer(required=True)
    reason = f.String(load_default="", validate=WORDS, metadata=STORY)


class FollowUpItemOut(RecordOut):
    """A follow-up in a list."""

    kind = "followup"
    group = G.CASE_ADMINISTRATION

    id = f.UUID(required=True)
    version = f.Integer(required=True)
    case_id = f.UUID(required=True)
    case_code = f.String()
    team_id = f.UUID()
    caseworker_id = f.UUID(allow_none=True)
    caseworker_name = f.String(allow_none=True)
    kind_ = f.String(data_key="kind", attribute="kind", validate=OneOf([kind.value for kind in FollowUpKind]))
    risk_level = f.String(allow_none=True, metadata=RISK)
    due_at = f.AwareDateTime()
    state = f.String(validate=OneOf([state.value for state in FollowUpState]))
    reminded_at = f.AwareDateTime(allow_none=True)
    escalated_at = f.AwareDateTime(allow_none=True)
    done_at = f.AwareDateTime(allow_none=True)
    done_by = f.UUID(allow_none=True)
    outcome = f.String(allow_none=True)
    created_at = f.AwareDateTime()


class FollowUpOut(FollowUpItemOut):
    """A follow-up with its words, as far as the role may read them."""

    task = f.String(allow_none=True, metadata=STORY)
    note = f.String(allow_none=True, metadata=STORY)
    reason = f.String(allow_none=True, metadata=STORY)


class FollowUpPage(Page):
    items = f.List(f.Nested(FollowUpItemOut), metadata={"group": G.CASE_ADMINISTRATION})
