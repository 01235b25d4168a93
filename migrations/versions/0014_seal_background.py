"""What is told of a person's background is sealed; a language is a code.

Nationality, ethnic group, schooling and living situation were short lines that anything could stand in.
"""

import re
from uuid import UUID

import sqlalchemy as sa
from alembic import op

from helpline.foundation.crypto.records import seal, unseal

revision = "0014"
down_revision = "0013"

LINES = ("nationality", "ethnicity", "schooling", "living_situation")
LANGUAGE = "^[a-z]{2,3}$"


def upgrade() -> None:
    op.add_column("persons", sa.Column("background_sealed", sa.LargeBinary()))
    op.add_column("call_import_rows", sa.Column("child_background", sa.LargeBinary()))
    connection = op.get_bind()
    told = connection.execute(
        sa.text(
            f"SELECT id, record_key, language, {', '.join(LINES)} FROM persons"
            f" WHERE num_nonnulls({', '.join(LINES)}) > 0 OR language !~ :code"
        ),
        {"code": LANGUAGE},
    )
    for row in told.mappings().all():
        known = {name: row[name] for name in LINES if row[name]}
        if row["language"] and not re.match(LANGUAGE, row["language"]):
            known["language"] = row["language"]  # kept, though nothing asks for it
        sealed = seal("persons", "background_sealed", UUID(str(row["id"])), row["record_key"], known) if known else None
        connection.execute(
            sa.text("UPDATE persons SET background_sealed = :sealed WHERE id = :id"),
            {"sealed": sealed, "id": row["id"]},
        )
    op.execute(f"UPDATE persons SET language = NULL WHERE language !~ '{LANGUAGE}'")
    op.create_check_constraint("language", "persons", f"language ~ '{LANGUAGE}'")
    for name in LINES:
        op.drop_column("persons", name)


def downgrade() -> None:
    op.drop_constraint("ck_persons_language", "persons")
    for name in LINES:
        op.add_column("persons", sa.Column(name, sa.Text()))
    connection = op.get_bind()
    told = connection.execute(
        sa.text("SELECT id, record_key, background_sealed FROM persons WHERE background_sealed IS NOT NULL")
    )
    for row in told.mappings().all():
        known = unseal(
            "persons", "background_sealed", UUID(str(row["id"])), row["record_key"], row["background_sealed"]
        )
        changes = ", ".join(f"{name} = :{name}" for name in known)
        connection.execute(sa.text(f"UPDATE persons SET {changes} WHERE id = :id"), {**known, "id": row["id"]})
    op.drop_column("call_import_rows", "child_background")
    op.drop_column("persons", "background_sealed")
