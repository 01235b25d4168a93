"""What a log's columns mean, as a form: between the mapping's document and the selects of the page."""

import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from helpline.foundation.errors import Invalid
from helpline.foundation.tabular.mapping import fold
from helpline.foundation.tabular.table import Row, Table
from helpline.imports.rules import DATES, DRAFT_FORMATS, NUMBERS, draft_rule, guessed_values, rule_of
from helpline.reference import queries as reference
from helpline.reference.rules import spoken
from helpline.web.words import WORDS, word

TARGETS: Mapping[str, Any] = {
    "started_at": _l("Start of the call"), "ended_at": _l("End of the call"), "duration_minutes": _l("Minutes it took"),
    "kind": _l("Kind of call"), "channel": _l("Channel"), "direction": _l("Who called whom"),
    "caller_relation": _l("Who called"), "caller_name": _l("Name of the caller"), "caller_phone": _l("Phone"),
    "caller_age": _l("Age of the caller"), "caller_gender": _l("Woman or man"), "child_name": _l("Name of the child"),
    "child_age": _l("Age of the child"), "child_gender": _l("Girl or boy"), "nationality": _l("Nationality"),
    "language": _l("Language"), "disability": _l("Disability"), "province_name": _l("Province, by its name"),
    "province_code": _l("Province, by its code"), "category": _l("Main reason"), "narrative": _l("What was told"),
    "risk_level": _l("Risk"), "lives_with_alleged_perpetrator": _l("Lives with whom it fears"),
    "relation_to_alleged_perpetrator": _l("Who is said to have done it"), "child_safe": _l("The child is safe"),
    "judicial": _l("Before a court"),
}  # fmt: skip
_WORDS_OF = {
    "kind": "kind", "channel": "channel", "direction": "call_direction", "caller_relation": "relation",
    "caller_gender": "adult_gender", "child_gender": "gender", "risk_level": "risk", "disability": "answer",
    "lives_with_alleged_perpetrator": "answer", "child_safe": "answer", "judicial": "answer",
    "relation_to_alleged_perpetrator": "perpetrator",
}  # fmt: skip
_LOOKED_AT, _TEXTS, _FIRST = 1000, 60, 3
MORE_FLAGS = 3  # empty lines for further columns of yes and no
Choices = Mapping[str, Sequence[tuple[str, str]]]
Samples = Mapping[str, Sequence[str]]


def choices_of(country: str, locale: str) -> dict[str, list[tuple[str, str]]]:
    """Our codes with their words, by target; targets that hold any text have none."""
    terms = reference.list_terms()
    groups: dict[Any, str] = {term.id: spoken(term.names, locale) for term in terms if term.parent_id is None}
    named = [
        (term.code, ": ".join(filter(None, [groups.get(term.parent_id), spoken(term.names, locale)]))) for term in terms
    ]
    provinces = reference.list_places(country, reference.country(country).place_levels[0].code)
    return {target: [(code, word(name, code)) for code in WORDS[name]] for target, name in _WORDS_OF.items()} | {
        "province_code": [(place.code, spoken(place.names, locale)) for place in provinces], "category": named,
        "subcategories": [(code, label) for code, label in named if "." in code],
    }  # fmt: skip


def samples_of(table: Table) -> dict[str, list[str]]:
    """What stands in each column near the beginning of the file, the first values first."""
    found: dict[str, Counter[str]] = {header: Counter() for header in table.headers}
    for row in itertools.islice(table.rows, _LOOKED_AT):
        if isinstance(row, Row):
            for header, text in row.cells.items():
                if text.strip():
                    found[header][text.strip()] += 1
    return {header: list(counts) for header, counts in found.items()}


def lines_of(
    document: Mapping[str, Any],
    headers: Sequence[str],
    samples: Samples,
    choices: Choices,
    odd: Sequence[Sequence[Any]],
) -> list[dict[str, Any]]:
    """One line of the form for each target. `odd`: (column, value, times) that no rule knew at the last check."""
    places = {fold(header): number for number, header in enumerate(headers)}
    lines = []
    for target, label in TARGETS.items():
        rule, constant = rule_of(document, target), document.get("constants", {}).get(target)
        columns = rule["columns"] if rule else []
        at = places.get(fold(columns[0])) if columns else None
        header = headers[at] if at is not None else None
        together = bool(rule and rule.get("join") and len(columns) > 1)
        lines.append({
            "target": target, "label": label, "header": header,
            "chosen": f"={constant}" if constant is not None else "" if at is None else str(at),
            "time": str(places.get(fold(columns[1]), "")) if together else "", "together": columns if together else [],
            "else": [] if together else columns[1:], "dates": target in DATES, "choice": target in choices,
            "same": _same(target, constant, choices), "first": samples.get(header or "", [])[:_FIRST],
            "texts": _texts(rule, header, samples, odd) if rule and target in choices else [],
            "constant": dict(choices.get(target, ())).get(constant, constant), "formats": _formats(rule),
        })  # fmt: skip
    return lines


