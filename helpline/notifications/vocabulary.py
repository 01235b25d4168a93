"""Closed words of messages."""

from enum import StrEnum


class MessageChannel(StrEnum):
    """How a message reaches its recipient."""

    IN_APP = "in_app"
    MAIL = "mail"


class MessageState(StrEnum):
    """Where a message stands. UNKNOWN: it may or may not have left; nobody resends it but a human."""

    QUEUED = "queued"
    SENDING = "sending"
    SENT = "sent"
    FAILED = "failed"
    UNKNOWN = "unknown"
    NOT_SENT = "not_sent"
