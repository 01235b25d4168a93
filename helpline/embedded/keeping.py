"""Keeping a child running: started again when it dies, ever more slowly, and stopped whole in the end."""

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from subprocess import TimeoutExpired

from helpline.embedded.processes import Child, ServerError, spawn

LONGEST_WAIT = 30.0
CALM_AFTER = 60.0  # seconds after which a start counts as a success


def _nothing() -> None:
    pass


class Kept:
    """One child. `before_start` clears what a dead one left in the way."""

    def __init__(self, child: Child, before_start: Callable[[], None] = _nothing) -> None:
        """Start it. Raises OSError (a full disk, a missing program)."""
        self.child = child
        self._before_start = before_start
        self._failures = 0
        self._retry_at: float | None = None
        self._start()

    def _start(self) -> None:
        self._before_start()
        self.process = spawn(self.child)
        self._started_at = time.monotonic()
        self._retry_at = None

    def look(self) -> str:
        """Start the child again if it died and its wait is over. Returns a sentence when something happened."""
        if self._retry_at is not None:
            if time.monotonic() < self._retry_at:
                return ""
            try:
                self._start()
            except (OSError, ServerError) as error:
                return self._wait_longer(f"could not start ({error})")
        code = self.process.poll()
        if code is None:
            return ""
        self._kill_group()
        if time.monotonic() - self._started_at > CALM_AFTER:
            self._failures = 0
        return self._wait_longer(f"was killed by signal {-code}" if code < 0 else f"ended with code {code}")

    def _wait_longer(self, what: str) -> str:
        wait = min(2.0**self._failures, LONGEST_WAIT)
        self._failures += 1
        self._retry_at = time.monotonic() + wait
        return f"{self.child.name} {what}; it starts again in {wait:.0f} s (its log: {self.child.log})."

    def ask_to_stop(self) -> None:
        if self._retry_at is None and self.process.poll() is None:
            self.process.send_signal(self.child.stop_signal)

    def stop(self) -> None:
        """Ask, wait as long as the child may take, then end what is left of its session, grandchildren included."""
        self.ask_to_stop()
        with suppress(TimeoutExpired):
            self.process.wait(self.child.grace)
        self._kill_group()

    def _kill_group(self) -> None:
        with suppress(ProcessLookupError, PermissionError):  # nothing left; or only a zombie, on some kernels
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
