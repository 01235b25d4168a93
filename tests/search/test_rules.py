"""Names that are one name however they are written, and names that are not."""

import uuid
from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpline.search.rules.asking import read_words, strong
from helpline.search.rules.khmer import clusters
from helpline.search.rules.names import CANDIDATES, NameIndex
from helpline.search.rules.spelling import MOST_LETTERS, MOST_TOKENS, parted, tokens
from helpline.search.vocabulary import IndexedPerson, Match, NameQuery, Reach, SearchBy

CENTRE, OTHER = uuid.UUID(int=1), uuid.UUID(int=2)
ANYTHING = st.text(st.one_of(st.characters(), st.characters(min_codepoint=0x1780, max_codepoint=0x17DD)), max_size=80)


def somebody(number, name, centre=CENTRE, **known):
    return IndexedPerson(uuid.UUID(int=(number << 64) | number), centre, known.pop("stamp", 1), name, **known)


def index_of(*people):
    index = NameIndex()
    index.put(people)
    return index


def names(index, people, name, **asked):
    called = {each.id: each.name for each in people}
    return [called[match.person_id] for match in index.find(NameQuery(name, CENTRE, **asked))]


@pytest.mark.parametrize(
    "spellings",
    [
        ("ចាន់ធូ", "ចានធូ", "Chanthou", "Chanthu", "CHANTHOU"),
        ("សុខ", "Sok", "Sokh", "sokk"),
        ("ស៊ីថា", "សុីថា", "Sitha"),
        ("អ៊ូ", "Ou", "U"),
        ("លី", "Ly", "Li"),
        ("វណ្ណា", "Vanna", "Vana"),
        ("ស្រីមុំ", "Sreymom"),
        ("ពៅ", "Pov"),
    ],
)
def test_spellings_of_one_name_sound_the_same(spellings):
    assert len({tokens(spelling)[0].sound for spelling in spellings}) == 1


@pytest.mark.parametrize(
    ("khmer", "latin"),
    [
        ("ភា", "Phea"), ("ដារ៉ា", "Dara"), ("ប៊ុន", "Bun"), ("ប៉ែន", "Penn"), ("ហុង", "Hong"), ("គង់", "Kong"), ("ភ័ក្រ", "Pheak"),
        ("ខៀវ", "Khieu"), ("ឯក", "Ek"), ("ធូ", "Thou"), ("តូច", "Touch"), ("វិជ្ជា", "Vichea"), ("សុវណ្ណ", "Sovann"),
        ("វង្ស", "Vong"), ("ថន", "Thorn"), ("នី", "Ny"),
    ],
)  # fmt: skip
def test_a_khmer_spelling_is_spoken_as_its_latin_one(khmer, latin):
    assert tokens(khmer)[0].spoken == tokens(latin)[0].spoken


def test_vowels_and_breath_are_told_apart_where_the_classes_are_not():
    assert tokens("ជា")[0].sound == tokens("ចា")[0].sound == tokens("ឆា")[0].sound
    assert len({tokens(word)[0].spoken for word in ("ជា", "ចា", "ឆា")}) == 3


def test_words_written_together_are_parted_where_the_parts_are_known():
    known = {tokens(word)[0] for word in ("Tuch", "Srei", "Dy", "Sreidy")}
    ways = {tuple(part.form for part in way) for way in parted(tokens("Tuchsreidy")[0], known.__contains__)}
    assert ways == {("tuch", "sreidy"), ("tuch", "srei", "dy")}


def test_a_khmer_word_is_parted_with_its_subscripts_and_signs():
    known = {tokens(word)[0] for word in ("ទូច", "ស្រី", "ភ័ក្រ")}
    ways = parted(tokens("ទូចស្រីភ័ក្រ")[0], known.__contains__)
    assert [[part.spoken for part in way] for way in ways] == [["tUc", "srI", "φEk"]]


