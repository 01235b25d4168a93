"""Named points inside a step at which a test may kill the process: the only honest way to prove that a crash is safe.

The file names one point a line; whoever reaches a named point first takes its line out and dies by SIGKILL.
Settings refuse the file in production.
"""

import os
import signal
from pathlib import Path

_file: list[Path] = []


def use_failpoints_file(path: Path | None) -> None:
    _file[:] = [path] if path else []


def failpoint(name: str) -> None:
    """Die here if a test asked for it."""
    if not _file or not _file[0].exists():
        return
    names = _file[0].read_text().split()
    if name in names:
        names.remove(name)
        _file[0].write_text("\n".join(names))
        os.kill(os.getpid(), signal.SIGKILL)
