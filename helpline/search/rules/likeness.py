"""How like two tokens are: by letters, and across spellings and scripts by sound; measured against all known."""

from array import array
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from rapidfuzz.distance import OSA, Levenshtein
from rapidfuzz.process import cdist

from helpline.search.rules.spelling import Token

LIKE = 0.6  # less is no likeness
# Together hardly less than the same letters: the script says little.
_SOUND_SHARE, _SPOKEN_SHARE = 0.45, 0.54
_BEGINS = 0.72  # where what is being typed begins a longer token, and up from there
_HEARD = 0.5  # a sound less like than this adds nothing
LEAST_TYPED = 2

Floats = npt.NDArray[np.float32]
Numbers = npt.NDArray[np.signedinteger[Any]]
Scorer = Callable[..., float]


class _Texts:
    """Distinct texts, numbered; each with the set of its letters, so that few are measured."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._texts: list[str] = []
        self._letters, self._lengths = array("Q"), array("i")
        self._by_start: dict[str, list[str]] = {}

    def __len__(self) -> int:
        return len(self._texts)

    def __contains__(self, text: str) -> bool:
        return text in self._numbers

    def number(self, text: str) -> int:
        """Its number; a new one is added."""
        if text not in self._numbers:
            self._numbers[text] = len(self)
            self._texts.append(text)
            self._letters.append(_letters(text))
            self._lengths.append(len(text))
            self._by_start.setdefault(text[:LEAST_TYPED], []).append(text)
        return self._numbers[text]

    def near(self, text: str, least: float) -> Numbers:
        """The numbers of those whose letters and length leave a likeness of `least` possible."""
        lengths = np.frombuffer(self._lengths, np.int32)
        letters, asked = np.frombuffer(self._letters, np.uint64), np.uint64(_letters(text))
        edits = (np.maximum(lengths, len(text)) * (1 - least) + 1e-6).astype(np.int32)
        apart = np.abs(lengths - len(text))
        for only in (letters & ~asked, asked & ~letters):
            np.maximum(apart, np.bitwise_count(only), out=apart)
        return np.flatnonzero(apart <= edits)

    def like(self, text: str, scorer: Scorer, least: float) -> Floats:
        """The likeness of each, by its number; 0 where it is less than `least`."""
        found = np.zeros(len(self), np.float32)
        near = self.near(text, least)
        if len(near):
            found[near] = self.measured(text, near, scorer, least)
        return found

    def measured(self, text: str, numbers: Numbers, scorer: Scorer, least: float) -> Floats:
        """The likeness of these; 0 where it is less than `least`."""
        texts = [self._texts[number] for number in numbers.tolist()]
        found: Floats = cdist([text], texts, scorer=scorer, score_cutoff=least, dtype=np.float32)[0]
        return found

    def longer(self, start: str) -> dict[int, float]:
        """Those that begin so: their numbers, and how much of each is typed already."""
        same = self._by_start.get(start[:LEAST_TYPED], ())
        return {self._numbers[text]: len(start) / len(text) for text in same if text.startswith(start)}


class Tokens:
    """Every distinct token that somebody bears, numbered in the order they came."""

    def __init__(self) -> None:
        self._numbers: dict[Token, int] = {}
        self._forms, self._sounds, self._spoken = _Texts(), _Texts(), _Texts()
        self._form_of, self._sound_of, self._spoken_of = array("i"), array("i"), array("i")
        self.borne: list[Token] = []  # by their numbers

    def __len__(self) -> int:
        return len(self.borne)

    def hears(self, token: Token) -> bool:
        """Whether somebody bears one that sounds just so."""
        return token.sound in self._sounds

    def number(self, token: Token) -> int:
        """Its number; a new one is added."""
        if token not in self._numbers:
            self._form_of.append(self._forms.number(token.form))
            self._sound_of.append(self._sounds.number(token.sound))
            self._spoken_of.append(self._spoken.number(token.spoken))
            self._numbers[token] = len(self)
            self.borne.append(token)
        return self._numbers[token]

    def find(self, token: Token) -> int | None:
        """Its number, if somebody bears it."""
        return self._numbers.get(token)

    def like(self, token: Token, least: float = LIKE, *, typing: bool = False) -> Floats:
        """The likeness of each known token to this one, 0 to 1; what is under `least` may be lower than it is.

        `typing`: it may be the beginning of a longer one.
        """
        spelt = self._forms.like(token.form, OSA.normalized_similarity, least)
        if typing and len(token.form) >= LEAST_TYPED:
            longer = self._forms.longer(token.form)
            begins = _BEGINS + (1 - _BEGINS) * np.fromiter(longer.values(), np.float32, len(longer))
            numbers = np.fromiter(longer, np.intp, len(longer))
            spelt[numbers] = np.maximum(spelt[numbers], begins)
        found = spelt[_view(self._form_of)]
        return np.maximum(found, self._sounding(token, least)) if token.spoken else found

    def _sounding(self, token: Token, least: float) -> Floats:
        """By a token's number: only those spoken alike are measured by their classes too."""
        heard = max(_HEARD, (least - _SOUND_SHARE) / _SPOKEN_SHARE)
        found = self._spoken.like(token.spoken, OSA.normalized_similarity, heard)[_view(self._spoken_of)]
        near = np.flatnonzero(found)
        sounds, places = np.unique(_view(self._sound_of)[near], return_inverse=True)
        if len(near):
            classes = self._sounds.measured(token.sound, sounds, Levenshtein.normalized_similarity, _HEARD)
            found[near] = _SPOKEN_SHARE * found[near] + _SOUND_SHARE * classes[places]
        return found


def _letters(text: str) -> int:
    """The set of its letters, as bits; two letters may share one."""
    found = 0
    for letter in text:
        found |= 1 << (ord(letter) & 63)
    return found


def _view(numbers: "array[int]") -> npt.NDArray[np.int32]:
    return np.frombuffer(numbers, np.int32)
