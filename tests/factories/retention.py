"""Holds, erasures and what becomes of them, through the services; needs an application context (the web login's)."""

import uuid
from datetime import timedelta

from helpline.accounts.services import approvals
from helpline.accounts.vocabulary import Decision
from helpline.cases import queries as cases
from helpline.cases.commands import CloseCase
from helpline.cases.services import closing
from helpline.cases.vocabulary import CloseReason
from helpline.foundation.db import unit_of_work
from helpline.foundation.ids import new_id
from helpline.retention.commands import Keep, Propose, SetHold
from helpline.retention.services import deciding
from helpline.retention.vocabulary import RecordKind, Why
from tests.factories.accounts import MadeUser

WHY = "Sokha wrote to us and asked for it."


def close_case(supervisor: MadeUser, case_id: uuid.UUID) -> None:
    with unit_of_work(supervisor.ctx()) as ctx:
        version = cases.get_case(case_id).version
        closing.close_case(ctx, CloseCase(case_id, version, CloseReason.GOALS_MET, "Sokha is well."))


def hold(supervisor: MadeUser, kind: RecordKind, record_id: uuid.UUID) -> uuid.UUID:
    with unit_of_work(supervisor.ctx()) as ctx:
        return deciding.set_hold(ctx, SetHold(new_id(), kind, record_id, "A court may ask for Sokha's story.")).id


def lift(supervisor: MadeUser, hold_id: uuid.UUID) -> None:
    with unit_of_work(supervisor.ctx()) as ctx:
        deciding.lift_hold(ctx, hold_id)


def keep(supervisor: MadeUser, kind: RecordKind, record_id: uuid.UUID, days: int = 100) -> None:
    with unit_of_work(supervisor.ctx()) as ctx:
        deciding.keep(ctx, Keep(kind, record_id, ctx.now + timedelta(days=days), "Sokha may come back."))


def propose(supervisor: MadeUser, kind: RecordKind, record_id: uuid.UUID, why: Why = Why.REQUEST) -> uuid.UUID:
    """The id of the approval."""
    with unit_of_work(supervisor.ctx()) as ctx:
        return deciding.propose(ctx, Propose(new_id(), kind, record_id, why, WHY)).id


def approve(somebody: MadeUser, approval_id: uuid.UUID, decision: Decision = Decision.APPROVED) -> None:
    with unit_of_work(somebody.ctx()) as ctx:
        approvals.decide(ctx, approval_id, decision)
