"""A name as it is compared: its tokens, each as it is spelt and as it sounds, in Khmer and in Latin script alike.

Romanised Khmer has no standard: h comes and goes (Sok, Sokh), vowels vary (Chanthou, Chanthu), letters double. So a
sound keeps classes of consonants and three classes of vowels; a Khmer spelling is brought to the same classes, by which
ចាន់ធូ and Chanthou meet. A class is wide on purpose: likeness of spelling is weighed beside it (`names.py`).
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import combinations, pairwise

from helpline.foundation.letters import normal_form
from helpline.search.rules.khmer import Cluster, clusters, pieces
from helpline.search.rules.speaking import khmer_spoken, latin_spoken

MOST_TOKENS = 4  # of a name: more are not compared
MOST_LETTERS = 40  # of a token
_RUN = re.compile("([\u1780-\u17dd\u200b-\u200d]+)|([^\\W\\d_](?:[^\\W\\d_]|['’\u0300-\u036f])*)")
_KHMER_CONSONANTS = {
    letter: sound
    for sound, letters in {
        "K": "កខគឃ", "N": "ងញណន", "C": "ចឆជឈ", "T": "ដឋឌឍតថទធ", "P": "បផពភ", "M": "ម", "Y": "យ", "R": "រ", "L": "លឡ",
        "V": "វ", "S": "សឝឞ", "H": "ហ",
    }.items()
    for letter in letters
}  # fmt: skip
_CARRIER = "អ"  # sounds nothing of its own
_KHMER_INITIALS = {
    letter: sound
    for sound, letters in {"I": "ឥឦឯឰ", "O": "ឧឨឩឪឱឲឳ", "RO": "ឫឬ", "LO": "ឭឮ"}.items()
    for letter in letters
}
_KHMER_VOWELS = dict.fromkeys("ិីៀេែៃ", "I") | dict.fromkeys("ឹឺុូួើឿោៅ", "O") | {"ា": "A"}
_LATIN = re.compile(
    "(?P<vowel>(?:[aeiou]|y(?![aeiou]))+)|chh|tch|ch|ng|nh|gn|ny(?=[aeiou])|kh|gh|ck|th|dh|ph|bh|sh|[a-z]"
)
_LATIN_CONSONANTS = {
    letters: sound
    for sound, each in {
        "K": "k c q g kh gh ck", "N": "n ng nh gn ny", "C": "ch chh tch j", "T": "t d th dh", "P": "p b f ph bh",
        "M": "m", "Y": "y", "R": "r", "L": "l", "V": "v w", "S": "s z x sh", "H": "h",
    }.items()
    for letters in each.split()
}  # fmt: skip
_OTHER_LETTERS = str.maketrans({"đ": "d", "ð": "d", "ø": "o", "ł": "l", "ß": "s", "æ": "e", "œ": "e", "ı": "i"})
_DOUBLED = re.compile(r"(.)\1+")
_SILENT_END = re.compile("(?<=[AIO])[RVHY]+$|(?<=.)H$")


@dataclass(frozen=True, slots=True)
class Token:
    """`form`: the letters compared; `sound`: its classes of consonants and vowels.

    `spoken`: the finer sound, of signs that the form leaves out too.
    """

    form: str
    sound: str
    spoken: str = field(default="", compare=False)
    written: tuple[str, ...] = field(default=(), compare=False, repr=False)  # in Khmer: its clusters, signs and all

    def __add__(self, other: "Token") -> "Token":
        """The two written as one: Srey Mom, Sreymom."""
        sound = _DOUBLED.sub(r"\1", self.sound + other.sound.removeprefix("'"))
        return Token(self.form + other.form, sound, self.spoken + other.spoken)


def tokens(name: str, read: dict[str, Token] | None = None) -> tuple[Token, ...]:
    """The tokens of a name in the order they stand, in whatever scripts; empty where it holds no letter.

    `read`: words that were read before, to be used and added to; names are made of few.
    """
    read = {} if read is None else read
    found = []
    for khmer, other in _RUN.findall(name):
        word = khmer or other
        if word not in read:
            read[word] = _khmer(khmer[: 3 * MOST_LETTERS]) if khmer else _latin(other[: 2 * MOST_LETTERS])
        if read[word].form:
            found.append(read[word])
    return tuple(found[:MOST_TOKENS])


def parted(token: Token, known: Callable[[Token], bool]) -> list[tuple[Token, ...]]:
    """Each way to read a token as two or three that were written together, all of them `known`."""
    letters: Sequence[str] = token.written or token.form
    make = _khmer if token.written else _latin
    least = 1 if token.written else 2
    places = range(least, len(letters) - least + 1)
    cut = {}
    for start, end in combinations([0, *places, len(letters)], 2):
        part = make("".join(letters[start:end]))
        if part.form and end - start < len(letters) and known(part):
            cut[start, end] = part
    found = []
    for at in range(1, 3):
        for inner in combinations(places, at):
            pieces = list(pairwise((0, *inner, len(letters))))
            if all(piece in cut for piece in pieces):
                found.append(tuple(cut[piece] for piece in pieces))
    return found


def _khmer(run: str) -> Token:
    found = clusters(run)
    form = "".join(cluster.text for cluster in found)[:MOST_LETTERS]
    return Token(form, _finish("".join(_khmer_sounds(found))), khmer_spoken(found), tuple(pieces(run)))


def _khmer_sounds(found: list[Cluster]) -> list[str]:
    sounds: list[str] = []
    spoken = [cluster for cluster in found if not cluster.silent]
    for number, cluster in enumerate(spoken):
        letters = cluster.base[-1] + cluster.below
        initial = "" if sounds else "'"
        if letters[0] in _KHMER_INITIALS:
            sounds.append(initial + _KHMER_INITIALS[letters[0]])
        elif letters[0] == _CARRIER:
            sounds.append(initial)
        sounds += [_KHMER_CONSONANTS.get(letter, "") for letter in letters]
        closes = bool(sounds[:-1]) and bool(re.search("[AIO]", "".join(sounds[: -len(letters)])[-1:]))
        sounds.append(_khmer_vowel(cluster.vowel, inherent=not closes and number < len(spoken) - 1))
    return sounds


def _khmer_vowel(vowel: str, *, inherent: bool) -> str:
    """Its class, with the m of ំ; a letter without one sounds a where it opens a syllable."""
    nasal = "M" if "ំ" in vowel else ""
    classes = [_KHMER_VOWELS[sign] for sign in vowel if sign in _KHMER_VOWELS]
    if classes:
        return classes[-1] + nasal
    return "O" + nasal if nasal else "A" if vowel or inherent else ""


def _latin(run: str) -> Token:
    folded = normal_form("NFKD", run.casefold().translate(_OTHER_LETTERS))
    form = "".join(letter for letter in folded if letter.isalpha())[:MOST_LETTERS]
    sounds: list[str] = []
    for found in _LATIN.finditer(form):
        if found["vowel"]:
            sounds += ["" if sounds else "'", _latin_vowel(found["vowel"])]
        else:
            sounds.append(_LATIN_CONSONANTS[found[0]])
    return Token(form, _finish("".join(sounds)), latin_spoken(form))


def _latin_vowel(letters: str) -> str:
    if "o" in letters or "u" in letters:
        return "O"
    return "A" if "a" in letters and letters[-1] not in "yi" else "I"


def _finish(sound: str) -> str:
    """Without doubled classes, the h after a consonant, and what falls silent at the end."""
    sound = re.sub("(?<=[KNCTPMRLVS])H", "", sound)
    sound = re.sub("[AIO]Y$", "I", sound)
    return _DOUBLED.sub(r"\1", _SILENT_END.sub("", _DOUBLED.sub(r"\1", sound)))
