"""Centres, teams, the people who work there, and their credentials."""

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    LargeBinary,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from helpline.foundation.crypto.sealed import Sealed, sealed_column, sealed_text
from helpline.foundation.db import Model


class Centre(Model):
    """A helpline's house: its country, time zone and languages. `code` begins the numbers of its cases."""

    __tablename__ = "centres"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    name: Mapped[str]
    code: Mapped[str] = mapped_column(unique=True)
    country: Mapped[str]
    timezone: Mapped[str]
    languages: Mapped[list[str]] = mapped_column(ARRAY(Text()))
    phone: Mapped[str] = mapped_column(server_default="")
    risk_clocks: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    created_at: Mapped[datetime]
    version: Mapped[int] = mapped_column(server_default="1")

    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012  # SQLAlchemy's name


class Team(Model):
    """A team of a centre and the provinces it covers."""

    __tablename__ = "teams"
    __table_args__ = (UniqueConstraint("centre_id", "name"),)

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    centre_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("centres.id"))
    name: Mapped[str]
    places: Mapped[list[uuid.UUID]] = mapped_column(ARRAY(Uuid()), server_default="{}")
    active: Mapped[bool] = mapped_column(server_default="true")
    version: Mapped[int] = mapped_column(server_default="1")

    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012


class User(Model):
    """A member of staff. `login` and `email` are lower case."""

    __tablename__ = "users"
    __table_args__ = (
        CheckConstraint("login = lower(login) AND email = lower(email)", name="lower"),
        CheckConstraint("status IN ('invited', 'active', 'deactivated')", name="status"),
        CheckConstraint(
            "role IN ('operator', 'caseworker', 'team_supervisor', 'supervisor', 'admin', 'auditor')", name="role"
        ),
        CheckConstraint("theme IN ('', 'light', 'dark')", name="theme"),
        ForeignKeyConstraint(
            ["centre_role_id", "centre_id", "role"],
            ["centre_roles.id", "centre_roles.centre_id", "centre_roles.base"],
            name="fk_users_centre_role_id",
        ),
        Index("ix_users_centre_id_role", "centre_id", "role"),
        Index("ix_users_centre_role_id", "centre_role_id", postgresql_where=text("centre_role_id IS NOT NULL")),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    centre_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("centres.id"))
    name: Mapped[str]
    login: Mapped[str] = mapped_column(unique=True)
    email: Mapped[str] = mapped_column(unique=True)
    role: Mapped[str]
    centre_role_id: Mapped[uuid.UUID | None]  # narrower than `role`; the database holds that it is of that base
    status: Mapped[str]
    locale: Mapped[str]
    theme: Mapped[str] = mapped_column(server_default="")
    demo: Mapped[bool] = mapped_column(server_default="false")
    created_at: Mapped[datetime]
    deactivated_at: Mapped[datetime | None]
    version: Mapped[int] = mapped_column(server_default="1")

    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012


class CentreRole(Model):
    """A role of a centre's own: a built-in one less what is taken away of it. `scopes` and `fields` name only that.

    What they say is met with the base wherever they are read (`foundation.access.powers`): no row of this table gives
    anything. `version` moves with each change; the audit keeps what it was.
    """

    __tablename__ = "centre_roles"
    __table_args__ = (
        CheckConstraint("base IN ('operator', 'caseworker', 'team_supervisor', 'supervisor', 'auditor')", name="base"),
        CheckConstraint(
            "jsonb_typeof(names) = 'object' AND jsonb_typeof(scopes) = 'object' AND jsonb_typeof(fields) = 'object'",
            name="objects",
        ),
        UniqueConstraint("id", "centre_id", "base"),
        Index("ix_centre_roles_centre_id", "centre_id"),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    centre_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("centres.id"))
    base: Mapped[str]
    names: Mapped[dict[str, str]] = mapped_column(JSONB)
    scopes: Mapped[dict[str, str]] = mapped_column(JSONB)
    fields: Mapped[dict[str, str]] = mapped_column(JSONB)
    created_at: Mapped[datetime]
    retired_at: Mapped[datetime | None]
    version: Mapped[int] = mapped_column(server_default="1")

    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012


class TeamMember(Model):
    """Who is in which team."""

    __tablename__ = "team_members"
    __table_args__ = (Index("ix_team_members_team_id", "team_id"),)

    user_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id"), primary_key=True)
    team_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("teams.id"), primary_key=True)


class Credential(Model):
    """A password's Argon2id hash; the application's role reads it only through definer functions.

    `short`: too short to stand alone; it counts only beside a second factor.
    """

    __tablename__ = "credentials"

    user_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id"), primary_key=True)
    password_hash: Mapped[str]
    version: Mapped[int]
    changed_at: Mapped[datetime]
    short: Mapped[bool] = mapped_column(server_default="false")


