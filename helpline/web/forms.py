"""Between an HTML form and a schema: what was posted, and what a page draws again when it was refused."""

from collections.abc import Iterator, Mapping
from typing import Any

from flask import request
from marshmallow import ValidationError

from helpline.foundation.errors import HelplineError, Invalid
from helpline.web.errors import sentence

# Fields of the frame around a form, which no schema knows: the token, and a second factor asked for on the way.
FACTOR_FIELDS = ("factor_code", "factor_recovery", "factor_passkey")
FRAME_FIELDS = frozenset({"csrf_token", *FACTOR_FIELDS})


def posted(*lists: str) -> dict[str, Any]:
    """The posted form for a schema: blanks left out, `lists` as lists (empty when nothing was picked), dots nested."""
    found: dict[str, Any] = {}
    names = {*request.form, *lists} - FRAME_FIELDS
    for name in sorted(names):
        values = [value for value in request.form.getlist(name) if value.strip()]
        if name in lists or values:
            *parents, leaf = name.split(".")
            place = found
            for parent in parents:
                inner = place.setdefault(parent, {})
                place = inner if isinstance(inner, dict) else {}  # a name can't be a value and hold others
            place[leaf] = values if name in lists else values[-1]
    return found


def as_typed(*lists: str) -> dict[str, Any]:
    """What was typed, by field name, for the macros' `form.data`."""
    return {name: request.form.getlist(name) if name in lists else value for name, value in request.form.items()} | {
        name: request.form.getlist(name) for name in lists
    }


def refused(problem: Exception | None, *lists: str) -> dict[str, Any] | None:
    """The macros' `form` after a refusal: what was typed and a sentence for each field; None without a problem.

    A problem that belongs to no field stands under "" (the page says it above the form).
    """
    if problem is None:
        return None
    if isinstance(problem, ValidationError):
        errors = dict(_flat(problem.messages_dict))
    else:
        code = problem.code if isinstance(problem, HelplineError) else "invalid"
        errors = {(problem.field if isinstance(problem, Invalid) else None) or "": [sentence(code)]}
    return {"data": as_typed(*lists), "errors": errors}


def _flat(messages: Mapping[Any, Any], prefix: str = "") -> Iterator[tuple[str, list[str]]]:
    for name, found in messages.items():
        path = prefix if name == "_schema" else f"{prefix}.{name}" if prefix else str(name)
        if isinstance(found, Mapping):
            yield from _flat(found, path)
        else:
            yield path, [str(message) for message in found]
