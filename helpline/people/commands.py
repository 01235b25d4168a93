"""People as a use case gives them."""

import uuid
from dataclasses import dataclass, field

from helpline.people.vocabulary import AgeKnown, Answer, Gender, PersonRole

BACKGROUND = ("nationality", "ethnicity", "schooling", "living_situation")  # kept sealed, together


@dataclass(frozen=True, slots=True)
class PersonDetails:
    """What a call tells of somebody. `age` in years, below zero before birth; everything may be unknown."""

    role: PersonRole
    name: str | None = field(default=None, repr=False)
    phone: str | None = field(default=None, repr=False)
    age: int | None = None
    age_known: AgeKnown = AgeKnown.UNKNOWN
    gender: Gender = Gender.UNKNOWN
    language: str | None = None
    nationality: str | None = None
    ethnicity: str | None = None
    schooling: str | None = None
    living_situation: str | None = None
    disability: Answer = Answer.UNKNOWN


@dataclass(frozen=True, slots=True)
class NewPerson:
    """Somebody to be added under this id."""

    id: uuid.UUID
    details: PersonDetails
