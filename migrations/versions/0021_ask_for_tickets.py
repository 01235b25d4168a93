"""What is needed before anybody is known takes a ticket of the application's; and free SQL is narrowed further.

A ticket is signed like the context, over a function's name and arguments, for a minute: a login that can run statements
of its own, but has no key, calls none of these functions to any use. The override of a bearer comes with the look-up of
their session. Events are told by whose they are, grants are read by those concerned, and nobody tells in a call of
their own of a person whom they can't see.
"""

from alembic import op

from migrations.tools import APP_ROLES

revision = "0021"
down_revision = "0020"

ROLE, ME = "(SELECT app.actor() ->> 'r')", "(SELECT app.actor_id())"

TICKETS = """
-- Whether `given` is a ticket (its end, ':', its HMAC) for `what`: a function and its arguments, line by line. Its text
-- begins with a word, a context with a brace: neither is ever taken for the other.
CREATE FUNCTION app.ticket_holds(what text, given text) RETURNS boolean LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, app AS $$
DECLARE
    pads app.context_key;
BEGIN
    SELECT * INTO pads FROM app.context_key;
    IF pads.inner_pad IS NULL OR given IS NULL OR given !~ '^[0-9]{1,12}:[0-9a-f]{64}$' THEN RETURN false; END IF;
    RETURN split_part(given, ':', 1)::bigint >= extract(epoch FROM clock_timestamp())
        AND split_part(given, ':', 2) = encode(sha256(pads.outer_pad || sha256(pads.inner_pad
            || convert_to(concat_ws(E'\\n', 'ticket', split_part(given, ':', 1), what), 'UTF8'))), 'hex');
END $$;

CREATE FUNCTION app.micros(at timestamptz) RETURNS bigint LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog AS $$ SELECT (extract(epoch FROM at) * 1000000)::bigint $$;
REVOKE EXECUTE ON FUNCTION app.ticket_holds(text, text), app.micros(timestamptz) FROM PUBLIC;
"""
HAS_FACTOR = "EXISTS (SELECT 1 FROM factors f WHERE f.user_id = u.id AND f.confirmed_at IS NOT NULL)"
BEARER = "u.id, u.centre_id, u.role, u.name, u.locale, u.theme, c.timezone, ARRAY(SELECT m.team_id FROM team_members m WHERE m.user_id = u.id)"
OVERRIDE = ", o.override_id, o.override_case_id, o.override_code, o.override_until"
OVERRIDE_OF = " LEFT JOIN LATERAL app.override_of(u.id, at) o ON true"


def _bearers(at: str, override: str, override_of: str) -> str:
    return f"""
CREATE FUNCTION app.find_session(given bytea{at}) RETURNS SETOF app.bearer LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, app, public AS $$
    SELECT {BEARER}, s.id, s.created_at, s.seen_at, s.locked_at, NULL::text[], u.demo,
           s.factor_at, s.factor_at IS NOT NULL OR {HAS_FACTOR}{override}
    FROM user_sessions s JOIN users u ON u.id = s.user_id JOIN centres c ON c.id = u.centre_id{override_of}
    WHERE s.token_hash = given AND s.ended_at IS NULL AND u.status = 'active' $$;

CREATE FUNCTION app.find_api_token(given bytea, at timestamptz) RETURNS SETOF app.bearer LANGUAGE sql STABLE
SECURITY DEFINER SET search_path = pg_catalog, app, public AS $$
    SELECT {BEARER}, t.id, t.created_at, t.last_used_at, NULL::timestamptz, t.scopes, u.demo,
           NULL::timestamptz, {HAS_FACTOR}{override}
    FROM api_tokens t JOIN users u ON u.id = t.user_id JOIN centres c ON c.id = u.centre_id{override_of}
    WHERE t.token_hash = given AND t.revoked_at IS NULL AND (t.expires_at IS NULL OR t.expires_at > at)
      AND u.status = 'active' $$;
"""


def _asked(what: str) -> str:
    return f"(SELECT app.ticket_holds(concat_ws(E'\\n', {what}), ticket))"


