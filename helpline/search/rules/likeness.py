"""How like two tokens are: by letters, and across spellings and scripts by sound; measured against all known."""

from array import array
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
from rapidfuzz.distance import OSA, Levenshtein
from rapidfuzz.process import cdist

from helpline.search.rules.spelling import Token

LIKE = 0.6  # less is no likeness
_SOUND_SHARE, _BONES_SHARE = 0.44, 0.55  # together hardly less than the same letters: the script says little
_BEGINS = 0.72  # where what is being typed begins a longer token, and up from there
_HEARD = 0.4  # a sound less like than this adds nothing
LEAST_TYPED = 2

Floats = npt.NDArray[np.float32]


Scorer = Callable[..., float]


class _Texts:
    """Distinct texts, numbered; kept by length and by their first letters, so that few are looked at."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._by_length: dict[int, tuple[list[str], array[int]]] = {}
        self._by_start: dict[str, list[str]] = {}

    def __len__(self) -> int:
        return len(self._numbers)

    def number(self, text: str) -> int:
        """Its number; a new one is added."""
        if text not in self._numbers:
            texts, numbers = self._by_length.setdefault(len(text), ([], array("i")))
            texts.append(text)
            numbers.append(len(self))
            self._by_start.setdefault(text[:LEAST_TYPED], []).append(text)
            self._numbers[text] = len(self)
        return self._numbers[text]

    def like(self, text: str, scorer: Scorer, least: float) -> Floats:
        """The likeness of each, by its number; 0 where it is less than `least`."""
        found = np.zeros(len(self), np.float32)
        for length in range(max(1, int(len(text) * least)), int(len(text) / least) + 1):
            texts, numbers = self._by_length.get(length, ([], array("i")))
            if texts:
                found[_view(numbers)] = _measured(text, texts, scorer, least)
        return found

    def longer(self, start: str) -> dict[int, float]:
        """Those that begin so: their numbers, and how much of each is typed already."""
        same = self._by_start.get(start[:LEAST_TYPED], ())
        return {self._numbers[text]: len(start) / len(text) for text in same if text.startswith(start)}


class Tokens:
    """Every distinct token that somebody bears, numbered in the order they came."""

    def __init__(self) -> None:
        self._numbers: dict[Token, int] = {}
        self._forms, self._bones = _Texts(), _Texts()
        self._form_of, self._sound_of = array("i"), array("i")
        self._sounds: list[str] = []
        self._sound_numbers: dict[str, int] = {}
        self._of_bones: list[list[int]] = []  # numbers of the sounds that have these bones

    def __len__(self) -> int:
        return len(self._numbers)

    def hears(self, token: Token) -> bool:
        """Whether somebody bears one that sounds just so."""
        return token.sound in self._sound_numbers

    def number(self, token: Token) -> int:
        """Its number; a new one is added."""
        if token not in self._numbers:
            self._form_of.append(self._forms.number(token.form))
            self._sound_of.append(self._sound(token))
            self._numbers[token] = len(self)
        return self._numbers[token]

    def _sound(self, token: Token) -> int:
        if token.sound not in self._sound_numbers:
            self._sound_numbers[token.sound] = len(self._sounds)
            bones = self._bones.number(token.bones)
            self._of_bones += [[] for _ in range(len(self._bones) - len(self._of_bones))]
            self._of_bones[bones].append(len(self._sounds))
            self._sounds.append(token.sound)
        return self._sound_numbers[token.sound]

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
        return np.maximum(found, self._heard(token, least)[_view(self._sound_of)]) if token.sound else found

    def _heard(self, token: Token, least: float) -> Floats:
        """By a sound's number: only sounds whose bones are like enough are measured."""
        least_bones = max(_HEARD, (least - _SOUND_SHARE) / _BONES_SHARE)
        bones = self._bones.like(token.bones, Levenshtein.normalized_similarity, least_bones)
        near = np.flatnonzero(bones)
        sounds = [sound for each in near for sound in self._of_bones[each]]
        found = np.zeros(len(self._sounds), np.float32)
        if sounds:
            likeness = _measured(
                token.sound, [self._sounds[each] for each in sounds], Levenshtein.normalized_similarity, _HEARD
            )
            share = np.repeat(bones[near], [len(self._of_bones[each]) for each in near])
            found[sounds] = _BONES_SHARE * share + _SOUND_SHARE * likeness
        return found


def _measured(text: str, others: Sequence[str], scorer: Scorer, least: float) -> Floats:
    found: Floats = cdist([text], others, scorer=scorer, score_cutoff=least, dtype=np.float32)[0]
    return found


def _view(numbers: "array[int]") -> npt.NDArray[np.int32]:
    return np.array(numbers, np.int32)
