"""What is asked, where it takes more than a handful of values."""

import uuid
from dataclasses import dataclass, field

from helpline.privacy.vocabulary import ClosingKind, Outcome, Relation


@dataclass(frozen=True, slots=True)
class CloseTo:
    """Shut somebody out of a case. `relation` where they, or their household, are a party: staff alone can be."""

    case_id: uuid.UUID
    principal_id: uuid.UUID
    reason: str = field(repr=False)
    relation: Relation | None = None


@dataclass(frozen=True, slots=True)
class Lift:
    """Take back that a case is closed to somebody. `kind`: which of the two decisions."""

    case_id: uuid.UUID
    principal_id: uuid.UUID
    kind: ClosingKind
    reason: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class BreakGlass:
    """See one case for half an hour. `case`: its code or id. `override_id` is the form's."""

    override_id: uuid.UUID
    case: str
    reason: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Review:
    override_id: uuid.UUID
    outcome: Outcome
    note: str = field(repr=False)
