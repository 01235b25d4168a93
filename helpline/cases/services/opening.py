"""A case begins."""

import uuid
from dataclasses import asdict

from sqlalchemy import update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.exc import IntegrityError

from helpline.calls.vocabulary import RiskLevel
from helpline.cases import events, queries, rules
from helpline.cases.commands import OpenCase
from helpline.cases.models import Case, CaseCounter, digest_of
from helpline.cases.services import assigning, changing
from helpline.cases.vocabulary import CaseAction, CaseSource, CaseStatus, CaseStep
from helpline.foundation.access import grants
from helpline.foundation.access.engine import require
from helpline.foundation.access.permissions import Permission, Role
from helpline.foundation.context import Context
from helpline.foundation.db import db
from helpline.foundation.errors import Conflict
from helpline.foundation.outbox.publisher import publish


def open_case(ctx: Context, command: OpenCase) -> Case:
    """Open a case for one child of one call; the team covering the place gets it unless one is chosen.

    The same person posting the same body again gets the first case. A historic (imported) call may be opened too: a
    case that a person opens is live. Raises NotFound("call"), Invalid("child_not_of_call" | "team_unknown" |
    "team_needed" | "closed_to_unknown" | …), Conflict("call_voided" | "erased" | "case_exists" | "id_in_use").
    """
    require(ctx, Permission.CASE_OPEN, command.call_id)
    rules.check_consent(command.consent)
    origin = queries.get_origin(command.call_id, command.child_person_id)
    if origin.voided_at is not None or origin.erased_at is not None:
        raise Conflict("erased" if origin.erased_at else "call_voided")
    number = _lock_counter(origin.centre_id) + 1
    digest = digest_of(asdict(command))
    existing = queries.find_opened(command.case_id, command.call_id, command.child_person_id)
    if existing is not None:
        if (existing.id, existing.opened_by, existing.body_index) == (command.case_id, ctx.actor.id, digest):
            return existing
        raise Conflict("id_in_use" if existing.id == command.case_id else "case_exists", case_id=str(existing.id))
    due = rules.clocks(RiskLevel(origin.risk_level), ctx.now, origin.risk_clocks)
    case = Case(
        id=command.case_id, centre_id=origin.centre_id, team_id=queries.team_for(command.team_id, origin),
        number=number, code=f"{origin.centre_code}-{number}", call_id=command.call_id,
        child_person_id=command.child_person_id,
        opened_by=ctx.actor.id, opened_at=ctx.now, body_index=digest, source=CaseSource.LIVE,
        risk_level=origin.risk_level, risk_reasons=origin.risk_reasons, place_id=origin.place_id,
        province_id=origin.province_id, child_age=origin.age, child_gender=origin.gender, step=CaseStep.REGISTER,
        status=CaseStatus.OPEN, assign_by=due.assign_by, first_response_by=due.first_response_by,
        needs=list(rules.added((), command.needs)), consent=command.consent.document(), version=1,
    )  # fmt: skip
    case.summary, case.consent_why = command.summary, command.consent.why
    if ctx.actor.role == Role.CASEWORKER:  # sees what was given to them, and so this until it is given on
        grants.allow(ctx, ctx.actor.id, [("case", case.id)], reason="shared", source_id=case.id)
    _insert_numbered(case)
    assigning.close_to(ctx, case, command.closed_to)
    changing.tell(ctx, case, CaseAction.OPENED, {"call_id": str(case.call_id), "risk_level": case.risk_level})
    publish(ctx, events.CaseOpened(case.id, case.centre_id, case.risk_level, case.source, tuple(case.needs)))
    return case


def _lock_counter(centre_id: uuid.UUID) -> int:
    """The centre's last number; whoever else opens a case in it waits until this unit ends."""
    first = upsert(CaseCounter).values(centre_id=centre_id, last_number=0)
    held = first.on_conflict_do_update(
        index_elements=[CaseCounter.centre_id], set_={"last_number": CaseCounter.last_number}
    )
    return db.session.execute(held.returning(CaseCounter.last_number)).scalar_one()


def _insert_numbered(case: Case) -> None:
    db.session.add(case)
    try:
        db.session.flush()
    except IntegrityError as error:  # an id in use where this actor can't look
        raise Conflict("id_in_use") from error
    taken = update(CaseCounter).where(CaseCounter.centre_id == case.centre_id)
    db.session.execute(taken.values(last_number=case.number))
