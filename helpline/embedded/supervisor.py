"""`make run`: the servers, a prepared database, and the five processes of the service, kept running until Ctrl-C.

Also the place that says how each process is started; `docker-compose.yml` must say the same.
"""

import errno
import shutil
import signal
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from helpline.embedded.health import missing_parts
from helpline.embedded.keeping import Kept
from helpline.embedded.place import find_place, sole_use
from helpline.embedded.processes import Child, ServerError, carrying, end_leftovers, spawn
from helpline.embedded.servers import erase, publish, rotate_logs, running
from helpline.embedded.stamp import fingerprint, is_prepared, mark_prepared
from helpline.settings import (
    EMBEDDED_ADDRESSES,
    ROOT,
    SEARCH_SOCKET,
    Settings,
    SettingsError,
    child_environment,
    load_settings,
)

INSTANCE = "HELPLINE_INSTANCE"  # marks our children, so that a later run knows them again
ACCOUNTS = "demo-accounts.txt"  # in HELPLINE_VAR, mode 0600: written by whoever loads the demo
READY_SECONDS = 120
LITTLE_BYTES = 20 * 1024 * 1024


class _Stopped(BaseException):
    """Someone asked us to stop."""


def commands(settings: Settings, scratch: Path) -> dict[str, list[str]]:
    """What each process of the service runs, in the order they start; stopped in reverse. `scratch` is writable."""
    return {
        "relay": ["python", "-m", "workers.relay"],
        "search": ["python", "-m", "workers.searcher"],
        "worker": [
            *("python", "-m", "celery", "-A", "workers.celery_app", "worker", "--queues", "default,slow"),
            *("--concurrency", "2", "--without-gossip", "--without-mingle", "--loglevel", settings.log_level),
        ],
        "beat": [
            *("python", "-m", "celery", "-A", "workers.celery_app", "beat", "--loglevel", settings.log_level),
            *("--pidfile=", "--schedule", str(scratch / "beat-schedule")),
        ],
        "web": [
            *("python", "-m", "granian", "--interface", "wsgi", "--factory", "helpline.app:serve", "--no-ws"),
            *("--host", settings.host, "--port", str(settings.port), "--workers", str(settings.web_workers)),
            *("--blocking-threads", "4", "--respawn-failed-workers", "--workers-kill-timeout", "5"),
        ],
    }  # fmt: skip


PREPARE = ["python", "-m", "helpline.cli", "prepare"]


def main() -> int:
    """Run until asked to stop. Returns the exit code; what went wrong is one sentence on standard error."""
    stop_signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def on_signal(*_: object) -> None:
        for number in stop_signals:
            signal.signal(number, signal.SIG_IGN)
        raise _Stopped

    for number in stop_signals:
        signal.signal(number, on_signal)
    try:
        with ExitStack() as stack:
            settings = load_settings()
            if sys.argv[1:] == ["erase"]:
                erase(settings.embedded_path)
            else:
                _run(settings, stack)
    except _Stopped:
        _say("Stopped.")
    except (ServerError, SettingsError) as error:
        return _fail(str(error))
    except OSError as error:
        if error.errno == errno.ENOSPC:
            return _fail("The disk is full. Free some space, then start again; nothing saved is lost.")
        return _fail(f"The operating system refused: {error}")
    return 0


def _fail(sentence: str) -> int:
    print(sentence, file=sys.stderr)  # noqa: T201 - speaks to whoever typed make run
    return 1


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - speaks to whoever typed make run


def _run(settings: Settings, stack: ExitStack) -> None:
    var = settings.embedded_path.absolute()
    environment = {INSTANCE: str(var), "HELPLINE_VAR": str(var)}
    kept: list[Kept] = []
    external = _uses_external_servers(settings)
    stack.enter_context(sole_use(var, _address(settings)))
    end_leftovers(lambda: carrying(INSTANCE, str(var)), [signal.SIGTERM, signal.SIGKILL], seconds=5)
    _refuse_busy_port(settings)
    rotate_logs(var / "log")
    if not external:
        _say("Starting PostgreSQL and Valkey …")
        servers = stack.enter_context(running(settings))
        kept += servers.kept
        publish(servers, var)
        stack.callback((var / EMBEDDED_ADDRESSES).unlink, missing_ok=True)
        settings = replace(settings, database_owner_url=servers.owner_url, demo=True)
        environment |= {"DATABASE_ADMIN_URL": servers.admin_url, "HELPLINE_DEMO": "true"}
        # beside the database's own socket: a path that is short enough for one, however deep the project lies
        environment["HELPLINE_SEARCH_SOCKET"] = str(find_place(var).sockets / SEARCH_SOCKET)
    if settings.public_url == Settings.public_url:
        environment["HELPLINE_PUBLIC_URL"] = _address(settings)
    _prepare(settings, _child("prepare", PREPARE, var, environment))
    environment.pop("DATABASE_ADMIN_URL", None)
    ours = stack.enter_context(_service(settings, var, environment))
    _watch(settings, kept + ours, var)


