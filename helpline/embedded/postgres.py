"""The embedded PostgreSQL 18: made once, started on a Unix socket with a password, stopped safely."""

import os
import shutil
import signal
import time
from pathlib import Path
from subprocess import Popen
from urllib.parse import quote

import psycopg

from helpline.embedded.place import DATABASE, Place
from helpline.embedded.processes import Child, ServerError, end_leftovers, run, working_in

PORT = 5432  # only names the socket: nothing listens on the network
SUPERUSER = "postgres"
START_SECONDS = 120  # recovery after a kill reads the log it had written
INITDB = (
    f"--username={SUPERUSER}",
    "--auth=scram-sha-256",
    "--data-checksums",
    "--encoding=UTF8",
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
    "--locale=C.UTF-8",
    "--no-instructions",
)
CONFIGURATION = {
    "listen_addresses": "",
    "port": str(PORT),
    "unix_socket_permissions": "0700",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "lc_messages": "C",
    # what a statement carried, or a row held, never reaches the log
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "log_parameter_max_length": "0",
}
FAST = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off", "max_connections": "300"}


def data_folder(place: Place) -> Path:
    return place.home / DATABASE


def url(place: Place, user: str, password: str, database: str) -> str:
    """A libpq URL over the instance's socket; SQLAlchemy 2.1 takes it as it is (psycopg is its default driver)."""
    login, folder = f"{user}:{quote(password, safe='')}", quote(str(place.sockets), safe="")
    return f"postgresql://{login}@/{database}?host={folder}&port={PORT}"


def make_cluster(place: Place, password: str, *, durable: bool) -> None:
    """Run initdb beside the data folder and rename it into place, so that a half-made one is never used."""
    data = data_folder(place)
    if data.exists():
        return
    unfinished = place.home / f"{DATABASE}.new"
    shutil.rmtree(unfinished, ignore_errors=True)
    place.private_folder(unfinished)
    secret = place.private_folder(place.sockets) / "initdb-password"
    secret.unlink(missing_ok=True)
    descriptor = os.open(secret, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(password)
            if place.account is not None:
                os.fchown(file.fileno(), place.account.uid, place.account.gid)
        command = [str(place.postgres_bin / "initdb"), *INITDB, f"--pwfile={secret}", f"--pgdata={unfinished}"]
        made = run([*command, *([] if durable else ["--no-sync"])], account=place.account, environ={"LC_ALL": "C"})
    finally:
        secret.unlink(missing_ok=True)
    if made.returncode != 0:
        raise failure(place, "The database could not be made", f"{made.stdout}\n{made.stderr}")
    unfinished.rename(data)


def child(place: Place, *, durable: bool) -> Child:
    options = {**CONFIGURATION, "unix_socket_directories": str(place.sockets), **({} if durable else FAST)}
    arguments = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
    return Child(
        "postgres",
        [str(place.postgres_bin / "postgres"), "-D", str(data_folder(place)), *arguments],
        cwd=data_folder(place),
        environ={"LC_ALL": "C", "TZ": "UTC"},
        log=place.logs / "postgres.log",
        account=place.account,
        stop_signal=signal.SIGINT,  # a fast, safe shutdown
    )


def clear_leftovers(place: Place) -> None:
    """Wait for (or end) a server that an earlier, killed run of this instance left, and drop its stale lock files.

    PostgreSQL itself refuses to start when the number in postmaster.pid was given to another process since, and it
    must never start beside a living backend: both are decided here by who works in the data folder.
    """
    data = data_folder(place)
    place.private_folder(place.sockets)
    end_leftovers(lambda: working_in(data), [signal.SIGINT, signal.SIGQUIT, signal.SIGKILL], seconds=10)
    if Path("/proc").is_dir():
        for stale in (data / "postmaster.pid", *place.sockets.glob(".s.PGSQL.*")):
            stale.unlink(missing_ok=True)


def wait_ready(place: Place, process: Popen[bytes], admin_url: str) -> None:
    """Return when the server answers. Raises ServerError if it ends instead, with what its log says."""
    until = time.monotonic() + START_SECONDS
    while True:
        try:
            psycopg.connect(admin_url, connect_timeout=5).close()
        except psycopg.OperationalError as error:
            problem = str(error)
        else:
            return
        if process.poll() is not None or time.monotonic() > until or "authentication failed" in problem:
            log = (place.logs / "postgres.log").read_text(errors="replace")
            raise failure(place, "The database did not start", f"{problem}\n{log}")
        time.sleep(0.03)


def failure(place: Place, what: str, details: str) -> ServerError:
    """The known causes in words; otherwise the server's last line and where the rest stands."""
    if "No space left on device" in details:
        return ServerError(
            f"{what}: the disk that holds {place.home} is full. "
            "Free some space, then start again; nothing saved is lost."
        )
    if "authentication failed" in details:
        return ServerError(
            f"{what}: {place.home / 'passwords.json'} does not belong to its data. "
            "Put the right one back from a backup, or give up the data with make erase."
        )
    lines = [line.strip() for line in details.splitlines() if line.strip()]
    last = next(
        (line for line in reversed(lines) if "FATAL" in line or "PANIC" in line or "error" in line), *lines[-1:] or [""]
    )
    return ServerError(f"{what}: {last} (more in {place.logs / 'postgres.log'})")