def _functions(*, ticketed: bool) -> str:
    def last(what: str) -> str:
        return f" AND {_asked(what)}" if ticketed else ""

    def demand(what: str) -> str:
        return f"    IF NOT {_asked(what)} THEN RAISE insufficient_privilege; END IF;\n" if ticketed else ""

    ticket = ", ticket text" if ticketed else ""
    known = " AND (app.actor() ->> 'r' IN ('admin', 'keeper')) IS TRUE" if ticketed else ""
    return f"""
CREATE FUNCTION app.find_credential(given text{ticket}) RETURNS TABLE (
    user_id uuid, centre_id uuid, status text, password_hash text, version integer, demo boolean,
    short boolean, has_factor boolean)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, app, public AS $$
    SELECT u.id, u.centre_id, u.status, k.password_hash, coalesce(k.version, 0), u.demo,
           coalesce(k.short, false), {HAS_FACTOR}
    FROM users u LEFT JOIN credentials k ON k.user_id = u.id
    WHERE (u.login = given OR u.email = given){last("'find_credential', given")}
    ORDER BY u.login = given DESC LIMIT 1 $$;

CREATE FUNCTION app.find_credential_of(given uuid{ticket}) RETURNS TABLE (
    user_id uuid, centre_id uuid, status text, password_hash text, version integer, demo boolean,
    login text, email text, name text, centre text, short boolean, has_factor boolean)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, app, public AS $$
    SELECT u.id, u.centre_id, u.status, k.password_hash, coalesce(k.version, 0), u.demo,
           u.login, u.email, u.name, c.name, coalesce(k.short, false), {HAS_FACTOR}
    FROM users u JOIN centres c ON c.id = u.centre_id LEFT JOIN credentials k ON k.user_id = u.id
    WHERE u.id = given{last("'find_credential_of', given")} $$;

CREATE FUNCTION app.start_session(session uuid, person uuid, hash bytea, at timestamptz{ticket}) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public AS $$
BEGIN
{demand("'start_session', session, person, encode(hash, 'hex'), app.micros(at)")}\
    INSERT INTO user_sessions (id, user_id, token_hash, created_at, seen_at) VALUES (session, person, hash, at, at);
END $$;

CREATE FUNCTION app.set_credential(person uuid, known integer, hash text, at timestamptz, brief boolean{ticket})
RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public AS $$
BEGIN
{demand("'set_credential', person, known, hash, app.micros(at), brief::text")}\
    INSERT INTO credentials (user_id, password_hash, version, changed_at, short) VALUES (person, hash, 1, at, brief)
    ON CONFLICT (user_id) DO UPDATE
    SET password_hash = hash, version = credentials.version + 1, changed_at = at, short = brief
    WHERE credentials.version = known;
    IF NOT FOUND THEN RETURN false; END IF;
    UPDATE users SET status = 'active' WHERE id = person AND status = 'invited';
    UPDATE user_sessions SET ended_at = at WHERE user_id = person AND ended_at IS NULL;
    RETURN true;
END $$;

CREATE FUNCTION app.touch_session(session uuid, at timestamptz{ticket}) RETURNS void LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, public AS $$
BEGIN
{demand("'touch_session', session, app.micros(at)")}\
    UPDATE user_sessions SET seen_at = at WHERE id = session AND ended_at IS NULL AND seen_at < at;
END $$;

CREATE FUNCTION app.touch_api_token(token uuid, at timestamptz{ticket}) RETURNS void LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, public AS $$
BEGIN
{demand("'touch_api_token', token, app.micros(at)")}\
    UPDATE api_tokens SET last_used_at = at WHERE id = token;
END $$;

CREATE OR REPLACE FUNCTION app.code_taken(given text, own uuid) RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, public AS $$
    SELECT EXISTS (SELECT 1 FROM centres WHERE code = given AND id IS DISTINCT FROM own){known} $$;

CREATE FUNCTION app.find_ask(wanted uuid{ticket})
RETURNS TABLE (id uuid, version integer, state text, answer_by timestamptz, referral_state text, centre_id uuid,
               helpline text, phone text, timezone text, agency_names jsonb)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
    SELECT k.id, k.version, k.state, k.answer_by, r.state, k.centre_id, c.name, c.phone, c.timezone, a.names
    FROM referral_asks k JOIN referrals r ON r.id = k.referral_id
         JOIN centres c ON c.id = k.centre_id JOIN agencies a ON a.id = k.agency_id
    WHERE k.id = wanted{last("'find_ask', wanted")} $$;
"""


