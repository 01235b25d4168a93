"""The index of names: everybody's, in memory alone, found by spelling and by sound.

Names are few and people many, so likeness is measured against the distinct tokens, and each token knows who bears it.
Whoever bears tokens like the asked ones is a candidate; the best 500 are ranked again exactly, each asked token against
another borne one, with what else is known. Nothing here is written anywhere.
"""

import uuid
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise, permutations

import numpy as np
import numpy.typing as npt

from helpline.search.rules.likeness import LIKE, Tokens
from helpline.search.rules.people import People
from helpline.search.rules.spelling import MOST_TOKENS, Token, halves, tokens
from helpline.search.vocabulary import IndexedPerson, Match, NameQuery

CANDIDATES = 500
SHOWN = 0.6  # names less like than this are not answered
_BEHIND = 0.22  # nor what falls so far behind the best
_MOST_ALIKE = 256  # of the tokens that are like an asked one, this many are followed
_OTHERWISE = 0.995  # written together, or apart
_JOINED, _PARTED = 0.8, 0.9  # so like must a token be that answers for two written as one, or for half of one
_KEPT = 400  # likenesses of asked tokens, for who types on; they name nobody who isn't known here
_COVERED, _IN_ORDER = 0.08, 0.01  # that nothing borne is left over; that the order is the same

Floats = npt.NDArray[np.float32]
Rows = npt.NDArray[np.intp]
Sparse = tuple[Rows, Floats]


class NameIndex:
    """Everybody's names. Not for two threads at once: whoever shares it locks it."""

    def __init__(self) -> None:
        self._tokens, self._people = Tokens(), People()
        self._bearers: list[array[int]] = []
        self._kept: dict[tuple[Token, float, bool], Sparse] = {}

    def __len__(self) -> int:
        return len(self._people)

    def put(self, people: Sequence[IndexedPerson]) -> int:
        """Add these, in place of what was known of them; who is known by the same stamp stays. Gives how many changed.

        Somebody whose name holds no letter is known no more.
        """
        known = self._people.stamps([person.id for person in people]) if len(self) else {}
        changed = [person for person in people if known.get(person.id) != person.stamp]
        if known:
            self.drop([person.id for person in changed if person.id in known])
        for person in changed:
            borne = [self._tokens.number(token) for token in tokens(person.name)]
            if len(self._bearers) < len(self._tokens):
                self._kept.clear()
                self._bearers += [array("i") for _ in range(len(self._tokens) - len(self._bearers))]
            if borne:
                row = self._people.add(person, borne)
                for token in set(borne):
                    self._bearers[token].append(row)
        return len(changed)

    def drop(self, ids: Sequence[uuid.UUID]) -> None:
        """Forget these people."""
        if ids:
            self._people.drop(ids)

    def find(self, query: NameQuery) -> tuple[Match, ...]:
        """The best matches first. People of another centre, or out of reach, make no difference to it."""
        asked = tokens(query.name)
        if not asked or not len(self):
            return ()
        search = _Search(self._tokens, self._people, self._bearers, self._kept, asked)
        rows = search.candidates(query)
        likeness = search.exact(rows)
        score = likeness + self._people.facts(rows, query)
        least = score.max(initial=0) - _BEHIND
        order = [at for at in np.lexsort((-rows, -score)) if likeness[at] >= SHOWN and score[at] >= least]
        order = order[: query.limit]
        ids = self._people.ids(rows[order])
        return tuple(
            Match(person_id, float(likeness[at]), float(score[at])) for person_id, at in zip(ids, order, strict=True)
        )


@dataclass(frozen=True, slots=True)
class _Unit:
    """One asked token as some reading has it."""

    token: Token
    least: float = LIKE
    typing: bool = False


@dataclass(frozen=True, slots=True)
class _Reading:
    """One way to read what was asked, and what it is worth."""

    units: tuple[_Unit, ...]
    worth: float


