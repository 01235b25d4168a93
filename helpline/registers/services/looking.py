"""Looking at what left the house about a child. The words of entries by hand are story: reading them is on record."""

import uuid
from dataclasses import replace

from helpline.cases import queries as cases
from helpline.foundation.access.engine import may_read, require
from helpline.foundation.access.permissions import FieldGroup, Permission
from helpline.foundation.audit.recorder import showed
from helpline.foundation.context import Context
from helpline.foundation.errors import NotFound
from helpline.registers.queries import ledger
from helpline.registers.vocabulary import LedgerLine


def see_ledger(ctx: Context, case_id: uuid.UUID) -> list[LedgerLine]:
    """The ledger of the child of this case, newest first, for whoever reaches it. Raises NotFound("case")."""
    require(ctx, Permission.CASE_READ, case_id)
    cases.centre_of(case_id)
    return _lines(ctx, case_id)


def find_ledger(ctx: Context, number: str) -> tuple[uuid.UUID, list[LedgerLine]]:
    """The same by the number people say, for who reads the register: auditors get codes and times alone.

    Raises NotFound("case").
    """
    require(ctx, Permission.DISCLOSURE_READ)
    case_id = ledger.find_case(number.strip())
    if case_id is None:
        raise NotFound("case")
    return case_id, _lines(ctx, case_id)


def _lines(ctx: Context, case_id: uuid.UUID) -> list[LedgerLine]:
    lines = ledger.list_disclosures(case_id)
    if not may_read(ctx.actor, FieldGroup.STORY):
        return [replace(line, recipient=None, what=None) for line in lines]
    for told in {line.case_id for line in lines if line.what is not None}:
        showed("case", told, [FieldGroup.STORY.value])
    return lines
