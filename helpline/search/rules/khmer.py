"""Khmer as it is compared: one order of signs whatever was typed, without the signs that people leave out.

The order is SIL's (base, robat, subscripts, shifter, vowel, signs); Unicode's own normal form would corrupt it. What is
dropped are signs that spellers leave out or exchange, and marks that nobody sees.
"""

import re
from dataclasses import dataclass

_COENG, _ROBAT, _RO = "\u17d2", "\u17cc", "\u179a"
_SILENCED = "\u17cd"
_SPOKEN_SIGNS = {"\u17c9", "\u17ca", "\u17d0"}
_UNSEEN = re.compile("[\u17b4\u17b5\u200b\u200c\u200d]")
_CLUSTER = re.compile("[\u1780-\u17b3][\u17b6-\u17d3\u17dd\u1780-\u17b3]*?(?=(?<!\u17d2)[\u1780-\u17b3]|$)")
_MARK = re.compile("\u17d2[\u1780-\u17b3]|.")
# Vowels typed in two strokes that look like one, and the u below that stands in for a shifter before another vowel.
_ONE_STROKE = (
    ("\u17c1\u17b8", "\u17be"), ("\u17b8\u17c1", "\u17be"), ("\u17c1\u17b6", "\u17c4"), ("\u17b6\u17c1", "\u17c4"),
)  # fmt: skip
_U_FOR_SHIFTER = re.compile("\u17bb(?=[\u17b6-\u17ba\u17be])|(?<=[\u17b6-\u17ba\u17be])\u17bb")
_SAME_BELOW = {"\u178a": "\u178f"}  # a subscript DA can't be told from a subscript TA


@dataclass(frozen=True, slots=True)
class Cluster:
    """One base letter, the letters below it, and its vowel with ំ, ះ and ៈ."""

    base: str
    below: str
    vowel: str
    silent: bool = False  # by ៍ above it: spelt, not spoken
    signs: str = ""  # ៉, ៊ and ័: spoken, not compared

    @property
    def text(self) -> str:
        return self.base + self.below + self.vowel


def clusters(word: str) -> list[Cluster]:
    """The clusters of a run of Khmer letters, each in one order and without signs. Marks before any letter are lost."""
    return [_cluster(piece) for piece in pieces(word)]


def pieces(word: str) -> list[str]:
    """The same as they are written: where a word may be cut."""
    return [found[0] for found in _CLUSTER.finditer(_UNSEEN.sub("", word))]


def _cluster(text: str) -> Cluster:
    marks = _MARK.findall(text[1:])
    below = [mark[1] for mark in marks if mark[0] == _COENG and len(mark) > 1]
    below = sorted((_SAME_BELOW.get(letter, letter) for letter in below), key=lambda letter: letter == _RO)
    vowel = "".join(mark for mark in marks if "\u17b6" <= mark <= "\u17c5")
    for typed, one in _ONE_STROKE:
        vowel = vowel.replace(typed, one)
    after = "".join(mark for mark in marks if "\u17c6" <= mark <= "\u17c8")
    base = _RO + text[0] if _ROBAT in marks else text[0]
    signs = "".join(mark for mark in marks if mark in _SPOKEN_SIGNS)
    return Cluster(base, "".join(below), _U_FOR_SHIFTER.sub("", vowel) + after, _SILENCED in marks, signs)
