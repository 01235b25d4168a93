"""`make run` from outside: one process tree, started, disturbed and stopped as people and accidents do it."""

import contextlib
import errno
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import psycopg
import pytest
import redis

from helpline.embedded import servers, supervisor
from helpline.embedded.place import find_place
from helpline.embedded.processes import Child, carrying, working_in
from helpline.embedded.valkey import free_port
from helpline.settings import EMBEDDED_ADDRESSES, ROOT, load_settings

PATIENCE = 60
ORDER = ["postgres", "valkey", "relay", "search", "worker", "beat", "web"]  # as they are started


def until(condition, what):
    """Poll until `condition()` gives something true, and give it back."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError, ValueError, psycopg.Error, redis.RedisError):
            found = condition()
            if found:
                return found
        time.sleep(0.05)
    raise AssertionError(f"not within {PATIENCE} s: {what}")


class Run:
    """One supervisor over `var`."""

    started = ()

    def __init__(self, var, port=None, **environment):
        self.var, self.port = var, port or free_port()
        self._output = var / f"said-{time.monotonic_ns()}"
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "PORT": str(self.port), **environment}
        with self._output.open("w") as output:
            self.process = subprocess.Popen(
                [sys.executable, str(ROOT / "tests/embedded/stand_in.py")],
                env={"HELPLINE_VAR": str(var), **environment},
                stdout=output, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
        Run.started = (*Run.started, self)

    @property
    def said(self):
        return self._output.read_text()

    def ready(self):
        until(lambda: "Ready: " in self.said or self.process.poll() is not None, "ready")
        assert self.process.poll() is None, self.said
        return self

    def addresses(self):
        return json.loads((self.var / EMBEDDED_ADDRESSES).read_text())

    def interrupt(self):
        """Ctrl-C, as a terminal sends it: to the whole foreground group."""
        os.killpg(self.process.pid, signal.SIGINT)
        return self.process.wait(PATIENCE)


def processes_of(var):
    home = find_place(var).home
    return carrying("HELPLINE_INSTANCE", str(var)) + working_in(home / "postgres-18") + working_in(home / "valkey")


@pytest.fixture
def var():
    folder = Path(tempfile.mkdtemp(prefix="helpline-run-"))
    folder.chmod(0o755)
    yield folder
    for run in Run.started:
        run.process.kill()
        run.process.wait()
    Run.started = ()
    for pid in processes_of(folder):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    until(lambda: not processes_of(folder), "everything gone")
    servers.erase(folder)
    shutil.rmtree(folder, ignore_errors=True)


def superuser(var):
    place = find_place(var)
    secret = json.loads((place.home / "passwords.json").read_text())["admin"]
    return psycopg.connect(
        host=str(place.sockets), user="postgres", password=secret, dbname="postgres", autocommit=True
    )


def test_it_starts_says_where_and_ctrl_c_stops_everything(var):
    (var / "demo-accounts.txt").write_text("operator  one-two-three\n")
    run = Run(var).ready()
    assert f"Ready: http://127.0.0.1:{run.port}" in run.said
    assert "one-two-three" in run.said
    assert (var / EMBEDDED_ADDRESSES).stat().st_mode & 0o777 == 0o600
    assert (find_place(var).home / "passwords.json").stat().st_mode & 0o777 == 0o600
    started = time.monotonic()
    assert run.interrupt() == 0
    assert time.monotonic() - started < 8
    assert processes_of(var) == []
    assert not (var / EMBEDDED_ADDRESSES).exists()


def test_what_was_saved_survives_a_kill_of_the_whole_tree(var):
    run = Run(var).ready()
    with superuser(var) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    with redis.Redis.from_url(run.addresses()["REDIS_URL"]) as client:
        client.set("kept", "42")
        client.execute_command("WAITAOF", 1, 0, 2000)
    for pid in [run.process.pid, *processes_of(var)]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    run.process.wait()
    again = Run(var).ready()
    with superuser(var) as connection:
        assert connection.execute("SELECT answer FROM kept").fetchone() == (42,)
    with redis.Redis.from_url(again.addresses()["REDIS_URL"]) as client:
        assert client.get("kept") == b"42"
    assert again.interrupt() == 0


def test_children_die_with_a_killed_supervisor_and_the_next_start_works(var):
    run = Run(var).ready()
    run.process.kill()
    run.process.wait()
    again = Run(var, run.port).ready()
    assert "shut down at" in (var / "log" / "postgres.log").read_text(), "the database was stopped safely"
    assert again.interrupt() == 0


def test_a_child_that_dies_is_started_again(var):
    run = Run(var).ready()
    for name, pid in zip(ORDER, children(run.process.pid), strict=True):
        os.kill(pid, signal.SIGKILL)
        until(lambda name=name: f"{name} was killed by signal 9" in run.said, f"{name} missed")
        until(lambda: len(children(run.process.pid)) == len(ORDER), f"{name} runs again")
    until(lambda: answers(var), "the database answers")
    assert run.interrupt() == 0
    assert processes_of(var) == []


def children(pid):
    """Ids of the direct children in the order they were started."""
    return sorted(int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split())


def answers(var):
    with superuser(var) as connection:
        return connection.execute("SELECT true").fetchone()


def test_a_second_start_at_the_same_time_says_so_and_leaves_the_first_alone(var):
    first = Run(var).ready()
    second = Run(var)
    assert second.process.wait(PATIENCE) == 1
    assert f"Already running here: process {first.process.pid}, http://127.0.0.1:{first.port}" in second.said
    assert "HELPLINE_VAR=" in second.said
    assert len(children(first.process.pid)) == len(ORDER)
    assert first.interrupt() == 0


def test_a_busy_port_is_named_before_anything_starts(var):
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        run = Run(var, port)
        assert run.process.wait(PATIENCE) == 1
    assert f"Port {port} can't be used" in run.said
    assert "make run PORT=" in run.said
    assert processes_of(var) == []


def test_a_start_killed_half_way_does_not_spoil_the_next(var):
    run = Run(var)
    until(lambda: list(var.glob("embedded/postgres-18.new/*")), "initdb at work")
    run.process.kill()
    run.process.wait()
    again = Run(var).ready()
    assert not (var / "embedded/postgres-18.new").exists()
    assert again.interrupt() == 0


def test_ctrl_c_during_the_start_stops_it(var):
    run = Run(var)
    until(lambda: "Starting PostgreSQL" in run.said, "the start")
    assert run.interrupt() == 0
    assert processes_of(var) == []


def test_a_stale_lock_file_of_the_database_whose_number_was_given_away_is_seen_through(var):
    run = Run(var).ready()
    data = find_place(var).home / "postgres-18"
    stale = (data / "postmaster.pid").read_text().splitlines()
    assert run.interrupt() == 0
    (data / "postmaster.pid").write_text("\n".join([str(os.getpid()), *stale[1:]]) + "\n")
    again = Run(var).ready()
    assert again.interrupt() == 0


def test_lost_passwords_are_named(var):
    Run(var).ready().interrupt()
    (find_place(var).home / "passwords.json").unlink()
    run = Run(var)
    assert run.process.wait(PATIENCE) == 1
    assert "does not belong to its data" in run.said


def test_some_addresses_of_ones_own_are_not_enough(var):
    run = Run(var, DATABASE_URL="postgresql://helpline_web@127.0.0.1/helpline")
    assert run.process.wait(PATIENCE) == 1
    assert (
        "missing: DATABASE_WORKER_URL, DATABASE_RELAY_URL, DATABASE_SEARCH_URL, DATABASE_OWNER_URL, REDIS_URL"
        in run.said
    )


def test_with_servers_of_ones_own_none_is_started(var, database_urls, redis_url):
    run = Run(
        var,
        DATABASE_URL=database_urls["web"], DATABASE_WORKER_URL=database_urls["worker"],
        DATABASE_RELAY_URL=database_urls["relay"], DATABASE_SEARCH_URL=database_urls["search"],
        DATABASE_OWNER_URL=database_urls["owner"], REDIS_URL=redis_url,
    ).ready()  # fmt: skip
    assert not (var / "embedded" / "postgres-18").exists()
    assert run.interrupt() == 0


def test_production_refuses_the_embedded_servers(var):
    run = Run(var, HELPLINE_ENV="production")
    assert run.process.wait(PATIENCE) == 1
    assert "HELPLINE_ENV=production needs servers of its own" in run.said


NOWHERE = "postgresql://helpline_owner@127.0.0.1:1/gone"


def test_a_disk_that_fills_up_while_the_database_is_prepared_is_named(tmp_path, settings, monkeypatch):
    monkeypatch.setattr(supervisor.shutil, "disk_usage", lambda _: SimpleNamespace(free=0))
    failing = Child("prepare", [sys.executable, "-c", "print('File core.py'); exit(1)"], tmp_path, {}, tmp_path / "log")
    with pytest.raises(OSError, match="filled up") as refused:
        supervisor._prepare(replace(settings, embedded_path=tmp_path, database_owner_url=NOWHERE), failing)
    assert refused.value.errno == errno.ENOSPC


def test_a_second_start_with_nothing_new_prepares_nothing(var):
    first = Run(var).ready()
    assert "Preparing the database" in first.said
    assert first.interrupt() == 0
    second = Run(var).ready()
    assert "Preparing the database" not in second.said
    assert second.interrupt() == 0


def test_other_commands_find_the_running_servers(var):
    run = Run(var).ready()
    settings = load_settings({"HELPLINE_VAR": str(var)})
    assert settings.embedded
    assert settings.database_url == run.addresses()["DATABASE_URL"]
    assert settings.redis_url == run.addresses()["REDIS_URL"]
    assert run.interrupt() == 0
    assert not load_settings({"HELPLINE_VAR": str(var)}).embedded
