"""Registers: exports, what was disclosed by hand, demands of authorities, breaches; and bulk exports by two people."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql as pg

from migrations.tools import part_of, rotate, serve, shield, visible

revision = "0027"
down_revision = "0026"

AT = sa.DateTime(timezone=True)
ROLE = "(SELECT app.actor() ->> 'r')"
ME = "(SELECT app.actor_id())"
NOW = "to_timestamp((SELECT (app.actor() ->> 'n')::double precision))"
RUNS = f"{ROLE} IN ('supervisor', 'admin')"
NOT_DENIED = "NOT case_ids && (SELECT app.denied('case'))::uuid[]"

EXPORTS = f"({visible('export', team='team_id')}) AND {NOT_DENIED}"
DISCLOSURES = f"{part_of('cases', 'case', 'case_id')} AND {ROLE} <> 'partner'"
DEMANDS = f"centre_id = ANY ((SELECT app.centres_of('demand'))::uuid[]) AND {NOT_DENIED}"
BREACHES = "centre_id = ANY ((SELECT app.centres_of('breach'))::uuid[])"

# Who makes an export signs it. A bulk export rests on an approval of theirs that was just used up by it; what is gone is
# gone, and only who made it downloads it.
EXPORT_MADE = f"""requested_by = {ME} AND {ROLE} IN ('team_supervisor', 'supervisor') AND gone_at IS NULL
    AND (SELECT app.kept('export:make')) AND (kind = 'subject' AND case_ids <> '{{}}' OR EXISTS (
        SELECT 1 FROM approvals a WHERE a.id = exports.id AND a.kind = 'bulk_export' AND a.spent_at IS NOT NULL
            AND a.requested_by = {ME}))"""
EXPORT_GOES = f"gone_at IS NOT NULL AND requested_by = {ME}"
EXPORT_EXPIRES = "gone_at IS NOT NULL AND downloaded_at IS NULL"
DISCLOSURE_MADE = f"recorded_by = {ME} AND {ROLE} IN ('operator', 'caseworker', 'team_supervisor', 'supervisor') AND (SELECT app.kept('disclosure:record'))"
DEMAND_MADE = f"recorded_by = {ME} AND {RUNS} AND (SELECT app.kept('demand:record'))"
KEEPS_LOG = f"{RUNS} AND (SELECT app.kept('breach:record'))"
BREACH_MADE = f"opened_by = {ME} AND {KEEPS_LOG} AND num_nonnulls(authority_told_at, subjects_told_at, closed_at) = 0"
ENTRY_MADE = f"""recorded_by = {ME} AND {KEEPS_LOG} AND EXISTS (
    SELECT 1 FROM breaches b WHERE b.id = breach_id AND b.centre_id = breach_entries.centre_id)"""

OLD_ASKED = f"""requested_by = {ME} AND {RUNS} AND centre_id = (SELECT app.actor_centre())
    AND (kind <> 'admin_role' OR {ROLE} = 'admin')
    AND num_nonnulls(decision, stopped_at, spent_at, not_before) = 0
    AND abs(extract(epoch FROM requested_at - {NOW})) < 1
    AND EXISTS (SELECT 1 FROM users u WHERE u.id = subject_id AND u.centre_id = approvals.centre_id)"""
OLD_MOVED = f"""CASE WHEN stopped_at IS NOT NULL THEN stopped_by = {ME} AND (subject_id = {ME} OR {RUNS})
    ELSE decided_by = {ME} AND requested_by <> {ME} AND subject_id <> {ME} AND {RUNS} AND expires_at > {NOW}
        AND abs(extract(epoch FROM decided_at - {NOW})) < 1 END"""
# Who takes out records in bulk is who counts them; it is about nobody of the staff.
ASKED = OLD_ASKED.replace(
    "AND EXISTS (SELECT 1 FROM users u", f"AND (kind <> 'bulk_export' OR {ROLE} = 'supervisor')\n    AND (subject_id IS NULL OR EXISTS (SELECT 1 FROM users u"
) + ")"  # fmt: skip
MOVED = OLD_MOVED.replace(f"subject_id <> {ME}", f"subject_id IS DISTINCT FROM {ME}")

OLD_CARRY_OUT = """
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
    END CASE;
    UPDATE approvals SET spent_at = at WHERE id = wanted;
    RETURN true;
