"""What marshmallow itself finds wrong, in the reader's language: importing this gives its classes our sentences."""

from datetime import date
from typing import Any

from flask_babel import lazy_gettext as _l
from marshmallow import ValidationError, fields, validate

_CHOOSE = _l("Choose one of the answers offered.")
_NUMBER = _l("Write a whole number.")
_TIME = _l("Write a date and time, such as 2026-11-25 14:30.")
_UNREADABLE = _l("This can't be read. Check what you typed.")

# Without placeholders: marshmallow fills those in when a schema is made, before there is a reader.
_OF_FIELDS: dict[type[fields.Field[Any]], dict[str, Any]] = {
    fields.Field: {"required": _l("This is needed."), "null": _l("This is needed."), "validator_failed": _UNREADABLE},
    fields.String: {"invalid": _UNREADABLE, "invalid_utf8": _UNREADABLE},
    fields.Number: {"invalid": _NUMBER, "too_large": _l("This number is too large.")},
    fields.Integer: {"invalid": _NUMBER},
    fields.Boolean: {"invalid": _CHOOSE},
    fields.Enum: {"unknown": _CHOOSE},
    fields.UUID: {"invalid_uuid": _l("This names nothing that is here.")},
    fields.DateTime: {"invalid": _TIME, "invalid_awareness": _l("Say in which time zone: 2026-11-25T14:30+07:00.")},
    fields.Date: {"invalid": _l("Write a date, such as 2026-11-25.")},
    fields.List: {"invalid": _UNREADABLE},
    fields.Mapping: {"invalid": _UNREADABLE},
    fields.Nested: {"type": _UNREADABLE},
}
OF_SCHEMAS = {"type": _UNREADABLE, "unknown": _l("There is no such field here.")}

# In lists: marshmallow takes a lone text that is not quite a str for a list of its letters.
for _kind, _of_kind in _OF_FIELDS.items():
    _lists: dict[str, Any] = {key: [said] for key, said in _of_kind.items()}
    _kind.default_error_messages = {**_kind.default_error_messages, **_lists}

# These are filled in when a value is refused: then there is a reader.
_OF_VALIDATORS: dict[type[validate.Validator], dict[str, Any]] = {
    validate.Length: {
        "message_min": _l("Too short: at least {min}."),
        "message_max": _l("Too long: at most {max}."),
        "message_all": _l("Between {min} and {max} long."),
        "message_equal": _l("Exactly {equal} long."),
    },
    validate.OneOf: {"default_message": _CHOOSE},
    validate.Regexp: {"default_message": _UNREADABLE},
    validate.Email: {"default_message": _l("This is not an e-mail address.")},
}
for _validator, _sentences in _OF_VALIDATORS.items():
    for _name, _sentence in _sentences.items():
        setattr(_validator, _name, _sentence)


YEARS = range(1900, 2200)  # wider than any life on record, and far from where time zones overflow


def in_reach(when: date) -> None:
    """Refuse a date or time outside YEARS."""
    if when.year not in YEARS:
        raise ValidationError([_l("This year can't be meant.")])


class Range(validate.Range):
    """marshmallow's, both ends included; its own fills in half of its sentence before there is a reader."""

    def _format_error(self, value: Any, message: str) -> str:
        del value, message
        if self.max is None:
            return str(_l("At least %(min)s.", min=self.min))
        if self.min is None:
            return str(_l("At most %(max)s.", max=self.max))
        return str(_l("Between %(min)s and %(max)s.", min=self.min, max=self.max))
