"""A call as pages and the API take it and show it."""

from typing import Any

from flask_babel import lazy_gettext as _l
from marshmallow import fields as f
from marshmallow import post_load
from marshmallow.validate import Length, Regexp

from helpline.calls import vocabulary as v
from helpline.calls.commands import CallContent, ToldChild
from helpline.foundation.access.permissions import FieldGroup
from helpline.people.commands import PersonDetails
from helpline.people.vocabulary import LANGUAGE, AgeKnown, Answer, Gender, PersonRole
from helpline.web.schema import In, RecordOut
from helpline.web.validation import Range

G = FieldGroup
ID, ADMIN = {"group": G.CASE_ADMINISTRATION}, {"group": G.CASE_ADMINISTRATION}
WHO, CONTACT, WHERE = {"group": G.CHILD_IDENTITY}, {"group": G.CONTACT}, {"group": G.LOCATION}
STORY, RISK, HEALTH = {"group": G.STORY}, {"group": G.RISK}, {"group": G.HEALTH}
WORDS, LINE = Length(max=20_000), Length(max=200)
MOST = 20


class Age(Range):
    """In years; one below zero, before birth, is a code and no answer that a person would be asked for."""

    def _format_error(self, value: Any, message: str) -> str:
        del value, message
        return str(_l("Write the age in years, 0 to %(max)s.", max=self.max))


def _line(group: dict[str, FieldGroup], **more: Any) -> f.String:
    return f.String(load_default=None, allow_none=True, validate=LINE, metadata=group, **more)


class CallPersonIn(In):
    """Somebody as they were told of; anything may be left out. `age` in years, -1 for not yet born."""

    group = G.CHILD_IDENTITY

    name = _line(WHO)
    phone = _line(CONTACT)
    age = f.Integer(load_default=None, allow_none=True, strict=False, validate=Age(min=-1, max=120))
    age_known = f.Enum(AgeKnown, by_value=True, load_default=None, allow_none=True)
    gender = f.Enum(Gender, by_value=True, load_default=Gender.UNKNOWN)
    language = f.String(load_default=None, allow_none=True, validate=Regexp(LANGUAGE), metadata=WHO)
    nationality = _line(WHO)
    ethnicity = _line(WHO)
    schooling = _line(WHO)
    living_situation = _line(WHO)
    disability = f.Enum(Answer, by_value=True, load_default=Answer.UNKNOWN, metadata=HEALTH)

    role = PersonRole.CALLER

    @post_load
    def make(self, data: dict[str, Any], **_: Any) -> Any:
        if data["age"] is None:
            data["age_known"] = AgeKnown.UNKNOWN
        elif data["age_known"] in {None, AgeKnown.UNKNOWN}:
            data["age_known"] = AgeKnown.EXACT
        return PersonDetails(role=self.role, **data)


class CallChildIn(CallPersonIn):
    """A child of the call. `person_id` (corrections only) says which one of those it already tells of."""

    person_id = f.UUID(load_default=None, allow_none=True, metadata=ID)
    role = PersonRole.CHILD

    @post_load
    def make(self, data: dict[str, Any], **more: Any) -> ToldChild:
        person_id = data.pop("person_id")
        return ToldChild(super().make(data, **more), person_id)


class CallDangerIn(In):
    """The questions asked once; not asked means unknown."""

    group = G.RISK

    hurt = f.Enum(Answer, by_value=True, load_default=Answer.UNKNOWN)
    suicide_thoughts = f.Enum(Answer, by_value=True, load_default=Answer.UNKNOWN)
    near_person_feared = f.Enum(Answer, by_value=True, load_default=Answer.UNKNOWN)
    sexual_violence = f.Enum(Answer, by_value=True, load_default=Answer.UNKNOWN)
    suicide_means = f.Enum(Answer, by_value=True, load_default=Answer.UNKNOWN)

    @post_load
    def make(self, data: dict[str, Any], **_: Any) -> v.DangerAnswers:
        return v.DangerAnswers(**data)


class CallContentIn(In):
    """Everything a call says. Times left out are now, or (in a correction) stay as they were."""

    group = G.CASE_ADMINISTRATION

    kind = f.Enum(v.CallKind, by_value=True, load_default=v.CallKind.COUNSELLING)
    channel = f.Enum(v.CallChannel, by_value=True, load_default=v.CallChannel.PHONE)
    direction = f.Enum(v.Direction, by_value=True, load_default=v.Direction.IN)
    started_at = f.AwareDateTime(load_default=None, allow_none=True)
    ended_at = f.AwareDateTime(load_default=None, allow_none=True)
    relation = f.Enum(v.Relation, by_value=True, load_default=v.Relation.UNKNOWN, metadata=WHO)
    caller = f.Nested(CallPersonIn, load_default=None, allow_none=True, metadata=WHO)
    children = f.List(f.Nested(CallChildIn), load_default=list, validate=Length(max=MOST), metadata=WHO)
    place_id = f.UUID(load_default=None, allow_none=True, metadata=WHERE)
    categories = f.List(
        f.String(validate=Length(max=100)), load_default=list, validate=Length(max=MOST),
        metadata=STORY | {"description": "Codes of the taxonomy (`violence.neglect`), the main reason first"},
    )  # fmt: skip
    danger = f.Nested(CallDangerIn, load_default=v.DangerAnswers, metadata=RISK)
    risk_level = f.Enum(
        v.RiskLevel, by_value=True, load_default=None, allow_none=True,
        metadata=RISK | {"description": "A judgement of one's own, with a reason; left out, the answers decide"},
    )  # fmt: skip
    risk_reason = f.String(load_default=None, allow_none=True, validate=WORDS, metadata=RISK)
    actions = f.List(f.Enum(v.CallAction, by_value=True), load_default=list, validate=Length(max=MOST), metadata=STORY)
    narrative = f.String(load_default=None, allow_none=True, validate=WORDS, metadata=STORY)


