"""Reading the reference data that ships, and the search key of a name. Pure: files in, frozen values out.

`data/README.md` says where each file is from and what its columns mean.
"""

import csv
import hashlib
import json
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5
from zoneinfo import ZoneInfo

from helpline.foundation.errors import NotFound
from helpline.foundation.letters import normal_form

DATA = Path(__file__).parent / "data"
# Fixed for ever: a place's key derives from it, in every installation.
PLACES_NAMESPACE = UUID("31580e25-78b1-41ee-ae76-9a18107fadbc")
Names = Mapping[str, str]

# Khmer is typed in many orders that look the same (STACK.md). A syllable is a base and the marks after it; these marks
# never tell two names apart well enough to search by: inherent vowels, shifters, robat, toandakhiat, signs, coeng.
_SYLLABLE = re.compile("([\u1780-\u17b3]?)((?:\u17d2[\u1780-\u17b3]|[\u17b4-\u17d3\u17dd])+)")
_SUBSCRIPT = re.compile("\u17d2([\u1780-\u17b3])")
_WORD = re.compile(r"\w+")
_SPACES = re.compile("[\\s\u200b]+")
MOST_WORDS = 8
_DROPPED = dict.fromkeys([0x17B4, 0x17B5, *range(0x17C9, 0x17D4), 0x17DD])
_ABOVE = frozenset("\u17b7\u17b8\u17b9\u17ba\u17be")
# Letters that carry no diacritic in Unicode's eyes, and Khmer letters with two encodings.
_FOLDED = str.maketrans(
    {"đ": "d", "ø": "o", "ł": "l", "ı": "i", "æ": "ae", "œ": "oe", "\u17a3": "\u17a2", "\u17b2": "\u17b1"}
)


@dataclass(frozen=True, slots=True)
class Place:
    """One row of a country's tree. `code` may repeat in a level; `id` never does. `urban` is None when unknown."""

    id: UUID
    country: str
    level: str
    code: str
    ordinal: int
    parent_id: UUID | None
    names: Names
    urban: bool | None
    aliases: tuple[str, ...]

    @property
    def search_keys(self) -> tuple[str, ...]:
        """Distinct keys of every name and alias, for type-ahead by prefix."""
        return tuple(dict.fromkeys(filter(None, map(search_key, (*self.names.values(), *self.aliases)))))


@dataclass(frozen=True, slots=True)
class Subcategory:
    """One reason for a contact. `code` is qualified by its category (`violence.neglect`): `other` stands in each."""

    code: str
    names: Names


@dataclass(frozen=True, slots=True)
class Category:
    code: str
    names: Names
    subcategories: tuple[Subcategory, ...]


@dataclass(frozen=True, slots=True)
class Taxonomy:
    """A version of the tree. Records keep the `version` they were made in."""

    code: str
    version: str
    names: Names
    categories: tuple[Category, ...]


@dataclass(frozen=True, slots=True)
class Tile:
    """Where a province stands on the tile map: row and column count from 1 at the north-west."""

    code: str
    label: str
    row: int
    column: int


@dataclass(frozen=True, slots=True)
class PlaceLevel:
    code: str
    names: Names


@dataclass(frozen=True, slots=True)
class EmergencyNumber:
    code: str
    number: str


@dataclass(frozen=True, slots=True)
class PhonePlan:
    """`country_code` without the plus; `trunk_prefix` is dialled before a national number."""

    country_code: str
    trunk_prefix: str
    short_codes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Country:
    """What a country brings. `iso` is ISO 3166-1 alpha-2; `working_week` holds ISO weekdays (Monday is 1)."""

    iso: str
    names: Names
    time_zone: ZoneInfo
    languages: tuple[str, ...]
    caller_languages: tuple[str, ...]
    phone: PhonePlan
    working_week: tuple[int, ...]
    emergency_numbers: tuple[EmergencyNumber, ...]
    place_levels: tuple[PlaceLevel, ...]
    tile_map: tuple[Tile, ...]


@dataclass(frozen=True, slots=True)
class Holiday:
    """A day off. `source` is `almanac` (computed) or `override` (decreed, set by hand)."""

    on: date
    names: Names
    source: str


def digest_of_data() -> str:
    """A digest of every file that ships and of the code that reads them: it changes when loading would."""
    digest = hashlib.sha256()
    for path in (*sorted(path for path in DATA.rglob("*") if path.is_file()), Path(__file__)):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def list_countries() -> list[str]:
    """ISO codes of the countries that ship, upper case, sorted."""
    return sorted(path.parent.name.upper() for path in DATA.glob("*/country.json"))


def list_taxonomies() -> list[str]:
    """Versions of the taxonomies that ship, sorted."""
    return sorted(path.stem for path in (DATA / "taxonomies").glob("*.json"))


def place_id(country: str, level: str, code: str, ordinal: int = 1) -> UUID:
    """The key of the `ordinal`-th place (from 1) with this code at this level: the same in every installation."""
    return uuid5(PLACES_NAMESPACE, f"{country.upper()}/{level}/{code}/{ordinal}")


def read_country(country: str) -> Country:
    """Settings of a country by ISO code. Raises NotFound."""
    raw = _read_json(_country_folder(country) / "country.json")
    return Country(
        iso=raw["iso"],
        names=raw["names"],
        time_zone=ZoneInfo(raw["time_zone"]),
        languages=tuple(raw["languages"]),
        caller_languages=tuple(raw["caller_languages"]),
        phone=PhonePlan(**raw["phone"] | {"short_codes": tuple(raw["phone"]["short_codes"])}),
        working_week=tuple(raw["working_week"]),
        emergency_numbers=tuple(EmergencyNumber(**number) for number in raw["emergency_numbers"]),
        place_levels=tuple(PlaceLevel(**level) for level in raw["place_levels"]),
        tile_map=tuple(Tile(**tile) for tile in raw["tile_map"]),
    )


