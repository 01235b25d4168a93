"""What an old log may be mapped to, and how a mapped row becomes a call. Pure."""

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from helpline.calls.rules import DangerAnswers, assess_risk
from helpline.calls.vocabulary import Answer, CallChannel, CallKind, Direction, Relation, RiskLevel
from helpline.foundation.errors import Invalid
from helpline.foundation.tabular.mapping import ImportMapping, fold, read_mapping
from helpline.foundation.tabular.normalise import OUT_OF_RANGE, UNREAD, Accept
from helpline.imports.vocabulary import RELATIONS_TO_PERPETRATOR, YES_NO
from helpline.people.commands import BACKGROUND
from helpline.people.vocabulary import LANGUAGE, AgeBand, Gender
from helpline.reference.rules import search_key

# Targets that stand in the call's own columns; the rest of what a mapping gives is kept with the original row.
_COLUMNS = {
    "started_at", "ended_at", "duration_minutes", "channel", "direction", "kind", "caller_relation", "caller_name",
    "caller_phone", "caller_age", "caller_gender", "province_code", "province_name", "child_name", "child_age",
    "child_gender", "nationality", "language", "disability", "subcategories", "category", "narrative", "risk_level",
}  # fmt: skip

# How a field must be read to give what a call can hold; targets with a vocabulary are read as choices.
_TYPES = {
    "started_at": {"datetime"}, "ended_at": {"datetime"}, "duration_minutes": {"integer"}, "child_age": {"integer"},
    "caller_age": {"integer"},
}  # fmt: skip
_WORDS = {"text", "choice"}
AGES = range(-1, 121)
AHEAD = timedelta(days=1)  # a call that began later than this has not been
_LONGEST_MINUTES = 7 * 24 * 60


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """What codes mean in this centre's database. `provinces` by code, `province_names` by search key."""

    terms: Mapping[str, uuid.UUID]
    provinces: Mapping[str, uuid.UUID]
    province_names: Mapping[str, uuid.UUID]


@dataclass(frozen=True, slots=True)
class ReadyCall:
    """A row as a call: `body` in the clear, the rest to be sealed; `also` is kept with the original."""

    body: dict[str, Any]
    narrative: str | None
    child_name: str | None
    child_background: dict[str, str] | None
    caller_name: str | None
    caller_phone: str | None
    also: dict[str, Any]
    dropped: tuple[str, ...] = ()  # targets whose values, each good by itself, make no sense together


def accept(vocabulary: Vocabulary, latest: datetime) -> dict[str, Accept]:
    """What a value must be, beyond being readable, to be a call's: what is refused here is kept and reported.

    `latest`: nothing that has been is later.
    """

    def province(name: str) -> Any:
        key = search_key(name)
        return key if key in vocabulary.province_names else UNREAD

    def within(allowed: range) -> Accept:
        return lambda number: number if number in allowed else OUT_OF_RANGE

    def moment(when: datetime) -> Any:
        return when if when <= latest else OUT_OF_RANGE

    return {
        "started_at": moment, "ended_at": moment, "child_age": within(AGES), "caller_age": within(AGES),
        "duration_minutes": within(range(_LONGEST_MINUTES + 1)), "province_name": province,
        "language": lambda code: code if LANGUAGE.match(code) else UNREAD,
    }  # fmt: skip


def targets(vocabulary: Vocabulary) -> dict[str, Any]:
    """Everything a mapping may fill, with the codes each admits (None: any value)."""
    genders = {gender.value for gender in Gender}
    subcategories = {code for code in vocabulary.terms if "." in code}
    return dict.fromkeys(
        ("started_at", "ended_at", "duration_minutes", "caller_name", "caller_phone", "caller_age", "province_name",
         "child_name", "child_age", "nationality", "language", "narrative")
    ) | {
        "channel": set(CallChannel), "direction": set(Direction), "kind": set(CallKind),
        "caller_relation": set(Relation), "caller_gender": genders, "child_gender": genders,
        "province_code": set(vocabulary.provinces), "category": set(vocabulary.terms), "subcategories": subcategories,
        "disability": set(YES_NO), "lives_with_alleged_perpetrator": set(YES_NO), "child_safe": set(YES_NO),
        "judicial": set(YES_NO), "relation_to_alleged_perpetrator": set(RELATIONS_TO_PERPETRATOR),
        "risk_level": set(RiskLevel),
    }  # fmt: skip


