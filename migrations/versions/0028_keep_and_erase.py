"""Retention rules, holds and reviews; erasure by destroying keys, in a role of its own, of what two people agreed."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql as pg

from migrations.tools import rotate, serve, shield

revision = "0028"
down_revision = "0027"

AT = sa.DateTime(timezone=True)
ROLE = "(SELECT app.actor() ->> 'r')"
ME = "(SELECT app.actor_id())"
NOW = "to_timestamp((SELECT (app.actor() ->> 'n')::double precision))"
DECIDES = f"{ROLE} IN ('supervisor', 'admin')"
OWN_CENTRE = "centre_id = (SELECT app.actor_centre())"
NOT_SHUT_OUT = " AND ".join(
    f"record_id <> ALL ((SELECT app.denied('{kind}'))::uuid[])" for kind in ("case", "call", "person")
)
KEPT = f"centre_id = ANY ((SELECT app.centres_of('retention'))::uuid[]) AND {NOT_SHUT_OUT}"
KINDS = "('call', 'case', 'person')"
WHY = "('rule', 'request')"

# As in 0027, and about a record: its supervisor asks, and whoever is shut out of it neither asks nor decides.
OF_RECORD = " OR ".join(
    f"EXISTS (SELECT 1 FROM {table} r WHERE r.id = record_id AND r.centre_id = approvals.centre_id AND r.erased_at IS NULL)"
    for table in ("cases", "calls", "persons")
)
ABOUT_PERSON = "EXISTS (SELECT 1 FROM users u WHERE u.id = subject_id AND u.centre_id = approvals.centre_id)"
_ASKED = f"""requested_by = {ME} AND {DECIDES} AND {OWN_CENTRE}
    AND (kind <> 'admin_role' OR {ROLE} = 'admin')
    AND num_nonnulls(decision, stopped_at, spent_at, not_before) = 0
    AND abs(extract(epoch FROM requested_at - {NOW})) < 1
    AND (kind <> 'bulk_export' OR {ROLE} = 'supervisor')
    AND """
ASKED_BEFORE = f"{_ASKED}(subject_id IS NULL OR {ABOUT_PERSON})"
ASKED = f"""{_ASKED}CASE kind WHEN 'bulk_export' THEN (SELECT app.kept('export:bulk'))
        WHEN 'erasure' THEN {ROLE} = 'supervisor' AND (SELECT app.kept('retention:review'))
            AND NOT app.held(record_id) AND ({OF_RECORD})
        ELSE {ABOUT_PERSON} END"""
_MOVED = f"""CASE WHEN stopped_at IS NOT NULL THEN stopped_by = {ME} AND (subject_id = {ME} OR {DECIDES})
    ELSE decided_by = {ME} AND requested_by <> {ME} AND subject_id IS DISTINCT FROM {ME} AND {DECIDES}
        AND expires_at > {NOW} AND abs(extract(epoch FROM decided_at - {NOW})) < 1"""
MOVED_BEFORE = f"{_MOVED} END"
MOVED = f"{_MOVED} AND (record_id IS NULL OR {NOT_SHUT_OUT}) END"

ABOUT_BEFORE = "(subject_id IS NULL) = (kind = 'bulk_export')"
ABOUT = "num_nonnulls(subject_id, record_id) = CASE kind WHEN 'bulk_export' THEN 0 ELSE 1 END"

HELD = """
CREATE FUNCTION app.held(wanted uuid) RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, public AS $$
    SELECT app.actor() IS NOT NULL
        AND EXISTS (SELECT 1 FROM legal_holds WHERE record_id = wanted AND lifted_at IS NULL) $$;
"""
CARRY_OUT = """
CREATE OR REPLACE FUNCTION app.carry_out(wanted uuid) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, app, public AS $$
DECLARE
    a jsonb := app.actor();
    at timestamptz := to_timestamp((a ->> 'n')::double precision);
    it approvals;
