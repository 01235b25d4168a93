"""Searching through the rows of whoever asks: what is found, what is put on record, and what nobody may learn."""

import json
import uuid
from dataclasses import replace
from datetime import timedelta

import psycopg
import pytest

from helpline.cases import queries
from helpline.cases.commands import OpenCase
from helpline.cases.services import opening
from helpline.foundation.db import unit_of_work
from helpline.foundation.errors import Forbidden, NotFound
from helpline.foundation.ids import new_id
from helpline.search import services
from helpline.search.commands import SearchFor
from helpline.search.gateways import RecordingNames
from helpline.search.rules import asking
from helpline.search.vocabulary import IndexState, Match, Matches, SearchBy
from tests.factories.accounts import make_user
from tests.factories.calls import PHONE, do, logged_call
from tests.factories.cases import assign, make_call, make_world, open_case

NAME = "Srey Neang"


@pytest.fixture
def names():
    """The index of names as the test says it answers."""
    before, double = services.port.names, RecordingNames()
    services.install(double)
    yield double
    services.install(before)


def knows(names, *people, likeness=1.0, score=1.1):
    names.answer = Matches(IndexState.READY, tuple(Match(person, likeness, score) for person in people))


def look(user, text=NAME, search_id=None, at=None, **facts):
    return do(user, services.search, SearchFor(search_id or new_id(), text, **facts), at=at)[1]


def ids(found):
    return [item.id for item in found.items]


def audit(rows, world, action):
    statement = "SELECT subject_ids, field_groups, details FROM audit_entries WHERE centre_id = %s AND action = %s ORDER BY at, id"
    return rows(statement, world.centre.id, action)


def test_whom_one_sees_is_found_with_call_and_case(in_app, world, names, rows):
    case_id = open_case(world)
    child = rows("SELECT child_person_id FROM cases WHERE id = %s", case_id)[0][0]
    knows(names, child)
    found = look(world.supervisor)
    assert (found.by, found.state, ids(found)) == (SearchBy.NAME, IndexState.READY, [child])
    ctx = world.supervisor.ctx()
    with unit_of_work(ctx):
        hit = services.search(ctx, SearchFor(new_id(), NAME)).items[0]
        assert (hit.name, hit.case_id, hit.age, hit.phone_end) == (NAME, case_id, 9, None)
        assert hit.last_contact_at is not None


@pytest.mark.parametrize("role", ["operator", "caseworker", "team_supervisor", "supervisor"])
def test_whoever_has_part_in_a_case_finds_its_child(in_app, world, names, rows, role):
    case_id = open_case(world)
    assign(world, case_id)
    child = rows("SELECT child_person_id FROM cases WHERE id = %s", case_id)[0][0]
    knows(names, child)
    assert ids(look(getattr(world, role))) == [child]
    reach = names.asked[-1].reach
    assert reach is None if role == "supervisor" else child in reach.person_ids


@pytest.mark.parametrize("who", ["other_caseworker", "stranger"])
def test_who_is_out_of_sight_is_not_there_and_leaves_no_trace(in_app, database_urls, world, names, rows, who):  # noqa: PLR0917  # fixtures
    """The same answer and the same entry, whether the index names somebody unseen or nobody."""
    case_id = open_case(world)
    assign(world, case_id)
    child = rows("SELECT child_person_id FROM cases WHERE id = %s", case_id)[0][0]
    asking_one = world.other_caseworker if who == "other_caseworker" else make_world(database_urls["owner"]).supervisor
    search_id = new_id()
    knows(names, child)
    matched = look(asking_one, search_id=search_id)
    knows(names)
    unmatched = look(asking_one, search_id=search_id)
    assert (matched.items, matched.state, matched.by) == (unmatched.items, unmatched.state, unmatched.by)
    entries = rows(
        "SELECT subject_ids, field_groups, details - 'again' FROM audit_entries WHERE actor_id = %s", asking_one.id
    )
    assert len(entries) == 2
    assert entries[0] == entries[1]


@pytest.mark.parametrize("kind", ["person", "call"])
def test_a_deny_hides(in_app, world, names, rows, kind):
    call = make_call(world.operator)
    knows(names, call.child_id)
    assert ids(look(world.supervisor)) == [call.child_id]
    record_id = call.child_id if kind == "person" else call.id
    with psycopg.connect(world.centre.owner_url) as connection:
        connection.execute(
            "INSERT INTO grants (id, principal_id, kind, record_id, effect, reason, source_id, granted_by, from_at)"
            " VALUES (%s, %s, %s, %s, 'deny', 'closed_to', %s, %s, now())",
            [new_id(), world.supervisor.id, kind, record_id, call.id, world.operator.id],
        )
    assert ids(look(world.supervisor)) == []


