"""The process that knows names: what it reads, what it follows, when it forgets, and whom it answers."""

import json
import signal
import socket
import stat
import subprocess
import sys
import threading
import uuid
from dataclasses import replace

import psycopg
import pytest
from psycopg.rows import dict_row

from helpline.foundation.crypto import keyring
from helpline.foundation.crypto.sealed import seal_values
from helpline.search.gateways import MOST_ASKED_BYTES, SocketNames
from helpline.search.vocabulary import IndexState, Matches, NameQuery
from helpline.settings import ROOT, SettingsError
from tests.factories.accounts import make_centre, make_user
from tests.factories.cases import make_call, make_place
from tests.journeys.stack import environment, until
from workers import searcher
from workers.searcher import NameServer, Reader, Searcher

NAME = "Zephyrine Quillfeather"
CLOSED = Matches(IndexState.CLOSED)


@pytest.fixture(scope="module")
def urls(make_database, worker_number):
    return make_database(f"helpline_search_{worker_number}")


@pytest.fixture
def operator(urls):
    return make_user(make_centre(urls["owner"]), "operator")


@pytest.fixture
def line(urls):
    with psycopg.connect(urls["search"], autocommit=True, row_factory=dict_row) as connection:
        yield connection


@pytest.fixture
def known():
    return Searcher()


@pytest.fixture
def reader(known):
    return Reader(known)


@pytest.fixture
def keys():
    """The ring of these tests, put back whatever a test takes away."""
    ring = keyring.ring()
    yield ring
    keyring.install(ring)


def who(known, operator, name=NAME, **asked):
    return [match.person_id for match in known.answer(NameQuery(name, operator.centre.id, **asked)).found]


def rename(operator, person_id, name, connection=None):
    sealed = seal_values("persons", person_id, {"name_sealed": name})
    statement = "UPDATE persons SET record_key = %s, name_sealed = %s WHERE id = %s"
    values = [sealed["record_key"], sealed["name_sealed"], person_id]
    if connection is not None:
        connection.execute(statement, values)
        return
    with psycopg.connect(operator.centre.owner_url) as own:
        own.execute(statement, values)


def test_it_answers_once_everybody_is_in(known, reader, line, operator):
    call = make_call(operator, child_name=NAME)
    assert known.answer(NameQuery(NAME, operator.centre.id)) == Matches(IndexState.LOADING)
    reader.look(line)
    assert who(known, operator) == [call.child_id]


def test_facts_come_with_the_name(known, reader, line, operator, urls):
    here, there = make_place(urls["owner"]), make_place(urls["owner"])
    young = make_call(operator, child_name=NAME, age=4, place=here).child_id
    old = make_call(operator, child_name=NAME, age=17, place=there).child_id
    reader.look(line)
    year = operator.ctx().now.year
    assert who(known, operator, born=year - 4)[0] == young
    assert who(known, operator, born=year - 17)[0] == old
    assert who(known, operator, province_id=there)[0] == old


def test_new_and_changed_people_are_followed(known, reader, line, operator):
    reader.look(line)
    child = make_call(operator, child_name=NAME).child_id
    reader.look(line)
    assert who(known, operator) == [child]
    rename(operator, child, "Bartholomew Ox")
    reader.look(line)
    assert who(known, operator) == []
    assert who(known, operator, "Bartholomew Ox") == [child]


def test_a_late_commit_is_not_missed(known, reader, line, operator):
    """A transaction that began early and commits after others were read is found all the same."""
    child = make_call(operator, child_name="Bartholomew Ox").child_id
    with psycopg.connect(operator.centre.owner_url) as late:
        rename(operator, child, NAME, late)
        make_call(operator, child_name="Somebody Else")
        reader.look(line)
        make_call(operator, child_name="And Another")
        reader.look(line)
        assert who(known, operator) == []
        late.commit()
    reader.look(line)
    assert who(known, operator) == [child]


def test_more_changes_than_a_batch_are_all_followed(monkeypatch, known, reader, line, operator):
    monkeypatch.setattr(searcher, "BATCH", 3)
    first = {make_call(operator, child_name=NAME).child_id for _ in range(7)}
    reader.look(line)
    assert set(who(known, operator)) == first
    with psycopg.connect(operator.centre.owner_url) as connection:
        connection.execute("UPDATE persons SET age = 11 WHERE id = ANY (%s)", [list(first)])
    second = {make_call(operator, child_name=NAME).child_id for _ in range(7)}
    reader.look(line)
    assert set(who(known, operator)) == first | second


@pytest.mark.parametrize("how", ["record_key = ''", "name_sealed = NULL"])
def test_whose_key_or_name_is_destroyed_is_forgotten(known, reader, line, operator, how):
    child = make_call(operator, child_name=NAME).child_id
    reader.look(line)
    with psycopg.connect(operator.centre.owner_url) as connection:
        connection.execute(f"UPDATE persons SET {how} WHERE id = %s", [child])
    reader.look(line)
    assert who(known, operator) == []


