"""What an erasure takes, what it leaves, and that it stays so."""

from dataclasses import replace

import pytest
from sqlalchemy import text

from helpline.accounts.services import approvals
from helpline.calls.queries import get_call
from helpline.calls.vocabulary import CallFilter
from helpline.cases import queries as cases
from helpline.cases.commands import AddNote, OpenCase
from helpline.cases.services import closing, opening, working
from helpline.cases.vocabulary import NoteKind
from helpline.dashboards.queries import call_figures, work_figures
from helpline.foundation.crypto.index import phone_index
from helpline.foundation.crypto.keyring import Tampered
from helpline.foundation.crypto.records import DESTROYED, unseal
from helpline.foundation.crypto.sealed import sealed_columns
from helpline.foundation.db import db, unit_of_work
from helpline.foundation.errors import Conflict
from helpline.foundation.ids import new_id
from helpline.retention.rules import FATES
from helpline.retention.services import erasing
from helpline.retention.vocabulary import RecordKind
from tests.factories import retention as made
from tests.factories.calls import PHONE, do, logged_call, told
from tests.factories.cases import assign, open_case
from tests.factories.privacy import break_glass, close

CALL, CASE, PERSON = RecordKind


def full_case(world):
    """A case with a word in every table that hangs on it, closed."""
    case_id = open_case(world, summary="Sokha was beaten.")
    assign(world, case_id)
    with unit_of_work(world.caseworker.ctx()) as ctx:
        working.add_note(ctx, AddNote(new_id(), case_id, NoteKind.NOTE, "Sokha lives with an aunt."))
    break_glass(world.other_caseworker, case_id)
    close(world.supervisor, case_id, world.other_caseworker.id)
    made.close_case(world.supervisor, case_id)
    return case_id


@pytest.fixture
def the_case(world, in_app, rows):
    case_id = full_case(world)
    made.plant(rows, case_id)
    [(call_id, child_id)] = rows("SELECT call_id, child_person_id FROM cases WHERE id = %s", case_id)
    return case_id, call_id, child_id


def sealed_of(rows, ids):
    """Every sealed value that stands, by table and row, with its key: what a thief of the dump would try to open."""
    found = {}
    for table, columns in sealed_columns(db.metadata).items():
        link = FATES[table].link if table in FATES else None
        if link is None:
            continue
        for column in columns:
            for row_id, key, value in rows(
                f"SELECT id, record_key, {column} FROM {table} WHERE {link} = ANY (%s)", list(ids)
            ):
                if value is not None:
                    found[table, column, row_id] = (key, value)
    return found


def test_a_case_goes_with_its_call_and_its_child(world, the_case, erase, rows):
    case_id = the_case[0]
    before = sealed_of(rows, the_case)
    assert {table for table, _column, _id in before} == set(FATES) - {"legal_holds"}, "a word in each table of the list"
    assert all(unseal(table, column, row_id, *pair) for (table, column, row_id), pair in before.items())
    approval_id = erase(case_id)
    assert sealed_of(rows, the_case) == {}
    keys = {table: {key for (key,) in rows(f"SELECT record_key FROM {table} WHERE {fate.link} = ANY (%s)", list(the_case))}
            for table, fate in FATES.items()}  # fmt: skip
    assert all(found <= {DESTROYED} for found in keys.values())
    # Whoever kept the ciphertexts has no key for them in what stands here now.
    for (table, column, row_id), (_key, value) in before.items():
        with pytest.raises(Tampered):
            unseal(table, column, row_id, DESTROYED, value)
    assert rows(
        "SELECT why, master_version IS NOT NULL, finished_at IS NOT NULL FROM erasures WHERE id = %s", approval_id
    ) == [("request", True, True)]
    [(counts,)] = rows("SELECT counts FROM erasures WHERE id = %s", approval_id)
    assert (counts["cases"], counts["calls"], counts["persons"]) == (1, 1, 1)


def test_what_lay_ready_to_be_fetched_goes_with_its_case(world, in_app, rows, erase):
    case_id, other = full_case(world), full_case(world)
    mine, theirs = (made.plant(rows, each)["exports"] for each in (case_id, other))
    erase(case_id)
    look = "SELECT record_key, body_sealed IS NULL, gone_at IS NOT NULL, body_index FROM exports WHERE id = %s"
    assert rows(look, mine) == [(DESTROYED, True, True, None)]
    assert rows(look, theirs)[0][1:3] == (False, False)


