"""The closed lists of words about keeping and erasing, and the values that reads give."""

import uuid
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum


class RecordKind(StrEnum):
    """What can be held and erased."""

    CALL = "call"
    CASE = "case"
    PERSON = "person"


class RuleKind(StrEnum):
    """What a rule is about. The first two come up for review; the others are leftovers, thrown away when old."""

    CALL = "call"  # without a case
    CASE = "case"  # closed
    DRAFT = "draft"
    IMPORT_FILE = "import_file"
    MESSAGE = "message"
    SESSION = "session"


REVIEWED = (RuleKind.CALL, RuleKind.CASE)
LEFTOVERS = (RuleKind.DRAFT, RuleKind.IMPORT_FILE, RuleKind.MESSAGE, RuleKind.SESSION)


class Why(StrEnum):
    """Why something was erased: its time had come, or somebody whom it is about asked."""

    RULE = "rule"
    REQUEST = "request"


class Hindrance(StrEnum):
    """What stands in the way of an erasure."""

    ERASED = "erased"
    OPEN = "case_open"
    CASE = "has_case"  # of a call: it goes with its case
    HELD = "held"
    ASKED = "asked_already"


class LedgerProblem(StrEnum):
    MISSING = "missing"
    DAMAGED = "damaged"


@dataclass(frozen=True, slots=True)
class Reach:
    """What goes with an erasure, and what is linked to it but stays, since it is about somebody else too."""

    calls: tuple[uuid.UUID, ...] = ()
    cases: tuple[uuid.UUID, ...] = ()
    persons: tuple[uuid.UUID, ...] = ()
    told_of: tuple[uuid.UUID, ...] = ()  # everybody of whom these tell, those who stay too
    calls_stay: int = 0

    @property
    def persons_stay(self) -> int:
        return len(set(self.told_of) - set(self.persons))

    @property
    def ids(self) -> tuple[uuid.UUID, ...]:
        return (*self.calls, *self.cases, *self.persons)


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """One erasure as the ledger keeps it: ids and a time. `number` counts from 1."""

    number: int
    erasure_id: uuid.UUID
    centre_id: uuid.UUID
    kind: RecordKind
    record_id: uuid.UUID
    why: Why
    at: datetime
    reach: Reach


@dataclass(frozen=True, slots=True)
class Ledger:
    """What the file says. `problem`: it is not there though it should be, or was altered."""

    entries: tuple[LedgerEntry, ...] = ()
    problem: LedgerProblem | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """How long a kind is kept in a centre. `version` 0: nobody has changed what ships."""

    kind: RuleKind
    months: int
    version: int = 0
    changed_at: datetime | None = None
    changed_by_name: str | None = None


@dataclass(frozen=True, slots=True)
class DueRow:
    """A record whose time has come. `code`: its number for people. `asked`: its erasure waits for a second person."""

    id: uuid.UUID
    record_kind: str
    record_id: uuid.UUID
    code: str
    began_at: datetime  # the call, or the closing of the case
    asked: bool


@dataclass(frozen=True, slots=True)
class HoldRow:
    id: uuid.UUID
    record_kind: str
    record_id: uuid.UUID
    code: str
    set_by_name: str | None
    set_at: datetime
    lifted_by_name: str | None
    lifted_at: datetime | None
    reason: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class ErasureRow:
    """`complete_on`: from when on it is gone from backups too; None while an older master key is still there."""

    id: uuid.UUID
    record_kind: str
    record_id: uuid.UUID
    why: str
    erased_at: datetime
    counts: dict[str, int]
    finished_at: datetime | None
    backups_end_on: date
    complete_on: date | None
    complete: bool


@dataclass(frozen=True, slots=True)
class RecordView:
    """One record as somebody decides about it."""

    id: uuid.UUID
    kind: RecordKind
    code: str
    erased_at: datetime | None
    counts: dict[str, int]
    hindrances: tuple[Hindrance, ...]
    began_at: datetime | None  # where it is on the list of what is due
    keep_until: datetime | None
    hold: HoldRow | None
    approval_id: uuid.UUID | None
    child_id: uuid.UUID | None  # of a case
    kept_because: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class LedgerState:
    """How ledger and database compare. `unknown_here`: the database does not know; `unknown_there`: the ledger."""

    entries: int
    unknown_here: int
    unknown_there: int
    problem: LedgerProblem | None
    checked_at: datetime

    @property
    def whole(self) -> bool:
        return not (self.unknown_here or self.unknown_there or self.problem)
