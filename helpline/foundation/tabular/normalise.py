"""Applying a mapping to rows: each becomes values in our vocabulary, or a reject with its reason.

A mapping is compiled once for the headers at hand into one small closure per target, so that a row costs a few
dictionary look-ups per column.
"""

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from helpline.foundation.errors import Invalid
from helpline.foundation.tabular.mapping import FieldRule, FlagRule, ImportMapping, fold
from helpline.foundation.tabular.table import Rejected, Row

_INTEGER = re.compile(r"([+-]?\d{1,9})(?:[.,](\d{1,2})|\.0+)?", re.ASCII)
_SERIAL = re.compile(r"(\d{5}(?:\.\d+)?)(?: +(0?\.\d+))?", re.ASCII)  # a day after 1927, and perhaps its time apart
_SERIAL_DAY = datetime(1899, 12, 30)  # noqa: DTZ001 - a sheet knows no time zones
_FIRST_YEAR = 1900
_REMEMBERED = 4096


class Unread(NamedTuple):
    """What a reader of one cell gives for a text it cannot take; `why` ends the reason of a reject."""

    why: str


UNREAD = Unread("unreadable")
OUT_OF_RANGE = Unread("out_of_range")
Cells = dict[str, str]
ReadCell = Callable[[str], Any]
Accept = Callable[[Any], Any]  # a value as it was read -> what it is to us, or an Unread
Step = Callable[[Cells, dict[str, Any], list[tuple[str, str]]], None]


class Normalised(NamedTuple):
    """A row in our words. Absent targets are missing from `values`; `unknown` holds (column, value) no rule knew."""

    line: int
    values: dict[str, Any]
    original: Cells
    unknown: list[tuple[str, str]]


class _Missing(Exception):
    """A required target is absent; args are reason, column and value."""


@dataclass(frozen=True, slots=True)
class Normaliser:
    """A mapping compiled for one file's headers. `missing` are columns it names that the file lacks; `unmapped` those
    of the file that no rule reads (they stay in `original`).
    """

    mapping: ImportMapping
    missing: tuple[str, ...]
    unmapped: tuple[str, ...]
    steps: tuple[Step, ...]
    sources: Mapping[str, Sequence[tuple[str, tuple[str, ...]]]]

    def told(self, target: str, cells: Cells) -> tuple[str, str]:
        """Where a target's value stands, and what does: the first column that says something."""
        found = [(label, _joined(cells, parts)) for label, parts in self.sources[target]]
        return next((each for each in found if each[1]), found[0])

    def apply(self, row: Row) -> Normalised | Rejected:
        """One row's values, or why it cannot be taken."""
        values = dict(self.mapping.constants)
        unknown: list[tuple[str, str]] = []
        try:
            for step in self.steps:
                step(row.cells, values, unknown)
        except _Missing as missing:
            reason, column, value = missing.args
            return Rejected(row.line, reason, column, value)
        return Normalised(row.line, values, row.cells, unknown)

    def apply_all(self, rows: Iterable[Row | Rejected]) -> Iterator[Normalised | Rejected]:
        """Every row, those already rejected passed on."""
        for row in rows:
            yield row if isinstance(row, Rejected) else self.apply(row)


def compile_mapping(
    mapping: ImportMapping, headers: Sequence[str], *, time_zone: ZoneInfo | None = None,
    accept: Mapping[str, Accept] | None = None,
) -> Normaliser:  # fmt: skip
    """Fit a mapping to a file's headers, which are compared as spellings are.

    `time_zone` is the centre's, for a mapping that names none. `accept` judges what was read for a target: what it
    refuses counts, and is reported, as what could not be read. Raises Invalid: `column_missing` when a required target
    has none of its columns, `time_zone_missing`.
    """
    by_fold = {fold(header): header for header in reversed(headers)}
    missing: list[str] = []

    def find(names: Iterable[str]) -> list[str]:
        missing.extend(name for name in names if fold(name) not in by_fold)
        return [by_fold[fold(name)] for name in names if fold(name) in by_fold]

    used: set[str] = set()
    steps: list[Step] = []
    sources: dict[str, Sequence[tuple[str, tuple[str, ...]]]] = {}
    for rule in mapping.fields:
        columns = find(rule.columns)
        used.update(columns)
        if rule.required and (not columns or (rule.join and len(columns) < len(rule.columns))):
            raise Invalid("column_missing", field="file", target=rule.target, column=rule.columns[0])
        sources[rule.target] = (
            [(" + ".join(columns), tuple(columns))] if rule.join else [(column, (column,)) for column in columns]
        )
        read = _judged(_reader(rule, mapping.time_zone or time_zone), (accept or {}).get(rule.target))
        steps.append(_field_step(rule, sources[rule.target], _Memory(read, (*mapping.unknown, *rule.unknown))))
    for flags in mapping.flags:
        order = [(found[0], code) for column, code in flags.order if (found := find([column]))]
        used.update(column for column, _code in order)
        used.update(find(flags.ignore))
        steps.append(_flag_step(flags, order))
    unmapped = tuple(header for header in headers if header not in used)
    return Normaliser(mapping, tuple(dict.fromkeys(missing)), unmapped, tuple(steps), sources)


def _joined(cells: Cells, parts: Sequence[str]) -> str:
    return cells[parts[0]] if len(parts) == 1 else " ".join(cells[part].strip() for part in parts).strip()


