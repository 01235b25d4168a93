"""Whatever happens in whatever order, the database shows each person just what a plain model of the rules says."""

from datetime import timedelta

import psycopg
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
from sqlalchemy import text

from helpline.accounts.commands import EditUser
from helpline.accounts.services import staff
from helpline.cases import queries as case_queries
from helpline.cases.commands import OpenCase
from helpline.cases.services import assigning, opening
from helpline.foundation.access.permissions import Role
from helpline.foundation.access.powers import narrow
from helpline.foundation.clock import now
from helpline.foundation.context import Actor, Channel, Context
from helpline.foundation.db import db, unit_of_work
from helpline.foundation.errors import Conflict, NotFound
from helpline.foundation.ids import new_id
from helpline.privacy.services import glass
from helpline.privacy.vocabulary import ClosingKind, Relation
from tests.factories.accounts import make_role, make_user
from tests.factories.cases import make_call, make_world
from tests.factories.privacy import break_glass, close, lift

FLOOR = ("operator", "caseworker", "team_supervisor")
NAMES = ("operator", "caseworker", "other_caseworker", "team_supervisor", "supervisor", "second", "admin", "auditor")
EVERYBODY = [(side, name) for side in ("here", "there") for name in NAMES]
WHO = st.sampled_from(EVERYBODY)
# What a role of the centre's own says of reading cases -> what is left to whoever bears it, by the role it is made of;
# where nothing stands, the word is no step down and takes nothing away.
NARROWED = {
    "operator": {"none": "nothing"},
    "caseworker": {"none": "nothing", "own": "nothing"},
    "team_supervisor": {"none": "nothing", "own": "made and of their teams", "assigned": "given"},
    "supervisor": {"none": "nothing", "own": "made", "assigned": "given", "team": "of their teams"},
}


class Model:
    """Sets and nothing else: who is what, which case is whose, who is shut out, and by whom the glass was broken."""

    def __init__(self):
        self.role, self.teams, self.active = {}, {}, {}
        self.left = {}  # who -> what a role of the centre's own leaves them of their role's cases
        self.cases = {}  # case -> side, team, opener, caseworker
        self.shut = set()  # (case, who, kind)
        self.glass = {}  # who -> (case, until)

    def sees(self, who, case, at):
        side, team, opener, caseworker = (self.cases[case][key] for key in ("side", "team", "opener", "caseworker"))
        if (
            who[0] != side
            or not self.active[who]
            or any((case, who, kind) in self.shut for kind in ("closed_to", "party"))
        ):
            return False
        role = self.role[who]
        if role in {"admin", "auditor"}:
            return False
        broken = who in self.glass and self.glass[who][0] == case and at < self.glass[who][1]
        left = self.left.get(who)
        if left is not None:
            given, of_team = broken or caseworker == who, team in self.teams[who]
            return {
                "nothing": False, "given": given, "made": given or opener == who, "of their teams": given or of_team,
                "made and of their teams": given or (opener == who and of_team),
            }[left]  # fmt: skip
        return broken or {
            "operator": who in (opener, caseworker),
            "caseworker": caseworker == who,
            "team_supervisor": team in self.teams[who] or caseworker == who,
            "supervisor": True,
        }[role]  # fmt: skip


