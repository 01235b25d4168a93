"""The index of names: everybody's, in memory alone, found by spelling and by sound.

Names are few and people many, so likeness is measured against the distinct tokens, and each token knows who bears it.
Whoever bears tokens like the asked ones is a candidate; the best 500 are ranked again exactly, each asked token against
another borne one, with what else is known. Nothing here is written anywhere.
"""

import uuid
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from helpline.search.rules.comparing import Asking, Floats, Sparse
from helpline.search.rules.likeness import Tokens
from helpline.search.rules.people import People, Rows
from helpline.search.rules.spelling import Token, tokens
from helpline.search.rules.wordings import Wordings
from helpline.search.vocabulary import IndexedPerson, Match, NameQuery

CANDIDATES = 500
SHOWN = 0.6  # names less like than this are not answered
_BEHIND = 0.22  # nor what falls so far behind the best


class NameIndex:
    """Everybody's names. Not for two threads at once: whoever shares it locks it."""

    def __init__(self) -> None:
        self._tokens, self._wordings, self._people = Tokens(), Wordings(), People()
        self._read: dict[str, Token] = {}
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
        before = len(self._tokens)
        for person in changed:
            borne = [self._tokens.number(token) for token in tokens(person.name, self._read)]
            if borne:
                self._people.add(person, self._wordings.number(borne))
        if len(self._tokens) > before:
            self._kept.clear()
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
        search = Asking(self._tokens, self._wordings, self._kept, asked)
        near = search.near()
        rows = self._people.within(self._people.bearing(near > 0), query)
        facts = self._people.facts(rows, query)
        names = _best(near, self._people.names(rows), facts)
        likeness = np.zeros(len(near), np.float32)
        likeness[names] = search.exact(names)
        like = likeness[self._people.names(rows)]
        shown = like >= SHOWN
        return self._matches(rows[shown], like[shown], like[shown] + facts[shown], query.limit)

    def _matches(self, rows: Rows, likeness: Floats, score: Floats, limit: int) -> tuple[Match, ...]:
        order = np.lexsort((-rows, -score))[:limit]
        order = order[score[order] >= score.max(initial=0) - _BEHIND]
        ids = self._people.ids(rows[order])
        return tuple(
            Match(person_id, float(likeness[at]), float(score[at])) for person_id, at in zip(ids, order, strict=True)
        )


def _best(near: Floats, borne: npt.NDArray[np.int32], facts: Floats) -> Rows:
    """The names to be compared exactly, 500 at most: the nearest, each with the facts of the bearer they fit best."""
    fitting = np.full(len(near), -np.inf, np.float32)
    np.maximum.at(fitting, borne, facts)
    names = np.flatnonzero(fitting > -np.inf)
    if len(names) > CANDIDATES:
        total = near[names] + fitting[names]
        names = names[np.argpartition(-total, CANDIDATES)[:CANDIDATES]]
    return names