BEGIN
    SELECT * INTO it FROM approvals WHERE id = wanted FOR UPDATE;
    IF a IS NULL OR it.decision IS DISTINCT FROM 'approved' OR it.stopped_at IS NOT NULL OR it.spent_at IS NOT NULL
        OR it.not_before - interval '1 millisecond' > at THEN RETURN false; END IF;
    CASE it.kind
        WHEN 'admin_role' THEN
            IF it.decided_by <> (a ->> 'u')::uuid THEN RETURN false; END IF;
            UPDATE users SET role = 'admin', version = version + 1, deactivated_at = NULL,
                status = CASE status WHEN 'deactivated' THEN 'invited' ELSE status END
            WHERE id = it.subject_id AND role <> 'admin' AND (status <> 'deactivated' OR it.detail ? 'invitation');
            IF NOT FOUND THEN RETURN false; END IF;
        WHEN 'factor_reset' THEN
            IF a ->> 'r' <> 'keeper' THEN RETURN false; END IF;
            DELETE FROM factors WHERE user_id = it.subject_id;
            DELETE FROM recovery_codes WHERE user_id = it.subject_id;
            UPDATE user_sessions SET ended_at = at WHERE user_id = it.subject_id AND ended_at IS NULL;
        WHEN 'bulk_export' THEN
            IF it.requested_by <> (a ->> 'u')::uuid OR it.decided_at + interval '7 days' < at THEN RETURN false; END IF;
{erasure}    END CASE;
    UPDATE approvals SET spent_at = at WHERE id = wanted;
    RETURN true;
END $$;
"""
# The words of why somebody asked may name the child: they go with the record.
ERASURE = """        WHEN 'erasure' THEN
            IF a ->> 'r' <> 'eraser' OR app.held(it.record_id) OR it.decided_at < at - interval '7 days'
            THEN RETURN false; END IF;
            UPDATE approvals SET reason_sealed = NULL WHERE id = wanted;
            INSERT INTO erasures (id, centre_id, record_kind, record_id, why, erased_at)
            VALUES (it.id, it.centre_id, it.detail ->> 'kind', it.record_id, it.detail ->> 'why', at);
"""
GUARD = """
-- Erased stays erased. What is erased is so by the eraser alone, while an erasure of that centre is under way, which
-- comes from app.carry_out or from the owner; and never what is held.
CREATE FUNCTION app.keep_erased() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public AS $$
BEGIN
    IF pg_has_role(current_user, 'helpline_owner', 'MEMBER') THEN RETURN NEW; END IF;
    IF current_user = 'helpline_eraser' AND NOT app.held(NEW.id)
        AND EXISTS (SELECT 1 FROM erasures e WHERE e.centre_id = NEW.centre_id AND e.finished_at IS NULL)
    THEN RETURN NEW; END IF;
    RAISE EXCEPTION 'what is erased stays erased, and is so by two people' USING ERRCODE = 'insufficient_privilege';
