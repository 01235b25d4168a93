"""Demands of authorities and breaches: entered by who runs the centre, read by auditors, only added to."""

from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from helpline.foundation.access.permissions import SystemActor
from helpline.foundation.clock import now
from helpline.foundation.context import Channel, Context, system_actor
from helpline.foundation.db import db, unit_of_work
from helpline.foundation.errors import Conflict, Forbidden, Invalid, NotFound
from helpline.foundation.ids import new_id
from helpline.registers.commands import EnterStep
from helpline.registers.queries import books
from helpline.registers.services import recording
from helpline.registers.vocabulary import (
    BreachState,
    BreachStep,
    DemandOutcome,
    Told,
)
from tests.factories.accounts import make_user
from tests.factories.calls import do
from tests.factories.cases import make_world, open_case
from tests.factories.privacy import close
from tests.factories.registers import HOUR, WORDS, breach, demand

pytestmark = pytest.mark.usefixtures("in_app")
KEEPERS, OTHERS = ("supervisor", "admin"), ("operator", "caseworker", "team_supervisor", "auditor")


def enter(user, breach_id, kind=BreachStep.NOTE, *, at=None, done=None, words="We called the taxi.", entry_id=None):
    command = EnterStep(entry_id or new_id(), breach_id, kind, done or at or now(), words)
    do(user, recording.enter_step, command, at=at)


def see(user, deed, *args):
    return do(user, lambda _ctx, *given: deed(*given), *args)[1]


# Demands


@pytest.mark.parametrize("role", KEEPERS)
def test_a_demand_is_entered_and_auditors_read_all_of_it(world, role, rows):
    demand_id = demand(getattr(world, role), decided_by=world.supervisor.id)
    found = see(world.auditor, books.get_demand, demand_id)
    assert found.words == {name: said for name, said in WORDS.items() if said}
    assert (found.authority, found.outcome) == ("police", "refused")
    assert found.decided_by_name.startswith("supervisor")
    [(sealed,)] = rows("SELECT words_sealed FROM compelled_disclosures WHERE id = %s", demand_id)
    assert b"Monday" not in bytes(sealed)
    assert rows(
        "SELECT details ->> 'outcome' FROM audit_entries WHERE action = 'demand.recorded' AND %s = ANY (subject_ids)",
        demand_id,
    ) == [("refused",)]


@pytest.mark.parametrize("role", OTHERS)
def test_who_may_not_enter_one(world, role, refusals, rows):
    with pytest.raises(Forbidden):
        demand(getattr(world, role))
    assert refusals(getattr(world, role)) == 1
    assert rows("SELECT count(*) FROM compelled_disclosures WHERE centre_id = %s", world.centre.id) == [(0,)]


@pytest.mark.parametrize("role", ["operator", "caseworker", "team_supervisor"])
def test_others_see_none(world, role):
    demand_id, breach_id = demand(world.admin), breach(world.admin)
    with pytest.raises(NotFound):
        see(getattr(world, role), books.get_demand, demand_id)
    with pytest.raises(NotFound):
        see(getattr(world, role), books.get_breach, breach_id, now())


def test_another_centre_sees_none(world, database_urls):
    demand_id, breach_id = demand(world.admin), breach(world.admin)
    stranger = make_world(database_urls["owner"])
    for user in (stranger.auditor, stranger.admin):
        with pytest.raises(NotFound):
            see(user, books.get_demand, demand_id)
        with pytest.raises(NotFound):
            enter(user, breach_id) if user is stranger.admin else see(user, books.get_breach, breach_id, now())


def test_a_correction_counts_instead_and_what_was_said_stays(world):
    first = demand(world.admin)
    second = demand(world.supervisor, corrects_id=first, outcome=DemandOutcome.PARTLY)
    [shown] = see(world.auditor, books.list_demands)
    assert (shown.id, shown.outcome) == (second, "partly")
    whole = see(world.auditor, books.get_demand, second)
    assert [(row.id, row.outcome) for row in whole.before] == [(first, "refused")]
    assert see(world.auditor, books.get_demand, first).corrected
    with pytest.raises(Conflict, match="corrected_already"):
        demand(world.admin, corrects_id=first)


def test_who_keeps_the_register_names_cases_by_number_without_seeing_them(world, rows):
    case_id = open_case(world)
    [(code,)] = rows("SELECT code FROM cases WHERE id = %s", case_id)
    demand_id = demand(world.admin, cases=(code.lower(), f" {code} ", code.rpartition("-")[2]))
    assert rows("SELECT case_ids FROM compelled_disclosures WHERE id = %s", demand_id) == [([case_id],)]
    for wrong in ("HC-999999", "x", ""):
        with pytest.raises(Invalid, match="case_unknown"):
            demand(world.admin, cases=(code, wrong))


def test_who_is_part_of_the_story_hears_of_no_demand_about_it(world, rows):
    other = make_user(world.centre, "supervisor")
    case_id = open_case(world)
    [(code,)] = rows("SELECT code FROM cases WHERE id = %s", case_id)
    demand_id = demand(world.supervisor, cases=(code,))
    close(world.supervisor, case_id, other.id)
    with pytest.raises(NotFound):
        see(other, books.get_demand, demand_id)
    with pytest.raises(Invalid, match="case_unknown"):
        demand(other, cases=(code,))


