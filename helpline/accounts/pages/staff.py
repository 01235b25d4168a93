"""What an administrator sees: the staff, the teams and the centre."""

import uuid
from typing import Any

from flask import redirect, render_template, request, url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from werkzeug.wrappers import Response

from helpline.accounts import queries
from helpline.accounts.commands import EditUser, SaveTeam
from helpline.accounts.pages.roles import own_roles, pages
from helpline.accounts.schemas import (
    STAFF_ROLES,
    CentreIn,
    CentreOut,
    InvitationIn,
    TeamChangeIn,
    TeamIn,
    TeamOut,
    TeamsOut,
    UserChangeIn,
    UserItemOut,
    UserOut,
    VersionIn,
)
from helpline.accounts.services import house, staff
from helpline.accounts.vocabulary import ApprovalKind, UserStatus
from helpline.foundation.access.permissions import Permission, Role
from helpline.foundation.errors import NotFound
from helpline.foundation.i18n import select_locale
from helpline.foundation.ids import new_id
from helpline.reference import queries as reference
from helpline.web.errors import SENTENCES
from helpline.web.forms import posted, refused
from helpline.web.frame import LOCALES, ROLE_LABELS
from helpline.web.guard import acting, guard

__all__ = ["pages"]

STATUSES = {
    UserStatus.INVITED.value: _l("invited, not yet here"), UserStatus.ACTIVE.value: _l("active"),
    UserStatus.DEACTIVATED.value: _l("closed"),
}  # fmt: skip
SENTENCES.update(
    {
        "login_taken": lambda: _("Somebody has this user name already."),
        "email_taken": lambda: _("Somebody has this address already."),
        "team_unknown": lambda: _("Choose a team of your centre."),
        "team_needed_for_role": lambda: _("Choose the team for this role."),
        "role_unfit": lambda: _("Choose one of the roles."),
        "last_admin": lambda: _("This is the centre's last administrator. Make somebody else one first."),
        "not_yourself": lambda: _("You can't close your own account. Ask another administrator."),
        "already_joined": lambda: _("They have joined already."),
        "team_name_taken": lambda: _("A team of this name exists already."),
        "place_unknown": lambda: _("Choose provinces of your centre's country."),
        "timezone_unknown": lambda: _("A time zone looks like Asia/Phnom_Penh."),
        "language_unknown": lambda: _("Choose at least one language."),
        "code_taken": lambda: _("Another centre has this code."),
    }
)


def _centre_id() -> uuid.UUID:
    centre_id = acting().actor.centre_id
    if centre_id is None:
        raise NotFound("centre")
    return centre_id


def _teams() -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = TeamsOut().dump({"items": queries.list_teams(_centre_id())})["items"]
    return items


def _roles(borne: str | None = None) -> list[tuple[str, Any]]:
    """Every role, and after each the centre's own that are made of it (`<role>/<id>`). `borne`: by whom is edited."""
    own = [role for role in own_roles(retired=True).values() if role["retired_at"] is None or role["id"] == borne]
    return [
        choice
        for role in STAFF_ROLES
        for choice in [
            (role.value, ROLE_LABELS[role]),
            *(
                (f"{role}/{each['id']}", f"{ROLE_LABELS[role]}: {each['label']}")
                for each in own
                if each["base"] == role
            ),
        ]
    ]


def _typed() -> dict[str, Any]:
    """What was posted, the chosen role as the schema takes it."""
    typed = posted("team_ids")
    role, _slash, own = str(typed.pop("role", "")).partition("/")
    return typed | ({"role": role} if role else {}) | {"centre_role_id": own or None}


@pages.get("/staff")
@guard(Permission.USER_EDIT)
def list_users() -> str:
    """Everybody who works here."""
    names, own = {team["id"]: team["name"] for team in _teams()}, own_roles(retired=True)
    people = UserItemOut(many=True).dump(queries.with_teams(queries.list_users(_centre_id())))
    for person in people:
        person["teams"] = ", ".join(names[team_id] for team_id in person["team_ids"] if team_id in names)
        person["role_label"], person["status_label"] = ROLE_LABELS[person["role"]], STATUSES[person["status"]]
        person["own_role"] = own.get(person["centre_role_id"])
    people.sort(key=lambda person: person["status"] == UserStatus.DEACTIVATED)
    ctx = acting()
    asked = queries.count_asked(_centre_id(), ctx.actor.id, ctx.now)
    return render_template("accounts/staff.html", people=people, asked=asked, said=request.args.get("said"))


def _draw_invitation(problem: Exception | None = None) -> str:
    return render_template(
        "accounts/invite.html", form=refused(problem, "team_ids"), user_id=request.form.get("user_id") or new_id(),
        roles=_roles(), teams=[(team["id"], team["name"]) for team in _teams() if team["active"]],
        locales=list(LOCALES), locale=queries.get_centre(_centre_id()).languages[0],
    )  # fmt: skip


@pages.get("/staff/new")
@guard(Permission.USER_EDIT)
def new_user() -> str:
    """The form that invites somebody."""
    return _draw_invitation()


@pages.post("/staff/new")
@guard(Permission.USER_EDIT, retry=_draw_invitation, fresh=True)
def invite_user() -> Response:
    """Invite somebody."""
    command = InvitationIn().load(_typed())
    if command.role is Role.ADMIN:
        user = staff.prepare_admin(acting(), command)
        return _ask_for_admin(user.id, "prepared")
    staff.invite_user(acting(), command)
    return redirect(url_for("accounts.list_users", said="invited"), 303)


