"""What somebody may do, how far, and which fields they see: by a built-in role, or by one that a centre made narrower.

A centre's own role says only what is taken away of its base. Whatever stands there, by whomever it was written, is met
with the base here, and here alone: nothing in it can reach further, and what it says in unknown words takes all away.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import orjson

from helpline.foundation.access.matrix import (
    BEYOND_REACH,
    FIELDS,
    KEPT,
    LEAST,
    LOWEST,
    MAKES,
    NARROWED,
    NEEDS,
    PERMISSIONS,
    RESTS_ON,
    STEPS,
    field_access,
    scope_of,
)
from helpline.foundation.access.permissions import FieldAccess, FieldGroup, Permission, Scope

_READ = ":read"
OWN_OF_TEAM = "own_of_team"  # a row rule's word: own rows, of those of one's teams


@dataclass(frozen=True, slots=True, eq=False)
class Powers:
    """`reach`: kind of record -> how far its rows reach, as the row rules are told. `lost`: what the base has besides.

    `readable`: the groups of fields that are not masked.
    """

    scopes: Mapping[Permission, Scope]
    fields: Mapping[FieldGroup, FieldAccess]
    reach: Mapping[str, str]
    readable: frozenset[FieldGroup]
    lost: tuple[str, ...] = ()

    def scope(self, permission: Permission) -> Scope:
        return self.scopes.get(permission, Scope.NONE)

    def access(self, group: FieldGroup) -> FieldAccess:
        return self.fields.get(group, FieldAccess.MASK)


def _powers(role: str, scopes: Mapping[Permission, Scope], fields: Mapping[FieldGroup, FieldAccess]) -> Powers:
    base = PERMISSIONS.get(role, {})
    held = {permission: scope for permission, scope in scopes.items() if scope is not Scope.NONE}
    return Powers(
        scopes=held,
        fields=fields,
        reach={
            permission.value.removesuffix(_READ): _row_word(base[permission], scope)
            for permission, scope in held.items()
            if permission.value.endswith(_READ)
        },
        readable=frozenset(group for group, access in fields.items() if access is not FieldAccess.MASK),
        lost=tuple(sorted(permission.value for permission in base if permission not in held)),
    )


def _row_word(base: Scope, scope: Scope) -> str:
    """Rows that one made may be another team's by now: who sees a team's alone sees those no more by being narrowed."""
    return OWN_OF_TEAM if (base, scope) == (Scope.TEAM, Scope.OWN) else scope.value


BUILT_IN: Mapping[str, Powers] = {
    role: _powers(role, PERMISSIONS.get(role, {}), FIELDS.get(role, {}))
    for role in dict.fromkeys([*PERMISSIONS, *FIELDS])
}
_ALL_TAKEN = {"scopes": None, "fields": None}
NOTHING = Powers({}, {}, {}, frozenset())


@lru_cache(maxsize=1024)
def narrowed(role: str, document: str) -> Powers:
    """The powers of a centre's own role over the built-in `role`. `document`: its JSON, as `narrow` takes it."""
    try:
        own = orjson.loads(document)
    except orjson.JSONDecodeError:
        own = None
    return narrow(role, own)


def narrow(role: str, own: Any) -> Powers:
    """The built-in `role`, less what `own` takes away: {"scopes": {permission: scope}, "fields": {group: access}}.

    Never wider than the role, for any `own`: each answer is the lesser of the two, and an act that rests on a reading
    or on fields goes with them.
    """
    if not isinstance(own, dict):
        own = _ALL_TAKEN
    fields = {
        group: _lesser(access, _said(own, "fields", group)) for group, access in FIELDS.get(role, {}).items()
    }  # fmt: skip
    asked = {
        permission: _step(permission, scope, _said(own, "scopes", permission))
        for permission, scope in PERMISSIONS.get(role, {}).items()
    }
    able = {
        permission: scope
        if all(fields.get(group, FieldAccess.MASK).covers(least) for group, least in NEEDS.get(permission, {}).items())
        else Scope.NONE
        for permission, scope in asked.items()
    }
    return _powers(role, {permission: _resting(permission, able) for permission in able}, fields)


def _said(own: Mapping[str, Any], part: str, code: str) -> Any:
    """What stands there for this code; None for nothing, which leaves it as it is."""
    stored = own.get(part, {})
    return stored.get(code) if isinstance(stored, dict) else ""


def _lesser(base: FieldAccess, said: Any) -> FieldAccess:
    if said is None:
        return base
    wanted = FieldAccess(said) if said in list(FieldAccess) else FieldAccess.MASK
    return base if wanted.covers(base) else wanted


def _step(permission: Permission, base: Scope, said: Any) -> Scope:
    if said is None:
        return base
    wanted = Scope(said) if said in list(Scope) else Scope.NONE
    if wanted.reaches(base):
        return base
    return wanted if wanted in STEPS.get(permission, {}).get(base, ()) else Scope.NONE


def _resting(permission: Permission, able: Mapping[Permission, Scope]) -> Scope:
    scope = able[permission]
    for reading in RESTS_ON.get(permission, ()):
        read = able.get(reading, Scope.NONE)
        if read is Scope.NONE:
            return Scope.NONE
        if permission not in BEYOND_REACH and not read.reaches(scope):
            scope = read
    if permission in MAKES and scope is Scope.ASSIGNED and scope is not able[permission]:
        return Scope.NONE
    return scope if scope.reaches(LEAST.get(permission, Scope.NONE)) else Scope.NONE


def scopes_to_choose(role: str) -> dict[Permission, tuple[Scope, ...]]:
    """What a centre may take away of a role: each permission with the scopes to choose from, widest first."""
    if role not in NARROWED:
        return {}
    held = PERMISSIONS[role]
    return {
        permission: (held[permission], *STEPS.get(permission, {}).get(held[permission], ()), Scope.NONE)
        for permission in Permission
        if permission in held and permission not in KEPT
    }


def fields_to_choose(role: str) -> dict[FieldGroup, tuple[FieldAccess, ...]]:
    """The same of the groups of fields."""
    if role not in NARROWED:
        return {}
    offered = {
        group: tuple(
            each for each in reversed(FieldAccess) if access.covers(each) and each.covers(_lowest(group, access))
        )
        for group, access in FIELDS[role].items()
    }
    return {group: each for group, each in offered.items() if len(each) > 1}


def _lowest(group: FieldGroup, access: FieldAccess) -> FieldAccess:
    lowest = LOWEST.get(group, FieldAccess.MASK)
    return lowest if access.covers(lowest) else access


def taken(role: str, own: Mapping[str, Mapping[str, str]]) -> dict[str, dict[str, str]]:
    """Of `own`, what differs from the role: the form in which it is kept."""
    scopes = {code: said for code, said in own["scopes"].items() if said != scope_of(role, Permission(code))}
    fields = {code: said for code, said in own["fields"].items() if said != field_access(role, FieldGroup(code))}
    return {"scopes": scopes, "fields": fields}
