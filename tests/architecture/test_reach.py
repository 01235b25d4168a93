"""Who gets what of a case, by role and by how they stand to it; and that out of reach is the same as not there.

Routes, roles and field groups are enumerated from the code; the tables below are written by hand, from the rules as
people understand them, never made from the matrix. A route, a relationship or a group that is missing in them fails.
test_doors.py says who comes through which door at all; here stand only those who do.
"""

import re
import uuid

import psycopg
import pytest

from helpline.followups.services import planning
from helpline.foundation.access.permissions import FieldGroup, SystemActor
from helpline.foundation.context import system_context
from helpline.foundation.db import unit_of_work
from helpline.foundation.ids import new_id
from helpline.referrals.services import routing
from tests.architecture.test_doors import ADMITTED, ANYBODY, LINK, token_in
from tests.factories.accounts import make_user, sign_in
from tests.factories.agencies import make_agency
from tests.factories.cases import make_world, open_case
from tests.factories.privacy import break_glass
from tests.journeys.people import make_token

ROLES = ("operator", "caseworker", "team_supervisor", "supervisor")  # the others come through no door to a case

# How somebody stands to a case -> who then sees it, its call, its child, and all that belongs to it.
SEES = {
    "own": {"operator", "supervisor"},  # what a caseworker opens is shared with them until it is given on
    "assigned": {"operator", "caseworker", "team_supervisor", "supervisor"},
    "same team": {"team_supervisor", "supervisor"},
    "same centre": {"supervisor"},
    "other centre": set(),
    "closed to": set(),  # though it is theirs, of their team, and was given to them
    "party": set(),
    "break-glass": {"operator", "caseworker", "team_supervisor", "supervisor"},
}
G = FieldGroup
_CASE = {G.CASE_ADMINISTRATION, G.STATISTICS, G.CHILD_IDENTITY, G.LOCATION, G.RISK, G.HEALTH}
_CALL = {G.CASE_ADMINISTRATION, G.STATISTICS, G.CHILD_IDENTITY, G.LOCATION, G.RISK, G.STORY}
_REFERRAL = {G.CASE_ADMINISTRATION, G.STATISTICS, G.HEALTH, G.RISK}
_FOLLOWUP = {G.CASE_ADMINISTRATION, G.STATISTICS, G.RISK, G.STORY}
# What is held of a child altogether: everything but the phone that the house's calls don't tell, and the perpetrator.
_HELD = {G.CASE_ADMINISTRATION, G.CHILD_IDENTITY, G.LOCATION, G.RISK, G.HEALTH, G.STORY}
# Route that shows something of a case -> what is asked for, and the field groups that come back, by kind of record.
SHOWS = {
    "desk.case_page": (
        "case",
        {
            "case": {*_CASE, G.STORY},
            "person": {G.CHILD_IDENTITY, G.STATISTICS},
            "call": {G.CASE_ADMINISTRATION, G.STATISTICS, G.STORY},
            "referral": _REFERRAL,
        },
    ),
    "api_cases.get_case": ("case", {"case": {*_CASE, G.STORY}}),
    "api_cases.get_timeline": ("case", {"case": {G.CASE_ADMINISTRATION, G.STATISTICS, G.STORY}}),
    "api_cases.list_obligations": ("case", {}),
    "api_cases.list_caseworkers": ("case", {}),
    "cases.assign": ("case", {"case": {*_CASE, G.STORY}}),
    "cases.add_note": ("case", {"case": {*_CASE, G.STORY}}),
    "cases.change_risk": ("case", {"case": {*_CASE, G.STORY}}),
    "cases.set_needs": ("case", {"case": {*_CASE, G.STORY}}),
    "cases.set_consent": ("case", {"case": {*_CASE, G.STORY}}),
    "cases.close": ("case", {"case": {*_CASE, G.STORY}}),
    "cases.decide_closing": ("case", {"case": {*_CASE, G.STORY}}),
    "cases.reopen": ("case", {"case": {*_CASE, G.STORY}}),
    "followups.add": ("case", {}),
    "referrals.new_referral": ("case", {}),
    "api_referrals.list_for_case": ("case", {"referral": _REFERRAL}),
    "privacy.access": ("case", {"case": {*_CASE, G.STORY}}),
    "privacy.close_to": ("case", {"case": {*_CASE, G.STORY}}),
    "privacy.lift": ("case", {"case": {*_CASE, G.STORY}}),
    "api_privacy.read_access": ("case", {"case": {G.CASE_ADMINISTRATION, G.STATISTICS}}),
    "retention.show_record": ("case", {"retention": {G.CASE_ADMINISTRATION, G.STATISTICS, G.STORY}}),
    "api_retention.read_record": ("case", {"retention": {G.CASE_ADMINISTRATION, G.STATISTICS, G.STORY}}),
    "registers.case_disclosures": ("case", {"case": {*_CASE, G.STORY}}),
    "registers.record_disclosure": ("case", {"case": {*_CASE, G.STORY}}),
    "registers.prepare_export": ("case", {"case": _HELD, "person": _HELD}),
    "api_registers.read_case_disclosures": ("case", {"case": {G.CASE_ADMINISTRATION, G.STATISTICS}}),
    "calls.show": ("call", {"call": _CALL}),
    "calls.history": ("call", {"call": _CALL}),
    "calls.correction": ("call", {"call": _CALL}),
    "cases.open_case": (
        "call",
        {
            "call": {G.CASE_ADMINISTRATION, G.RISK, G.STATISTICS},
            "person": {G.CHILD_IDENTITY, G.STATISTICS, G.CASE_ADMINISTRATION},
        },
    ),
    "api_calls.get_call": ("call", {"call": _CALL}),
    "api_calls.get_history": ("call", {"call": {G.CASE_ADMINISTRATION, G.STATISTICS, G.STORY}}),
    "referrals.show_referral": ("referral", {"referral": _REFERRAL}),
    "api_referrals.get_referral": ("referral", {"referral": _REFERRAL}),
    "followups.complete": ("followup", {"followup": _FOLLOWUP}),
    "followups.cancel": ("followup", {"followup": _FOLLOWUP}),
    "followups.reschedule": ("followup", {"followup": _FOLLOWUP}),
    "api_followups.get_followup": ("followup", {"followup": _FOLLOWUP}),
}
# Routes with an id of something else in them: people, the directory, drafts, imports, places, one's own things.
NO_CASE = [
    "accounts.show_approval",
    "api_accounts.get_approval",
    "accounts.show_role",
    "accounts.show_team",
    "accounts.show_user",
    "agencies.change_agency",
    "agencies.show_agency",
    "api_accounts.get_user",
    "api_agencies.get_agency",
    "api_calls.get_draft",
    "api_imports.list_findings",
    "api_imports.read_import",
    "api_reference.get_place",
    "calls.write",
    "imports.rejects",
    "imports.show_import",
    "imports.unknown",
    "notifications.open_message",
    "privacy.show_override",
    "registers.show_export",
    "registers.show_demand",
    "registers.show_breach",
    "api_registers.read_demand",
    "api_registers.read_breach",
    "api_privacy.read_override",
]
# What differs between two answers that say the same: the id asked for, tokens, what time an override has left.
MARK = re.compile(
    r'[0-9]+ min left|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|name="csrf[-_]token" (?:content|value)="[^"]*"|X-CSRFToken": "[^"]*"'
)


