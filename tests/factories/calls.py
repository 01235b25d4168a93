"""What a call may say, and calls logged by the service itself."""

import uuid
from dataclasses import replace

from helpline.calls.commands import CallContent, LogCall, ToldChild
from helpline.calls.services.log import log_call
from helpline.calls.vocabulary import Answer, CallAction, DangerAnswers, Relation
from helpline.foundation.db import unit_of_work
from helpline.foundation.ids import new_id
from helpline.people.commands import PersonDetails
from helpline.people.vocabulary import AgeKnown, Gender, PersonRole
from tests.factories.accounts import MadeUser

CANARY = "Zephyrine Quillfeather"
PHONE = "012 345 678"
GIRL = PersonDetails(PersonRole.CHILD, name=CANARY, age=9, age_known=AgeKnown.ABOUT, gender=Gender.FEMALE)


def told(**given) -> CallContent:
    """A neighbour tells of a girl who is hurt."""
    content = CallContent(
        relation=Relation.NEIGHBOUR, caller=PersonDetails(PersonRole.CALLER, name=f"Mrs {CANARY}", phone=PHONE),
        children=(ToldChild(GIRL),), categories=("violence.physical_violence", "violence.neglect"),
        danger=DangerAnswers(hurt=Answer.YES, near_person_feared=Answer.YES), actions=(CallAction.COUNSELLING,),
        narrative=f"{CANARY} is hurt.",
    )  # fmt: skip
    return replace(content, **given)


def do(user: MadeUser, deed, *args, at=None, **kwargs):
    """Run one service as this person, in a unit of work; gives the context and what came back."""
    ctx = user.ctx(at=at)
    with unit_of_work(ctx):
        return ctx, deed(ctx, *args, **kwargs)


def logged_call(user: MadeUser, at=None, **given) -> uuid.UUID:
    """A call logged by this person; needs an application context."""
    return do(user, log_call, LogCall(new_id(), told(**given)), at=at)[1].id
