"""One question put to all names: the ways it may be read, the names that come near, and how like they are exactly.

A name is written together or apart, and turned round, as it pleases who writes it: so a question has several readings.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise, permutations
from math import log

import numpy as np
import numpy.typing as npt
from rapidfuzz.distance import OSA
from rapidfuzz.process import cdist

from helpline.search.rules.likeness import LIKE, Tokens
from helpline.search.rules.spelling import MOST_TOKENS, Token, parted
from helpline.search.rules.wordings import Wordings

_MOST_ALIKE = 256  # of the tokens that are like an asked one, this many are followed
_OTHERWISE = 0.995  # written together, or apart
_JOINED, _PARTED = 0.8, 0.9  # so like must a token be that answers for two written as one, or for half of one
_MOST_PARTED = 2  # ways to part a token in two, and in three, that are followed
_KEPT = 400  # likenesses of asked tokens, for who types on; they name nobody who isn't known here
_COVERED, _IN_ORDER = 0.08, 0.01  # that nothing borne is left over; that the order is the same
_SPOKEN = 0.97  # what sounds the same is worth this much of what is written the same

Floats = npt.NDArray[np.float32]
Names = npt.NDArray[np.intp]
Sparse = tuple[Names, Floats]


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


class Asking:
    """One question: what its tokens are like, each measured once."""

    def __init__(
        self, known: Tokens, wordings: Wordings, kept: dict[tuple[Token, float, bool], Sparse], asked: Sequence[Token]
    ) -> None:
        self._known, self._wordings, self._kept, self._asked = known, wordings, kept, asked
        self._cut: dict[Token, list[tuple[Token, ...]]] = {}
        self._readings = self._ways(asked)

    def near(self) -> Floats:
        """By a name's number, how near it may come, without the order; 0 for what is far. One place more is 0."""
        best = np.zeros(len(self._wordings) + 1, np.float32)
        borne = {unit: self._borne(unit) for unit in {unit for reading in self._readings for unit in reading.units}}
        for reading in self._readings:
            total = borne[reading.units[0]].copy()
            for unit in reading.units[1:]:
                total += borne[unit]
            np.maximum(best, total * np.float32(reading.worth / len(reading.units)), out=best)
        best[best < LIKE / 2] = 0
        return best

    def exact(self, names: Names) -> Floats:
        """The likeness of each name: token by token, or as a whole where words are written together or apart."""
        tokens = self._wordings.tokens(names)
        return np.maximum(self._by_tokens(tokens), self._as_a_whole(tokens))

    def _by_tokens(self, slots: npt.NDArray[np.int32]) -> Floats:
        """No borne token answers for two asked ones."""
        count = (slots >= 0).sum(axis=1).astype(np.float32)
        best = np.zeros(len(slots), np.float32)
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

    def _as_a_whole(self, slots: npt.NDArray[np.int32]) -> Floats:
        """All letters in a row, or all sounds, whichever are more alike, in the asked order or turned round."""
        borne = [[self._known.borne[token] for token in line if token >= 0] for line in slots.tolist()]
        orders = self._orders()
        best = np.zeros(len(slots), np.float32)
        for worth, part in ((_OTHERWISE, "form"), (_SPOKEN, "spoken")):
            asked = ["".join(getattr(token, part) for token in order) for order in orders]
            whole = ["".join([getattr(token, part) for token in line]) for line in borne]
            like = cdist(asked, whole, scorer=OSA.normalized_similarity, score_cutoff=LIKE, dtype=np.float32)
            like[1:] -= _IN_ORDER
            np.maximum(best, like.max(axis=0, initial=0) * worth, out=best)
        return best

    def _orders(self) -> list[list[Token]]:
        """As it was asked, and turned round: between its words, or within its only one."""
        asked = list(self._asked)
        if len(asked) > 1:
            return [asked, *(asked[at:] + asked[:at] for at in range(1, len(asked)))]
        return [asked, *([*parts[1:], parts[0]] for parts in self._parted(asked[0]))]

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
        """For each name, the likeness of the most like token in it."""
        found = np.zeros(len(self._wordings) + 1, np.float32)
        for number, like in zip(*self._alike(unit), strict=True):
            found[self._wordings.having(number)] = like
        return found

    def _ways(self, asked: Sequence[Token]) -> list[_Reading]:
        """As it was asked, with tokens written as one, and with one token parted where its parts are borne."""
        units = tuple(_Unit(token, typing=token == asked[-1]) for token in asked)
        found = [units]
        for at, (one, other) in enumerate(pairwise(asked)):
            found += [(*units[:at], _Unit(joined, _JOINED), *units[at + 2 :]) for joined in (one + other, other + one)]
        if len(asked) == 3:  # noqa: PLR2004  # all in a row, and turned round
            one, two, three = asked
            found += [(_Unit(joined, _JOINED),) for joined in (one + two + three, two + three + one, three + one + two)]
        for at, token in enumerate(asked):
            for parts in self._parted(token):
                if len(asked) + len(parts) - 1 <= MOST_TOKENS:
                    found.append((*units[:at], *(_Unit(part, _PARTED) for part in parts), *units[at + 1 :]))
                if len(asked) == 1:
                    turned = [*parts[1:], parts[0]]
                    found.append((_Unit(sum(turned[1:], turned[0]), _JOINED),))
        return [_Reading(way, _OTHERWISE if way is not units else 1.0) for way in found]

    def _parted(self, token: Token) -> list[tuple[Token, ...]]:
        """The best ways to read it as more than one, all borne as they sound: those that many names have."""
        if token not in self._cut:
            ways = sorted(parted(token, self._known.hears), key=self._common, reverse=True)
            halves, thirds = ([way for way in ways if len(way) == count] for count in (2, 3))
            self._cut[token] = halves[:_MOST_PARTED] + thirds[:_MOST_PARTED]
        return self._cut[token]

    def _common(self, parts: tuple[Token, ...]) -> float:
        """As if words were chosen freely: how likely these are, with something for those only heard."""
        numbers = [self._known.find(part) for part in parts]
        counts = [0 if number is None else self._wordings.count(number) for number in numbers]
        return sum(log((count + 0.1) / len(self._wordings)) for count in counts)
