"""Searches, as auditors count them: who, when, how many requests; never what for."""

import uuid
from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from helpline.foundation.db import Model


class Search(Model):
    """One search, of as many requests as it took to type it; or one look for a double (`duplicate`)."""

    __tablename__ = "searches"
    __table_args__ = (
        CheckConstraint("kind IN ('typed', 'duplicate')", name="kind"),
        Index("ix_searches_actor_id", "actor_id", "kind", "began_at"),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    centre_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("centres.id"))
    actor_id: Mapped[uuid.UUID]
    kind: Mapped[str]
    began_at: Mapped[datetime]
    last_at: Mapped[datetime]
    requests: Mapped[int]