class _Search:
    """One question: what its tokens are like, each measured once."""

    def __init__(
        self, known: Tokens, people: People, bearers: list["array[int]"],
        kept: dict[tuple[Token, float, bool], Sparse], asked: Sequence[Token],
    ) -> None:  # fmt: skip
        self._known, self._people, self._bearers, self._kept = known, people, bearers, kept
        self._readings = self._ways(asked)

    def candidates(self, query: NameQuery) -> Rows:
        """Rows of those whose names come nearest, known facts weighed in; within reach, at most 500."""
        borne = {unit: self._borne(unit) for unit in {unit for reading in self._readings for unit in reading.units}}
        best = np.zeros(self._people.rows, np.float32)
        for reading in self._readings:
            total = borne[reading.units[0]].copy()
            for unit in reading.units[1:]:
                total += borne[unit]
            np.maximum(best, total * np.float32(reading.worth / len(reading.units)), out=best)
        rows = self._people.within(np.flatnonzero(best >= LIKE / 2), query)
        if len(rows) > CANDIDATES:
            near = best[rows] + self._people.facts(rows, query)
            rows = rows[np.argpartition(-near, CANDIDATES)[:CANDIDATES]]
        return rows

    def exact(self, rows: Rows) -> Floats:
        """The likeness of each one's name: no borne token answers for two asked ones."""
        slots, count = self._people.tokens[rows], self._people.borne(rows).astype(np.float32)
        best = np.zeros(len(rows), np.float32)
        for reading in self._readings:
            size = len(reading.units)
            each = np.stack([self._likeness(unit)[slots] for unit in reading.units], axis=1)
            ways = []
            for way in permutations(range(MOST_TOKENS), size):
                total = each[:, range(size), way].sum(axis=1) / size
                ways.append(total + (_IN_ORDER if list(way) == sorted(way) else 0))
            left_over = np.maximum(count - size, 0) / np.maximum(count, 1)
            np.maximum(best, np.max(ways, axis=0) * reading.worth / (1 + _IN_ORDER) - _COVERED * left_over, out=best)
        return best

    def _alike(self, unit: _Unit) -> Sparse:
        """Numbers of the tokens that are like it, the most like last, and how like they are."""
        key = (unit.token, unit.least, unit.typing)
        if key not in self._kept:
            like = self._known.like(unit.token, unit.least, typing=unit.typing)
            near = np.flatnonzero(like >= unit.least)
            near = near[np.argsort(like[near])][-_MOST_ALIKE:]
            while len(self._kept) >= _KEPT:
                self._kept.pop(next(iter(self._kept)))
            self._kept[key] = near, like[near]
        return self._kept[key]

    def _likeness(self, unit: _Unit) -> Floats:
        """By a token's number; one more for a slot that holds none."""
        found = np.zeros(len(self._known) + 1, np.float32)
        near, like = self._alike(unit)
        found[near] = like
        return found

    def _borne(self, unit: _Unit) -> Floats:
        """For each row, the likeness of the most like token in it."""
        found = np.zeros(self._people.rows, np.float32)
        for number, like in zip(*self._alike(unit), strict=True):
            found[np.array(self._bearers[number], np.int32)] = like
        return found

    def _ways(self, asked: Sequence[Token]) -> list[_Reading]:
        """As it was asked, with two tokens written as one, and with one token parted where its halves are borne."""
        units = [_Unit(token, typing=token == asked[-1]) for token in asked]
        found = [_Reading(tuple(units), 1.0)]
        for at, (one, other) in enumerate(pairwise(asked)):
            found += [
                _Reading((*units[:at], _Unit(joined, _JOINED), *units[at + 2 :]), _OTHERWISE)
                for joined in (one + other, other + one)
            ]
        if len(asked) < MOST_TOKENS:
            for at, token in enumerate(asked):
                parted = self._parted(token)
                if parted is not None:
                    halved = [_Unit(half, _PARTED) for half in parted]
                    found.append(_Reading((*units[:at], *halved, *units[at + 1 :]), _OTHERWISE))
        return found

    def _parted(self, token: Token) -> tuple[Token, Token] | None:
        """The best way to read it as two, if both are borne, as they sound."""
        ways = [pair for pair in halves(token) if all(each.form and self._known.hears(each) for each in pair)]
        return max(ways, key=lambda pair: min(len(pair[0].form), len(pair[1].form)), default=None)
