"""A process lets go of its keys when the machine key goes or the database says so, and takes them up again."""

import threading

import psycopg
import pytest

from helpline.foundation.crypto import keyfile, keyring, watch
from helpline.foundation.crypto.keyfile import machine_beside
from helpline.foundation.crypto.keyring import KeyRing
from helpline.foundation.crypto.watch import Watch


@pytest.fixture
def url(make_database, worker_number):
    """A database that knows nothing but whether the keys are locked."""
    urls = make_database(f"helpline_watch_{worker_number}", template="template0")
    with psycopg.connect(urls["owner"]) as connection:
        connection.execute("""
            CREATE SCHEMA app; GRANT USAGE ON SCHEMA app TO helpline_web; CREATE TABLE app.state AS SELECT false AS locked;
            CREATE FUNCTION app.keys_locked() RETURNS boolean LANGUAGE sql SECURITY DEFINER AS 'SELECT locked FROM app.state'
        """)
    return urls


@pytest.fixture
def say(url):
    def write(locked):
        with psycopg.connect(url["owner"]) as connection:
            connection.execute("UPDATE app.state SET locked = %s", [locked])

    return write


@pytest.fixture
def watched(url, tmp_path, installed_ring):
    path = tmp_path / "keys.json"
    codes = keyring.make_keys(path, generated=True, holders=2)
    keyring.install(KeyRing.open(path))
    changes = []
    made = Watch(path, None, url["web"], lambda: changes.append(keyring.is_open()))
    yield made, path, codes, changes
    made.close()
    keyring.install(installed_ring)


def test_nothing_changes_while_nothing_changes(watched):
    made, _path, _codes, changes = watched
    for _ in range(3):
        made.look()
    assert changes == []
    assert keyring.is_open()


def test_the_databases_word_destroys_the_machine_key_and_takes_the_keys(watched, say):
    made, path, codes, changes = watched
    say(True)
    made.look()
    assert not machine_beside(path).exists()
    assert changes == [False]
    with pytest.raises(keyring.NoKeys):
        keyring.ring()
    with pytest.raises(keyring.NoKeys):
        keyring.wrapper()
    KeyRing.by_shares(path, *codes).renew_machine()
    made.look()
    assert not machine_beside(path).exists(), "while it says locked, a key put back is destroyed as well"
    assert changes == [False]
    say(False)
    made.look()
    assert changes == [False], "the word alone opens nothing"
    KeyRing.by_shares(path, *codes).renew_machine()
    made.look()
    assert changes == [False, True]
    assert keyring.is_open()


def test_a_machine_key_that_is_gone_is_enough_even_while_the_database_is_away(watched):
    made, path, codes, changes = watched
    made._url = "postgresql://nobody@/nowhere?host=%2Fnowhere"
    made.look()
    assert changes == []
    keyfile.destroy_machine(machine_beside(path))
    made.look()
    assert changes == [False]
    KeyRing.by_shares(path, *codes).renew_machine()
    made.look()
    assert changes == [False, True]


def test_a_machine_key_that_cannot_be_destroyed_keeps_no_key_here(watched, say, monkeypatch):
    made, _path, _codes, changes = watched

    def refuse(_machine):
        raise PermissionError

    monkeypatch.setattr(watch, "destroy_machine", refuse)
    say(True)
    made.look()
    assert changes == [False]


def test_a_line_that_broke_is_made_again(watched, say, admin_url):
    made, _path, _codes, changes = watched
    made.look()
    with psycopg.connect(admin_url, autocommit=True) as connection:
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'keys'")
    say(True)
    made.look()
    made.look()
    assert changes == [False]


def test_a_master_added_elsewhere_is_used_from_the_next_look_on(watched):
    made, path, _codes, _changes = watched
    KeyRing.open(path).add_master()
    assert keyring.ring().current_version == 1
    made.look()
    assert keyring.ring().current_version == 2


def test_a_key_file_that_is_damaged_leaves_it_closed(watched):
    made, path, _codes, changes = watched
    keyring.install(None)
    path.write_text("{}")
    made.look()
    assert changes == []
    assert not keyring.is_open()


def test_it_looks_by_itself(watched, say, monkeypatch):
    made, _path, _codes, changes = watched
    changed = threading.Event()
    made._changed = lambda: (changes.append(keyring.is_open()), changed.set())
    monkeypatch.setattr(watch, "LOOK_SECONDS", 0.01)
    look, broken = made.look, []

    def break_once():
        if not broken:
            broken.append(1)
            raise ZeroDivisionError
        look()

    made.start()
    monkeypatch.setattr(made, "look", break_once)
    say(True)
    assert changed.wait(30)
    assert changes == [False]
    made.close()


def test_what_the_block_borrows_is_the_blocks_alone(watched):
    _made, path, codes, _changes = watched
    keyring.install(None)
    with keyring.using(KeyRing.by_shares(path, *codes)):
        assert keyring.ring().secret("link")
        assert not keyring.is_open()
    with pytest.raises(keyring.NoKeys):
        keyring.ring()