END $$;
"""
ROOTS = ("calls", "cases", "persons")
# What the eraser reads and writes of each table: ids, dates and links; keys, and what is blanked with them.
READS = {
    "calls": "id, centre_id, started_at, caller_person_id, erased_at",
    "call_children": "call_id, person_id",
    "cases": "id, centre_id, call_id, child_person_id, status, closed_at, erased_at",
    "persons": "id, centre_id, canonical_person_id, erased_at",
    "call_versions": "id, call_id",
    "call_drafts": "id, centre_id, saved_at",
    "case_notes": "id, case_id",
    "case_closings": "id, case_id",
    "glass_overrides": "id, case_id",
    "followups": "id, case_id",
    "referral_asks": "id, case_id, referral_id",
    "disclosures": "id, case_id",
    "exports": "id, case_ids, gone_at",
    "legal_holds": "id, record_id, lifted_at",
    "retention_reviews": "id, centre_id, record_kind, record_id, keep_until",
    "retention_rules": "centre_id, kind, months",
    "retention_sweeps": "centre_id, kind, after_at, after_id, swept_at",
    "erasures": "id, centre_id, record_id, finished_at",
    "grants": "id, record_id, effect, ended_at",
    "messages": "id, centre_id, params, state, created_at",
    "call_imports": "id, centre_id, state, created_at, record_key",
    "call_import_chunks": "import_id",
    "call_import_rows": "import_id",
    "call_import_findings": "import_id",
    "user_sessions": "id, user_id, created_at, ended_at",
    "users": "id, centre_id",
    "centres": "id",
}
WRITES = {
    "calls": "record_key, narrative_sealed, original_sealed, risk_override_sealed, void_reason_sealed, place_id,"
    " risk_reasons, danger, body_digest, erased_at, erased_why",
    "cases": "record_key, summary_sealed, consent_why_sealed, place_id, child_age, risk_reasons, body_index,"
    " erased_at, erased_why",
    "persons": "record_key, name_sealed, phone_sealed, phone_index, background_sealed, age, age_known, gender, language,"
    " disability, erased_at, erased_why",
    "call_versions": "record_key, snapshot_sealed",
    "call_drafts": "record_key, body_sealed",
    "case_notes": "record_key, body_sealed, body_index",
    "case_closings": "record_key, reason_sealed",
    "glass_overrides": "record_key, reason_sealed, note_sealed",
    "followups": "record_key, task_sealed, note_sealed, reason_sealed",
    "referral_asks": "record_key, decline_note_sealed",
    "disclosures": "record_key, recipient_sealed, what_sealed",
    "exports": "record_key, body_index, body_sealed, reason_sealed, recipient_sealed, gone_at",
    "legal_holds": "record_key, reason_sealed",
    "retention_reviews": "keep_until",
    "retention_sweeps": "after_at, after_id, swept_at",
    "erasures": "finished_at, counts, master_version",
    "grants": "ended_at",
    "call_imports": "record_key, file_name_sealed, headers_sealed, report_sealed, options_sealed",
}
ADDS = ("retention_reviews", "retention_sweeps")
DELETES = (
    "retention_reviews", "messages", "call_drafts", "call_import_chunks", "call_import_rows", "call_import_findings",
    "user_sessions",
)  # fmt: skip


VERBS = {"INSERT": ADDS, "DELETE": DELETES}
NOTES = {  # what it notes and tells, and of which rows that is true
    "approvals": ("SELECT (*)", "true"), "audit_entries": ("INSERT", f"actor_id = {ME}"),
    "outbox_events": ("INSERT", "name IN ('retention.record_erased', 'accounts.approval_moved')"),
    "erasure_ledger_states": ("SELECT, INSERT, UPDATE", "true"),
}  # fmt: skip
TOLD = (
    ("    WHEN 'accounts' THEN\n", """    WHEN 'retention' THEN
        done := EXISTS (SELECT 1 FROM erasures r
            WHERE r.id = (told ->> 'erasure_id')::uuid AND r.centre_id = centre AND r.xmin = mine);
    WHEN 'accounts' THEN\n"""),
)  # fmt: skip


def upgrade() -> None:
    _mark_records()
    _make_tables()
    op.execute(HELD)
    op.execute("REVOKE EXECUTE ON FUNCTION app.held(uuid) FROM PUBLIC")
    op.execute("GRANT EXECUTE ON FUNCTION app.held(uuid) TO helpline_web, helpline_eraser")
    _widen_approvals()
    # Who reads all that is open of a row reads these too.
    op.execute("GRANT SELECT (erased_at, erased_why) ON cases TO helpline_router, helpline_reminder")
    op.execute("GRANT SELECT (record_id) ON approvals TO helpline_keeper")
    op.execute(CARRY_OUT.format(erasure=ERASURE))
    op.execute(GUARD)
    for table in ROOTS:
        op.execute(
            f"CREATE TRIGGER {table}_erased BEFORE UPDATE ON {table} FOR EACH ROW"
            " WHEN (OLD.erased_at IS NOT NULL OR NEW.erased_at IS NOT NULL) EXECUTE FUNCTION app.keep_erased()"
        )
    op.execute("GRANT USAGE ON SCHEMA app TO helpline_eraser")
    op.execute("GRANT EXECUTE ON FUNCTION app.carry_out(uuid) TO helpline_eraser")
    for table, columns in READS.items():
        privileges = [f"SELECT ({columns})", *(verb for verb, tables in VERBS.items() if table in tables)]
        serve(table, "eraser", ", ".join(privileges + ([f"UPDATE ({WRITES[table]})"] if table in WRITES else [])))
    for table, (privileges, written) in NOTES.items():
        serve(table, "eraser", privileges, written=written)
    _tell(TOLD)


def _tell(changes: tuple[tuple[str, str], ...]) -> None:
    """Events are of what was done: an approval about a record names nobody, and an erasure is told of too."""
    text = op.get_bind().scalar(sa.text("SELECT pg_get_functiondef('app.refuse_rumour()'::regprocedure)"))
    for before, after in changes:
        text = text.replace(before, after)
    op.get_bind().exec_driver_sql(text.replace("%", "%%"))


def _kept(permission: str) -> str:
    return f"(SELECT app.kept('{permission}'))"


def _mark_records() -> None:
    for table in ROOTS:
        op.add_column(table, sa.Column("erased_at", AT))
        op.add_column(table, sa.Column("erased_why", sa.Text()))
        op.create_check_constraint("erased_why", table, f"erased_why IN {WHY}")
        op.create_check_constraint("erased_whole", table, "(erased_at IS NULL) = (erased_why IS NULL)")
    op.create_index(
        "ix_cases_closed", "cases", ["centre_id", "closed_at", "id"],
        postgresql_where=sa.text("closed_at IS NOT NULL AND erased_at IS NULL"),
    )  # fmt: skip


def _centre() -> sa.Column[sa.Uuid]:
    return sa.Column("centre_id", sa.Uuid(), sa.ForeignKey("centres.id"), nullable=False)


def _record() -> tuple[sa.Column[sa.Uuid], ...]:
    return (
        sa.Column("id", sa.Uuid(), primary_key=True), _centre(), sa.Column("record_kind", sa.Text(), nullable=False),
        sa.Column("record_id", sa.Uuid(), nullable=False),
    )  # fmt: skip


def _make_tables() -> None:
    op.create_table(
        "retention_rules",
        sa.Column("centre_id", sa.Uuid(), sa.ForeignKey("centres.id"), primary_key=True),
        sa.Column("kind", sa.Text(), primary_key=True),
        sa.Column("months", sa.Integer(), nullable=False),
        sa.Column("changed_by", sa.Uuid(), sa.ForeignKey("users.id"), nullable=False),
        sa.Column("changed_at", AT, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False, server_default="1"),
        sa.CheckConstraint("kind IN ('call', 'case', 'draft', 'import_file', 'message', 'session')", name="kind"),
        sa.CheckConstraint("months BETWEEN 1 AND 1200", name="months"),
    )
    op.create_table(
        "retention_sweeps",
        sa.Column("centre_id", sa.Uuid(), sa.ForeignKey("centres.id"), primary_key=True),
        sa.Column("kind", sa.Text(), primary_key=True),
        sa.Column("after_at", AT),
        sa.Column("after_id", sa.Uuid()),
        sa.Column("swept_at", AT),
        sa.CheckConstraint("kind IN ('call', 'case')", name="kind"),
    )
    op.create_table(
        "legal_holds", *_record(),
        sa.Column("record_key", sa.LargeBinary(), nullable=False),
        sa.Column("reason_sealed", sa.LargeBinary()),
        sa.Column("set_by", sa.Uuid(), sa.ForeignKey("users.id"), nullable=False),
        sa.Column("set_at", AT, nullable=False),
        sa.Column("lifted_by", sa.Uuid(), sa.ForeignKey("users.id")),
        sa.Column("lifted_at", AT),
        sa.CheckConstraint(f"record_kind IN {KINDS}", name="record_kind"),
        sa.CheckConstraint("num_nulls(lifted_by, lifted_at) IN (0, 2)", name="lifted_whole"),
    )  # fmt: skip
    op.create_index("ix_legal_holds_centre_id", "legal_holds", ["centre_id", "set_at", "id"])
    op.create_index(
        "uq_legal_holds_record_id", "legal_holds", ["record_id"], unique=True,
        postgresql_where=sa.text("lifted_at IS NULL"),
    )  # fmt: skip
    op.create_table(
        "retention_reviews", *_record(),
        sa.Column("record_key", sa.LargeBinary(), nullable=False),
        sa.Column("began_at", AT, nullable=False),
        sa.Column("keep_until", AT),
        sa.Column("reason_sealed", sa.LargeBinary()),
        sa.Column("decided_by", sa.Uuid(), sa.ForeignKey("users.id")),
        sa.Column("decided_at", AT),
        sa.UniqueConstraint("record_id"),
        sa.CheckConstraint("record_kind IN ('call', 'case')", name="record_kind"),
        sa.CheckConstraint("num_nulls(decided_by, decided_at) IN (0, 2)", name="decided_whole"),
        sa.CheckConstraint("keep_until IS NULL OR decided_at IS NOT NULL", name="kept_whole"),
    )  # fmt: skip
    op.create_index(
        "ix_retention_reviews_due", "retention_reviews", ["centre_id", "began_at", "id"],
        postgresql_where=sa.text("keep_until IS NULL"),
    )  # fmt: skip
    op.create_table(
        "erasures", *_record(),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("erased_at", AT, nullable=False),
        sa.Column("master_version", sa.Integer()),
        sa.Column("counts", pg.JSONB(), nullable=False, server_default="{}"),
        sa.Column("finished_at", AT),
        sa.CheckConstraint(f"record_kind IN {KINDS}", name="record_kind"),
        sa.CheckConstraint(f"why IN {WHY}", name="why"),
    )  # fmt: skip
    op.create_index("ix_erasures_centre_id", "erasures", ["centre_id", "erased_at", "id"])
    op.create_table(
        "erasure_ledger_states",
        sa.Column("one", sa.Boolean(), primary_key=True, server_default=sa.true()),
        sa.Column("entries", sa.Integer(), nullable=False),
        sa.Column("unknown_here", sa.Integer(), nullable=False),
        sa.Column("unknown_there", sa.Integer(), nullable=False),
        sa.Column("problem", sa.Text()),
        sa.Column("checked_at", AT, nullable=False),
        sa.CheckConstraint("one", name="one"),
        sa.CheckConstraint("problem IN ('missing', 'damaged')", name="problem"),
    )
    shield(
        "retention_rules",
        "centre_id = ANY ((SELECT app.centres_of('retention'))::uuid[])",
        web="SELECT, INSERT",
    )
    op.execute("GRANT UPDATE (months, changed_by, changed_at, version) ON retention_rules TO helpline_web")
    shield("legal_holds", KEPT, web="SELECT, INSERT")
    op.execute("GRANT UPDATE (lifted_by, lifted_at) ON legal_holds TO helpline_web")
    shield("retention_reviews", KEPT, web="SELECT")
    op.execute("GRANT UPDATE (keep_until, reason_sealed, decided_by, decided_at) ON retention_reviews TO helpline_web")
    shield("erasures", KEPT, web="SELECT")
    shield(
        "erasure_ledger_states",
        "(SELECT app.actor() -> 's' ? 'retention')",
        web="SELECT",
    )
    # When an older master key went is told where it says from when on an erasure holds in backups too; no key is in it.
    op.execute(
        "CREATE POLICY key_rotations_told ON key_rotations FOR SELECT TO helpline_web"
        " USING ((SELECT app.actor() -> 's' ? 'retention'))"
    )
    op.execute("ALTER TABLE retention_sweeps ENABLE ROW LEVEL SECURITY")
    sets = f"set_by = {ME} AND {ROLE} = 'supervisor' AND {OWN_CENTRE} AND lifted_at IS NULL AND {_kept('hold:set')}"
    reviews = f"decided_by = {ME} AND {ROLE} = 'supervisor' AND {_kept('retention:review')}"
    rules = f"changed_by = {ME} AND {ROLE} = 'admin' AND {OWN_CENTRE} AND {_kept('retention:edit')}"
    for table, command, rule in (
        ("retention_rules", "INSERT", rules), ("retention_rules", "UPDATE", rules), ("legal_holds", "INSERT", sets),
        ("legal_holds", "UPDATE", f"lifted_by = {ME} AND {ROLE} = 'supervisor' AND {_kept('hold:set')}"), ("retention_reviews", "UPDATE", reviews),
    ):  # fmt: skip
        using = " USING (true)" if command == "UPDATE" else ""
        op.execute(
            f"CREATE POLICY {table}_{command.lower()}_narrowed ON {table} AS RESTRICTIVE FOR {command} TO helpline_web"
            f"{using} WITH CHECK ({rule})"
        )
    rotate("legal_holds")
    rotate("retention_reviews")


def _approve(kinds: str, about: str) -> None:
    """What may be asked for, and about what."""
    op.execute(
        "ALTER TABLE approvals DROP CONSTRAINT ck_approvals_kind; ALTER TABLE approvals DROP CONSTRAINT ck_approvals_about"
    )
    op.create_check_constraint("kind", "approvals", f"kind IN ({kinds})")
    op.create_check_constraint("about", "approvals", about)


def _widen_approvals() -> None:
    op.add_column("approvals", sa.Column("record_id", sa.Uuid()))
    _approve("'admin_role', 'factor_reset', 'bulk_export', 'erasure'", ABOUT)
    op.create_check_constraint("about_record", "approvals", "(kind = 'erasure') = (record_id IS NOT NULL)")
    op.create_index(
        "ix_approvals_record_id", "approvals", ["record_id"], postgresql_where=sa.text("record_id IS NOT NULL")
    )
    op.execute(f"ALTER POLICY approvals_insert_narrowed ON approvals WITH CHECK ({ASKED})")
    op.execute(f"ALTER POLICY approvals_update_narrowed ON approvals WITH CHECK ({MOVED})")


def downgrade() -> None:
    """What was erased stays so; that it was is forgotten with the ledger's table."""
    op.execute(CARRY_OUT.format(erasure=""))
    for table in ROOTS:
        op.execute(f"DROP TRIGGER {table}_erased ON {table}")
    op.execute("DROP FUNCTION app.keep_erased()")
    op.execute(f"ALTER POLICY approvals_insert_narrowed ON approvals WITH CHECK ({ASKED_BEFORE})")
    op.execute(f"ALTER POLICY approvals_update_narrowed ON approvals WITH CHECK ({MOVED_BEFORE})")
    op.execute("DELETE FROM approvals WHERE kind = 'erasure'")
    op.execute("DROP INDEX ix_approvals_record_id")
    op.execute("ALTER TABLE approvals DROP CONSTRAINT ck_approvals_about_record")
    _approve("'admin_role', 'factor_reset', 'bulk_export'", ABOUT_BEFORE)
    op.drop_column("approvals", "record_id")
    for table in (*READS, *NOTES):
        op.execute(f"DROP POLICY {table}_by_eraser ON {table}")
        op.execute(f"REVOKE ALL ON {table} FROM helpline_eraser")
    op.execute("REVOKE EXECUTE ON FUNCTION app.carry_out(uuid) FROM helpline_eraser")
    op.execute("REVOKE USAGE ON SCHEMA app FROM helpline_eraser")
    _tell(tuple((after, before) for before, after in TOLD))
    op.execute("DROP POLICY key_rotations_told ON key_rotations")
    for name in (
        "erasure_ledger_states",
        "erasures",
        "retention_reviews",
        "legal_holds",
        "retention_sweeps",
        "retention_rules",
    ):
        op.drop_table(name)
    op.execute("DROP FUNCTION app.held(uuid)")
    op.drop_index("ix_cases_closed", "cases")
    for table in ROOTS:
        op.drop_column(table, "erased_why")
        op.drop_column(table, "erased_at")
