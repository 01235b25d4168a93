"""Staff, teams, the centre and API tokens by API."""

import uuid
from typing import Any

from helpline.accounts import queries
from helpline.accounts.commands import Ask, CreateToken, EditUser, InviteUser, SaveCentre, SaveRole, SaveTeam
from helpline.accounts.schemas import (
    ApprovalDecisionIn,
    ApprovalIn,
    ApprovalOut,
    ApprovalsOut,
    CentreIn,
    CentreOut,
    InvitationIn,
    MeIn,
    MeOut,
    RoleChangeIn,
    RoleIn,
    RoleOut,
    RolesOut,
    TeamChangeIn,
    TeamIn,
    TeamOut,
    TeamsOut,
    TokenIn,
    TokenMadeOut,
    TokensOut,
    UserChangeIn,
    UserOut,
    UsersOut,
    VersionIn,
)
from helpline.accounts.services import approvals, house, roles, staff, tokens
from helpline.foundation.access.permissions import Permission
from helpline.foundation.context import Context
from helpline.foundation.errors import NotFound
from helpline.web.api import ApiBlueprint, Problem
from helpline.web.guard import acting, guard

api = ApiBlueprint("accounts", "Who asks, who works here, and API tokens.")


def _centre_id(ctx: Context) -> uuid.UUID:
    if ctx.actor.centre_id is None:
        raise NotFound("centre")
    return ctx.actor.centre_id


def _me(ctx: Context) -> dict[str, Any]:
    user = queries.get_user(ctx.actor.id)
    names = ("id", "name", "login", "email", "role", "locale", "theme", "centre_id")
    return {name: getattr(user, name) for name in names} | {
        "team_ids": list(ctx.actor.team_ids), "permissions": tokens.scopes_of(ctx),
    }  # fmt: skip


@api.route("/me", methods=["GET"])
@guard(Permission.OWN_ACCOUNT)
@api.response(200, MeOut)
def get_me() -> Any:
    """Who I am, and what I may do."""
    return _me(acting())


@api.route("/me", methods=["PATCH"])
@guard(Permission.OWN_ACCOUNT)
@api.arguments(MeIn)
@api.response(200, MeOut)
def change_me(wishes: dict[str, str]) -> Any:
    """Change my own name, language or theme."""
    staff.set_own(acting(), **wishes)
    return _me(acting())


@api.route("/users", methods=["GET"])
@guard(Permission.USER_READ)
@api.response(200, UsersOut)
def list_users() -> Any:
    """My centre's staff by name."""
    return {"items": queries.with_teams(queries.list_users(_centre_id(acting())))}


@api.route("/users", methods=["POST"])
@guard(Permission.USER_EDIT, fresh=True)
@api.arguments(InvitationIn)
@api.response(201, UserOut)
@api.alt_response(409, schema=Problem, description="The id is in use")
def invite_user(command: InviteUser) -> Any:
    """Invite somebody: they get a link by mail, and choose their password."""
    staff.invite_user(acting(), command)
    return _user(command.user_id)


def _user(user_id: uuid.UUID) -> Any:
    return queries.with_teams([queries.get_user(user_id)])[0]


@api.route("/users/<uuid:user_id>", methods=["GET"])
@guard(Permission.USER_EDIT)
@api.response(200, UserOut)
@api.alt_response(404, schema=Problem, description="Nobody of this centre")
def get_user(user_id: uuid.UUID) -> Any:
    """One member of staff."""
    return _user(user_id)


@api.route("/users/<uuid:user_id>", methods=["PUT"])
@guard(Permission.USER_EDIT, fresh=True)
@api.arguments(UserChangeIn)
@api.response(200, UserOut)
@api.alt_response(404, schema=Problem, description="Nobody of this centre")
@api.alt_response(409, schema=Problem, description="Changed since that version, or the last administrator")
def edit_user(change: dict[str, Any], user_id: uuid.UUID) -> Any:
    """Change name, role and teams; it counts from their next request on."""
    kept = {"centre_role_id": queries.get_user(user_id).centre_role_id}
    staff.edit_user(acting(), EditUser(user_id=user_id, **kept | change))
    return _user(user_id)


