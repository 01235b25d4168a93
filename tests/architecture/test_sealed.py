"""What is sealed and what stands in the clear, column by column; and what leaves a slice in an event.

The lists are written by hand: a new column fails here until somebody has decided where it belongs.
"""

import uuid
from dataclasses import fields
from datetime import date, datetime
from pathlib import Path
from typing import get_args, get_type_hints

import pytest
from sqlalchemy import ARRAY, JSON, LargeBinary, Text

import helpline.app  # noqa: F401  # every slice's models and events, through what wires them
import workers.celery_app
from helpline.embedded.supervisor import commands
from helpline.foundation.crypto.sealed import sealed_columns
from helpline.foundation.db import db
from helpline.foundation.outbox.publisher import Event
from helpline.settings import Settings
from workers.subscriptions import SUBSCRIPTIONS

SEALED = {
    "approvals": {"reason_sealed"},
    "breach_entries": {"words_sealed"},
    "breaches": {"what_sealed"},
    "call_drafts": {"body_sealed"},
    "call_import_chunks": {"body_sealed"},
    "call_import_findings": {"body_sealed"},
    "call_imports": {"file_name_sealed", "headers_sealed", "options_sealed", "report_sealed"},
    "call_versions": {"snapshot_sealed"},
    "calls": {"narrative_sealed", "original_sealed", "risk_override_sealed", "void_reason_sealed"},
    "case_closings": {"reason_sealed"},
    "case_notes": {"body_sealed"},
    "compelled_disclosures": {"words_sealed"},
    "disclosures": {"recipient_sealed", "what_sealed"},
    "exports": {"body_sealed", "reason_sealed", "recipient_sealed"},
    "cases": {"consent_why_sealed", "summary_sealed"},
    "glass_overrides": {"note_sealed", "reason_sealed"},
    "factors": {"secret_sealed"},
    "followups": {"note_sealed", "reason_sealed", "task_sealed"},
    "legal_holds": {"reason_sealed"},
    "messages": {"address_sealed"},
    "persons": {"background_sealed", "name_sealed", "phone_sealed"},
    "reading_alerts": {"note_sealed"},
    "referral_asks": {"decline_note_sealed"},
    "retention_reviews": {"reason_sealed"},
}
# Tables in which no child stands (reference data, the directory, staff, the machinery), and their columns of words.
NO_CHILD = {
    "agencies": {"address", "email", "kind", "languages", "names", "opening", "phone"},
    "agency_coverage": set(),
    "agency_services": {"service", "sexes"},
    "api_tokens": {"name", "scopes", "token_hash"},
    "audit_checkpoints": {"note", "peaks", "proof"},
    "audit_followers": {"error_code", "name"},
    "audit_leaves": {"leaf_hash"},
    "audit_pending": set(),
    "call_import_mappings": {"document", "name"},
    "case_counters": set(),
    "centre_roles": {"base", "fields", "names", "scopes"},
    "centres": {"code", "country", "languages", "name", "phone", "risk_clocks", "timezone"},
    "credentials": {"password_hash"},
    "grants": {"effect", "kind", "reason"},
    "handled_events": {"handler"},
    "holidays": {"country", "names"},
    "key_state": set(),
    "place_keys": {"country", "key"},
    "places": {"code", "country", "level", "names"},
    "recovery_codes": {"code_index"},
    "reference_loads": {"digest"},
    "taxonomies": {"name", "version"},
    "taxonomy_terms": {"code", "names"},
    "team_members": set(),
    "retention_rules": {"kind"},
    "retention_sweeps": {"kind"},
    "teams": {"name"},
    "user_sessions": {"challenge", "token_hash"},
    "users": {"email", "locale", "login", "name", "role", "status", "theme"},
}
CODE = "a code of our vocabularies: a check in the database or the schema's closed list holds it"
CODES_AND_IDS = "ids, codes, numbers and times alone"
HMAC = "an HMAC: found by, never read back"
KEY = "the row's own key, wrapped by the key ring"
CIPHERTEXT = "ciphertext on its way into the sealed column of the row it becomes"
WHY = {
    "approvals": {"decision": CODE, "detail": CODES_AND_IDS, "kind": CODE, "record_key": KEY},
    "audit_entries": {
        "action": CODE, "actor_role": CODE, "channel": CODE, "details": CODES_AND_IDS, "field_groups": CODE,
        "outcome": CODE, "subject_kind": CODE,
    },
    "breach_entries": {"kind": CODE, "record_key": KEY},
    "breaches": {"categories": CODE, "record_key": KEY},
    "call_children": {"age_band": CODE, "gender": CODE},
    "call_drafts": {"record_key": KEY},
    "call_identities": {"digest": HMAC},
    "call_import_chunks": {"record_key": KEY},
    "call_import_findings": {"kind": CODE, "record_key": KEY},
    "call_import_rows": {
        "body": "what the call's and the persons' own rows show in the clear", "call_key": KEY, "caller_key": KEY, "caller_name": CIPHERTEXT, "caller_phone": CIPHERTEXT,
        "caller_phone_index": HMAC, "child_background": CIPHERTEXT, "child_key": KEY, "child_name": CIPHERTEXT, "digest": HMAC, "narrative": CIPHERTEXT,
        "original": CIPHERTEXT,
    },
    "call_imports": {
        "encoding": CODE, "error_code": CODE, "mapping": "which column means what; a name of a column, not of a child",
        "record_key": KEY, "state": CODE,
    },
    "call_terms": {},
    "call_versions": {"action": CODE, "record_key": KEY},
    "calls": {
        "actions": CODE, "body_digest": HMAC, "caller_relation": CODE, "channel": CODE, "danger": CODE,
        "direction": CODE, "erased_why": CODE, "kind": CODE, "record_key": KEY, "risk_level": CODE, "risk_reasons": CODES_AND_IDS,
        "source": CODE,
    },
    "case_closings": {"kind": CODE, "record_key": KEY, "relation": CODE},
    "case_events": {"action": CODE, "actor_role": CODE, "details": CODES_AND_IDS},
    "case_notes": {"body_index": HMAC, "kind": CODE, "record_key": KEY},
    "case_obligations": {"kind": CODE, "source_kind": CODE},
    "cases": {
        "body_index": HMAC, "child_gender": CODE, "close_reason": CODE, "closing_reason": CODE,
        "code": "the case's number for people: it is read out, so it says nothing", "consent": CODE, "erased_why": CODE,
        "needs": CODE,
        "record_key": KEY, "risk_level": CODE, "risk_reasons": CODES_AND_IDS, "source": CODE, "status": CODE,
        "step": CODE,
    },
    "compelled_disclosures": {
        "authority": CODE, "basis": CODE, "outcome": CODE, "record_key": KEY, "subjects_told": CODE,
    },
    "disclosures": {
        "basis": CODE, "field_groups": CODE, "means": CODE, "recipient_kind": CODE, "record_key": KEY,
    },
    "exports": {
        "body_index": HMAC, "field_groups": CODE, "kind": CODE, "recipient": CODE, "record_key": KEY,
        "withheld": CODES_AND_IDS,
    },
    "glass_overrides": {
        "case_code": "the case's number for people: it is read out, so it says nothing", "outcome": CODE, "record_key": KEY,
    },
    "erasure_ledger_states": {"problem": CODE},
    "erasures": {"counts": CODES_AND_IDS, "record_kind": CODE, "why": CODE},
    "factors": {
        "credential_id": "a random handle that the passkey made", "kind": CODE,
        "name": "a member of staff's own word for their telephone or key", "public_key": "a public key",
        "record_key": KEY,
    },
    "followups": {"kind": CODE, "outcome": CODE, "record_key": KEY, "risk_level": CODE, "state": CODE},
    "key_rotations": {"table_name": "the name of one of our tables"},
    "legal_holds": {"record_key": KEY, "record_kind": CODE},
    "messages": {
        "channel": CODE, "dedupe_key": CODES_AND_IDS, "error_code": CODE, "locale": CODE, "params": CODES_AND_IDS,
        "record_key": KEY, "state": CODE, "template": CODE,
    },
    "outbox_events": {"name": CODE, "payload": CODES_AND_IDS},
    "persons": {
        "age_known": CODE, "disability": CODE, "erased_why": CODE, "gender": CODE, "language": CODE, "phone_index": HMAC,
        "record_key": KEY, "role": CODE,
    },
    "reading_alerts": {"kind": CODE, "record_key": KEY},
    "referral_asks": {
        "decline_reason": CODE, "excluded": CODES_AND_IDS, "reasons": CODES_AND_IDS, "record_key": KEY, "state": CODE,
    },
    "retention_reviews": {"record_key": KEY, "record_kind": CODE},
    "searches": {"kind": CODE},
    "referrals": {
        "excluded": CODES_AND_IDS, "service": CODE, "state": CODE, "urgency": CODE, "withdraw_reason": CODE,
    },
}  # fmt: skip