def test_it_is_on_record_and_told(world, the_case, erase, rows):
    case_id, _call_id, _child_id = the_case
    approval_id = erase(case_id)
    entry = rows(
        "SELECT actor_role, centre_id, details FROM audit_entries WHERE action = 'case.erased' AND %s = ANY (subject_ids)",
        case_id,
    )
    assert entry == [("eraser", world.centre.id, {"why": "request", "calls": 1, "cases": 1, "persons": 1})]
    told_of = rows(
        "SELECT payload ->> 'record_id' FROM outbox_events WHERE name = 'retention.record_erased' AND payload ->> 'erasure_id' = %s",
        str(approval_id),
    )
    assert told_of == [(str(case_id),)]
    states = rows(
        "SELECT payload ->> 'state' FROM outbox_events WHERE payload ->> 'approval_id' = %s ORDER BY id",
        str(approval_id),
    )
    assert states == [("asked",), ("approved",), ("done",)]


def test_what_could_name_somebody_is_blanked_and_what_is_counted_stays(world, the_case, erase, rows):
    case_id, call_id, child_id = the_case
    kept = "SELECT province_id, kind, channel, started_at, risk_level, caller_relation, number FROM calls WHERE id = %s"
    counted = "SELECT age_band, gender FROM call_children WHERE call_id = %s"
    of_case = (
        "SELECT code, province_id, status, opened_at, closed_at, child_gender, risk_level FROM cases WHERE id = %s"
    )
    before = [rows(kept, call_id), rows(counted, call_id), rows(of_case, case_id)]
    erase(case_id)
    assert [rows(kept, call_id), rows(counted, call_id), rows(of_case, case_id)] == before
    assert rows("SELECT place_id, risk_reasons, danger, body_digest FROM calls WHERE id = %s", call_id) == [
        (None, [], {}, None)
    ]
    assert rows("SELECT place_id, child_age, risk_reasons, body_index FROM cases WHERE id = %s", case_id) == [
        (None, None, [], b"")
    ]
    assert rows(
        "SELECT age, age_known, gender, language, disability, phone_index FROM persons WHERE id = %s", child_id
    ) == [(None, "unknown", "unknown", None, "unknown", None)]
    assert rows("SELECT count(*) FROM case_notes WHERE case_id = %s AND body_index <> ''", case_id) == [(0,)]


def test_every_figure_stays_as_it_was(world, in_app, erase, rows):
    others = [open_case(world, place=world.province) for _ in range(2)]
    case_id = full_case(world)
    logged_call(world.operator)

    def figures():
        with unit_of_work(world.supervisor.ctx()) as ctx:
            return (
                call_figures(CallFilter(centre_id=world.centre.id, zone="Asia/Phnom_Penh")),
                work_figures(world.centre.id, None, ctx.now.replace(microsecond=0)),
            )

    before = figures()
    erase(case_id)
    assert figures() == before
    assert before[0].total == len(others) + 2


def test_nobody_is_found_by_the_number_any_more(world, erase, in_app, rows):
    call_id = logged_call(world.operator)
    number = phone_index(PHONE, "KH")
    found = "SELECT count(*) FROM persons WHERE phone_index = %s AND centre_id = %s"
    assert rows(found, number, world.centre.id) == [(1,)]
    [(stamp,)] = rows("SELECT max(changed_in) FROM persons WHERE centre_id = %s", world.centre.id)
    erase(call_id)
    assert rows(found, number, world.centre.id) == [(0,)]
    # The process that knows names follows rows by this mark.
    assert rows("SELECT min(changed_in) > %s FROM persons WHERE centre_id = %s", stamp, world.centre.id) == [(True,)]


def test_messages_about_it_go(world, the_case, erase, rows):
    naming = "SELECT count(*) FROM messages WHERE centre_id = %s"
    assert rows(naming, world.centre.id) == [(1,)]
    erase(the_case[0])
    assert rows(naming + " AND template = 'referral_asked'", world.centre.id) == [(0,)]


