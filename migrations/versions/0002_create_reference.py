"""Places, taxonomies and holidays: shared by every centre, written by the owner alone."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql as pg

from migrations.tools import allow

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "places",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("country", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("level", sa.Text(), nullable=False),
        sa.Column("depth", sa.SmallInteger(), nullable=False),
        sa.Column("parent_id", sa.Uuid()),
        sa.Column("path", pg.ARRAY(sa.Uuid()), nullable=False),
        sa.Column("names", pg.JSONB(), nullable=False),
        sa.Column("urban", sa.Boolean()),
        sa.Column("sort", sa.Integer(), nullable=False),
    )
    op.create_index("ix_places_code", "places", ["country", "level", "code"])
    op.create_index("ix_places_parent_id", "places", ["parent_id"])
    op.create_table(
        "place_keys",
        sa.Column("country", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(collation="C"), nullable=False),
        sa.Column("depth", sa.SmallInteger(), nullable=False),
        sa.Column("place_id", sa.Uuid(), sa.ForeignKey("places.id", ondelete="CASCADE"), nullable=False),
        sa.PrimaryKeyConstraint("country", "key", "place_id"),
    )
    op.create_index("ix_place_keys_place_id", "place_keys", ["place_id"])
    op.create_table(
        "taxonomies",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("version", sa.Text(), nullable=False, unique=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
    )
    op.create_table(
        "taxonomy_terms",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("taxonomy_id", sa.Uuid(), sa.ForeignKey("taxonomies.id"), nullable=False),
        sa.Column("parent_id", sa.Uuid()),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("names", pg.JSONB(), nullable=False),
        sa.Column("sort", sa.Integer(), nullable=False),
        sa.UniqueConstraint("taxonomy_id", "code"),
    )
    op.create_table(
        "holidays",
        sa.Column("country", sa.Text(), nullable=False),
        sa.Column("on_date", sa.Date(), nullable=False),
        sa.Column("names", pg.JSONB(), nullable=False),
        sa.PrimaryKeyConstraint("country", "on_date"),
    )
    op.create_table(
        "reference_loads",
        sa.Column("one", sa.Boolean(), primary_key=True),
        sa.Column("digest", sa.Text(), nullable=False),
    )
    for table in ("places", "place_keys", "taxonomies", "taxonomy_terms", "holidays"):
        allow(table)


def downgrade() -> None:
    for table in ("reference_loads", "holidays", "taxonomy_terms", "taxonomies", "place_keys", "places"):
        op.drop_table(table)
