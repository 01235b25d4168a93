"""The lock of the keys, and turns from one master key to the next."""

import uuid
from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from helpline.foundation.db import Model


class KeyState(Model):
    """One row: whether the keys are locked, and which prepared link counts. Locking is a definer function's."""

    __tablename__ = "key_state"
    __table_args__ = (CheckConstraint("one", name="one"),)

    one: Mapped[bool] = mapped_column(primary_key=True, server_default=text("true"))
    locked_at: Mapped[datetime | None]
    link_version: Mapped[int] = mapped_column(server_default="0")
    link_centre_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("centres.id"))


class KeyRotation(Model):
    """One rotation. Where it stands (`table_name`, `after_id`) moves in the unit of work that wraps the rows."""

    __tablename__ = "key_rotations"
    __table_args__ = (
        Index(
            "uq_key_rotations_open", text("(finished_at IS NULL)"), unique=True,
            postgresql_where=text("finished_at IS NULL"),
        ),
    )  # fmt: skip

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    centre_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("centres.id"))
    started_by: Mapped[uuid.UUID]
    started_at: Mapped[datetime]
    master_version: Mapped[int | None]  # None until a worker has made the new master key
    table_name: Mapped[str | None]
    after_id: Mapped[uuid.UUID | None]
    total: Mapped[int] = mapped_column(server_default="0")
    done: Mapped[int] = mapped_column(server_default="0")
    unread: Mapped[int] = mapped_column(server_default="0")  # keys that no master key opens
    finished_at: Mapped[datetime | None]
    retire_asked_at: Mapped[datetime | None]
    retire_tried_at: Mapped[datetime | None]
    retire_left: Mapped[int | None]  # keys that still needed an old master when it was tried
    retired_at: Mapped[datetime | None]
