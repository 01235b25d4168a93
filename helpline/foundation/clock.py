"""The only caller of the system clock."""

from datetime import UTC, datetime, timedelta
from pathlib import Path


class _Offset:
    """The test offset: seconds kept in one file that every process of a journey shares."""

    def __init__(self) -> None:
        self.path: Path | None = None
        self._stamp: int | None = None
        self._delta = timedelta()

    def read(self) -> timedelta:
        if self.path is None:
            return timedelta()
        try:
            stamp = self.path.stat().st_mtime_ns
            if stamp != self._stamp:
                self._delta = timedelta(seconds=float(self.path.read_text() or 0))
                self._stamp = stamp
        except FileNotFoundError:
            self._delta = timedelta()
        return self._delta


_offset = _Offset()


def use_offset_file(path: Path | None) -> None:
    """Let `now()` follow the offset in this file. Settings refuse it outside tests and development."""
    _offset.path = path


def now() -> datetime:
    """The present instant: aware, UTC."""
    return datetime.now(UTC) + _offset.read()


def real_now() -> datetime:
    """The machine's own time, untouched by the test offset: for health checks of running processes."""
    return datetime.now(UTC)
