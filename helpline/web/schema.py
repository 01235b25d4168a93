"""The base of every schema: unknown fields refused, every field in a field group, masks and read audit in one place.

`In` schemas refuse fields the role may not write. `RecordOut` never touches a value that the role may not read, and
notes what it showed: HTML and JSON go through it, so they share one mask and one audit.
"""

import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from flask_babel import lazy_gettext as _l
from marshmallow import RAISE, Schema, ValidationError, pre_load, validates_schema
from marshmallow import fields as f
from marshmallow.validate import Length

from helpline.foundation.access.engine import may_write, readable
from helpline.foundation.access.permissions import FieldGroup
from helpline.foundation.audit.recorder import showed
from helpline.foundation.context import current_context
from helpline.web.validation import OF_SCHEMAS, in_reach


def group_of(schema: Schema, name: str) -> FieldGroup:
    """The field's group: its own metadata, or the schema's."""
    own = schema.fields[name].metadata.get("group")
    group = own or schema.group  # type: ignore[attr-defined]
    if group is None:
        raise TypeError(f"{type(schema).__name__}.{name} names no field group")
    return FieldGroup(group)


# PostgreSQL's texts can't hold U+0000; the others turn the direction of what follows them, so that one name reads as
# another: they come along unseen when a number is copied from a telephone.
_NUL = "\0"
_TURNS = re.compile("[\u202a-\u202e\u2066-\u2069]")


def _has_nul(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(_has_nul(key) or _has_nul(each) for key, each in value.items())
    if isinstance(value, list | tuple):
        return any(map(_has_nul, value))
    return isinstance(value, str) and _NUL in value


def _straight(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _straight(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_straight(each) for each in value]
    return _TURNS.sub("", value) if isinstance(value, str) and not value.isascii() else value


_MOST_ITEMS, _MOST_SIGNS = 500, 20_000  # of what names no length of its own


def _most(field: f.Field[Any]) -> int | None:
    if isinstance(field, f.List | f.Mapping):
        return _MOST_ITEMS
    return _MOST_SIGNS if type(field) is f.String else None


class In(Schema):
    """Input. `group` is the group of fields that name none themselves (`metadata={"group": FieldGroup.STORY}`).

    `verbatim` names fields that are taken to the letter: passwords.
    """

    group: ClassVar[FieldGroup | None] = None
    verbatim: ClassVar[frozenset[str]] = frozenset()
    error_messages = OF_SCHEMAS

    class Meta:
        unknown = RAISE

    def on_bind_field(self, field_name: str, field_obj: f.Field[Any]) -> None:
        """No time is from outside the centuries that people and calendars of ours reach; nothing is without end."""
        super().on_bind_field(field_name, field_obj)
        if isinstance(field_obj, f.DateTime | f.Date):
            field_obj.validators = [*field_obj.validators, in_reach]
        most = _most(field_obj)
        if most is not None and not any(isinstance(each, Length) and each.max for each in field_obj.validators):
            field_obj.validators = [*field_obj.validators, Length(max=most)]

    @pre_load
    def _clean(self, data: Any, **_kwargs: Any) -> Any:
        """Refuse U+0000, which nobody types; leave out what turns the direction of a text."""
        if not isinstance(data, Mapping):
            return data
        refused = {
            str(name): [_l("This holds a character that can't be kept.")] for name in data if _has_nul(data[name])
        }
        if refused:
            raise ValidationError(refused)
        return {name: value if name in self.verbatim else _straight(value) for name, value in data.items()}

    @validates_schema(pass_original=True, skip_on_field_errors=False)
    def _refuse_unwritable(self, _data: Any, original: Any, **_kwargs: Any) -> None:
        ctx = current_context()
        if ctx is None or not isinstance(original, dict):
            return
        refused = {
            name: [_l("Your role may not change this.")]
            for name, field in self.load_fields.items()
            if (field.data_key or name) in original and not may_write(ctx.actor, group_of(self, name))
        }
        if refused:
            raise ValidationError(refused)


class Out(Schema):
    """Output without a record behind it: figures, directories, envelopes."""

    group: ClassVar[FieldGroup | None] = None


@dataclass(frozen=True, slots=True)
class _Mask:
    """What a role may not read of a schema (field names, and attributes of the record), and the groups it may."""

    names: list[str]
    attributes: frozenset[str]
    groups: frozenset[str]


class RecordOut(Schema):
    """Output of one record. `kind` is its audit kind; the record has an `id`.

    Masked fields come out as None, and their names are listed in `masked`.
    """

    group: ClassVar[FieldGroup | None] = None
    kind: ClassVar[str] = ""

    masked = f.List(f.String(), dump_only=True, metadata={"group": FieldGroup.STATISTICS,
                    "description": "Names of the fields that your role may not read"})  # fmt: skip

    def get_attribute(self, obj: Any, attr: str, default: Any) -> Any:
        """The value, or None without looking at it where the role may not read its group."""
        mask = self._mask()
        if attr == "masked":
            return mask.names
        if attr in mask.attributes:
            return None
        # What marshmallow does by way of three calls: dotted names and lists, which no field here has, would need them.
        return obj.get(attr, default) if isinstance(obj, Mapping) else getattr(obj, attr, default)

    def _mask(self) -> _Mask:
        """What the actor may not read here, made once a schema and set of groups that somebody may read."""
        ctx = current_context()
        masks: dict[frozenset[FieldGroup], _Mask] = self.__dict__.setdefault("_masks", {})
        groups = readable(ctx.actor) if ctx is not None else frozenset()
        mask = masks.get(groups)
        if mask is None:
            shown = {name: group_of(self, name) in groups for name in self.dump_fields}
            mask = masks[groups] = _Mask(
                names=[name for name, may in shown.items() if not may],
                attributes=frozenset(
                    field.attribute or name for name, field in self.dump_fields.items() if not shown[name]
                ),
                groups=frozenset(group_of(self, name).value for name, may in shown.items() if may),
            )
        return mask

    def dump(self, obj: Any, *, many: bool | None = None) -> Any:
        """Dump and note what was shown: one audit entry per kind and request, whatever the number of records."""
        if self.kind and obj is not None:
            groups = self._mask().groups
            for record in obj if (self.many if many is None else many) else [obj]:
                record_id = record["id"] if isinstance(record, dict) else record.id
                if isinstance(record_id, uuid.UUID):
                    showed(self.kind, record_id, groups)
        return super().dump(obj, many=many)


class Page(Out):
    """Envelope of a list: the items (added by each list's own schema) and the key of the next page."""

    group = FieldGroup.STATISTICS
    next = f.String(allow_none=True, metadata={"description": "Give it back as `after` for the next page"})
