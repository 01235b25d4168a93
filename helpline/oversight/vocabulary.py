"""Closed words of oversight."""

from enum import StrEnum


class Witness(StrEnum):
    """Where checkpoints are given to, outside the database."""

    FILE = "file"
    WEBHOOK = "webhook"
    MAIL = "mail"


class AlertKind(StrEnum):
    """What is unusual about somebody's reading."""

    MANY_IN_HOUR = "many_in_hour"
    MANY_IN_DAY = "many_in_day"
    AT_NIGHT = "at_night"
    DENIED = "denied"  # tried to read a record that is closed to them: their own household, a party to it
