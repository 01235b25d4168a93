"""A helpline of the size that was asked for: a centre, its people, and calls and cases written by plain SQL."""

import os
import secrets
import uuid
from dataclasses import dataclass, field

import psycopg

from bench.options import Options
from helpline.accounts.services.sessions import hash_password, hash_token
from helpline.foundation.access.engine import holds
from helpline.foundation.access.permissions import Permission
from helpline.foundation.clock import now
from helpline.foundation.context import Actor
from helpline.foundation.ids import new_id

PASSWORD = secrets.token_hex(12)  # of every operator here; the house is deleted after the run
SEALED_BYTES = 2100  # a narrative of 2 KB, sealed


@dataclass(frozen=True)
class Person:
    id: uuid.UUID
    login: str
    token: str = field(repr=False)


@dataclass(frozen=True)
class House:
    centre_id: uuid.UUID
    code: str
    operators: list[Person]
    supervisor: Person
    province: uuid.UUID
    spare: list[tuple[uuid.UUID, uuid.UUID]]  # calls of the first operator without a case, and the child of each


def make_centre(connection: psycopg.Connection, country: str, timezone: str) -> tuple[uuid.UUID, str]:
    """Its id and code."""
    centre_id = new_id()
    code = f"B{centre_id.hex[-8:].upper()}"
    connection.execute(
        "INSERT INTO centres (id, name, code, country, timezone, languages, created_at)"
        " VALUES (%s, 'Bench', %s, %s, %s, '{en}', now())",
        [centre_id, code, country, timezone],
    )
    return centre_id, code


def make_person(connection: psycopg.Connection, centre_id: uuid.UUID, role: str, password_hash: str = "") -> Person:
    """Somebody with an API token that holds all that the role does, and a password if one is given."""
    person = Person(new_id(), f"bench.{uuid.uuid4().hex[:12]}", uuid.uuid4().hex)
    connection.execute(
        "INSERT INTO users (id, centre_id, name, login, email, role, status, locale, created_at)"
        " VALUES (%s, %s, %s, %s, %s, %s, 'active', 'en', now())",
        [person.id, centre_id, role, person.login, f"{person.login}@helpline.test", role],
    )
    actor = Actor(id=person.id, role=role, centre_id=centre_id)
    scopes = [permission.value for permission in Permission if holds(actor, permission)]
    connection.execute(
        "INSERT INTO api_tokens (id, user_id, name, token_hash, scopes, created_at)"
        " VALUES (%s, %s, 'bench', %s, %s, %s)",
        [new_id(), person.id, hash_token(person.token), scopes, now()],
    )
    if password_hash:
        connection.execute(
            "INSERT INTO credentials (user_id, password_hash, version, changed_at) VALUES (%s, %s, 1, now())",
            [person.id, password_hash],
        )
    return person


def make_house(owner_url: str, options: Options) -> House:
    """Everything that is there before the first request; statistics of the tables are fresh."""
    password_hash = hash_password(PASSWORD)
    with psycopg.connect(owner_url) as connection:
        centre_id, code = make_centre(connection, "KH", "Asia/Phnom_Penh")
        operators = [make_person(connection, centre_id, "operator", password_hash) for _ in range(max(options.clients))]
        supervisor = make_person(connection, centre_id, "supervisor")
        provinces = [row[0] for row in connection.execute(PROVINCES)]
        spare = _load(connection, centre_id, code, operators[0], provinces, options=options)
        connection.commit()
        connection.execute("ANALYZE")
    return House(centre_id, code, operators, supervisor, provinces[0], spare)


def _load(
    connection: psycopg.Connection, centre_id: uuid.UUID, code: str, operator: Person, provinces: list[uuid.UUID],
    *, options: Options,
) -> list[tuple[uuid.UUID, uuid.UUID]]:  # fmt: skip
    team_id = new_id()
    values = {
        "centre": centre_id, "team": team_id, "code": code, "operator": operator.id, "rows": options.rows,
        "total": options.rows + options.most_asked, "provinces": provinces, "key": os.urandom(60),
        "terms": [row[0] for row in connection.execute(_TERMS)], "words": os.urandom(SEALED_BYTES),
    }  # fmt: skip
    for statement in (_TEAM, _SEED, _PERSONS, _CALLS, _CHILDREN, _REASONS, _CASES, _EVENTS, _FOLLOWUPS, _COUNTER):
        connection.execute(statement, values)
    return connection.execute("SELECT call_id, child_id FROM seed WHERE n > %(rows)s", values).fetchall()


