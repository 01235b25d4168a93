"""From what a form says to what rows hold: shared by logging and correcting."""

import uuid
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

import orjson

from helpline.calls import queries
from helpline.calls.commands import CallContent, ToldChild
from helpline.calls.rules import judge
from helpline.calls.vocabulary import CallKind, Relation
from helpline.foundation.context import Context
from helpline.foundation.crypto.index import blind_index
from helpline.foundation.errors import Invalid
from helpline.foundation.ids import new_id
from helpline.people.commands import NewPerson, PersonDetails
from helpline.people.vocabulary import AgeBand, PersonRole

MOST_CHILDREN = 20


@dataclass(frozen=True, slots=True)
class Resolved:
    """What the database knows of the codes in a call's content."""

    region: str
    province_id: uuid.UUID | None
    term_ids: tuple[uuid.UUID, ...]


def resolve(ctx: Context, content: CallContent, known_terms: Collection[uuid.UUID] = ()) -> Resolved:
    """Raises Invalid("place_unknown" | "category_unknown"). `known_terms`: also allowed, of an older taxonomy."""
    if ctx.actor.centre_id is None:
        raise Invalid("centre_needed")
    ground = queries.find_ground(ctx.actor.centre_id, content.place_id)
    if content.place_id and not ground.place_path:
        raise Invalid("place_unknown", "place_id")
    codes = tuple(dict.fromkeys(content.categories))
    found = queries.term_ids(codes, known_terms) if codes else {}
    if len(found) < len(codes):
        raise Invalid("category_unknown", "categories")
    province = ground.place_path[0] if ground.place_path else None
    return Resolved(ground.country.upper(), province, tuple(found[code] for code in codes))


def check(content: CallContent) -> None:
    """Raises Invalid("risk_reason_needed" | "too_many_children")."""
    if content.risk_level is not None and not (content.risk_reason or "").strip():
        raise Invalid("risk_reason_needed", "risk_reason")
    if len(content.children) > MOST_CHILDREN:
        raise Invalid("too_many_children", "children")


def children_of(content: CallContent) -> tuple[ToldChild, ...]:
    """A counselling call concerns a child even where nothing is known of it, so that it can be counted and helped.

    A child who calls about itself is one person: its phone is the first child's.
    """
    children = content.children
    if not children and content.kind is CallKind.COUNSELLING:
        children = (ToldChild(PersonDetails(PersonRole.CHILD)),)
    if content.relation is Relation.SELF and content.caller and children:
        first, said = children[0].details, content.caller
        known = replace(first, name=first.name or said.name, phone=said.phone or first.phone)
        if first.age is None:
            known = replace(known, age=said.age, age_known=said.age_known)
        children = (replace(children[0], details=known), *children[1:])
    return children


def caller_of(content: CallContent, children: tuple[NewPerson, ...]) -> NewPerson | None:
    """Who called, where anything about them is known: the first child, or somebody else."""
    said = content.caller
    if content.relation is Relation.SELF and children:
        return children[0]
    if said is None or not (said.name or said.phone or said.age is not None):
        return None
    return NewPerson(new_id(), said)


def plain_values(content: CallContent, resolved: Resolved) -> dict[str, Any]:
    """Columns of `calls` that are not sealed."""
    ages = [child.details.age for child in content.children]
    level, reasons = judge(content.danger, content.categories, ages, content.risk_level)
    return {
        "kind": content.kind.value, "channel": content.channel.value, "direction": content.direction.value,
        "caller_relation": content.relation.value, "place_id": content.place_id,
        "province_id": resolved.province_id, "risk_level": level.value, "risk_reasons": reasons,
        "danger": {name: getattr(content.danger, name).value for name in content.danger.__slots__},
        "actions": [action.value for action in dict.fromkeys(content.actions)],
        "primary_term_id": resolved.term_ids[0] if resolved.term_ids else None,
    }  # fmt: skip


def sealed_values(content: CallContent) -> dict[str, str | None]:
    """Columns of `calls` that are, in the clear."""
    return {"narrative_sealed": content.narrative, "risk_override_sealed": content.risk_reason}


def child_rows(
    call_id: uuid.UUID, centre_id: uuid.UUID | None, children: tuple[NewPerson, ...]
) -> list[dict[str, Any]]:
    return [
        {
            "call_id": call_id, "person_id": child.id, "centre_id": centre_id, "position": position,
            "age_band": AgeBand.of(child.details.age).value, "gender": child.details.gender.value,
        }
        for position, child in enumerate(children)
    ]  # fmt: skip


def term_rows(call_id: uuid.UUID, centre_id: uuid.UUID | None, term_ids: tuple[uuid.UUID, ...]) -> list[dict[str, Any]]:
    return [
        {"call_id": call_id, "term_id": term_id, "centre_id": centre_id, "position": position}
        for position, term_id in enumerate(term_ids)
    ]


def digest(*parts: object) -> bytes:
    """Sixteen bytes that tell whether two bodies are the same, and nothing else."""
    return blind_index("call-body", orjson.dumps(parts).decode())
