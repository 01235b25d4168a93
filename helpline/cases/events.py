"""What happened to a case: ids, enums and times."""

import uuid
from dataclasses import dataclass
from typing import ClassVar

from helpline.foundation.outbox.publisher import Event


@dataclass(frozen=True, slots=True)
class CaseOpened(Event):
    """`source` is "live" where a person opened it here; only those route, remind and alert. `needs`: service codes."""

    name: ClassVar[str] = "cases.opened"
    case_id: uuid.UUID
    centre_id: uuid.UUID
    risk_level: str
    source: str
    needs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CaseAssigned(Event):
    name: ClassVar[str] = "cases.assigned"
    case_id: uuid.UUID
    centre_id: uuid.UUID
    caseworker_id: uuid.UUID


@dataclass(frozen=True, slots=True)
class CaseReleased(Event):
    """It is nobody's again: it was closed to the caseworker who had it."""

    name: ClassVar[str] = "cases.released"
    case_id: uuid.UUID
    centre_id: uuid.UUID


@dataclass(frozen=True, slots=True)
class CaseContacted(Event):
    """The child or the family was reached, for the first time or again."""

    name: ClassVar[str] = "cases.contacted"
    case_id: uuid.UUID
    centre_id: uuid.UUID
    first: bool


@dataclass(frozen=True, slots=True)
class CaseNeedsAdded(Event):
    name: ClassVar[str] = "cases.needs_added"
    case_id: uuid.UUID
    centre_id: uuid.UUID
    needs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CaseRiskChanged(Event):
    name: ClassVar[str] = "cases.risk_changed"
    case_id: uuid.UUID
    centre_id: uuid.UUID
    former: str
    risk_level: str


@dataclass(frozen=True, slots=True)
class CaseClosed(Event):
    name: ClassVar[str] = "cases.closed"
    case_id: uuid.UUID
    centre_id: uuid.UUID
    reason: str


@dataclass(frozen=True, slots=True)
class CaseReopened(Event):
    name: ClassVar[str] = "cases.reopened"
    case_id: uuid.UUID
    centre_id: uuid.UUID
    risk_level: str
