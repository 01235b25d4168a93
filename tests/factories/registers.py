"""What the registers hold, entered through the services; needs an application context."""

import uuid
from datetime import datetime, timedelta

from helpline.foundation.access.permissions import FieldGroup
from helpline.foundation.clock import now
from helpline.foundation.ids import new_id
from helpline.registers.commands import MakeExport, OpenBreach, RecordDemand, RecordDisclosure
from helpline.registers.services import exporting, recording
from helpline.registers.vocabulary import (
    Affected,
    Authority,
    Basis,
    DemandBasis,
    DemandOutcome,
    Means,
    Recipient,
    Told,
)
from tests.factories.accounts import MadeUser
from tests.factories.calls import do

HOUR = timedelta(hours=1)
WORDS = {"authority": "Police of the district", "demanded": "Who called on Monday", "given": "Nothing", "told": ""}
WHAT = "That she is safe, and where."


def demand(user: MadeUser, *, words: dict[str, str] = WORDS, at: datetime | None = None, **given) -> uuid.UUID:
    """What the police demanded and didn't get."""
    usual = {
        "received_at": (at or now()) - HOUR, "authority": Authority.POLICE, "basis": DemandBasis.NONE_SHOWN,
        "outcome": DemandOutcome.REFUSED, "subjects_told": Told.LATER, "cases": (), "words": words,
    }  # fmt: skip
    command = RecordDemand(given.pop("demand_id", None) or new_id(), **usual | given)
    return do(user, recording.record_demand, command, at=at)[1].id


def breach(
    user: MadeUser, *, at: datetime | None = None, noticed: datetime | None = None,
    what: str = "A telephone was left in a taxi.", **given,
) -> uuid.UUID:  # fmt: skip
    """A breach that was noticed an hour ago."""
    usual = {"categories": (Affected.CONTACT,), "people": 40, "records": None} | given
    command = OpenBreach(usual.pop("breach_id", None) or new_id(), noticed or (at or now()) - HOUR, what=what, **usual)
    return do(user, recording.open_breach, command, at=at)[1].id


def tell(user: MadeUser, case_id: uuid.UUID, **given) -> uuid.UUID:
    """An officer was told by telephone where the child is."""
    usual = {
        "given_at": now() - HOUR, "recipient_kind": Recipient.POLICE, "means": Means.TELEPHONE,
        "basis": Basis.DANGER_TO_LIFE, "groups": (FieldGroup.LOCATION,), "recipient": "Officer Vuthy", "what": WHAT,
    }  # fmt: skip
    command = RecordDisclosure(given.pop("disclosure_id", None) or new_id(), case_id, **usual | given)
    return do(user, recording.record_disclosure, command)[1].id


def export(user: MadeUser, case_id: uuid.UUID, *, at: datetime | None = None, **given) -> uuid.UUID:
    """A subject's export that waits, with a page that says nothing in it."""
    usual = {"recipient": Recipient.CHILD, "recipient_name": "Herself", "reason": "She wrote to us."}
    command = MakeExport(given.pop("export_id", None) or new_id(), case_id, **usual | given)
    return do(user, exporting.make_export, command, lambda _given: {"index.html": "page"}, at=at)[1].id