def _judged(read: ReadCell, accept: Accept | None) -> ReadCell:
    if accept is None:
        return read

    def judged(text: str) -> Any:
        value = read(text)
        return value if isinstance(value, Unread) else accept(value)

    return judged


def _field_step(rule: FieldRule, sources: Sequence[tuple[str, tuple[str, ...]]], memory: "_Memory") -> Step:
    read = memory.__getitem__
    target, default, required = rule.target, rule.default, rule.required

    def step(cells: Cells, values: dict[str, Any], unknown: list[tuple[str, str]]) -> None:
        unread: tuple[str, str, str] | None = None
        for label, parts in sources:
            text = _joined(cells, parts)
            value = read(text)
            if isinstance(value, Unread):
                unread = unread or (f"{rule.type}_{value.why}", label, text)
                unknown.append((label, text))
            elif value is not None:
                values[target] = value
                return
        if required:
            raise _Missing(*(unread or ("value_missing", sources[0][0], "")))
        if default is not None:
            values[target] = default

    return step


def _flag_step(rule: FlagRule, order: Sequence[tuple[str, str]]) -> Step:
    yes = {fold(text) for text in rule.yes}
    said = _Memory(lambda text: True if fold(text) in yes else UNREAD, rule.no)
    target, columns = rule.target, [column for column, _code in order]
    # Few of the possible patterns of yes and no occur: each is worked out once.
    memory: dict[tuple[str, ...], tuple[tuple[str, ...], list[tuple[str, str]]]] = {}

    def read(texts: tuple[str, ...]) -> tuple[tuple[str, ...], list[tuple[str, str]]]:
        flags = [said[text] for text in texts]
        codes = dict.fromkeys(code for flag, (_column, code) in zip(flags, order, strict=True) if flag is True)
        odd = [(column, text) for flag, column, text in zip(flags, columns, texts, strict=True) if flag is UNREAD]
        return tuple(codes), odd if codes else [*odd, (target, "")]

    def step(cells: Cells, values: dict[str, Any], unknown: list[tuple[str, str]]) -> None:
        texts = tuple([cells[column] for column in columns])
        found = memory.get(texts)
        if found is None:
            found = read(texts)
            if len(memory) < _REMEMBERED:
                memory[texts] = found
        values[target] = found[0]
        unknown.extend(found[1])

    return step


class _Memory(dict[str, Any]):
    """Texts already read. Gives None for one that says unknown, UNREAD for one that no rule knows."""

    def __init__(self, read: ReadCell, absent: Iterable[str]) -> None:
        super().__init__()
        self._read = read
        self._absent = {fold(text) for text in (*absent, "")}

    def __missing__(self, text: str) -> Any:
        value = None if fold(text) in self._absent else self._read(text.strip())
        if len(self) < _REMEMBERED:
            self[text] = value
        return value


def _reader(rule: FieldRule, zone: ZoneInfo | None) -> ReadCell:
    match rule.type:
        case "choice":
            return _choice(rule)
        case "integer":
            return _integer(rule.minimum, rule.maximum)
        case "datetime":
            if zone is None:
                raise Invalid("time_zone_missing", field="time_zone")
            return _moment(rule.formats, zone)
        case "date":
            return _day(rule.formats)
        case _:
            return lambda text: text


def _choice(rule: FieldRule) -> ReadCell:
    codes = {fold(spelling): code for code, spellings in (rule.values or {}).items() for spelling in spellings}
    return lambda text: codes.get(fold(text), UNREAD)


def _integer(minimum: int | None, maximum: int | None) -> ReadCell:
    def read(text: str) -> Any:
        found = _INTEGER.fullmatch(text)
        if found is None:
            return UNREAD
        number = math.floor(float(f"{found[1]}.{found[2] or 0}"))
        if (minimum is not None and number < minimum) or (maximum is not None and number > maximum):
            return UNREAD
        return number

    return read


def _parsed(text: str, formats: Sequence[str]) -> datetime | None:
    for form in formats:
        try:
            if form == "iso":
                found = datetime.fromisoformat(text)
            elif form == "excel":
                found = _of_serial(text)
            else:
                found = datetime.strptime(text, form)  # noqa: DTZ007
        except ValueError:
            continue
        if found.year >= _FIRST_YEAR:
            return found
    return None


def _of_serial(text: str) -> datetime:
    """Days since the end of 1899, as a sheet counts, to the second. Raises ValueError."""
    found = _SERIAL.fullmatch(text)
    if found is None:
        raise ValueError("no count of days")
    moment = _SERIAL_DAY + timedelta(days=float(found[1]) + float(found[2] or 0), milliseconds=500)
    return moment.replace(microsecond=0)


def _moment(formats: Sequence[str], zone: ZoneInfo) -> ReadCell:
    """Aware datetimes that UTC can hold; a local hour that comes twice is its first, as nothing says which."""

    def read(text: str) -> Any:
        found = _parsed(text, formats)
        if found is None:
            return UNREAD
        moment = found if found.tzinfo else found.replace(tzinfo=zone)
        try:
            moment.astimezone(UTC)
        except OverflowError:  # the calendar's last day, west of Greenwich
            return OUT_OF_RANGE
        return moment

    return read


def _day(formats: Sequence[str]) -> ReadCell:
    def read(text: str) -> date | Any:
        found = _parsed(text, formats)
        return UNREAD if found is None else found.date()

    return read