ASKED_FOR = {  # what takes a ticket: its arguments, and who may call it
    "find_credential": ("text", APP_ROLES),
    "find_credential_of": ("uuid", APP_ROLES),
    "start_session": ("uuid, uuid, bytea, timestamptz", APP_ROLES),
    "set_credential": ("uuid, integer, text, timestamptz, boolean", APP_ROLES),
    "touch_session": ("uuid, timestamptz", APP_ROLES),
    "touch_api_token": ("uuid, timestamptz", APP_ROLES),
    "find_ask": ("uuid", "helpline_web"),
}
OVERRIDES = "override_id uuid", "override_case_id uuid", "override_code text", "override_until timestamptz"

# What only the machines, only a partner, only who administers staff bring about.
EVENTS = f"""{ME} IS NOT NULL AND CASE
    WHEN name IN ('followups.reminded', 'followups.escalated') THEN {ROLE} IN ('reminder', 'keeper')
    WHEN name IN ('referrals.expired', 'referrals.exhausted') THEN {ROLE} IN ('router', 'keeper')
    WHEN name IN ('referrals.accepted', 'referrals.declined') THEN {ROLE} = 'partner'
    WHEN name = 'accounts.user_invited' THEN {ROLE} IN ('admin', 'supervisor', 'keeper', 'visitor')
    WHEN name = 'accounts.user_deactivated' THEN {ROLE} IN ('admin', 'keeper')
    ELSE true END"""
# A grant is read by whom it names, by who gave it, by who reaches its record, and by machines that pick recipients.
GRANTS_READ = f"""principal_id = {ME} OR granted_by = {ME} OR {ROLE} IN ('router', 'reminder', 'messenger', 'watcher', 'keeper')
    OR CASE kind
    WHEN 'case' THEN EXISTS (SELECT 1 FROM cases c WHERE c.id = record_id)
    WHEN 'call' THEN EXISTS (SELECT 1 FROM calls c WHERE c.id = record_id)
        OR EXISTS (SELECT 1 FROM cases c WHERE c.call_id = record_id)
    WHEN 'person' THEN EXISTS (SELECT 1 FROM persons p WHERE p.id = record_id)
        OR EXISTS (SELECT 1 FROM cases c WHERE c.child_person_id = record_id)
    WHEN 'referral' THEN EXISTS (SELECT 1 FROM referrals r WHERE r.id = record_id)
    ELSE false END"""

# A trigger, not a policy: rows of people look at calls and at links themselves. What was written in this transaction
# is the actor's own, and a caller's row follows their call. Whole files of calls come by the worker's login.
PEOPLE = """
CREATE FUNCTION app.older_person(person uuid) RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, public AS $$
    SELECT EXISTS (SELECT 1 FROM persons WHERE id = person
                   AND changed_in IS DISTINCT FROM pg_current_xact_id()::text::bigint) $$;
REVOKE EXECUTE ON FUNCTION app.older_person(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION app.older_person(uuid) TO helpline_web;

CREATE FUNCTION app.refuse_stranger() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public AS $$
DECLARE
    person uuid := to_jsonb(NEW) ->> TG_ARGV[0];
BEGIN
    IF NOT app.older_person(person) OR EXISTS (SELECT 1 FROM persons p WHERE p.id = person) THEN RETURN NEW; END IF;
    RAISE EXCEPTION 'a row of % may not name a person out of sight', TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER call_children_known BEFORE INSERT ON call_children FOR EACH ROW
    WHEN (current_user = 'helpline_web') EXECUTE FUNCTION app.refuse_stranger('person_id');
CREATE TRIGGER calls_known BEFORE INSERT OR UPDATE OF caller_person_id ON calls FOR EACH ROW
    WHEN (current_user = 'helpline_web' AND NEW.caller_person_id IS NOT NULL)
    EXECUTE FUNCTION app.refuse_stranger('caller_person_id');
"""


def _open(name: str, arguments: str, logins: str) -> None:
    op.execute(f"REVOKE EXECUTE ON FUNCTION app.{name}({arguments}) FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION app.{name}({arguments}) TO {logins}")


