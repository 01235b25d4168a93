"""Closing a case to named staff and agencies. What counts is the grant of refusal; the reason stands sealed beside it.

Nobody decides about themselves: to whom a case is closed sees neither it nor that it exists, and so can't lift it.
"""

import uuid

from helpline.accounts import queries as accounts
from helpline.cases.models import Case
from helpline.cases.queries import get_case
from helpline.cases.rules import check_team
from helpline.cases.services import assigning
from helpline.foundation.access import grants
from helpline.foundation.access.engine import holds, require, scope_held
from helpline.foundation.access.permissions import Permission, Scope
from helpline.foundation.audit.recorder import record
from helpline.foundation.context import Context
from helpline.foundation.db import db
from helpline.foundation.errors import Conflict, Invalid, NotFound
from helpline.foundation.ids import new_id
from helpline.foundation.outbox.publisher import publish
from helpline.privacy import events, queries
from helpline.privacy.commands import CloseTo, Lift
from helpline.privacy.models import CaseClosing
from helpline.privacy.vocabulary import ClosingKind, Seer, Shut


def see_access(ctx: Context, case_id: uuid.UUID) -> tuple[list[Seer], list[Shut] | None]:
    """Who sees the case and why, and who is shut out: None for whoever may not manage it. Raises NotFound("case")."""
    require(ctx, Permission.CASE_READ, case_id)
    case = get_case(case_id)
    scope = scope_held(ctx.actor, Permission.CASE_RESTRICT)
    may = holds(ctx.actor, Permission.CASE_RESTRICT) and (
        scope is not Scope.TEAM or case.team_id in ctx.actor.team_ids
    )  # fmt: skip
    return queries.who_sees(case, ctx.now), queries.list_shut(case_id) if may else None


def close_to(ctx: Context, command: CloseTo) -> None:
    """Shut a member of staff or an agency of the centre out, from the next request on; an agency's link dies with it.

    Raises NotFound("case"), Forbidden, Invalid("required" | "closed_to_unknown" | "party_is_staff"),
    Conflict("closed_already").
    """
    case = _lock(ctx, command.case_id)
    kind = ClosingKind.PARTY if command.relation else ClosingKind.CLOSED_TO
    standing = queries.list_shut(case.id)
    if any((each.principal_id, each.kind) == (command.principal_id, kind) for each in standing):
        raise Conflict("closed_already")
    if command.relation and accounts.find_user(command.principal_id) is None:
        raise Invalid("party_is_staff", "relation")
    assigning.close_to(ctx, case, [command.principal_id], reason=kind.value)
    _end_override(ctx, case.id, command.principal_id)
    _note(ctx, case, command.principal_id, kind, command.reason, relation=command.relation)
    publish(ctx, events.CaseShut(case.id, case.centre_id, command.principal_id))


def lift(ctx: Context, command: Lift) -> None:
    """Let them see the case again, as far as anything else allows it.

    Raises NotFound("case" | "closing"), Forbidden, Invalid("required", "reason").
    """
    case = _lock(ctx, command.case_id)
    standing = {(each.principal_id, each.kind) for each in queries.list_shut(case.id)}
    if (command.principal_id, command.kind) not in standing:
        raise NotFound("closing", command.principal_id)
    grants.end(ctx, source_id=case.id, reason=command.kind.value, principal_id=command.principal_id)
    _note(ctx, case, command.principal_id, ClosingKind.LIFTED, command.reason)
    record(
        ctx, "case.opened_to", "case", case.id, centre_id=case.centre_id, principal_id=command.principal_id,
        why=command.kind.value,
    )  # fmt: skip


def _lock(ctx: Context, case_id: uuid.UUID) -> Case:
    scope = require(ctx, Permission.CASE_RESTRICT, case_id)
    case = queries.lock_case(case_id)
    check_team(scope, case.team_id, ctx.actor.team_ids, Permission.CASE_RESTRICT)
    return case


def _end_override(ctx: Context, case_id: uuid.UUID, user_id: uuid.UUID) -> None:
    """An override of this case that lasts for them is over: it opens nothing any more."""
    lasting = queries.find_lasting(user_id, ctx.now)
    if lasting is not None and lasting.case_id == case_id:
        lasting.ended_at = ctx.now
        db.session.flush()
        grants.end(ctx, source_id=lasting.id, reason=grants.BREAK_GLASS)


def _note(
    ctx: Context, case: Case, principal_id: uuid.UUID, kind: ClosingKind, reason: str, *, relation: str | None = None
) -> None:  # fmt: skip
    if not reason.strip():
        raise Invalid("required", "reason")
    closing = CaseClosing(
        id=new_id(), case_id=case.id, centre_id=case.centre_id, principal_id=principal_id, kind=kind,
        relation=relation, recorded_by=ctx.actor.id, recorded_at=ctx.now,
    )  # fmt: skip
    closing.reason = reason.strip()
    db.session.add(closing)
    db.session.flush()