def test_a_voided_call_tells_of_nobody(in_app, world, names):
    call = make_call(world.operator)
    with psycopg.connect(world.centre.owner_url) as connection:
        connection.execute("UPDATE calls SET voided_at = now() WHERE id = %s", [call.id])
    knows(names, call.child_id)
    assert ids(look(world.supervisor)) == []


@pytest.mark.parametrize("typed", [PHONE, "+855 12 345 678", "០១២-៣៤៥-៦៧៨", "00855 12345678"])
def test_a_number_is_found_however_it_is_written_without_the_index(in_app, world, names, rows, typed):
    call_id = logged_call(world.operator)
    caller = rows("SELECT caller_person_id FROM calls WHERE id = %s", call_id)[0][0]
    names.answer = Matches(IndexState.AWAY)
    found = look(world.operator, typed)
    assert (found.by, found.state, ids(found)) == (SearchBy.PHONE, IndexState.READY, [caller])
    assert names.asked == []


def test_of_a_number_the_last_digits_alone_come_out(in_app, world, names):
    logged_call(world.operator)
    ctx = world.operator.ctx()
    with unit_of_work(ctx):
        assert services.search(ctx, SearchFor(new_id(), PHONE)).items[0].phone_end == "•••678"


def test_a_case_is_found_by_its_number(in_app, world, names, rows):
    case_id = open_case(world)
    code, child = rows("SELECT code, child_person_id FROM cases WHERE id = %s", case_id)[0]
    assert ids(look(world.supervisor, code)) == [child]
    assert ids(look(world.supervisor, code.rpartition("-")[2])) == [child]
    assert ids(look(world.other_caseworker, code)) == []


def test_what_is_known_goes_to_the_index(in_app, world, names):
    look(world.supervisor, "Sok Dara 12", gender="male")
    asked = names.asked[-1]
    assert (asked.name, asked.centre_id, asked.gender) == ("Sok Dara", world.centre.id, "male")
    assert asked.born == world.supervisor.ctx().now.year - 12


def test_each_request_is_on_record_under_its_search_without_a_word(in_app, world, names, rows):
    call = make_call(world.operator, child_name=NAME)
    knows(names, call.child_id)
    search_id = new_id()
    assert look(world.supervisor, "Srey", search_id).search_id == search_id
    assert look(world.supervisor, NAME, search_id).search_id == search_id
    first, second = audit(rows, world, "search.made")
    for entry in (first, second):
        assert entry[0] == [call.child_id]
        assert "child_identity" in entry[1]
        assert entry[2]["search_id"] == str(search_id)
        assert entry[2]["found"] == 1
    assert (first[2]["again"], second[2]["again"]) == (False, True)
    assert rows("SELECT requests FROM searches WHERE id = %s", search_id) == [(2,)]
    assert NAME.split(maxsplit=1)[0] not in json.dumps([first[2], second[2]])


def test_a_search_ends_and_an_id_is_nobody_elses(in_app, world, names):
    search_id, ctx = new_id(), world.supervisor.ctx()
    look(world.supervisor, search_id=search_id, at=ctx.now)
    later = ctx.now + timedelta(minutes=asking.SAME_SEARCH_MINUTES, seconds=1)
    assert look(world.supervisor, search_id=search_id, at=later).search_id != search_id
    assert look(world.team_supervisor, search_id=search_id, at=ctx.now).search_id != search_id


def test_too_little_is_no_search(in_app, world, names, rows):
    assert look(world.supervisor, "S").by is SearchBy.NOTHING
    assert audit(rows, world, "search.made") == []


@pytest.mark.parametrize("role", ["admin", "auditor"])
def test_others_are_refused_and_that_is_on_record(in_app, world, names, rows, role):
    with pytest.raises(Forbidden):
        look(getattr(world, role))
    assert audit(rows, world, "search.made") == []
    entries = rows(
        "SELECT action FROM audit_entries WHERE actor_id = %s AND outcome = 'refused'", getattr(world, role).id
    )
    assert entries == [("person:search",)]
    assert names.asked == []


def test_an_index_that_is_away_is_said_so_and_is_no_error(in_app, world, names):
    names.answer = Matches(IndexState.AWAY)
    found = look(world.supervisor)
    assert (found.state, found.items) == (IndexState.AWAY, [])


# The warning.


def doubles(user, call_id):
    return do(user, services.look_for_doubles, call_id)[1]


@pytest.fixture
def other_operator(world):
    """Sees neither the calls nor the cases of the world's operator."""
    return make_user(world.centre, "operator", world.other_team)


