"""What the registers show, as pages and the API show it."""

from marshmallow import fields as f

from helpline.foundation.access.permissions import FieldGroup
from helpline.registers import vocabulary as v
from helpline.web.schema import Out, Page, RecordOut
from helpline.web.words import word

G = FieldGroup
STORY = {"group": G.STORY}
_CASE, _REGISTER = {"group": G.CASE_ADMINISTRATION}, {"group": G.REGISTER}


class ExportItemOut(RecordOut):
    """An export: who took out what kinds of data for whom, and what became of it; never what is in it."""

    kind = "export"
    group = G.CASE_ADMINISTRATION

    id = f.UUID(required=True)
    what = f.String(attribute="kind", metadata={"enum": [kind.value for kind in v.ExportKind]})
    case_ids = f.List(f.UUID())
    recipient = f.String(allow_none=True)
    field_groups = f.List(f.String())
    items = f.Integer()
    withheld = f.List(f.Dict(), metadata={"description": "Why something was kept out, and how often"})
    requested_by = f.UUID()
    requested_by_name = f.String(allow_none=True)
    made_at = f.AwareDateTime()
    expires_at = f.AwareDateTime()
    downloaded_at = f.AwareDateTime(allow_none=True)
    gone_at = f.AwareDateTime(allow_none=True)


class ExportOut(ExportItemOut):
    reason = f.String(allow_none=True, metadata=STORY)


class ExportPage(Page):
    items = f.List(f.Nested(ExportItemOut), metadata=_CASE)


class LedgerLineOut(Out):
    """Something of a child left the house."""

    group = G.CASE_ADMINISTRATION

    case_id = f.UUID()
    case_code = f.String()
    at = f.AwareDateTime()
    kind = f.String(metadata={"enum": [kind.value for kind in v.Left]})
    source_id = f.UUID()
    names = f.Dict(allow_none=True, metadata={"description": "The agency's, by language"})
    field_groups = f.List(f.String())
    details = f.Dict(metadata={"description": "Codes: recipient, means, basis, consent, authority, outcome"})
    recipient = f.String(allow_none=True, metadata={"description": "null for whoever doesn't reach the case"})
    what = f.String(allow_none=True)


class LedgerOut(RecordOut):
    """What left the house about one child: every case of theirs within reach, newest first."""

    kind = "case"
    group = G.CASE_ADMINISTRATION

    id = f.UUID(required=True)
    lines = f.List(f.Nested(LedgerLineOut))


class DemandItemOut(RecordOut):
    """A demand as it stands now; no words."""

    kind = "demand"
    group = G.REGISTER

    id = f.UUID(required=True)
    corrects_id = f.UUID(allow_none=True)
    received_at = f.AwareDateTime()
    authority = f.String(metadata={"enum": [each.value for each in v.Authority]})
    basis = f.String()
    outcome = f.String()
    subjects_told = f.String()
    case_ids = f.List(f.UUID())
    recorded_at = f.AwareDateTime()
    recorded_by_name = f.String(allow_none=True)
    decided_by_name = f.String(allow_none=True)
    corrected = f.Boolean(metadata={"description": "A later entry puts it right"})


class DemandOut(DemandItemOut):
    """With its words, and what was entered before."""

    words = f.Dict(
        allow_none=True, metadata={"description": "authority, person, paper, law, demanded, given, told"}
    )  # fmt: skip
    before = f.List(f.Nested(lambda: DemandOut(exclude=("before",))))


class DemandPage(Page):
    items = f.List(f.Nested(DemandItemOut), metadata=_REGISTER)


class BreachEntryOut(Out):
    group = G.REGISTER

    id = f.UUID()
    kind = f.String()
    at = f.AwareDateTime()
    recorded_at = f.AwareDateTime()
    recorded_by_name = f.String(allow_none=True)
    words = f.String(allow_none=True)


class BreachItemOut(RecordOut):
    """A breach and how its clock stands; no words."""

    kind = "breach"
    group = G.REGISTER

    id = f.UUID(required=True)
    state = f.String(metadata={"enum": [state.value for state in v.BreachState]})
    noticed_at = f.AwareDateTime()
    notify_by = f.AwareDateTime(metadata={"description": "72 hours after it was noticed"})
    opened_by_name = f.String(allow_none=True)
    categories = f.List(f.String())
    people = f.Integer(allow_none=True)
    records = f.Integer(allow_none=True)
    authority_told_at = f.AwareDateTime(allow_none=True)
    subjects_told_at = f.AwareDateTime(allow_none=True)
    closed_at = f.AwareDateTime(allow_none=True)


class BreachOut(BreachItemOut):
    what = f.String(allow_none=True)
    entries = f.List(f.Nested(BreachEntryOut))


class BreachPage(Page):
    items = f.List(f.Nested(BreachItemOut), metadata=_REGISTER)


class TableOut(Out):
    group = G.STATISTICS

    name = f.String()
    sealed = f.List(f.String())
    clear = f.List(f.String())


class ReaderOut(Out):
    group = G.STATISTICS

    role = f.String()
    scope = f.String()
    groups = f.List(f.String(), metadata={"description": "Which of the activity's groups of fields they read"})


class ActivityOut(Out):
    """One activity of the register of processing, made of the tables and the matrix."""

    group = G.STATISTICS

    code = f.String()
    purpose = f.Function(lambda activity: word("activity", activity["code"]), metadata={"type": "string"})
    keeping = f.String()
    groups = f.List(f.String())
    recipients = f.List(f.String())
    tables = f.List(f.Nested(TableOut))
    readers = f.List(f.Nested(ReaderOut))
    machines = f.List(f.String())


class ProcessingOut(Out):
    group = G.STATISTICS

    activities = f.List(f.Nested(ActivityOut), required=True)
