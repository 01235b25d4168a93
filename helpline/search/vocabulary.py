"""Values of search: what the index knows of a person, what it is asked, and what comes of a search."""

import uuid
from dataclasses import dataclass, field
from enum import StrEnum


class SearchBy(StrEnum):
    """What the words were taken for."""

    NAME = "name"
    PHONE = "phone"
    CODE = "code"
    NOTHING = "nothing"  # too little to look for


class IndexState(StrEnum):
    """How the index of names answered."""

    READY = "ready"
    LOADING = "loading"  # names are still being read in
    CLOSED = "closed"  # the keys were taken away
    AWAY = "away"  # no answer in time


@dataclass(frozen=True, slots=True)
class IndexedPerson:
    """A person as the index keeps them. `born`: the year, as near as the age tells; `stamp` grows with each change."""

    id: uuid.UUID
    centre_id: uuid.UUID
    stamp: int
    name: str = field(repr=False)
    born: int | None = None
    gender: str | None = None
    province_id: uuid.UUID | None = None
    team_id: uuid.UUID | None = None
    added_by: uuid.UUID | None = None


@dataclass(frozen=True, slots=True)
class Reach:
    """Whom the asking actor may meet: those they added, those of their teams, and these. Rows decide after it."""

    added_by: uuid.UUID | None = None
    team_ids: tuple[uuid.UUID, ...] = ()
    person_ids: tuple[uuid.UUID, ...] = ()


@dataclass(frozen=True, slots=True)
class NameQuery:
    """A name, in the order and script somebody knows it, and what else is known. `reach` None: the whole centre."""

    name: str = field(repr=False)
    centre_id: uuid.UUID
    born: int | None = None
    gender: str | None = None
    province_id: uuid.UUID | None = None
    reach: Reach | None = None
    limit: int = 60


@dataclass(frozen=True, slots=True)
class Match:
    """A person whose name is like the one asked for: `likeness` of the names from 0 to 1, `score` with known facts."""

    person_id: uuid.UUID
    likeness: float
    score: float


@dataclass(frozen=True, slots=True)
class Matches:
    """What the index answered, best first."""

    state: IndexState
    found: tuple[Match, ...] = ()


class SearchKind(StrEnum):
    TYPED = "typed"
    DUPLICATE = "duplicate"
