"""Closed words of accounts."""

from enum import StrEnum


class UserStatus(StrEnum):
    INVITED = "invited"
    ACTIVE = "active"
    DEACTIVATED = "deactivated"


class LinkPurpose(StrEnum):
    """What a link in a mail is for; each is signed for its purpose alone."""

    INVITATION = "invitation"
    PASSWORD = "password"  # noqa: S105  # pragma: allowlist secret
