"""The searcher: knows everybody's name, in memory alone, and answers on a private socket who is called like that.

It reads all people at its start and what has changed since each second, as a system actor with a login of its own that
sees the columns it needs. It writes nothing of them and logs nothing of what it is asked. Without keys it knows nobody:
when they are taken away it forgets everything at once and says that it is closed.
"""

import os
import signal
import socket
import socketserver
import stat
import struct
import threading
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import dict_row

from helpline.app import open_keys
from helpline.foundation.access.permissions import SystemActor
from helpline.foundation.access.rows import signed_context
from helpline.foundation.context import system_context
from helpline.foundation.crypto import keyring
from helpline.foundation.crypto.keyring import KeyRingError, Tampered
from helpline.foundation.crypto.records import unseal
from helpline.foundation.crypto.watch import Watch
from helpline.foundation.log import configure_logging, get_logger
from helpline.search.gateways import MOST_ASKED_BYTES, read_query, written_matches
from helpline.search.rules.names import NameIndex
from helpline.search.vocabulary import IndexedPerson, IndexState, Matches, NameQuery
from helpline.settings import Settings, SettingsError, load_settings

log = get_logger(__name__)
POLL_SECONDS = 1.0
BATCH = 2000
MOST_AT_ONCE = 8  # questions; more are turned away
LINE_SECONDS = 2.0
SEEN_SECONDS = 5.0
_LONGEST_PATH = 100  # sun_path holds 107 bytes

Connection = psycopg.Connection[dict[str, Any]]

_PEOPLE = """
SELECT p.id, p.centre_id, p.record_key, p.name_sealed, p.age, p.gender, p.added_by, p.created_at,
       coalesce(p.changed_in, 0) AS stamp, c.province_id, c.team_id
FROM persons p LEFT JOIN LATERAL (
    SELECT k.province_id, k.team_id FROM call_children l JOIN calls k ON k.id = l.call_id WHERE l.person_id = p.id
    UNION ALL
    SELECT k.province_id, k.team_id FROM calls k WHERE k.caller_person_id = p.id LIMIT 1) c ON true
"""
_ALL = _PEOPLE + "WHERE p.id > %(after)s ORDER BY p.id LIMIT %(limit)s"
# A transaction that was still at work when the last look was taken may have written rows that are seen only now.
_CHANGED = (
    _PEOPLE
    + """
WHERE p.changed_in >= %(low)s AND p.changed_in < pg_snapshot_xmax(pg_current_snapshot())::text::bigint
  AND (p.changed_in, p.id) > (%(stamp)s, %(after)s) ORDER BY p.changed_in, p.id LIMIT %(limit)s
"""
)
_OLDEST = "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS oldest"
_CONTEXT = "SELECT set_config('app.context', %(context)s, true), set_config('app.signature', %(signature)s, true)"
_SEEN = (
    "INSERT INTO heartbeats (part, seen_at) VALUES ('search', clock_timestamp()) "
    "ON CONFLICT (part) DO UPDATE SET seen_at = excluded.seen_at"
)
_FIRST = "00000000-0000-0000-0000-000000000000"


