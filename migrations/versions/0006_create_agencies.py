"""The directory of partner agencies."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql as pg

from migrations.tools import part_of, protect, visible

revision = "0006"
down_revision = "0005"

SERVICES = "'child_protection', 'health', 'police', 'mental_health', 'school', 'legal', 'shelter', 'other'"


def upgrade() -> None:
    op.create_table(
        "agencies",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("centre_id", sa.Uuid(), sa.ForeignKey("centres.id"), nullable=False),
        sa.Column("names", pg.JSONB(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("email", sa.Text()),
        sa.Column("phone", sa.Text()),
        sa.Column("address", sa.Text()),
        sa.Column("languages", pg.ARRAY(sa.Text()), nullable=False),
        sa.Column("opening", pg.JSONB(), nullable=False),
        sa.Column("nationwide", sa.Boolean(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "kind IN ('government', 'police', 'health', 'school', 'ngo', 'legal_aid', 'community', 'other')",
            name="kind",
        ),
    )
    op.create_index("ix_agencies_centre_id_created_at", "agencies", ["centre_id", "created_at", "id"])
    op.create_table(
        "agency_services",
        sa.Column("agency_id", sa.Uuid(), sa.ForeignKey("agencies.id"), primary_key=True),
        sa.Column("service", sa.Text(), primary_key=True),
        sa.Column("centre_id", sa.Uuid(), sa.ForeignKey("centres.id"), nullable=False),
        sa.Column("min_age", sa.Integer()),
        sa.Column("max_age", sa.Integer()),
        sa.Column("sexes", pg.ARRAY(sa.Text()), nullable=False),
        sa.Column("capacity", sa.Integer()),
        sa.CheckConstraint(f"service IN ({SERVICES})", name="service"),
        sa.CheckConstraint("min_age <= max_age", name="ages"),
        sa.CheckConstraint("sexes <@ ARRAY['female', 'male', 'other']", name="sexes"),
        sa.CheckConstraint("capacity >= 0", name="capacity"),
    )
    op.create_index("ix_agency_services_centre_id_service", "agency_services", ["centre_id", "service"])
    op.create_table(
        "agency_coverage",
        sa.Column("agency_id", sa.Uuid(), sa.ForeignKey("agencies.id"), primary_key=True),
        sa.Column("place_id", sa.Uuid(), sa.ForeignKey("places.id"), primary_key=True),
        sa.Column("centre_id", sa.Uuid(), sa.ForeignKey("centres.id"), nullable=False),
    )
    op.create_index("ix_agency_coverage_place_id", "agency_coverage", ["place_id"])
    protect("agencies", visible("agency"))
    # An entry is saved whole: its services and places are replaced.
    for part in ("agency_services", "agency_coverage"):
        protect(part, part_of("agencies", "agency", "agency_id"), web="SELECT, INSERT, UPDATE, DELETE")


def downgrade() -> None:
    for table in ("agency_coverage", "agency_services", "agencies"):
        op.drop_table(table)
