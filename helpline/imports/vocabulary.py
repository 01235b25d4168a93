"""Closed words of imports."""

from enum import StrEnum


class ImportState(StrEnum):
    """Where an import stands. CHECKING and IMPORTING are the worker's; the rest wait for a person or are over."""

    UPLOADED = "uploaded"
    CHECKING = "checking"
    CHECKED = "checked"
    IMPORTING = "importing"
    DONE = "done"
    FAILED = "failed"


WORKING = (ImportState.CHECKING, ImportState.IMPORTING)
YES_NO = ("yes", "no", "unknown")
RELATIONS_TO_PERPETRATOR = (
    "parent", "step_parent", "grandparent", "sibling", "other_relative", "partner", "former_partner", "acquaintance",
    "stranger", "unknown",
)  # fmt: skip
