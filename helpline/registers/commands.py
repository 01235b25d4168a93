"""What is asked, where it takes more than a handful of values."""

import uuid
from dataclasses import dataclass, field
from datetime import datetime

from helpline.foundation.access.permissions import FieldGroup
from helpline.registers import vocabulary as v


@dataclass(frozen=True, slots=True)
class MakeExport:
    """A subject's export. `release`, `keep_back`: keys of pieces that differ from what is withheld by default."""

    export_id: uuid.UUID
    case_id: uuid.UUID
    recipient: v.Recipient
    recipient_name: str = field(repr=False)
    reason: str = field(repr=False)
    locale: str = "en"
    release: frozenset[str] = frozenset()
    keep_back: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class AskBulk:
    """Ask to take out many calls or cases, without whom they are about."""

    approval_id: uuid.UUID
    what: v.BulkKind
    span: v.Span
    reason: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class RecordDisclosure:
    """Something was told or given by hand. `corrects_id`: an earlier entry that this one puts right."""

    disclosure_id: uuid.UUID
    case_id: uuid.UUID
    given_at: datetime
    recipient_kind: v.Recipient
    means: v.Means
    basis: v.Basis
    groups: tuple[FieldGroup, ...]
    recipient: str = field(repr=False)
    what: str = field(repr=False)
    corrects_id: uuid.UUID | None = None


@dataclass(frozen=True, slots=True)
class RecordDemand:
    """An authority demanded to be told. `cases`: numbers of the centre's cases that it was about.

    `same_cases`: of a correction, also those of the entry it puts right.
    """

    demand_id: uuid.UUID
    received_at: datetime
    authority: v.Authority
    basis: v.DemandBasis
    outcome: v.DemandOutcome
    subjects_told: v.Told
    cases: tuple[str, ...]
    words: dict[str, str] = field(repr=False)
    decided_by: uuid.UUID | None = None
    corrects_id: uuid.UUID | None = None
    same_cases: bool = False


@dataclass(frozen=True, slots=True)
class OpenBreach:
    """Something got out, or is lost. Numbers are estimates."""

    breach_id: uuid.UUID
    noticed_at: datetime
    categories: tuple[v.Affected, ...]
    people: int | None
    records: int | None
    what: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class EnterStep:
    """An entry in a breach's log. `at`: when it was done."""

    entry_id: uuid.UUID
    breach_id: uuid.UUID
    kind: v.BreachStep
    at: datetime
    words: str = field(repr=False)
