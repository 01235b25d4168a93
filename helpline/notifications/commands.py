"""What goes in."""

import uuid
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from helpline.notifications.vocabulary import MessageChannel


@dataclass(frozen=True, slots=True)
class QueueMessage:
    """A message to a user, or to an outside address (an agency's).

    `dedupe_key`: the same key never makes a second message, whoever asks. `params`: ids, enums, times (aware) and an
    agency's name; the text is rendered from `template` when it is sent, in the recipient's language.
    """

    centre_id: uuid.UUID
    template: str
    dedupe_key: str
    params: dict[str, Any] = field(default_factory=dict)
    user_id: uuid.UUID | None = None
    address: str | None = None
    locale: str | None = None
    channels: tuple[MessageChannel, ...] = (MessageChannel.IN_APP, MessageChannel.MAIL)
    due_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A claimed message, ready to be rendered and sent outside any transaction."""

    id: uuid.UUID
    centre_id: uuid.UUID
    template: str
    params: dict[str, Any]
    address: str = field(repr=False)
    locale: str
    timezone: str