def check_mapping(mapping: ImportMapping, offered: Mapping[str, Any]) -> None:
    """Refuse a valid document that can't give calls, before a row is read by it.

    Raises Invalid: `mapping_needs_start` (every call has a start: a required field), `mapping_type` (read as something
    that this target can't hold).
    """
    if not any(rule.target == "started_at" and rule.required for rule in mapping.fields):
        raise Invalid("mapping_needs_start", field="fields")
    for number, rule in enumerate(mapping.fields):
        fits = _TYPES.get(rule.target, _WORDS if offered[rule.target] is None else {"choice"})
        if rule.type not in fits or rule.target == "subcategories":
            raise Invalid("mapping_type", field=f"fields.{number}.type", target=rule.target)
    for number, flags in enumerate(mapping.flags):
        if flags.target != "subcategories":
            raise Invalid("mapping_target", field=f"flags.{number}", target=flags.target)
    for target, value in mapping.constants.items():
        if target in _TYPES or target == "subcategories" or not isinstance(value, str):
            raise Invalid("mapping_type", field=f"constants.{target}", target=target)


def read_for(document: Mapping[str, Any], vocabulary: Vocabulary) -> ImportMapping:
    """The document as a mapping that can give calls here. Raises Invalid, as `read_mapping` and `check_mapping` do."""
    offered = targets(vocabulary)
    mapping = read_mapping(document, targets=offered)
    check_mapping(mapping, offered)
    return mapping


def ready_call(values: Mapping[str, Any], vocabulary: Vocabulary) -> ReadyCall:
    """A mapped row as a call of our own; historic, so its risk is judged by its reasons unless the log told it."""
    codes = list(dict.fromkeys([*values.get("subcategories", ()), *filter(None, [values.get("category")])]))
    kind = values.get("kind", CallKind.COUNSELLING)
    age, gender = _age(values.get("child_age")), values.get("child_gender", Gender.UNKNOWN)
    ended = _ended(values)
    concerns_child = kind == CallKind.COUNSELLING or age is not None or "child_name" in values
    risk = assess_risk(DangerAnswers(), codes, age)
    body = {
        "started_at": _iso(values["started_at"]), "ended_at": _iso(ended),
        "channel": values.get("channel", CallChannel.PHONE), "direction": values.get("direction", Direction.IN),
        "kind": kind, "caller_relation": values.get("caller_relation", Relation.UNKNOWN),
        "province_id": _province(values, vocabulary), "risk_level": values.get("risk_level", risk.level),
        "risk_reasons": [{"code": reason.code, "value": reason.value} for reason in risk.reasons],
        "terms": [str(vocabulary.terms[code]) for code in codes],
        "child": _person(age, gender, values) if concerns_child else None,
        "caller": _person(_age(values.get("caller_age")), values.get("caller_gender", Gender.UNKNOWN), {}),
    }  # fmt: skip
    also = {key: value for key, value in values.items() if key not in _COLUMNS}
    return ReadyCall(
        body, values.get("narrative"), values.get("child_name"), _background(values), values.get("caller_name"),
        values.get("caller_phone"), also, ("ended_at",) if ended is None and "ended_at" in values else (),
    )  # fmt: skip


def _person(age: int | None, gender: str, values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "age": age, "age_known": "unknown" if age is None else "exact", "age_band": AgeBand.of(age), "gender": gender,
        "language": values["language"] if LANGUAGE.match(values.get("language") or "") else None,
        "disability": values.get("disability", Answer.UNKNOWN),
    }  # fmt: skip


def _background(values: Mapping[str, Any]) -> dict[str, str] | None:
    return {name: values[name] for name in BACKGROUND if values.get(name)} or None


def _age(told: int | None) -> int | None:
    """An age that nobody has is none; what the log said stays in the original row."""
    return told if told in AGES else None


def _ended(values: Mapping[str, Any]) -> datetime | None:
    """In UTC: two local times of one zone are subtracted by the clock on the wall, which is set twice a year."""
    started, ended, minutes = (
        values["started_at"].astimezone(UTC),
        values.get("ended_at"),
        values.get("duration_minutes"),
    )
    if ended is None and minutes is not None and 0 <= minutes <= _LONGEST_MINUTES:
        ended = started + timedelta(minutes=minutes)
    return ended if ended is not None and ended >= started else None


def _province(values: Mapping[str, Any], vocabulary: Vocabulary) -> str | None:
    found = vocabulary.provinces.get(values.get("province_code", ""))
    if found is None and "province_name" in values:
        found = vocabulary.province_names.get(values["province_name"])
    return str(found) if found else None


