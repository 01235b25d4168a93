"""What an import finds is kept in pieces, and an import knows who holds it.

Findings (rows not taken, values not understood, repeated lines) are without limit, so they stand in rows of their own.
"""

import sqlalchemy as sa
from alembic import op

from migrations.tools import protect, rotate

revision = "0020"
down_revision = "0019"

PART = "EXISTS (SELECT 1 FROM call_imports parent WHERE parent.id = import_id)"


def upgrade() -> None:
    op.add_column("call_imports", sa.Column("options_sealed", sa.LargeBinary()))
    op.add_column("call_imports", sa.Column("lease", sa.Uuid()))
    for name in ("by_command", "discarded"):
        op.add_column("call_imports", sa.Column(name, sa.Boolean(), nullable=False, server_default=sa.false()))
    op.create_table(
        "call_import_findings",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("record_key", sa.LargeBinary(), nullable=False),
        sa.Column("import_id", sa.Uuid(), sa.ForeignKey("call_imports.id", ondelete="CASCADE"), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("body_sealed", sa.LargeBinary()),
        sa.UniqueConstraint("import_id", "kind", "position"),
        sa.CheckConstraint("kind IN ('rejects', 'unknown', 'repeated')", name="kind"),
    )
    protect("call_import_findings", PART, web="SELECT, DELETE", worker="SELECT, INSERT, DELETE")
    rotate("call_import_findings")


def downgrade() -> None:
    op.drop_table("call_import_findings")
    for name in ("discarded", "by_command", "lease", "options_sealed"):
        op.drop_column("call_imports", name)
