"""What the registers take, from forms and programs alike."""

from typing import Any

from flask_babel import lazy_gettext as _l
from marshmallow import fields as f
from marshmallow import post_load
from marshmallow.validate import Length, OneOf, Regexp

from helpline.followups.schemas import LocalDateTime
from helpline.foundation.access.permissions import FieldGroup
from helpline.foundation.i18n import LANGUAGES
from helpline.registers import commands as c
from helpline.registers import vocabulary as v
from helpline.web.schema import In
from helpline.web.validation import Range

G = FieldGroup
WORDS, LINE = Length(min=1, max=20_000), Length(min=1, max=200)
STORY = {"group": G.STORY}
GROUPS = (G.CHILD_IDENTITY, G.CONTACT, G.LOCATION, G.STORY, G.ALLEGED_PERPETRATOR, G.HEALTH, G.RISK)
_KEYS = f.List(
    f.String(validate=Regexp(r"^[a-z]+:[0-9a-f-]{36}:[a-z_]+$")), load_default=list, validate=Length(max=20_000)
)
_MANY = Length(min=1, max=20, error=_l("Choose at least one."))


class ExportIn(In):
    """A subject's export. `release`, `keep_back`: keys of pieces that differ from what is withheld by default."""

    group = G.CASE_ADMINISTRATION

    export_id = f.UUID(required=True)
    recipient = f.Enum(v.Recipient, by_value=True, required=True)
    recipient_name = f.String(required=True, validate=LINE, metadata=STORY)
    reason = f.String(required=True, validate=WORDS, metadata=STORY)
    locale = f.String(load_default=LANGUAGES[0], validate=OneOf(LANGUAGES))
    release = _KEYS
    keep_back = _KEYS


class BulkIn(In):
    """Ask to take out many calls or cases. Mint `approval_id` (UUIDv7): asking twice by one id is asking once."""

    group = G.STATISTICS

    approval_id = f.UUID(required=True)
    what = f.Enum(v.BulkKind, by_value=True, required=True)
    first = f.Date(required=True)
    last = f.Date(required=True)
    reason = f.String(required=True, validate=WORDS, metadata={"group": G.ACCOUNT})

    @post_load
    def make(self, data: dict[str, Any], **_: Any) -> c.AskBulk:
        return c.AskBulk(data["approval_id"], data["what"], v.Span(data["first"], data["last"]), data["reason"])


class DisclosureIn(In):
    """Something was told or given by hand. Mint `disclosure_id` (UUIDv7); `corrects_id`: the entry it puts right."""

    group = G.CASE_ADMINISTRATION

    disclosure_id = f.UUID(required=True)
    given_at = LocalDateTime(required=True)
    recipient_kind = f.Enum(v.Recipient, by_value=True, required=True)
    recipient = f.String(required=True, validate=LINE, metadata=STORY)
    means = f.Enum(v.Means, by_value=True, required=True)
    basis = f.Enum(v.Basis, by_value=True, required=True)
    groups = f.List(f.String(validate=OneOf([group.value for group in GROUPS])), required=True, validate=_MANY)
    what = f.String(required=True, validate=WORDS, metadata=STORY)
    corrects_id = f.UUID(load_default=None, allow_none=True)


def disclosure_of(data: dict[str, Any], case_id: Any) -> c.RecordDisclosure:
    """The loaded fields of a DisclosureIn as the command."""
    groups = tuple(FieldGroup(group) for group in data.pop("groups"))
    return c.RecordDisclosure(case_id=case_id, groups=groups, **data)


class DemandIn(In):
    """An authority demanded to be told. No child is named here: `cases` are numbers, such as HC-2481."""

    group = G.REGISTER

    demand_id = f.UUID(required=True)
    received_at = LocalDateTime(required=True)
    kind = f.Enum(v.Authority, by_value=True, required=True, metadata={"description": "Which kind of authority"})
    basis = f.Enum(v.DemandBasis, by_value=True, required=True)
    outcome = f.Enum(v.DemandOutcome, by_value=True, required=True)
    subjects_told = f.Enum(v.Told, by_value=True, required=True)
    cases = f.String(load_default="", validate=Length(max=400))
    same_cases = f.Boolean(
        load_default=False, metadata={"description": "Of a correction: also the cases of the entry it puts right"}
    )  # fmt: skip
    decided_by = f.UUID(load_default=None, allow_none=True, metadata={"description": "Who of the staff decided"})
    authority = f.String(required=True, validate=LINE, metadata={"description": "Which authority exactly"})
    person = f.String(load_default="", validate=Length(max=200))
    paper = f.String(load_default="", validate=Length(max=400))
    law = f.String(load_default="", validate=Length(max=400))
    demanded = f.String(required=True, validate=WORDS)
    given = f.String(load_default="", validate=Length(max=20_000))
    told = f.String(load_default="", validate=Length(max=20_000), metadata={"description": "If not told: why"})
    corrects_id = f.UUID(load_default=None, allow_none=True)

    @post_load
    def make(self, data: dict[str, Any], **_: Any) -> c.RecordDemand:
        words = {name: data.pop(name) for name in ("authority", "person", "paper", "law", "demanded", "given", "told")}
        cases = tuple(filter(None, data.pop("cases").replace(",", " ").split()))
        return c.RecordDemand(authority=data.pop("kind"), cases=cases, words=words, **data)


class BreachIn(In):
    """Something got out or is lost: its 72 hours run from `noticed_at`. Numbers are estimates."""

    group = G.REGISTER

    breach_id = f.UUID(required=True)
    noticed_at = LocalDateTime(required=True)
    categories = f.List(f.Enum(v.Affected, by_value=True), required=True, validate=_MANY)
    people = f.Integer(load_default=None, allow_none=True, strict=False, validate=Range(min=0, max=2**31 - 1))
    records = f.Integer(load_default=None, allow_none=True, strict=False, validate=Range(min=0, max=2**31 - 1))
    what = f.String(required=True, validate=WORDS)

    @post_load
    def make(self, data: dict[str, Any], **_: Any) -> c.OpenBreach:
        return c.OpenBreach(categories=tuple(dict.fromkeys(data.pop("categories"))), **data)


class BreachStepIn(In):
    """An entry in a breach's log. `at`: when it was done."""

    group = G.REGISTER

    entry_id = f.UUID(required=True)
    kind = f.Enum(v.BreachStep, by_value=True, required=True)
    at = LocalDateTime(required=True)
    words = f.String(required=True, validate=WORDS)


class RegisterQuery(In):
    """Where a list goes on."""

    group = G.ACCOUNT  # one's own question: asking writes no record

    after = f.String(load_default=None, allow_none=True, validate=Length(max=64))


class LedgerQuery(In):
    """The case by the number people say."""

    group = G.ACCOUNT  # one's own question: asking writes no record

    case = f.String(load_default=None, allow_none=True, validate=Length(max=40))