def content_of(data: dict[str, Any]) -> CallContent:
    """The loaded fields of a CallContentIn as the command's part."""
    return CallContent(**data | {name: tuple(data[name]) for name in ("children", "categories", "actions")})


class CallIn(CallContentIn):
    """A call to log. Mint `call_id` (UUIDv7): posting the same twice makes one call."""

    call_id = f.UUID(required=True)


class CallVoidIn(In):
    """`version` is the one that was read; `reason` says why it is changed."""

    group = G.CASE_ADMINISTRATION

    version = f.Integer(required=True, strict=False, validate=Range(min=1, max=2**31 - 1))
    reason = f.String(required=True, validate=Length(min=1, max=20_000), metadata=STORY)


class CallCorrectionIn(CallContentIn):
    """The whole call as it should be."""

    version = f.Integer(required=True, strict=False, validate=Range(min=1, max=2**31 - 1))
    reason = f.String(required=True, validate=Length(min=1, max=20_000), metadata=STORY)


class CallPersonOut(RecordOut):
    """A person of a call; read as part of it."""

    group = G.CHILD_IDENTITY

    id = f.UUID(metadata=ID)
    name = f.String(allow_none=True)
    phone = f.String(allow_none=True, metadata=CONTACT)
    age = f.Integer(allow_none=True)
    age_known = f.String(allow_none=True)
    gender = f.String(allow_none=True)
    language = f.String(allow_none=True)
    nationality = f.String(allow_none=True)
    ethnicity = f.String(allow_none=True)
    schooling = f.String(allow_none=True)
    living_situation = f.String(allow_none=True)
    disability = f.String(allow_none=True, metadata=HEALTH)


class CallItemOut(RecordOut):
    """A call in a list: no name, no words."""

    kind = "call"
    group = G.CASE_ADMINISTRATION

    id = f.UUID(required=True)
    number = f.Integer(metadata={"description": "People say C-90331"})
    version = f.Integer()
    call_kind = f.String(data_key="kind", attribute="kind")
    channel = f.String()
    direction = f.String()
    source = f.String()
    started_at = f.AwareDateTime()
    ended_at = f.AwareDateTime(allow_none=True)
    logged_at = f.AwareDateTime()
    operator_id = f.UUID()
    operator_name = f.String(allow_none=True)
    team_id = f.UUID(allow_none=True)
    voided_at = f.AwareDateTime(allow_none=True)
    erased_at = f.AwareDateTime(allow_none=True)
    erased_why = f.String(allow_none=True, metadata={"enum": ["rule", "request", None]})
    caller_relation = f.String(allow_none=True, metadata=WHO)
    children = f.List(f.Dict(), allow_none=True, metadata=WHO)
    place_names = f.Dict(allow_none=True, metadata=WHERE)
    province_names = f.Dict(allow_none=True, metadata=WHERE)
    category = f.String(allow_none=True, metadata=STORY)
    category_names = f.Dict(allow_none=True, metadata=STORY)
    risk_level = f.String(allow_none=True, metadata=RISK | {"description": "null: no counselling, so not judged"})


class CallTermOut(RecordOut):
    group = G.STORY

    code = f.String()
    names = f.Dict()
    group_names = f.Dict(allow_none=True)


class CallOut(CallItemOut):
    """A call with its words and people."""

    place_id = f.UUID(allow_none=True, metadata=WHERE)
    place_label = f.Dict(allow_none=True, metadata=WHERE)
    caller = f.Nested(CallPersonOut, allow_none=True, metadata=WHO)
    people = f.List(
        f.Nested(CallPersonOut), data_key="children", attribute="people", allow_none=True, metadata=WHO
    )  # fmt: skip
    children = f.List(f.Dict(), data_key="children_bands", attribute="children", allow_none=True, metadata=WHO)
    categories = f.List(f.Nested(CallTermOut), allow_none=True, metadata=STORY)
    danger = f.Dict(allow_none=True, metadata=RISK)
    risk_reasons = f.List(f.Dict(), allow_none=True, metadata=RISK)
    risk_reason = f.String(allow_none=True, metadata=RISK)
    actions = f.List(f.String(), allow_none=True, metadata=STORY)
    narrative = f.String(allow_none=True, metadata=STORY)
    void_reason = f.String(allow_none=True, metadata=STORY)


class CallLoggedOut(RecordOut):
    """What came of posting a call. `first`: false where it had been posted before."""

    kind = ""
    group = G.CASE_ADMINISTRATION

    id = f.UUID(required=True)
    number = f.Integer()
    risk_level = f.String(allow_none=True, metadata=RISK)
    first = f.Boolean()
