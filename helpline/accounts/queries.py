"""Reading centres, teams and staff; and the narrow look-ups before anybody is known."""

import uuid
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, func, or_, select, text

from helpline.accounts.models import (
    ApiToken,
    Approval,
    Centre,
    CentreRole,
    Factor,
    RecoveryCode,
    Team,
    TeamMember,
    User,
    UserSession,
)
from helpline.accounts.vocabulary import ApprovalKind, Decision, FactorKind, UserStatus
from helpline.foundation.access.permissions import Role
from helpline.foundation.access.rows import ticket
from helpline.foundation.db import db
from helpline.foundation.errors import NotFound

_FIND_SESSION = text("SELECT * FROM app.find_session(:hash, :at)")
_FIND_TOKEN = text("SELECT * FROM app.find_api_token(:hash, :at)")
_FIND_CREDENTIAL = text("SELECT * FROM app.find_credential(:login, :ticket)")
_CODE_TAKEN = text("SELECT app.code_taken(:code, :own)")
_FIND_CREDENTIAL_OF = text("SELECT * FROM app.find_credential_of(:id, :ticket)")


def find_session(token_hash: bytes, at: datetime) -> Row[Any] | None:
    """The bearer of a session token, as `app.bearer`, and their override; None for an unknown or ended one."""
    return db.session.execute(_FIND_SESSION, {"hash": token_hash, "at": at}).first()


def find_api_token(token_hash: bytes, at: datetime) -> Row[Any] | None:
    """The bearer of an API token, as `app.bearer`, and their override; None for an unknown, revoked or expired one."""
    return db.session.execute(_FIND_TOKEN, {"hash": token_hash, "at": at}).first()


def find_credential(login: str) -> Row[Any] | None:
    """Whoever signs in by this login or e-mail: user_id, centre_id, status, password_hash, version, demo, short,
    has_factor.
    """
    login = login.strip().lower()
    return db.session.execute(_FIND_CREDENTIAL, {"login": login, "ticket": ticket("find_credential", login)}).first()


def find_credential_of(user_id: uuid.UUID) -> Row[Any] | None:
    """The same by id, and login, email, name and the centre's name."""
    values = {"id": user_id, "ticket": ticket("find_credential_of", user_id)}
    return db.session.execute(_FIND_CREDENTIAL_OF, values).first()


def get_centre(centre_id: uuid.UUID) -> Centre:
    centre = db.session.get(Centre, centre_id)
    if centre is None:
        raise NotFound("centre", centre_id)
    return centre


def find_centre_by_code(code: str) -> Centre | None:
    return db.session.scalars(select(Centre).where(Centre.code == code)).first()


def list_centres() -> Sequence[Centre]:
    return db.session.scalars(select(Centre).order_by(Centre.name)).all()


def get_user(user_id: uuid.UUID) -> User:
    user = find_user(user_id)
    if user is None:
        raise NotFound("user", user_id)
    return user


def find_user(user_id: uuid.UUID) -> User | None:
    return db.session.get(User, user_id)


def find_login(login: str) -> User | None:
    """A user by their login, among those the actor sees."""
    return db.session.scalars(select(User).where(User.login == login.strip().lower())).first()


def list_users(centre_id: uuid.UUID) -> Sequence[User]:
    """The staff of a centre by name: some hundreds at most, so not paged."""
    return db.session.scalars(select(User).where(User.centre_id == centre_id).order_by(User.name, User.id)).all()


def user_names(ids: Collection[uuid.UUID]) -> dict[uuid.UUID, str]:
    """Names by id; system actors and strangers are left out."""
    if not ids:
        return {}
    return {row.id: row.name for row in db.session.execute(select(User.id, User.name).where(User.id.in_(ids)))}


def get_team(team_id: uuid.UUID) -> Team:
    team = db.session.get(Team, team_id)
    if team is None:
        raise NotFound("team", team_id)
    return team


def list_teams(centre_id: uuid.UUID) -> Sequence[Team]:
    return db.session.scalars(select(Team).where(Team.centre_id == centre_id).order_by(Team.name)).all()