def test_who_sees_what_is_what_a_plain_model_says(database_urls, in_app):
    worlds = {side: make_world(database_urls["owner"]) for side in ("here", "there")}

    class Access(RuleBasedStateMachine):
        @initialize()
        def house(self):
            """New people each time in the same two centres; what earlier runs left is out of everybody's count."""
            self.model, self.at, self.people, self.said = Model(), now(), {}, {}
            for side, name in EVERYBODY:
                world, role = worlds[side], {"other_caseworker": "caseworker", "second": "supervisor"}.get(name, name)
                teams = {
                    "caseworker": (world.team,),
                    "team_supervisor": (world.team,),
                    "other_caseworker": (world.other_team,),
                }.get(name, ())
                self.people[side, name] = make_user(world.centre, role, *teams)
                self.model.role[side, name], self.model.teams[side, name] = role, set(teams)
                self.model.active[side, name] = True

        def ctx(self, who):
            """As the door would make it now: role and teams as they stand."""
            user = self.people[who]
            role, said = self.model.role[who], self.said.get(who)
            own = narrow(role, {"scopes": {"case:read": said}}) if said else None
            actor = Actor(user.id, role, user.centre.id, tuple(self.model.teams[who]), narrowed=own)
            return Context(actor, self.at, new_id(), Channel.PAGE)

        def act(self, who, deed, *args):
            with unit_of_work(self.ctx(who)) as ctx:
                return deed(ctx, *args)

        def boss(self, case, but_not=None):
            """A supervisor who sees the case and is not concerned; None where nobody is left."""
            side = self.model.cases[case]["side"]
            fit = [
                who for who in self.people if who[0] == side and who != but_not and self.model.role[who] == "supervisor"
            ]
            whole = [who for who in fit if who not in self.model.left]
            return next((who for who in whole if self.model.sees(who, case, self.at)), None)

        def of(self, data, who):
            cases = [case for case, each in self.model.cases.items() if each["side"] == who[0]]
            return data.draw(st.sampled_from(cases)) if cases else None

        @rule(side=st.sampled_from(["here", "there"]), other=st.booleans(), shut=st.sampled_from([None, *NAMES]))
        def open(self, side, other, shut):
            who = (side, "operator")
            if self.model.role[who] != "operator" or not self.model.active[who] or shut == "operator":
                return
            if who in self.model.left:
                return
            world, user = worlds[side], self.people[who]
            call = make_call(user, place=world.province)
            closed_to = (self.people[side, shut].id,) if shut else ()
            case = new_id()
            self.act(
                who,
                opening.open_case,
                OpenCase(case, call.id, call.child_id, world.other_team if other else world.team, closed_to=closed_to),
            )
            self.model.cases[case] = {
                "side": side,
                "team": world.other_team if other else world.team,
                "opener": who,
                "caseworker": None,
                "call": call,
            }
            self.model.shut |= {(case, (side, shut), "closed_to")} if shut else set()

        @rule(who=WHO, data=st.data())
        def assign(self, who, data):
            case = self.of(data, who)
            boss = case and self.boss(case)
            if not boss or self.model.role[who] != "caseworker" or not self.model.active[who]:
                return
            each, shut = (
                self.model.cases[case],
                {(case, who, kind) for kind in ("closed_to", "party")} & self.model.shut,
            )
            if each["team"] not in self.model.teams[who] or shut:
                return
            version = self.act(boss, lambda _ctx: case_queries.get_case(case).version)
            self.act(boss, assigning.assign_caseworker, case, version, self.people[who].id)
            each["caseworker"] = who

        @rule(
            who=WHO,
            role=st.sampled_from(["operator", "caseworker", "team_supervisor", "supervisor", "auditor"]),
            teams=st.sets(st.booleans()),
            said=st.sampled_from([None, None, "none", "own", "assigned", "team"]),
        )
        def change(self, who, role, teams, said):
            """Another role, one of the centre's own made of it, other teams, or all of it."""
            admin, world = (who[0], "admin"), worlds[who[0]]
            joined = {world.other_team if other else world.team for other in teams} or {world.team}
            if who == admin or not self.model.active[who]:
                return

            own = make_role(world.centre, role, scopes={"case:read": said}) if said else None

            def edit(ctx):
                user = staff.queries.get_user(self.people[who].id)
                staff.edit_user(ctx, EditUser(user.id, user.version, user.name, Role(role), tuple(joined), own))

            self.act(admin, edit)
            self.model.role[who], self.model.teams[who], self.said[who] = role, joined, said
            self.model.left.pop(who, None)
            if left := NARROWED.get(role, {}).get(said):
                self.model.left[who] = left

        @rule(who=WHO)
        def leave_or_return(self, who):
            if who[1] == "admin":
                return
            deed = staff.deactivate_user if self.model.active[who] else staff.reactivate_user
            self.act(
                (who[0], "admin"),
                lambda ctx: deed(ctx, self.people[who].id, staff.queries.get_user(self.people[who].id).version),
            )
            with psycopg.connect(database_urls["owner"]) as connection:  # invited anew, they have joined at once
                connection.execute(
                    "UPDATE users SET status = 'active' WHERE id = %s AND status = 'invited'", [self.people[who].id]
                )
            self.model.active[who] = not self.model.active[who]

        @rule(who=WHO, data=st.data(), relation=st.sampled_from([None, Relation.SELF, Relation.HOUSEHOLD]))
        def shut_out(self, who, data, relation):
            case, kind = self.of(data, who), "party" if relation else "closed_to"
            boss = case and self.boss(case, but_not=who)
            if not boss or (case, who, kind) in self.model.shut:
                return
            close(_At(self.ctx(boss)), case, self.people[who].id, relation)
            self.model.shut.add((case, who, kind))
            if self.model.cases[case]["caseworker"] == who:
                self.model.cases[case]["caseworker"] = None
            if who in self.model.glass and self.model.glass[who][0] == case:
                del self.model.glass[who]

        @precondition(lambda self: self.model.shut)
        @rule(data=st.data())
        def lift(self, data):
            case, who, kind = data.draw(st.sampled_from(sorted(self.model.shut, key=str)))
            boss = self.boss(case, but_not=who)
            if boss:
                lift(_At(self.ctx(boss)), case, self.people[who].id, ClosingKind(kind))
                self.model.shut.discard((case, who, kind))

        @rule(who=WHO, data=st.data(), across=st.booleans())
        def break_the_glass(self, who, data, across):
            case = self.of(data, ("there" if who[0] == "here" else "here", "") if across else who)
            if case is None or self.model.role[who] not in FLOOR or not self.model.active[who]:
                return
            if self.model.left.get(who) == "nothing":
                return  # whoever reads no case takes no emergency access
            before, opens = (
                self.model.glass.get(who),
                not across and not any((case, who, kind) in self.model.shut for kind in ("closed_to", "party")),
            )
            try:
                override_id = break_glass(_At(self.ctx(who)), case)
            except Conflict as refusal:
                lasts = before is not None and self.at < before[1]
                expected = (
                    "glass_not_needed" if self.model.sees(who, case, self.at) else "glass_lasts" if lasts else "?"
                )
                if refusal.code != expected:
                    raise
            except NotFound:
                assert not opens
            else:
                assert opens
                assert not self.model.sees(who, case, self.at)
                self.model.glass[who] = (case, self.at + timedelta(minutes=30), override_id)

        @precondition(lambda self: self.model.glass)
        @rule(data=st.data())
        def end_it(self, data):
            who = data.draw(st.sampled_from(sorted(self.model.glass)))
            if (
                self.model.role[who] in FLOOR
                and self.model.active[who]
                and self.model.sees(who, self.model.glass[who][0], self.at)
            ):
                self.act(who, glass.end_override, self.model.glass[who][2])
                del self.model.glass[who]

        @rule(minutes=st.sampled_from([1, 29, 31]))
        def time_passes(self, minutes):
            self.at += timedelta(minutes=minutes)

        @invariant()
        def each_sees_what_the_model_says(self):
            known = [str(case) for case in self.model.cases]
            calls = {each["call"].id: case for case, each in self.model.cases.items()}
            for who in self.people:
                if not self.model.active[who]:
                    continue  # whoever left has no session: the door's own tests
                expected = {case for case in self.model.cases if self.model.sees(who, case, self.at)}
                with unit_of_work(self.ctx(who)):
                    ids = db.session.scalars(
                        text("SELECT id FROM cases WHERE id = ANY (CAST(:ids AS uuid[]))"), {"ids": known}
                    ).all()
                    assert set(ids) == expected, who
                    parts = "SELECT DISTINCT case_id FROM case_events WHERE case_id = ANY (CAST(:ids AS uuid[]))"
                    assert set(db.session.scalars(text(parts), {"ids": known})) == expected, who
                    shut = {
                        case
                        for case in self.model.cases
                        for kind in ("closed_to", "party")
                        if (case, who, kind) in self.model.shut
                    }
                    heard = db.session.scalars(
                        text("SELECT id FROM calls WHERE id = ANY (CAST(:ids AS uuid[]))"),
                        {"ids": list(map(str, calls))},
                    )
                    assert not {calls[call] for call in heard} & shut, who

    run_state_machine_as_test(
        Access,
        settings=settings(
            settings(),
            max_examples=max(5, settings().max_examples // 5),
            stateful_step_count=20,
            suppress_health_check=list(HealthCheck),
        ),
    )


class _At:
    """Somebody for the factories, in a context of this moment."""

    def __init__(self, ctx):
        self._ctx = ctx

    def ctx(self, at=None):
        return self._ctx
