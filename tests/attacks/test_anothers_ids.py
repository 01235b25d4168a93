"""Ids of what belongs to others: in an address, under an address of mine, and in a body.

tests/architecture/test_reach.py asks every route whose address names a record. Here stands what a body or a query
names: each such field is in the table below, with what another helpline's id leads to there, or why none can.
"""

import re
import uuid
from types import SimpleNamespace

import psycopg
import pytest
from marshmallow import fields

from helpline.foundation.access.permissions import SystemActor
from helpline.foundation.context import system_context
from helpline.foundation.db import unit_of_work
from helpline.foundation.ids import new_id
from helpline.referrals.services import routing
from tests.architecture.test_reach import neutral
from tests.attacks.conftest import token_of
from tests.attacks.test_bodies import inputs
from tests.factories.accounts import make_role, sign_in
from tests.factories.agencies import make_agency
from tests.factories.cases import make_call, make_world, open_case
from tests.factories.registers import demand, tell

MINTED = "made by whoever makes the record; one in use is a neutral 409, as tests/calls/test_api.py shows"
PUBLIC = "a place, which everybody may read"
DISCLOSURE = {
    "given_at": "2025-01-02T10:00", "recipient_kind": "police", "means": "telephone", "basis": "consent",
    "groups": ["story"], "recipient": "x", "what": "x",
}  # fmt: skip
DEMAND = {
    "received_at": "2025-01-02T10:00", "kind": "police", "basis": "warrant", "outcome": "refused",
    "subjects_told": "later", "authority": "x", "demanded": "x",
}  # fmt: skip
# Field -> who asks, how, where and with what, `X` being the id; or why there is nothing to try.
FIELDS = {
    "AgencyBodyIn.coverage": PUBLIC, "AgencyIn.coverage": PUBLIC, "AgencyIn.agency_id": MINTED, "AgencyQuery.place_id": PUBLIC,
    "TeamBodyIn.places": PUBLIC, "TeamIn.places": PUBLIC, "TeamChangeIn.places": PUBLIC, "TeamIn.team_id": MINTED,
    "CallContentIn.place_id": PUBLIC, "CallIn.place_id": PUBLIC, "CallCorrectionIn.place_id": PUBLIC, "CallIn.call_id": MINTED,
    "QuickCallIn.call_id": MINTED, "OpenCaseIn.case_id": MINTED, "NoteIn.note_id": MINTED, "ReferralIn.referral_id": MINTED,
    "FollowUpIn.followup_id": MINTED, "InvitationIn.user_id": MINTED, "ApprovalIn.approval_id": MINTED,
    "BreakGlassIn.override_id": MINTED, "ExportIn.export_id": MINTED, "BulkIn.approval_id": MINTED,
    "DisclosureIn.disclosure_id": MINTED, "DemandIn.demand_id": MINTED, "BreachIn.breach_id": MINTED,
    "BreachStepIn.entry_id": MINTED, "HoldIn.hold_id": MINTED, "ProposeIn.approval_id": MINTED, "SearchIn.search_id": "names one's own search", "SearchIn.province_id": PUBLIC,
    "CaseQuery.province_id": PUBLIC,
    "UserIn.team_ids": "a part of the two below", "UserIn.centre_role_id": "a part of the two below", "RoleIn.role_id": MINTED,
    "InvitationIn.centre_role_id": ("admin", "POST", "/api/v1/users", "role", lambda w, x: {
        "user_id": str(new_id()), "name": "A", "login": f"a{new_id().hex[-8:]}", "email": f"a{new_id().hex[-8:]}@b.test",
        "role": "caseworker", "locale": "en", "team_ids": [str(w.team)], "centre_role_id": x}),
    "UserChangeIn.centre_role_id": ("admin", "PUT", "/api/v1/users/{caseworker}", "role", lambda w, x: {
        "version": 1, "name": "A", "role": "caseworker", "team_ids": [str(w.team)], "centre_role_id": x}),
    "InvitationIn.team_ids": ("admin", "POST", "/api/v1/users", "team", lambda w, x: {
        "user_id": str(new_id()), "name": "A", "login": f"a{new_id().hex[-8:]}", "email": f"a{new_id().hex[-8:]}@b.test",
        "role": "caseworker", "locale": "en", "team_ids": [x]}),
    "UserChangeIn.team_ids": ("admin", "PUT", "/api/v1/users/{caseworker}", "team", lambda w, x: {
        "version": 1, "name": "A", "role": "caseworker", "team_ids": [x]}),
    "ApprovalIn.subject_id": ("admin", "POST", "/api/v1/approvals", "user", lambda w, x: {
        "approval_id": str(new_id()), "kind": "admin_role", "subject_id": x, "reason": "x"}),
    "CallChildIn.person_id": ("operator", "PUT", "/api/v1/calls/{call}", "child", lambda w, x: {
        "version": 1, "reason": "x", "kind": "counselling", "relation": "neighbour", "children": [{"person_id": x, "age": 9}]}),
    "CallQuery.team": ("supervisor", "GET", "/api/v1/calls?team=X", "team", None),
    "EarlierCallsIn.but_not": ("operator", "POST", "/api/v1/calls/earlier", "call", lambda w, x: {"phone": "012345678", "but_not": x}),
    "OpenCaseIn.call_id": ("operator", "POST", "/api/v1/cases", "call", lambda w, x: {
        "case_id": str(new_id()), "call_id": x, "child_person_id": str(w.child)}),
    "OpenCaseIn.child_person_id": ("operator", "POST", "/api/v1/cases", "child", lambda w, x: {
        "case_id": str(new_id()), "call_id": str(w.call), "child_person_id": x}),
    "OpenCaseIn.team_id": ("operator", "POST", "/api/v1/cases", "team", lambda w, x: {
        "case_id": str(new_id()), "call_id": str(w.call), "child_person_id": str(w.child), "team_id": x}),
    "OpenCaseIn.closed_to": ("operator", "POST", "/api/v1/cases", "user", lambda w, x: {
        "case_id": str(new_id()), "call_id": str(w.call), "child_person_id": str(w.child), "closed_to": [x]}),
    "AssignmentIn.caseworker_id": ("supervisor", "PUT", "/api/v1/cases/{case}/assignment", "user", lambda w, x: {
        "version": 1, "caseworker_id": x}),
    "CaseQuery.team_id": ("supervisor", "GET", "/api/v1/cases?team_id=X", "team", None),
    "CaseQuery.caseworker_id": ("supervisor", "GET", "/api/v1/cases?caseworker_id=X", "user", None),
    "CaseQuery.call_id": ("supervisor", "GET", "/api/v1/cases?call_id=X", "call", None),
    "FiguresQuery.team": ("supervisor", "GET", "/api/v1/figures?team=X", "team", None),
    "AgencyChoiceIn.agency_id": ("supervisor", "PUT", "/api/v1/referrals/{referral}/agency", "agency", lambda w, x: {
        "version": 1, "agency_id": x}),
    "ReferralQuery.team_id": ("supervisor", "GET", "/api/v1/referrals?team_id=X", "team", None),
    "FollowUpQuery.team_id": ("supervisor", "GET", "/api/v1/followups?team_id=X", "team", None),
    "FollowUpQuery.caseworker_id": ("supervisor", "GET", "/api/v1/followups?caseworker_id=X", "user", None),
    "FollowUpQuery.case_id": ("supervisor", "GET", "/api/v1/followups?case_id=X", "case", None),
    "EntryQuery.actor": ("auditor", "GET", "/api/v1/audit?actor=X", "user", None),
    "EntryQuery.subject": ("auditor", "GET", "/api/v1/audit?subject=X", "case", None),
    "CloseToIn.principal_id": ("supervisor", "POST", "/api/v1/cases/{case}/closings", "user", lambda w, x: {
        "principal_id": x, "reason": "x"}),
    "LiftIn.principal_id": ("supervisor", "POST", "/api/v1/cases/{case}/closings/lift", "user", lambda w, x: {
        "principal_id": x, "kind": "closed_to", "reason": "x"}),
    "DisclosureIn.corrects_id": ("supervisor", "POST", "/api/v1/cases/{case}/disclosures", "disclosure", lambda w, x: DISCLOSURE | {
        "disclosure_id": str(new_id()), "corrects_id": x}),
    "DemandIn.corrects_id": ("supervisor", "POST", "/api/v1/demands", "demand", lambda w, x: DEMAND | {
        "demand_id": str(new_id()), "corrects_id": x}),
    "DemandIn.decided_by": ("admin", "POST", "/api/v1/demands", "user", lambda w, x: DEMAND | {
        "demand_id": str(new_id()), "decided_by": x}),
    "HoldIn.record_id": ("supervisor", "POST", "/api/v1/retention/holds", "case", lambda w, x: {
        "hold_id": str(new_id()), "record_id": x, "reason": "x"}),
    "ProposeIn.record_id": ("supervisor", "POST", "/api/v1/retention/proposals", "case", lambda w, x: {
        "approval_id": str(new_id()), "record_id": x, "why": "rule", "reason": "x"}),
}  # fmt: skip
TRIED = {name: how for name, how in FIELDS.items() if not isinstance(how, str)}


