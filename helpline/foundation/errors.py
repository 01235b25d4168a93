"""What can go wrong in a use case: codes, never prose and never HTTP. `web/errors.py` turns them into answers."""

from typing import Any


class HelplineError(Exception):
    """Base of every expected failure. `code` is stable and lower_snake; `details` holds ids, enums and numbers only."""

    def __init__(self, code: str, **details: Any) -> None:
        super().__init__(code)
        self.code = code
        self.details = details


class NotFound(HelplineError):
    """Nothing there, or nothing that this actor may see: the two are not told apart."""

    def __init__(self, kind: str, record_id: object = None) -> None:
        super().__init__("not_found", kind=kind)
        self.kind = kind
        self.record_id = record_id


class Forbidden(HelplineError):
    """The actor's role does not hold the permission."""

    def __init__(self, permission: str, record_id: object = None) -> None:
        super().__init__("forbidden", permission=permission)
        self.permission = permission
        self.record_id = record_id


class Unauthenticated(HelplineError):
    """No credential, or one that no longer counts."""

    def __init__(self, code: str = "sign_in_needed") -> None:
        super().__init__(code)


class StepUpNeeded(HelplineError):
    """The role may, but the second factor must have been presented within the last minutes."""

    def __init__(self) -> None:
        super().__init__("step_up_needed")


class Invalid(HelplineError):
    """The input breaks a rule. `field` names the input (dotted path) the message belongs beside."""

    def __init__(self, code: str, field: str | None = None, **details: Any) -> None:
        super().__init__(code, **details)
        self.field = field


class Conflict(HelplineError):
    """Someone else was first: a stale version, an id in use with another body, a transition no longer open."""


class Unavailable(HelplineError):
    """A part this needs does not answer now; trying again later is right."""