@pytest.mark.parametrize(
    ("field", "given"),
    [
        ("authority", {"words": WORDS | {"authority": " "}}),
        ("demanded", {"words": WORDS | {"demanded": ""}}),
        ("received_at", {"received_at": now() + 9 * HOUR}),
        ("decided_by", {"decided_by": new_id()}),
    ],
)
def test_what_a_demand_must_say(world, field, given):
    with pytest.raises(Invalid) as problem:
        demand(world.admin, **given)
    assert problem.value.field == field


def test_the_same_demand_again_is_one(world, rows):
    demand_id = new_id()
    assert {demand(world.admin, demand_id=demand_id) for _ in range(2)} == {demand_id}
    assert rows(
        "SELECT count(*) FROM audit_entries WHERE action = 'demand.recorded' AND %s = ANY (subject_ids)", demand_id
    ) == [(1,)]


# Breaches


@pytest.mark.parametrize("role", KEEPERS)
def test_a_breach_runs_72_hours_from_when_it_was_noticed(world, role, rows):
    noticed = now() - 30 * HOUR
    breach_id = breach(getattr(world, role), noticed=noticed)
    found = see(world.auditor, books.get_breach, breach_id, now())
    assert found.notify_by - noticed == timedelta(hours=72)
    assert (found.state, found.what) == (BreachState.RUNNING, "A telephone was left in a taxi.")
    assert see(world.auditor, books.get_breach, breach_id, noticed + 73 * HOUR).state is BreachState.LATE
    assert rows(
        "SELECT count(*) FROM audit_entries WHERE action = 'breach.opened' AND %s = ANY (subject_ids)", breach_id
    ) == [(1,)]


@pytest.mark.parametrize("role", OTHERS)
def test_who_may_not_keep_the_log(world, role, refusals, rows):
    user, breach_id = getattr(world, role), breach(world.admin)
    for deed, *args in ((breach,), (enter, breach_id)):
        with pytest.raises(Forbidden):
            deed(user, *args)
    assert refusals(user) == 2
    assert rows("SELECT count(*) FROM breach_entries WHERE breach_id = %s", breach_id) == [(0,)]


def test_telling_the_authority_stops_the_clock_once(world):
    breach_id = breach(world.admin)
    enter(world.supervisor, breach_id, BreachStep.AUTHORITY_TOLD)
    found = see(world.auditor, books.get_breach, breach_id, now() + 100 * HOUR)
    assert found.state is BreachState.TOLD
    with pytest.raises(Conflict, match="told_already"):
        enter(world.admin, breach_id, BreachStep.AUTHORITY_TOLD)
    enter(world.admin, breach_id, BreachStep.SUBJECTS_TOLD)
    assert [entry.kind for entry in see(world.auditor, books.get_breach, breach_id, now()).entries] == [
        "authority_told", "subjects_told",
    ]  # fmt: skip


def test_a_closed_log_takes_no_more(world):
    breach_id = breach(world.admin)
    enter(world.admin, breach_id, BreachStep.CLOSED, words="It was found; nobody had opened it.")
    assert see(world.auditor, books.get_breach, breach_id, now() + 100 * HOUR).state is BreachState.CLOSED
    with pytest.raises(Conflict, match="breach_closed"):
        enter(world.admin, breach_id)


@pytest.mark.parametrize(
    ("field", "given"),
    [("words", {"words": " "}), ("at", {"done": now() + 9 * HOUR}), ("at", {"done": now() - 9 * HOUR})],
)
def test_what_an_entry_must_say(world, field, given):
    breach_id = breach(world.admin)
    with pytest.raises(Invalid) as problem:
        enter(world.admin, breach_id, **given)
    assert problem.value.field == field


@pytest.mark.parametrize(
    ("field", "given"),
    [("what", {"what": ""}), ("categories", {"categories": ()}), ("noticed_at", {"noticed": now() + 9 * HOUR})],
)
def test_what_a_breach_must_say(world, field, given):
    with pytest.raises(Invalid) as problem:
        breach(world.admin, **given)
    assert problem.value.field == field


def test_the_same_again_counts_once(world):
    breach_id, entry_id = new_id(), new_id()
    for _ in range(2):
        breach(world.admin, breach_id=breach_id)
        enter(world.admin, breach_id, entry_id=entry_id)
    assert len(see(world.admin, books.get_breach, breach_id, now()).entries) == 1