@api.route("/users/<uuid:user_id>/deactivation", methods=["POST"])
@guard(Permission.USER_EDIT)
@api.arguments(VersionIn)
@api.response(200, UserOut)
@api.alt_response(404, schema=Problem, description="Nobody of this centre")
@api.alt_response(409, schema=Problem, description="Changed since that version, yourself, or the last administrator")
def deactivate_user(change: dict[str, Any], user_id: uuid.UUID) -> Any:
    """Let them in no more, from now on."""
    staff.deactivate_user(acting(), user_id, change["version"])
    return _user(user_id)


@api.route("/users/<uuid:user_id>/reactivation", methods=["POST"])
@guard(Permission.USER_EDIT)
@api.arguments(VersionIn)
@api.response(200, UserOut)
@api.alt_response(404, schema=Problem, description="Nobody of this centre")
@api.alt_response(409, schema=Problem, description="Changed since that version")
def reactivate_user(change: dict[str, Any], user_id: uuid.UUID) -> Any:
    """Let them in again."""
    staff.reactivate_user(acting(), user_id, change["version"])
    return _user(user_id)


@api.route("/users/<uuid:user_id>/invitation", methods=["POST"])
@guard(Permission.USER_EDIT)
@api.response(204)
@api.alt_response(404, schema=Problem, description="Nobody of this centre")
@api.alt_response(409, schema=Problem, description="They have joined already")
def invite_again(user_id: uuid.UUID) -> None:
    """Send the invitation once more."""
    staff.invite_once_more(acting(), user_id)


@api.route("/roles", methods=["GET"])
@guard(Permission.USER_READ)
@api.response(200, RolesOut)
def list_roles() -> Any:
    """My centre's own roles, those put aside too."""
    return {"items": queries.list_roles(_centre_id(acting()), retired=True)}


@api.route("/roles", methods=["POST"])
@guard(Permission.USER_EDIT, fresh=True)
@api.arguments(RoleIn)
@api.response(201, RoleOut)
@api.alt_response(409, schema=Problem, description="The id is in use")
def create_role(command: SaveRole) -> Any:
    """Make a role narrower than a built-in one."""
    return roles.create_role(acting(), command)


@api.route("/roles/<uuid:role_id>", methods=["PUT"])
@guard(Permission.USER_EDIT, fresh=True)
@api.arguments(RoleChangeIn)
@api.response(200, RoleOut)
@api.alt_response(404, schema=Problem, description="No such role here")
@api.alt_response(409, schema=Problem, description="Changed since that version, or put aside")
def edit_role(change: dict[str, Any], role_id: uuid.UUID) -> Any:
    """Replace what a role takes away; it counts from the next request of whoever bears it."""
    version = change.pop("version")
    return roles.edit_role(acting(), version, SaveRole(role_id, queries.get_role(role_id).base, **change))


@api.route("/roles/<uuid:role_id>/retirement", methods=["POST"])
@guard(Permission.USER_EDIT, fresh=True)
@api.arguments(VersionIn)
@api.response(200, RoleOut)
@api.alt_response(404, schema=Problem, description="No such role here")
@api.alt_response(409, schema=Problem, description="Changed since that version, or somebody bears it")
def retire_role(change: dict[str, Any], role_id: uuid.UUID) -> Any:
    """Put a role aside that nobody bears."""
    return roles.retire_role(acting(), role_id, change["version"])


@api.route("/teams", methods=["GET"])
@guard(Permission.USER_READ)
@api.response(200, TeamsOut)
def list_teams() -> Any:
    """My centre's teams by name."""
    return {"items": queries.list_teams(_centre_id(acting()))}


@api.route("/teams", methods=["POST"])
@guard(Permission.CENTRE_EDIT)
@api.arguments(TeamIn)
@api.response(201, TeamOut)
def create_team(command: SaveTeam) -> Any:
    """Add a team."""
    return house.create_team(acting(), command)


@api.route("/teams/<uuid:team_id>", methods=["PUT"])
@guard(Permission.CENTRE_EDIT)
@api.arguments(TeamChangeIn)
@api.response(200, TeamOut)
@api.alt_response(404, schema=Problem, description="No such team here")
@api.alt_response(409, schema=Problem, description="Changed since that version")
def edit_team(change: dict[str, Any], team_id: uuid.UUID) -> Any:
    """Replace a team."""
    version = change.pop("version")
    return house.edit_team(acting(), version, SaveTeam(team_id, **change))


