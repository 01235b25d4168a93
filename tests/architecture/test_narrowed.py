"""A role of the centre's own through every door: never in where its base is not, and no field out that it may not read.

Routes are enumerated from the code. What a page shows of a record goes through one mask, which notes the groups it
showed: so the audit says of every answer whether it showed too much, and the words themselves are looked for besides.
"""

import re
import uuid

import pytest

from helpline.cases.commands import AddNote
from helpline.cases.services import working
from helpline.cases.vocabulary import NoteKind
from helpline.foundation.access.matrix import NARROWED
from helpline.foundation.access.permissions import FieldGroup, Permission
from helpline.foundation.access.powers import BUILT_IN, fields_to_choose, narrow
from helpline.foundation.ids import new_id
from helpline.settings import ROOT
from helpline.web.schema import Out, RecordOut, group_of
from tests.architecture.test_doors import ADMITTED, ANYBODY, GUARDED, LINK, asked, put_aside, token_in
from tests.architecture.test_reach import House
from tests.factories.accounts import bear, make_centre, make_team, make_user, sign_in
from tests.factories.calls import do
from tests.journeys.people import make_token

G = FieldGroup
CHILD = {G.CHILD_IDENTITY, G.CONTACT, G.LOCATION, G.STORY, G.ALLEGED_PERPETRATOR, G.HEALTH}
WORDS = {
    G.STORY: ["A neighbour heard it through the wall.", "the lamp was broken"],
    G.CHILD_IDENTITY: ["Srey Neang"],
}
FLOOR = ("operator", "caseworker", "team_supervisor", "supervisor")
# Envelopes and answers to a partner hold groups of a child without being a record: what is inside masks, or consent says.
ENVELOPES = {"FoundOut": {"items"}, "PortalRequestOut": None}


@pytest.fixture(scope="module")
def house(app, database_urls):
    found = House(app, database_urls["owner"])
    with app.app_context():
        for role, user in found.people.items():
            case_id = found.records[role, "assigned"]["case"]
            do(user, working.add_note, AddNote(new_id(), case_id, NoteKind.NOTE, "the lamp was broken"))
    return found


def pages(app):
    """Every address that is only looked at, by sign-in."""
    return [
        (rule.endpoint, rule.rule) for rule in app.url_map.iter_rules()
        if "GET" in rule.methods and ADMITTED[rule.endpoint] not in (ANYBODY, LINK)
        and not re.search(r"<(?!uuid:)", rule.rule)
    ]  # fmt: skip


def ways(house, role, rule):
    """The address of each record that could stand in it."""
    ids = house.records[role, "assigned"]
    named = re.findall(r"<uuid:([^>]+)>", rule)
    if not named:
        return [None]
    return [ids[kind] for kind in ids if named == [f"{kind}_id"]] or [uuid.uuid4()]


def look_round(app, house, role):
    """Every answer that somebody gets by looking everywhere."""
    for endpoint, rule in pages(app):
        for record_id in ways(house, role, rule):
            yield endpoint, house.ask(role, endpoint, rule, record_id)


@pytest.mark.parametrize(
    ("role", "groups"), [*((role, CHILD) for role in FLOOR), *(("supervisor", {group}) for group in sorted(CHILD))]
)
def test_what_may_not_be_read_is_in_no_answer(app, house, role, groups):
    before = len(house.shown(role))
    bear(house.people[role], fields=dict.fromkeys(groups, "mask"))
    opened = 0
    for endpoint, answer in look_round(app, house, role):
        assert answer.status_code in {200, 302, 303, 400, 403, 404, 422}, endpoint
        opened += answer.status_code == 200
        for word in (word for group in groups for word in WORDS.get(group, ())):
            assert word not in answer.text, endpoint
    assert opened > 20
    shown = {group for _kind, _ids, found in house.shown(role)[before:] for group in found}
    assert G.CASE_ADMINISTRATION in shown
    assert not shown & groups


def test_the_words_are_there_for_whoever_may_read_them(app, house):
    """Else the test above would find none whatever happened."""
    bear(house.people["operator"])
    seen = "".join(answer.text for _endpoint, answer in look_round(app, house, "operator"))
    for word in (word for words in WORDS.values() for word in words):
        assert word in seen


def _subclasses(schema):
    for each in schema.__subclasses__():
        yield from (each, *_subclasses(each))


def test_what_tells_of_a_child_is_in_schemas_that_mask():
    for schema in _subclasses(Out):
        made = schema()
        found = {name for name in made.fields if group_of(made, name) in CHILD | {G.RISK}}
        expected = ENVELOPES.get(schema.__name__, set())
        assert not found or expected is None or found == expected, schema
    assert not issubclass(RecordOut, Out)


