from dataclasses import replace

import pytest

from helpline.followups.services import planning
from helpline.foundation.access.permissions import SystemActor
from helpline.foundation.context import system_context
from helpline.foundation.db import unit_of_work
from tests.factories.cases import assign, open_case


def as_reminder(at=None):
    ctx = system_context(SystemActor.REMINDER)
    return ctx if at is None else replace(ctx, now=at)


@pytest.fixture
def planned(world):
    """`planned(risk="high", given=True)`: a case with its follow-ups, given to the world's caseworker."""

    def make(given=True, **case):
        case_id = open_case(world, **case)
        with unit_of_work(as_reminder()) as ctx:
            planning.plan(ctx, case_id)
        if given:
            assign(world, case_id)
            with unit_of_work(as_reminder()) as ctx:
                planning.reassign(ctx, case_id)
        return case_id

    return make
