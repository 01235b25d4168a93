"""Which encoding a text file is in: certain where the bytes prove it, else the likeliest by the letters it would give.

General detectors judge a sample; old logs hold few accents, often far from the start. So the whole file is read: a
BOM or strictly valid UTF-8 settles it, and otherwise every candidate of one byte a letter is scored by whether the
file's non-ASCII letters would all belong to one language, in a case that fits the word they stand in. Where no such
candidate fits, charset-normalizer judges the scripts of two bytes a character. Where that does not fit either, the
file is refused: a person who knows names the encoding.
"""

import codecs
import re
from collections import Counter
from dataclasses import dataclass
from typing import BinaryIO

from charset_normalizer import from_bytes

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
_CONTROLS = bytes((*range(1, 9), *range(14, 26), *range(28, 32)))  # those that no text has; NUL counts by itself
_WESTERN = (
    "áéíóúüñ", "àâæçéèêëîïôœùûüÿ", "ãáàâçéêíóôõú", "àèéìíîòóùú", "äöüß", "åäöé", "æøåé", "áéëïóöü", "áðéíóúýþæö",
    "àçéèíïóòúü",
)  # fmt: skip
_CENTRAL = ("ąćęłńóśźż", "áčďéěíňóřšťúůýž", "áäčďéíĺľňóôŕšťúýž", "áéíóöőúüű", "ăâîșşțţ", "čćđšž", "çë")
_CYRILLIC = ("абвгдежзийклмнопрстуфхцчшщъыьэюяё", "абвгдежзийклмнопрстуфхцчшщьюяєіїґ", "абвгдђежзијклљмнњопрстћуфхцчџш")
_GREEK = ("αβγδεζηθικλμνξοπρσςτυφχψωάέήίόύώϊϋΐΰ",)
_ARABIC = ("ابتثجحخدذرزسشصضطظعغفقكلمنهويءآأؤإئىةپچژگکںہےٹڈڑـ\u064b\u064c\u064d\u064e\u064f\u0650\u0651\u0652،؛؟",)
_HEBREW = ("אבגדהוזחטיךכלםמןנסעףפץצקרשת",)
# In order of preference: of two that fit equally, the earlier wins.
_CANDIDATES: dict[str, tuple[str, ...]] = {
    "cp1252": _WESTERN,
    "cp1250": _CENTRAL,
    "cp1251": _CYRILLIC,
    "cp1254": ("çğıöşüâî",),
    "cp1257": ("ąčęėįšųūž", "āčēģīķļņšūž", "äõöüšž"),
    "cp1253": _GREEK,
    "cp1258": ("ăâđêôơưàáèéìíòóùúýãõ\u0300\u0301\u0303\u0309\u0323",),
    "mac_roman": _WESTERN,
    "cp850": _WESTERN,
    "cp852": _CENTRAL,
    "koi8_r": _CYRILLIC[:1],
    "cp866": _CYRILLIC[:1],
    "latin_1": _WESTERN,
    "iso8859_2": _CENTRAL,
    "iso8859_15": _WESTERN,
    "cp1256": _ARABIC,
    "iso8859_6": _ARABIC,
    "cp1255": _HEBREW,
    "cp862": _HEBREW,
    "iso8859_5": _CYRILLIC,
    "cp737": _GREEK,
    "cp874": ("".join(map(chr, (*range(0x0E01, 0x0E3B), *range(0x0E40, 0x0E4F)))),),
}
_LATIN = {*_WESTERN, *_CENTRAL}
# Letters that their language hardly uses: a text full of them is another one, misread.
_RARE = frozenset("фхжшщцэъюёξψζΰΐϋϊώظغضذثئؤץףךטזฃฅฆฌฎฏฐฑฒฬฮฤฦฯๅๆ")
_WELL = 0.6  # of the letters belong to one language: mojibake stays far below, a real log far above
# Two bytes a character, with the character set and the first bytes of its everyday half.
_WIDE = {
    "gb18030": ("gb2312", range(0xB0, 0xD8)),
    "big5": ("big5", range(0xA4, 0xC7)),
    "cp932": ("cp932", range(0x81, 0x98)),
    "euc_jp": ("cp932", range(0x81, 0x98)),
    "cp949": ("euc_kr", range(0xB0, 0xC9)),
}
_SAMPLE = 2**16
_MOST_CHAOS = 0.15
_PUNCTUATION = frozenset("¿¡«»“”‘’„–—…°ºª€·\xa0§№")