def test_every_field_that_takes_an_id_is_in_the_table():
    found = set()
    for schema in (each for each in inputs() if each.__module__.startswith("helpline.")):
        for name, field in schema().fields.items():
            inner = field.inner if isinstance(field, fields.List) else field
            if isinstance(inner, fields.UUID):
                found.add(f"{schema.__name__}.{name}")
    assert set(FIELDS) == found


def test_no_address_names_two_records(app):
    """Then none can name a note of another case under a case of mine. Whoever adds such a route adds its attack."""
    assert [rule.rule for rule in app.url_map.iter_rules() if rule.rule.count("<uuid:") > 1] == []


@pytest.fixture(scope="module")
def house(app, database_urls):
    """My helpline with a case, a call without one, a referral; another with some of everything; all of it by kind."""
    with app.app_context():
        mine, other = make_world(database_urls["owner"]), make_world(database_urls["owner"])
        case_id, call, theirs = (
            open_case(mine, needs=("health",)),
            make_call(mine.operator, place=mine.province),
            open_case(other),
        )
        agency, told, demanded = make_agency(other), tell(other.supervisor, theirs), demand(other.admin)
        with unit_of_work(system_context(SystemActor.ROUTER)) as ctx:
            routing.request_needs(ctx, case_id, ["health"])
    with psycopg.connect(database_urls["owner"]) as connection:
        [referral] = connection.execute("SELECT id FROM referrals WHERE case_id = %s", [case_id]).fetchone()
        connection.execute("UPDATE calls SET operator_id = %s WHERE id = %s", [mine.operator.id, call.id])
        their_call, their_child = connection.execute(
            "SELECT call_id, child_person_id FROM cases WHERE id = %s", [theirs]
        ).fetchone()
    browsers = {}
    for role in ("operator", "supervisor", "admin", "auditor"):
        browsers[role] = app.test_client()
        sign_in(browsers[role], getattr(mine, role), fresh=True)
    return SimpleNamespace(
        browsers=browsers, call=call.id, child=call.child_id, case=case_id, referral=referral,
        caseworker=mine.caseworker.id, team=mine.team,
        theirs={"role": make_role(other.centre, "caseworker"), "team": other.team, "user": other.caseworker.id, "case": theirs, "call": their_call, "child": their_child, "agency": agency, "disclosure": told, "demand": demanded},
    )  # fmt: skip


@pytest.mark.parametrize("field", sorted(TRIED))
def test_an_id_of_another_helpline_is_as_good_as_none(house, field):
    role, method, path, kind, body = TRIED[field]
    client = house.browsers[role]
    token = token_of(client.get("/nothing-here"))
    path = path.format(call=house.call, case=house.case, caseworker=house.caseworker, referral=house.referral)

    def ask(record_id):
        given = {"json": body(house, str(record_id))} if body else {}
        answer = client.open(path.replace("X", str(record_id)), method=method, headers={"X-CSRFToken": token}, **given)
        return [re.sub(r'"counted_at":"[^"]*"', "", str(each)) for each in neutral(answer)], answer

    nothing, theirs = ask(uuid.uuid4()), ask(house.theirs[kind])
    assert theirs[0] == nothing[0]
    refused = theirs[1].status_code in {404, 409, 422}
    told = theirs[1].json
    empty = theirs[1].status_code == 200 and not told.get("items") and not told.get("calls", {}).get("total")
    assert refused or empty, theirs[1].text
    assert str(house.theirs[kind]) not in theirs[1].text
