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


class Found(StrEnum):
    """What a check notes of a file: rows not taken, values not understood, lines that repeat an earlier one."""

    REJECTS = "rejects"
    UNKNOWN = "unknown"
    REPEATED = "repeated"


WORKING = (ImportState.CHECKING, ImportState.IMPORTING)
YES_NO = ("yes", "no", "unknown")
RELATIONS_TO_PERPETRATOR = (
    "parent", "step_parent", "grandparent", "sibling", "other_relative", "partner", "former_partner", "acquaintance",
    "stranger", "unknown",
)  # fmt: skip