def getting(app):
    """Every GET route with the id of a record in it, for those who come in by sign-in."""
    return {
        rule.endpoint: rule.rule for rule in app.url_map.iter_rules()
        if "GET" in rule.methods and "<uuid:" in rule.rule and ADMITTED[rule.endpoint] not in (ANYBODY, LINK)
    }  # fmt: skip


def test_the_tables_name_every_route_once(app):
    routes = set(getting(app))
    assert set(SHOWS) | set(NO_CASE) >= routes, sorted(routes - set(SHOWS) - set(NO_CASE))
    assert (set(SHOWS) | set(NO_CASE)) - routes == set()
    assert not set(SHOWS) & set(NO_CASE)


def test_nobody_else_comes_through_a_door_to_a_case():
    for endpoint in SHOWS:
        assert ADMITTED[endpoint] <= set(ROLES), endpoint
    for relation, who in SEES.items():
        assert who <= set(ROLES), relation


class House:
    """Somebody of each role in one team, and for each way to stand to a case, one such case of each of them."""

    def __init__(self, app, owner_url):
        self.url = owner_url
        with app.app_context():
            self.world, self.elsewhere = make_world(owner_url), make_world(owner_url)
            for world in (self.world, self.elsewhere):
                make_agency(world)
            self.people = {role: make_user(self.world.centre, role, self.world.team) for role in ROLES}
            self.records = {(role, how): self._case(role, how) for role in ROLES for how in SEES}
        self.clients = {role: self._client(app, user) for role, user in self.people.items()}

    def _client(self, app, user):
        client = app.test_client()
        sign_in(client, user)
        return client, {"Authorization": f"Bearer {make_token(user)}"}, app.test_client()

    def _case(self, role, how):
        user, world = self.people[role], self.elsewhere if how == "other centre" else self.world
        near = how in {"same team", "closed to", "party"}
        team = world.team if near else world.other_team
        case_id = open_case(world, needs=("health",), team_id=team, team=team)
        for actor, deed, *args in (
            (SystemActor.ROUTER, routing.request_needs, case_id, ["health"]), (SystemActor.REMINDER, planning.plan, case_id),
        ):  # fmt: skip
            with unit_of_work(system_context(actor)) as ctx:
                deed(ctx, *args)
        with psycopg.connect(self.url) as connection:
            call_id, child_id = connection.execute(
                "SELECT call_id, child_person_id FROM cases WHERE id = %s", [case_id]
            ).fetchone()
            if how in {"own", "closed to", "party"}:
                connection.execute("UPDATE cases SET opened_by = %s WHERE id = %s", [user.id, case_id])
                connection.execute("UPDATE calls SET operator_id = %s WHERE id = %s", [user.id, call_id])
            reach = [("case", case_id), ("call", call_id), ("person", child_id)]
            for effect, reason in {
                "assigned": [("allow", "assigned")], "closed to": [("allow", "assigned"), ("deny", "closed_to")],
                "party": [("allow", "assigned"), ("deny", "party")],
            }.get(how, ()):  # fmt: skip
                for kind, record_id in reach:
                    connection.execute(
                        "INSERT INTO grants (id, principal_id, kind, record_id, effect, reason, source_id, granted_by, from_at)"
                        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, now() - interval '1 minute')",
                        [new_id(), user.id, kind, record_id, effect, reason, case_id, user.id],
                    )
            ids = {"case": case_id, "call": call_id}
            for kind, table in (("referral", "referrals"), ("followup", "followups")):
                where = " AND kind = 'contact'" if kind == "followup" else ""
                [ids[kind]] = connection.execute(
                    f"SELECT id FROM {table} WHERE case_id = %s{where} LIMIT 1", [case_id]
                ).fetchone()
        if how == "break-glass" and role != "supervisor":
            break_glass(user, case_id)
        return ids

    def ask(self, role, endpoint, rule, record_id, method="GET", **kwargs):
        client, bearer, script = self.clients[role]
        path = re.sub(r"<uuid:[^>]+>", str(record_id), rule)
        if endpoint.startswith("api_"):
            return script.open(path, method=method, headers=bearer, **kwargs)
        return client.open(path, method=method, **kwargs)

    def shown(self, role):
        """The readings of this person so far: kind, ids, groups."""
        with psycopg.connect(self.url) as connection:
            return connection.execute(
                "SELECT subject_kind, subject_ids, field_groups FROM audit_entries WHERE actor_id = %s AND outcome = 'shown' ORDER BY id",
                [self.people[role].id],
            ).fetchall()


