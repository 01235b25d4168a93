"""Lists of calls: each filter, whose they are, pages, and statements that do not grow with the rows."""

from datetime import UTC, date, datetime, timedelta

import pytest

from helpline.calls import queries
from helpline.calls.commands import ToldChild
from helpline.calls.services.lists import narrowed
from helpline.calls.vocabulary import Answer, CallChannel, CallFilter, CallKind, DangerAnswers, Relation
from helpline.foundation.db import unit_of_work
from helpline.foundation.errors import Invalid, NotFound
from helpline.people.commands import PersonDetails
from helpline.people.vocabulary import Gender, PersonRole
from tests.factories.accounts import make_user
from tests.factories.calls import GIRL, PHONE, logged_call

pytestmark = pytest.mark.usefixtures("in_app")
ASKED = dict.fromkeys(
    ("kind", "channel", "category", "any_category", "province", "risk", "source", "gender", "age_band", "first",
     "last", "hour", "weekday"),
) | {"voided": False, "mine": False, "after": None}  # fmt: skip
# 23 November 2026, a Monday, 01:30 in Phnom Penh; still Sunday in UTC.
MONDAY = datetime(2026, 11, 22, 18, 30, tzinfo=UTC)
BOY = PersonDetails(PersonRole.CHILD, age=14, gender=Gender.MALE)


def listed(user, **asked):
    with unit_of_work(user.ctx()) as ctx:
        return [call.id for call in queries.list_calls(narrowed(ctx, ASKED | asked))]


@pytest.fixture
def calls(world):
    """Two calls that differ in everything a list can be asked for."""
    one = logged_call(world.operator, at=MONDAY, place_id=world.province)
    two = logged_call(
        world.operator, at=MONDAY + timedelta(days=1, hours=5), kind=CallKind.INFORMATION, channel=CallChannel.SMS,
        categories=("violence.bullying", "violence.neglect"),
        danger=DangerAnswers(hurt=Answer.NO), children=(ToldChild(BOY),),
    )  # fmt: skip
    return one, two


@pytest.mark.parametrize(
    ("asked", "first", "second"),
    [
        ({}, True, True),
        ({"kind": "counselling"}, True, False),
        ({"channel": "sms"}, False, True),
        ({"category": "violence"}, True, True),
        ({"category": "violence.physical_violence"}, True, False),
        ({"category": "violence.neglect"}, False, False),
        ({"any_category": "violence.neglect"}, True, True),
        ({"any_category": "violence.bullying"}, False, True),
        ({"category": "viol"}, False, False),
        ({"risk": "immediate"}, True, False),
        ({"source": "live"}, True, True),
        ({"source": "imported"}, False, False),
        ({"gender": "female"}, True, False),
        ({"age_band": "13-15"}, False, True),
        ({"gender": "female", "age_band": "13-15"}, False, False),
        ({"first": date(2026, 11, 24)}, False, True),
        ({"last": date(2026, 11, 23)}, True, False),
        ({"first": date(2026, 11, 23), "last": date(2026, 11, 23)}, True, False),
        ({"last": date(2026, 11, 22)}, False, False),
        ({"hour": 1}, True, False),
        ({"hour": 6}, False, True),
        ({"weekday": 1}, True, False),
        ({"weekday": 7}, False, False),
        ({"voided": True}, False, False),
    ],
)
def test_each_filter(world, calls, asked, first, second):
    one, two = calls
    found = listed(world.operator, **asked)
    assert (one in found, two in found) == (first, second)
    assert len(found) == first + second


def test_a_province_by_its_code_or_id(world, calls, rows):
    [(code,)] = rows("SELECT code FROM places WHERE id = %s", world.province)
    assert listed(world.operator, province=code) == [calls[0]]
    assert listed(world.operator, province=str(world.province)) == [calls[0]]
    with pytest.raises(Invalid, match="province_unknown"):
        listed(world.operator, province="nowhere")