def _ask_for_admin(user_id: uuid.UUID, said: str) -> Response:
    kind = ApprovalKind.ADMIN_ROLE.value
    return redirect(url_for("accounts.new_approval", kind=kind, subject_id=user_id, said=said), 303)


def _draw_user(problem: Exception | None = None, *, user_id: uuid.UUID) -> str:
    user = queries.get_user(user_id)
    if user.centre_id != _centre_id():
        raise NotFound("user", user_id)
    person = UserOut().dump(queries.with_teams([user])[0])
    return render_template(
        "accounts/user.html", person=person, form=refused(problem, "team_ids"),
        roles=_roles(person["centre_role_id"]),
        role="/".join(filter(None, (person["role"], person["centre_role_id"]))),
        teams=[(team["id"], team["name"]) for team in _teams() if team["active"] or team["id"] in person["team_ids"]],
        status_label=STATUSES[person["status"]], own=user_id == acting().actor.id,
    )  # fmt: skip


@pages.get("/staff/<uuid:user_id>")
@guard(Permission.USER_EDIT)
def show_user(user_id: uuid.UUID) -> str:
    """One member of staff."""
    return _draw_user(user_id=user_id)


@pages.post("/staff/<uuid:user_id>")
@guard(Permission.USER_EDIT, retry=_draw_user, fresh=True)
def edit_user(user_id: uuid.UUID) -> Response:
    """Change name, role and teams."""
    change, user = UserChangeIn().load(_typed()), queries.get_user(user_id)
    former = {"role": Role(user.role), "centre_role_id": user.centre_role_id}
    risen = change["role"] is Role.ADMIN and former["role"] is not Role.ADMIN
    staff.edit_user(acting(), EditUser(user_id=user_id, **change | (former if risen else {})))
    if risen:
        return _ask_for_admin(user_id, "saved")
    return redirect(url_for("accounts.list_users", said="saved"), 303)


@pages.post("/staff/<uuid:user_id>/deactivate")
@guard(Permission.USER_EDIT, retry=_draw_user)
def deactivate_user(user_id: uuid.UUID) -> Response:
    """Let somebody in no more."""
    staff.deactivate_user(acting(), user_id, VersionIn().load(posted())["version"])
    return redirect(url_for("accounts.list_users", said="deactivated"), 303)


@pages.post("/staff/<uuid:user_id>/reactivate")
@guard(Permission.USER_EDIT, retry=_draw_user)
def reactivate_user(user_id: uuid.UUID) -> Response:
    """Let somebody in again."""
    staff.reactivate_user(acting(), user_id, VersionIn().load(posted())["version"])
    return redirect(url_for("accounts.list_users", said="saved"), 303)


@pages.post("/staff/<uuid:user_id>/invite")
@guard(Permission.USER_EDIT, retry=_draw_user)
def invite_again(user_id: uuid.UUID) -> Response:
    """Send the invitation once more."""
    staff.invite_once_more(acting(), user_id)
    return redirect(url_for("accounts.list_users", said="invited"), 303)


def _provinces() -> list[tuple[str, str]]:
    country = reference.country(queries.get_centre(_centre_id()).country)
    locale = select_locale()
    places = reference.list_places(country.iso, country.place_levels[0].code)
    return [(str(place.id), place.names.get(locale) or place.names["en"]) for place in places]


def _draw_centre(problem: Exception | None = None) -> str:
    names = dict(_provinces())
    teams = _teams()
    for team in teams:
        team["covers"] = ", ".join(names[place] for place in team["places"] if place in names)
    return render_template(
        "accounts/centre.html", centre=CentreOut().dump(queries.get_centre(_centre_id())), teams=teams,
        form=refused(problem, "languages"), locales=list(LOCALES), saved=request.args.get("saved"),
    )  # fmt: skip


@pages.get("/centre")
@guard(Permission.CENTRE_EDIT)
def centre() -> str:
    """The centre and its teams."""
    return _draw_centre()


@pages.post("/centre")
@guard(Permission.CENTRE_EDIT, retry=_draw_centre)
def edit_centre() -> Response:
    """Change the centre."""
    house.edit_centre(acting(), *CentreIn().load(posted("languages")))
    return redirect(url_for("accounts.centre", saved="1"), 303)


def _draw_team(problem: Exception | None = None, *, team_id: uuid.UUID | None = None) -> str:
    team = TeamOut().dump(queries.get_team(team_id)) if team_id else None
    return render_template(
        "accounts/team.html", team=team, form=refused(problem, "places"), provinces=_provinces(),
        team_id=request.form.get("team_id") or new_id(),
    )  # fmt: skip


@pages.get("/centre/teams/new")
@guard(Permission.CENTRE_EDIT)
def new_team() -> str:
    """The form of a new team."""
    return _draw_team()


@pages.post("/centre/teams/new")
@guard(Permission.CENTRE_EDIT, retry=_draw_team)
def create_team() -> Response:
    """Add a team."""
    house.create_team(acting(), TeamIn().load(posted("places")))
    return redirect(url_for("accounts.centre", saved="1"), 303)


@pages.get("/centre/teams/<uuid:team_id>")
@guard(Permission.CENTRE_EDIT)
def show_team(team_id: uuid.UUID) -> str:
    """One team."""
    return _draw_team(team_id=team_id)


@pages.post("/centre/teams/<uuid:team_id>")
@guard(Permission.CENTRE_EDIT, retry=_draw_team)
def edit_team(team_id: uuid.UUID) -> Response:
    """Change a team."""
    change = TeamChangeIn().load({"active": False} | posted("places"))
    house.edit_team(acting(), change.pop("version"), SaveTeam(team_id, **change))
    return redirect(url_for("accounts.centre", saved="1"), 303)
