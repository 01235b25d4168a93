"""Following the lock: one small thread in each process that has keys lets go of them, and takes them up again.

Every two seconds it looks at two things: whether the machine key is there, and whether the database says that the keys
are locked. Either is enough to let go; where the database says so the machine key of this machine is destroyed as
well. When both say open again, by two key holders, the process opens its key file and goes on, without a restart. The
same look finds master keys that another process added.
"""

import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psycopg

from helpline.foundation.crypto import keyring
from helpline.foundation.crypto.keyfile import KeyRingError, destroy_machine, machine_beside
from helpline.foundation.crypto.keyring import KeyRing
from helpline.foundation.log import get_logger

log = get_logger(__name__)
LOOK_SECONDS = 2.0
_ASK = "SELECT app.keys_locked()"
_PATIENCE = "-c statement_timeout=2000"


class Watch:
    """Keeps this process's keys in step with the lock. `changed` is called after they were let go or taken up."""

    def __init__(self, path: Path, machine: Path | None, database_url: str, changed: Callable[[], None]) -> None:
        self.path, self.machine = path, machine or machine_beside(path)
        self._url, self._changed = database_url, changed
        self._connection: psycopg.Connection[tuple[bool]] | None = None
        self._looking, self._stopped = threading.Lock(), threading.Event()

    def start(self) -> None:
        """Look now, and from then on for as long as the process lives."""
        self.look()
        threading.Thread(target=self._follow, name="keys", daemon=True).start()

    def look(self) -> None:
        """Compare once. Raises nothing that the files or the database can cause."""
        with self._looking, suppress(KeyRingError, OSError):
            locked = self._locked()
            if keyring.is_open() and (locked or not self.machine.exists()):
                self._take(None)  # first: a file that can't be destroyed must not keep the keys here
            if locked:
                destroy_machine(self.machine)
            elif keyring.is_open():
                keyring.ring().refresh()
            else:
                self._take(KeyRing.open(self.path, self.machine))

    def close(self) -> None:
        """Stop looking."""
        self._stopped.set()
        with self._looking:
            self._disconnect()

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _follow(self) -> None:
        while not self._stopped.wait(LOOK_SECONDS):
            try:
                self.look()
            except Exception as error:  # noqa: BLE001 - whatever it was, the next look must come
                log.warning("keys.look_failed", error=type(error).__name__)

    def _take(self, ring: KeyRing | None) -> None:
        keyring.install(ring)
        self._changed()
        log.info("keys.changed", state="closed" if ring is None else "open")

    def _locked(self) -> bool:
        """What the database says; False where it can't be asked, since then nothing can be read from it either."""
        try:
            if self._connection is None:
                self._connection = psycopg.connect(
                    self._url, autocommit=True, connect_timeout=2, options=_PATIENCE, application_name="keys"
                )
            row = self._connection.execute(_ASK).fetchone()
        except psycopg.Error:
            self._disconnect()
            return False
        return bool(row and row[0])
