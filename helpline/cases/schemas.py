"""Cases as pages and the API take and show them."""

from typing import Any

from marshmallow import fields as f
from marshmallow import post_load
from marshmallow.validate import Length, OneOf

from helpline.agencies.vocabulary import Service
from helpline.calls.vocabulary import SEVERE, RiskLevel
from helpline.cases import vocabulary as v
from helpline.cases.commands import Consent, OpenCase
from helpline.foundation.access.permissions import FieldGroup
from helpline.web.schema import In, Out, Page, RecordOut
from helpline.web.validation import Range

G = FieldGroup
WORDS = Length(max=20_000)
ID = {"group": G.CASE_ADMINISTRATION}
STORY, RISK, NEEDS = {"group": G.STORY}, {"group": G.RISK}, {"group": G.HEALTH}
_RISK_LEVEL = {"description": "severe: high or immediate"}
_WITHHOLDABLE = (G.CHILD_IDENTITY, G.CONTACT, G.LOCATION, G.STORY, G.ALLEGED_PERPETRATOR, G.HEALTH)


class ConsentIn(In):
    """To what was agreed and by whom. `basis` where it was overridden; `why` where anything is withheld."""

    group = G.CASE_ADMINISTRATION

    services = f.Enum(v.ConsentAnswer, by_value=True, load_default=v.ConsentAnswer.UNKNOWN)
    reporting = f.Enum(v.ConsentAnswer, by_value=True, load_default=v.ConsentAnswer.UNKNOWN)
    disclosure = f.Enum(v.ConsentAnswer, by_value=True, load_default=v.ConsentAnswer.UNKNOWN)
    by = f.Enum(v.ConsentBy, by_value=True, load_default=None, allow_none=True)
    basis = f.Enum(v.ConsentBasis, by_value=True, load_default=None, allow_none=True)
    withhold = f.List(f.String(validate=OneOf([group.value for group in _WITHHOLDABLE])), load_default=list)
    why = f.String(load_default=None, allow_none=True, validate=WORDS, metadata=STORY)

    @post_load
    def make(self, data: dict[str, Any], **_: Any) -> Consent:
        groups = tuple(FieldGroup(group) for group in dict.fromkeys(data.pop("withhold")))
        return Consent(withhold=groups, **data)


class OpenCaseIn(In):
    """A case for one child of one call. Mint `case_id` (UUIDv7): posting the same twice makes one case."""

    group = G.CASE_ADMINISTRATION

    case_id = f.UUID(required=True)
    call_id = f.UUID(required=True)
    child_person_id = f.UUID(required=True)
    team_id = f.UUID(load_default=None, allow_none=True, metadata={"description": "Left out: the place decides"})
    needs = f.List(f.Enum(Service, by_value=True, metadata=NEEDS), load_default=list, metadata=NEEDS)
    consent = f.Nested(ConsentIn, load_default=Consent)
    summary = f.String(load_default=None, allow_none=True, validate=WORDS, metadata=STORY)
    closed_to = f.List(
        f.UUID(), load_default=list,
        metadata={"description": "Staff and agencies who must never see it: somebody there is part of the story"},
    )  # fmt: skip

    @post_load
    def make(self, data: dict[str, Any], **_: Any) -> OpenCase:
        return OpenCase(needs=tuple(data.pop("needs")), closed_to=tuple(data.pop("closed_to")), **data)


class Versioned(In):
    """A change of what two people may edit: `version` is the one that was read."""

    group = G.CASE_ADMINISTRATION

    version = f.Integer(required=True, strict=False, validate=Range(min=1, max=2**31 - 1))


class AssignmentIn(Versioned):
    caseworker_id = f.UUID(required=True)


class NeedsIn(Versioned):
    needs = f.List(f.Enum(Service, by_value=True, metadata=NEEDS), required=True, metadata=NEEDS)


class ConsentChangeIn(Versioned):
    consent = f.Nested(ConsentIn, required=True)


class RiskIn(Versioned):
    risk_level = f.Enum(RiskLevel, by_value=True, required=True, metadata=RISK)
    reason = f.String(required=True, validate=WORDS, metadata=STORY)


class StepIn(Versioned):
    step = f.Enum(v.CaseStep, by_value=True, required=True)


class ClosingIn(Versioned):
    """Close, or ask to. The note says what was reached and what stays."""

    reason = f.Enum(v.CloseReason, by_value=True, required=True)
    note = f.String(required=True, validate=WORDS, metadata=STORY)


class DecisionIn(Versioned):
    """A supervisor's answer to a request to close; `reason` is needed for a no."""

    approve = f.Boolean(required=True)
    reason = f.String(load_default="", validate=WORDS, metadata=STORY)


class ReopeningIn(Versioned):
    reason = f.String(required=True, validate=WORDS, metadata=STORY)


class NoteIn(In):
    """Mint `note_id` (UUIDv7): posting the same twice makes one note."""

    group = G.STORY

    note_id = f.UUID(required=True)
    kind = f.String(
        load_default=v.NoteKind.NOTE.value,
        validate=OneOf([v.NoteKind.NOTE.value, v.NoteKind.CONTACT.value, v.NoteKind.VISIT.value]),
    )
    body = f.String(required=True, validate=Length(min=1, max=20_000))


