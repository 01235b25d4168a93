"""Invented Khmer people of any seed: family name first, Khmer script or a Latin spelling that varies, few distinct names.

Family and given names follow Zipf's law, as names do. A given name is one word or two joined (Srey + Mom). What is asked
for afterwards is what a counsellor hears: mistyped, in another order, without signs, in the other script.
"""

import random
import uuid
from collections.abc import Iterator
from dataclasses import dataclass

# Khmer, then the Latin spellings in use, the commonest first.
_FAMILIES = """
សុខ Sok Sokh|ចាន់ Chan Chann|ហេង Heng|គឹម Kim|ជា Chea|លី Ly Li|ឡុង Long Lung|កែវ Keo Kev|ប៊ុន Bun Boun|សៅ Sao Sau|
មាស Meas|ឃឹម Khim|ទេព Tep|អ៊ុក Uk Ouk|ផាន់ Phan Phann|នួន Nuon Noun|សំ Sam Som|អ៊ឹម Im Oem|ស៊ុន Sun Soun|ម៉ៅ Mao Mau|
ឈឹម Chhim Chim|អ៊ូច Ouch Uch|ហុង Hong|ប៉ែន Pen Penn|ព្រំ Prom Prum|ទូច Touch Tuch|នូ Nou Nu|ឯក Ek Aek|យ៉ាន Yan Yann|
ជួន Chuon Chhuon|ឆាយ Chhay Chay|រស់ Ros Rous|ស៊ឹម Sim Soem|វ៉ាន់ Van Vann|ម៉ែន Men Menn|អ៊ុំ Um Oum|ភួង Phuong|គង់ Kong|
ឡាយ Lay Lai|អាង Ang|ហ៊ុន Hun|ថៃ Thai Thay|ងួន Nguon Ngoun|សេង Seng|ឈន Chhorn Chhon|លឹម Lim Loem|ញឹម Nhim Nhem|យិន Yin|
ណុប Nop Nob|តាន់ Tan Tann|ខៀវ Khiev Khieu|ផុន Phon Phorn|គុយ Kuy Kuoy|ម៉ម Mam|ស្វាយ Svay|ប្រាក់ Prak|ឌុក Duk Douk|វង្ស Vong Vongs|
ឆែម Chhem Chem|ឌី Dy Di|ហួត Huot Hout|ពៅ Pov Peou|អុល Ol Oul|ថន Thorn Thon|រ៉េត Reth Ret|ជឹម Chim Choem|ឈាង Chheang|ទឹម Tim Toem
"""
_GIVEN = """
សុភា Sophea Sopheaa|ដារ៉ា Dara Darra|ចាន់ធូ Chanthou Chanthu|បុប្ផា Bopha Bupha|វិជ្ជា Vichea Vicchea|រតនា Ratana Rathana|
សុខា Sokha|ធីតា Thida Tida|សុវណ្ណ Sovann Sovan|មករា Makara|កញ្ញា Kanha Kanya|ពិសិដ្ឋ Piseth Pisith|សម្បត្តិ Sambath Sambat|
វាសនា Veasna Veasnar|ចិន្ដា Chenda Chinda|ណារី Nary Nari|រស្មី Reaksmey Raksmey|ភក្ដី Pheakdey Phakdey|ច័ន្ទ Chan Chann|
មុនី Mony Moni|សីហា Seiha Siha|វុទ្ធី Vuthy Vutthy|នី Ny Ni|រី Ry Ri|ផល្លា Phalla Phala|សុធា Sothea Sotheara|វីរៈ Vireak Virak|
គន្ធា Kunthea Kuntea|បូរី Borey Bory|ធារ៉ា Theara Theara|លក្ខិណា Leakhena Leakena|ស៊ីថា Sitha|វណ្ណា Vanna Vana|ហួរ Hour Huor|
ម៉ាលី Maly Mali|ណា Na|ថេត Thet|ឡា La|ភិរម្យ Phirum Phirom|ឧត្ដម Oudom Udom|អេង Eng|ឈុន Chhun Chun|ទី Ty|មុំ Mom|សារ៉េត Sareth Saret
"""
_FIRST = """
សុ So|ស្រី Srey Srei|ចាន់ Chan|វណ្ណ Vann Van|គឹម Kim|ប៊ុន Bun Boun|ផល្លី Phally|រ៉ា Ra|សុខ Sok|ពិសី Pisey|ម៉េង Meng|ហេង Heng|សេង Seng|
លី Ly|ធា Thea|សារ៉ា Sara|ភី Phi Phy|គន្ធ Kun Kunth|មុនី Mony|ណា Na|ស៊ី Si|រិទ្ធ Rith|ដា Da|វី Vi|អេង Eng|ម៉ារ៉ា Mara|តុល Tol|ជីវ Chiv|បូ Bo|ឧ U|
រស្មី Reaksmey|សំ Sam|កុល Kol|ឆៃ Chhay|ពេជ្រ Pich Pech|យុ Yu
"""
_SECOND = """
ភា Phea|ធូ Thou Thu|លីន Lin Lyn|ណាត Nat Nath|មុំ Mom|លក្ខណ៍ Leak|នាង Neang|ពៅ Pov|ដា Da|ថា Tha|រ៉ុង Rong|ហេង Heng|លី Ly|វ៉ាត Vat|រិទ្ធ Rith Rit|
សុង Song|ឡេង Leng|នី Ny|រ៉ាត់ Rath Rat|ផន Phon|គា Kea|ធី Thy|មាន Mean|វឌ្ឍន៍ Vath|ភ័ក្រ Pheak|ឈៀង Chheang|ណូ No|រិន Rin Ren|សាន San|ដេត Det|ម៉ី Mey My|
តូច Touch|ខេង Kheng|ឆេង Chheng|ស៊ាន Sean|បូត Bot|យ៉ា Ya|ធឿន Thoeun Thoun|វុធ Vuth|រ៉ូ Ro|កា Ka|ណែត Net|ឌី Dy|អូន Oun
"""
# The commonest family name is borne by some 3 in 100, the commonest given name by 1, as directories of Cambodian names
# count them; of longer tails than these lists there are none here, so there are more namesakes than in life.
_STEEP = 0.3
_JOINED = 0.75  # of given names
_KHMER_SHARE = 0.6  # of people are written in Khmer
_SPACED = 0.85  # of Khmer names stand with a space; of joined Latin given names, fewer
_SIGNS = "\u17c9\u17ca\u17cb\u17cc\u17cd\u17d0\u17b7"
_NEAR_KEYS = {
    "a": "sq",
    "e": "rw",
    "i": "uo",
    "o": "ip",
    "u": "yi",
    "n": "mb",
    "s": "ad",
    "k": "jl",
    "h": "gj",
    "r": "et",
}
KINDS = ("as written", "typo", "other order", "missing signs", "other script", "other spelling")


