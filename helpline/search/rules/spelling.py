"""A name as it is compared: its tokens, each as it is spelt and as it sounds, in Khmer and in Latin script alike.

Romanised Khmer has no standard: h comes and goes (Sok, Sokh), vowels vary (Chanthou, Chanthu), letters double. So a
sound keeps classes of consonants and three classes of vowels; a Khmer spelling is brought to the same classes, by which
ចាន់ធូ and Chanthou meet. A class is wide on purpose: likeness of spelling is weighed beside it (`names.py`).
"""

import re
from dataclasses import dataclass

from helpline.foundation.letters import normal_form
from helpline.search.rules.khmer import Cluster, clusters

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
_LATIN = re.compile("(?P<vowel>(?:[aeiou]|y(?![aeiou]))+)|chh|tch|ch|ng|nh|gn|ny|kh|gh|ck|th|dh|ph|bh|sh|[a-z]")
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
    """`form`: the letters compared; `sound`: consonant and vowel classes; `bones`: the sound without its vowels."""

    form: str
    sound: str

    @property
    def bones(self) -> str:
        return re.sub("[AIO]", "", self.sound)

    def __add__(self, other: "Token") -> "Token":
        """The two written as one: Srey Mom, Sreymom."""
        return Token(self.form + other.form, _DOUBLED.sub(r"\1", self.sound + other.sound.removeprefix("'")))


def tokens(name: str) -> tuple[Token, ...]:
    """The tokens of a name in the order they stand, in whatever scripts; empty where it holds no letter."""
    found = []
    for khmer, other in _RUN.findall(name):
        token = _khmer(khmer[: 3 * MOST_LETTERS]) if khmer else _latin(other[: 2 * MOST_LETTERS])
        if token.form:
            found.append(token)
    return tuple(found[:MOST_TOKENS])


def halves(token: Token) -> list[tuple[Token, Token]]:
    """Each way to read a token as two that were written together."""
    if token.form[0] >= "\u1780" and token.form[0] <= "\u17dd":
        return [(_khmer(token.form[:at]), _khmer(token.form[at:])) for at in _starts(token.form)]
    return [(_latin(token.form[:at]), _latin(token.form[at:])) for at in range(2, len(token.form) - 1)]


def _starts(form: str) -> list[int]:
    """Where a second Khmer word could begin: at a letter, not at a vowel sign."""
    return [at for at in range(1, len(form)) if form[at] <= "\u17b3" and len(form) - at > 1]


def _khmer(run: str) -> Token:
    found = clusters(run)
    return Token("".join(cluster.text for cluster in found)[:MOST_LETTERS], _finish("".join(_khmer_sounds(found))))


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
    return Token(form, _finish("".join(sounds)))


def _latin_vowel(letters: str) -> str:
    if "o" in letters or "u" in letters:
        return "O"
    return "A" if "a" in letters and letters[-1] not in "yi" else "I"


def _finish(sound: str) -> str:
    """Without doubled classes, the h after a consonant, and what falls silent at the end."""
    sound = re.sub("(?<=[KNCTPMRLVS])H", "", sound)
    sound = re.sub("[AIO]Y$", "I", sound)
    return _DOUBLED.sub(r"\1", _SILENT_END.sub("", _DOUBLED.sub(r"\1", sound)))