def test_signs_in_any_order_and_invisible_letters_make_no_difference():
    assert tokens("ស្រី")[0] == tokens("ស្រ\u200bី")[0] == tokens("សី្រ")[0]
    assert [cluster.text for cluster in clusters("កោ")] == [cluster.text for cluster in clusters("កេា")]


def test_vietnamese_and_others_lose_their_marks_alone():
    assert [token.form for token in tokens("Nguyễn Đức")] == ["nguyen", "duc"]
    assert tokens("王") == tokens("王 ")


@given(ANYTHING)
def test_any_text_has_bounded_tokens_and_may_be_looked_for(text):
    found = tokens(text)
    assert len(found) <= MOST_TOKENS
    assert all(0 < len(token.form) <= MOST_LETTERS for token in found)
    index = index_of(somebody(1, "Sok Dara"), somebody(2, text))
    assert len(index.find(NameQuery(text, CENTRE))) <= 2


PEOPLE = [
    somebody(1, "Sok Dara", born=2014, gender="male"),
    somebody(2, "ចាន់ ធូ"),
    somebody(3, "Chan Sreymom"),
    somebody(4, "Ly Ou"),
    somebody(5, "ហេង សុភា"),
    somebody(6, "Keo Veasna"),
]


@pytest.mark.parametrize(
    ("asked", "name"),
    [
        ("Dara Sok", "Sok Dara"), ("sok dra", "Sok Dara"), ("សុខ ដារ៉ា", "Sok Dara"), ("Sokdara", "Sok Dara"),
        ("Chanthou", "ចាន់ ធូ"), ("ធូ ចាន", "ចាន់ ធូ"), ("Srey Mom Chan", "Chan Sreymom"), ("Ly", "Ly Ou"),
        ("អ៊ូ", "Ly Ou"), ("Sophea", "ហេង សុភា"), ("Heng Sophea", "ហេង សុភា"), ("ហេងសុភា", "ហេង សុភា"),
        ("Veasn", "Keo Veasna"), ("Kev Veasna", "Keo Veasna"), ("ចាន់ស្រីមុំ", "Chan Sreymom"), ("ស្រីមុំចាន់", "Chan Sreymom"),
        ("Mom Chan Srey", "Chan Sreymom"), ("លីអូ", "Ly Ou"), ("លី", "Ly Ou"),
    ],
)  # fmt: skip
def test_who_is_meant_comes_first(asked, name):
    assert names(index_of(*PEOPLE), PEOPLE, asked)[:1] == [name]


@pytest.mark.parametrize("asked", ["", "  ", "12345", "Borey", "!", "x" * 5000])
def test_who_is_not_there_is_not_found(asked):
    assert index_of(*PEOPLE).find(NameQuery(asked, CENTRE)) == ()


def test_known_facts_choose_among_namesakes():
    twins = [
        somebody(1, "Sok Dara", born=2006, gender="male", province_id=uuid.UUID(int=7)),
        somebody(2, "Sok Dara", born=2015, gender="female", province_id=uuid.UUID(int=8)),
    ]
    index = index_of(*twins)

    def first(**known):
        return index.find(NameQuery("Sok Dara", CENTRE, **known))[0].person_id

    assert first(born=2007) == twins[0].id
    assert first(born=2014) == twins[1].id
    assert first(gender="male") == twins[0].id
    assert first(province_id=uuid.UUID(int=8)) == twins[1].id


def test_a_known_fact_chooses_among_names_too_many_to_compare():
    spellings = [f"So{first}{second} Dara" for first in "aeiourlnmk" for second in "bcdfghjklmnpqrstvwxz"]
    crowd = [somebody(n, f"{name}{x}", born=1990) for n, (name, x) in enumerate(product(spellings, "aeiou"), 10)]
    mine = somebody(1, "Soptara", born=2012)
    assert len(crowd) > CANDIDATES
    assert index_of(*crowd, mine).find(NameQuery("Sokdara", CENTRE, born=2012))[0].person_id == mine.id


