"""Which encoding a text file is in: certain where the bytes prove it, else the likeliest by the letters it would give.

General detectors judge a sample; old logs hold few accents, often far from the start. So the whole file is read: a
BOM or strictly valid UTF-8 settles it, and otherwise every legacy candidate is scored by whether the file's non-ASCII
letters would all belong to one language, in a case that fits the word they stand in.
"""

import codecs
import re
from collections import Counter
from dataclasses import dataclass
from typing import BinaryIO

from helpline.foundation.errors import Invalid

CHUNK = 2**20
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_WORD = re.compile(rb"[A-Za-z\x80-\xff]*[\x80-\xff][A-Za-z\x80-\xff]*")
_MAX_WORDS = 50_000
_WESTERN = (
    "áéíóúüñ", "àâæçéèêëîïôœùûüÿ", "ãáàâçéêíóôõú", "àèéìíîòóùú", "äöüß", "åäöé", "æøåé", "áéëïóöü", "áðéíóúýþæö",
    "àçéèíïóòúü",
)  # fmt: skip
_CENTRAL = ("ąćęłńóśźż", "áčďéěíňóřšťúůýž", "áäčďéíĺľňóôŕšťúýž", "áéíóöőúüű", "ăâîșşțţ", "čćđšž", "çë")
_CYRILLIC = ("абвгдежзийклмнопрстуфхцчшщъыьэюяё", "абвгдежзийклмнопрстуфхцчшщьюяєіїґ", "абвгдђежзијклљмнњопрстћуфхцчџш")
# In order of preference: of two that fit equally, the earlier wins.
_CANDIDATES: dict[str, tuple[str, ...]] = {
    "cp1252": _WESTERN,
    "cp1250": _CENTRAL,
    "cp1251": _CYRILLIC,
    "cp1254": ("çğıöşüâî",),
    "cp1257": ("ąčęėįšųūž", "āčēģīķļņšūž", "äõöüšž"),
    "cp1253": ("αβγδεζηθικλμνξοπρσςτυφχψωάέήίόύώϊϋΐΰ",),
    "cp1258": ("ăâđêôơưàáèéìíòóùúýãõ\u0300\u0301\u0303\u0309\u0323",),
    "mac_roman": _WESTERN,
    "cp850": _WESTERN,
    "cp852": _CENTRAL,
    "koi8_r": _CYRILLIC[:1],
    "cp866": _CYRILLIC[:1],
    "latin_1": _WESTERN,
    "iso8859_2": _CENTRAL,
    "iso8859_15": _WESTERN,
}
_PUNCTUATION = frozenset("¿¡«»“”‘’„–—…°ºª€·\xa0§№")


@dataclass(frozen=True, slots=True)
class TextShape:
    """What the bytes are: a Python codec name, and how many NUL characters stand in the text."""

    encoding: str
    nuls: int = 0


def detect(source: BinaryIO, *, override: str | None = None) -> TextShape:
    """The encoding of the whole stream, which is left at its start.

    Raises Invalid: `encoding_unknown` (no such codec), `encoding_wrong` (the override cannot read the file),
    `encoding_mixed` (UTF-8 but for a few bytes; details name the line of the first), `file_not_a_table` (binary).
    """
    source.seek(0)
    head = source.read(4096)
    proven = next((name for mark, name in _BOMS if head.startswith(mark)), None) or _utf16_without_bom(head)
    if override:
        return _overridden(source, override, proven)
    if proven:
        return TextShape(proven, _strict(source, proven, "encoding_wrong"))
    nuls, words = _scan(source)
    if words is None:
        return TextShape("utf-8", nuls)
    return TextShape(_likeliest(words), nuls)


def _overridden(source: BinaryIO, name: str, proven: str | None) -> TextShape:
    try:
        bytes(4).decode(name)  # refuses codecs that are no text encoding, such as hex; fits every width
        wanted = codecs.lookup(name).name
    except (LookupError, ValueError):
        raise Invalid("encoding_unknown", field="encoding", encoding=name) from None
    if proven and proven.startswith(wanted):  # keep the flavour that strips the BOM
        wanted = proven
    return TextShape(wanted, _strict(source, wanted, "encoding_wrong"))


