"""The ledger: a file that only grows, apart from the database and its backups.

One line an erasure: ids, codes and a time, and an HMAC over it and the line before. So no line can be altered, moved or
slipped in unseen by who has no key. Whole lines cut off at the end are noticed by the database, which knows of them.
"""

import fcntl
import os
import uuid
from collections.abc import Sequence
from datetime import datetime
from hmac import compare_digest
from pathlib import Path
from typing import Any

import orjson

from helpline.foundation.crypto.index import blind_index
from helpline.foundation.failpoints import failpoint
from helpline.retention.vocabulary import Ledger, LedgerEntry, LedgerProblem, Reach, RecordKind, Why

_FIRST = "-"


class LedgerUnfit(Exception):
    """The ledger can't be written, or is not what we wrote; nothing may be erased until it is brought back."""


class LedgerFile:
    """The ledger at `path`, mode 0600."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> Ledger:
        """All entries, up to the first that is not as it was written; a last line that was left half is none."""
        try:
            return _parsed(self._path.read_bytes())[0]
        except FileNotFoundError:
            return Ledger(problem=LedgerProblem.MISSING)

    def append(self, entry: LedgerEntry) -> LedgerEntry:
        """Add it, on the disk for sure; what stands there under its id already is given back. Raises LedgerUnfit."""
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "r+b") as file:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                content = file.read()
                ledger, mac = _parsed(content)
                if ledger.problem is not None:
                    raise LedgerUnfit(ledger.problem.value)
                standing = next((each for each in ledger.entries if each.erasure_id == entry.erasure_id), None)
                if standing is not None:
                    return standing
                numbered = _numbered(entry, len(ledger.entries) + 1)
                file.seek(content.rfind(b"\n") + 1)  # over what a power cut left half
                file.truncate()
                file.write(_line(numbered, mac))
                file.flush()
                os.fsync(descriptor)
        except OSError as error:
            raise LedgerUnfit(type(error).__name__) from error
        failpoint("retention.ledger.after_append")
        return numbered


def _numbered(entry: LedgerEntry, number: int) -> LedgerEntry:
    return LedgerEntry(
        number, entry.erasure_id, entry.centre_id, entry.kind, entry.record_id, entry.why, entry.at, entry.reach
    )  # fmt: skip


def _parsed(content: bytes) -> tuple[Ledger, str]:
    """The ledger, and the HMAC of its last entry."""
    entries: list[LedgerEntry] = []
    mac = _FIRST
    for line in content.splitlines(keepends=True):
        if not line.endswith(b"\n"):
            break
        body, _, said = line.rstrip(b"\n").rpartition(b" ")
        expected = _mac(mac, body)
        if not compare_digest(expected.encode(), said):
            return Ledger(tuple(entries), LedgerProblem.DAMAGED), mac
        entries.append(_entry(orjson.loads(body)))
        mac = expected
    return Ledger(tuple(entries)), mac


def _line(entry: LedgerEntry, previous: str) -> bytes:
    body = orjson.dumps({
        "n": entry.number, "id": entry.erasure_id, "centre": entry.centre_id, "kind": entry.kind,
        "record": entry.record_id, "why": entry.why, "at": entry.at, "calls": entry.reach.calls,
        "cases": entry.reach.cases, "persons": entry.reach.persons,
    })  # fmt: skip
    return body + b" " + _mac(previous, body).encode() + b"\n"


def _mac(previous: str, body: bytes) -> str:
    return blind_index("erasure-ledger", f"{previous}\n{body.decode('latin-1')}").hex()


def _entry(body: dict[str, Any]) -> LedgerEntry:
    reach = Reach(_ids(body["calls"]), _ids(body["cases"]), _ids(body["persons"]))
    return LedgerEntry(
        body["n"], uuid.UUID(body["id"]), uuid.UUID(body["centre"]), RecordKind(body["kind"]),
        uuid.UUID(body["record"]), Why(body["why"]), datetime.fromisoformat(body["at"]), reach,
    )  # fmt: skip


def _ids(texts: Sequence[str]) -> tuple[uuid.UUID, ...]:
    return tuple(map(uuid.UUID, texts))
