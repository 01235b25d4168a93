"""The people who work at a centre: their own settings, and what an administrator decides about them."""

import uuid
from collections.abc import Collection
from dataclasses import replace
from typing import Any

from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from helpline.accounts import queries
from helpline.accounts.commands import EditUser, InviteUser
from helpline.accounts.events import UserDeactivated, UserInvited
from helpline.accounts.models import ApiToken, Centre, CentreRole, TeamMember, User, UserSession
from helpline.accounts.services.passwords import invite_again, set_first_password
from helpline.accounts.services.roles import powers_of_role, role_to_give
from helpline.accounts.vocabulary import UserStatus
from helpline.foundation.access.engine import require
from helpline.foundation.access.permissions import Permission, Role, Scope, SystemActor
from helpline.foundation.audit.recorder import record
from helpline.foundation.context import Context
from helpline.foundation.db import db
from helpline.foundation.errors import Conflict, Invalid, NotFound
from helpline.foundation.outbox.publisher import publish


def set_own(ctx: Context, **wishes: str) -> None:
    """The actor's own `name`, `locale` or `theme`."""
    require(ctx, Permission.OWN_ACCOUNT)
    user = queries.get_user(ctx.actor.id)
    changed = {name: value for name, value in wishes.items() if getattr(user, name) != value}
    for name, value in changed.items():
        setattr(user, name, value)
    if changed:
        record(ctx, "user.changed_own", "user", user.id, fields=changed)


def invite_user(ctx: Context, command: InviteUser) -> UserInvited:
    """Add someone and send them an invitation: they choose their password, nobody else knows it.

    Raises Invalid for a login or address in use, and for a role or team that does not fit; Invalid("role_needs_two")
    for an administrator, whom the keeper alone invites so.
    """
    require(ctx, Permission.USER_EDIT)
    if command.role is Role.ADMIN and ctx.actor.role != SystemActor.KEEPER:
        raise Invalid("role_needs_two", "role")
    user = _add(ctx, command, UserStatus.INVITED, demo=False)
    own = _told(own_role=command.centre_role_id)
    record(ctx, "user.invited", "user", user.id, centre_id=user.centre_id, role=command.role.value, **own)
    return invite_again(ctx, user.id, user.centre_id)


def prepare_admin(ctx: Context, command: InviteUser) -> User:
    """Add someone whom two people will make an administrator: a closed account, of a lesser role until then.

    The invitation leaves when it is approved. Raises as `invite_user`.
    """
    require(ctx, Permission.USER_EDIT)
    user = _add(ctx, replace(command, role=Role.OPERATOR, centre_role_id=None), UserStatus.DEACTIVATED, demo=False)
    record(ctx, "user.prepared", "user", user.id, centre_id=user.centre_id)
    return user


def add_demo_user(ctx: Context, command: InviteUser, password: str) -> User:
    """The keeper's: an account of the marked demo helpline, which signs in only where the settings allow demos."""
    require(ctx, Permission.USER_EDIT)
    user = _add(ctx, command, UserStatus.ACTIVE, demo=True)
    set_first_password(ctx, user.id, password)
    record(ctx, "user.demo_added", "user", user.id, centre_id=user.centre_id, role=command.role.value)
    return user


def _add(ctx: Context, command: InviteUser, status: UserStatus, *, demo: bool) -> User:
    centre_id = ctx.actor.centre_id or command.centre_id
    if centre_id is None:
        raise Invalid("required", "centre_id")
    _check_place(centre_id, command.role, command.team_ids, _check_role(command))
    login, email = command.login.lower(), command.email.lower()
    for field, value in (("login", login), ("email", email)):
        found = queries.find_credential(value)
        if found is not None and found.user_id != command.user_id:
            raise Invalid(f"{field}_taken", field)
    values = {
        "id": command.user_id, "centre_id": centre_id, "name": command.name, "login": login, "email": email,
        "role": command.role.value, "status": status.value, "locale": command.locale, "demo": demo,
        "created_at": ctx.now, "centre_role_id": command.centre_role_id,
    }  # fmt: skip
    added = db.session.execute(upsert(User).values(values).on_conflict_do_nothing().returning(User.id)).first()
    if added is None:
        same = queries.find_user(command.user_id)
        fresh = (login, email, command.role, command.centre_role_id)
        if same is None or (same.login, same.email, same.role, same.centre_role_id) != fresh:
            raise Conflict("id_in_use")
        return same
    _join(command.user_id, command.team_ids)
    return queries.get_user(command.user_id)


def invite_once_more(ctx: Context, user_id: uuid.UUID) -> None:
    """Send the invitation again. Raises Conflict if they have joined since."""
    require(ctx, Permission.USER_EDIT, user_id)
    user = _of_centre(ctx, user_id)
    if user.status != UserStatus.INVITED:
        raise Conflict("already_joined")
    record(ctx, "user.invited_again", "user", user.id)
    invite_again(ctx, user.id, user.centre_id)