class Searcher:
    """The index, shared by whoever asks and the one who keeps it up."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._index = NameIndex()
        self._ready = False

    def answer(self, query: NameQuery) -> Matches:
        """Who is called like that; nobody while names are being read in, or once the keys are gone."""
        try:
            keyring.ring()
        except KeyRingError:
            self.close()
            return Matches(IndexState.CLOSED)
        with self._lock:
            if not self._ready:
                return Matches(IndexState.LOADING)
            return Matches(IndexState.READY, self._index.find(query))

    def put(self, people: Sequence[IndexedPerson], gone: Sequence[Any] = ()) -> int:
        """Take these in and forget those. Gives how many are new or changed."""
        with self._lock:
            self._index.drop(gone)
            return self._index.put(people)

    def open(self) -> int:
        """Everybody is in: answer from now on. Gives how many there are."""
        with self._lock:
            self._ready = True
            return len(self._index)

    def close(self) -> None:
        """Forget everything."""
        with self._lock:
            self._index, self._ready = NameIndex(), False


class Reader:
    """Follows the database. `oldest`: all that transactions before this number wrote is known."""

    def __init__(self, searcher: Searcher) -> None:
        self._searcher = searcher
        self._oldest: int | None = None
        self._seen_at = 0.0

    def forget(self) -> None:
        """Begin anew at the next look."""
        self._searcher.close()
        self._oldest = None

    def look(self, connection: Connection, stopping: Sequence[bool] = ()) -> None:
        """Read everybody the first time, then what has changed. Raises KeyRingError, psycopg.OperationalError."""
        if self._oldest is None:
            self._load(connection, stopping)
        else:
            self._follow(connection, stopping)
        self._seen(connection)

    def _load(self, connection: Connection, stopping: Sequence[bool]) -> None:
        started, oldest, after = time.monotonic(), self._now_oldest(connection), _FIRST
        while not stopping:
            rows = self._rows(connection, _ALL, after=after)
            self._take(rows)
            self._seen(connection)
            if len(rows) < BATCH:
                break
            after = rows[-1]["id"]
        else:
            return
        self._oldest = oldest
        count = self._searcher.open()
        log.info("search.loaded", rows=count, seconds=round(time.monotonic() - started, 1))

    def _follow(self, connection: Connection, stopping: Sequence[bool]) -> None:
        low, oldest = self._oldest, self._now_oldest(connection)
        stamp, after = -1, _FIRST
        while not stopping:
            rows = self._rows(connection, _CHANGED, low=low, stamp=stamp, after=after)
            self._take(rows)
            if len(rows) < BATCH:
                self._oldest = oldest
                return
            stamp, after = rows[-1]["stamp"], rows[-1]["id"]

    def _now_oldest(self, connection: Connection) -> int:
        found = connection.execute(_OLDEST).fetchone()
        assert found is not None
        return int(found["oldest"])

    def _rows(self, connection: Connection, statement: str, **asked: Any) -> list[dict[str, Any]]:
        with connection.transaction():
            connection.execute(_CONTEXT, signed_context(system_context(SystemActor.SEARCHER)))
            return connection.execute(statement, {"limit": BATCH, **asked}).fetchall()

    def _take(self, rows: Iterable[dict[str, Any]]) -> None:
        named, gone = [], []
        for row in rows:
            name = _name(row)
            if name:
                named.append(_person(row, name))
            else:
                gone.append(row["id"])
        self._searcher.put(named, gone)

    def _seen(self, connection: Connection) -> None:
        if time.monotonic() - self._seen_at > SEEN_SECONDS:
            connection.execute(_SEEN)
            self._seen_at = time.monotonic()


def _name(row: dict[str, Any]) -> str:
    """The name in the clear; none where there is none, or its key was destroyed. Raises KeyRingError without keys."""
    if not row["name_sealed"] or not row["record_key"]:
        return ""
    try:
        return str(unseal("persons", "name_sealed", row["id"], row["record_key"], row["name_sealed"]))
    except Tampered:
        return ""
    except KeyRingError:
        keyring.ring()  # gone altogether, or one old master key alone
        return ""


def _person(row: dict[str, Any], name: str) -> IndexedPerson:
    born = None if row["age"] is None else row["created_at"].year - max(row["age"], 0)
    return IndexedPerson(
        row["id"], row["centre_id"], row["stamp"], name, born, row["gender"], row["province_id"], row["team_id"],
        row["added_by"],
    )  # fmt: skip


class _Line(socketserver.StreamRequestHandler):
    """One question, one answer, and the line is closed."""

    timeout = LINE_SECONDS
    server: "NameServer"

    def handle(self) -> None:
        if not _ours(self.connection) or not self.server.places.acquire(blocking=False):
            return
        try:
            line = self.rfile.readline(MOST_ASKED_BYTES + 1)
            if line.endswith(b"\n"):
                self.wfile.write(written_matches(self.server.searcher.answer(read_query(line))))
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            log.warning("search.refused", error=type(error).__name__)
        finally:
            self.server.places.release()


def _ours(line: socket.socket) -> bool:
    """Whether the account at the other end is our own, where the system tells."""
    if not hasattr(socket, "SO_PEERCRED"):
        return True
    _pid, uid, _gid = struct.unpack("3i", line.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i")))
    return bool(uid == os.geteuid())


class NameServer(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """Listens at `path`, which only our own account may open. Raises SettingsError for a path no socket can have."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, path: Path, searcher: Searcher) -> None:
        self.searcher = searcher
        self.places = threading.BoundedSemaphore(MOST_AT_ONCE)
        if len(os.fsencode(path)) > _LONGEST_PATH:
            raise SettingsError(f"HELPLINE_SEARCH_SOCKET is too long for a socket: {path}. Name a shorter path")
        if path.exists() and stat.S_ISSOCK(path.lstat().st_mode):
            path.unlink()  # a killed one's
        before = os.umask(0o177)
        try:
            super().__init__(str(path), _Line)
        finally:
            os.umask(before)

    def handle_error(self, *_: object) -> None:
        """What an error quotes stays out of the log."""
        log.warning("search.refused")


def keep_up(settings: Settings, searcher: Searcher, stopping: list[bool]) -> None:
    """Follow the database until asked to stop; after a lost server or lost keys, try again each second."""
    reader = Reader(searcher)
    while not stopping:
        try:
            with psycopg.connect(settings.database_search_url, autocommit=True, row_factory=dict_row) as connection:
                while not stopping:
                    reader.look(connection, stopping)
                    time.sleep(POLL_SECONDS)
        except psycopg.OperationalError as error:
            log.warning("search.waiting", error=type(error).__name__)
            time.sleep(POLL_SECONDS)
        except KeyRingError:
            reader.forget()
            log.warning("search.closed")
            time.sleep(POLL_SECONDS)


def main() -> None:
    """Listen, and keep up until asked to stop."""
    settings = load_settings()
    configure_logging(settings)
    open_keys(settings)
    Watch(settings.keys_path, settings.machine_path, settings.database_search_url, lambda: None).start()
    stopping: list[bool] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.append(True))
    searcher = Searcher()
    with NameServer(settings.search_socket_path, searcher) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        keep_up(settings, searcher, stopping)
        server.shutdown()


if __name__ == "__main__":
    main()
