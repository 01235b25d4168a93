"""The closed lists of words about people."""

import re
from enum import StrEnum

LANGUAGE = re.compile(r"^[a-z]{2,3}$")  # a code of ISO 639


class Gender(StrEnum):
    """As the child or the caller says it."""

    FEMALE = "female"
    MALE = "male"
    OTHER = "other"
    UNKNOWN = "unknown"


class Answer(StrEnum):
    """To a question that a child may not answer."""

    NO = "no"
    UNKNOWN = "unknown"
    YES = "yes"


class PersonRole(StrEnum):
    CHILD = "child"
    CALLER = "caller"
    CARER = "carer"


class AgeKnown(StrEnum):
    """How an age is known."""

    EXACT = "exact"
    ABOUT = "about"
    UNKNOWN = "unknown"


class AgeBand(StrEnum):
    """Bands that statistics count by; childhood here goes up to 25 and adults call too."""

    UNBORN = "unborn"
    FROM_0_TO_5 = "0-5"
    FROM_6_TO_9 = "6-9"
    FROM_10_TO_12 = "10-12"
    FROM_13_TO_15 = "13-15"
    FROM_16_TO_17 = "16-17"
    FROM_18_TO_25 = "18-25"
    FROM_26 = "26+"
    UNKNOWN = "unknown"

    @classmethod
    def of(cls, age: int | None) -> "AgeBand":
        """The band of an age in years; negative means unborn, None unknown."""
        if age is None:
            return cls.UNKNOWN
        if age < 0:
            return cls.UNBORN
        for band in (b for b in cls if "-" in b):
            if age <= int(band.partition("-")[2]):
                return band
        return cls.FROM_26