def test_each_role_lists_what_it_reaches(world, calls):
    own = make_user(world.centre, "operator", world.other_team)
    theirs = logged_call(own, at=MONDAY)
    alone = logged_call(make_user(world.centre, "operator", world.team), at=MONDAY)
    assert set(listed(world.operator)) == set(calls)
    assert listed(own) == [theirs]
    assert set(listed(world.supervisor)) == {*calls, theirs, alone}
    assert listed(world.team_supervisor) == [alone]
    assert listed(world.supervisor, mine=True) == []
    assert listed(world.supervisor, team=world.team) == [alone]
    with pytest.raises(NotFound):
        listed(world.team_supervisor, team=world.other_team)
    assert listed(world.caseworker) == []
    for role in ("operator", "caseworker"):  # a forgotten filter shows nothing more
        with unit_of_work(getattr(world, role).ctx()):
            everything = {call.id for call in queries.list_calls(CallFilter())}
        assert everything == (set(calls) if role == "operator" else set())


def test_pages_follow_one_another_without_a_gap_and_statements_do_not_grow(world, statements):
    made = [logged_call(world.operator, at=MONDAY + timedelta(minutes=n // 2)) for n in range(7)]

    def pages(limit):
        found, after, counts = [], None, []
        with unit_of_work(world.operator.ctx()) as ctx:
            wanted = queries.reach(ctx)
            queries.find_posted(made[0])  # the transaction has begun
            while True:
                statements.clear()
                page = queries.list_calls(wanted, after, limit)
                counts.append(len(statements))
                found += page[:limit]
                if len(page) <= limit:
                    return found, counts
                after = (page[limit - 1].started_at, page[limit - 1].id)

    found, counts = pages(2)
    assert [call.id for call in found] == sorted(made, key=lambda id_: (-(made.index(id_) // 2), -id_.int))
    assert counts == [1, 1, 1, 1]
    assert pages(7)[1] == [1]
    assert found[0].children == [{"gender": "female", "age_band": "6-9"}]


def test_earlier_calls_of_a_number_however_it_is_written_and_only_what_one_may_see(world):
    first, second = (logged_call(world.operator, at=MONDAY + timedelta(hours=n)) for n in range(2))
    other = make_user(world.centre, "operator")
    theirs = logged_call(other, at=MONDAY)

    def earlier(user, phone=PHONE, but_not=None):
        with unit_of_work(user.ctx()):
            calls, count = queries.list_earlier(phone, "KH", but_not)
            return [call.id for call in calls], count

    assert earlier(world.operator, "+855 12 345 678") == ([second, first], 2)
    assert earlier(world.operator, but_not=second) == ([first], 1)
    assert earlier(other) == ([theirs], 1)
    assert earlier(world.supervisor)[1] == 3
    assert earlier(world.auditor) == ([], 0)
    assert earlier(world.operator, "no number") == ([], 0)


def test_a_shift_counts_ones_own_calls(world):
    logged_call(world.operator, at=MONDAY)
    logged_call(world.operator, at=MONDAY, kind=CallKind.SILENT, danger=DangerAnswers())
    with unit_of_work(world.operator.ctx()):
        counts = queries.shift(world.operator.id, MONDAY)
        assert (counts.answered, counts.counselling, counts.severe) == (2, 1, 1)
        assert queries.shift(world.operator.id, MONDAY + timedelta(hours=1)).answered == 0


def test_a_child_who_calls_about_itself_is_one_person(world, rows):
    caller = PersonDetails(PersonRole.CALLER, phone=PHONE)
    call_id = logged_call(world.operator, relation=Relation.SELF, caller=caller)
    with unit_of_work(world.operator.ctx()):
        call = queries.get_call(call_id)
    assert call.caller == call.people[0]
    assert (call.caller.name, call.caller.phone) == (GIRL.name, PHONE)
    assert rows("SELECT count(*) FROM persons WHERE centre_id = %s", world.centre.id) == [(1,)]


def test_a_counselling_call_of_which_nothing_is_known_still_concerns_a_child(world):
    call_id = logged_call(world.operator, children=(), caller=None, categories=(), narrative=None)
    with unit_of_work(world.operator.ctx()):
        [child] = queries.get_call(call_id).people
    assert (child.name, child.age, child.gender) == (None, None, "unknown")
