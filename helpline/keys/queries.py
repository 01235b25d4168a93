"""Reads of the state of the keys."""

import uuid
from collections.abc import Sequence

from sqlalchemy import select

from helpline.accounts.models import Centre
from helpline.foundation.db import db
from helpline.foundation.errors import NotFound
from helpline.keys.models import KeyRotation, KeyState


def get_state() -> KeyState:
    return db.session.scalars(select(KeyState)).one()


def find_latest() -> KeyRotation | None:
    """The newest rotation."""
    return db.session.scalars(select(KeyRotation).order_by(KeyRotation.id.desc()).limit(1)).first()


def get_rotation(rotation_id: uuid.UUID) -> KeyRotation:
    rotation = db.session.get(KeyRotation, rotation_id)
    if rotation is None:
        raise NotFound("key_rotation", rotation_id)
    return rotation


def find_open() -> KeyRotation | None:
    """The rotation that is not finished."""
    return db.session.scalars(select(KeyRotation).where(KeyRotation.finished_at.is_(None))).first()


def claim_open() -> KeyRotation | None:
    """The rotation that is not finished, for this unit alone; None also while another process is at it."""
    statement = select(KeyRotation).where(KeyRotation.finished_at.is_(None))
    return db.session.scalars(statement.with_for_update(skip_locked=True)).first()


def claim_retirement() -> KeyRotation | None:
    """The newest rotation whose older master keys somebody asked to retire, since it was last tried."""
    asked, tried = KeyRotation.retire_asked_at, KeyRotation.retire_tried_at
    statement = select(KeyRotation).where(
        asked.is_not(None), KeyRotation.retired_at.is_(None), tried.is_(None) | (tried < asked)
    )
    return db.session.scalars(statement.order_by(KeyRotation.id.desc()).with_for_update(skip_locked=True)).first()


def list_centre_ids() -> Sequence[uuid.UUID]:
    return db.session.scalars(select(Centre.id)).all()