PROVINCES = "SELECT id FROM places WHERE country = 'KH' AND level = 'province' ORDER BY code"
_TERMS = """
    SELECT t.id FROM taxonomy_terms t JOIN taxonomies x ON x.id = t.taxonomy_id
    WHERE x.active AND t.parent_id IS NOT NULL ORDER BY t.code
"""
_TEAM = "INSERT INTO teams (id, centre_id, name, places) VALUES (%(team)s, %(centre)s, 'Bench', %(provinces)s)"
# A year of calls, the newest last; the last ones have no case yet. One case in five is open.
_SEED = """
    CREATE TEMP TABLE seed ON COMMIT DROP AS
    SELECT n, uuidv7() call_id, uuidv7() child_id, uuidv7() caller_id, uuidv7() case_id, n %% 5 = 0 still_open,
           now() - (%(total)s::int - n) * (interval '365 days' / %(total)s::int) - interval '1 minute' AS at,
           (%(provinces)s::uuid[])[1 + n * 7 %% cardinality(%(provinces)s::uuid[])] province_id,
           (%(terms)s::uuid[])[1 + n * 11 %% cardinality(%(terms)s::uuid[])] term_id,
           (ARRAY['low', 'low', 'medium', 'medium', 'high', 'immediate'])[1 + n %% 6] risk,
           (ARRAY['female', 'male'])[1 + n %% 2] gender, n %% 18 age
    FROM generate_series(1::bigint, %(total)s) n
"""
_PERSONS = """
    INSERT INTO persons (id, record_key, centre_id, role, name_sealed, phone_index, age, age_known, gender, added_by,
                         created_at)
    SELECT child_id, %(key)s, %(centre)s, 'child', substr(%(words)s::bytea, 1, 60), NULL, age, 'exact', gender,
           %(operator)s, at FROM seed
    UNION ALL
    SELECT caller_id, %(key)s, %(centre)s, 'caller', substr(%(words)s::bytea, 1, 60),
           substr(sha256(caller_id::text::bytea), 1, 16), NULL, 'unknown', 'unknown', %(operator)s, at FROM seed
"""
_CALLS = """
    INSERT INTO calls (id, record_key, narrative_sealed, centre_id, team_id, operator_id, channel, direction, kind,
                       started_at, ended_at, logged_at, caller_relation, caller_person_id, place_id, province_id,
                       risk_level, primary_term_id, source)
    SELECT call_id, %(key)s, %(words)s, %(centre)s, %(team)s, %(operator)s, 'phone', 'in', 'counselling', at,
           at + interval '10 minutes', at, 'neighbour', caller_id, province_id, province_id, risk, term_id, 'live'
    FROM seed
"""
_CHILDREN = """
    INSERT INTO call_children (call_id, person_id, centre_id, position, age_band, gender)
    SELECT call_id, child_id, %(centre)s, 0,
           CASE WHEN age < 6 THEN '0-5' WHEN age < 10 THEN '6-9' WHEN age < 13 THEN '10-12' ELSE '13-15' END, gender
    FROM seed
"""
_REASONS = """
    INSERT INTO call_terms (call_id, term_id, centre_id, position) SELECT call_id, term_id, %(centre)s, 0 FROM seed
"""
_CASES = """
    INSERT INTO cases (id, record_key, summary_sealed, centre_id, team_id, number, code, call_id, child_person_id,
                       opened_by, opened_at, body_index, source, risk_level, risk_reasons, place_id, province_id,
                       child_age, child_gender, step, status, assign_by, first_response_by, first_response_at,
                       needs, consent, closed_at, close_reason, version)
    SELECT case_id, %(key)s, substr(%(words)s::bytea, 1, 500), %(centre)s, %(team)s, n, %(code)s || '-' || n, call_id,
           child_id, %(operator)s, at, '', 'live', risk, '[]', province_id, province_id, age, gender,
           CASE WHEN still_open THEN 'register' ELSE 'close' END, CASE WHEN still_open THEN 'open' ELSE 'closed' END,
           at, at, CASE WHEN still_open THEN NULL ELSE at END, '{health}', '{}',
           CASE WHEN still_open THEN NULL ELSE at END, CASE WHEN still_open THEN NULL ELSE 'goals_met' END, 1
    FROM seed WHERE n <= %(rows)s
"""
_EVENTS = """
    INSERT INTO case_events (id, case_id, centre_id, at, actor_id, actor_role, action, details)
    SELECT uuidv7(), case_id, %(centre)s, at, %(operator)s, 'operator', action, '{}'
    FROM seed, unnest(ARRAY['case.opened', 'case.assigned']) action WHERE n <= %(rows)s
"""
_FOLLOWUPS = """
    INSERT INTO followups (id, record_key, case_id, centre_id, team_id, kind, risk_level, due_at, remind_at,
                           escalate_at, state, done_at, outcome, created_at, created_by, version)
    SELECT uuidv7(), %(key)s, case_id, %(centre)s, %(team)s, 'contact', risk, at, at, at,
           CASE WHEN still_open THEN 'planned' ELSE 'done' END, CASE WHEN still_open THEN NULL ELSE at END,
           CASE WHEN still_open THEN NULL ELSE 'reached' END, at, %(operator)s, 1
    FROM seed WHERE n <= %(rows)s
"""
_COUNTER = "INSERT INTO case_counters (centre_id, last_number) VALUES (%(centre)s, %(rows)s)"
