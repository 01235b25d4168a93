"""The directory as pages and the API take and show it."""

from typing import Any

from marshmallow import fields as f
from marshmallow import post_load
from marshmallow.validate import Email, Length, OneOf, Regexp

from helpline.agencies.commands import SaveAgency, ServiceOffer
from helpline.agencies.vocabulary import AgencyKind, Service, Sex
from helpline.foundation.access.permissions import FieldGroup
from helpline.web.schema import In, Out, Page, RecordOut
from helpline.web.validation import Range

G = FieldGroup
_LANGUAGE = Regexp(r"^[a-z]{2,3}\Z")
_CLOCK = Regexp(r"^([01]\d|2[0-3]):[0-5]\d\Z")
_AGE = Range(min=0, max=120)


class ServiceOfferIn(In):
    """A service and its limits: ages in years, both inclusive; no sexes: everybody; capacity: children at once."""

    group = G.DIRECTORY

    service = f.Enum(Service, by_value=True, required=True)
    min_age = f.Integer(load_default=None, allow_none=True, validate=_AGE)
    max_age = f.Integer(load_default=None, allow_none=True, validate=_AGE)
    sexes = f.List(f.Enum(Sex, by_value=True), load_default=list)
    capacity = f.Integer(load_default=None, allow_none=True, validate=Range(min=0, max=100_000))

    @post_load
    def make(self, data: dict[str, Any], **_: Any) -> ServiceOffer:
        return ServiceOffer(sexes=tuple(dict.fromkeys(data.pop("sexes"))), **data)


class OpeningSpanIn(In):
    """Open from one local time to another on a weekday (Monday is 0); past midnight if not later; equal: 24 hours."""

    group = G.DIRECTORY

    weekday = f.Integer(required=True, validate=Range(min=0, max=6))
    opens = f.String(required=True, validate=_CLOCK)
    closes = f.String(required=True, validate=_CLOCK)


class OpeningHoursIn(In):
    group = G.DIRECTORY

    spans = f.List(f.Nested(OpeningSpanIn), load_default=list, validate=Length(max=50))
    open_on_holidays = f.Boolean(load_default=False)


class AgencyBodyIn(In):
    """What an entry holds."""

    group = G.DIRECTORY

    names = f.Dict(
        keys=f.String(validate=_LANGUAGE), values=f.String(validate=Length(max=200)), required=True,
        metadata={"description": "Language code to name"},
    )  # fmt: skip
    kind = f.Enum(AgencyKind, by_value=True, required=True)
    services = f.List(f.Nested(ServiceOfferIn), required=True, validate=Length(max=20))
    coverage = f.List(f.UUID(), load_default=list, validate=Length(max=2000))
    nationwide = f.Boolean(load_default=False)
    email = f.String(load_default=None, allow_none=True, validate=[Email(), Length(max=254)])
    phone = f.String(load_default=None, allow_none=True, validate=Length(max=60))
    address = f.String(load_default=None, allow_none=True, validate=Length(max=500))
    languages = f.List(f.String(validate=_LANGUAGE), load_default=list, validate=Length(max=50))
    opening = f.Nested(OpeningHoursIn, load_default=lambda: {"spans": [], "open_on_holidays": False})

    @post_load
    def make(self, data: dict[str, Any], **_: Any) -> Any:
        return data | {name: tuple(data[name]) for name in ("services", "coverage", "languages")}


class AgencyIn(AgencyBodyIn):
    """A whole entry. Mint `agency_id` (UUIDv7): posting the same twice makes one."""

    agency_id = f.UUID(required=True)

    @post_load
    def make(self, data: dict[str, Any], **_: Any) -> SaveAgency:
        return SaveAgency(**super().make(data))


class AgencyChangeIn(In):
    """An entry as it shall stand, and the version it replaces."""

    group = G.DIRECTORY

    version = f.Integer(required=True, validate=Range(min=1, max=2**31 - 1))
    agency = f.Nested(AgencyBodyIn, required=True)


class AgencyActiveIn(In):
    group = G.DIRECTORY

    version = f.Integer(required=True, validate=Range(min=1, max=2**31 - 1))
    active = f.Boolean(required=True)


class AgencyQuery(In):
    """What a list is narrowed to; what is left out does not narrow it."""

    group = G.ACCOUNT  # one's own question: asking writes no record

    service = f.Enum(Service, by_value=True, load_default=None, allow_none=True)
    place_id = f.UUID(load_default=None, allow_none=True, metadata={"description": "Works here or in a place above"})
    open_now = f.Boolean(load_default=False)
    active = f.String(load_default="yes", validate=OneOf(["yes", "no", "any"]))
    after = f.String(load_default=None, allow_none=True, validate=Length(max=64))


class ServiceOfferOut(Out):
    group = G.DIRECTORY

    service = f.String()
    min_age = f.Integer(allow_none=True)
    max_age = f.Integer(allow_none=True)
    sexes = f.List(f.String())
    capacity = f.Integer(allow_none=True)


class AgencyItemOut(RecordOut):
    """An agency in a list."""

    kind = "agency"
    group = G.DIRECTORY

    id = f.UUID(required=True)
    version = f.Integer()
    names = f.Dict(keys=f.String(), values=f.String())
    agency_kind = f.String(attribute="kind")
    services = f.List(f.Nested(ServiceOfferOut))
    phone = f.String(allow_none=True)
    email = f.String(allow_none=True)
    nationwide = f.Boolean()
    active = f.Boolean()


class AgencyOut(AgencyItemOut):
    """An agency whole. `coverage` holds place ids of any level."""

    address = f.String(allow_none=True)
    languages = f.List(f.String())
    opening = f.Dict(metadata={"description": "As in AgencyIn"})
    coverage = f.List(f.Pluck("CoverageOut", "place_id"))


class CoverageOut(Out):
    group = G.DIRECTORY

    place_id = f.UUID()


class AgencyPage(Page):
    items = f.List(f.Nested(AgencyItemOut), metadata={"group": G.DIRECTORY})