def edit_user(ctx: Context, command: EditUser) -> User:
    """Change name, role and teams; it counts from the person's next request on.

    Raises Conflict("stale") for an old version, Conflict("last_admin") where nobody would be left to administer;
    Invalid("role_needs_two") to make somebody an administrator (`approvals.ask`).
    """
    require(ctx, Permission.USER_EDIT, command.user_id)
    user = _of_centre(ctx, command.user_id, command.version)
    _check_place(user.centre_id, command.role, command.team_ids, _check_role(command, user.centre_role_id))
    if command.role is not Role.ADMIN:
        _keep_an_admin(user)
    if command.role is Role.ADMIN and user.role != Role.ADMIN:
        raise Invalid("role_needs_two", "role")
    before, teams = (user.role, user.centre_role_id), queries.teams_of([user.id])[user.id]
    changed = {"name": user.name != command.name, "role": before != (command.role, command.centre_role_id),
               "teams": set(teams) != set(command.team_ids)}  # fmt: skip
    if any(changed.values()):
        user.name, user.role, user.version = command.name, command.role.value, user.version + 1
        user.centre_role_id = command.centre_role_id
        db.session.flush()
        _join(user.id, command.team_ids)
        fields = [name for name, differs in changed.items() if differs]
        record(
            ctx, "user.changed", "user", user.id, fields=fields, before=before[0], role=command.role.value,
            **_told(own_before=before[1], own_role=command.centre_role_id),
        )  # fmt: skip
    return user


def deactivate_user(ctx: Context, user_id: uuid.UUID, version: int) -> User:
    """Let somebody in no more: sessions end and API tokens are revoked now. What they wrote stays."""
    require(ctx, Permission.USER_EDIT, user_id)
    user = _of_centre(ctx, user_id, version)
    if user.id == ctx.actor.id:
        raise Conflict("not_yourself")
    if user.status == UserStatus.DEACTIVATED:
        return user
    _keep_an_admin(user)
    user.status, user.deactivated_at = UserStatus.DEACTIVATED.value, ctx.now
    db.session.flush()
    db.session.execute(
        update(UserSession)
        .where(UserSession.user_id == user_id, UserSession.ended_at.is_(None))
        .values(ended_at=ctx.now)
    )
    db.session.execute(
        update(ApiToken).where(ApiToken.user_id == user_id, ApiToken.revoked_at.is_(None)).values(revoked_at=ctx.now)
    )
    record(ctx, "user.deactivated", "user", user_id)
    publish(ctx, UserDeactivated(user.id, user.centre_id))
    return user


def reactivate_user(ctx: Context, user_id: uuid.UUID, version: int) -> User:
    """Let somebody in again, by their old password; one who never chose one is invited again."""
    require(ctx, Permission.USER_EDIT, user_id)
    user = _of_centre(ctx, user_id, version)
    if user.status != UserStatus.DEACTIVATED:
        return user
    row = queries.find_credential_of(user_id)
    joined = row is not None and row.password_hash is not None
    user.status = (UserStatus.ACTIVE if joined else UserStatus.INVITED).value
    user.deactivated_at = None
    db.session.flush()
    record(ctx, "user.reactivated", "user", user_id)
    if not joined:
        invite_again(ctx, user.id, user.centre_id)
    return user


def _of_centre(ctx: Context, user_id: uuid.UUID, version: int | None = None) -> User:
    user = queries.get_user(user_id)
    if ctx.actor.centre_id not in {None, user.centre_id}:
        raise NotFound("user", user_id)
    if version is not None and user.version != version:
        raise Conflict("stale")
    return user


def _told(**roles: uuid.UUID | None) -> dict[str, Any]:
    return {name: role_id for name, role_id in roles.items() if role_id}


def _check_role(command: InviteUser | EditUser, borne: uuid.UUID | None = None) -> CentreRole | None:
    """The role of the centre's own that is given, if any; the one that they bear may stay, put aside or not."""
    if command.centre_role_id is None:
        return None
    if command.centre_role_id == borne:
        role = queries.get_role(borne)
        if role.base == command.role:
            return role
    return role_to_give(command.centre_role_id, command.role)


def _check_place(
    centre_id: uuid.UUID, role: Role, team_ids: Collection[uuid.UUID], own: CentreRole | None
) -> None:  # fmt: skip
    if role is Role.PARTNER:
        raise Invalid("role_unfit", "role")
    known = {team.id for team in queries.list_teams(centre_id) if team.active}
    if not set(team_ids) <= known:
        raise Invalid("team_unknown", "team_ids")
    of_teams = own is not None and Scope.TEAM in powers_of_role(own).scopes.values()
    if (role in {Role.TEAM_SUPERVISOR, Role.CASEWORKER} or of_teams) and not team_ids:
        raise Invalid("team_needed_for_role", "team_ids")


def _keep_an_admin(user: User) -> None:
    """Raise Conflict if `user` is the centre's last administrator. Waits for a rival who takes one away."""
    if user.role != Role.ADMIN or user.status != UserStatus.ACTIVE:
        return
    db.session.execute(select(Centre.id).where(Centre.id == user.centre_id).with_for_update())
    others = select(func.count()).where(
        User.centre_id == user.centre_id, User.role == Role.ADMIN, User.status == UserStatus.ACTIVE, User.id != user.id
    )
    if not db.session.scalar(others):
        raise Conflict("last_admin")


def _join(user_id: uuid.UUID, team_ids: Collection[uuid.UUID]) -> None:
    db.session.execute(delete(TeamMember).where(TeamMember.user_id == user_id, TeamMember.team_id.not_in(team_ids)))
    if team_ids:
        rows = [{"user_id": user_id, "team_id": team_id} for team_id in dict.fromkeys(team_ids)]
        db.session.execute(upsert(TeamMember).values(rows).on_conflict_do_nothing())