class UserSession(Model):
    """One sign-in. The token itself is only in the browser.

    `factor_at`: when a second factor was last presented in it. `challenge`: what a passkey is asked to sign, once.
    """

    __tablename__ = "user_sessions"
    __table_args__ = (Index("ix_user_sessions_user_id", "user_id", postgresql_where=text("ended_at IS NULL")),)

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    user_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id"))
    token_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True, deferred=True)
    created_at: Mapped[datetime]
    seen_at: Mapped[datetime]
    locked_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    factor_at: Mapped[datetime | None]
    challenge: Mapped[bytes | None] = mapped_column(LargeBinary)
    challenge_at: Mapped[datetime | None]


class Factor(Sealed, Model):
    """A second factor: an authenticator app's secret (sealed), or a passkey's public key.

    `confirmed_at` is None while an app is being set up. `last_step`: the newest time step whose code was accepted.
    """

    __tablename__ = "factors"
    __table_args__ = (
        CheckConstraint("kind IN ('authenticator', 'passkey')", name="kind"),
        CheckConstraint(
            "CASE kind WHEN 'authenticator' THEN secret_sealed IS NOT NULL"
            " ELSE num_nonnulls(credential_id, public_key, sign_count) = 3 END",
            name="whole",
        ),
        Index("ix_factors_user_id", "user_id"),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    user_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id"))
    kind: Mapped[str]
    name: Mapped[str]
    secret_sealed: Mapped[bytes | None] = sealed_column()
    secret = sealed_text("secret_sealed")
    last_step: Mapped[int | None] = mapped_column(BigInteger)
    credential_id: Mapped[bytes | None] = mapped_column(LargeBinary, unique=True)
    public_key: Mapped[bytes | None] = mapped_column(LargeBinary)
    sign_count: Mapped[int | None] = mapped_column(BigInteger)
    created_at: Mapped[datetime]
    confirmed_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]


class Approval(Sealed, Model):
    """What one person asks for and another decides. What was decided, stopped or done stays so.

    `subject_id`: whom it is about, neither of the two; `record_id`: the record, where it is about one; neither where it
    is about many records.
    `not_before`: when what was approved is carried out.
    """

    __tablename__ = "approvals"
    __table_args__ = (
        CheckConstraint("kind IN ('admin_role', 'factor_reset', 'bulk_export', 'erasure')", name="kind"),
        CheckConstraint(
            "num_nonnulls(subject_id, record_id) = CASE kind WHEN 'bulk_export' THEN 0 ELSE 1 END", name="about"
        ),
        CheckConstraint("(kind = 'erasure') = (record_id IS NOT NULL)", name="about_record"),
        CheckConstraint("decision IN ('approved', 'declined')", name="decision"),
        CheckConstraint("num_nulls(decision, decided_by, decided_at) IN (0, 3)", name="decided_whole"),
        CheckConstraint("(not_before IS NOT NULL) = (decision IS NOT DISTINCT FROM 'approved')", name="begins"),
        CheckConstraint("num_nulls(stopped_by, stopped_at) IN (0, 2)", name="stopped_whole"),
        CheckConstraint("requested_by <> decided_by", name="two_people"),
        CheckConstraint("subject_id NOT IN (requested_by, coalesce(decided_by, requested_by))", name="others"),
        CheckConstraint("kind <> 'factor_reset' OR not_before >= decided_at + interval '1 hour'", name="waits"),
        CheckConstraint("spent_at IS NULL OR decision = 'approved' AND stopped_at IS NULL", name="spent"),
        CheckConstraint("expires_at <= requested_at + interval '7 days'", name="expires"),
        Index("ix_approvals_centre_id", "centre_id", "requested_at", "id"),
        Index(
            "ix_approvals_not_before", "not_before", postgresql_where=text("spent_at IS NULL AND stopped_at IS NULL")
        ),
        Index("ix_approvals_subject_id", "subject_id"),
        Index("ix_approvals_record_id", "record_id", postgresql_where=text("record_id IS NOT NULL")),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    centre_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("centres.id"))
    kind: Mapped[str]
    subject_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("users.id"))
    record_id: Mapped[uuid.UUID | None]
    detail: Mapped[dict[str, Any]] = mapped_column(JSONB)
    reason_sealed: Mapped[bytes | None] = sealed_column()
    reason = sealed_text("reason_sealed")
    requested_by: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id"))
    requested_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    decided_by: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("users.id"))
    decided_at: Mapped[datetime | None]
    decision: Mapped[str | None]
    not_before: Mapped[datetime | None]
    stopped_by: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("users.id"))
    stopped_at: Mapped[datetime | None]
    spent_at: Mapped[datetime | None]
    version: Mapped[int] = mapped_column(server_default="1")

    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012


class RecoveryCode(Model):
    """One code for whoever lost their factor: a keyed digest of it, good once."""

    __tablename__ = "recovery_codes"
    __table_args__ = (UniqueConstraint("user_id", "code_index"),)

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    user_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id"))
    code_index: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class ApiToken(Model):
    """A token for the API: a user's, narrower than the user, hashed at rest."""

    __tablename__ = "api_tokens"
    __table_args__ = (Index("ix_api_tokens_user_id", "user_id"),)

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    user_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id"))
    name: Mapped[str]
    token_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True, deferred=True)
    scopes: Mapped[list[str]] = mapped_column(ARRAY(Text()))
    created_at: Mapped[datetime]
    last_used_at: Mapped[datetime | None]
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
