"""What is told in the outbox is what was done; the last functions that answered whoever asked; tries while Redis is away.

An event is looked at when its transaction commits: its record must have been written in that same transaction, where
the rules of its rows held. That costs no statement, and leaves no event about a record out of its teller's reach.
"""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"

AT = sa.DateTime(timezone=True)

EVENTS = """
CREATE FUNCTION app.refuse_rumour() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, app, public AS $$
DECLARE
    told jsonb := NEW.payload;
    centre uuid := told ->> 'centre_id';
    mine xid := pg_current_xact_id()::xid;
    done boolean := false;
BEGIN
    CASE split_part(NEW.name, '.', 1)
    WHEN 'calls' THEN
        done := EXISTS (SELECT 1 FROM calls r
            WHERE r.id = (told ->> 'call_id')::uuid AND r.centre_id = centre AND r.xmin = mine);
    WHEN 'cases' THEN
        done := EXISTS (SELECT 1 FROM cases r
            WHERE r.id = (told ->> 'case_id')::uuid AND r.centre_id = centre AND (r.xmin = mine
                OR EXISTS (SELECT 1 FROM case_events e WHERE e.case_id = r.id AND e.xmin = mine)));
    WHEN 'referrals' THEN
        done := EXISTS (SELECT 1 FROM referrals r
            WHERE r.id = (told ->> 'referral_id')::uuid AND r.case_id = (told ->> 'case_id')::uuid
              AND r.centre_id = centre AND (r.xmin = mine
                OR EXISTS (SELECT 1 FROM referral_asks k WHERE k.referral_id = r.id AND k.xmin = mine)));
    WHEN 'followups' THEN
        done := EXISTS (SELECT 1 FROM followups r
            WHERE r.id = (told ->> 'followup_id')::uuid AND r.case_id = (told ->> 'case_id')::uuid
              AND r.centre_id = centre AND r.xmin = mine);
    WHEN 'privacy' THEN
        done := CASE NEW.name
            WHEN 'privacy.case_shut' THEN EXISTS (SELECT 1 FROM case_closings r
                WHERE r.case_id = (told ->> 'case_id')::uuid AND r.centre_id = centre
                  AND r.principal_id = (told ->> 'principal_id')::uuid AND r.xmin = mine)
            WHEN 'privacy.glass_broken' THEN EXISTS (SELECT 1 FROM glass_overrides r
                WHERE r.id = (told ->> 'override_id')::uuid AND r.case_id = (told ->> 'case_id')::uuid
                  AND r.centre_id = centre AND r.user_id = (told ->> 'user_id')::uuid AND r.xmin = mine)
            ELSE false END;
    WHEN 'accounts' THEN
        done := CASE NEW.name
            -- Anybody may say that they forgot a password: whoever it is about hears of it, nobody else.
            WHEN 'accounts.user_invited' THEN EXISTS (SELECT 1 FROM users r
                WHERE r.id = (told ->> 'user_id')::uuid AND r.centre_id = centre AND r.status = 'invited')
            WHEN 'accounts.password_reset_requested' THEN EXISTS (SELECT 1 FROM users r
                WHERE r.id = (told ->> 'user_id')::uuid AND r.centre_id = centre AND r.status = 'active')
            WHEN 'accounts.user_deactivated' THEN EXISTS (SELECT 1 FROM users r
                WHERE r.id = (told ->> 'user_id')::uuid AND r.centre_id = centre AND r.xmin = mine)
            WHEN 'accounts.factor_changed' THEN
                app.actor_id() = (told ->> 'user_id')::uuid OR app.actor() ->> 'r' = 'keeper'
            WHEN 'accounts.approval_moved' THEN EXISTS (SELECT 1 FROM approvals r
                WHERE r.id = (told ->> 'approval_id')::uuid AND r.centre_id = centre
                  AND r.subject_id = (told ->> 'subject_id')::uuid AND r.xmin = mine)
            ELSE false END;
    ELSE NULL;
    END CASE;
    IF done IS TRUE THEN RETURN NULL; END IF;
    RAISE EXCEPTION '% tells of nothing that was done', NEW.name USING ERRCODE = 'insufficient_privilege';
END $$;
REVOKE EXECUTE ON FUNCTION app.refuse_rumour() FROM PUBLIC;
CREATE CONSTRAINT TRIGGER outbox_events_done AFTER INSERT ON outbox_events DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (current_user <> 'helpline_owner') EXECUTE FUNCTION app.refuse_rumour();
"""

