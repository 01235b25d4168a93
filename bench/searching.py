"""`python -m bench.searching`: how well and how fast names are found, and what a thief of the store learns of them.

recall@20: the share of questions whose person stands among the first 20 answers. ceiling: the same for a perfect
matcher, which knows the true name behind each spelling and can only guess among those who share it and fit the known
fact.
precision: of what is shown (20 at most), the share that bears the very name asked for.
"""

import argparse
import random
import re
import time
import uuid
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, replace

from bench.names import KINDS, Asked, Somebody, asked, people
from helpline.search.rules.names import NameIndex
from helpline.search.rules.spelling import tokens
from helpline.search.vocabulary import IndexedPerson, NameQuery

SHOWN = 20
CENTRE = uuid.UUID(int=1280)
FACTS: dict[str, Callable[[Asked, NameQuery], NameQuery]] = {
    "name alone": lambda _, query: query,
    "with age": lambda each, query: replace(query, born=each.born),
    "with province": lambda each, query: replace(query, province_id=province_id(each.target.province)),
}


def province_id(number: int) -> uuid.UUID:
    return uuid.UUID(int=2000 + number)


def indexed(somebody: Somebody) -> IndexedPerson:
    """As the process that searches knows them."""
    return IndexedPerson(
        somebody.id, CENTRE, 1, somebody.name, somebody.born, somebody.gender, province_id(somebody.province)
    )


@dataclass(frozen=True)
class Found:
    """What came of many questions of one kind, all shares of 1."""

    recall: float
    ceiling: float
    precision: float


def _fits(known: str, each: Asked, other: Somebody) -> bool:
    if known == "with age":
        return abs(other.born - each.born) <= abs(each.target.born - each.born)
    return known != "with province" or other.province == each.target.province


def evaluate(index: NameIndex, everybody: list[Somebody], questions: list[Asked], known: str) -> dict[str, Found]:
    """By kind of question, and of all."""
    bearers: dict[tuple[str, ...], list[Somebody]] = defaultdict(list)
    for somebody in everybody:
        bearers[somebody.identity].append(somebody)
    names = {somebody.id: somebody.identity for somebody in everybody}
    tallies: dict[str, list[tuple[float, float, float]]] = defaultdict(list)
    for each in questions:
        query = FACTS[known](each, NameQuery(each.name, CENTRE, limit=SHOWN))
        found = [match.person_id for match in index.find(query)]
        rivals = sum(_fits(known, each, other) for other in bearers[each.target.identity])
        right = sum(names[person] == each.target.identity for person in found)
        tally = (float(each.target.id in found), min(1.0, SHOWN / rivals), right / len(found) if found else 0.0)
        tallies[each.kind].append(tally)
        tallies["all"].append(tally)
    return {
        kind: Found(*(sum(column) / len(rows) for column in zip(*rows, strict=True))) for kind, rows in tallies.items()
    }


def attack(stolen: Iterable[Hashable], known: Iterable[str]) -> dict[Hashable, str]:
    """The frequency attack: the commonest thing stolen is taken for the commonest name of a public list, and so on.

    Gives the name guessed for each distinct thing; what is rarer than the list is long gets the commonest.
    """
    names = [name for name, _ in Counter(known).most_common()]
    things = [thing for thing, _ in Counter(stolen).most_common()]
    return {thing: names[rank] if rank < len(names) else names[0] for rank, thing in enumerate(things)}


def skeleton(sound: str) -> str:
    """A sound without its vowels: what a keyed index of skeletons would hold."""
    return re.sub("[AIO]", "", sound)


def recovered(stolen: list[Hashable], true: list[str], known: list[str]) -> float:
    """The share of people whose name the attack finds out."""
    guessed = attack(stolen, known)
    return sum(guessed[thing] == name for thing, name in zip(stolen, true, strict=True)) / len(true)


def leakages(everybody: list[Somebody], public: list[Somebody], sizes: list[int]) -> dict[str, float]:
    """What the attack recovers of whole names from what the database holds (`sizes` of sealed names).

    To compare: from indexes that it does not hold.
    """
    true, known = [" ".join(each.identity) for each in everybody], [" ".join(each.identity) for each in public]
    bones = [" ".join(sorted(skeleton(token.sound) for token in tokens(each.name))) for each in everybody]
    return {
        "the store: sizes of sealed names": recovered(list(sizes), true, known),
        "nothing stolen: the commonest name for all": recovered([0] * len(true), true, known),
        "not built: keyed phonetic skeletons": recovered(list(bones), true, known),
        "not built: skeletons in buckets with birth year": recovered(
            [(bone, each.born) for bone, each in zip(bones, everybody, strict=True)], true, known
        ),
        "not built: a blind index over whole names": recovered(list(true), true, known),
    }


def sealed_size(name: str) -> int:
    """Bytes of a name as `foundation/crypto/records.py` pads and seals it."""
    return 29 + -(-(4 + len(name.encode())) // 32) * 32


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.searching", description=__doc__)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--people", type=int, default=100_000)
    parser.add_argument("--questions", type=int, default=600)
    options = parser.parse_args()
    everybody = list(people(options.seed, options.people))
    started, index = time.perf_counter(), NameIndex()
    index.put([indexed(somebody) for somebody in everybody])
    print(f"Seed {options.seed}: {len(index)} people, {len({each.identity for each in everybody})} names,", end=" ")
    print(f"indexed in {time.perf_counter() - started:.0f} s.\n")
    questions = list(asked(options.seed + 1, everybody, options.questions))
    for known in FACTS:
        started = time.perf_counter()
        found = evaluate(index, everybody, questions, known)
        each = (time.perf_counter() - started) / len(questions) * 1000
        print(f"| {known} ({each:.0f} ms a question) | recall@20 | ceiling | precision |\n|---|---|---|---|")
        for kind in ("all", *KINDS):
            row = found[kind]
            print(f"| {kind} | {row.recall:.3f} | {row.ceiling:.3f} | {row.precision:.3f} |")
        print()
    public = list(people(options.seed + 2, options.people))
    print("| frequency attack on | names recovered |\n|---|---|")
    for what, share in leakages(everybody, public, [sealed_size(each.name) for each in everybody]).items():
        print(f"| {what} | {share:.4f} |")


if __name__ == "__main__":
    main()
