"""Between the flat names and local times of the call desk's form and what the schemas take."""

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from helpline.calls.vocabulary import CallDetail, PersonRow
from helpline.foundation.errors import Invalid
from helpline.people.vocabulary import AgeKnown

LISTS = ("categories", "actions")
UNBORN_AGE = -1
UNBORN = "unborn"  # a choice of the form beside the age; elsewhere an age below zero
_FEWEST_DIGITS, _MOST_LETTERS = 3, 3  # of a number however it is written: "117", "012 34 56 78 ext 9"
TIMES = ("started_at", "ended_at")
_CHILD = re.compile(r"children-(\d{1,4})-(\w+)")
_LONGEST_CALL = timedelta(hours=12)
_MINUTE = "%Y-%m-%dT%H:%M"
_PERSON = (
    "name", "phone", "age", "age_known", "gender", "language", "nationality", "ethnicity", "schooling",
    "living_situation", "disability",
)  # fmt: skip


def child_numbers(names: Iterable[str]) -> list[int]:
    """The numbers of the children in a form, in order; there may be gaps where one was taken away."""
    return sorted({int(found[1]) for name in names if (found := _CHILD.fullmatch(name))})


def call_data(form: Mapping[str, Any], zone: ZoneInfo) -> dict[str, Any]:
    """What was posted (`web.forms.posted`) as a CallIn or CorrectionIn takes it.

    Raises Invalid("age_negative" | "age_unborn" | "phone_unlike") beside the form's own field.
    """
    data = {name: value for name, value in form.items() if not _CHILD.fullmatch(name) and not name.endswith("_text")}
    for name in ("end", "reopen"):
        data.pop(name, None)
    for name in TIMES:
        if name in data:
            data[name] = _aware(str(data[name]), zone)
    children: dict[int, dict[str, Any]] = {number: {} for number in child_numbers(form)}
    for name, value in form.items():
        if found := _CHILD.fullmatch(name):
            children[int(found[1])][found[2]] = value
    for number, child in children.items():
        _tell_unborn(child, f"children-{number}-age")
    if isinstance(caller := form.get("caller"), dict):
        _check_caller(caller)
    return data | {"children": [_without_text(child) for child in children.values()]}


def _tell_unborn(child: dict[str, Any], field: str) -> None:
    unborn, age = child.get("age_known") == UNBORN, str(child.get("age", "")).strip()
    if age.startswith("-") or (unborn and age):
        raise Invalid("age_unborn", field)
    if unborn:
        child |= {"age": UNBORN_AGE, "age_known": AgeKnown.EXACT.value}


def _check_caller(caller: Mapping[str, Any]) -> None:
    """Only here: what old logs and other programs call a phone number is kept as they give it."""
    phone = str(caller.get("phone", ""))
    digits, letters = sum(map(str.isdecimal, phone)), sum(map(str.isalpha, phone))
    if phone and (digits < _FEWEST_DIGITS or letters > _MOST_LETTERS):
        raise Invalid("phone_unlike", "caller.phone")
    if str(caller.get("age", "")).strip().startswith("-"):
        raise Invalid("age_negative", "caller.age")


def _without_text(child: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in child.items() if not name.endswith("_text")}


def _aware(text: str, zone: ZoneInfo) -> str:
    """A local time as the browser writes it; anything else is left for the schema to refuse."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return text
    return (at if at.tzinfo else at.replace(tzinfo=zone)).isoformat()


def local_minute(at: datetime | None, zone: ZoneInfo) -> str:
    """An instant as `<input type="datetime-local">` holds it."""
    return at.astimezone(zone).strftime(_MINUTE) if at else ""


def started(call_id: UUID, at: datetime) -> datetime:
    """When a call was taken: its id was minted then. `at` where that can't be, or is too long before it."""
    minted = datetime.fromtimestamp((call_id.int >> 80) / 1000, UTC) if call_id.version == 7 else at  # noqa: PLR2004
    return minted if at - _LONGEST_CALL < minted <= at else at


def field_name(path: str, numbers: list[int]) -> str:
    """The form's name for a schema's path: `children.1.age` is the second child that was posted."""
    first, _, rest = path.partition(".")
    position, _, leaf = rest.partition(".")
    if first == "children" and position.isdecimal() and int(position) < len(numbers):
        return f"children-{numbers[int(position)]}-{leaf.partition('.')[0] or 'name'}"
    return first if first in {*LISTS, "children"} else path


def typed_from(call: CallDetail, zone: ZoneInfo, spoken: Callable[[Mapping[str, str]], str]) -> dict[str, Any]:
    """A call as its form would have been typed, for correcting it."""
    data: dict[str, Any] = {
        "channel": call.channel, "direction": call.direction, "kind": call.kind, "relation": call.caller_relation,
        "started_at": local_minute(call.started_at, zone), "ended_at": local_minute(call.ended_at, zone),
        "place_id": str(call.place_id or ""), "place_id_text": spoken(call.place_label), "actions": call.actions,
        "categories": [term.code for term in call.categories], "narrative": call.narrative or "",
        "risk_level": call.risk_level if call.risk_reason else "", "risk_reason": call.risk_reason or "",
    }  # fmt: skip
    data |= {f"danger.{name}": value for name, value in call.danger.items()}
    own = {child.id for child in call.people}
    if call.caller and call.caller.id in own:  # a child who called: its number stands with the caller's
        data["caller.phone"] = _shown(call.caller, "phone")
    elif call.caller:
        data |= {f"caller.{name}": _shown(call.caller, name) for name in _PERSON}
    for number, child in enumerate(call.people):
        data |= {f"children-{number}-{name}": _shown(child, name) for name in _PERSON}
        if child.age is not None and child.age < 0:
            data |= {f"children-{number}-age": "", f"children-{number}-age_known": UNBORN}
        data[f"children-{number}-person_id"] = str(child.id)
        if call.caller and call.caller.id == child.id:
            del data[f"children-{number}-phone"]
    return data


def _shown(person: PersonRow, name: str) -> Any:
    value = getattr(person, name)
    return "" if value is None else value