# Asked by the triggers of rows that name a person, the only ones who get an answer; to anybody else there is always one.
OLDER = """
CREATE OR REPLACE FUNCTION app.older_person(person uuid) RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, public AS $$
    SELECT {}EXISTS (SELECT 1 FROM persons WHERE id = person
                   AND changed_in IS DISTINCT FROM pg_current_xact_id()::text::bigint) $$;
"""
# Whole files come with people of their own.
PEOPLE = """
CREATE FUNCTION app.refuse_strangers() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public AS $$
DECLARE
    mine bigint := pg_current_xact_id()::text::bigint;
    strangers boolean;
BEGIN
    IF TG_TABLE_NAME = 'calls' THEN
        strangers := EXISTS (SELECT 1 FROM added a JOIN persons p ON p.id = a.caller_person_id WHERE p.changed_in IS DISTINCT FROM mine);
    ELSE
        strangers := EXISTS (SELECT 1 FROM added a JOIN persons p ON p.id = a.person_id WHERE p.changed_in IS DISTINCT FROM mine);
    END IF;
    IF NOT strangers THEN RETURN NULL; END IF;
    RAISE EXCEPTION 'a file may not name people who were there before it' USING ERRCODE = 'insufficient_privilege';
END $$;
REVOKE EXECUTE ON FUNCTION app.refuse_strangers() FROM PUBLIC;
CREATE TRIGGER call_children_new AFTER INSERT ON call_children REFERENCING NEW TABLE AS added FOR EACH STATEMENT
    WHEN (current_user = 'helpline_importer') EXECUTE FUNCTION app.refuse_strangers();
CREATE TRIGGER calls_new AFTER INSERT ON calls REFERENCING NEW TABLE AS added FOR EACH STATEMENT
    WHEN (current_user = 'helpline_importer') EXECUTE FUNCTION app.refuse_strangers();
"""
# The rule about grants asks it of a caseworker who is about to add a case; to anybody else there is always one.
CASE_EXISTS = """
CREATE OR REPLACE FUNCTION app.case_exists(wanted uuid) RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, public AS $$
    SELECT {}EXISTS (SELECT 1 FROM cases WHERE id = wanted) $$;
"""
NOT_ASKED = """(SELECT a ->> 'r' <> 'partner' AND a -> 's' ->> 'case' = 'assigned' FROM app.actor() a) IS NOT TRUE
        OR """

TRIES = """
CREATE FUNCTION app.count_tries(given text, ticket text) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, app, public AS $$
DECLARE
    at timestamptz := clock_timestamp();
BEGIN
    IF NOT app.ticket_holds(concat_ws(E'\\n', 'count_tries', given), ticket) THEN RAISE insufficient_privilege; END IF;
    DELETE FROM tries WHERE until_at <= at;
    INSERT INTO tries AS t (key, counted, until_at)
        SELECT key, 1, at + make_interval(secs => (value ->> 1)::integer) FROM jsonb_each(given::jsonb) ORDER BY key
        ON CONFLICT (key) DO UPDATE SET counted = t.counted + 1;
    RETURN (SELECT bool_and(t.counted <= (l.value ->> 0)::integer) FROM jsonb_each(given::jsonb) l JOIN tries t USING (key));
END $$;

CREATE FUNCTION app.forget_tries(given text, ticket text) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, app, public AS $$
BEGIN
    IF NOT app.ticket_holds(concat_ws(E'\\n', 'forget_tries', given), ticket) THEN RAISE insufficient_privilege; END IF;
    DELETE FROM tries WHERE key IN (SELECT jsonb_array_elements_text(given::jsonb));
END $$;
REVOKE EXECUTE ON FUNCTION app.count_tries(text, text), app.forget_tries(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION app.count_tries(text, text), app.forget_tries(text, text) TO helpline_web;
"""


def upgrade() -> None:
    op.execute(EVENTS)
    op.execute(OLDER.format("pg_trigger_depth() = 0 OR "))
    op.execute(PEOPLE)
    op.execute(CASE_EXISTS.format(NOT_ASKED))
    op.create_table(
        "tries",
        sa.Column("key", sa.Text(), primary_key=True),
        sa.Column("counted", sa.Integer(), nullable=False),
        sa.Column("until_at", AT, nullable=False),
        prefixes=["UNLOGGED"],
    )
    op.execute(TRIES)


def downgrade() -> None:
    op.execute("DROP FUNCTION app.count_tries(text, text); DROP FUNCTION app.forget_tries(text, text)")
    op.drop_table("tries")
    op.execute(CASE_EXISTS.format(""))
    op.execute("DROP TRIGGER call_children_new ON call_children; DROP TRIGGER calls_new ON calls")
    op.execute("DROP FUNCTION app.refuse_strangers()")
    op.execute(OLDER.format(""))
    op.execute("DROP TRIGGER outbox_events_done ON outbox_events; DROP FUNCTION app.refuse_rumour()")