def test_a_form_that_was_sent_and_comes_with_other_words_is_refused(world):
    """Nothing of it would be kept: whoever went back and wrote more must hear so."""
    demand_id, breach_id, entry_id = new_id(), new_id(), new_id()
    demand(world.admin, demand_id=demand_id)
    breach(world.admin, breach_id=breach_id)
    enter(world.admin, breach_id, entry_id=entry_id)
    for again in (
        lambda: demand(world.admin, demand_id=demand_id, words=WORDS | {"given": "A name"}),
        lambda: demand(world.supervisor, demand_id=demand_id),
        lambda: demand(world.admin, demand_id=demand_id, corrects_id=demand(world.admin)),
        lambda: demand(world.admin, demand_id=demand_id, outcome=DemandOutcome.GIVEN),
        lambda: demand(world.admin, demand_id=demand_id, subjects_told=Told.TOLD),
        lambda: breach(world.admin, breach_id=breach_id, what="And a list."),
        lambda: breach(world.admin, breach_id=breach_id, people=400),
        lambda: breach(world.supervisor, breach_id=breach_id),
        lambda: enter(world.admin, breach_id, entry_id=entry_id, words="And the driver."),
        lambda: enter(world.admin, breach_id, entry_id=entry_id, kind=BreachStep.SUBJECTS_TOLD),
        lambda: enter(world.admin, breach(world.admin), entry_id=entry_id),
        lambda: enter(world.supervisor, breach_id, entry_id=entry_id),
    ):
        with pytest.raises(Conflict, match="id_in_use"):
            again()


def tick(at):
    """What beat does, at that time."""
    ctx = Context(actor=system_actor(SystemActor.REMINDER), now=at, request_id=new_id(), channel=Channel.WORKER)
    with unit_of_work(ctx):
        recording.remind_breaches(ctx)


def told(rows, breach_id):
    return rows(
        "SELECT recipient_id, created_at, (params ->> 'late')::boolean FROM messages WHERE template = 'breach_clock'"
        " AND channel = 'in_app' AND params ->> 'breach_id' = %s ORDER BY created_at", str(breach_id),
    )  # fmt: skip


def test_who_keeps_the_log_is_told_at_once_before_the_end_and_after_it(world, rows):
    begin = now()
    breach_id = breach(world.admin, at=begin, noticed=begin)
    for hour in range(100):
        tick(begin + hour * HOUR)
    found = told(rows, breach_id)
    assert {user for user, _at, _late in found} == {world.admin.id, world.supervisor.id}
    mine = [(round((at - begin) / HOUR), late) for user, at, late in found if user == world.admin.id]
    assert mine == [(0, False), (24, False), (48, False), (60, False), (68, False), (72, False), (84, True), (96, True)]


@pytest.mark.parametrize("kind", [BreachStep.AUTHORITY_TOLD, BreachStep.CLOSED])
def test_nobody_is_reminded_of_what_is_settled(world, rows, kind):
    begin = now()
    breach_id = breach(world.admin, at=begin)
    enter(world.admin, breach_id, kind, at=begin + HOUR)
    tick(begin + 200 * HOUR)
    assert told(rows, breach_id) == []


ATTEMPTS = {
    "a demand changed": "UPDATE compelled_disclosures SET outcome = 'given' WHERE id = :demand",
    "a demand removed": "DELETE FROM compelled_disclosures WHERE id = :demand",
    "a demand in another's name": "INSERT INTO compelled_disclosures SELECT (jsonb_populate_record(d, jsonb_build_object('id', uuidv7(),"
    " 'recorded_by', :other))).* FROM compelled_disclosures d WHERE id = :demand",
    "more time": "UPDATE breaches SET notify_by = notify_by + interval '1 day' WHERE id = :breach",
    "noticed later": "UPDATE breaches SET noticed_at = now() WHERE id = :breach",
    "a log without its entry": "DELETE FROM breach_entries WHERE breach_id = :breach",
    "an entry changed": "UPDATE breach_entries SET kind = 'measure' WHERE breach_id = :breach",
    "a log removed": "DELETE FROM breaches WHERE id = :breach",
    "a closed log opened": "UPDATE breaches SET closed_at = NULL WHERE id = :closed",
}


@pytest.mark.parametrize("attempt", ATTEMPTS)
def test_free_sql_changes_nothing_that_was_entered(world, attempt):
    given = {"demand": demand(world.admin), "breach": breach(world.admin), "closed": breach(world.admin)}
    enter(world.admin, given["breach"])
    enter(world.admin, given["closed"], BreachStep.CLOSED)
    with pytest.raises(DBAPIError), unit_of_work(world.admin.ctx()):
        done = db.session.execute(text(ATTEMPTS[attempt]), given | {"other": str(world.supervisor.id)})
        if done.rowcount == 0:
            raise DBAPIError(None, None, Exception("no row"))


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.sampled_from(list(BreachStep)), max_size=6))
def test_whatever_is_entered_the_log_tells_it_as_it_happened(world, steps):
    breach_id, expected, told_of = breach(world.admin), [], set()
    for step in steps:
        once = step in {BreachStep.AUTHORITY_TOLD, BreachStep.SUBJECTS_TOLD}
        if BreachStep.CLOSED in expected or (once and step in told_of):
            with pytest.raises(Conflict):
                enter(world.admin, breach_id, step)
            continue
        enter(world.admin, breach_id, step)
        expected.append(step)
        told_of.add(step)
    found = see(world.auditor, books.get_breach, breach_id, now())
    assert [entry.kind for entry in found.entries] == expected
    assert (found.closed_at is not None) == (BreachStep.CLOSED in expected)
    assert (found.authority_told_at is not None) == (BreachStep.AUTHORITY_TOLD in expected)
