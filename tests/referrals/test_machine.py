"""Whatever happens in whatever order, a referral does what a plain model of it does."""

import psycopg
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from helpline.foundation.clock import now
from helpline.foundation.context import Actor, Channel, Context
from helpline.foundation.db import unit_of_work
from helpline.foundation.errors import Conflict
from helpline.foundation.ids import new_id
from helpline.referrals.commands import GiveAnswer
from helpline.referrals.services import portal, routing, seeking
from helpline.referrals.vocabulary import Answer, DeclineReason, WithdrawReason
from tests.factories.agencies import make_agency
from tests.factories.cases import open_case
from tests.referrals.test_services import as_router, do, look, seek

pytestmark = pytest.mark.usefixtures("in_app")
ENDS = {"accepted", "exhausted", "withdrawn"}


def as_partner(row, ask, command):
    actor = Actor(id=ask.id, role="partner", centre_id=row[0])
    ctx = Context(actor=actor, now=now(), request_id=new_id(), channel=Channel.PORTAL)
    with unit_of_work(ctx):
        return portal.answer(ctx, command)


def test_a_referral_does_what_its_model_does(world, database_urls):
    agencies = [make_agency(world) for _ in range(3)]

    class Referral(RuleBasedStateMachine):
        @initialize()
        def seek(self):
            self.id = seek(world, open_case(world))
            self.state, self.current, self.refused = "requested", None, set()

        def row(self):
            return look(world, self.id)

        @rule()
        def route(self):
            before = {ask.id for ask in self.row().asks}
            as_router(routing.route, self.id)
            asked = [ask for ask in self.row().asks if ask.id not in before]
            if self.state != "requested":
                assert asked == []
            elif self.refused == set(agencies):
                self.state = "exhausted"
                assert asked == []
            else:
                [ask] = asked
                assert ask.agency_id not in self.refused
                self.state, self.current = "asked", ask.agency_id

        @precondition(lambda self: self.state == "asked")
        @rule()
        def stay_silent(self):
            as_router(routing.expire_unanswered, at=self.row().asks[0].answer_by)
            self.refused.add(self.current)
            self.state, self.current = "requested", None

        @precondition(lambda self: self.state in {"asked", "accepted"})
        @rule(accept=st.booleans(), twice=st.booleans())
        def answer(self, accept, twice):
            command = GiveAnswer(Answer.ACCEPT) if accept else GiveAnswer(Answer.DECLINE, DeclineReason.FULL)
            ask = self.row().asks[0]
            for _ in range(1 + twice):
                front = as_partner((world.centre.id,), ask, command)
            if self.state == "asked" and accept:
                self.state = "accepted"
            elif self.state == "asked":
                self.refused.add(self.current)
                self.state, self.current = "requested", None
            assert front.state == ("accepted" if self.state == "accepted" else "declined")

        @rule(chosen=st.sampled_from(agencies))
        def choose_by_hand(self, chosen):
            version = self.row().version
            if self.state in {"requested", "asked", "exhausted"}:
                do(world.supervisor, seeking.choose_agency, self.id, version, chosen)
                self.state, self.current = "asked", chosen
            else:
                with pytest.raises(Conflict):
                    do(world.supervisor, seeking.choose_agency, self.id, version, chosen)

        @precondition(lambda self: self.state == "exhausted")
        @rule()
        def search_again(self):
            do(world.supervisor, seeking.try_again, self.id, self.row().version)
            self.state = "requested"

        @precondition(lambda self: self.state != "withdrawn")
        @rule(really=st.integers(0, 4))
        def withdraw(self, really):
            if not really:
                do(world.operator, seeking.withdraw, self.id, self.row().version, WithdrawReason.OTHER)
                self.state, self.current = "withdrawn", None

        @invariant()
        def as_modelled(self):
            row = self.row()
            open_asks = [ask for ask in row.asks if ask.state in {"asked", "accepted"}]
            assert row.state == self.state
            assert [ask.agency_id for ask in open_asks] == ([self.current] if self.current else [])
            assert [ask.position for ask in row.asks] == list(range(len(row.asks), 0, -1))
            with psycopg.connect(database_urls["owner"]) as connection:
                reach = connection.execute(
                    "SELECT DISTINCT g.principal_id FROM grants g JOIN referral_asks k ON k.id = g.principal_id"
                    " WHERE k.referral_id = %s AND g.ended_at IS NULL",
                    [self.id],
                ).fetchall()
            assert [principal for (principal,) in reach] == [ask.id for ask in open_asks]

        def teardown(self):
            for _ in range(2 * len(agencies) + 2):
                if self.state in ENDS:
                    break
                self.route() if self.state == "requested" else self.stay_silent()
            assert self.state in ENDS

    run_state_machine_as_test(
        Referral,
        settings=settings(
            max_examples=8, stateful_step_count=12, deadline=None, derandomize=True, database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )  # fmt: skip