def test_people_of_another_centre_change_nothing_at_all():
    alone = index_of(somebody(1, "Sok Dara")).find(NameQuery("Sok Dara", CENTRE))
    crowd = [somebody(number, "Sok Dara", OTHER) for number in range(2, 2 * CANDIDATES)]
    assert index_of(somebody(1, "Sok Dara"), *crowd).find(NameQuery("Sok Dara", CENTRE)) == alone


def test_people_out_of_reach_take_nobodys_place():
    me, team = uuid.UUID(int=5), uuid.UUID(int=6)
    crowd = [somebody(number, "Sok Dara", added_by=OTHER, team_id=OTHER) for number in range(10, 2 * CANDIDATES)]
    mine = [somebody(1, "Sokh Darra", added_by=me), somebody(2, "Sok Tara", team_id=team), somebody(3, "Sok Daraa")]
    index = index_of(*crowd, *mine)

    def met(reach):
        return {match.person_id for match in index.find(NameQuery("Sok Dara", CENTRE, reach=reach))}

    assert met(Reach(added_by=me)) == {mine[0].id}
    assert met(Reach(team_ids=(team,))) == {mine[1].id}
    assert met(Reach(person_ids=(mine[2].id,))) == {mine[2].id}
    assert met(Reach()) == set()


def test_a_change_takes_the_place_of_what_was_known():
    index = index_of(*PEOPLE)
    assert index.put([replace(PEOPLE[0], name="Mao Bopha", stamp=2)]) == 1
    assert names(index, PEOPLE, "Sok Dara")[:1] != ["Sok Dara"]
    assert [match.person_id for match in index.find(NameQuery("Mao Bopha", CENTRE))] == [PEOPLE[0].id]
    assert len(index) == len(PEOPLE)
    assert index.put([replace(PEOPLE[0], name="Mao Bopha", stamp=2)]) == 0


def test_who_is_dropped_is_gone():
    index = index_of(*PEOPLE)
    index.drop([PEOPLE[0].id])
    assert "Sok Dara" not in names(index, PEOPLE, "Sok Dara")
    index.put([replace(PEOPLE[1], name="", stamp=2)])
    assert len(index) == len(PEOPLE) - 2


def test_an_id_that_ends_in_zeros_comes_back_whole():
    person = replace(PEOPLE[0], id=uuid.UUID(int=0x0190_0000_0000_7000_8000_0000_0000_0000))
    assert index_of(person).find(NameQuery("Sok Dara", CENTRE))[0].person_id == person.id


@pytest.mark.parametrize(
    ("text", "by"),
    [
        ("012 345 678", SearchBy.PHONE), ("០១២ ៣៤៥ ៦៧៨", SearchBy.PHONE), ("+855 12-345-678", SearchBy.PHONE),
        ("HC-2481", SearchBy.CODE), ("2481", SearchBy.CODE), ("Sok", SearchBy.NAME), ("លី", SearchBy.NAME),
        ("", SearchBy.NOTHING), ("S", SearchBy.NOTHING), ("!?", SearchBy.NOTHING),
    ],
)  # fmt: skip
def test_words_are_taken_for_what_they_look_like(text, by):
    assert read_words(text).by is by


def test_a_number_behind_a_name_is_an_age():
    assert (read_words("Sok Dara 12").name, read_words("Sok Dara 12").age) == ("Sok Dara", 12)
    assert read_words("សុខ ដារ៉ា ១២").age == 12
    assert read_words("Sok Dara 90").age is None


@pytest.mark.parametrize(
    ("likeness", "score", "enough"), [(1, 1.1, True), (1, 1, False), (0.95, 0.8, False), (0.85, 1, False)]
)
def test_a_name_alone_is_no_double(likeness, score, enough):
    assert strong(Match(CENTRE, likeness, score)) is enough