class CaseQuery(In):
    """Which cases a list shows; all that are left out do not narrow it."""

    group = G.STATISTICS

    status = f.String(load_default="open", validate=OneOf(["open", "closed", "all"]))
    risk_level = f.String(load_default=None, validate=OneOf([*RiskLevel, SEVERE]), metadata=_RISK_LEVEL)
    step = f.Enum(v.CaseStep, by_value=True, load_default=None)
    mine = f.Boolean(load_default=False)
    unassigned = f.Boolean(load_default=False)
    late = f.Boolean(load_default=False, metadata={"description": "Assignment or first response past its clock"})
    assignment_late = f.Boolean(load_default=False)
    response_late = f.Boolean(load_default=False)
    closing_asked = f.Boolean(load_default=False)
    team_id = f.UUID(load_default=None)
    caseworker_id = f.UUID(load_default=None)
    province_id = f.UUID(load_default=None)
    call_id = f.UUID(load_default=None)
    code = f.String(load_default=None, validate=Length(max=40), metadata={"description": "HC-2481, or just 2481"})
    after = f.String(load_default=None, validate=Length(max=64))


class PageQuery(In):
    group = G.STATISTICS

    after = f.String(load_default=None, validate=Length(max=64))


class CaseItemOut(RecordOut):
    """A case in a list: no name, no words."""

    kind = "case"
    group = G.CASE_ADMINISTRATION

    id = f.UUID(required=True)
    version = f.Integer()
    code = f.String(metadata={"description": "The number people say"})
    call_id = f.UUID()
    child_person_id = f.UUID()
    risk_level = f.String(allow_none=True, metadata=RISK)
    child_age = f.Integer(allow_none=True, metadata={"group": G.CHILD_IDENTITY})
    child_gender = f.String(allow_none=True, metadata={"group": G.CHILD_IDENTITY})
    place_names = f.Dict(allow_none=True, metadata={"group": G.LOCATION})
    province_names = f.Dict(allow_none=True, metadata={"group": G.LOCATION})
    team_id = f.UUID()
    team_name = f.String()
    step = f.String()
    status = f.String()
    source = f.String()
    opened_at = f.AwareDateTime()
    caseworker_id = f.UUID(allow_none=True)
    caseworker_name = f.String(allow_none=True)
    assigned_at = f.AwareDateTime(allow_none=True)
    assign_by = f.AwareDateTime()
    first_response_by = f.AwareDateTime()
    first_response_at = f.AwareDateTime(allow_none=True)
    needs = f.List(f.String(), allow_none=True, metadata=NEEDS)
    closing_requested_at = f.AwareDateTime(allow_none=True)
    closing_reason = f.String(allow_none=True)
    closed_at = f.AwareDateTime(allow_none=True)
    close_reason = f.String(allow_none=True)
    erased_at = f.AwareDateTime(allow_none=True)
    erased_why = f.String(allow_none=True, metadata={"enum": ["rule", "request", None]})


class CaseOut(CaseItemOut):
    """A case with its words."""

    opened_by = f.UUID()
    risk_reasons = f.List(f.Dict(), allow_none=True, metadata=RISK)
    consent = f.Dict(metadata={"description": "services, reporting, disclosure, by, basis, withhold"})
    consent_why = f.String(allow_none=True, metadata=STORY)
    summary = f.String(allow_none=True, metadata=STORY)


class CallChildOut(RecordOut):
    """A child of a call, and the case it already has for them."""

    kind = "person"
    group = G.CHILD_IDENTITY

    id = f.UUID()
    name = f.String(allow_none=True)
    age = f.Integer(allow_none=True)
    gender = f.String(allow_none=True)
    case_id = f.UUID(allow_none=True, metadata=ID)
    case_code = f.String(allow_none=True, metadata=ID)


class CallRiskOut(RecordOut):
    """How dangerous a call was judged to be."""

    kind = "call"
    group = G.RISK

    id = f.UUID(metadata=ID)
    number = f.Integer(metadata=ID)
    risk_level = f.String()
    risk_reasons = f.List(f.Dict(), allow_none=True)


class CasePage(Page):
    items = f.List(f.Nested(CaseItemOut), metadata={"group": G.CASE_ADMINISTRATION})


class EventOut(RecordOut):
    """A line of a timeline; read as part of its case."""

    group = G.CASE_ADMINISTRATION

    id = f.UUID(required=True)
    at = f.AwareDateTime()
    actor_id = f.UUID()
    actor_role = f.String()
    actor_name = f.String(allow_none=True)
    action = f.String()
    details = f.Dict(metadata={"description": "Ids, enums, numbers and times"})
    note_kind = f.String(allow_none=True)
    body = f.String(allow_none=True, metadata=STORY)


class TimelineOut(RecordOut):
    """What happened in a case, newest first."""

    kind = "case"
    group = G.STORY

    id = f.UUID(required=True, metadata=ID)
    items = f.List(f.Nested(EventOut))  # with their words: reading a timeline is reading the story
    next = f.String(allow_none=True, metadata=ID)


class NoteOut(RecordOut):
    kind = "case_note"
    group = G.STORY

    id = f.UUID(required=True, metadata=ID)
    case_id = f.UUID(metadata=ID)
    kind_ = f.String(data_key="kind", attribute="kind", metadata=ID)
    written_at = f.AwareDateTime(metadata=ID)
    body = f.String(allow_none=True)


class ObligationOut(Out):
    """What must be settled before the case can close."""

    group = G.CASE_ADMINISTRATION

    kind = f.String()
    source_kind = f.String()
    source_id = f.UUID()
    due_at = f.AwareDateTime(allow_none=True)


class ObligationsOut(Out):
    group = G.CASE_ADMINISTRATION

    items = f.List(f.Nested(ObligationOut))


class CaseloadOut(Out):
    """A caseworker and their open cases; `over`: beyond what one person should carry."""

    group = G.DIRECTORY

    id = f.UUID()
    name = f.String()
    open_cases = f.Integer()
    over = f.Boolean()


class CaseloadsOut(Out):
    group = G.DIRECTORY

    items = f.List(f.Nested(CaseloadOut))
