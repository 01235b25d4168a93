"""The embedded Valkey, which speaks Redis: loopback only, with a password, everything appended to disk."""

import signal
import socket
import time
from pathlib import Path
from subprocess import Popen

import redis

from helpline.embedded.place import Place
from helpline.embedded.processes import Child, ServerError, end_leftovers, working_in

START_SECONDS = 60


def data_folder(place: Place) -> Path:
    return place.home / "valkey"


def free_port() -> int:
    """A port of the loopback address that nothing listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def url(password: str, port: int, database: int = 0) -> str:
    return f"redis://:{password}@127.0.0.1:{port}/{database}"


def child(place: Place, password: str, port: int, *, durable: bool) -> Child:
    """The configuration goes in by standard input: an argument could be read by anyone who lists processes."""
    data = place.private_folder(data_folder(place))
    lines = [
        "bind 127.0.0.1",
        f"port {port}",
        f"requirepass {password}",
        f'dir "{data}"',
        f"appendonly {'yes' if durable else 'no'}",
        'save ""',
        "maxmemory-policy noeviction",
        "databases 64",
        "daemonize no",
    ]
    return Child(
        "valkey",
        [str(place.valkey_server), "-"],
        cwd=data,
        environ={"LC_ALL": "C.UTF-8"},
        log=place.logs / "valkey.log",
        account=place.account,
        stdin="\n".join(lines).encode(),
    )


def clear_leftovers(place: Place) -> None:
    """Wait for (or end) a server that an earlier, killed run of this instance left."""
    data = data_folder(place)
    end_leftovers(lambda: working_in(data), [signal.SIGTERM, signal.SIGKILL], seconds=10)


def wait_ready(place: Place, process: Popen[bytes], address: str) -> None:
    """Return when the server answers and has loaded its data. Raises ServerError if it ends instead."""
    until = time.monotonic() + START_SECONDS
    log = place.logs / "valkey.log"
    with redis.Redis.from_url(address, socket_connect_timeout=5) as client:
        while True:
            try:
                client.ping()
            except (redis.ConnectionError, redis.TimeoutError):
                if process.poll() is not None or time.monotonic() > until:
                    break
                time.sleep(0.03)
            else:
                return
    details = log.read_text(errors="replace")
    if "No space left on device" in details:
        raise ServerError(
            f"The broker did not start: the disk that holds {place.home} is full. Free some space, then start again."
        )
    raise ServerError(
        f"The broker did not start (see {log}). "
        f"What it holds is only wake-ups: removing {data_folder(place)} loses nothing."
    )
