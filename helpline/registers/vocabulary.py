"""The closed lists of words of the registers, and the values that reads give."""

import uuid
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from helpline.foundation.access.permissions import FieldGroup


class ExportKind(StrEnum):
    """SUBJECT: all that is held of one child. BULK: many calls or cases, without whom they are about."""

    SUBJECT = "subject"
    BULK = "bulk"


class Recipient(StrEnum):
    """Who is given something."""

    CHILD = "child"
    FAMILY = "family"
    LAWYER = "lawyer"
    POLICE = "police"
    COURT = "court"
    MINISTRY = "ministry"
    HEALTH = "health"
    SCHOOL = "school"
    AGENCY = "agency"
    OTHER = "other"


class Means(StrEnum):
    """How something left the house."""

    SPOKEN = "spoken"
    TELEPHONE = "telephone"
    PAPER = "paper"
    MAIL = "mail"
    FILE = "file"


class Basis(StrEnum):
    """Why it was lawful to give it (CPIMS+; GDPR, article 6)."""

    CONSENT = "consent"
    SUBJECT_REQUEST = "subject_request"
    BEST_INTEREST = "best_interest"
    MANDATORY_REPORT = "mandatory_report"
    COURT_ORDER = "court_order"
    DANGER_TO_LIFE = "danger_to_life"


class Withheld(StrEnum):
    """Why something is kept out of a subject's export."""

    OTHER_PERSON = "other_person"
    TOLD_BY_ANOTHER = "told_by_another"
    ALLEGED_PERPETRATOR = "alleged_perpetrator"
    CONSENT = "consent"
    MIXED = "mixed"  # others are in it, and can't be told apart
    STAFF = "staff"
    BY_HAND = "by_hand"  # whoever prepared it kept it back
    NOT_TOLD = "not_told"  # an authority demanded it, and the child was not told: the package doesn't even say so


NEVER_GIVEN = frozenset({Withheld.MIXED, Withheld.STAFF})


class Section(StrEnum):
    """The parts of a subject's export, in their order."""

    IDENTITY = "identity"
    CALL = "call"
    CASE = "case"
    NOTE = "note"
    REFERRAL = "referral"
    FOLLOWUP = "followup"
    DISCLOSURE = "disclosure"
    READING = "reading"


class BulkKind(StrEnum):
    CALLS = "calls"
    CASES = "cases"


class Authority(StrEnum):
    """Who demands to be told."""

    POLICE = "police"
    PROSECUTOR = "prosecutor"
    COURT = "court"
    MINISTRY = "ministry"
    SECURITY = "security"
    LOCAL_AUTHORITY = "local_authority"
    OTHER = "other"


class DemandBasis(StrEnum):
    """What a demand rests on."""

    COURT_ORDER = "court_order"
    WARRANT = "warrant"
    WRITTEN_REQUEST = "written_request"
    LAW = "law"
    NONE_SHOWN = "none_shown"


class DemandOutcome(StrEnum):
    PENDING = "pending"
    GIVEN = "given"
    PARTLY = "partly"
    REFUSED = "refused"
    TAKEN = "taken"  # nobody gave it


class Told(StrEnum):
    """Whether whom it is about was told."""

    TOLD = "told"
    LATER = "later"
    NOT_TOLD = "not_told"


class Affected(StrEnum):
    """Which kinds of data a breach touched."""

    IDENTITY = "identity"
    CONTACT = "contact"
    LOCATION = "location"
    STORY = "story"
    HEALTH = "health"
    STAFF = "staff"
    CREDENTIALS = "credentials"
    AVAILABILITY = "availability"


class BreachStep(StrEnum):
    """What is entered in a breach's log."""

    NOTE = "note"
    MEASURE = "measure"
    AUTHORITY_TOLD = "authority_told"
    SUBJECTS_TOLD = "subjects_told"
    CLOSED = "closed"


