"""Cases closed to somebody, and emergency access, through the services; needs an application context."""

import uuid

from helpline.foundation.ids import new_id
from helpline.privacy.commands import BreakGlass, CloseTo, Lift
from helpline.privacy.services import closing, glass
from helpline.privacy.vocabulary import ClosingKind, Relation
from tests.factories.accounts import MadeUser
from tests.factories.calls import do

WHY = "She is his sister."


def close(supervisor: MadeUser, case_id: uuid.UUID, principal_id: uuid.UUID, relation: Relation | None = None) -> None:
    do(supervisor, closing.close_to, CloseTo(case_id, principal_id, WHY, relation))


def lift(supervisor: MadeUser, case_id: uuid.UUID, principal_id: uuid.UUID, kind=ClosingKind.CLOSED_TO) -> None:
    do(supervisor, closing.lift, Lift(case_id, principal_id, kind, "It was somebody else."))


def break_glass(user: MadeUser, case_id: uuid.UUID | str, at=None) -> uuid.UUID:
    """The id of the override."""
    command = BreakGlass(new_id(), str(case_id), "The child called back and is alone.")
    return do(user, glass.break_glass, command, at=at)[1].id