@pytest.fixture(scope="module")
def house(app, database_urls):
    return House(app, database_urls["owner"])


def neutral(answer):
    return answer.status_code, answer.content_type, MARK.sub("-", answer.get_data(as_text=True))


@pytest.mark.parametrize("endpoint", sorted(SHOWS))
def test_who_gets_what_by_how_they_stand_to_it(app, house, endpoint):
    rule, (kind, _groups) = getting(app)[endpoint], SHOWS[endpoint]
    for role in ROLES:
        if role not in ADMITTED[endpoint]:
            continue
        nothing = neutral(house.ask(role, endpoint, rule, uuid.uuid4()))
        assert nothing[0] == 404
        for how, who in SEES.items():
            answer = house.ask(role, endpoint, rule, house.records[role, how][kind])
            where = f"{endpoint} as {role}, {how}"
            if role in who:
                assert answer.status_code == 200, where
            else:
                assert neutral(answer) == nothing, where


@pytest.mark.parametrize("endpoint", sorted(SHOWS))
def test_which_groups_of_fields_come_back(app, house, endpoint):
    rule, (kind, expected) = getting(app)[endpoint], SHOWS[endpoint]
    role = "supervisor" if "supervisor" in ADMITTED[endpoint] else "operator"
    before = len(house.shown(role))
    assert house.ask(role, endpoint, rule, house.records[role, "assigned"][kind]).status_code == 200
    found = {shown: set(groups) for shown, _ids, groups in house.shown(role)[before:]}
    assert set(found) == set(expected)
    for shown, groups in expected.items():
        assert found[shown] == {group.value for group in groups}, shown