def test_grants_end_and_refusals_stay(world, the_case, erase, rows):
    case_id, _call_id, _child_id = the_case
    open_grants = "SELECT DISTINCT effect FROM grants WHERE record_id = %s AND ended_at IS NULL ORDER BY 1"
    assert rows(open_grants, case_id) == [("allow",), ("deny",)]
    erase(case_id)
    assert rows(open_grants, case_id) == [("deny",)]


def test_a_call_that_another_childs_case_hangs_on_stays_with_its_people(world, erase, in_app, rows):
    girl = told().children[0]
    call_id = logged_call(world.operator, children=(girl, replace(girl, details=replace(girl.details, name="Bopha"))))
    children = [
        child for (child,) in rows("SELECT person_id FROM call_children WHERE call_id = %s ORDER BY position", call_id)
    ]
    ids = [
        do(world.operator, opening.open_case, OpenCase(new_id(), call_id, child, team_id=world.team))[1].id
        for child in children
    ]
    made.close_case(world.supervisor, ids[0])
    erase(ids[0])
    gone = "SELECT erased_at IS NOT NULL FROM {} WHERE id = %s"
    assert rows(gone.format("calls"), call_id) == [(False,)]
    assert [rows(gone.format("cases"), each) for each in ids] == [[(True,)], [(False,)]]
    assert [rows(gone.format("persons"), each) for each in children] == [[(True,)], [(False,)]]
    with unit_of_work(world.supervisor.ctx()):
        shown = get_call(call_id)
    assert "Zephyrine" in shown.narrative
    assert {person.name for person in shown.people} == {None, "Bopha"}
    assert shown.caller.name


def test_somebodys_erasure_takes_all_rows_said_to_be_them_and_spares_others(world, erase, in_app, rows):
    first, second = open_case(world, child_name="Sokha"), open_case(world, child_name="Sok Kha")
    other = open_case(world, child_name="Bopha")
    people = [rows("SELECT child_person_id FROM cases WHERE id = %s", each)[0][0] for each in (first, second, other)]
    rows("UPDATE persons SET canonical_person_id = %s WHERE id = %s", people[0], people[1])
    for case_id in (first, second):
        made.close_case(world.supervisor, case_id)
    erase(people[1])
    gone = "SELECT id FROM persons WHERE id = ANY (%s) AND erased_at IS NOT NULL"
    assert {row[0] for row in rows(gone, people)} == set(people[:2])
    assert rows("SELECT count(*) FROM cases WHERE id = ANY (%s) AND erased_at IS NOT NULL", [first, second, other]) == [
        (2,)
    ]
    with unit_of_work(world.supervisor.ctx()):
        assert db.session.get(cases.Case, other).erased_at is None


def test_a_caller_goes_from_a_call_about_another_child_and_the_call_stays(world, erase, in_app, rows):
    call_id = logged_call(world.operator)
    [(caller_id,)] = rows("SELECT caller_person_id FROM calls WHERE id = %s", call_id)
    erase(caller_id)
    with unit_of_work(world.supervisor.ctx()):
        shown = get_call(call_id)
    assert (shown.caller.name, shown.caller.phone) == (None, None)
    assert shown.narrative
    assert shown.people[0].name


def test_erased_stays_erased(world, the_case, erase, in_app, rows):
    case_id, call_id, child_id = the_case
    erase(case_id)
    with unit_of_work(world.supervisor.ctx()):
        version = cases.get_case(case_id).version
    with pytest.raises(Conflict, match="erased"), unit_of_work(world.supervisor.ctx()) as ctx:
        closing.reopen_case(ctx, case_id, version, "She called again.")
    with pytest.raises(Conflict, match="erased"), unit_of_work(world.supervisor.ctx()) as ctx:
        opening.open_case(ctx, OpenCase(new_id(), call_id, child_id, team_id=world.team))
    with pytest.raises(Conflict, match="erased"):
        made.propose(world.supervisor, case_id)
    for table, record_id in (("cases", case_id), ("calls", call_id), ("persons", child_id)):
        with pytest.raises(Exception, match="stays erased"), unit_of_work(world.supervisor.ctx()):
            db.session.execute(
                text(f"UPDATE {table} SET erased_at = NULL, erased_why = NULL WHERE id = :id"), {"id": record_id}
            )