@dataclass(frozen=True, slots=True)
class TextShape:
    """What the bytes are: a Python codec name, and how many NUL characters stand in the text."""

    encoding: str
    nuls: int = 0


def detect(source: BinaryIO, *, override: str | None = None) -> TextShape:
    """The encoding of the whole stream, which is left at its start.

    Raises Invalid: `encoding_unknown` (no such codec), `encoding_wrong` (the override cannot read the file),
    `encoding_mixed` (UTF-8 but for a few bytes; details name the line of the first), `encoding_unsure` (none fits well:
    it must be named), `file_not_a_table` (binary).
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
    found = _likeliest(words)
    if found in {None, "cp874"}:  # Thai letters stand where others have the halves of a character
        found = _wide(source) or found
    if found is None:
        raise Invalid("encoding_unsure", field="encoding")
    source.seek(0)
    return TextShape(found, nuls)


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
        controls += len(chunk) - len(chunk.translate(None, _CONTROLS))
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
    if (nuls + controls) * 50 > size:  # chance gives 10 %
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


def _likeliest(words: Counter[bytes]) -> str | None:
    """The best candidate of one byte a letter; None when no language claims most of the letters."""
    used = bytes(sorted(set().union(*words)))
    scores: dict[str, float] = {}
    for codec, languages in _CANDIDATES.items():
        try:
            used.decode(codec)
        except UnicodeDecodeError:
            continue
        texts = [(word.decode(codec), count) for word, count in words.items()]
        letters = sum(n * sum(char > "\x7f" and char not in _PUNCTUATION for char in text) for text, n in texts)
        score = max(_score(texts, frozenset(language)) for language in languages)
        if score >= letters * _WELL:
            scores[codec] = score
    if not scores:
        return None
    best = max(scores, key=lambda codec: scores[codec])
    rivals = [
        codec for codec in scores if scores[codec] == scores[best] and not _LATIN.intersection(_CANDIDATES[codec])
    ]
    return _by_frequency(words, rivals) if best in rivals and len(rivals) > 1 else best


def _by_frequency(words: Counter[bytes], rivals: list[str]) -> str:
    """Alphabets that all fit are told apart by how often each letter comes."""
    sample = b" ".join(word for word, _count in words.most_common(_SAMPLE // 16))
    found = {match.encoding: match.coherence for match in from_bytes(sample, cp_isolation=rivals)}
    return max(rivals, key=lambda codec: found.get(codec, 0))


def _wide(source: BinaryIO) -> str | None:
    """The encoding of two bytes a character that a detector finds orderly and whose characters are everyday ones."""
    source.seek(0)
    sample = b""
    for line in source:
        if not line.isascii():
            sample += line
        if len(sample) > _SAMPLE:
            break
    for match in from_bytes(sample, cp_isolation=list(_WIDE), threshold=_MOST_CHAOS):
        if match.encoding in _WIDE and _everyday(str(match), *_WIDE[match.encoding]) and _reads(source, match.encoding):
            return match.encoding
    return None


def _everyday(text: str, charset: str, leads: range) -> bool:
    characters = [char for char in text if char.isalpha() and char > "\x7f"]
    common = sum(char.encode(charset, errors="replace")[0] in leads for char in characters)
    return common > len(characters) * 0.8


def _reads(source: BinaryIO, encoding: str) -> bool:
    try:
        _strict(source, encoding, "encoding_wrong")
    except Invalid:
        return False
    return True


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
        if mixed_scripts or (char.isupper() and before.islower()) or _misplaced_in_thai(char, before, after):
            return -1
        return 0.3 if char.lower() in _RARE else 1
    return 0.2 if char in _PUNCTUATION and not (before.isalpha() and after.isalpha()) else -1


def _misplaced_in_thai(char: str, before: str, after: str) -> bool:
    """A mark without a letter to sit on, or a vowel that leads without one to follow."""
    if "\u0e40" <= char <= "\u0e44":
        return not "\u0e01" <= after <= "\u0e2e"
    mark = char == "\u0e31" or "\u0e34" <= char <= "\u0e3a" or "\u0e47" <= char <= "\u0e4e"
    return mark and not ("\u0e01" <= before <= "\u0e3a" or "\u0e47" <= before <= "\u0e4e")
