"""What comes up for review, batch by batch; what never does; and what is thrown away by itself."""

from datetime import UTC, datetime, timedelta

import pytest

from helpline.foundation.crypto.records import DESTROYED
from helpline.foundation.crypto.sealed import seal_values
from helpline.foundation.db import unit_of_work
from helpline.foundation.ids import new_id
from helpline.retention.rules import DEFAULTS, backups_end, complete_on, months_before
from helpline.retention.services import finding, showing
from helpline.retention.vocabulary import RecordKind, RuleKind
from tests.factories import retention as made
from tests.factories.calls import logged_call
from tests.factories.cases import open_case

CALL, CASE, PERSON = RecordKind


@pytest.fixture
def due(world):
    def look():
        with unit_of_work(world.supervisor.ctx()) as ctx:
            return [row.record_id for row in showing.see_due(ctx)]

    return look


@pytest.fixture
def aged(world, rows):
    """`aged(call_id, months)`: as if it had been logged so long ago."""

    def age(call_id, months):
        rows(
            "UPDATE calls SET started_at = now() - make_interval(months => %s), ended_at = NULL WHERE id = %s",
            months,
            call_id,
        )
        return call_id

    return age


def again(rows, world):
    rows("DELETE FROM retention_sweeps WHERE centre_id = %s", world.centre.id)


def test_a_call_comes_up_when_it_is_old_enough_and_nothing_of_it_goes(  # noqa: PLR0917  # fixtures
    world, in_app, ledger, aged, due, at_worker, rows
):
    old, new = aged(logged_call(world.operator), 37), aged(logged_call(world.operator), 35)
    before = rows("SELECT record_key, narrative_sealed FROM calls WHERE id = ANY (%s) ORDER BY id", [old, new])
    at_worker(finding.sweep)
    assert due() == [old]
    assert rows("SELECT record_key, narrative_sealed FROM calls WHERE id = ANY (%s) ORDER BY id", [old, new]) == before
    noted = "SELECT actor_role, details FROM audit_entries WHERE action = 'retention.found' AND centre_id = %s"
    assert rows(noted, world.centre.id) == [("eraser", {"what": "call", "records": 1})]


def test_a_longer_rule_counts_at_once_and_a_shorter_one_at_the_next_sweep(  # noqa: PLR0917  # fixtures
    world, in_app, ledger, aged, due, at_worker, rows
):
    old = aged(logged_call(world.operator), 37)
    at_worker(finding.sweep)
    say = "INSERT INTO retention_rules (centre_id, kind, months, changed_by, changed_at) VALUES (%s, 'call', %s, %s, now()) ON CONFLICT (centre_id, kind) DO UPDATE SET months = excluded.months"
    rows(say, world.centre.id, 48, world.admin.id)
    assert due() == []
    rows(say, world.centre.id, 12, world.admin.id)
    newer = aged(logged_call(world.operator), 13)
    again(rows, world)
    at_worker(finding.sweep)
    assert due() == [old, newer]


def test_what_has_a_case_is_open_held_or_erased_does_not_come_up(world, in_app, ledger, aged, due, at_worker, rows):  # noqa: PLR0917  # fixtures
    case_id = open_case(world)
    [(call_id,)] = rows("SELECT call_id FROM cases WHERE id = %s", case_id)
    aged(call_id, 200)
    held = aged(logged_call(world.operator), 200)
    by_caller = aged(logged_call(world.operator), 200)
    [(caller_id,)] = rows("SELECT caller_person_id FROM calls WHERE id = %s", by_caller)
    made.hold(world.supervisor, held)
    made.hold(world.supervisor, caller_id)
    at_worker(finding.sweep)
    assert due() == []


def test_it_goes_on_where_it_was_and_finds_all(world, in_app, ledger, aged, due, at_worker, rows, monkeypatch):  # noqa: PLR0917  # fixtures
    monkeypatch.setattr(finding, "BATCH", 2)
    calls = [aged(logged_call(world.operator), 100 - n) for n in range(5)]
    kind = RuleKind.CALL

    class Killed(BaseException):
        pass

    def die(_name):
        raise Killed

    assert at_worker(finding.step, world.centre.id, kind)
    with monkeypatch.context() as patch:
        patch.setattr(finding, "failpoint", die)
        with pytest.raises(Killed):
            at_worker(finding.step, world.centre.id, kind)
    assert due() == calls[:2]
    while at_worker(finding.step, world.centre.id, kind):
        pass
    assert due() == calls
    # What was brought in behind it comes up with the next day's sweep.
    late = aged(logged_call(world.operator), 300)
    assert not at_worker(finding.step, world.centre.id, kind)
    rows("UPDATE retention_sweeps SET swept_at = swept_at - interval '1 day' WHERE centre_id = %s", world.centre.id)
    at_worker(finding.sweep)
    assert due() == [late, *calls]


def test_one_centre_sees_nothing_of_another(world, in_app, ledger, aged, at_worker, database_urls):  # noqa: PLR0917  # fixtures
    from tests.factories.cases import make_world  # noqa: PLC0415

    aged(logged_call(world.operator), 100)
    at_worker(finding.sweep)
    with unit_of_work(make_world(database_urls["owner"]).supervisor.ctx()) as ctx:
        assert showing.see_due(ctx) == []


