"""Servers of the benchmark's own, durable as in production, a prepared database, and a real web process."""

import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, fields, replace
from pathlib import Path

import psycopg

from helpline.embedded import servers
from helpline.embedded.keeping import Kept
from helpline.embedded.processes import Child, ServerError
from helpline.embedded.supervisor import PREPARE, commands
from helpline.settings import ROOT, Settings, child_environment

WAIT_SECONDS = 60
TARGET = "helpline.app:serve"


@dataclass(frozen=True)
class Web:
    """The running web process: where it listens, and the group its processes form."""

    port: int
    group: int

    def cpu_seconds(self) -> float:
        """What its processes have computed so far, in steps of 10 ms; 0 where there is no /proc."""
        return _cpu_seconds(_GROUP, self.group)


_PARENT, _GROUP = 1, 2  # of a process, in /proc/<pid>/stat behind its name


def _cpu_seconds(column: int, number: int) -> float:
    ticks = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            values = stat.read_text().rpartition(")")[2].split()
            ticks += (int(values[11]) + int(values[12])) * (int(values[column]) == number)
    return ticks / 100


@dataclass(frozen=True)
class Backends:
    """The database's processes, whichever database they serve."""

    server: int

    @classmethod
    def of(cls, url: str) -> "Backends":
        """Of the server at this address; of none where it is not on this machine."""
        with psycopg.connect(url) as connection, suppress(OSError):
            stat = Path(f"/proc/{connection.info.backend_pid}/stat").read_text()
            return cls(int(stat.rpartition(")")[2].split()[_PARENT]))
        return cls(0)

    def cpu_seconds(self) -> float:
        """What they have computed so far; what ended meanwhile is not in it."""
        return _cpu_seconds(_PARENT, self.server) if self.server else 0.0


def environment(settings: Settings) -> dict[str, str]:
    """The variables that make a process read these settings, whatever this one was started with."""
    values = {
        option.metadata["env"]: str(getattr(settings, option.name))
        for option in fields(settings)
        if "env" in option.metadata
    }
    return child_environment(**{name: "" if value == "." else value for name, value in values.items()})


@contextmanager
def own_servers() -> Iterator[Settings]:
    """PostgreSQL and Valkey in a folder of their own, prepared as an installation is; deleted afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="helpline-bench-"))
    folder.chmod(0o755)  # the servers' own account must reach its data, which is closed to all others
    settings = Settings(embedded_path=folder, port=0, keys_path=folder / "keys.json", log_level="ERROR")
    try:
        with servers.running(settings) as running:
            settings = replace(
                settings, database_url=running.web_url, database_worker_url=running.worker_url,
                database_relay_url=running.relay_url, database_owner_url=running.owner_url,
                database_search_url=running.search_url, redis_url=running.redis_url,
                database_admin_url=running.admin_url,
            )  # fmt: skip
            subprocess.run([sys.executable, *PREPARE[1:]], cwd=ROOT, env=environment(settings), check=True)
            yield settings
    finally:
        servers.erase(folder)


@contextmanager
def web_process(settings: Settings, folder: Path, target: str = TARGET) -> Iterator[Web]:
    """The web process as `make run` starts it, alone: the relay and the worker would compute beside it.

    `target`: another application than the shipped one (`bench/bare.py`).
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = replace(settings, port=port, public_url=f"http://127.0.0.1:{port}", database_admin_url="")
    shipped = commands(settings, folder)["web"]
    command = [sys.executable, *(target if word == TARGET else word for word in shipped[1:])]
    kept = Kept(Child("web", command, cwd=ROOT, environ=environment(settings), log=folder / "web.log"))
    try:
        _wait_alive(kept, settings.public_url)
        yield Web(port, kept.process.pid)
    finally:
        kept.stop()


def _wait_alive(kept: Kept, address: str) -> None:
    until = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < until and kept.process.poll() is None:
        with suppress(urllib.error.URLError, OSError), urllib.request.urlopen(f"{address}/healthz", timeout=5):
            return
        time.sleep(0.1)
    raise ServerError(f"The web process did not start: {kept.child.log.read_text(errors='replace')[-2000:]}")
