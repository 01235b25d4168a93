"""Makes `.venv` and installs the pinned, hashed requirements, unless that is done already.

Run before anything is installed, by the system's own Python: it uses the standard library alone.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
OLDEST = (3, 11)
LITTLE_BYTES = 100 * 1024 * 1024


class InstallError(Exception):
    """One sentence with a way out."""


def install(files: list[str]) -> None:
    """Bring `.venv` to what `files` say. Raises InstallError."""
    if sys.version_info < OLDEST:
        raise InstallError("Python 3.11 or newer is needed; if there is one, name it: make run PYTHON=python3.12")
    VENV.mkdir(exist_ok=True)
    folder = os.open(VENV, os.O_RDONLY)
    try:
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("Another make is installing; waiting for it …")
            fcntl.flock(folder, fcntl.LOCK_EX)
        stamps = [_stamp(files[:count]) for count in range(1, len(files) + 1)]
        if not stamps[-1].exists():
            _make_venv()
            say("Installing requirements (once; about a minute) …")
            _install(files)
            for stamp in stamps:
                stamp.touch()
    finally:
        os.close(folder)


def _stamp(files: list[str]) -> Path:
    told = hashlib.sha256(b"".join((ROOT / name).read_bytes() for name in files))
    return VENV / f".installed-{told.hexdigest()[:16]}"


def _install(files: list[str]) -> None:
    wanted = [part for name in files for part in ("-r", str(ROOT / name))]
    if not _run([str(PYTHON), "-m", "pip", "install", "-q", "--no-deps", "--require-hashes", *wanted]):
        _refuse_full_disk()
        raise InstallError(
            "The requirements could not be installed (see above). Is there a network? Then run it again."
        )


def _make_venv() -> None:
    if PYTHON.exists() and _run([str(PYTHON), "-m", "pip", "--version"], quiet=True):
        return
    if not _run([sys.executable, "-m", "venv", "--clear", str(VENV)], quiet=True):
        _refuse_full_disk()
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        raise InstallError(
            f"Python can't make a virtual environment. On Debian and Ubuntu: sudo apt-get install python{version}-venv"
        )


def _run(command: list[str], *, quiet: bool = False) -> bool:
    return subprocess.run(command, check=False, capture_output=quiet).returncode == 0  # noqa: S603 - our own commands


def _refuse_full_disk() -> None:
    if shutil.disk_usage(VENV).free < LITTLE_BYTES:
        raise InstallError(f"The disk that holds {VENV} is full. Free some space (about 400 MB), then run it again.")


def say(text: str) -> None:
    """Tell whoever typed make."""
    print(text, file=sys.stderr, flush=True)  # noqa: T201 - that is what it is for


if __name__ == "__main__":
    try:
        install(sys.argv[1:])
    except InstallError as error:
        say(str(error))
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
