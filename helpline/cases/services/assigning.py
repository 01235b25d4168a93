"""Who works on a case, and who is shut out of it."""

import uuid
from collections.abc import Sequence

from helpline.accounts import queries as accounts
from helpline.calls.vocabulary import RiskLevel
from helpline.cases import events, queries, rules
from helpline.cases.models import Case
from helpline.cases.services import changing
from helpline.cases.vocabulary import CaseAction
from helpline.foundation.access import grants
from helpline.foundation.access.engine import require
from helpline.foundation.access.permissions import Permission, Role
from helpline.foundation.audit.recorder import record
from helpline.foundation.context import Context
from helpline.foundation.errors import Invalid
from helpline.foundation.outbox.publisher import publish

ASSIGNED = "assigned"


def assign_caseworker(ctx: Context, case_id: uuid.UUID, version: int, caseworker_id: uuid.UUID) -> Case:
    """Give the case to a caseworker of its team, who sees it and its call from the next request on; the former no more.

    Raises Conflict("stale" | "case_closed"), Invalid("caseworker_not_of_team").
    """
    scope = require(ctx, Permission.CASE_ASSIGN, case_id)
    case = changing.open_for_change(case_id, version)
    rules.check_team(scope, case.team_id, ctx.actor.team_ids, Permission.CASE_ASSIGN)
    fit = {user.id for user in accounts.users_of_team(case.team_id, Role.CASEWORKER)}
    if caseworker_id not in fit - grants.shut_out([case.id])[case.id]:
        raise Invalid("caseworker_not_of_team", "caseworker_id")
    former = case.caseworker_id
    if former == caseworker_id:
        return case
    for reason in (ASSIGNED, "shared"):
        grants.end(ctx, source_id=case.id, reason=reason)
    grants.allow(ctx, caseworker_id, case.reach, reason=ASSIGNED, source_id=case.id)
    case.caseworker_id, case.assigned_at = caseworker_id, ctx.now
    details = {"caseworker_id": str(caseworker_id), "former_id": str(former) if former else None}
    changing.change(ctx, case, CaseAction.ASSIGNED, details, fields=("caseworker_id",))
    publish(ctx, events.CaseAssigned(case.id, case.centre_id, caseworker_id))
    return case


def close_to(ctx: Context, case: Case, principals: Sequence[uuid.UUID], reason: str = grants.CLOSED_TO) -> None:
    """Shut staff and agencies out of the case, its call and its child; what one of them has is nobody's again.

    `reason`: `grants.CLOSED_TO` or `grants.PARTY`. Raises Invalid("closed_to_unknown", "closed_to").
    """
    queries.check_closable(case.centre_id, set(principals), ctx.actor.id)
    for principal_id in dict.fromkeys(principals):
        grants.deny(ctx, principal_id, case.reach, reason=reason, source_id=case.id)
        record(ctx, "case.closed_to", "case", case.id, centre_id=case.centre_id, principal_id=principal_id, why=reason)
    if case.caseworker_id in principals:
        _release(ctx, case)


def _release(ctx: Context, case: Case) -> None:
    grants.end(ctx, source_id=case.id, reason=ASSIGNED)
    own = accounts.get_centre(case.centre_id).risk_clocks
    case.assign_by = rules.clocks(RiskLevel(case.risk_level), ctx.now, own).assign_by
    case.caseworker_id = case.assigned_at = None
    changing.change(ctx, case, CaseAction.RELEASED, {}, fields=("caseworker_id",))
    publish(ctx, events.CaseReleased(case.id, case.centre_id))