class BreachState(StrEnum):
    """RUNNING: the 72 hours run. LATE: they are over, and the authority was not told."""

    RUNNING = "running"
    LATE = "late"
    TOLD = "told"
    CLOSED = "closed"


class Left(StrEnum):
    """How something of a child left the house, as its ledger tells."""

    ASKED = "asked"
    OPENED = "opened"
    MAIL = "mail"
    BY_HAND = "by_hand"
    EXPORT = "export"
    DEMAND = "demand"


@dataclass(frozen=True, slots=True)
class Piece:
    """One thing that is held. `words`: the vocabulary of a code. `why`: by default it is kept out of an export."""

    key: str
    what: str
    value: Any = field(repr=False)
    group: FieldGroup
    words: str | None = None
    why: Withheld | None = None

    @property
    def is_text(self) -> bool:
        """Written by hand, so whoever prepares an export decides on it by itself."""
        return self.group is FieldGroup.STORY and self.words is None and isinstance(self.value, str)


@dataclass(frozen=True, slots=True)
class Held:
    """One record about a child, in pieces."""

    section: Section
    at: datetime | None
    pieces: tuple[Piece, ...]


@dataclass(frozen=True, slots=True)
class Dossier:
    """All that is held about one child and in the sight of whoever prepares it. `erased`: the case it is asked from."""

    case_id: uuid.UUID
    case_code: str
    centre_id: uuid.UUID
    team_id: uuid.UUID
    case_ids: tuple[uuid.UUID, ...]
    person_ids: tuple[uuid.UUID, ...]
    records: tuple[Held, ...]
    erased: bool = False

    @property
    def pieces(self) -> list[Piece]:
        return [piece for record in self.records for piece in record.pieces]


@dataclass(frozen=True, slots=True)
class ExportRow:
    """An export in a list; never its body."""

    id: uuid.UUID
    kind: str
    case_ids: list[uuid.UUID]
    recipient: str | None
    field_groups: list[str]
    items: int
    withheld: list[dict[str, Any]]
    requested_by: uuid.UUID
    requested_by_name: str | None
    made_at: datetime
    expires_at: datetime
    downloaded_at: datetime | None
    gone_at: datetime | None
    reason: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Taken:
    """What a download hands out, once."""

    kind: ExportKind
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class LedgerLine:
    """Something of a child left the house. `names`: an agency's. `details`: codes alone; words for those in reach."""

    case_id: uuid.UUID
    case_code: str
    at: datetime
    kind: str
    source_id: uuid.UUID
    names: dict[str, str] | None
    field_groups: list[str]
    details: dict[str, Any]
    recipient: str | None = field(default=None, repr=False)
    what: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class DemandRow:
    """One demand as it stands now; `before`: what was entered before a correction, newest first."""

    id: uuid.UUID
    corrects_id: uuid.UUID | None
    received_at: datetime
    authority: str
    basis: str
    outcome: str
    subjects_told: str
    case_ids: list[uuid.UUID]
    recorded_by_name: str | None
    decided_by: uuid.UUID | None
    decided_by_name: str | None
    recorded_at: datetime
    corrected: bool
    words: dict[str, str] | None = field(default=None, repr=False)
    before: tuple["DemandRow", ...] = ()


@dataclass(frozen=True, slots=True)
class EntryRow:
    """One entry of a breach's log."""

    id: uuid.UUID
    kind: str
    at: datetime
    recorded_at: datetime
    recorded_by_name: str | None
    words: str | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class BreachRow:
    """A breach and how its clock stands."""

    id: uuid.UUID
    version: int
    noticed_at: datetime
    notify_by: datetime
    opened_by_name: str | None
    categories: list[str]
    people: int | None
    records: int | None
    authority_told_at: datetime | None
    subjects_told_at: datetime | None
    closed_at: datetime | None
    state: BreachState
    what: str | None = field(default=None, repr=False)
    entries: tuple[EntryRow, ...] = ()


@dataclass(frozen=True, slots=True)
class Span:
    """Local days, both included."""

    first: date
    last: date
