"""The ledger as a file, against the database, and after a dump from before an erasure was brought back."""

import json
import subprocess
from dataclasses import replace
from datetime import UTC, datetime

import psycopg
import pytest

from helpline.app import create_app
from helpline.embedded.place import find_place
from helpline.foundation.crypto.keyring import Tampered
from helpline.foundation.crypto.records import DESTROYED, unseal
from helpline.foundation.db import db
from helpline.foundation.ids import new_id
from helpline.foundation.provision import install_context_key
from helpline.retention.gateways import LedgerFile, LedgerUnfit
from helpline.retention.queries import listing
from helpline.retention.services import ledger as ledgers
from helpline.retention.services import port
from helpline.retention.vocabulary import LedgerEntry, LedgerProblem, Reach, RecordKind, Why
from tests.factories import retention as made
from tests.factories.cases import open_case

CALL, CASE, PERSON = RecordKind
AT = datetime(2027, 5, 3, 9, tzinfo=UTC)


def entry():
    return LedgerEntry(
        0, new_id(), new_id(), CASE, new_id(), Why.RULE, AT, Reach((new_id(),), (new_id(),), (new_id(), new_id()))
    )


# The file


def test_what_was_written_is_read_and_the_same_again_is_once(ledger):
    file, first, second = LedgerFile(ledger), entry(), entry()
    assert [file.append(each).number for each in (first, second, first)] == [1, 2, 1]
    read = LedgerFile(ledger).read()
    assert read.problem is None
    assert [(each.erasure_id, each.reach) for each in read.entries] == [
        (first.erasure_id, first.reach),
        (second.erasure_id, second.reach),
    ]
    assert ledger.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("change", [
    lambda lines: [lines[1], lines[0], lines[2]],
    lambda lines: [lines[0], lines[2]],
    lambda lines: [lines[0], lines[1].replace(b'"rule"', b'"request"'), lines[2]],
    lambda lines: [lines[0], b"{}" + b" " + b"0" * 32 + b"\n", lines[1], lines[2]],
    lambda lines: [b"\xff\n", *lines],
])  # fmt: skip
def test_a_line_moved_taken_out_altered_or_slipped_in_is_noticed(ledger, change):
    file = LedgerFile(ledger)
    for _ in range(3):
        file.append(entry())
    ledger.write_bytes(b"".join(change(ledger.read_bytes().splitlines(keepends=True))))
    assert file.read().problem is LedgerProblem.DAMAGED
    with pytest.raises(LedgerUnfit):
        file.append(entry())


def test_a_line_that_a_power_cut_left_half_is_no_entry_and_does_no_harm(ledger):
    file, first = LedgerFile(ledger), entry()
    file.append(first)
    ledger.write_bytes(ledger.read_bytes() + b'{"n": 2, "id"')
    assert [each.erasure_id for each in file.read().entries] == [first.erasure_id]
    file.append(entry())
    assert (len(file.read().entries), file.read().problem) == (2, None)


def test_no_word_stands_in_it(world, erase, in_app, ledger):
    case_id = open_case(world, summary="Sokha was beaten.", child_name="Sokha")
    made.close_case(world.supervisor, case_id)
    erase(case_id)
    [line] = ledger.read_text().splitlines()
    assert "Sokha" not in line
    body = line.rpartition(" ")[0]
    assert set(json.loads(body)) == {"n", "id", "centre", "kind", "record", "why", "at", "calls", "cases", "persons"}


# Against the database


@pytest.fixture
def alone(rows):
    """Only this test's erasures count."""
    rows("UPDATE erasures SET finished_at = NULL")


def test_they_say_the_same_after_an_erasure_and_differ_when_a_line_is_missing(  # noqa: PLR0917  # fixtures
    world, erase, in_app, ledger, alone, at_worker
):
    for _ in range(2):
        case_id = open_case(world)
        made.close_case(world.supervisor, case_id)
        erase(case_id)
    state = at_worker(ledgers.compare)
    assert (state.whole, state.entries) == (True, 2)
    lines = ledger.read_bytes().splitlines(keepends=True)
    ledger.write_bytes(lines[0])
    assert at_worker(ledgers.compare).unknown_there == 1
    ledger.unlink()
    assert at_worker(ledgers.compare).problem is LedgerProblem.MISSING
    ledger.write_bytes(b"".join(lines))
    assert ledgers.sentences(at_worker(ledgers.compare)) == ["2 erasures in the ledger."]