def test_a_corrected_place_is_followed(known, reader, line, operator, urls):
    call = make_call(operator, child_name=NAME, place=make_place(urls["owner"]))
    reader.look(line)
    there = make_place(urls["owner"])
    with psycopg.connect(operator.centre.owner_url) as connection:
        connection.execute("UPDATE calls SET province_id = %s WHERE id = %s", [there, call.id])
    reader.look(line)
    found = known.answer(NameQuery(NAME, operator.centre.id, province_id=there)).found[0]
    assert found.score > found.likeness


def test_without_keys_it_forgets_everything_and_says_it_is_closed(known, reader, line, operator, keys):
    child = make_call(operator, child_name=NAME).child_id
    reader.look(line)
    keyring.install(None)
    assert known.answer(NameQuery(NAME, operator.centre.id)) == CLOSED
    with pytest.raises(keyring.KeyRingError):
        reader.look(line)
    reader.forget()
    keyring.install(keys)
    assert known.answer(NameQuery(NAME, operator.centre.id)) == Matches(IndexState.LOADING), "nothing was kept"
    reader.look(line)
    assert who(known, operator) == [child]


def test_its_login_reads_nothing_without_a_signed_statement_and_no_other_column(line):
    for table in ("persons", "calls", "call_children"):
        column = "person_id" if table == "call_children" else "id"
        assert line.execute(f"SELECT {column} FROM {table}").fetchall() == []
    for refused in (
        "phone_sealed FROM persons",
        "narrative_sealed FROM calls",
        "id FROM cases",
        "id FROM audit_entries",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            line.execute(f"SELECT {refused}")


def test_it_gives_a_sign_of_life(reader, line, urls):
    reader.look(line)
    with psycopg.connect(urls["owner"]) as connection:
        assert connection.execute("SELECT FROM heartbeats WHERE part = 'search'").fetchone() is not None


@pytest.fixture
def server(tmp_path, known):
    with NameServer(tmp_path / "s.sock", known) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        yield tmp_path / "s.sock"
        server.shutdown()


def say(path, text):
    with socket.socket(socket.AF_UNIX) as line:
        line.settimeout(30)
        line.connect(str(path))
        try:
            line.sendall(text)
            line.shutdown(socket.SHUT_WR)
            return line.recv(65536)
        except (BrokenPipeError, ConnectionResetError):
            return b""


def test_the_socket_is_its_owners_alone_and_answers(server, known, reader, line, operator):
    assert stat.S_IMODE(server.stat().st_mode) == 0o600
    child = make_call(operator, child_name=NAME).child_id
    reader.look(line)
    found = SocketNames(server, seconds=30).find(NameQuery(NAME, operator.centre.id))
    assert [match.person_id for match in found.found] == [child]


@pytest.mark.parametrize(
    "text",
    [b"", b"\n", b"null\n", b"[]\n", b'"x"\n', b"{}\n", b"\xff\xfe\n", b"[" * 100_000 + b"\n", b"a" * (MOST_ASKED_BYTES + 10),
     json.dumps({"name": NAME, "centre_id": "x"}).encode() + b"\n"],
)  # fmt: skip
def test_hostile_questions_get_no_answer_and_do_no_harm(server, capsys, text):
    assert say(server, text) == b""
    assert SocketNames(server, seconds=30).find(NameQuery(NAME, uuid.uuid4())) == Matches(IndexState.LOADING)
    assert NAME.split(maxsplit=1)[0] not in "".join(capsys.readouterr())


def test_a_name_of_any_length_is_answered(server, known, reader, line, operator):
    reader.look(line)
    names = SocketNames(server, seconds=30)
    for name in ("x" * 100_000, "ក" * 50_000, "a b " * 20_000, "\u17d2" * 1000):
        assert names.find(NameQuery(name, operator.centre.id)).state is IndexState.READY


def test_another_account_is_not_answered(server, monkeypatch):
    monkeypatch.setattr(searcher.os, "geteuid", lambda: 4242)
    assert say(server, b"{}\n") == b""


def test_a_path_too_long_for_a_socket_is_named(tmp_path, known):
    with pytest.raises(SettingsError, match="HELPLINE_SEARCH_SOCKET"):
        NameServer(tmp_path / ("x" * 120), known)


def test_the_process_starts_over_a_dead_ones_socket_logs_no_name_and_stops_when_asked(
    settings, urls, operator, tmp_path
):
    path = tmp_path / "s.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    child = make_call(operator, child_name=NAME).child_id
    own = replace(settings, database_search_url=urls["search"], search_socket_path=path, log_level="DEBUG")
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "workers.searcher"], cwd=ROOT, env=environment(own), stdout=log, stderr=log
        )
    try:
        names = SocketNames(path, seconds=30)
        query = NameQuery(NAME, operator.centre.id)
        until(lambda: names.find(query).state is IndexState.READY, "everybody is in")
        assert [match.person_id for match in names.find(query).found] == [child]
        later = make_call(operator, child_name=NAME).child_id
        until(lambda: later in {match.person_id for match in names.find(query).found}, "a new child is known")
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    said = (tmp_path / "log").read_text()
    assert "search.loaded" in said
    assert NAME.split(maxsplit=1)[0] not in said