@dataclass(frozen=True, slots=True)
class Word:
    khmer: str
    latin: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Somebody:
    """One invented person; `words`: family name, then the given name's one or two parts."""

    id: uuid.UUID
    words: tuple[Word, ...]
    name: str
    khmer: bool
    born: int
    gender: str
    province: int  # 0 to 24

    @property
    def identity(self) -> tuple[str, ...]:
        """The name behind every spelling of it."""
        return tuple(word.khmer for word in self.words)


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody types who looks for `target`. `born` is right within two years."""

    target: Somebody
    kind: str
    name: str
    born: int


def _words(table: str) -> list[Word]:
    cells = [cell.split() for cell in table.replace("\n", "").split("|") if cell.strip()]
    return [Word(cell[0], tuple(cell[1:])) for cell in cells]


FAMILIES, GIVEN, FIRST, SECOND = map(_words, (_FAMILIES, _GIVEN, _FIRST, _SECOND))
_BORN = range(2001, 2021)


def _zipf(count: int, steep: float = _STEEP) -> list[float]:
    return [1 / (rank + 2) ** steep for rank in range(count)]


def people(seed: int, count: int) -> Iterator[Somebody]:
    """So many people, the same for the same seed."""
    chance = random.Random(seed)
    families = chance.choices(FAMILIES, _zipf(len(FAMILIES)), k=count)
    provinces = chance.choices(range(25), _zipf(25, 0.8), k=count)
    for family, province in zip(families, provinces, strict=True):
        if chance.random() < _JOINED:
            given = (*chance.choices(FIRST, _zipf(len(FIRST))), *chance.choices(SECOND, _zipf(len(SECOND))))
        else:
            given = tuple(chance.choices(GIVEN, _zipf(len(GIVEN))))
        khmer = chance.random() < _KHMER_SHARE
        words = (family, *given)
        yield Somebody(
            uuid.UUID(int=chance.getrandbits(128)), words, written(chance, words, khmer=khmer), khmer,
            chance.choice(_BORN), chance.choice(("female", "male")), province,
        )  # fmt: skip


def written(chance: random.Random, words: tuple[Word, ...], *, khmer: bool, reverse: bool = False) -> str:
    """One way to write it: which spelling, and what stands together, varies."""
    family, *given = [word.khmer if khmer else chance.choice(word.latin) for word in words]
    if khmer:
        parts = [family, "".join(given)]
        return (" " if chance.random() < _SPACED else "").join(reversed(parts) if reverse else parts)
    joint = "" if chance.random() < _SPACED else " "
    parts = [family, given[0] + joint.join(["", *(part.lower() if not joint else part for part in given[1:])])]
    return " ".join(reversed(parts) if reverse else parts)


def asked(seed: int, everybody: list[Somebody], count: int) -> Iterator[Asked]:
    """Questions about these people, of each kind as often as the others."""
    chance = random.Random(seed)
    for number in range(count):
        target = chance.choice(everybody)
        kind = KINDS[number % len(KINDS)]
        yield Asked(
            target, kind, _heard(chance, target, kind), target.born + chance.choice((-2, -1, -1, 0, 0, 0, 1, 1, 2))
        )


def _heard(chance: random.Random, target: Somebody, kind: str) -> str:
    if kind == "typo":
        return _mistyped(chance, target.name)
    if kind == "missing signs":
        kept = "".join(letter for letter in target.name if letter not in _SIGNS)
        return kept if target.khmer else target.name.replace("h", "") or target.name
    if kind == "other script":
        return written(chance, target.words, khmer=not target.khmer)
    if kind in {"other order", "other spelling"}:
        return written(chance, target.words, khmer=target.khmer, reverse=kind == "other order")
    return target.name


def _mistyped(chance: random.Random, name: str) -> str:
    """One slip: a letter left out, doubled, exchanged with its neighbour, or hit beside."""
    places = [at for at, letter in enumerate(name) if letter != " "]
    at = chance.choice(places[1:] or places)
    slip = chance.randrange(4)
    if slip == 0 and len(places) > 3:
        return name[:at] + name[at + 1 :]
    if slip == 1:
        return name[:at] + name[at] + name[at:]
    if slip == 2 and at + 1 < len(name) and name[at + 1] != " ":
        return name[:at] + name[at + 1] + name[at] + name[at + 2 :]
    beside = _NEAR_KEYS.get(name[at].lower(), name[at])
    return name[:at] + chance.choice(beside) + name[at + 1 :]