def test_nobody_asks_the_matrix_past_the_actor():
    """What a role may is asked of the actor, who may have less."""
    past = re.compile(r"\b(scope_of|field_access)\(|\b(PERMISSIONS|BUILT_IN)\b")
    found = {
        str(path.relative_to(ROOT)) for part in ("helpline", "workers") for path in (ROOT / part).rglob("*.py")
        if "foundation/access" not in str(path) and past.search(path.read_text())
    }  # fmt: skip
    shown = {"helpline/oversight/services/reading.py", "helpline/registers/services/processing.py"}
    assert found == shown, "the matrix itself is shown there"


# What each narrow role takes away, and the routes that go with it, by hand.
TAKEN = {
    "operator": (
        {"scopes": {"call:correct": "none", "glass:break": "none", "person:search": "none"}},
        ("calls.correction api_calls.correct_call privacy.break_glass privacy.end_override api_privacy.break_glass"
        " api_privacy.end_override search.find search.known api_search.find"),
    ),
    "caseworker": (
        {"fields": {"story": "read"}},
        ("cases.open_case api_cases.open_case cases.set_consent cases.set_needs cases.add_note cases.change_risk"
        " cases.move_to_step api_cases.set_consent api_cases.set_needs api_cases.add_note api_cases.change_risk"
        " api_cases.move_to_step cases.close cases.decide_closing cases.reopen api_cases.close_case"
        " api_cases.decide_closing api_cases.reopen_case followups.add followups.complete followups.cancel"
        " followups.reschedule api_followups.add api_followups.complete api_followups.cancel"
        " api_followups.reschedule privacy.break_glass privacy.end_override api_privacy.break_glass"
        " api_privacy.end_override api_search.look_for_doubles"),
    ),
    "team_supervisor": (
        {"scopes": {"case:read": "own"}},
        ("cases.assign api_cases.assign api_cases.list_caseworkers referrals.choose_agency api_referrals.choose_agency"
        " dashboards.figures api_dashboards.read_figures privacy.close_to privacy.lift api_privacy.close_to"
        " api_privacy.lift"),
    ),
    "supervisor": (
        {"scopes": {"agency:edit": "none", "approval:read": "none", "alert:settle": "none"}},
        ("agencies.set_active agencies.change_agency agencies.edit_agency agencies.new_agency agencies.add_agency"
        " api_agencies.add_agency api_agencies.edit_agency api_agencies.set_active accounts.new_approval"
        " accounts.ask_approval accounts.decide_approval accounts.stop_approval api_accounts.ask_approval"
        " api_accounts.decide_approval api_accounts.stop_approval accounts.list_approvals accounts.show_approval"
        " api_accounts.list_approvals api_accounts.get_approval oversight.settle api_oversight.settle_alert"),
    ),
    "auditor": (
        {"scopes": {"glass:read": "none", "alert:read": "none"}},
        ("privacy.list_overrides privacy.show_override api_privacy.list_overrides api_privacy.read_override"
        " oversight.alerts oversight.settle api_oversight.list_alerts api_oversight.settle_alert"),
    ),
}  # fmt: skip


def test_there_is_a_narrow_role_of_each_that_can_be_narrowed():
    assert set(TAKEN) == set(NARROWED)


@pytest.mark.parametrize("role", sorted(TAKEN))
def test_who_comes_in_by_a_narrower_role(app, database_urls, role):
    own, gone = TAKEN[role]
    centre = make_centre(database_urls["owner"])
    user = bear(make_user(centre, role, make_team(centre)), **own)
    client = app.test_client()
    sign_in(client, user, fresh=True)
    token = {"X-CSRFToken": token_in(client.get("/inbox").text)}
    came_in = set()
    for endpoint in GUARDED:
        for method, path in asked(app, endpoint):
            with put_aside(app, endpoint) as came:
                client.open(path, method=method, headers=token)
            came_in.update(came)
    expected = {endpoint for endpoint in GUARDED if role in ADMITTED[endpoint]} - set(gone.split())
    assert came_in - ANYBODY == expected


@pytest.mark.parametrize("role", NARROWED)
def test_a_token_of_a_narrower_role_carries_what_is_left(app, database_urls, role):
    """Made before the role was narrowed, it carried more."""
    user = make_user(make_centre(database_urls["owner"]), role)
    bearer = {"Authorization": f"Bearer {make_token(user)}"}
    held = app.test_client().get("/api/v1/me", headers=bearer).json["permissions"]
    assert set(held) == {permission.value for permission in Permission if permission in BUILT_IN[role].scopes}
    bear(user, **TAKEN[role][0])
    left = app.test_client().get("/api/v1/me", headers=bearer).json["permissions"]
    assert set(left) == {permission.value for permission in narrow(role, TAKEN[role][0]).scopes}
    assert set(left) < set(held)


def test_the_floor_can_be_kept_from_every_group_but_what_it_works_by():
    for role in FLOOR:
        assert {group for group, choices in fields_to_choose(role).items() if "mask" in choices} == CHILD