END $$;
"""
# Whoever asked makes the file, once, within a week: here the approval is used up, nothing else.
CARRY_OUT = OLD_CARRY_OUT.replace(
    "    END CASE;",
    """        WHEN 'bulk_export' THEN
            IF it.requested_by <> (a ->> 'u')::uuid OR it.decided_at + interval '7 days' < at THEN RETURN false; END IF;
    END CASE;""",
)

FUNCTIONS = """
-- Every case of the child of this one that the actor reaches, or whose disclosures they may read; nothing unless this
-- one is among them. A child whom two calls told of is one child where somebody has said so.
CREATE FUNCTION app.cases_of_child(wanted uuid) RETURNS uuid[] LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, app, public AS $$
    WITH who AS MATERIALIZED (
        SELECT app.centres_of('case') || app.centres_of('disclosure') AS centres, app.teams_of('case') AS teams,
            app.self_of('case') AS me, app.granted('case') AS granted, app.denied('case') AS denied
        WHERE app.actor() ->> 'r' IN ('operator', 'caseworker', 'team_supervisor', 'supervisor', 'auditor')),
    child AS (
        SELECT coalesce(p.canonical_person_id, p.id) AS id
        FROM cases c JOIN persons p ON p.id = c.child_person_id WHERE c.id = wanted),
    found AS (
        SELECT c.id FROM child JOIN persons p ON p.id = child.id OR p.canonical_person_id = child.id
            JOIN cases c ON c.child_person_id = p.id, who
        WHERE (c.centre_id = ANY (who.centres) OR c.team_id = ANY (who.teams) OR c.opened_by = who.me
               OR c.id = ANY (who.granted)) AND c.id <> ALL (who.denied))
    SELECT coalesce((SELECT array_agg(id) FROM found HAVING wanted = ANY (array_agg(id))), '{}') $$;

-- What left the house about the child of this case: codes, times and agencies' names, never a word that somebody wrote.
CREATE FUNCTION app.disclosures_of(wanted uuid) RETURNS TABLE (case_id uuid, case_code text, at timestamptz, kind text,
    source_id uuid, names jsonb, field_groups text[], details jsonb)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, app, public AS $$
    WITH reached AS MATERIALIZED (
        SELECT c.id, c.code, c.consent FROM cases c WHERE c.id = ANY (app.cases_of_child(wanted))),
    asks AS MATERIALIZED (
        SELECT k.id, k.case_id, r.code, k.referral_id, k.asked_at, a.names,
            jsonb_build_object('service', f.service, 'state', k.state, 'by_hand', k.by_hand,
                'consent', r.consent - 'withhold') AS told
        FROM reached r JOIN referral_asks k ON k.case_id = r.id JOIN referrals f ON f.id = k.referral_id
            JOIN agencies a ON a.id = k.agency_id)
    SELECT k.case_id, k.code, k.asked_at, 'asked', k.id, k.names, '{}'::text[], k.told FROM asks k
    UNION ALL
    SELECT k.case_id, k.code, m.sent_at, 'mail', k.id, k.names, '{}'::text[], jsonb_build_object('template', m.template)
    FROM asks k JOIN messages m ON m.dedupe_key = 'referral_asked:' || k.id::text AND m.channel = 'mail'
    WHERE m.sent_at IS NOT NULL
    UNION ALL
    SELECT k.case_id, k.code, e.at, 'opened', k.id, k.names, e.field_groups, k.told
    FROM asks k JOIN audit_entries e ON e.subject_ids @> ARRAY[k.referral_id] AND e.action = 'referral.opened'
    WHERE e.details ->> 'ask_id' = k.id::text
    UNION ALL
    SELECT d.case_id, r.code, d.given_at, 'by_hand', d.id, NULL, d.field_groups,
        jsonb_build_object('recipient', d.recipient_kind, 'means', d.means, 'basis', d.basis)
    FROM reached r JOIN disclosures d ON d.case_id = r.id
    WHERE NOT EXISTS (SELECT 1 FROM disclosures c WHERE c.corrects_id = d.id)
    UNION ALL
    SELECT r.id, r.code, x.downloaded_at, 'export', x.id, NULL, x.field_groups,
        jsonb_build_object('recipient', x.recipient, 'means', 'file', 'basis', 'subject_request')
    FROM reached r JOIN exports x ON x.case_ids @> ARRAY[r.id] AND x.downloaded_at IS NOT NULL
    UNION ALL
    SELECT r.id, r.code, d.received_at, 'demand', d.id, NULL, '{}'::text[],
        jsonb_build_object('authority', d.authority, 'demand_basis', d.basis, 'outcome', d.outcome,
            'told', d.subjects_told)
    FROM reached r JOIN compelled_disclosures d ON d.case_ids @> ARRAY[r.id]
    WHERE NOT EXISTS (SELECT 1 FROM compelled_disclosures c WHERE c.corrects_id = d.id) $$;

