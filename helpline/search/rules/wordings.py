"""Every distinct name, numbered: the tokens it is made of, in their order, and the names that have a token.

People are many and names are few: what is asked is compared with each name once, however many bear it.
"""

from array import array
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from helpline.search.rules.spelling import MOST_TOKENS

_NONE = -1

Numbers = npt.NDArray[np.intp]


class Wordings:
    """Names are added, never taken away: one that nobody bears any more is tied to nobody."""

    def __init__(self) -> None:
        self._numbers: dict[bytes, int] = {}
        self._tokens = np.full((1024, MOST_TOKENS), _NONE, np.int32)
        self._having: list[array[int]] = []

    def __len__(self) -> int:
        return len(self._numbers)

    def number(self, tokens: Sequence[int]) -> int:
        """The number of the name with these tokens; a new one is added."""
        key = array("i", tokens).tobytes()
        found = self._numbers.get(key)
        if found is None:
            found = self._numbers[key] = len(self)
            if found == len(self._tokens):
                self._tokens = np.concatenate([self._tokens, np.full_like(self._tokens, _NONE)])
            self._tokens[found, : len(tokens)] = tokens
            self._having += [array("i") for _ in range(max(tokens) + 1 - len(self._having))]
            for token in set(tokens):
                self._having[token].append(found)
        return found

    def having(self, token: int) -> npt.NDArray[np.int32]:
        """The names that have this token."""
        return np.array(self._having[token], np.int32)

    def count(self, token: int) -> int:
        """How many names have it."""
        return len(self._having[token])

    def tokens(self, names: Numbers) -> npt.NDArray[np.int32]:
        """A line of tokens for each of these names; -1 where there are fewer."""
        found: npt.NDArray[np.int32] = self._tokens[names]
        return found
