"""Keeping and erasing: what is due is found, what two people agreed is done, leftovers go, the ledger is compared."""

from helpline.retention.services import erasing, finding, ledger
from workers.task import job


@job("retention.erase")
def erase() -> None:
    """Do what two people agreed."""
    erasing.carry_out_due()


@job("retention.sweep")
def sweep() -> None:
    """Put on the list what is due, and throw leftovers away."""
    finding.sweep()


@job("retention.compare")
def compare() -> None:
    """Whether the ledger of erasures and the database say the same."""
    ledger.compare()
