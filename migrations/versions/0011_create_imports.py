"""Imports of old call logs."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql as pg

from migrations.tools import protect

revision = "0011"
down_revision = "0010"

AT = sa.DateTime(timezone=True)
CENTRE = "centre_id = ANY ((SELECT app.centres_of('import'))::uuid[])"
PART = "EXISTS (SELECT 1 FROM call_imports parent WHERE parent.id = import_id)"


def _count(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer(), nullable=False, server_default="0")


def _import_id() -> sa.Column[sa.Uuid]:
    return sa.Column("import_id", sa.Uuid(), sa.ForeignKey("call_imports.id", ondelete="CASCADE"), nullable=False)


def upgrade() -> None:
    op.create_table(
        "call_imports",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("record_key", sa.LargeBinary(), nullable=False),
        sa.Column("centre_id", sa.Uuid(), sa.ForeignKey("centres.id"), nullable=False),
        sa.Column("requested_by", sa.Uuid(), sa.ForeignKey("users.id"), nullable=False),
        sa.Column("created_at", AT, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("file_name_sealed", sa.LargeBinary()),
        sa.Column("headers_sealed", sa.LargeBinary()),
        sa.Column("report_sealed", sa.LargeBinary()),
        sa.Column("size_bytes", sa.Integer(), nullable=False),
        sa.Column("encoding", sa.Text(), nullable=False),
        sa.Column("mapping", pg.JSONB()),
        *map(_count, ("rows_total", "rows_read", "rows_rejected", "rows_repeated", "rows_known", "calls_added")),
        sa.Column("error_code", sa.Text()),
        sa.Column("leased_until", AT),
        sa.Column("finished_at", AT),
        sa.Column("version", sa.Integer(), nullable=False, server_default="1"),
        sa.CheckConstraint("state IN ('uploaded', 'checking', 'checked', 'importing', 'done', 'failed')", name="state"),
    )
    op.create_index("ix_call_imports_centre_id", "call_imports", ["centre_id", "created_at", "id"])
    op.create_table(
        "call_import_chunks",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("record_key", sa.LargeBinary(), nullable=False),
        _import_id(),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("body_sealed", sa.LargeBinary()),
        sa.UniqueConstraint("import_id", "position"),
    )
    op.create_table(
        "call_import_rows",
        _import_id(),
        sa.Column("line", sa.Integer(), nullable=False),
        sa.Column("call_id", sa.Uuid(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("occurrence", sa.Integer(), nullable=False),
        sa.Column("body", pg.JSONB(), nullable=False),
        sa.Column("call_key", sa.LargeBinary(), nullable=False),
        sa.Column("original", sa.LargeBinary(), nullable=False),
        sa.Column("narrative", sa.LargeBinary()),
        sa.Column("child_id", sa.Uuid()),
        sa.Column("child_key", sa.LargeBinary()),
        sa.Column("child_name", sa.LargeBinary()),
        sa.Column("caller_id", sa.Uuid()),
        sa.Column("caller_key", sa.LargeBinary()),
        sa.Column("caller_name", sa.LargeBinary()),
        sa.Column("caller_phone", sa.LargeBinary()),
        sa.Column("caller_phone_index", sa.LargeBinary()),
        sa.PrimaryKeyConstraint("import_id", "line"),
    )
    op.create_table(
        "call_identities",
        sa.Column("centre_id", sa.Uuid(), primary_key=True),
        sa.Column("digest", sa.LargeBinary(), primary_key=True),
        sa.Column("occurrence", sa.Integer(), primary_key=True),
        sa.Column("call_id", sa.Uuid(), sa.ForeignKey("calls.id"), nullable=False),
    )
    op.create_table(
        "call_import_mappings",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("centre_id", sa.Uuid(), sa.ForeignKey("centres.id"), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("document", pg.JSONB(), nullable=False),
        sa.Column("saved_at", AT, nullable=False),
        sa.Column("saved_by", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False, server_default="1"),
        sa.UniqueConstraint("centre_id", "name"),
    )
    everything = "SELECT, INSERT, UPDATE, DELETE"
    for table in ("call_imports", "call_import_mappings"):
        protect(table, CENTRE, web=everything, worker=everything)
    protect("call_identities", CENTRE, web="", worker="SELECT, INSERT")
    for table in ("call_import_chunks", "call_import_rows"):
        protect(table, PART, web=everything, worker=everything)


def downgrade() -> None:
    for name in ("call_import_mappings", "call_identities", "call_import_rows", "call_import_chunks", "call_imports"):
        op.drop_table(name)
