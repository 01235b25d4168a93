"""Lists: whose cases, in which order, and at what cost."""

from datetime import timedelta

import psycopg
import pytest

from helpline.cases import queries
from helpline.cases.vocabulary import CaseFilter
from helpline.foundation.db import unit_of_work
from helpline.foundation.errors import Invalid
from tests.factories.accounts import make_user
from tests.factories.cases import assign, make_call, make_place, open_case

pytestmark = pytest.mark.usefixtures("in_app")
ASKED = {
    "status": "open", "risk_level": None, "step": None, "mine": False, "unassigned": False, "late": False, "assignment_late": False, "response_late": False,
    "closing_asked": False, "team_id": None, "caseworker_id": None, "province_id": None, "call_id": None, "code": None,
}  # fmt: skip


def listed(user, at=None, after=None, **asked):
    ctx = user.ctx(at=at)
    with unit_of_work(ctx):
        return [row.id for row in queries.list_cases(queries.narrowed(ctx, ASKED | asked), after)]


def test_each_role_lists_its_own_reach_newest_first(world):
    first, second, elsewhere = open_case(world), open_case(world), open_case(world, team_id=world.other_team)
    assign(world, second)
    assert listed(world.operator) == [elsewhere, second, first]
    assert listed(world.supervisor) == [elsewhere, second, first]
    assert listed(world.team_supervisor) == [second, first]
    assert listed(world.caseworker) == [second]
    assert listed(world.other_caseworker) == []


def test_a_list_narrows(world):
    high, low = open_case(world, risk="high"), open_case(world, risk="low")
    assign(world, low)
    assert listed(world.supervisor, risk_level="low") == [low]
    assert listed(world.supervisor, unassigned=True) == [high]
    assert listed(world.supervisor, caseworker_id=world.caseworker.id) == [low]
    assert listed(world.supervisor, status="closed") == []
    assert listed(world.supervisor, team_id=world.other_team) == []
    code = look(world, high).code
    assert listed(world.supervisor, code=code) == listed(world.supervisor, code=code.rpartition("-")[2]) == [high]
    with pytest.raises(Invalid, match="case_code"):
        listed(world.supervisor, code="HC-x")


def look(world, case_id):
    with unit_of_work(world.supervisor.ctx()):
        return queries.get_case(case_id)


def test_late_is_past_the_clock_of_assignment_or_of_the_first_response(world):
    high, low = open_case(world, risk="high"), open_case(world, risk="low")
    assign(world, low)
    opened = look(world, high).opened_at
    assert listed(world.supervisor, at=opened + timedelta(minutes=50), late=True) == []
    assert listed(world.supervisor, at=opened + timedelta(minutes=70), late=True) == [high]
    assert listed(world.supervisor, at=opened + timedelta(days=8), late=True) == [low, high]
    assert listed(world.supervisor, at=opened + timedelta(minutes=70), response_late=True) == []
    assert listed(world.supervisor, at=opened + timedelta(hours=25), response_late=True) == [high]
    assert listed(world.supervisor, at=opened + timedelta(days=8), assignment_late=True) == [high]
    row = look(world, high)
    assert (row.assignment_late(opened + timedelta(hours=2)), row.response_late(opened + timedelta(hours=2))) == (
        True, False,
    )  # fmt: skip


def test_pages_follow_each_other_without_gap_or_repeat(world, monkeypatch):
    made = [open_case(world) for _ in range(5)]
    found, after = [], None
    for _ in range(4):
        with unit_of_work(world.supervisor.ctx()):
            rows = queries.list_cases(CaseFilter(centre_id=world.centre.id), after, limit=2)
        found += [row.id for row in rows[:2]]
        if len(rows) <= 2:
            break
        after = (rows[1].opened_at, rows[1].id)
    assert found == made[::-1]


def test_a_list_costs_the_same_for_many_as_for_one_and_opens_nothing_sealed(world, statements):
    def cost():
        statements.clear()
        listed(world.supervisor)
        return [each for each in statements if "FROM cases" in each]

    open_case(world, summary="Hurt on the arm")
    few = cost()
    for _ in range(6):
        open_case(world, summary="Hurt on the arm")
    many = cost()
    assert len(few) == len(many) == 1
    assert "summary_sealed" not in many[0]


def test_the_caseload_shows_who_has_least_first_and_leaves_out_who_is_gone(world):
    idle = make_user(world.centre, "caseworker", world.team)
    make_user(world.centre, "caseworker", world.team, status="deactivated")
    assign(world, open_case(world))
    with unit_of_work(world.supervisor.ctx()):
        loads = [(load.id, load.open_cases) for load in queries.caseload(world.team)]
    assert loads == [(idle.id, 0), (world.caseworker.id, 1)]


def test_routing_learns_places_from_the_nearest_up_and_no_words(world, database_urls):
    district = make_place(database_urls["owner"], parent=world.province)
    case_id = open_case(world, place=district, summary="Hurt on the arm")
    with unit_of_work(world.supervisor.ctx()):
        case = queries.case_for_routing(case_id)
    assert case.place_ids == (district, world.province)
    assert case.place_codes == (district.hex[-8:], world.province.hex[-8:])
    assert (case.child_age, case.child_gender, case.team_id) == (9, "female", world.team)
    assert "Hurt" not in repr(case)


def test_children_of_a_call_come_with_the_case_they_have(world):
    call = make_call(world.operator, place=world.province)
    with unit_of_work(world.operator.ctx()):
        [child] = queries.list_children(call.id)
    assert (child.id, child.name, child.case_id) == (call.child_id, "Srey Neang", None)


def test_who_looked_is_for_supervisors_of_the_case(world, database_urls):
    case_id = open_case(world)
    assign(world, case_id)
    with psycopg.connect(database_urls["owner"]) as connection:
        connection.execute(
            "INSERT INTO audit_entries (id, at, centre_id, actor_id, actor_role, channel, request_id, action, outcome,"
            " subject_kind, subject_ids, field_groups, details) VALUES (gen_random_uuid(), now(), %s, %s, 'caseworker',"
            " 'page', gen_random_uuid(), 'case.shown', 'shown', 'case', %s, '{story}', '{}')",
            [world.centre.id, world.caseworker.id, [case_id]],
        )

    def looks(user):
        ctx = user.ctx()
        with unit_of_work(ctx):
            found = queries.who_looked(case_id, ctx.now - timedelta(days=30))
        return [(look.actor_id, look.times) for look in found]

    assert looks(world.team_supervisor) == looks(world.supervisor) == [(world.caseworker.id, 1)]
    for other in (world.caseworker, world.operator, make_user(world.centre, "team_supervisor", world.other_team)):
        assert looks(other) == []