def test_a_case_out_of_sight_is_warned_of_by_one_bit(in_app, world, names, rows, other_operator):
    case_id = open_case(world)
    child = rows("SELECT child_person_id FROM cases WHERE id = %s", case_id)[0][0]
    call = make_call(other_operator, child_name=NAME, place=world.province)
    knows(names, child)
    assert doubles(other_operator, call.id) == services.Alike([], elsewhere=True)
    assert names.asked[-1].reach is None
    entry = audit(rows, world, "search.doubles_looked_for")[0]
    assert entry[0] == [call.id]
    assert entry[2] == {"seen": 0, "elsewhere": True}


def test_a_case_in_sight_is_shown(in_app, world, names, rows):
    case_id = open_case(world)
    child = rows("SELECT child_person_id FROM cases WHERE id = %s", case_id)[0][0]
    call = make_call(world.operator, child_name=NAME, place=world.province)
    knows(names, child)
    found = doubles(world.operator, call.id)
    assert ([case.id for case in found.cases], found.elsewhere) == ([case_id], False)


@pytest.mark.parametrize(("likeness", "score"), [(1, 1), (0.85, 1.0), (1, 0.9)])
def test_a_name_alone_or_a_fact_that_differs_warns_of_nothing(  # noqa: PLR0917  # fixtures
    in_app, world, names, rows, other_operator, likeness, score
):
    child = rows("SELECT child_person_id FROM cases WHERE id = %s", open_case(world))[0][0]
    call = make_call(other_operator, child_name=NAME)
    knows(names, child, likeness=likeness, score=score)
    assert doubles(other_operator, call.id) == services.Alike([])


def test_a_number_warns_as_well_even_while_names_are_away(in_app, world, names, other_operator):
    names.answer = Matches(IndexState.AWAY)
    first = logged_call(world.operator)
    ctx = world.operator.ctx()
    with unit_of_work(ctx):
        child = queries.list_children(first)[0].id
        opening.open_case(ctx, OpenCase(new_id(), first, child, team_id=world.team))
    second = logged_call(other_operator)
    assert doubles(other_operator, second).elsewhere
    assert len(doubles(world.operator, logged_call(world.operator)).cases) == 1
    quiet = logged_call(other_operator, caller=None)
    assert doubles(other_operator, quiet) == services.Alike([])


def test_another_centres_case_is_never_warned_of(in_app, database_urls, world, names, rows):
    elsewhere = make_world(database_urls["owner"])
    child = rows("SELECT child_person_id FROM cases WHERE id = %s", open_case(elsewhere))[0][0]
    call = make_call(world.operator, child_name=NAME)
    knows(names, child)
    assert doubles(world.operator, call.id) == services.Alike([])


def test_the_calls_own_case_is_no_double(in_app, world, names):
    call_id = logged_call(world.operator)
    ctx = world.operator.ctx()
    with unit_of_work(ctx):
        child = queries.list_children(call_id)[0].id
        opening.open_case(ctx, OpenCase(new_id(), call_id, child, team_id=world.team))
    knows(names, child)
    assert doubles(world.operator, call_id) == services.Alike([])


def test_who_tries_out_names_is_soon_told_nothing(in_app, monkeypatch, world, names, rows, other_operator):  # noqa: PLR0917  # fixtures
    monkeypatch.setattr(asking, "MOST_DUPLICATE_CHECKS", 2)
    child = rows("SELECT child_person_id FROM cases WHERE id = %s", open_case(world))[0][0]
    call = make_call(other_operator, child_name=NAME)
    knows(names, child)
    assert [doubles(other_operator, call.id).elsewhere for _ in range(3)] == [True, True, False]
    assert len(audit(rows, world, "search.doubles_limited")) == 1


def test_a_call_out_of_sight_is_not_found(in_app, world, names, rows, other_operator):
    call = make_call(world.operator)
    with pytest.raises(NotFound):
        doubles(other_operator, call.id)
    assert audit(rows, world, "search.doubles_looked_for") == []


@pytest.mark.parametrize("role", ["admin", "auditor", "partner"])
def test_the_database_tells_the_one_bit_to_nobody_else(in_app, world, rows, role):
    child = rows("SELECT child_person_id FROM cases WHERE id = %s", open_case(world))[0][0]
    user = replace(world.admin, role=role)
    ctx = user.ctx()
    with unit_of_work(ctx):
        assert services.queries.cases_concerning([child], None, uuid.uuid4()) == ([], False)
    ctx = world.operator.ctx()
    with unit_of_work(ctx):
        assert len(services.queries.cases_concerning([child], None, uuid.uuid4())[0]) == 1