def test_nobody_marks_a_record_as_erased_by_sql(world, in_app):
    case_id = open_case(world)
    with pytest.raises(Exception, match="by two people"), unit_of_work(world.supervisor.ctx()):
        db.session.execute(
            text("UPDATE cases SET erased_at = now(), erased_why = 'rule' WHERE id = :id"), {"id": case_id}
        )


def test_an_open_case_is_not_erased(world, in_app, ledger):
    case_id = open_case(world)
    with pytest.raises(Conflict, match="case_open"):
        made.propose(world.supervisor, case_id)


def test_a_call_goes_with_its_case_not_before(world, in_app, ledger, rows):
    case_id = open_case(world)
    [(call_id,)] = rows("SELECT call_id FROM cases WHERE id = %s", case_id)
    with pytest.raises(Conflict, match="has_case"):
        made.propose(world.supervisor, call_id)


def test_what_was_reopened_meanwhile_is_left_alone(world, the_case, in_app, ledger, at_worker, rows):  # noqa: PLR0917  # fixtures
    case_id, _call_id, _child_id = the_case
    approval_id = made.propose(world.supervisor, case_id)
    made.approve(world.admin, approval_id)
    with unit_of_work(world.supervisor.ctx()) as ctx:
        closing.reopen_case(ctx, case_id, cases.get_case(case_id).version, "She called again.")
    at_worker(erasing.carry_out_due)
    assert rows("SELECT erased_at FROM cases WHERE id = %s", case_id) == [(None,)]
    assert not ledger.exists()
    with unit_of_work(world.supervisor.ctx()) as ctx:
        approvals.stop(ctx, approval_id)


class Killed(BaseException):
    pass


@pytest.mark.parametrize(
    "point", ["retention.ledger.after_append", "retention.erase.before_commit", "retention.erase.after_commit"]
)
def test_killed_anywhere_it_is_done_once_at_the_next_try(  # noqa: PLR0917  # fixtures
    world, the_case, in_app, ledger, at_worker, rows, monkeypatch, point
):
    case_id, _call_id, _child_id = the_case
    approval_id = made.propose(world.supervisor, case_id)
    made.approve(world.admin, approval_id)

    def die(name):
        if name == point:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr("helpline.retention.services.erasing.failpoint", die)
        patch.setattr("helpline.retention.gateways.failpoint", die)
        with pytest.raises(Killed):
            at_worker(erasing.carry_out_due)
    done = point.endswith("after_commit")
    assert rows("SELECT erased_at IS NOT NULL FROM cases WHERE id = %s", case_id) == [(done,)]
    assert at_worker(erasing.carry_out_due) == (0 if done else 1)
    assert at_worker(erasing.carry_out_due) == 0
    assert sealed_of(rows, the_case) == {}
    assert len(ledger.read_bytes().splitlines()) == 1
    assert rows(
        "SELECT count(*) FROM audit_entries WHERE action = 'case.erased' AND %s = ANY (subject_ids)", case_id
    ) == [(1,)]
    assert rows("SELECT count(*) FROM erasures WHERE id = %s AND finished_at IS NOT NULL", approval_id) == [(1,)]


def test_nothing_is_erased_without_a_ledger_that_can_be_written(world, the_case, in_app, ledger, at_worker, rows):  # noqa: PLR0917  # fixtures
    case_id, _call_id, _child_id = the_case
    made.approve(world.admin, made.propose(world.supervisor, case_id))
    ledger.write_bytes(b"not ours\n")
    with pytest.raises(Exception, match="damaged"):
        at_worker(erasing.carry_out_due)
    assert rows("SELECT erased_at FROM cases WHERE id = %s", case_id) == [(None,)]
    ledger.unlink()
    assert at_worker(erasing.carry_out_due) == 1


def test_whoever_is_not_the_eraser_carries_nothing_out(world, the_case, in_app, ledger, rows):
    approval_id = made.propose(world.supervisor, the_case[0])
    made.approve(world.admin, approval_id)
    for user in (world.supervisor, world.admin):
        with unit_of_work(user.ctx()):
            assert approvals.carry_out(approval_id) is False
    assert rows("SELECT spent_at FROM approvals WHERE id = %s", approval_id) == [(None,)]


def test_the_words_of_why_go_with_the_record(world, the_case, erase, rows):
    approval_id = erase(the_case[0])
    assert rows("SELECT reason_sealed FROM approvals WHERE id = %s", approval_id) == [(None,)]
