"""The closed lists of words about people."""

from enum import StrEnum


class Gender(StrEnum):
    """As the child or the caller says it."""

    GIRL = "girl"
    BOY = "boy"
    OTHER = "other"
    UNKNOWN = "unknown"
