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


class ApprovalKind(StrEnum):
    """What one person alone may not do."""

    ADMIN_ROLE = "admin_role"
    FACTOR_RESET = "factor_reset"
    ERASURE = "erasure"  # of a record; asked for where records are kept and erased
    BULK_EXPORT = "bulk_export"  # asked for, and done, by the slice that exports


class Decision(StrEnum):
    APPROVED = "approved"
    DECLINED = "declined"


class ApprovalState(StrEnum):
    """How far it has come. APPROVED waits for its time; DONE was carried out."""

    ASKED = "asked"
    APPROVED = "approved"
    DECLINED = "declined"
    STOPPED = "stopped"
    EXPIRED = "expired"
    DONE = "done"


class FactorKind(StrEnum):
    """An app that makes codes, or a passkey."""

    AUTHENTICATOR = "authenticator"
    PASSKEY = "passkey"


class FactorChange(StrEnum):
    """What somebody is told of their own sign-in."""

    AUTHENTICATOR_ADDED = "authenticator_added"
    PASSKEY_ADDED = "passkey_added"
    REMOVED = "removed"
    ALL_REMOVED = "all_removed"
    CODES_MADE = "codes_made"
    CODE_USED = "code_used"
