"""Child processes that never outlive their parent, and the search for any that did.

A child gets a session of its own, so that a terminal's Ctrl-C reaches the supervisor alone and the order of
stopping stays ours; the kernel is asked to signal it when its parent dies, so that `kill -9` leaves nothing behind.
"""

import ctypes
import os
import pwd
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None
_PROC = Path("/proc")


class ServerError(Exception):
    """A server could not start, stop or be reached; the text is one sentence with a way out."""


@dataclass(frozen=True)
class Account:
    """An account of the operating system that servers run as when we are root, which PostgreSQL refuses to be."""

    name: str
    uid: int
    gid: int


@dataclass(frozen=True)
class Child:
    """What to run and how: everything needed to start it again after it died."""

    name: str
    command: Sequence[str]
    cwd: Path
    environ: Mapping[str, str]
    log: Path
    account: Account | None = None
    stdin: bytes = b""
    stop_signal: signal.Signals = signal.SIGTERM  # also what it gets when its parent dies
    grace: float = 15.0  # seconds it may take to stop


def unprivileged_account(owning: Path) -> Account | None:
    """When we are root, who `owning` belongs to, or the first that exists of helpline, postgres and nobody.

    None means: stay who we are.
    """
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name: entry for entry in pwd.getpwall() if entry.pw_uid != 0}
    owners = [name for name, entry in known.items() if owning.exists() and owning.stat().st_uid == entry.pw_uid]
    for name in (*owners, "helpline", "postgres", "nobody"):
        if name in known:
            return Account(name, known[name].pw_uid, known[name].pw_gid)
    raise ServerError(
        "PostgreSQL refuses to run as root and this machine has no account to run it as. "
        "Make one (useradd --system helpline), or run this as an ordinary user."
    )


def _identity(account: Account | None) -> dict[str, int | list[int]]:
    return {} if account is None else {"user": account.uid, "group": account.gid, "extra_groups": []}


def _die_with_parent(number: int) -> Callable[[], None]:
    parent = os.getpid()

    def before_exec() -> None:
        if _LIBC is not None:
            _LIBC.prctl(PR_SET_PDEATHSIG, number)
            if os.getppid() != parent:  # it died between fork and prctl, so the signal will never come
                os._exit(1)

    return before_exec


def spawn(child: Child) -> subprocess.Popen[bytes]:
    """Start a child, its output going to its log. Raises OSError (a full disk, a missing program)."""
    child.log.parent.mkdir(parents=True, exist_ok=True)
    with child.log.open("ab") as log:
        process: subprocess.Popen[bytes] = subprocess.Popen(  # noqa: S603 - commands are ours, never a user's words
            child.command,
            cwd=child.cwd,
            env=dict(child.environ),
            stdin=subprocess.PIPE if child.stdin else subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=_die_with_parent(child.stop_signal),  # noqa: PLW1509 - no threads run when we fork
            **_identity(child.account),  # type: ignore[call-overload] # one overload per keyword type
        )
    if process.stdin is not None:
        process.stdin.write(child.stdin)
        process.stdin.close()
    return process


def run(
    command: Sequence[str],
    *,
    account: Account | None = None,
    cwd: Path = Path("/"),
    environ: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end as `account`, its output captured; the caller looks at the return code."""
    result: subprocess.CompletedProcess[str] = subprocess.run(  # noqa: S603 - commands are ours, never a user's words
        command,
        cwd=cwd,
        env=None if environ is None else dict(environ),
        capture_output=True,
        text=True,
        check=False,
        start_new_session=True,
        preexec_fn=_die_with_parent(signal.SIGTERM),
        **_identity(account),  # type: ignore[call-overload] # one overload per keyword type
    )
    return result


def _others() -> Iterator[Path]:
    if _PROC.is_dir():
        for entry in _PROC.iterdir():
            if entry.name.isdigit() and int(entry.name) != os.getpid():
                yield entry


def working_in(directory: Path) -> list[int]:
    """Ids of processes whose working directory is `directory`: how a database server of ours is known again."""
    found = []
    for entry in _others():
        try:
            if (entry / "cwd").readlink() == directory:
                found.append(int(entry.name))
        except OSError:  # gone, or another user's
            continue
    return found


def carrying(variable: str, value: str) -> list[int]:
    """Ids of processes started with this variable in their environment: how our other children are known again."""
    wanted = f"{variable}={value}".encode()
    found = []
    for entry in _others():
        try:
            if wanted in (entry / "environ").read_bytes().split(b"\0"):
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def end_leftovers(find: Callable[[], list[int]], numbers: Sequence[signal.Signals], seconds: float) -> None:
    """Wait for leftovers of a killed run to go, then send each signal in turn, `seconds` apart. Raises ServerError."""
    for number in (None, *numbers):
        if number is not None:
            for pid in find():
                try:
                    os.kill(pid, number)
                except ProcessLookupError:
                    continue
        until = time.monotonic() + (seconds if number is not None else min(seconds, 3))
        while find():
            if time.monotonic() > until:
                break
            time.sleep(0.05)
        else:
            return
    raise ServerError(f"Processes {find()} of an earlier run do not end. End them with kill -9, then start again.")