def read_places(country: str) -> Iterator[Place]:
    """Every place of a country, parents before children. Raises NotFound; ValueError where a parent is missing."""
    iso = country.upper()
    parents: dict[str, UUID] = {}
    seen: Counter[tuple[str, str]] = Counter()
    for row in _read_csv(_country_folder(country) / "places.csv"):
        code, level, parent = row["code"], row["level"], row["parent_code"]
        if parent and parent not in parents:
            raise ValueError(f"{iso}: the parent {parent} of {level} {code} is not in the file before it")
        seen[level, code] += 1
        key = place_id(iso, level, code, seen[level, code])
        parents.setdefault(code, key)
        yield Place(
            id=key,
            country=iso,
            level=level,
            code=code,
            ordinal=seen[level, code],
            parent_id=parents[parent] if parent else None,
            names=_names(row),
            urban={"yes": True, "no": False}.get(row["urban"]),
            aliases=tuple(filter(None, row["aliases"].split("|"))),
        )


def read_holidays(country: str) -> Iterator[Holiday]:
    """Public holidays of a country in order of date. Raises NotFound."""
    for row in _read_csv(_country_folder(country) / "holidays.csv"):
        yield Holiday(date.fromisoformat(row["date"]), _names(row), row["source"])


def read_taxonomy(version: str = "chi-2023") -> Taxonomy:
    """A version of the tree of reasons. Raises NotFound."""
    if version not in list_taxonomies():
        raise NotFound("taxonomy", version)
    raw = _read_json(DATA / "taxonomies" / f"{version}.json")
    categories = tuple(
        Category(
            category["code"],
            category["names"],
            tuple(Subcategory(f"{category['code']}.{sub['code']}", sub["names"]) for sub in category["subcategories"]),
        )
        for category in raw["categories"]
    )
    return Taxonomy(raw["code"], raw["version"], raw["names"], categories)


def _country_folder(country: str) -> Path:
    if country.upper() not in list_countries():
        raise NotFound("country", country)
    return DATA / country.lower()


def _names(row: Mapping[str, str]) -> Names:
    return {column.removeprefix("name_"): text for column, text in row.items() if column.startswith("name_")}


def _read_csv(path: Path) -> Iterator[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as lines:
        yield from csv.DictReader(lines, strict=True)


def _read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def search_key(text: str) -> str:
    """What two spellings of one name share: compare by prefix or trigram; never show it. May be empty.

    Latin: no case, diacritics, punctuation or spaces. Khmer: marks in one canonical order (SIL's: base, robat, coeng,
    shifter, vowel, signs), then without the marks that spellings vary in. Digits of any script become ASCII.
    """
    folded = normal_form("NFKD", normal_form("NFKD", text).casefold()).casefold().translate(_FOLDED)
    kept = "".join(_plain(char) for char in folded)
    return _SYLLABLE.sub(_canonical_syllable, kept).translate(_DROPPED)


def readings(typed: str) -> list[tuple[str, ...]]:
    """How typed words may name a place, as search keys: its own name first, then names of what it lies in.

    A comma says where the name ends; without one it may be the first words or the last ("svay dangkum siem reap").
    """
    named = tuple(filter(None, map(search_key, typed.split(","))))
    if len(named) != 1:
        return [named] if named else []
    words = list(filter(None, map(search_key, _SPACES.split(typed))))[:MOST_WORDS]
    cuts = [("".join(words[:at]), "".join(words[at:])) for at in range(1, len(words))]
    return list(dict.fromkeys([named, *cuts, *((last, first) for first, last in cuts)]))


def spoken(names: Names, locale: str) -> str:
    """The name in this language, else in English, else in any; empty without names."""
    return names.get(locale) or names.get("en") or next(iter(names.values()), "")


def begins_a_word(typed: str, names: Iterable[str]) -> bool:
    """Whether a word of any of these names begins as typed, however it is spelled. Khmer writes no spaces: there the
    typed letters may stand anywhere.
    """
    key = search_key(typed)
    if not key:
        return False
    khmer = any("\u1780" <= char <= "\u17b3" for char in key)
    return any(
        key in search_key(name)
        if khmer
        else any(search_key(name[word.start() :]).startswith(key) for word in _WORD.finditer(name))
        for name in names
    )


def _plain(char: str) -> str:
    if "\u1780" <= char <= "\u17d3" or char == "\u17dd":
        return char
    if char.isdecimal():
        return str(unicodedata.decimal(char))
    return char if char.isalnum() else ""


def _canonical_syllable(match: re.Match[str]) -> str:
    """One total order of a syllable's marks, so that typing order cannot matter."""
    base, marks = match.groups()
    # Subscript DA and TA look the same; RO is written last.
    subscripts = {"\u178f" if letter == "\u178a" else letter for letter in _SUBSCRIPT.findall(marks)}
    vowels = set(_SUBSCRIPT.sub("", marks).translate(_DROPPED))
    for second, whole in (("\u17b6", "\u17c4"), ("\u17b8", "\u17be")):  # typed in two halves: េ + ា, េ + ី
        if {"\u17c1", second} <= vowels:
            vowels = vowels - {"\u17c1", second} | {whole}
    if vowels & _ABOVE:  # under a vowel sign above, this is how a shifter looks
        vowels.discard("\u17bb")
    return base + "".join(sorted(subscripts, key=lambda letter: (letter == "\u179a", letter))) + "".join(sorted(vowels))
