"""The ledger against the database: how they compare, and bringing a restored database after it."""

from sqlalchemy.dialects.postgresql import insert

from helpline.foundation.access.engine import require
from helpline.foundation.access.permissions import Permission, SystemActor
from helpline.foundation.context import Channel, Context, system_context
from helpline.foundation.db import db, unit_of_work
from helpline.retention.models import Erasure, ErasureLedgerState
from helpline.retention.queries import listing, reaching
from helpline.retention.services import erasing, port
from helpline.retention.vocabulary import Hindrance, Ledger, LedgerEntry, LedgerProblem, LedgerState, Reach


def compare() -> LedgerState:
    """Look at both, and keep what was found for whoever asks (`listing.find_ledger_state`)."""
    with unit_of_work(system_context(SystemActor.ERASER)) as ctx:
        require(ctx, Permission.ERASURE_CARRY)
        state = _compared(ctx, port.ledger().read())
        values = {
            "entries": state.entries, "unknown_here": state.unknown_here, "unknown_there": state.unknown_there,
            "problem": state.problem, "checked_at": state.checked_at,
        }  # fmt: skip
        kept = insert(ErasureLedgerState).values(one=True, **values)
        db.session.execute(kept.on_conflict_do_update(index_elements=[ErasureLedgerState.one], set_=values))
    return state


def _compared(ctx: Context, ledger: Ledger) -> LedgerState:
    known = listing.known_erasures()
    named = Reach(
        calls=tuple({each for entry in ledger.entries for each in entry.reach.calls}),
        cases=tuple({each for entry in ledger.entries for each in entry.reach.cases}),
        persons=tuple({each for entry in ledger.entries for each in entry.reach.persons}),
    )
    left = reaching.not_erased(named)
    unknown_here = [entry for entry in ledger.entries if entry.erasure_id not in known or left & set(entry.reach.ids)]
    there = {entry.erasure_id for entry in ledger.entries}
    problem = ledger.problem if ledger.problem is not LedgerProblem.MISSING or known else None
    return LedgerState(len(ledger.entries), len(unknown_here), len(known - there), problem, ctx.now)


def replay() -> tuple[int, int]:
    """Erase here what the ledger says was erased; as the owner of the tables, after a restore. Each entry is a unit.

    Gives how many were done, and how many a hold keeps here. Entries of centres that are not here are passed over.
    """
    done = held = 0
    with unit_of_work(system_context(SystemActor.ERASER, channel=Channel.CLI)):
        centres = set(listing.list_centre_ids())
    for entry in port.ledger().read().entries:
        if entry.centre_id in centres:
            outcome = _replay(entry)
            done, held = done + (outcome is True), held + (outcome is None)
    return done, held


def _replay(entry: LedgerEntry) -> bool | None:
    """True where it was done now, False where it was done before, None where a hold keeps it."""
    with unit_of_work(system_context(SystemActor.ERASER, channel=Channel.CLI)) as ctx:
        require(ctx, Permission.ERASURE_CARRY)
        known = listing.find_erasure(entry.erasure_id)
        if known is not None and known.finished_at is not None and not reaching.not_erased(entry.reach):
            return False
        if Hindrance.HELD in reaching.hindrances(entry.kind, entry.record_id, entry.reach):
            return None
        begun = insert(Erasure).values(
            id=entry.erasure_id, centre_id=entry.centre_id, record_kind=entry.kind.value, record_id=entry.record_id,
            why=entry.why.value, erased_at=entry.at,
        )  # fmt: skip
        db.session.execute(begun.on_conflict_do_nothing(index_elements=[Erasure.id]))
        erasing.destroy(entry, ctx.now)
        erasing.note(ctx, entry)
    return True


def sentences(state: LedgerState) -> list[str]:
    """What a person at the machine reads."""
    said = [f"{state.entries} erasures in the ledger."]
    if state.problem is LedgerProblem.DAMAGED:
        said.append("A line of it is not as it was written: bring the ledger back from its copy.")
    if state.problem is LedgerProblem.MISSING:
        said.append("The ledger is not there: bring it back from its copy.")
    if state.unknown_here:
        said.append(f"{state.unknown_here} of them are not done in this database: run replay-erasures.")
    if state.unknown_there:
        said.append(
            f"{state.unknown_there} erasures of this database are not in the ledger: bring back its newest copy."
        )
    return said


def said_of_replay(done: int, held: int) -> str:
    """What a person at the machine reads, a line each; nothing where there was nothing to do."""
    said = f"{done} erasures of the ledger were done in this database.\n" if done else ""
    return said + (f"{held} were not: a legal hold keeps what they name.\n" if held else "")