def test_no_ledger_before_the_first_erasure_is_no_problem(ledger, alone, at_worker):
    assert at_worker(ledgers.compare).whole


# A restore


@pytest.fixture
def restored(settings, database_urls, make_database, bed, tmp_path):
    """`dump()` takes the database as it is; `bring_back()` gives settings over a database made of it."""
    binaries = find_place(settings.embedded_path).postgres_bin
    dump = tmp_path / "helpline.dump"

    class Backup:
        def dump(self):
            command = [
                binaries / "pg_dump",
                "-Fc",
                "--exclude-table-data=app.context_key",
                "-f",
                dump,
                "--dbname",
                database_urls["owner"],
            ]
            subprocess.run(command, check=True, capture_output=True)

        def bring_back(self):
            urls = make_database("helpline_brought_back", template="template0")
            command = [binaries / "pg_restore", "--exit-on-error", "--single-transaction", "-d", urls["owner"], dump]
            subprocess.run(command, check=True, capture_output=True)
            install_context_key(urls["owner"])
            return replace(
                settings, database_url=urls["web"], database_worker_url=urls["worker"], database_owner_url=urls["owner"]
            )

    return Backup()


def test_what_was_erased_after_a_dump_is_gone_again_when_it_is_brought_back(  # noqa: PLR0917  # fixtures
    world, erase, in_app, ledger, alone, restored, rows
):
    case_id, other = open_case(world, summary="Sokha was beaten."), open_case(world, summary="Bopha is well.")
    made.plant(rows, case_id)
    made.close_case(world.supervisor, case_id)
    restored.dump()
    approval_id = erase(case_id)
    there = restored.bring_back()

    def stands(record_id):
        with psycopg.connect(there.database_owner_url) as connection:
            return connection.execute(
                "SELECT record_key, summary_sealed, erased_at FROM cases WHERE id = %s", [record_id]
            ).fetchone()

    key, summary, erased_at = stands(case_id)
    assert unseal("cases", "summary_sealed", case_id, key, summary) == "Sokha was beaten.", "the dump brings it back"
    assert erased_at is None
    app = create_app(there, database_role="worker")
    port.install(LedgerFile(ledger), 30)
    with app.app_context():
        assert ledgers.compare().unknown_here == 1
        db.engine.dispose()
    app = create_app(there, database_role="owner")
    port.install(LedgerFile(ledger), 30)
    with app.app_context():
        assert ledgers.replay() == (1, 0)
        assert ledgers.replay() == (0, 0), "again changes nothing"
        assert listing.known_erasures() == {approval_id}
        db.session.remove()
        db.engine.dispose()
    assert stands(case_id)[:2] == (DESTROYED, None)
    with pytest.raises(Tampered):
        unseal("cases", "summary_sealed", case_id, DESTROYED, summary)
    key, summary, erased_at = stands(other)
    assert (unseal("cases", "summary_sealed", other, key, summary), erased_at) == ("Bopha is well.", None)
    with psycopg.connect(there.database_owner_url) as connection:
        assert connection.execute(
            "SELECT count(*) FROM case_notes WHERE case_id = %s AND record_key <> %s", [case_id, DESTROYED]
        ).fetchone() == (0,)
        noted = "SELECT count(*) FROM audit_entries WHERE action = 'case.erased' AND %s = ANY (subject_ids)"
        assert connection.execute(noted, [case_id]).fetchone() == (1,)


def test_a_replay_takes_nothing_that_is_held(world, erase, in_app, ledger, alone, restored, rows):  # noqa: PLR0917  # fixtures
    case_id = open_case(world, summary="Sokha was beaten.")
    made.close_case(world.supervisor, case_id)
    hold_id = made.hold(world.supervisor, case_id)
    restored.dump()
    made.lift(world.supervisor, hold_id)
    erase(case_id)
    app = create_app(restored.bring_back(), database_role="owner")
    port.install(LedgerFile(ledger), 30)
    with app.app_context():
        assert ledgers.replay() == (0, 1)
        db.engine.dispose()