def speaks(column) -> bool:
    """Whether words could stand in it."""
    kind = column.type.item_type if isinstance(column.type, ARRAY) else column.type
    return isinstance(kind, Text | JSON | LargeBinary)


def test_the_sealed_columns_are_these():
    assert sealed_columns(db.metadata) == SEALED


def test_what_is_called_sealed_is_sealed_and_nothing_else():
    named = {(table.name, column.name) for table in db.metadata.sorted_tables for column in table.columns
             if column.name.endswith("_sealed")}  # fmt: skip
    assert named == {(table, column) for table, columns in SEALED.items() for column in columns}


def test_every_table_is_one_with_a_child_or_one_without():
    assert {table.name for table in db.metadata.sorted_tables} == set(NO_CHILD) | set(WHY)
    assert not set(NO_CHILD) & set(WHY)


@pytest.mark.parametrize("table", NO_CHILD)
def test_a_table_without_children_gains_no_words_unseen(table):
    assert {column.name for column in db.metadata.tables[table].columns if speaks(column)} == NO_CHILD[table]


@pytest.mark.parametrize("table", WHY)
def test_every_column_that_could_hold_words_says_why_it_is_not_sealed(table):
    clear = {column.name for column in db.metadata.tables[table].columns if speaks(column)} - SEALED.get(table, set())
    assert clear == set(WHY[table])