def _same(target: str, constant: Any, choices: Choices) -> list[tuple[str, str]]:
    """What a target may be for every call alike: a few codes, or what the document says already."""
    few = list(choices.get(target, ())) if target in {"kind", "channel", "direction"} else []
    return few if constant is None or constant in dict(few) else [*few, (constant, str(constant))]


def _texts(rule: Mapping[str, Any], header: str | None, samples: Samples, odd: Any) -> list[tuple[str, str]]:
    """(what stands in the column, our code or ""): what was found in this file first."""
    known = {fold(text): code for code, texts in rule.get("values", {}).items() for text in texts}
    found = [value for column, value, _times in odd if column == header] + list(samples.get(header or "", ()))
    texts = {fold(text): text for text in [*(t for ts in rule.get("values", {}).values() for t in ts), *found]}
    first = dict.fromkeys(fold(text) for text in found)
    return [(texts[key], known.get(key, "")) for key in [*first, *(key for key in texts if key not in first)] if key][
        :_TEXTS
    ]


def _formats(rule: Mapping[str, Any] | None) -> str:
    given = list(rule.get("formats", ())) if rule else None
    return next((name for name, formats in DATES_WRITTEN.items() if formats == given), "own" if given else "year")


_CLOCKS = (" %H:%M:%S", " %H:%M", "")
DATES_WRITTEN: Mapping[str, list[str]] = {
    "year": ["iso", *(f"%Y/%m/%d{clock}" for clock in _CLOCKS)],
    "day": [f"%d{mark}%m{mark}%Y{clock}" for mark in "/-." for clock in _CLOCKS],
    "either": list(DRAFT_FORMATS),
    "month": [f"%m{mark}%d{mark}%Y{clock}" for mark in "/-." for clock in _CLOCKS],
}


def document_of(
    form: Mapping[str, str], old: Mapping[str, Any], headers: Sequence[str], samples: Samples, choices: Choices
) -> dict[str, Any]:
    """The document that the form describes; what the form cannot say stays as it was in the old one."""
    fields: list[dict[str, Any]] = []
    constants: dict[str, Any] = {}
    for target in TARGETS:
        chosen = form.get(f"column-{target}", "")
        if chosen.startswith("="):
            constants[target] = chosen[1:]
        elif (column := _header(chosen, headers)) is not None:
            fields.append(_rule(target, column, form, old, headers, samples, choices))
    made = dict(old) | {"constants": constants, "fields": fields, "flags": _flags(form, old, headers)}
    made["unknown"] = _listed(form.get("unknown", ""))
    made["name"] = form.get("mapping-name", "").strip() or old.get("name", "")
    return made


def _header(chosen: str, headers: Sequence[str]) -> str | None:
    return headers[int(chosen)] if chosen.isascii() and chosen.isdecimal() and int(chosen) < len(headers) else None


def _rule(  # noqa: PLR0917  # one call, above
    target: str, column: str, form: Mapping[str, str], document: Mapping[str, Any], headers: Sequence[str],
    samples: Samples, choices: Choices,
) -> dict[str, Any]:  # fmt: skip
    old = rule_of(document, target)
    same = old is not None and fold(old["columns"][0]) == fold(column)
    rule = dict(old) if old is not None and same else draft_rule(target, column)
    if target in DATES:
        time = _header(form.get(f"time-{target}", ""), headers)
        if time is not None:
            rule |= {"columns": [column, time], "join": True}
        elif rule.pop("join", False):
            rule["columns"] = [column]
        rule["formats"] = DATES_WRITTEN.get(form.get(f"dates-{target}", ""), rule.get("formats", DATES_WRITTEN["year"]))
    elif target not in NUMBERS and target in choices:
        rule["type"] = "choice"
        codes = dict(choices[target])
        rule.setdefault("default", "unknown") if "unknown" in codes else None
        rule["values"] = _values(target, form, rule if same else {}) or guessed_values(samples[column], codes)
    return rule


