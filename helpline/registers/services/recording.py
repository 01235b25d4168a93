"""What people enter themselves: what they told by hand, what authorities demanded, what got out; only added to."""

import uuid
from collections.abc import Sequence
from typing import TypeVar

from helpline.accounts import queries as accounts
from helpline.accounts.models import User
from helpline.cases import queries as cases
from helpline.foundation.access.engine import require
from helpline.foundation.access.permissions import Permission, Role
from helpline.foundation.audit.recorder import record
from helpline.foundation.context import Context
from helpline.foundation.db import db
from helpline.foundation.errors import Conflict, Invalid, NotFound
from helpline.notifications.commands import QueueMessage
from helpline.notifications.services import queue_message
from helpline.registers import rules
from helpline.registers.commands import EnterStep, OpenBreach, RecordDemand, RecordDisclosure
from helpline.registers.models import Breach, BreachEntry, Demand, Disclosure
from helpline.registers.queries import books, ledger
from helpline.registers.vocabulary import BreachStep

T = TypeVar("T", Disclosure, Demand, Breach, BreachEntry)
BATCH = 50
WORDS = ("authority", "person", "paper", "law", "demanded", "given", "told")  # of a demand, sealed together
_NEEDED = ("authority", "demanded")


def _the_first(standing: T, mine: tuple[object, ...], theirs: tuple[object, ...]) -> T:
    """What stands under this id, for who posts it again; a form sent back with other words must not vanish."""
    if mine != theirs:
        raise Conflict("id_in_use")
    return standing


def record_disclosure(ctx: Context, command: RecordDisclosure) -> Disclosure:
    """Enter what was told or given by hand. The same again by one id gives the first.

    Raises NotFound("case" | "disclosure"), Invalid("required" | "in_the_future"),
    Conflict("corrected_already" | "erased" | "id_in_use").
    """
    require(ctx, Permission.DISCLOSURE_RECORD, command.case_id)
    case = cases.get_case(command.case_id)
    standing = ledger.find_disclosure(command.disclosure_id)
    if standing is not None:
        mine = (
            command.case_id, ctx.actor.id, command.recipient.strip(), command.what.strip(), command.recipient_kind,
            command.means, command.basis, sorted(group.value for group in command.groups),
        )  # fmt: skip
        theirs = (
            standing.case_id, standing.recorded_by, standing.recipient, standing.what, standing.recipient_kind,
            standing.means, standing.basis, standing.field_groups,
        )  # fmt: skip
        return _the_first(standing, mine, theirs)
    if case.erased_at is not None:
        raise Conflict("erased")
    for name in ("recipient", "what"):
        if not getattr(command, name).strip():
            raise Invalid("required", name)
    rules.check_past(command.given_at, ctx.now, "given_at")
    if command.corrects_id is not None:
        former = ledger.find_disclosure(command.corrects_id)
        if former is None or former.case_id != command.case_id:
            raise NotFound("disclosure", command.corrects_id)
        if ledger.is_corrected(former.id):
            raise Conflict("corrected_already")
    entry = Disclosure(
        id=command.disclosure_id, case_id=case.id, centre_id=case.centre_id, corrects_id=command.corrects_id,
        given_at=min(command.given_at, ctx.now), recipient_kind=command.recipient_kind.value, means=command.means.value,
        basis=command.basis.value, field_groups=sorted(group.value for group in command.groups),
        recorded_by=ctx.actor.id, recorded_at=ctx.now,
    )  # fmt: skip
    entry.recipient, entry.what = command.recipient.strip(), command.what.strip()
    db.session.add(entry)
    db.session.flush()
    record(
        ctx, "disclosure.recorded", "disclosure", entry.id, entry.case_id, fields=entry.field_groups,
        recipient=entry.recipient_kind, basis=entry.basis, corrects_id=entry.corrects_id,
    )  # fmt: skip
    return entry


def record_demand(ctx: Context, command: RecordDemand) -> Demand:
    """Enter what an authority demanded, or put an earlier entry right. The same again by one id gives the first.

    Raises NotFound("demand"), Invalid("required" | "in_the_future" | "case_unknown" | "user_unknown"),
    Conflict("corrected_already" | "id_in_use").
    """
    require(ctx, Permission.DEMAND_RECORD, command.corrects_id)
    words = {name: text.strip() for name, text in command.words.items() if name in WORDS and text.strip()}
    standing = books.find_demand(command.demand_id)
    if standing is not None:
        codes = ("corrects_id", "authority", "basis", "outcome", "subjects_told", "decided_by")
        mine = (ctx.actor.id, words, *(getattr(command, name) for name in codes))
        return _the_first(
            standing, mine, (standing.recorded_by, standing.words, *(getattr(standing, n) for n in codes))
        )
    for name in _NEEDED:
        if name not in words:
            raise Invalid("required", name)
    rules.check_past(command.received_at, ctx.now, "received_at")
    former = books.get_demand(command.corrects_id) if command.corrects_id is not None else None
    if former is not None and former.corrected:
        raise Conflict("corrected_already")
    before = former.case_ids if former is not None and command.same_cases else []
    demand = Demand(
        id=command.demand_id, centre_id=ctx.actor.centre_id, corrects_id=command.corrects_id,
        received_at=min(command.received_at, ctx.now), authority=command.authority.value, basis=command.basis.value,
        outcome=command.outcome.value, subjects_told=command.subjects_told.value,
        case_ids=_cases(before, command.cases), decided_by=_colleague(ctx, command.decided_by),
        recorded_by=ctx.actor.id, recorded_at=ctx.now,
    )  # fmt: skip
    demand.words = words
    db.session.add(demand)
    db.session.flush()
    record(
        ctx, "demand.recorded", "demand", demand.id, *demand.case_ids, authority=demand.authority,
        outcome=demand.outcome, corrects_id=demand.corrects_id,
    )  # fmt: skip
    return demand