-- Who read what of the child of this case: roles and kinds, no names. For whoever gives the child what is held of them.
CREATE FUNCTION app.readings_of(wanted uuid) RETURNS TABLE (at timestamptz, actor_role text, record text,
    field_groups text[]) LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, app, public AS $$
    WITH reached AS MATERIALIZED (
        SELECT c.id, c.call_id, c.child_person_id FROM cases c
        WHERE app.actor() -> 's' ? 'export' AND app.actor() ->> 'r' IN ('team_supervisor', 'supervisor')
          AND c.id = ANY (app.cases_of_child(wanted))),
    held AS MATERIALIZED (
        SELECT array_agg(x.id) AS ids FROM (
            SELECT id FROM reached UNION SELECT child_person_id FROM reached UNION SELECT call_id FROM reached
            UNION SELECT r.id FROM referrals r JOIN reached ON reached.id = r.case_id
            UNION SELECT f.id FROM followups f JOIN reached ON reached.id = f.case_id) x)
    SELECT e.at, e.actor_role, e.subject_kind, e.field_groups FROM audit_entries e
    WHERE e.subject_ids && (SELECT ids FROM held) AND e.outcome = 'shown'
    ORDER BY e.at LIMIT 20000 $$;

-- The case of the actor's own centre by its number, for who keeps a register that names it. Numbers run on: that there
-- is such a case tells nothing.
CREATE FUNCTION app.case_named(given text) RETURNS uuid LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, app, public AS $$
    SELECT c.id FROM app.actor() a JOIN cases c ON c.centre_id = (a ->> 'c')::uuid
    WHERE a -> 's' ?| ARRAY['disclosure', 'demand'] AND a ->> 'r' IN ('supervisor', 'admin', 'auditor')
      AND c.number = substring(given FROM '([0-9]{1,18})$')::bigint AND (upper(c.code) = upper(given) OR given ~ '^[0-9]+$')
      AND c.id <> ALL (app.denied('case')) $$;
