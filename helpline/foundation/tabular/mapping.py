"""An import mapping: a named, editable document that says which column of an old log means what to us.

The document (JSON):

- `name`, `title`, `time_zone` (IANA; of times that carry none), `notes` (free text for its editors);
- `unknown`: how the log writes that something is not known, in any column: such a cell counts as absent;
- `constants`: `{target: value}` that every row shares;
- `fields`: a list of `{target, columns, type, ...}`. The first of `columns` that holds a known value gives it;
  with `join: true` all of them, joined by a space (a date and a time). Types and what they add:
  `text`; `integer` (`min`, `max`; of 1.5 the whole part); `datetime` and `date` (`formats`: strptime's, `iso`, or
  `excel`: the count of days that a sheet shows where its column is not formatted as a date);
  `choice` (`values`: `{our code: [spellings]}`, `default` when absent). Each may add `required` and its own `unknown`;
- `flags`: a list of `{target, yes, no, order: [{column, code}], ignore: [columns]}`: columns of yes and no. The codes
  of those that say yes become a list in the order given, so that the first is the primary one.

Spellings are compared without case, accents and outer spaces. A value that no rule knows leaves its target absent, is
kept in `original` as every cell is, and is reported; only a `required` target that is absent rejects the row.
"""

import re
import unicodedata
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from helpline.foundation.errors import Invalid
from helpline.foundation.letters import normal_form

TYPES = ("text", "integer", "datetime", "date", "choice")
_KEYS = {"name", "title", "time_zone", "notes", "unknown", "constants", "fields", "flags"}
_FIELD_KEYS = {"target", "columns", "join", "type", "required", "unknown", "formats", "min", "max", "values", "default"}
_FLAG_KEYS = {"target", "yes", "no", "order", "ignore"}
# What the importer can fill: a target, and the codes it admits (None: any value).
Targets = Mapping[str, Collection[str] | None]


@dataclass(frozen=True, slots=True)
class FieldRule:
    """How one target is filled. `values` maps our code to the log's spellings of it."""

    target: str
    columns: tuple[str, ...]
    type: str
    join: bool = False
    required: bool = False
    unknown: tuple[str, ...] = ()
    formats: tuple[str, ...] = ()
    minimum: int | None = None
    maximum: int | None = None
    values: Mapping[str, tuple[str, ...]] | None = None
    default: str | None = None


@dataclass(frozen=True, slots=True)
class FlagRule:
    """Columns of yes and no that together fill one list; `order` holds (column, code), the primary first."""

    target: str
    yes: tuple[str, ...]
    no: tuple[str, ...]
    order: tuple[tuple[str, str], ...]
    ignore: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ImportMapping:
    """A document that was found valid. `document` is it, as it was read."""

    name: str
    title: str
    time_zone: ZoneInfo | None
    unknown: tuple[str, ...]
    constants: Mapping[str, Any]
    fields: tuple[FieldRule, ...]
    flags: tuple[FlagRule, ...]
    document: Mapping[str, Any]


def read_mapping(document: Mapping[str, Any], *, targets: Targets) -> ImportMapping:
    """Check a document against the targets an importer offers.

    Raises Invalid, `field` being the dotted path of what is wrong: `mapping_shape` (missing, of the wrong type, or an
    unknown key), `mapping_target` (not offered, or filled twice), `mapping_code` (not in that target's vocabulary),
    `mapping_spelling` (one spelling for two codes), `mapping_type`, `mapping_format`, `mapping_time_zone`.
    """
    _only(document, _KEYS, "")
    mapping = ImportMapping(
        name=_of(document, "name", str, "name"),
        title=_of(document, "title", str, "title", ""),
        time_zone=_zone(_of(document, "time_zone", str, "time_zone", "")),
        unknown=_texts(document, "unknown", "unknown"),
        constants=_of(document, "constants", dict, "constants", {}),
        fields=tuple(_field(raw, f"fields.{n}") for n, raw in enumerate(_of(document, "fields", list, "fields", []))),
        flags=tuple(_flag(raw, f"flags.{n}") for n, raw in enumerate(_of(document, "flags", list, "flags", []))),
        document=document,
    )
    _check_targets(mapping, targets)
    return mapping


