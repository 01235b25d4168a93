"""Any calls, cases, merges and holds: what an erasure takes is what a plain model says, and no figure moves."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from helpline.calls.vocabulary import CallFilter
from helpline.cases.commands import OpenCase
from helpline.cases.services import opening
from helpline.dashboards.queries import call_figures, work_figures
from helpline.foundation.clock import now
from helpline.foundation.crypto.keyring import Tampered
from helpline.foundation.crypto.records import unseal
from helpline.foundation.db import unit_of_work
from helpline.foundation.errors import Conflict
from helpline.foundation.ids import new_id
from helpline.retention.services import erasing
from helpline.retention.vocabulary import RecordKind
from tests.factories import retention as made
from tests.factories.calls import do, logged_call, told
from tests.factories.cases import make_world

CALL, CASE, PERSON = RecordKind
AT = now()
WORDS = {"calls": "narrative_sealed", "cases": "summary_sealed", "persons": "name_sealed"}

# Each call: how many children it concerns, and which of them have a case. People are joined, and records held, by number.
CALLS = st.lists(st.tuples(st.integers(0, 2), st.sets(st.integers(0, 1))), min_size=1, max_size=3)
NUMBERS = st.integers(0, 30)


class House:
    """Calls and cases as they were made, and beside them a plain model of who is linked with what."""

    def __init__(self, world, rows, calls):
        self.world, self.rows = world, rows
        self.calls, self.cases, self.people, self.same = {}, {}, [], {}
        child = told().children[0]
        for children, with_case in calls:
            call_id = logged_call(world.operator, children=(child,) * children)
            linked = [
                row[0]
                for row in rows("SELECT person_id FROM call_children WHERE call_id = %s ORDER BY position", call_id)
            ]
            [(caller,)] = rows("SELECT caller_person_id FROM calls WHERE id = %s", call_id)
            self.calls[call_id] = (linked, caller)
            self.people += [*linked, caller]
            for position in sorted(with_case):
                if position < children:
                    command = OpenCase(new_id(), call_id, linked[position], team_id=world.team, summary="Sokha")
                    case_id = do(world.operator, opening.open_case, command)[1].id
                    made.close_case(world.supervisor, case_id)
                    self.cases[case_id] = (call_id, linked[position])

    def join(self, one, other):
        """Say that two people are the same, where neither is said to be somebody else's double."""
        if one != other and not {one, other} & (set(self.same) | set(self.same.values())):
            self.same[one] = other
            self.rows("UPDATE persons SET canonical_person_id = %s WHERE id = %s", other, one)

    def group(self, person):
        root = self.same.get(person, person)
        return {root} | {each for each, of in self.same.items() if of == root}

    def records(self):
        return (
            [(CALL, each) for each in self.calls]
            + [(CASE, each) for each in self.cases]
            + [(PERSON, each) for each in self.people]
        )

    def goes(self, kind, record):
        """(calls, cases, people that go, everybody these tell of), as docs/retention.md says it."""
        group = self.group(record) if kind is PERSON else set()
        if kind is PERSON:
            cases = {each for each, (_call, child) in self.cases.items() if child in group}
            calls = {
                each for each, (children, caller) in self.calls.items()
                if set(children) & group == set(children) and {*children, caller} & group
            }  # fmt: skip
            about = {each for each, (children, caller) in self.calls.items() if {*children, caller} & group}
        elif kind is CASE:
            cases, about = {record}, {self.cases[record][0]}
            calls = set(about)
        else:
            cases, calls, about = set(), {record}, {record}
        hung = {call for case, (call, _child) in self.cases.items() if case not in cases}
        calls -= hung
        people = {each for call in calls for each in (*self.calls[call][0], self.calls[call][1])}
        people |= {self.cases[each][1] for each in cases}
        elsewhere = {
            child for call, (children, _caller) in self.calls.items() if call not in calls | about for child in children
        }
        elsewhere |= {caller for call, (_children, caller) in self.calls.items() if call not in calls}
        elsewhere |= {child for case, (_call, child) in self.cases.items() if case not in cases}
        return calls, cases, (people - elsewhere) | group, people | group

    def opens(self):
        """Which records still say something to whoever has the keys."""
        found = set()
        for table, column in WORDS.items():
            for record_id, key, value in self.rows(
                f"SELECT id, record_key, {column} FROM {table} WHERE centre_id = %s", self.world.centre.id
            ):
                try:
                    if value is not None and unseal(table, column, record_id, key, value):
                        found.add(record_id)
                except Tampered:
                    pass
        return found

    def figures(self):
        with unit_of_work(self.world.supervisor.ctx(at=AT)):
            calls = CallFilter(centre_id=self.world.centre.id, zone="Asia/Phnom_Penh")
            return call_figures(calls), work_figures(self.world.centre.id, None, AT)


@pytest.mark.timeout(300)
@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    calls=CALLS,
    joins=st.lists(st.tuples(NUMBERS, NUMBERS), max_size=2),
    holds=st.sets(NUMBERS, max_size=1),
    chosen=NUMBERS,
)
def test_an_erasure_takes_what_it_should_and_nothing_else(  # noqa: PLR0917  # fixtures
    database_urls, in_app, ledger, rows, at_worker, calls, joins, holds, chosen
):
    house = House(make_world(database_urls["owner"]), rows, calls)
    for one, other in joins:
        house.join(house.people[one % len(house.people)], house.people[other % len(house.people)])
    records = house.records()
    held = {records[number % len(records)] for number in holds}
    for _kind, record in held:
        made.hold(house.world.supervisor, record)
    kind, record = records[chosen % len(records)]
    gone_calls, gone_cases, gone_people, told_of = house.goes(kind, record)
    concerned = {record, *gone_calls, *gone_cases, *gone_people}.union(*(house.group(each) for each in told_of))
    before, figures = house.opens(), house.figures()
    hung = kind is CALL and any(call == record for call, _child in house.cases.values())
    if hung or {each for _kind, each in held} & concerned:
        with pytest.raises(Conflict):
            made.propose(house.world.supervisor, record)
        gone = set()
    else:
        made.approve(house.world.admin, made.propose(house.world.supervisor, record))
        at_worker(erasing.carry_out_due)
        gone = gone_calls | gone_cases | gone_people
    assert house.opens() == before - gone
    assert house.figures() == figures
