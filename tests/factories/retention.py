"""Holds, erasures and what becomes of them, through the services; needs an application context (the web login's)."""

import uuid
from datetime import timedelta

from psycopg.types.json import Jsonb

from helpline.accounts.services import approvals
from helpline.accounts.vocabulary import Decision
from helpline.cases import queries as cases
from helpline.cases.commands import CloseCase
from helpline.cases.services import closing
from helpline.cases.vocabulary import CloseReason
from helpline.foundation.crypto.sealed import seal_values
from helpline.foundation.db import unit_of_work
from helpline.foundation.ids import new_id
from helpline.retention.commands import Keep, Propose, SetHold
from helpline.retention.services import deciding
from helpline.retention.vocabulary import Why
from tests.factories.accounts import MadeUser

WHY = "Sokha wrote to us and asked for it."


def close_case(supervisor: MadeUser, case_id: uuid.UUID) -> None:
    with unit_of_work(supervisor.ctx()) as ctx:
        version = cases.get_case(case_id).version
        closing.close_case(ctx, CloseCase(case_id, version, CloseReason.GOALS_MET, "Sokha is well."))


def hold(supervisor: MadeUser, record_id: uuid.UUID) -> uuid.UUID:
    with unit_of_work(supervisor.ctx()) as ctx:
        return deciding.set_hold(ctx, SetHold(new_id(), record_id, "A court may ask for Sokha's story.")).id


def lift(supervisor: MadeUser, hold_id: uuid.UUID) -> None:
    with unit_of_work(supervisor.ctx()) as ctx:
        deciding.lift_hold(ctx, hold_id)


def keep(supervisor: MadeUser, record_id: uuid.UUID, days: int = 100) -> None:
    with unit_of_work(supervisor.ctx()) as ctx:
        deciding.keep(ctx, Keep(record_id, ctx.now + timedelta(days=days), "Sokha may come back."))


def propose(supervisor: MadeUser, record_id: uuid.UUID, why: Why = Why.REQUEST) -> uuid.UUID:
    """The id of the approval."""
    with unit_of_work(supervisor.ctx()) as ctx:
        return deciding.propose(ctx, Propose(new_id(), record_id, why, WHY)).id


def approve(somebody: MadeUser, approval_id: uuid.UUID, decision: Decision = Decision.APPROVED) -> None:
    with unit_of_work(somebody.ctx()) as ctx:
        approvals.decide(ctx, approval_id, decision)


def plant(rows, case_id: uuid.UUID) -> dict[str, uuid.UUID]:
    """What comes to hang on a case in time, each with a word: written by the owner. Ids by table."""
    [(call_id, centre_id, team_id, user_id)] = rows(
        "SELECT call_id, centre_id, team_id, opened_by FROM cases WHERE id = %s", case_id
    )
    ids = {
        name: new_id()
        for name in (
            "followups",
            "referrals",
            "referral_asks",
            "call_versions",
            "messages",
            "agencies",
            "disclosures",
            "exports",
        )
    }
    sealed = {
        table: seal_values(table, ids[table], {column: f"Sokha, in {table}"})
        for table, column in (("followups", "task_sealed"), ("referral_asks", "decline_note_sealed"),
                              ("disclosures", "what_sealed"), ("exports", "body_sealed"),
                              ("call_versions", "snapshot_sealed"), ("messages", "address_sealed"))
    } | {"call_drafts": seal_values("call_drafts", call_id, {"body_sealed": {"narrative": "Sokha"}})}  # fmt: skip
    words = {table: list(values.values()) for table, values in sealed.items()}
    rows(
        "INSERT INTO followups (record_key, task_sealed, id, case_id, centre_id, team_id, kind, risk_level, due_at,"
        " remind_at, escalate_at, state, created_at, created_by, version) VALUES (%s, %s, %s, %s, %s, %s, 'other', 'low',"
        " now(), now(), now(), 'cancelled', now(), %s, 1)",
        *words["followups"], ids["followups"], case_id, centre_id, team_id, user_id,
    )  # fmt: skip
    rows(
        "INSERT INTO agencies (id, centre_id, names, kind, languages, opening, nationwide, active, created_at, version)"
        " VALUES (%s, %s, '{}', 'ngo', '{}', '{}', true, true, now(), 1)", ids["agencies"], centre_id,
    )  # fmt: skip
    rows(
        "INSERT INTO referrals (id, case_id, centre_id, service, urgency, state, requested_by, requested_at, excluded,"
        " version) VALUES (%s, %s, %s, 'health', 'routine', 'exhausted', %s, now(), '[]', 1)",
        ids["referrals"], case_id, centre_id, user_id,
    )  # fmt: skip
    rows(
        "INSERT INTO referral_asks (record_key, decline_note_sealed, id, referral_id, case_id, centre_id, agency_id,"
        " position, by_hand, asked_at, answer_by, link_until, state, decline_reason, score, reasons, excluded, version)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, 0, false, now(), now(), now(), 'declined', 'full', 1, '[]', '[]', 1)",
        *words["referral_asks"], ids["referral_asks"], ids["referrals"], case_id, centre_id, ids["agencies"],
    )  # fmt: skip
    rows(
        "INSERT INTO call_versions (record_key, snapshot_sealed, id, call_id, centre_id, version, at, actor_id, action)"
        " VALUES (%s, %s, %s, %s, %s, 1, now(), %s, 'corrected')",
        *words["call_versions"], ids["call_versions"], call_id, centre_id, user_id,
    )  # fmt: skip
    rows(
        "INSERT INTO call_drafts (record_key, body_sealed, id, user_id, centre_id, saved_at) VALUES (%s, %s, %s, %s, %s, now())",
        *words["call_drafts"], call_id, user_id, centre_id,
    )  # fmt: skip
    rows(
        "INSERT INTO messages (record_key, address_sealed, id, centre_id, template, params, channel, state, dedupe_key,"
        " created_at, due_at) VALUES (%s, %s, %s, %s, 'referral_asked', %s, 'mail', 'sent', %s, now(), now())",
        *words["messages"], ids["messages"], centre_id, Jsonb({"ask_id": str(ids["referral_asks"])}), ids["messages"].hex,
    )  # fmt: skip
    rows(
        "INSERT INTO disclosures (record_key, what_sealed, id, centre_id, case_id, given_at, recipient_kind, means, basis,"
        " field_groups, recorded_by, recorded_at) VALUES (%s, %s, %s, %s, %s, now(), 'police', 'telephone',"
        " 'danger_to_life', '{}', %s, now())",
        *words["disclosures"], ids["disclosures"], centre_id, case_id, user_id,
    )  # fmt: skip
    rows(
        "INSERT INTO exports (record_key, body_sealed, body_index, id, centre_id, team_id, kind, case_ids, recipient, field_groups, items,"
        " withheld, requested_by, made_at, expires_at) VALUES (%s, %s, 'x', %s, %s, %s, 'subject', %s, 'child', '{}', 1, '{}', %s,"
        " now(), now() + interval '3 days')",
        *words["exports"], ids["exports"], centre_id, team_id, [case_id], user_id,
    )  # fmt: skip
    return ids