def _field(raw: Any, path: str) -> FieldRule:
    _only(raw, _FIELD_KEYS, path)
    kind = _of(raw, "type", str, f"{path}.type", "text")
    if kind not in TYPES:
        raise Invalid("mapping_type", field=f"{path}.type")
    values = _of(raw, "values", dict, f"{path}.values", {})
    rule = FieldRule(
        target=_of(raw, "target", str, f"{path}.target"),
        columns=_texts(raw, "columns", f"{path}.columns"),
        type=kind,
        join=_of(raw, "join", bool, f"{path}.join", False),
        required=_of(raw, "required", bool, f"{path}.required", False),
        unknown=_texts(raw, "unknown", f"{path}.unknown"),
        formats=_texts(raw, "formats", f"{path}.formats"),
        minimum=_of(raw, "min", int, f"{path}.min", None),
        maximum=_of(raw, "max", int, f"{path}.max", None),
        values={code: _texts(values, code, f"{path}.values.{code}") for code in values} if kind == "choice" else None,
        default=_of(raw, "default", str, f"{path}.default", None),
    )
    if not rule.columns:
        raise Invalid("mapping_shape", field=f"{path}.columns")
    _check_spellings(rule.values or {}, f"{path}.values")
    if kind in ("datetime", "date"):
        _check_formats(rule.formats, f"{path}.formats")
    return rule


def _flag(raw: Any, path: str) -> FlagRule:
    _only(raw, _FLAG_KEYS, path)
    order = _of(raw, "order", list, f"{path}.order")
    return FlagRule(
        target=_of(raw, "target", str, f"{path}.target"),
        yes=_texts(raw, "yes", f"{path}.yes"),
        no=_texts(raw, "no", f"{path}.no"),
        order=tuple(
            (_of(pair, "column", str, f"{path}.order.{n}"), _of(pair, "code", str, f"{path}.order.{n}"))
            for n, pair in enumerate(order)
        ),
        ignore=_texts(raw, "ignore", f"{path}.ignore"),
    )


def _check_targets(mapping: ImportMapping, targets: Targets) -> None:
    """Every target is offered, filled once, and given only codes of its vocabulary."""
    filled: set[str] = set()

    def check(target: str, codes: Collection[Any], path: str) -> None:
        if target not in targets or target in filled:
            raise Invalid("mapping_target", field=path, target=target)
        filled.add(target)
        vocabulary = targets[target]
        for code in codes:
            if vocabulary is not None and (not isinstance(code, str) or code not in vocabulary):
                raise Invalid("mapping_code", field=path, target=target, value=code)

    for target, value in mapping.constants.items():
        check(target, [value], f"constants.{target}")
    for number, rule in enumerate(mapping.fields):
        codes = [*(rule.values or ()), *([rule.default] if rule.default is not None else ())]
        check(rule.target, codes, f"fields.{number}")
    for number, flags in enumerate(mapping.flags):
        check(flags.target, [code for _column, code in flags.order], f"flags.{number}")


def _check_formats(formats: Sequence[str], path: str) -> None:
    if not formats:
        raise Invalid("mapping_format", field=path)
    for text in formats:
        try:
            if text not in {"iso", "excel"}:
                datetime.strptime(datetime(2001, 2, 3, 4, 5, 6).strftime(text), text)  # noqa: DTZ001, DTZ007 - form only
        except (ValueError, re.error):  # one that names a part twice makes strptime's own pattern fail
            raise Invalid("mapping_format", field=path, value=text) from None


def _zone(name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(name) if name else None
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise Invalid("mapping_time_zone", field="time_zone") from None


def fold(text: str) -> str:
    """A spelling without case, accents, outer and repeated spaces: how headers and values are compared."""
    if text.isascii():
        return " ".join(text.lower().split())
    plain = normal_form("NFKD", text).casefold()
    return " ".join("".join(char for char in plain if not unicodedata.combining(char)).split())


def _check_spellings(values: Mapping[str, tuple[str, ...]], path: str) -> None:
    codes: dict[str, str] = {}
    for code, spellings in values.items():
        for spelling in spellings:
            if codes.setdefault(fold(spelling), code) != code:
                raise Invalid("mapping_spelling", field=f"{path}.{code}", value=spelling)


_REQUIRED = object()


def _of(raw: Any, key: str, kind: type, path: str, default: Any = _REQUIRED) -> Any:
    value = raw.get(key, default) if isinstance(raw, Mapping) else _REQUIRED
    if value is default and default is not _REQUIRED:
        return value
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)) or (key == "name" and not value):
        raise Invalid("mapping_shape", field=path)
    return value


def _texts(raw: Any, key: str, path: str) -> tuple[str, ...]:
    texts = _of(raw, key, list, path, [])
    if not all(isinstance(text, str) for text in texts):
        raise Invalid("mapping_shape", field=path)
    return tuple(texts)


def _only(raw: Any, keys: set[str], path: str) -> None:
    if not isinstance(raw, Mapping) or (unknown := set(raw) - keys):
        extra = min(map(str, unknown)) if isinstance(raw, Mapping) else ""
        raise Invalid("mapping_shape", field=".".join(filter(None, (path, extra))) or "mapping")
