"""Writing people. They come in with what tells of them: the caller's own permission covers it, and row security."""

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from helpline.foundation.context import Context
from helpline.foundation.crypto.index import phone_index
from helpline.foundation.crypto.sealed import seal_values
from helpline.foundation.db import add_rows
from helpline.people.commands import BACKGROUND, NewPerson, PersonDetails
from helpline.people.models import Person
from helpline.people.vocabulary import AgeKnown

_SEALED = ("name", "phone")
_PLAIN = [each.name for each in fields(PersonDetails) if each.name not in {*_SEALED, *BACKGROUND, "role", "age_known"}]


def add_people(ctx: Context, people: Sequence[NewPerson], region: str) -> None:
    """Add these people in one statement. `region` (ISO 3166, "KH") completes phone numbers given without a country."""
    common = {"centre_id": ctx.actor.centre_id, "added_by": ctx.actor.id, "created_at": ctx.now, "version": 1}
    rows = [{"id": person.id} | common | _values(person, region) for person in people]
    if rows:
        add_rows(Person, rows)


def change_person(person: Person, details: PersonDetails, region: str) -> None:
    """Let a stored person say this instead; whoever calls keeps what was said before."""
    for name, value in _plain(details).items():
        setattr(person, name, value)
    person.name, person.phone = details.name or None, details.phone or None
    person.background = _background(details)
    person.phone_index = phone_index(details.phone, region) if details.phone else None


def _plain(details: PersonDetails) -> dict[str, Any]:
    """What is not sealed; the role stays what it was."""
    known = details.age_known
    if details.age is None:
        known = AgeKnown.UNKNOWN
    elif known is AgeKnown.UNKNOWN:  # an age was given, and nobody said how it is known
        known = AgeKnown.ABOUT
    return {name: getattr(details, name) for name in _PLAIN} | {"age_known": known}


def _background(details: PersonDetails) -> dict[str, str] | None:
    return {name: said for name in BACKGROUND if (said := getattr(details, name))} or None


def _values(person: NewPerson, region: str) -> dict[str, Any]:
    details = person.details
    words: dict[str, Any] = {f"{name}_sealed": getattr(details, name) or None for name in _SEALED}
    words["background_sealed"] = _background(details)
    return {
        **_plain(details),
        **seal_values("persons", person.id, words),
        "role": details.role,
        "phone_index": phone_index(details.phone, region) if details.phone else None,
    }