def upgrade() -> None:
    op.execute(TICKETS)
    for name, (arguments, _logins) in ASKED_FOR.items():
        op.execute(f"DROP FUNCTION app.{name}({arguments})")
    op.execute(_functions(ticketed=True))
    for name, (arguments, logins) in ASKED_FOR.items():
        _open(name, f"{arguments}, text", logins)
    op.execute("DROP FUNCTION app.find_session(bytea); DROP FUNCTION app.find_api_token(bytea, timestamptz)")
    op.execute("ALTER TYPE app.bearer " + ", ".join(f"ADD ATTRIBUTE {column}" for column in OVERRIDES))
    op.execute(_bearers(", at timestamptz", OVERRIDE, OVERRIDE_OF))
    _open("find_session", "bytea, timestamptz", APP_ROLES)
    _open("find_api_token", "bytea, timestamptz", APP_ROLES)
    op.execute(f"REVOKE EXECUTE ON FUNCTION app.override_of(uuid, timestamptz) FROM {APP_ROLES}")
    op.execute("REVOKE EXECUTE ON FUNCTION app.case_looks(uuid, timestamptz) FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION app.case_looks(uuid, timestamptz) TO {APP_ROLES}")
    # A trigger of one's own, on a temporary table, was a way to call it.
    op.execute("REVOKE EXECUTE ON FUNCTION app.mark_people_of_call() FROM PUBLIC")
    op.execute("ALTER TABLE outbox_events ENABLE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY outbox_events_write ON outbox_events FOR INSERT TO {APP_ROLES} WITH CHECK ({EVENTS})")
    op.execute("CREATE POLICY outbox_events_relay ON outbox_events TO helpline_relay USING (true)")
    op.execute("REVOKE UPDATE ON outbox_events FROM helpline_relay")
    op.execute("GRANT UPDATE (attempts, next_attempt_at, settled_at) ON outbox_events TO helpline_relay")
    op.execute(
        f"CREATE POLICY grants_select_narrowed ON grants AS RESTRICTIVE FOR SELECT TO {APP_ROLES} USING ({GRANTS_READ})"
    )
    op.execute(PEOPLE)


def downgrade() -> None:
    op.execute("DROP TRIGGER call_children_known ON call_children; DROP TRIGGER calls_known ON calls")
    op.execute("DROP FUNCTION app.refuse_stranger(); DROP FUNCTION app.older_person(uuid)")
    op.execute("DROP POLICY grants_select_narrowed ON grants")
    op.execute("REVOKE UPDATE (attempts, next_attempt_at, settled_at) ON outbox_events FROM helpline_relay")
    op.execute("GRANT UPDATE ON outbox_events TO helpline_relay")
    op.execute("DROP POLICY outbox_events_write ON outbox_events; DROP POLICY outbox_events_relay ON outbox_events")
    op.execute("ALTER TABLE outbox_events DISABLE ROW LEVEL SECURITY")
    op.execute("GRANT EXECUTE ON FUNCTION app.mark_people_of_call(), app.case_looks(uuid, timestamptz) TO PUBLIC")
    op.execute(f"REVOKE EXECUTE ON FUNCTION app.case_looks(uuid, timestamptz) FROM {APP_ROLES}")
    op.execute(f"GRANT EXECUTE ON FUNCTION app.override_of(uuid, timestamptz) TO {APP_ROLES}")
    op.execute(
        "DROP FUNCTION app.find_session(bytea, timestamptz); DROP FUNCTION app.find_api_token(bytea, timestamptz)"
    )
    op.execute("ALTER TYPE app.bearer " + ", ".join(f"DROP ATTRIBUTE {column.split()[0]}" for column in OVERRIDES))
    op.execute(_bearers("", "", ""))
    _open("find_session", "bytea", APP_ROLES)
    _open("find_api_token", "bytea, timestamptz", APP_ROLES)
    for name, (arguments, _logins) in ASKED_FOR.items():
        op.execute(f"DROP FUNCTION app.{name}({arguments}, text)")
    op.execute(_functions(ticketed=False))
    for name, (arguments, logins) in ASKED_FOR.items():
        _open(name, arguments, logins)
    op.execute("DROP FUNCTION app.ticket_holds(text, text); DROP FUNCTION app.micros(timestamptz)")