def _strict(source: BinaryIO, encoding: str, code: str) -> int:
    """Decode everything, count NULs; Invalid where a byte does not fit."""
    source.seek(0)
    decoder = codecs.getincrementaldecoder(encoding)("strict")
    nuls = 0
    try:
        while chunk := source.read(CHUNK):
            nuls += decoder.decode(chunk).count("\0")
        decoder.decode(b"", final=True)
    except UnicodeError:
        raise Invalid(code, field="encoding", encoding=encoding) from None
    source.seek(0)
    return nuls


def _utf16_without_bom(head: bytes) -> str | None:
    """UTF-16 of mostly Latin text shows as NULs at every other byte; other scripts as a constant high byte."""
    pairs = len(head) // 2
    if pairs < 2:  # noqa: PLR2004 - one pair proves nothing
        return None
    for name, high in (("utf-16-le", head[1::2]), ("utf-16-be", head[0::2])):
        # Newlines, digits and delimiters keep a NUL high byte in any script.
        if high.count(0) > pairs * 0.15 and (head[0::2] if name == "utf-16-le" else head[1::2]).count(0) == 0:
            return name
    return None


def _scan(source: BinaryIO) -> tuple[int, Counter[bytes] | None]:
    """NULs in the file, and its words with non-ASCII bytes; None for those when all of it is valid UTF-8."""
    source.seek(0)
    decoder = codecs.getincrementaldecoder("utf-8")("strict")
    nuls, controls, size = 0, 0, 0
    valid, lines = True, 1
    while chunk := source.read(CHUNK):
        nuls += chunk.count(0)
        controls += sum(map(chunk.count, range(1, 9)))
        size += len(chunk)
        if valid:
            try:
                decoder.decode(chunk)
                lines += chunk.count(b"\n")
            except UnicodeDecodeError as error:
                valid = False
                lines += chunk[: max(error.start, 0)].count(b"\n")
    try:
        decoder.decode(b"", final=valid)
    except UnicodeDecodeError:
        valid = False
    if (nuls + controls) * 20 > size:
        raise Invalid("file_not_a_table", field="file")
    words = None if valid else _words(source)
    source.seek(0)
    if words is not None and _nearly_utf8(words):
        raise Invalid("encoding_mixed", field="encoding", line=lines)
    return nuls, words


def _words(source: BinaryIO) -> Counter[bytes]:
    """Words that hold a non-ASCII byte. Every byte used stays represented, however many words there are."""
    source.seek(0)
    words: Counter[bytes] = Counter()
    used: set[int] = set()
    while chunk := source.read(CHUNK):
        for word in _WORD.findall(chunk):
            if word in words or len(words) < _MAX_WORDS or not used.issuperset(word):
                words[word] += 1
                used.update(word)
    return words


def _nearly_utf8(words: Counter[bytes]) -> bool:
    """Legacy text hardly ever forms UTF-8 sequences by chance: many good ones beside few bad ones is a damaged file."""
    good = bad = 0
    for word, count in words.items():
        text = word.decode("utf-8", errors="replace")
        bad += count * text.count("\ufffd")
        good += count * sum(char > "\x7f" and char != "\ufffd" for char in text)
    return good > 3 * bad


def _likeliest(words: Counter[bytes]) -> str:
    used = bytes(sorted(set().union(*words)))
    scores: dict[str, float] = {}
    for codec, languages in _CANDIDATES.items():
        try:
            used.decode(codec)
        except UnicodeDecodeError:
            continue
        texts = [(word.decode(codec), count) for word, count in words.items()]
        scores[codec] = max(_score(texts, frozenset(letters)) for letters in languages)
    return max(scores, key=lambda codec: scores[codec])


def _score(texts: list[tuple[str, int]], letters: frozenset[str]) -> float:
    return sum(count * _fit(text, place, letters) for text, count in texts for place in range(len(text)))


def _fit(text: str, place: int, letters: frozenset[str]) -> float:
    """1 for a letter of the language in a fitting case, 0 for ASCII, negative for what is out of place."""
    char = text[place]
    if char < "\x80":
        return 0
    before, after = text[place - 1 : place], text[place + 1 : place + 2]
    if "\x80" <= char <= "\x9f":
        return -3
    if char.lower() in letters:
        mixed_scripts = "\u0370" <= char < "\u1e00" and any("a" <= near.lower() <= "z" for near in (before, after))
        return -1 if mixed_scripts or (char.isupper() and before.islower()) else 1
    return 0.2 if char in _PUNCTUATION and not (before.isalpha() and after.isalpha()) else -1