"""
FUNCTION_NAMES = ("disclosures_of(uuid)", "readings_of(uuid)", "case_named(text)")
TABLES = ("exports", "disclosures", "compelled_disclosures", "breaches", "breach_entries")


def _column(name: str, kind: object, *rest: object, null: bool = False, **more: object) -> sa.Column:
    return sa.Column(name, kind, *rest, nullable=null, **more)


def _head() -> list[sa.Column]:
    return [
        sa.Column("id", sa.Uuid(), primary_key=True), _column("record_key", sa.LargeBinary()),
        _column("centre_id", sa.Uuid(), sa.ForeignKey("centres.id")),
    ]  # fmt: skip


def _user(name: str, *, null: bool = False) -> sa.Column:
    return _column(name, sa.Uuid(), sa.ForeignKey("users.id"), null=null)


def _create_exports() -> None:
    op.create_table(
        "exports", *_head(), _column("team_id", sa.Uuid(), sa.ForeignKey("teams.id"), null=True),
        _column("kind", sa.Text()), _column("case_ids", pg.ARRAY(sa.Uuid())), _column("recipient", sa.Text(), null=True),
        _column("field_groups", pg.ARRAY(sa.Text())), _column("items", sa.Integer()), _column("withheld", pg.JSONB()),
        _column("body_index", sa.LargeBinary(), null=True),
        _user("requested_by"), _column("made_at", AT), _column("expires_at", AT), _column("downloaded_at", AT, null=True),
        _column("gone_at", AT, null=True), _column("reason_sealed", sa.LargeBinary(), null=True),
        _column("recipient_sealed", sa.LargeBinary(), null=True), _column("body_sealed", sa.LargeBinary(), null=True),
        sa.CheckConstraint("kind IN ('subject', 'bulk')", name="kind"),
        sa.CheckConstraint("num_nulls(team_id, recipient) = CASE kind WHEN 'bulk' THEN 2 ELSE 0 END", name="whole"),
        sa.CheckConstraint("(body_sealed IS NULL) = (gone_at IS NOT NULL)", name="gone"),
        sa.CheckConstraint("downloaded_at IS NULL OR gone_at IS NOT NULL", name="once"),
        sa.CheckConstraint("expires_at <= made_at + interval '7 days'", name="expires"),
    )  # fmt: skip
    op.create_index("ix_exports_centre_id", "exports", ["centre_id", "made_at", "id"])
    op.create_index("ix_exports_expires_at", "exports", ["expires_at"], postgresql_where=sa.text("gone_at IS NULL"))
    op.create_index("ix_exports_case_ids", "exports", ["case_ids"], postgresql_using="gin")


def _create_disclosures() -> None:
    op.create_table(
        "disclosures", *_head(), _column("case_id", sa.Uuid(), sa.ForeignKey("cases.id")),
        _column("corrects_id", sa.Uuid(), sa.ForeignKey("disclosures.id"), null=True, unique=True),
        _column("given_at", AT), _column("recipient_kind", sa.Text()), _column("means", sa.Text()),
        _column("basis", sa.Text()), _column("field_groups", pg.ARRAY(sa.Text())), _user("recorded_by"),
        _column("recorded_at", AT), _column("recipient_sealed", sa.LargeBinary(), null=True),
        _column("what_sealed", sa.LargeBinary(), null=True),
        sa.CheckConstraint("given_at <= recorded_at", name="given_before"),
        sa.CheckConstraint("corrects_id <> id", name="corrects_another"),
    )  # fmt: skip
    op.create_index("ix_disclosures_case_id", "disclosures", ["case_id", "given_at"])
    op.create_table(
        "compelled_disclosures", *_head(),
        _column("corrects_id", sa.Uuid(), sa.ForeignKey("compelled_disclosures.id"), null=True, unique=True),
        _column("received_at", AT), _column("authority", sa.Text()), _column("basis", sa.Text()),
        _column("outcome", sa.Text()), _column("subjects_told", sa.Text()), _column("case_ids", pg.ARRAY(sa.Uuid())),
        _user("decided_by", null=True), _user("recorded_by"), _column("recorded_at", AT),
        _column("words_sealed", sa.LargeBinary(), null=True),
        sa.CheckConstraint("received_at <= recorded_at", name="received_before"),
        sa.CheckConstraint("corrects_id <> id", name="corrects_another"),
    )  # fmt: skip
    name = "ix_compelled_disclosures_centre_id"
    op.create_index(name, "compelled_disclosures", ["centre_id", "received_at", "id"])
    name = "ix_compelled_disclosures_case_ids"
    op.create_index(name, "compelled_disclosures", ["case_ids"], postgresql_using="gin")


def _create_breaches() -> None:
    op.create_table(
        "breaches", *_head(), _column("noticed_at", AT), _column("notify_by", AT), _column("remind_at", AT, null=True),
        _user("opened_by"), _column("opened_at", AT), _column("categories", pg.ARRAY(sa.Text())),
        _column("people", sa.Integer(), null=True), _column("records", sa.Integer(), null=True),
        _column("authority_told_at", AT, null=True), _column("subjects_told_at", AT, null=True),
        _column("closed_at", AT, null=True), _column("what_sealed", sa.LargeBinary(), null=True),
        _column("version", sa.Integer(), server_default="1"),
        sa.CheckConstraint("notify_by = noticed_at + interval '72 hours'", name="clock"),
        sa.CheckConstraint("people >= 0 AND records >= 0", name="numbers"),
    )  # fmt: skip
    op.create_index("ix_breaches_centre_id", "breaches", ["centre_id", "noticed_at", "id"])
    op.create_index(
        "ix_breaches_remind_at", "breaches", ["remind_at"], postgresql_where=sa.text("remind_at IS NOT NULL")
    )
    op.create_table(
        "breach_entries", *_head(), _column("breach_id", sa.Uuid(), sa.ForeignKey("breaches.id")),
        _column("kind", sa.Text()), _column("at", AT), _user("recorded_by"), _column("recorded_at", AT),
        _column("words_sealed", sa.LargeBinary(), null=True),
        sa.CheckConstraint(
            "kind IN ('note', 'measure', 'authority_told', 'subjects_told', 'closed')", name="kind"
        ),
    )  # fmt: skip
    op.create_index("ix_breach_entries_breach_id", "breach_entries", ["breach_id", "recorded_at"])


def _narrow(table: str, how: str, rule: str, seen: str = "") -> None:
    name = f"{table}_{how.lower()}_narrowed"
    using = f" USING ({seen})" if seen else ""
    op.execute(
        f"CREATE POLICY {name} ON {table} AS RESTRICTIVE FOR {how} TO helpline_web{using} WITH CHECK ({rule})"
    )  # fmt: skip


def _protect() -> None:
    shield("exports", EXPORTS, web="SELECT, INSERT, UPDATE (downloaded_at, gone_at, body_sealed)")
    _narrow("exports", "INSERT", EXPORT_MADE)
    _narrow("exports", "UPDATE", EXPORT_GOES, "gone_at IS NULL")
    serve("exports", "keeper", "SELECT (*), UPDATE (gone_at, body_sealed)", written=EXPORT_EXPIRES)
    shield("disclosures", DISCLOSURES, web="SELECT, INSERT")
    _narrow("disclosures", "INSERT", DISCLOSURE_MADE)
    shield("compelled_disclosures", DEMANDS, web="SELECT, INSERT")
    _narrow("compelled_disclosures", "INSERT", DEMAND_MADE)
    moves = "authority_told_at, subjects_told_at, closed_at, remind_at, version"
    shield("breaches", BREACHES, web=f"SELECT, INSERT, UPDATE ({moves})")
    _narrow("breaches", "INSERT", BREACH_MADE)
    _narrow("breaches", "UPDATE", KEEPS_LOG, "closed_at IS NULL")
    serve("breaches", "reminder", "SELECT (*), UPDATE (remind_at, version)")
    shield("breach_entries", BREACHES, web="SELECT, INSERT")
    _narrow("breach_entries", "INSERT", ENTRY_MADE)
    for table in TABLES:
        rotate(table)


def _rumour(equals: str, instead: str) -> None:
    """An approval that is about nobody is told of as well."""
    body = op.get_bind().scalar(sa.text("SELECT pg_get_functiondef(CAST('app.refuse_rumour()' AS regprocedure))"))
    rule = "r.subject_id {} (told ->> 'subject_id')::uuid"
    op.execute(body.replace(rule.format(equals), rule.format(instead)))


def _approvals(kinds: str, asked: str, moved: str, carry_out: str) -> None:
    op.execute("ALTER TABLE approvals DROP CONSTRAINT ck_approvals_kind")
    op.create_check_constraint("kind", "approvals", f"kind IN ({kinds})")
    op.execute("DROP POLICY approvals_insert_narrowed ON approvals; DROP POLICY approvals_update_narrowed ON approvals")
    _narrow("approvals", "INSERT", asked)
    _narrow("approvals", "UPDATE", moved, "true")
    op.execute(carry_out)


def upgrade() -> None:
    op.alter_column("approvals", "subject_id", nullable=True)
    op.create_check_constraint("about", "approvals", "(subject_id IS NULL) = (kind = 'bulk_export')")
    _approvals("'admin_role', 'factor_reset', 'bulk_export'", ASKED, MOVED, CARRY_OUT)
    _rumour("=", "IS NOT DISTINCT FROM")
    op.create_index(
        "ix_persons_canonical_person_id", "persons", ["canonical_person_id"],
        postgresql_where=sa.text("canonical_person_id IS NOT NULL"),
    )  # fmt: skip
    _create_exports()
    _create_disclosures()
    _create_breaches()
    op.execute(FUNCTIONS)
    op.execute("REVOKE EXECUTE ON FUNCTION app.cases_of_child(uuid) FROM PUBLIC")
    for name in FUNCTION_NAMES:
        op.execute(
            f"REVOKE EXECUTE ON FUNCTION app.{name} FROM PUBLIC; GRANT EXECUTE ON FUNCTION app.{name} TO helpline_web"
        )
    _protect()


def downgrade() -> None:
    for name in (*FUNCTION_NAMES, "cases_of_child(uuid)"):
        op.execute(f"DROP FUNCTION app.{name}")
    for table in reversed(TABLES):
        op.drop_table(table)
    op.drop_index("ix_persons_canonical_person_id", "persons")
    op.execute("DELETE FROM approvals WHERE kind = 'bulk_export'")
    op.execute("ALTER TABLE approvals DROP CONSTRAINT ck_approvals_about")
    _approvals("'admin_role', 'factor_reset'", OLD_ASKED, OLD_MOVED, OLD_CARRY_OUT)
    _rumour("IS NOT DISTINCT FROM", "=")
    op.alter_column("approvals", "subject_id", nullable=False)