def _iso(when: datetime | None) -> str | None:
    return when.isoformat() if when else None


# How logs often write a few of our codes.
SPELLINGS: Mapping[str, tuple[str, ...]] = {
    "female": ("F", "Female", "Girl", "Woman"), "male": ("M", "Male", "Boy", "Man"), "yes": ("Y", "1", "true"),
    "no": ("N", "0", "false"),
}  # fmt: skip

# What a first mapping is drafted for, with the words by which columns are recognised.
DRAFT_TARGETS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "started_at": ("datetime", ("date", "time", "fecha", "started", "when", "call")),
    "caller_relation": ("text", ()),
    "child_age": ("integer", ("age", "edad", "âge")),
    "child_gender": ("text", ("gender", "sex", "genero", "sexe")),
    "province_name": ("text", ("province", "provincia", "region", "where")),
    "narrative": ("text", ("narrative", "notes", "story", "description")),
}


DRAFT_FORMATS = (
    "iso", "%Y-%m-%d %H:%M", "%d/%m/%Y %H:%M", "%d/%m/%Y %H:%M:%S", "%d/%m/%Y", "%d.%m.%Y %H:%M", "%d.%m.%Y", "excel",
)  # fmt: skip
_DATES, _TIMES = ("date", "fecha", "day", "día", "ថ្ងៃ"), ("time", "hora", "hour", "heure", "ម៉ោង")


def _dated(headers: list[str]) -> list[str]:
    """The columns of a start that is written in two: its date, then its time; none if one column tells both."""
    dates = [h for h in headers if any(word in h.casefold() for word in _DATES)]
    times = [h for h in headers if any(word in h.casefold() for word in _TIMES) and h not in dates]
    both = [h for h in dates if any(word in h.casefold() for word in _TIMES)]
    return [dates[0], times[0]] if dates and times and not both else []


def draft_mapping(headers: list[str]) -> dict[str, Any]:
    """A first document for a log that no known mapping fits: columns guessed by their names, to be edited."""
    found: list[dict[str, Any]] = []
    for target, (kind, hints) in DRAFT_TARGETS.items():
        columns = _dated(headers) if target == "started_at" else []
        column = next((h for h in headers for hint in hints if hint in h.casefold()), None)
        if column is None or target in {"child_gender", "caller_relation"}:
            continue
        rule: dict[str, Any] = {"target": target, "columns": columns or [column], "type": kind}
        if kind == "datetime":
            rule |= {"formats": list(DRAFT_FORMATS), "required": True} | ({"join": True} if columns else {})
        found.append(rule)
    gender = next((h for h in headers for hint in DRAFT_TARGETS["child_gender"][1] if hint in h.casefold()), None)
    if gender:
        spellings = {code: list(SPELLINGS[code]) for code in ("female", "male")}
        found.append(
            {"target": "child_gender", "columns": [gender], "type": "choice", "default": "unknown", "values": spellings}
        )
    return {
        "name": "my-log", "title": "", "unknown": ["", "?", "-", "unknown"], "constants": {"kind": "counselling"},
        "fields": found,
    }  # fmt: skip


DATES = frozenset({"started_at", "ended_at"})
NUMBERS = frozenset({"duration_minutes", "child_age", "caller_age"})


def rule_of(document: Mapping[str, Any], target: str) -> dict[str, Any] | None:
    """The document's rule for this target, if it names a column."""
    rules = (rule for rule in document.get("fields", ()) if rule["target"] == target)
    return next((rule for rule in rules if rule.get("columns")), None)


def draft_rule(target: str, column: str) -> dict[str, Any]:
    """A rule that reads a target from one column, before more is known of what stands there."""
    kind = "datetime" if target in DATES else "integer" if target in NUMBERS else "text"
    needed = {"required": True} if target == "started_at" else {}
    return {"target": target, "columns": [column], "type": kind} | needed


def guessed_values(texts: Iterable[str], words: Mapping[str, str]) -> dict[str, list[str]]:
    """Our code to the spellings of it that stand in a column: the code, its word, or how logs often write it."""
    known = {fold(text): code for code in words for text in SPELLINGS.get(code, ())}
    known |= {fold(code): code for code in words} | {fold(name): code for code, name in words.items()}
    found: dict[str, list[str]] = {}
    for text in texts:
        if (code := known.get(fold(text))) is not None:
            found.setdefault(code, []).append(text)
    return found
