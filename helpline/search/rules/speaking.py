"""How a name is spoken, finer than its classes of sound: one letter a sound, alike for Khmer and Latin spellings.

Which vowel a Khmer sign stands for depends on its consonant's series (ភា "phea", ដា "da"), and ៉ and ៊ change the
series. Five vowels, and consonants with their breath (k, kh) apart, but at the end of a syllable, where none is heard.
"""

import re

from helpline.search.rules.khmer import Cluster

_KHMER = {
    letter: sound
    for letters, sound in {
        "កគ": "k", "ខឃ": "x", "ង": "ŋ", "ចជ": "c", "ឆឈ": "ç", "ញ": "ñ", "ដឌ": "d", "តទ": "t", "ថធឋឍ": "θ", "ណន": "n",
        "ប": "b", "ព": "p", "ផភ": "φ", "ម": "m", "យ": "j", "រ": "r", "លឡ": "l", "វ": "v", "សឝឞ": "s", "ហ": "h",
        "ឥឦឰ": "I", "ឯ": "E", "ឧឨឩឪ": "U", "ឱឲឳ": "O", "ឫឬ": "rU", "ឭឮ": "lU",
    }.items()
    for letter in letters
}  # fmt: skip
_SPOKEN_VOWELS = {"A", "E", "I", "O", "U"}
_HIGH = set("គឃងជឈញឌឍទធនពភមយរលវ")  # the second series
_YIELDING = set("ងញណនមយរលវ")  # a letter below that leaves the series to what stands above it
_TO_LOW, _TO_HIGH, _SHORT_A = "\u17c9", "\u17ca", "\u17d0"
_VOWELS = {
    "ិ": "I", "ី": "I", "ឹ": "I", "ឺ": "U", "ួ": "U", "ើ": "I", "ឿ": "U", "ៀ": "E", "េ": "E", "ែ": "E", "ៃ": "I",
    "ោ": "O", "ៅ": "O",
}  # fmt: skip
_BY_SERIES = {"ា": "AE", _SHORT_A: "AE", "ុ": "OU", "ូ": "OU"}
_LATIN = re.compile(
    "(?P<vowel>(?:[aeiou]|y(?![aeiou]))+)|chh|tch|ch|ng|nh|gn|ny(?=[aeiou])|kh|gh|ck|th|dh|ph|bh|sh|[a-z]"
)
_LATIN_CONSONANTS = {
    letters: sound
    for sound, each in {
        "k": "k c q g gh ck", "x": "kh", "ŋ": "ng", "c": "ch tch j", "ç": "chh", "ñ": "nh gn ny", "d": "d dh", "t": "t",
        "θ": "th", "n": "n", "b": "b bh", "p": "p", "φ": "ph f", "m": "m", "j": "y", "r": "r", "l": "l", "v": "v w",
        "s": "s z x sh", "h": "h",
    }.items()
    for letters in each.split()
}  # fmt: skip
_LATIN_VOWELS = (
    (re.compile("ie"), "E"), (re.compile("oe(?!u)|[ae]?[iy]"), "I"), (re.compile("u|oo"), "U"),
    (re.compile("o|aw"), "O"), (re.compile("e"), "E"),
)  # fmt: skip
_CLOSED = str.maketrans({"θ": "t", "d": "t", "x": "k", "φ": "p", "b": "p", "ç": "c", "ñ": "n"})
_CLOSING = re.compile("[^AEIOU]+(?![AEIOU])")
_DOUBLED = re.compile(r"(.)\1+|p(?=φ)|t(?=θ)|k(?=x)|c(?=ç)|n(?=ñ)")
_INDEPENDENT = set("ឥឦឰឯឧឨឩឪឱឲឳឫឬឭឮ")


def khmer_spoken(found: list[Cluster]) -> str:
    """How these clusters of one word are spoken."""
    spoken = [cluster for cluster in found if not cluster.silent]
    last = len(spoken) - 1
    alone = not any(cluster.vowel or _SHORT_A in cluster.signs for cluster in spoken)
    sounds = ""
    for number, cluster in enumerate(spoken):
        letters = cluster.base[-1] + cluster.below
        # What follows a vowel closes its syllable, but for a letter that needs one to be heard with the last.
        opens = sounds[-1:] not in _SPOKEN_VOWELS or (number == last - 1 and not spoken[last].vowel)
        low_p = letters == "ប" and _TO_LOW in cluster.signs
        sounds += "p" if low_p else "".join(_KHMER.get(each, "") for each in letters)
        if cluster.vowel or _SHORT_A in cluster.signs:
            closed = number < last and not spoken[number + 1].vowel
            sounds += _khmer_vowel(cluster, letters, closed=closed)
        elif opens and number < last and letters not in _INDEPENDENT:
            sounds += "O" if alone else "A"
    return _finished(sounds)


def _khmer_vowel(cluster: Cluster, letters: str, *, closed: bool) -> str:
    nasal = "m" if "ំ" in cluster.vowel else ""
    signs = [sign for sign in cluster.vowel or _SHORT_A if sign in _VOWELS or sign in _BY_SERIES]
    if not signs:
        return "Om" if nasal else "A"
    if signs[-1] in _VOWELS:
        return _VOWELS[signs[-1]] + nasal
    ruling = next((letter for letter in reversed(letters) if letter not in _YIELDING), letters[0])
    high = _TO_HIGH in cluster.signs or (ruling in _HIGH and _TO_LOW not in cluster.signs)
    if signs[-1] == "ុ" and nasal:
        high = _TO_HIGH in cluster.signs
    return _BY_SERIES[signs[-1]][high or (closed and signs[-1] == "ូ")] + nasal


def latin_spoken(form: str) -> str:
    """How a word in Latin letters (folded, small) is spoken."""
    sounds = [
        _latin_vowel(found["vowel"]) if found["vowel"] else _LATIN_CONSONANTS[found[0]]
        for found in _LATIN.finditer(form)
    ]
    return _finished("".join(sounds))


def _latin_vowel(letters: str) -> str:
    if letters in {"au", "ao"}:
        return "O"
    if letters == "eo":
        return "E"
    return next((sound for pattern, sound in _LATIN_VOWELS if pattern.search(letters)), "A")


def _finished(sounds: str) -> str:
    """What closes a syllable without its breath; without what is silent there, and doubles."""
    sounds = re.sub("[AEIOU]j$", "I", sounds)
    sounds = _CLOSING.sub(_close, sounds)
    return _DOUBLED.sub(lambda found: found[1] or "", sounds)


def _close(found: re.Match[str]) -> str:
    before = found.string[: found.start()]
    closing = found[0].translate(_CLOSED)
    if not before:
        return closing
    heard = closing.lstrip("rvjh")
    return heard[:1] if found.end() == len(found.string) else heard.rstrip("h")
