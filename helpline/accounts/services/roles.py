"""Roles of a centre's own: a built-in role, less what an administrator takes away of it.

What is kept names only what is taken; whatever stands there is met with the built-in role wherever it is read
(`foundation.access.powers`), so nothing here could make anybody reach further. A change counts from the next request.
"""

import uuid
from collections.abc import Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert as upsert

from helpline.accounts import queries
from helpline.accounts.commands import SaveRole
from helpline.accounts.models import CentreRole, User
from helpline.foundation.access import powers
from helpline.foundation.access.engine import require
from helpline.foundation.access.permissions import Permission
from helpline.foundation.audit.recorder import record
from helpline.foundation.context import Actor, Context
from helpline.foundation.db import db
from helpline.foundation.errors import Conflict, Invalid, NotFound

Taken = dict[str, dict[str, str]]


def create_role(ctx: Context, command: SaveRole) -> CentreRole:
    """A new role of the actor's centre. Posting the same id twice makes one.

    Raises Invalid("base_unfit" | "role_unfit" | "role_takes_nothing" | "role_name_taken"), Conflict("id_in_use").
    """
    require(ctx, Permission.USER_EDIT)
    if ctx.actor.centre_id is None:
        raise NotFound("centre")
    own = _check(command.base, command)
    standing = queries.find_role(command.role_id)
    if standing is None:
        _free_names(ctx.actor.centre_id, command)
    values = {
        "id": command.role_id, "centre_id": ctx.actor.centre_id, "base": command.base, "names": dict(command.names),
        "created_at": ctx.now,
    } | own  # fmt: skip
    made = upsert(CentreRole).values(values).on_conflict_do_nothing().returning(CentreRole.id)
    if db.session.execute(made).first() is None:
        if standing is None or (standing.base, standing.scopes, standing.fields) != (command.base, *own.values()):
            raise Conflict("id_in_use")
        return standing
    role = queries.get_role(command.role_id)
    _note(ctx, "role.created", role)
    return role


def edit_role(ctx: Context, version: int, command: SaveRole) -> CentreRole:
    """Change names and what is taken away, of everybody who bears the role; its base stays.

    Raises NotFound("role"), Conflict("stale" | "role_retired"), and Invalid as `create_role`.
    """
    require(ctx, Permission.USER_EDIT, command.role_id)
    role = _lock(command.role_id, version)
    if role.retired_at is not None:
        raise Conflict("role_retired")
    own = _check(role.base, command)
    _free_names(role.centre_id, command)
    fresh: dict[str, Any] = own | {"names": dict(command.names)}
    if any(getattr(role, name) != value for name, value in fresh.items()):
        for name, value in fresh.items():
            setattr(role, name, value)
        db.session.flush()
        _note(ctx, "role.changed", role)
    return role


def retire_role(ctx: Context, role_id: uuid.UUID, version: int) -> CentreRole:
    """Put it aside: nobody is given it any more. Raises NotFound, Conflict("stale"), Conflict("role_in_use", count=…).

    Who bears it must be given another role first: nobody falls back to the wider one by the way.
    """
    require(ctx, Permission.USER_EDIT, role_id)
    role = _lock(role_id, version)
    if role.retired_at is not None:
        return role
    bearers = queries.count_bearers(role_id)
    if bearers:
        raise Conflict("role_in_use", count=bearers)
    role.retired_at = ctx.now
    db.session.flush()
    record(ctx, "role.retired", "role", role_id)
    return role


def role_to_give(role_id: uuid.UUID, base: str) -> CentreRole:
    """The role, if it can be given to somebody of this built-in role. Raises Invalid("role_unfit").

    Held until the end, so that nobody puts it aside meanwhile.
    """
    statement = select(CentreRole).where(CentreRole.id == role_id).with_for_update(read=True)
    role = db.session.scalars(statement.execution_options(populate_existing=True)).first()
    if role is None or role.base != base or role.retired_at is not None:
        raise Invalid("role_unfit", "centre_role_id")
    return role


def powers_of_role(role: CentreRole) -> powers.Powers:
    """What the role leaves of its base."""
    return powers.narrow(role.base, {"scopes": role.scopes, "fields": role.fields})


def actor_of(user: User) -> Actor:
    """The user as they would act by a command, with what their role leaves them; of no team."""
    role = queries.get_role(user.centre_role_id) if user.centre_role_id else None
    return Actor(
        id=user.id, role=user.role, centre_id=user.centre_id, narrowed=powers_of_role(role) if role else None
    )  # fmt: skip


def _lock(role_id: uuid.UUID, version: int) -> CentreRole:
    statement = select(CentreRole).where(CentreRole.id == role_id).with_for_update()
    role = db.session.scalars(statement.execution_options(populate_existing=True)).first()
    if role is None:
        raise NotFound("role", role_id)
    if role.version != version:
        raise Conflict("stale")
    return role


def _check(base: str, command: SaveRole) -> Taken:
    """What is taken away, as it is kept. Only steps that the matrix offers, and at least one of them."""
    scopes, fields = powers.scopes_to_choose(base), powers.fields_to_choose(base)
    if not scopes:
        raise Invalid("base_unfit", "base")
    _offered("scopes", command.scopes, scopes)
    _offered("fields", command.fields, fields)
    own = powers.taken(base, {"scopes": dict(command.scopes), "fields": dict(command.fields)})
    if not any(own.values()):
        raise Invalid("role_takes_nothing", "scopes")
    return own


def _offered(part: str, said: Mapping[str, str], choices: Mapping[Any, tuple[Any, ...]]) -> None:
    for code, value in said.items():
        if value not in choices.get(code, ()):
            raise Invalid("role_unfit", f"{part}.{code}")


def _free_names(centre_id: uuid.UUID, command: SaveRole) -> None:
    others = [role for role in queries.list_roles(centre_id) if role.id != command.role_id]
    for language, name in command.names.items():
        if any(role.names.get(language) == name for role in others):
            raise Invalid("role_name_taken", f"names.{language}")


def _note(ctx: Context, action: str, role: CentreRole) -> None:
    """Each version stands in the audit whole, in codes: what somebody could do on a day is told by it."""
    taken = [f"{code} {said}" for code, said in sorted((role.scopes | role.fields).items())]
    record(ctx, action, "role", role.id, base=role.base, version=role.version, taken=taken)