# A dataclass with slots stands twice among the subclasses: the last is the one in use.
EVENTS = sorted(
    {f"{event.__module__}.{event.__qualname__}": event for event in Event.__subclasses__()}.values(),
    key=lambda event: event.name,
)
NOBODY_HEARS = {  # kept in the outbox for those who come later; the relay settles them at once
    "accounts.password_reset_unmet", "accounts.user_deactivated", "calls.corrected", "calls.logged", "calls.voided", "followups.completed",
    "followups.escalated", "followups.reminded", "referrals.asked", "referrals.exhausted",
    "referrals.service_recorded", "referrals.withdrawn", "retention.record_erased",
}  # fmt: skip
PLAIN = {uuid.UUID, datetime, date, int, float, bool, type(None)}
# Codes of vocabularies travel as text: each such field is named here.
CODES = {"change", "former", "kind", "needs", "outcome", "reason", "risk_level", "service", "source", "state"}


def parts(hint) -> set:
    """`tuple[str, ...] | None` -> {str, NoneType}."""
    inner = [part for part in get_args(hint) if part is not Ellipsis]
    return set().union(*map(parts, inner)) if inner else {hint}


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.name)
def test_an_event_holds_ids_codes_times_and_numbers(event):
    hints = get_type_hints(event)
    others = {field.name for field in fields(event) if not parts(hints[field.name]) <= PLAIN}
    assert others <= CODES
    assert all(parts(hints[name]) <= PLAIN | {str} for name in others)


def test_every_event_is_heard_or_known_not_to_be():
    names = [event.name for event in EVENTS]
    assert len(names) == len(set(names))
    assert set(names) == set(SUBSCRIPTIONS) | NOBODY_HEARS
    assert not set(SUBSCRIPTIONS) & NOBODY_HEARS


@pytest.fixture(scope="module")
def celery():
    application = workers.celery_app.celery
    application.loader.import_default_modules()
    return application


def test_every_task_that_is_called_exists(celery):
    called = {task for tasks in SUBSCRIPTIONS.values() for task in tasks}
    called |= {entry["task"] for entry in celery.conf.beat_schedule.values()}
    assert called <= set(celery.tasks)


def test_every_task_of_ours_is_called(celery):
    others = ("celery.", "tests.")  # Celery's own, and what tests of tasks add to the same process
    ours = {name for name in celery.tasks if not name.startswith(others)}
    called = {task for tasks in SUBSCRIPTIONS.values() for task in tasks}
    assert ours == called | {entry["task"] for entry in celery.conf.beat_schedule.values()}


def test_every_queue_has_a_worker(celery):
    worker = commands(Settings(), Path("scratch"))["worker"]
    consumed = set(worker[worker.index("--queues") + 1].split(","))
    routed = {route["queue"] for route in celery.conf.task_routes.values()}
    assert consumed == routed | {celery.conf.task_default_queue}
