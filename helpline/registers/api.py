"""The registers by API: what a program may read and enter. Exports are made and downloaded by pages alone."""

import uuid
from typing import Any

from helpline.foundation.access.permissions import Permission
from helpline.foundation.keyset import decode_key, encode_key
from helpline.registers.commands import EnterStep, OpenBreach, RecordDemand
from helpline.registers.queries import books, exports
from helpline.registers.schemas import forms, shown
from helpline.registers.services import looking, processing, recording
from helpline.registers.vocabulary import BreachRow, DemandRow
from helpline.web.api import ApiBlueprint
from helpline.web.guard import acting, guard

api = ApiBlueprint("registers", "What a data protection officer keeps.")


@api.get("/cases/<uuid:case_id>/disclosures")
@guard(Permission.CASE_READ)
@api.response(200, shown.LedgerOut)
def read_case_disclosures(case_id: uuid.UUID) -> dict[str, Any]:
    """What left the house about the child of this case, newest first."""
    return {"id": case_id, "lines": looking.see_ledger(acting(), case_id)}


@api.post("/cases/<uuid:case_id>/disclosures")
@guard(Permission.DISCLOSURE_RECORD)
@api.arguments(forms.DisclosureIn)
@api.response(201, shown.LedgerOut)
def record_disclosure(data: dict[str, Any], case_id: uuid.UUID) -> dict[str, Any]:
    """Enter what was told or given by hand, or put an entry right."""
    ctx = acting()
    recording.record_disclosure(ctx, forms.disclosure_of(data, case_id))
    return {"id": case_id, "lines": looking.see_ledger(ctx, case_id)}


@api.get("/disclosures")
@guard(Permission.DISCLOSURE_READ)
@api.arguments(forms.LedgerQuery, location="query")
@api.response(200, shown.LedgerOut)
@api.alt_response(404, description="No case of this number, or none you may see")
def read_disclosures(asked: dict[str, Any]) -> dict[str, Any]:
    """The ledger of one child, by a case's number: codes and times, no story."""
    case_id, lines = looking.find_ledger(acting(), asked["case"] or "")
    return {"id": case_id, "lines": lines}


@api.get("/exports")
@guard(Permission.EXPORT_READ)
@api.arguments(forms.RegisterQuery, location="query")
@api.response(200, shown.ExportPage)
def list_exports(asked: dict[str, Any]) -> dict[str, Any]:
    """What was taken out, newest first; never what is in it."""
    rows = exports.list_exports(decode_key(asked["after"]))
    some, more = rows[: exports.PAGE], len(rows) > exports.PAGE
    return {"items": some, "next": encode_key(some[-1].made_at, some[-1].id) if more else None}


@api.get("/demands")
@guard(Permission.DEMAND_READ)
@api.arguments(forms.RegisterQuery, location="query")
@api.response(200, shown.DemandPage)
def list_demands(asked: dict[str, Any]) -> dict[str, Any]:
    """What authorities demanded, as it stands now, newest first."""
    rows = books.list_demands(decode_key(asked["after"]))
    some, more = rows[: books.PAGE], len(rows) > books.PAGE
    return {"items": some, "next": encode_key(some[-1].received_at, some[-1].id) if more else None}


@api.post("/demands")
@guard(Permission.DEMAND_RECORD)
@api.arguments(forms.DemandIn)
@api.response(201, shown.DemandOut)
@api.alt_response(404, description="No such entry to put right")
def record_demand(command: RecordDemand) -> DemandRow:
    """Enter what an authority demanded, or put an earlier entry right."""
    return books.get_demand(recording.record_demand(acting(), command).id)


@api.get("/demands/<uuid:demand_id>")
@guard(Permission.DEMAND_READ)
@api.response(200, shown.DemandOut)
def read_demand(demand_id: uuid.UUID) -> DemandRow:
    """One demand with its words and what was entered before."""
    return books.get_demand(demand_id)


@api.get("/breaches")
@guard(Permission.BREACH_READ)
@api.arguments(forms.RegisterQuery, location="query")
@api.response(200, shown.BreachPage)
def list_breaches(asked: dict[str, Any]) -> dict[str, Any]:
    """What got out or was lost, newest first."""
    rows = books.list_breaches(acting().now, decode_key(asked["after"]))
    some, more = rows[: books.PAGE], len(rows) > books.PAGE
    return {"items": some, "next": encode_key(some[-1].noticed_at, some[-1].id) if more else None}


@api.post("/breaches")
@guard(Permission.BREACH_RECORD)
@api.arguments(forms.BreachIn)
@api.response(201, shown.BreachOut)
def open_breach(command: OpenBreach) -> BreachRow:
    """Begin a breach's log: its 72 hours run from when it was noticed."""
    ctx = acting()
    return books.get_breach(recording.open_breach(ctx, command).id, ctx.now)


@api.get("/breaches/<uuid:breach_id>")
@guard(Permission.BREACH_READ)
@api.response(200, shown.BreachOut)
def read_breach(breach_id: uuid.UUID) -> BreachRow:
    """One breach with its log."""
    return books.get_breach(breach_id, acting().now)


@api.post("/breaches/<uuid:breach_id>/steps")
@guard(Permission.BREACH_RECORD)
@api.arguments(forms.BreachStepIn)
@api.response(201, shown.BreachOut)
def enter_step(data: dict[str, Any], breach_id: uuid.UUID) -> BreachRow:
    """Add to its log."""
    ctx = acting()
    recording.enter_step(ctx, EnterStep(breach_id=breach_id, **data))
    return books.get_breach(breach_id, ctx.now)


@api.get("/processing")
@guard(Permission.PROCESSING_READ)
@api.response(200, shown.ProcessingOut)
def read_processing() -> dict[str, Any]:
    """The register of processing, made of the tables and the matrix."""
    return {"activities": processing.read_processing(acting())}