def _values(target: str, form: Mapping[str, str], rule: Mapping[str, Any]) -> dict[str, list[str]]:
    """Our code to the log's spellings: as posted; spellings that the form did not show stay."""
    posted: dict[str, str] = {}
    for number in range(_TEXTS):
        if (text := form.get(f"text-{target}-{number}")) is not None:
            posted[text] = form.get(f"value-{target}-{number}", "")
    values: dict[str, list[str]] = {
        code: [text for text in texts if text not in posted] for code, texts in rule.get("values", {}).items()
    }
    for text, code in posted.items():
        if code:
            values.setdefault(code, []).append(text)
    return {code: texts for code, texts in values.items() if texts}


def _flags(form: Mapping[str, str], old: Mapping[str, Any], headers: Sequence[str]) -> list[dict[str, Any]]:
    """Columns of yes and no, in the order of their numbers; one without a column or a reason falls out."""
    lines: list[tuple[float, int, str, str]] = []
    for number in range(len(headers) + MORE_FLAGS):
        column, code = _header(form.get(f"flag-column-{number}", ""), headers), form.get(f"flag-code-{number}", "")
        if column is not None and code:
            place = form.get(f"flag-place-{number}", "")
            lines.append((int(place) if place.isdecimal() and len(place) < 6 else 9e9, number, column, code))  # noqa: PLR2004
    if not lines:
        return []
    before = next(iter(old.get("flags", ())), {"target": "subcategories"})
    order = [{"column": column, "code": code} for _place, _number, column, code in sorted(lines)]
    return [dict(before) | {"yes": _listed(form.get("yes", "")), "no": _listed(form.get("no", "")), "order": order}]


def flags_of(document: Mapping[str, Any], headers: Sequence[str]) -> dict[str, Any]:
    """The columns of yes and no as lines of the form, with empty ones at the end; without those the file lacks."""
    places = {fold(header): number for number, header in enumerate(headers)}
    rule: Mapping[str, Any] = next(iter(document.get("flags", ())), {})
    order = [(places[fold(each["column"])], each["code"]) for each in rule.get("order", ())
             if fold(each["column"]) in places]  # fmt: skip
    lines = [(number + 1, str(column), code) for number, (column, code) in enumerate(order)]
    return {
        "lines": [*lines, *[("", "", "")] * MORE_FLAGS], "count": len(lines),
        "yes": ", ".join(rule.get("yes", ("yes",))), "no": ", ".join(rule.get("no", ("no",))),
    }  # fmt: skip


def _listed(text: str) -> list[str]:
    return [each.strip() for each in text.split(",") if each.strip()]


def said(problem: Invalid) -> str:
    """What is wrong with a mapping or a file, in words: which field, which value, and what to do."""
    told = problem.details
    target, value = told.get("target", ""), told.get("value", told.get("column", ""))
    named = str(TARGETS.get(target, _("Reasons") if target == "subcategories" else target))
    words = {
        "mapping_code": lambda: _(
            "%(target)s: “%(value)s” is not one of the words used here. Choose another for it, or another mapping.",
            target=named, value=value,
        ),
        "mapping_target": lambda: _("%(target)s is filled twice, or is nothing that is kept here.", target=named),
        "mapping_type": lambda: _("%(target)s can't be read so. Choose another column for it.", target=named),
        "mapping_needs_start": lambda: _("Every call has a start: choose the column that tells it."),
        "mapping_spelling": lambda: _(
            "“%(value)s” is to mean two things at once (%(field)s). Leave one.", value=value, field=problem.field
        ),
        "mapping_format": lambda: _(
            "“%(value)s” is no way to write a date (%(field)s).", value=value, field=problem.field
        ),
        "mapping_shape": lambda: _(
            "The document can't be read at “%(field)s”: something is missing there, or nobody knows its name.",
            field=problem.field,
        ),
        "column_missing": lambda: _(
            "This file has no column “%(column)s”, from which %(target)s was to come. Choose another column.",
            column=told.get("column", ""), target=named,
        ),
    }  # fmt: skip
    speak = words.get(problem.code)
    return speak() if speak else ""
