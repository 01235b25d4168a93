"""Places and reasons as the API and the type-ahead fields take them. Public data: nothing here is about anybody."""

from marshmallow import fields as f
from marshmallow.validate import Length, Regexp

from helpline.foundation.access.permissions import FieldGroup
from helpline.web.schema import In, Out

_COUNTRY = Regexp(r"^[A-Z]{2}\Z")


class PlaceQuery(In):
    """`q`: the beginning of a name, in any script; words of what it lies in may stand beside it.

    `country` (ISO 3166): the actor's own where it is left out.
    """

    group = FieldGroup.ACCOUNT

    q = f.String(load_default="", validate=Length(max=100))
    country = f.String(load_default=None, validate=_COUNTRY)


class TermQuery(In):
    """`q`: the beginning of any word of a reason or of its category."""

    group = FieldGroup.ACCOUNT

    q = f.String(load_default="", validate=Length(max=100))
    version = f.String(load_default=None, validate=Length(max=40))


class VersionQuery(In):
    """`version`: of the tree of reasons; the one in use where it is left out."""

    group = FieldGroup.ACCOUNT

    version = f.String(load_default=None, validate=Length(max=40))


class PlaceOut(Out):
    """A node of a country's tree. `names`: language code to name."""

    group = FieldGroup.DIRECTORY

    id = f.UUID(required=True)
    country = f.String(required=True)
    level = f.String(required=True)
    code = f.String(required=True, metadata={"description": "The country's own; it may repeat within a level"})
    names = f.Dict(keys=f.String(), values=f.String(), required=True)


class PlaceWithPathOut(PlaceOut):
    path = f.List(f.Nested(PlaceOut), required=True, metadata={"description": "From the widest to the place itself"})


class SuggestionOut(Out):
    """One line of a type-ahead field, in the reader's language."""

    group = FieldGroup.DIRECTORY

    value = f.UUID(required=True)
    label = f.String(required=True)
    kind = f.String(allow_none=True, metadata={"description": "What a place is: a province, a village"})
    detail = f.String(allow_none=True)
    group_label = f.String(data_key="group", allow_none=True)


class SuggestionsOut(Out):
    group = FieldGroup.DIRECTORY

    items = f.List(f.Nested(SuggestionOut), required=True)


class TermOut(Out):
    """A reason for a contact; `code` is qualified by its category (`violence.neglect`)."""

    group = FieldGroup.DIRECTORY

    id = f.UUID(required=True)
    code = f.String(required=True)
    names = f.Dict(keys=f.String(), values=f.String(), required=True)


class CategoryOut(TermOut):
    terms = f.List(f.Nested(TermOut), required=True)


class TaxonomyOut(Out):
    group = FieldGroup.DIRECTORY

    version = f.String(required=True)
    categories = f.List(f.Nested(CategoryOut), required=True)
