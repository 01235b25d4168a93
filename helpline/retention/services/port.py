"""The ledger as the services see it, and how long a backup is kept; `app.py` says which."""

from typing import Protocol

from helpline.retention.vocabulary import Ledger, LedgerEntry


class LedgerPort(Protocol):
    """What keeps erasures apart from the database."""

    def read(self) -> Ledger: ...

    def append(self, entry: LedgerEntry) -> LedgerEntry: ...


class _Port:
    ledger: LedgerPort | None = None
    backup_days: int = 0


def install(ledger: LedgerPort, backup_days: int) -> None:
    _Port.ledger, _Port.backup_days = ledger, backup_days


def ledger() -> LedgerPort:
    if _Port.ledger is None:
        raise RuntimeError("no ledger of erasures was installed")
    return _Port.ledger


def backup_days() -> int:
    return _Port.backup_days