def _cases(before: Sequence[uuid.UUID], numbers: Sequence[str]) -> list[uuid.UUID]:
    found = [*before, *(ledger.find_case(number.strip()) for number in numbers)]
    if None in found:
        raise Invalid("case_unknown", "cases")
    return list(dict.fromkeys(each for each in found if each is not None))


def _colleague(ctx: Context, user_id: uuid.UUID | None) -> uuid.UUID | None:
    if user_id is None:
        return None
    user = accounts.find_user(user_id)
    if user is None or user.centre_id != ctx.actor.centre_id:
        raise Invalid("user_unknown", "decided_by")
    return user_id


def open_breach(ctx: Context, command: OpenBreach) -> Breach:
    """Begin a breach's log: its 72 hours run from when it was noticed. The same again by one id gives the first.

    Raises Invalid("required", "what" | "categories"), Invalid("in_the_future", "noticed_at"), Conflict("id_in_use").
    """
    require(ctx, Permission.BREACH_RECORD)
    standing = books.find_breach(command.breach_id)
    if standing is not None:
        mine = (ctx.actor.id, command.what.strip(), command.people, command.records, list(command.categories))
        theirs = (standing.opened_by, standing.what, standing.people, standing.records, standing.categories)
        return _the_first(standing, mine, theirs)
    if not command.what.strip():
        raise Invalid("required", "what")
    if not command.categories:
        raise Invalid("required", "categories")
    rules.check_past(command.noticed_at, ctx.now, "noticed_at")
    noticed_at = min(command.noticed_at, ctx.now)
    breach = Breach(
        id=command.breach_id, centre_id=ctx.actor.centre_id, noticed_at=noticed_at, notify_by=noticed_at + rules.CLOCK,
        remind_at=ctx.now, opened_by=ctx.actor.id, opened_at=ctx.now, people=command.people, records=command.records,
        categories=[category.value for category in command.categories],
    )  # fmt: skip
    breach.what = command.what.strip()
    db.session.add(breach)
    db.session.flush()
    record(ctx, "breach.opened", "breach", breach.id, categories=breach.categories)
    return breach


def enter_step(ctx: Context, command: EnterStep) -> None:
    """Add to a breach's log; telling the authority stops its clock, closing ends the log. The same id counts once.

    Raises NotFound("breach"), Conflict("breach_closed" | "told_already" | "id_in_use"), Invalid("required", "words"),
    Invalid("in_the_future" | "too_early", "at").
    """
    require(ctx, Permission.BREACH_RECORD, command.breach_id)
    standing = books.find_entry(command.entry_id)
    if standing is not None:
        mine = (command.breach_id, ctx.actor.id, command.kind, command.words.strip())
        _the_first(standing, mine, (standing.breach_id, standing.recorded_by, standing.kind, standing.words))
        return
    books.get_breach(command.breach_id, ctx.now)
    breach = books.find_open_breach(command.breach_id)
    if breach is None:
        raise Conflict("breach_closed")
    if not command.words.strip():
        raise Invalid("required", "words")
    rules.check_past(command.at, ctx.now, "at", since=breach.noticed_at)
    at = min(command.at, ctx.now)
    entry = BreachEntry(
        id=command.entry_id, breach_id=breach.id, centre_id=breach.centre_id, kind=command.kind.value, at=at,
        recorded_by=ctx.actor.id, recorded_at=ctx.now,
    )  # fmt: skip
    entry.words = command.words.strip()
    db.session.add(entry)
    match command.kind:
        case BreachStep.AUTHORITY_TOLD:
            _once(breach.authority_told_at)
            breach.authority_told_at, breach.remind_at = at, None
        case BreachStep.SUBJECTS_TOLD:
            _once(breach.subjects_told_at)
            breach.subjects_told_at = at
        case BreachStep.CLOSED:
            breach.closed_at, breach.remind_at = ctx.now, None
    db.session.flush()
    done = "breach.closed" if command.kind is BreachStep.CLOSED else "breach.noted"
    record(ctx, done, "breach", breach.id, step=command.kind.value, entry_id=entry.id)


def _once(at: object) -> None:
    if at is not None:
        raise Conflict("told_already")


def remind_breaches(ctx: Context, limit: int = BATCH) -> int:
    """The reminder's: tell a centre's administrators and supervisors how its clocks stand, a batch. Gives how many."""
    require(ctx, Permission.BREACH_READ)
    due = books.take_reminded(ctx.now, limit)
    for breach in due:
        params = {"breach_id": breach.id, "notify_by": breach.notify_by, "late": ctx.now > breach.notify_by}
        for user in _keepers(breach.centre_id):
            key = f"breach_clock:{breach.id}:{ctx.now.timestamp():.0f}:{user.id}"
            queue_message(ctx, QueueMessage(breach.centre_id, "breach_clock", key, params, user_id=user.id))
        breach.remind_at = rules.remind_next(breach.notify_by, ctx.now)
    db.session.flush()
    return len(due)


def _keepers(centre_id: uuid.UUID) -> list[User]:
    return [user for role in (Role.ADMIN, Role.SUPERVISOR) for user in accounts.active_of(centre_id, role)]
