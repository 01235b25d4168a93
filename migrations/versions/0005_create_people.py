"""People: children, callers and carers. Their row rules follow with the calls that tell of them."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.create_table(
        "persons",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("record_key", sa.LargeBinary(), nullable=False),
        sa.Column("centre_id", sa.Uuid(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("canonical_person_id", sa.Uuid()),
        sa.Column("name_sealed", sa.LargeBinary()),
        sa.Column("phone_sealed", sa.LargeBinary()),
        sa.Column("phone_index", sa.LargeBinary()),
        sa.Column("age", sa.SmallInteger()),
        sa.Column("age_known", sa.Text(), nullable=False),
        sa.Column("gender", sa.Text(), nullable=False),
        sa.Column("language", sa.Text()),
        sa.Column("nationality", sa.Text()),
        sa.Column("ethnicity", sa.Text()),
        sa.Column("schooling", sa.Text()),
        sa.Column("living_situation", sa.Text()),
        sa.Column("disability", sa.Text(), nullable=False, server_default="unknown"),
        sa.Column("added_by", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False, server_default="1"),
        sa.CheckConstraint("role IN ('child', 'caller', 'carer')", name="role"),
        sa.CheckConstraint("gender IN ('female', 'male', 'other', 'unknown')", name="gender"),
        sa.CheckConstraint("age_known IN ('exact', 'about', 'unknown')", name="age_known"),
        sa.CheckConstraint("age BETWEEN -1 AND 120", name="age"),
        sa.CheckConstraint("disability IN ('yes', 'no', 'unknown')", name="disability"),
    )
    op.create_index(
        "ix_persons_phone_index", "persons", ["phone_index"], postgresql_where=sa.text("phone_index IS NOT NULL")
    )
    op.execute("ALTER TABLE persons ENABLE ROW LEVEL SECURITY")


def downgrade() -> None:
    op.drop_table("persons")
