"""Whatever people do to a case in whatever order, it stays whole: a machine against a small model."""

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from helpline.cases import queries, rules
from helpline.cases.commands import CloseCase
from helpline.cases.services import closing, hooks, working
from helpline.cases.vocabulary import CaseStep, CloseReason
from helpline.foundation.db import unit_of_work
from helpline.foundation.errors import Conflict
from helpline.foundation.ids import new_id
from tests.factories.cases import assign, make_world, open_case

STEPS = st.sampled_from(CaseStep)


@pytest.fixture
def machine(in_app, database_urls):
    """The machine's class, at work in this test's database."""

    class Life(RuleBasedStateMachine):
        @initialize()
        def open(self):
            self.world = make_world(database_urls["owner"])
            self.case_id = open_case(self.world)
            assign(self.world, self.case_id)
            self.step, self.closed, self.asked, self.version, self.owed = CaseStep.REGISTER, False, False, 2, set()

        def do(self, user, deed, *args, allowed):
            ctx = user.ctx()
            if not allowed:
                with pytest.raises(Conflict), unit_of_work(ctx):
                    deed(ctx, *args)
                return False
            with unit_of_work(ctx):
                deed(ctx, *args)
            return True

        @rule(step=STEPS)
        def move(self, step):
            allowed = not self.closed and step in rules.TRANSITIONS[self.step]
            if self.do(self.world.caseworker, working.move_to_step, self.case_id, self.version, step, allowed=allowed):
                self.step, self.asked, self.version = step, False, self.version + 1

        @rule()
        def stale(self):
            args = (self.case_id, self.version - 1, CaseStep.ASSESS)
            self.do(self.world.caseworker, working.move_to_step, *args, allowed=False)

        @rule()
        def owe(self):
            source = new_id()
            args = (self.case_id, "referral", ("referral", source))
            if self.do(self.world.caseworker, hooks.open_obligation, *args, allowed=not self.closed):
                self.owed.add(source)

        @precondition(lambda self: self.owed)
        @rule()
        def settle(self):
            self.do(self.world.caseworker, hooks.settle_obligation, self.owed.pop(), allowed=True)

        @rule()
        def ask_to_close(self):
            command = CloseCase(self.case_id, self.version, CloseReason.GOALS_MET, "done")
            allowed = not (self.closed or self.owed or self.asked)
            if self.do(self.world.caseworker, closing.close_case, command, allowed=allowed):
                self.asked, self.version = True, self.version + 1

        @rule()
        def approve(self):
            allowed = self.asked and not self.closed and not self.owed
            if self.do(self.world.supervisor, closing.approve_closing, self.case_id, self.version, allowed=allowed):
                self.closed, self.asked, self.step, self.version = True, False, CaseStep.CLOSE, self.version + 1

        @rule()
        def decline(self):
            args = (self.case_id, self.version, "not yet")
            if self.do(self.world.supervisor, closing.decline_closing, *args, allowed=self.asked and not self.closed):
                self.asked, self.version = False, self.version + 1

        @rule()
        def close(self):
            command = CloseCase(self.case_id, self.version, CloseReason.MOVED_AWAY, "moved")
            if self.do(self.world.supervisor, closing.close_case, command, allowed=not (self.closed or self.owed)):
                self.closed, self.asked, self.step, self.version = True, False, CaseStep.CLOSE, self.version + 1

        @rule()
        def reopen(self):
            args = (self.case_id, self.version, "again")
            if self.do(self.world.supervisor, closing.reopen_case, *args, allowed=self.closed):
                self.closed, self.step, self.version = False, CaseStep.ASSESS, self.version + 1

        @invariant()
        def stays_whole(self):
            if not hasattr(self, "case_id"):
                return
            with unit_of_work(self.world.caseworker.ctx()):
                case = queries.get_case(self.case_id)
                owed = queries.count_obligations(self.case_id)
            assert (case.step, case.status, case.version) == (
                self.step, "closed" if self.closed else "open", self.version,
            )  # fmt: skip
            assert (case.closing_requested_at is not None, owed) == (self.asked, len(self.owed))
            assert not (self.closed and self.owed)

    return Life


def test_a_case_stays_whole(machine):
    case = machine.TestCase("runTest")
    case.settings = settings(
        max_examples=8, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck),
        phases=[Phase.generate], derandomize=True,
    )  # fmt: skip
    case.runTest()
