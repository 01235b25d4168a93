"""Roles of the centre's own: what an administrator takes away of a built-in one."""

import uuid
from typing import Any

from flask import redirect, render_template, request, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from helpline.accounts import queries
from helpline.accounts.commands import SaveRole
from helpline.accounts.pages.own import pages
from helpline.accounts.schemas import RoleChangeIn, RoleIn, RoleOut, VersionIn
from helpline.accounts.services import roles
from helpline.foundation.access import powers
from helpline.foundation.access.matrix import NARROWED
from helpline.foundation.access.permissions import Permission, Role
from helpline.foundation.errors import NotFound
from helpline.foundation.i18n import select_locale
from helpline.foundation.ids import new_id
from helpline.web.errors import SENTENCES
from helpline.web.forms import posted, refused
from helpline.web.frame import ROLE_LABELS
from helpline.web.guard import acting, guard
from helpline.web.words import word

__all__ = ["pages"]

SENTENCES.update(
    {
        "base_unfit": lambda: _("Choose one of the roles."),
        "role_takes_nothing": lambda: _("Take something away: as it stands, it is the role it is made of."),
        "role_name_taken": lambda: _("A role of this name exists already."),
        "role_retired": lambda: _("This role was put aside."),
        "role_in_use": lambda: _("Somebody has this role. Give them another one first, then put it aside."),
    }
)
Choices = list[tuple[str, str, list[tuple[str, str]]]]


def _centre_id() -> uuid.UUID:
    centre_id = acting().actor.centre_id
    if centre_id is None:
        raise NotFound("centre")
    return centre_id


def own_roles(*, retired: bool = False) -> dict[str, dict[str, Any]]:
    """The centre's own roles by id, as schemas show them, each with its `label` in the language of the moment."""
    found: list[dict[str, Any]] = RoleOut(many=True).dump(queries.list_roles(_centre_id(), retired=retired))
    return {role["id"]: role | {"label": _name(role["names"])} for role in found}


def _name(names: dict[str, str]) -> str:
    return names.get(select_locale()) or next(iter(names.values()), "")


def _takes(role: dict[str, Any]) -> list[str]:
    """What is taken away, in words: "Read cases: their teams"."""
    return [
        f"{word(of, code)}: {word(to, said)}"
        for part, of, to in (("scopes", "permission", "scope"), ("fields", "field_group", "field_access"))
        for code, said in role[part].items()
    ]


@pages.get("/staff/roles")
@guard(Permission.USER_EDIT)
def list_roles() -> str:
    """The centre's own roles, and what each takes away."""
    return _draw_roles()


def _draw_roles(problem: Exception | None = None) -> str:
    shown = list(own_roles(retired=True).values())
    for role in shown:
        role |= {"base_label": ROLE_LABELS[role["base"]], "takes": _takes(role)}
    return render_template(
        "accounts/roles.html", roles=sorted(shown, key=lambda role: role["retired_at"] is not None),
        bases=[(base.value, ROLE_LABELS[base]) for base in NARROWED], saved=request.args.get("saved"),
        form=refused(problem),
    )  # fmt: skip


def _draw_role(problem: Exception | None = None, *, role_id: uuid.UUID | None = None) -> str:
    role = RoleOut().dump(queries.get_role(role_id)) if role_id else None
    base = role["base"] if role else request.values.get("base", "")
    if base not in set(NARROWED):
        raise NotFound("role")
    kept = role or {"scopes": {}, "fields": {}, "names": {}}
    values = {f"{part}.{code}": said for part in ("scopes", "fields", "names") for code, said in kept[part].items()}
    return render_template(
        "accounts/role.html", role=role, base=base, base_label=ROLE_LABELS[Role(base)], values=values,
        heading=_name(role["names"]) if role else _("New role"), form=refused(problem),
        role_id=request.form.get("role_id") or new_id(),
        scopes=_choices("scope", "permission", powers.scopes_to_choose(base)),
        fields=_choices("field_access", "field_group", powers.fields_to_choose(base)),
    )  # fmt: skip


def _choices(words: str, of: str, offered: Any) -> Choices:
    return [
        (str(code), word(of, code), [(str(value), word(words, value)) for value in values])
        for code, values in offered.items()
    ]  # fmt: skip


@pages.get("/staff/roles/new")
@guard(Permission.USER_EDIT)
def new_role() -> str:
    """The form of a new role, made of `base`."""
    return _draw_role()


@pages.post("/staff/roles/new")
@guard(Permission.USER_EDIT, retry=_draw_role, fresh=True)
def create_role() -> Response:
    """Make a role."""
    roles.create_role(acting(), RoleIn().load({"names": {}} | posted()))
    return redirect(url_for("accounts.list_roles", saved="1"), 303)


@pages.get("/staff/roles/<uuid:role_id>")
@guard(Permission.USER_EDIT)
def show_role(role_id: uuid.UUID) -> str:
    """One role."""
    return _draw_role(role_id=role_id)


@pages.post("/staff/roles/<uuid:role_id>")
@guard(Permission.USER_EDIT, retry=_draw_role, fresh=True)
def edit_role(role_id: uuid.UUID) -> Response:
    """Change its names and what it takes away."""
    change = RoleChangeIn().load({"names": {}} | posted())
    version = change.pop("version")
    roles.edit_role(acting(), version, SaveRole(role_id, queries.get_role(role_id).base, **change))
    return redirect(url_for("accounts.list_roles", saved="1"), 303)


@pages.post("/staff/roles/<uuid:role_id>/retire")
@guard(Permission.USER_EDIT, retry=_draw_role, fresh=True)
def retire_role(role_id: uuid.UUID) -> Response:
    """Put a role aside."""
    roles.retire_role(acting(), role_id, VersionIn().load(posted())["version"])
    return redirect(url_for("accounts.list_roles", saved="1"), 303)
