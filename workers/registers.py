"""Registers: the clock of a breach is told while it runs; an export that nobody downloaded is destroyed."""

from helpline.foundation.access.permissions import SystemActor
from helpline.foundation.context import system_context
from helpline.foundation.db import unit_of_work
from helpline.registers.services import exporting, recording
from workers.task import job


@job("registers.remind_breaches")
def remind_breaches() -> None:
    """Tell who keeps the log of each breach whose next reminder is due, a batch a unit of work."""
    more = True
    while more:
        with unit_of_work(system_context(SystemActor.REMINDER)) as ctx:
            more = recording.remind_breaches(ctx) == recording.BATCH


@job("registers.drop_exports")
def drop_exports() -> None:
    """Destroy what waited too long, a batch a unit of work."""
    more = True
    while more:
        with unit_of_work(system_context(SystemActor.KEEPER)) as ctx:
            more = exporting.drop_expired(ctx) == exporting.BATCH
