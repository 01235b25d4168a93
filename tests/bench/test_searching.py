"""Names of any seed, the measures taken over them, and the attack: each says what it should of a small, clear case."""

import pytest

from bench.names import FAMILIES, KINDS, asked, people
from bench.searching import FACTS, attack, evaluate, indexed, leakages, recovered, sealed_size
from helpline.foundation.crypto.sealed import seal_values
from helpline.search.rules.names import NameIndex


@pytest.fixture(scope="module")
def everybody():
    return list(people(3, 3000))


def test_a_seed_says_everything(everybody):
    assert list(people(3, 3000)) == everybody
    assert [each.name for each in people(4, 100)] != [each.name for each in everybody[:100]]
    assert list(asked(5, everybody, 60)) == list(asked(5, everybody, 60))


def test_people_have_few_names_in_two_scripts(everybody):
    assert len({each.identity for each in everybody}) < len(everybody)
    assert 0.4 < sum(each.khmer for each in everybody) / len(everybody) < 0.8
    assert {each.words[0].khmer for each in everybody} == {family.khmer for family in FAMILIES}


def test_questions_come_in_each_kind_and_are_not_always_the_name(everybody):
    questions = list(asked(5, everybody, 300))
    assert {each.kind for each in questions} == set(KINDS)
    for kind in KINDS:
        same = sum(each.name == each.target.name for each in questions if each.kind == kind)
        assert same == 50 if kind == "as written" else same < 40, kind
    assert all(abs(each.born - each.target.born) <= 2 for each in questions)


def test_with_one_known_fact_nearly_everybody_is_found(everybody):
    index = NameIndex()
    index.put([indexed(each) for each in everybody])
    questions = list(asked(5, everybody, 240))
    found = {known: evaluate(index, everybody, questions, known) for known in FACTS}
    assert set(found["name alone"]) == {"all", *KINDS}
    assert found["with age"]["all"].recall >= 0.95
    assert found["with province"]["all"].recall >= 0.95
    assert 0 < found["name alone"]["all"].precision < 1


def test_the_attack_recovers_what_frequencies_tell():
    assert attack(["b", "a", "b"], ["Sok", "Sok", "Chan"]) == {"b": "Sok", "a": "Chan"}
    assert recovered(["b", "a", "b"], ["Sok", "Chan", "Sok"], ["Sok", "Sok", "Chan"]) == 1
    assert recovered(["b", "a", "b"], ["Chan", "Sok", "Chan"], ["Sok", "Sok", "Chan"]) == 0


def test_what_a_thief_has_tells_no_more_than_nothing_stolen(everybody, bed):
    stolen = [len(seal_values("persons", each.id, {"name_sealed": each.name})["name_sealed"]) for each in everybody]
    assert stolen == [sealed_size(each.name) for each in everybody]
    found = leakages(everybody, list(people(4, 3000)), stolen)
    nothing = found["nothing stolen: the commonest name for all"]
    assert found["the store: sizes of sealed names"] <= nothing + 0.005