def test_leftovers_go_by_themselves_when_old(world, in_app, ledger, at_worker, rows):
    """Per kind: one that is too old, one that is not, one that is old and still needed."""
    operator, centre = world.operator.id, world.centre.id
    key = seal_values("call_drafts", new_id(), {"body_sealed": {"narrative": "Sokha"}})
    old, young = (
        {kind: datetime.now(UTC) - timedelta(days=31 * DEFAULTS[kind] + 2) for kind in DEFAULTS},
        datetime.now(UTC),
    )
    drafts, messages, sessions, imports = (
        [new_id(), new_id()],
        [new_id() for _ in range(3)],
        [new_id(), new_id()],
        [new_id(), new_id()],
    )
    for draft_id, at in zip(drafts, (old[RuleKind.DRAFT], young), strict=True):
        rows("INSERT INTO call_drafts (id, record_key, body_sealed, user_id, centre_id, saved_at) VALUES (%s, %s, %s, %s, %s, %s)",
             draft_id, key["record_key"], key["body_sealed"], operator, centre, at)  # fmt: skip
    for message_id, at, state in zip(
        messages, (old[RuleKind.MESSAGE], young, old[RuleKind.MESSAGE]), ("sent", "sent", "unknown"), strict=True
    ):
        rows("INSERT INTO messages (id, record_key, centre_id, recipient_id, template, params, channel, state, dedupe_key, created_at, due_at)"
             " VALUES (%s, %s, %s, %s, 'x', '{}', 'mail', %s, %s, %s, now())", message_id, b"", centre, operator, state, message_id.hex, at)  # fmt: skip
    for session_id, at in zip(sessions, (old[RuleKind.SESSION], young), strict=True):
        rows(
            "INSERT INTO user_sessions (id, user_id, token_hash, created_at, seen_at) VALUES (%s, %s, %s, %s, %s)",
            session_id,
            operator,
            session_id.bytes,
            at,
            at,
        )
    for import_id, at in zip(imports, (old[RuleKind.IMPORT_FILE], young), strict=True):
        sealed = seal_values("call_imports", import_id, {"file_name_sealed": "sokha.csv"})
        rows("INSERT INTO call_imports (id, record_key, file_name_sealed, centre_id, requested_by, created_at, state, size_bytes, encoding, calls_added)"
             " VALUES (%s, %s, %s, %s, %s, %s, 'done', 1, 'utf-8', 7)", import_id, *sealed.values(), centre, world.supervisor.id, at)  # fmt: skip
        finding_id = new_id()
        found = seal_values("call_import_findings", finding_id, {"body_sealed": ["Sokha"]})
        rows("INSERT INTO call_import_findings (id, record_key, body_sealed, import_id, kind, position) VALUES (%s, %s, %s, %s, 'rejects', 0)",
             finding_id, *found.values(), import_id)  # fmt: skip
    at_worker(finding.sweep)
    left = "SELECT id FROM {} WHERE id = ANY (%s)"
    assert rows(left.format("call_drafts"), drafts) == [(drafts[1],)]
    assert {row[0] for row in rows(left.format("messages"), messages)} == {messages[1], messages[2]}
    assert rows(left.format("user_sessions"), sessions) == [(sessions[1],)]
    assert rows("SELECT import_id FROM call_import_findings WHERE import_id = ANY (%s)", imports) == [(imports[1],)]
    assert rows("SELECT record_key, file_name_sealed, calls_added FROM call_imports WHERE id = %s", imports[0]) == [
        (DESTROYED, None, 7)
    ]
    noted = rows(
        "SELECT details ->> 'what' FROM audit_entries WHERE action = 'retention.thrown_away' AND centre_id = %s", centre
    )
    assert {what for (what,) in noted} == {"draft", "message", "session", "import_file"}
    at_worker(finding.sweep)
    assert len(
        rows("SELECT 1 FROM audit_entries WHERE action = 'retention.thrown_away' AND centre_id = %s", centre)
    ) == len(noted)


# Dates


def test_months_are_counted_by_the_calendar():
    now = datetime(2027, 3, 31, 8, 30, tzinfo=UTC)
    assert months_before(now, 1) == datetime(2027, 2, 28, 8, 30, tzinfo=UTC)
    assert months_before(now, 13) == datetime(2026, 2, 28, 8, 30, tzinfo=UTC)
    assert months_before(now, 3) == datetime(2026, 12, 31, 8, 30, tzinfo=UTC)
    assert months_before(now, 36) == datetime(2024, 3, 31, 8, 30, tzinfo=UTC)


def test_an_erasure_is_complete_when_backups_are_too_old_and_the_master_key_is_gone():
    at = datetime(2027, 1, 1, tzinfo=UTC)
    assert backups_end(at, 30) == datetime(2027, 1, 31, tzinfo=UTC).date()
    assert complete_on(at, 30, None) is None
    assert complete_on(at, 30, at + timedelta(days=2)) == backups_end(at, 30)
    assert complete_on(at, 30, at + timedelta(days=90)) == (at + timedelta(days=90)).date()