def teams_of(user_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, list[uuid.UUID]]:
    """Team ids by user."""
    found: dict[uuid.UUID, list[uuid.UUID]] = {user_id: [] for user_id in user_ids}
    for member in db.session.scalars(select(TeamMember).where(TeamMember.user_id.in_(user_ids))):
        found[member.user_id].append(member.team_id)
    return found


def list_roles(centre_id: uuid.UUID, *, retired: bool = False) -> Sequence[CentreRole]:
    """A centre's own roles, by what they are made of. `retired`: those put aside too."""
    statement = select(CentreRole).where(CentreRole.centre_id == centre_id)
    if not retired:
        statement = statement.where(CentreRole.retired_at.is_(None))
    return db.session.scalars(statement.order_by(CentreRole.base, CentreRole.created_at, CentreRole.id)).all()


def find_role(role_id: uuid.UUID) -> CentreRole | None:
    return db.session.get(CentreRole, role_id)


def get_role(role_id: uuid.UUID) -> CentreRole:
    role = find_role(role_id)
    if role is None:
        raise NotFound("role", role_id)
    return role


def count_bearers(role_id: uuid.UUID) -> int:
    """How many of the staff who are not shut out bear this role of the centre's own."""
    bearing = select(func.count()).where(User.centre_role_id == role_id, User.status != UserStatus.DEACTIVATED)
    return db.session.scalar(bearing) or 0


def users_of_team(team_id: uuid.UUID, role: Role) -> Sequence[User]:
    """Active members of a team who hold the role."""
    statement = (
        select(User)
        .join(TeamMember, TeamMember.user_id == User.id)
        .where(TeamMember.team_id == team_id, User.role == role, User.status == UserStatus.ACTIVE)
    )
    return db.session.scalars(statement.order_by(User.name, User.id)).all()


def supervisors_for(
    centre_id: uuid.UUID, team_id: uuid.UUID | None = None, but_not: Collection[uuid.UUID] = ()
) -> Sequence[User]:
    """Who is told when something of this team is stuck: the team's supervisors, or the centre's where it has none.

    `but_not`: people to whom the case is closed; the next in line are told in their place.
    """
    if team_id is not None:
        own = [user for user in users_of_team(team_id, Role.TEAM_SUPERVISOR) if user.id not in but_not]
        if own:
            return own
    return [user for user in active_of(centre_id, Role.SUPERVISOR) if user.id not in but_not]


def active_of(centre_id: uuid.UUID, role: Role) -> Sequence[User]:
    """A centre's active staff of this role, by name."""
    statement = select(User).where(
        User.centre_id == centre_id, User.role == role, User.status == UserStatus.ACTIVE
    )  # fmt: skip
    return db.session.scalars(statement.order_by(User.name, User.id)).all()


def team_covering(centre_id: uuid.UUID, place_path: Sequence[uuid.UUID]) -> Team | None:
    """The active team that covers the place; the narrowest area wins, then the name."""
    teams = [team for team in list_teams(centre_id) if team.active and set(team.places) & set(place_path)]
    depth = {place_id: step for step, place_id in enumerate(place_path)}
    return min(teams, key=lambda team: (-max(depth.get(p, -1) for p in team.places), team.name), default=None)


def open_sessions(user_id: uuid.UUID) -> Sequence[UserSession]:
    """Sessions not yet ended, newest first; some may be too old to count."""
    statement = select(UserSession).where(UserSession.user_id == user_id, UserSession.ended_at.is_(None))
    return db.session.scalars(statement.order_by(UserSession.created_at.desc())).all()


def list_factors(user_id: uuid.UUID, *, lock: bool = False) -> Sequence[Factor]:
    """A user's second factors that count, oldest first. `lock`: and let nobody else change them meanwhile."""
    statement = select(Factor).where(Factor.user_id == user_id, Factor.confirmed_at.is_not(None))
    statement = statement.order_by(Factor.created_at, Factor.id)
    if lock:
        statement = statement.with_for_update().execution_options(populate_existing=True)
    return db.session.scalars(statement).all()


def find_begun_authenticator(user_id: uuid.UUID) -> Factor | None:
    """The app that this user is setting up."""
    return db.session.scalars(
        select(Factor).where(
            Factor.user_id == user_id, Factor.kind == FactorKind.AUTHENTICATOR, Factor.confirmed_at.is_(None)
        )
    ).first()