def _uses_external_servers(settings: Settings) -> bool:
    given = {
        "DATABASE_URL": settings.database_url,
        "DATABASE_WORKER_URL": settings.database_worker_url,
        "DATABASE_RELAY_URL": settings.database_relay_url,
        "DATABASE_SEARCH_URL": settings.database_search_url,
        "DATABASE_OWNER_URL": settings.database_owner_url,
        "REDIS_URL": settings.redis_url,
    }
    missing = [name for name, value in given.items() if not value]
    external = not settings.embedded and len(missing) < len(given)
    if external and missing:
        raise ServerError(
            f"Servers of your own need every address; missing: {', '.join(missing)}. "
            "Set them (.env.example explains each), or none to use the embedded servers."
        )
    return external


def _address(settings: Settings) -> str:
    host = "127.0.0.1" if settings.host in {"0.0.0.0", "::"} else settings.host  # noqa: S104 - compared, not bound
    return f"http://{host}:{settings.port}"


def _refuse_busy_port(settings: Settings) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            raise ServerError(
                f"Port {settings.port} can't be used ({error.strerror}). "
                f"Stop the program that has it, or choose another: make run PORT={settings.port + 1}"
            ) from error


def _child(name: str, command: list[str], var: Path, environment: dict[str, str]) -> Child:
    return Child(
        name,
        [sys.executable, *command[1:]],
        cwd=ROOT,
        environ=child_environment(**environment),
        log=var / "log" / f"{name}.log",
        grace=8,
    )


def _prepare(settings: Settings, child: Child) -> None:
    if is_prepared(settings.database_owner_url, fingerprint(settings.keys_path, demo=settings.demo)):
        return
    _say("Preparing the database (the first time takes about a minute) …")
    process = spawn(child)
    try:
        code = process.wait()
    finally:
        process.kill()
    if code != 0:
        if shutil.disk_usage(settings.embedded_path).free < LITTLE_BYTES:
            raise OSError(errno.ENOSPC, "the disk filled up")  # its log is cut off where it did
        lines = child.log.read_text(errors="replace").strip().splitlines()
        raise ServerError(f"The database could not be prepared: {lines[-1] if lines else code} (more in {child.log})")
    mark_prepared(settings.database_owner_url, fingerprint(settings.keys_path, demo=settings.demo))


@contextmanager
def _service(settings: Settings, var: Path, environment: dict[str, str]) -> Iterator[list[Kept]]:
    ours: list[Kept] = []
    try:
        for name, command in commands(settings, var).items():
            ours += [Kept(_child(name, command, var, environment))]
        yield ours
    finally:
        _say("Stopping …")
        for kept in reversed(ours):  # first no new requests, last the worker, which may finish what it does
            kept.ask_to_stop()
        for kept in reversed(ours):
            kept.stop()


def _watch(settings: Settings, kept: list[Kept], var: Path) -> None:
    started = time.monotonic()
    ready = False
    warned = False
    while True:
        for one in kept:
            said = one.look()
            if said:
                _say(said)
                if shutil.disk_usage(var).free < LITTLE_BYTES:
                    _say(f"The disk that holds {var} is full. Free some space: the parts come back by themselves.")
        if not ready:
            missing = missing_parts(_address(settings))
            ready = not missing
            if ready:
                _welcome(settings, var)
            elif not warned and time.monotonic() - started > READY_SECONDS:
                warned = True
                _say(f"Not ready yet, for want of {', '.join(missing)}. The logs stand in {var / 'log'}.")
        time.sleep(0.2)


def _welcome(settings: Settings, var: Path) -> None:
    accounts = var / ACCOUNTS
    _say(f"\nReady: {_address(settings)}")
    if accounts.exists():
        _say(f"\nDemo accounts (kept in {accounts}):\n{accounts.read_text().rstrip()}")
    _say("\nCtrl-C stops everything.")


if __name__ == "__main__":
    sys.exit(main())