@api.route("/centres/current", methods=["GET"])
@guard(Permission.USER_READ)
@api.response(200, CentreOut)
def get_centre() -> Any:
    """My centre."""
    return queries.get_centre(_centre_id(acting()))


@api.route("/centres/current", methods=["PUT"])
@guard(Permission.CENTRE_EDIT)
@api.arguments(CentreIn)
@api.response(200, CentreOut)
@api.alt_response(409, schema=Problem, description="Changed since that version")
def edit_centre(change: tuple[int, SaveCentre]) -> Any:
    """Change my centre."""
    return house.edit_centre(acting(), *change)


@api.route("/tokens", methods=["GET"])
@guard(Permission.OWN_ACCOUNT)
@api.response(200, TokensOut)
def list_tokens() -> Any:
    """My API tokens, newest first."""
    return {"items": queries.list_tokens(acting().actor.id)}


@api.route("/tokens", methods=["POST"])
@guard(Permission.OWN_ACCOUNT, fresh=True)
@api.arguments(TokenIn)
@api.response(201, TokenMadeOut)
def create_token(command: CreateToken) -> Any:
    """Make an API token. It is shown this once."""
    return tokens.create_api_token(acting(), command)


@api.route("/tokens/<uuid:token_id>", methods=["DELETE"])
@guard(Permission.OWN_ACCOUNT)
@api.response(204)
@api.alt_response(404, schema=Problem, description="No such token of yours")
def revoke_token(token_id: uuid.UUID) -> None:
    """Revoke one of my API tokens."""
    tokens.revoke_api_token(acting(), token_id)


@api.route("/approvals", methods=["GET"])
@guard(Permission.APPROVAL_READ)
@api.response(200, ApprovalsOut)
def list_approvals() -> Any:
    """What needs two people in my centre, the hundred newest: what waits for a decision first."""
    return {"items": approvals.see_all(acting())}


@api.route("/approvals", methods=["POST"])
@guard(Permission.APPROVAL_ASK, fresh=True)
@api.arguments(ApprovalIn)
@api.response(201, ApprovalOut)
@api.alt_response(404, schema=Problem, description="Nobody of this centre")
@api.alt_response(409, schema=Problem, description="Asked already, about yourself, or nothing to change")
def ask_approval(command: Ask) -> Any:
    """Ask for what a second person must approve."""
    ctx = acting()
    return approvals.see(ctx, approvals.ask(ctx, command).id)


@api.route("/approvals/<uuid:approval_id>", methods=["GET"])
@guard(Permission.APPROVAL_READ)
@api.response(200, ApprovalOut)
@api.alt_response(404, schema=Problem, description="None of this centre")
def get_approval(approval_id: uuid.UUID) -> Any:
    """Who asks, for what, and how far it has come."""
    return approvals.see(acting(), approval_id)


@api.route("/approvals/<uuid:approval_id>/decision", methods=["POST"])
@guard(Permission.APPROVAL_DECIDE, fresh=True)
@api.arguments(ApprovalDecisionIn)
@api.response(200, ApprovalOut)
@api.alt_response(404, schema=Problem, description="None of this centre")
@api.alt_response(409, schema=Problem, description="Decided already, stopped, or out of time")
def decide_approval(given: dict[str, Any], approval_id: uuid.UUID) -> Any:
    """Approve or decline what somebody else asked for."""
    ctx = acting()
    approvals.decide(ctx, approval_id, given["decision"])
    return approvals.see(ctx, approval_id)


@api.route("/approvals/<uuid:approval_id>/stop", methods=["POST"])
@guard(Permission.APPROVAL_DECIDE)
@api.response(200, ApprovalOut)
@api.alt_response(404, schema=Problem, description="None of this centre")
@api.alt_response(409, schema=Problem, description="Done already, declined, or stopped")
def stop_approval(approval_id: uuid.UUID) -> Any:
    """Stop what was not done yet."""
    ctx = acting()
    approvals.stop(ctx, approval_id)
    return approvals.see(ctx, approval_id)