def count_recovery_codes(user_id: uuid.UUID) -> int:
    """How many of a user's recovery codes are still good."""
    left = select(func.count()).where(RecoveryCode.user_id == user_id, RecoveryCode.used_at.is_(None))
    return db.session.scalar(left) or 0


def find_approval(approval_id: uuid.UUID) -> Approval | None:
    return db.session.get(Approval, approval_id)


def lock_approval(approval_id: uuid.UUID) -> Approval:
    """Held until the end: whoever decides meanwhile waits, and sees it decided. Raises NotFound("approval")."""
    statement = select(Approval).where(Approval.id == approval_id).with_for_update()
    approval = db.session.scalars(statement.execution_options(populate_existing=True)).first()
    if approval is None:
        raise NotFound("approval", approval_id)
    return approval


def list_approvals(centre_id: uuid.UUID) -> Sequence[Approval]:
    """A centre's hundred newest."""
    statement = select(Approval).where(Approval.centre_id == centre_id)
    return db.session.scalars(statement.order_by(Approval.requested_at.desc(), Approval.id.desc()).limit(100)).all()


def list_approvals_about(user_id: uuid.UUID, now: datetime) -> Sequence[Approval]:
    """What is asked or approved about somebody and not done yet."""
    return db.session.scalars(select(Approval).where(Approval.subject_id == user_id, *_open(now))).all()


def is_asked(kind: ApprovalKind, user_id: uuid.UUID, now: datetime) -> bool:
    """Whether it is asked for or on its way already."""
    return any(each.kind == kind for each in list_approvals_about(user_id, now))


def find_erasure_asked(record_id: uuid.UUID, now: datetime) -> Approval | None:
    """The erasure of this record that is asked for or approved, and not done yet."""
    return db.session.scalars(select(Approval).where(Approval.record_id == record_id, *_open(now))).first()


def count_asked(centre_id: uuid.UUID, but_not: uuid.UUID, now: datetime) -> int:
    """How many wait for somebody's decision, but for those that this person asked for or is meant by."""
    others = Approval.requested_by != but_not, Approval.subject_id.is_distinct_from(but_not)
    asked = select(func.count()).where(
        Approval.centre_id == centre_id, Approval.decision.is_(None), *_open(now), *others
    )
    return db.session.scalar(asked) or 0


def list_due_approvals(kind: ApprovalKind, now: datetime, limit: int) -> Sequence[Approval]:
    """What was approved and whose time has come."""
    statement = select(Approval).where(
        Approval.kind == kind, Approval.decision == Decision.APPROVED, Approval.not_before <= now,
        Approval.spent_at.is_(None), Approval.stopped_at.is_(None),
    )  # fmt: skip
    return db.session.scalars(statement.order_by(Approval.not_before).limit(limit)).all()


def _open(now: datetime) -> tuple[ColumnElement[bool], ...]:
    asked = and_(Approval.decision.is_(None), Approval.expires_at > now)
    return (
        Approval.spent_at.is_(None), Approval.stopped_at.is_(None), or_(asked, Approval.decision == Decision.APPROVED),
    )  # fmt: skip


def list_tokens(user_id: uuid.UUID) -> Sequence[ApiToken]:
    """A user's API tokens, newest first, the revoked ones too."""
    return db.session.scalars(
        select(ApiToken).where(ApiToken.user_id == user_id).order_by(ApiToken.created_at.desc())
    ).all()


def code_taken(code: str, own_id: uuid.UUID | None) -> bool:
    """Whether any centre but this one has the code, visible or not."""
    return bool(db.session.execute(_CODE_TAKEN, {"code": code, "own": own_id}).scalar())


def with_teams(users: Sequence[User]) -> list[dict[str, Any]]:
    """These users as schemas show them, with the ids of their teams: one statement more."""
    teams = teams_of([user.id for user in users])
    names = [column.key for column in User.__table__.columns]
    return [{name: getattr(user, name) for name in names} | {"team_ids": teams[user.id]} for user in users]