# What a program could write to each route, so that the id is what decides.
BODIES = {
    "assign": {"version": 1, "caseworker_id": str(uuid.uuid4())}, "set_needs": {"version": 1, "needs": []},
    "set_consent": {"version": 1, "consent": {}}, "change_risk": {"version": 1, "risk_level": "low", "reason": "x"},
    "move_to_step": {"version": 1, "step": "assess"}, "add_note": {"note_id": str(new_id()), "body": "x"},
    "close_case": {"version": 1, "reason": "goals_met", "note": "x"}, "decide_closing": {"version": 1, "approve": False, "reason": "x"},
    "reopen_case": {"version": 1, "reason": "x"}, "close_to": {"principal_id": str(uuid.uuid4()), "reason": "x"},
    "lift": {"principal_id": str(uuid.uuid4()), "kind": "party", "reason": "x"}, "void_call": {"version": 1, "reason": "x"},
    "choose_agency": {"version": 1, "agency_id": str(uuid.uuid4())}, "try_again": {"version": 1},
    "withdraw": {"version": 1, "reason": "other"}, "record_service": {"version": 1, "state": "delivered"},
    "keep": {"until": "2030-01-01", "reason": "x"}, "set_hold": {"hold_id": str(new_id()), "reason": "x"},
    "complete": {"version": 1, "outcome": "reached"}, "cancel": {"version": 1, "reason": "x"},
    "record_disclosure": {
        "disclosure_id": str(new_id()), "given_at": "2026-01-01T00:00:00Z", "recipient_kind": "police", "recipient": "x",
        "means": "telephone", "basis": "consent", "groups": ["story"], "what": "x",
    },
    "reschedule": {"version": 1, "due_at": "2030-01-01T00:00:00Z", "reason": "x"},
}  # fmt: skip
KINDS = {
    "case_id": "case",
    "call_id": "call",
    "referral_id": "referral",
    "followup_id": "followup",
    "record_id": "case",
}


def writing(app):
    for rule in app.url_map.iter_rules():
        named = re.findall(r"<uuid:([^>]+)>", rule.rule)
        method = next(iter(sorted(rule.methods & {"POST", "PUT", "PATCH", "DELETE"})), None)
        if method and len(named) == 1 and named[0] in KINDS and ADMITTED[rule.endpoint] not in (ANYBODY, LINK):
            yield rule.endpoint, rule.rule, method, KINDS[named[0]]


@pytest.mark.parametrize("role", ROLES)
def test_writing_to_what_is_out_of_reach_answers_as_if_it_were_not_there(app, house, role):
    """A draft's id is the writer's own to mint: those routes take any."""
    token = token_in(house.clients[role][0].get("/inbox").text)
    reached_404 = 0
    for endpoint, rule, method, kind in writing(app):
        if role not in ADMITTED[endpoint] or endpoint.partition(".")[2] in {
            "save_draft",
            "discard_draft",
            "discard",
            "write",
        }:
            continue
        body = BODIES.get(endpoint.partition(".")[2], {})
        how = (
            {"json": body}
            if endpoint.startswith("api_")
            else {"data": {"csrf_token": token} | {k: str(v) for k, v in body.items()}}
        )
        nothing = neutral(house.ask(role, endpoint, rule, uuid.uuid4(), method, **how))
        reached_404 += nothing[0] == 404
        for relation in ("other centre", "closed to", "party"):
            answer = house.ask(role, endpoint, rule, house.records[role, relation][kind], method, **how)
            assert neutral(answer) == nothing, f"{method} {endpoint} as {role}, {relation}"
    assert reached_404 > 10
