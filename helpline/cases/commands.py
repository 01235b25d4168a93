"""What is asked of a case, where it takes more than a handful of values."""

import uuid
from dataclasses import dataclass, field
from typing import Any

from helpline.agencies.vocabulary import Service
from helpline.cases.vocabulary import CloseReason, ConsentAnswer, ConsentBasis, ConsentBy, NoteKind
from helpline.foundation.access.permissions import FieldGroup


@dataclass(frozen=True, slots=True)
class Consent:
    """To what the child or caregiver agreed, who said so, and which kinds of field stay withheld from agencies.

    `basis` is needed where consent was overridden, and `why` where anything is withheld; `why` is kept sealed.
    """

    services: ConsentAnswer = ConsentAnswer.UNKNOWN
    reporting: ConsentAnswer = ConsentAnswer.UNKNOWN
    disclosure: ConsentAnswer = ConsentAnswer.UNKNOWN
    by: ConsentBy | None = None
    basis: ConsentBasis | None = None
    withhold: tuple[FieldGroup, ...] = ()
    why: str | None = None

    def document(self) -> dict[str, Any]:
        """As stored in the clear: codes only, `why` left out."""
        return {
            "services": self.services.value, "reporting": self.reporting.value, "disclosure": self.disclosure.value,
            "by": self.by.value if self.by else None, "basis": self.basis.value if self.basis else None,
            "withhold": [group.value for group in self.withhold],
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class OpenCase:
    """Open a case for one child of one call. `case_id` is the form's; `team_id` None lets the place decide.

    `closed_to`: staff and agencies who must never see it, for somebody there is part of the story.
    """

    case_id: uuid.UUID
    call_id: uuid.UUID
    child_person_id: uuid.UUID
    team_id: uuid.UUID | None = None
    needs: tuple[Service, ...] = ()
    consent: Consent = field(default_factory=Consent)
    summary: str | None = None
    closed_to: tuple[uuid.UUID, ...] = ()


@dataclass(frozen=True, slots=True)
class AddNote:
    """Write a note. `note_id` is the form's."""

    note_id: uuid.UUID
    case_id: uuid.UUID
    kind: NoteKind
    body: str


@dataclass(frozen=True, slots=True)
class CloseCase:
    """Close a case, or ask for it where the actor's closing needs approval."""

    case_id: uuid.UUID
    version: int
    reason: CloseReason
    note: str
