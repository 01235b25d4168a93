"""Who gets through which door: every route of pages and API, asked by somebody of every role and by a visitor.

The table is written by hand, from the roles of the access matrix as people understand them, never made from the matrix
itself. A route that is missing here fails. Views are put aside while asking: what counts is whether they were reached.
"""

import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest
from flask import Flask

from tests.factories.accounts import make_centre, make_team, make_user, sign_in
from tests.journeys.people import make_token

ROLES = {"operator", "caseworker", "team_supervisor", "supervisor", "admin", "auditor"}
ALL = "visitor", *sorted(ROLES)
ANYBODY = frozenset(ALL)
LINK = frozenset()  # nobody by sign-in: a partner's link alone opens it (tests/referrals)
STAFF = frozenset(ROLES)
SUPERVISORS = frozenset({"team_supervisor", "supervisor"})
CALL_TAKERS = SUPERVISORS | {"operator"}
CARERS = SUPERVISORS | {"caseworker"}
BREAK_GLASS = frozenset({"operator", "caseworker", "team_supervisor"})
FLOOR = SUPERVISORS | {"operator", "caseworker"}
IN_THE_HOUSE = FLOOR | {"admin"}
RUNS_CENTRE = frozenset({"supervisor", "admin"})
SEES_MAIL = SUPERVISORS | {"admin"}
ADMIN = frozenset({"admin"})
SUPERVISOR = frozenset({"supervisor"})
AUDITOR = frozenset({"auditor"})

DOORS = {
    ANYBODY: """
        api-docs.openapi_json health.healthz health.readyz static keys.ask_to_open keys.open_again accounts.forgotten accounts.send_link
        accounts.invitation accounts.join accounts.set_locale accounts.leave accounts.new_password
        accounts.take_password accounts.sign_in accounts.start accounts.set_theme""",
    LINK: """
        referrals.portal_page referrals.open_request referrals.answer api_referrals.open_request
        api_referrals.answer keys.ask_to_lock_by_link keys.lock_by_link""",
    STAFF: """
        desk.call_desk accounts.account accounts.save_account accounts.change_password accounts.end_session
        accounts.tokens accounts.create_token accounts.revoke_token accounts.lock accounts.sign_out accounts.unlock
        accounts.open_again accounts.factor accounts.give_factor accounts.security accounts.confirm accounts.set_up
        accounts.begin_authenticator accounts.authenticator accounts.confirm_authenticator accounts.new_passkey
        accounts.object_to_approval accounts.add_passkey accounts.make_recovery_codes accounts.remove_factor accounts.end_other_sessions
        notifications.inbox notifications.open_message notifications.read_all
        api_accounts.get_me api_accounts.change_me api_accounts.list_tokens
        api_accounts.create_token api_accounts.revoke_token api_accounts.get_centre api_accounts.list_teams
        api_accounts.list_users api_accounts.list_roles api_notifications.list_messages api_reference.search_places api_reference.get_place
        api_reference.get_taxonomy api_reference.search_terms""",
    CALL_TAKERS: """
        calls.log_call calls.correction calls.discard calls.void calls.write calls.new_call calls.log_quick
        calls.reasons calls.risk api_calls.log_call api_calls.correct_call api_calls.void_call api_calls.save_draft
        api_calls.get_draft api_calls.discard_draft api_calls.log_quick_call""",
    FLOOR: """
        search.find search.known api_search.find api_search.look_for_doubles
        calls.list_calls calls.show calls.history calls.before api_calls.list_calls api_calls.get_call
        api_calls.get_history api_calls.list_earlier
        cases.open_case cases.list_cases cases.set_consent cases.set_needs cases.add_note cases.change_risk
        cases.move_to_step desk.case_page desk.my_work api_cases.list_cases api_cases.open_case api_cases.get_case
        api_cases.get_timeline api_cases.list_obligations api_cases.set_consent api_cases.set_needs
        api_cases.add_note api_cases.change_risk api_cases.move_to_step
        referrals.list_referrals referrals.show_referral referrals.request_referral referrals.new_referral
        referrals.try_again referrals.record_service referrals.withdraw api_referrals.list_for_case
        api_referrals.request_referral api_referrals.list_referrals api_referrals.get_referral
        api_referrals.try_again api_referrals.record_service api_referrals.withdraw
        followups.list_followups api_followups.list_followups api_followups.get_followup
        privacy.access api_privacy.read_access
        registers.case_disclosures registers.record_disclosure api_registers.read_case_disclosures
        api_registers.record_disclosure""",
    BREAK_GLASS: """
        privacy.break_glass privacy.end_override api_privacy.break_glass api_privacy.end_override""",
    CARERS: """
        cases.close cases.decide_closing cases.reopen api_cases.close_case api_cases.decide_closing
        api_cases.reopen_case followups.add followups.complete followups.cancel followups.reschedule
        api_followups.add api_followups.complete api_followups.cancel api_followups.reschedule""",
    SUPERVISORS: """
        cases.assign api_cases.assign api_cases.list_caseworkers referrals.choose_agency
        api_referrals.choose_agency dashboards.figures api_dashboards.read_figures
        privacy.close_to privacy.lift api_privacy.close_to api_privacy.lift privacy.review api_privacy.review
        registers.prepare_export registers.make_export registers.download""",
    SUPERVISOR: """
        registers.new_bulk registers.ask_bulk registers.make_bulk
        retention.show_record retention.keep retention.set_hold retention.lift_hold retention.propose
        api_retention.read_record api_retention.keep api_retention.set_hold api_retention.lift_hold
        api_retention.propose""",
    SUPERVISORS | AUDITOR: """
        privacy.list_overrides privacy.show_override api_privacy.list_overrides api_privacy.read_override
        registers.list_exports registers.show_export api_registers.list_exports""",
    IN_THE_HOUSE: """
        keys.ask_to_lock keys.lock agencies.list_agencies agencies.show_agency api_agencies.list_agencies api_agencies.get_agency""",
    RUNS_CENTRE: """
        registers.record_demand registers.open_breach registers.enter_step api_registers.record_demand
        api_registers.open_breach api_registers.enter_step
        accounts.new_approval accounts.ask_approval accounts.decide_approval accounts.stop_approval
        api_accounts.ask_approval api_accounts.decide_approval api_accounts.stop_approval
        agencies.set_active agencies.change_agency agencies.edit_agency agencies.new_agency agencies.add_agency
        api_agencies.add_agency api_agencies.edit_agency api_agencies.set_active
        imports.list_imports imports.upload imports.show_import imports.discard imports.set_mapping imports.rejects
        imports.unknown api_imports.list_findings
        imports.take_step api_imports.list_imports api_imports.upload api_imports.read_import api_imports.discard
        api_imports.set_mapping api_imports.take_step""",
    RUNS_CENTRE | AUDITOR: """
        registers.front registers.list_demands registers.show_demand registers.list_breaches registers.show_breach
        registers.read_processing api_registers.list_demands api_registers.read_demand api_registers.list_breaches
        api_registers.read_breach api_registers.read_processing
        accounts.list_approvals accounts.show_approval api_accounts.list_approvals api_accounts.get_approval
        retention.list_due retention.list_holds retention.list_erasures retention.list_rules
        api_retention.list_due api_retention.list_holds api_retention.list_erasures api_retention.list_rules""",
    SEES_MAIL: """
        notifications.deliveries notifications.resolve notifications.mailbox api_notifications.list_deliveries
        api_notifications.resolve_delivery""",
    ADMIN: """
        accounts.centre accounts.edit_centre accounts.show_team accounts.edit_team accounts.new_team
        accounts.create_team accounts.list_users accounts.show_user accounts.edit_user accounts.deactivate_user
        retention.set_rule api_retention.set_rule keys.keys keys.rotate keys.retire keys.make_link keys.end_link
        accounts.invite_again accounts.reactivate_user accounts.new_user accounts.invite_user
        accounts.list_roles accounts.new_role accounts.create_role accounts.show_role accounts.edit_role
        accounts.retire_role api_accounts.create_role api_accounts.edit_role api_accounts.retire_role
        api_accounts.create_team api_accounts.edit_team api_accounts.edit_centre api_accounts.invite_user
        api_accounts.get_user api_accounts.edit_user api_accounts.deactivate_user api_accounts.invite_again
        api_accounts.reactivate_user""",
    AUDITOR: "oversight.audit api_oversight.list_entries api_oversight.read_standing",
    AUDITOR | SUPERVISOR: """
        registers.disclosures api_registers.read_disclosures
        oversight.alerts oversight.settle api_oversight.list_alerts api_oversight.settle_alert""",
    ADMIN | AUDITOR: "oversight.matrix api_oversight.read_matrix",
}
ADMITTED = {endpoint: who for who, endpoints in DOORS.items() for endpoint in endpoints.split()}


def test_the_table_names_every_route_once(app):
    named = " ".join(DOORS.values()).split()
    assert len(named) == len(set(named))
    assert set(named) == {rule.endpoint for rule in app.url_map.iter_rules()}


@contextmanager
def put_aside(app: Flask, endpoint: str) -> Iterator[list[str]]:
    """Behind the guard of this route stands nothing but a note that somebody came in."""
    came: list[str] = []
    door = app.view_functions[endpoint]
    while door.__code__.co_qualname != "_decorate.<locals>.guarded":
        door = door.__wrapped__
    cell = door.__closure__[door.__code__.co_freevars.index("view")]
    view = cell.cell_contents

    def stand_in(**_: object) -> str:
        came.append(endpoint)
        return "inside"

    cell.cell_contents = stand_in
    try:
        yield came
    finally:
        cell.cell_contents = view


@pytest.fixture(scope="module")
def people(database_urls):
    centre = make_centre(database_urls["owner"])
    team = make_team(centre)
    return {role: make_user(centre, role, team) for role in sorted(ROLES)}


def token_in(page: str) -> str:
    return re.search(r'name="csrf_token" value="([^"]+)"', page)[1]


@pytest.fixture(scope="module")
def browsers(app, people):
    """Who: a browser signed in as them, and what its forms carry."""
    found = {"visitor": app.test_client()}
    for role, user in people.items():
        found[role] = app.test_client()
        sign_in(found[role], user, fresh=True)
    pages = {who: "/sign-in" if who == "visitor" else "/inbox" for who in found}
    return {who: (client, {"X-CSRFToken": token_in(client.get(pages[who]).text)}) for who, client in found.items()}


@pytest.fixture(scope="module")
def bearers(app, people):
    """Who: a script without a cookie, and the token it shows."""
    found = {
        role: (app.test_client(), {"Authorization": f"Bearer {make_token(user)}"}) for role, user in people.items()
    }
    return {"visitor": (app.test_client(), {}), **found}


@pytest.fixture(scope="module")
def refusals(database_urls, people):
    """`refusals(who)`: how many are on record for them."""
    with psycopg.connect(database_urls["owner"], autocommit=True) as connection:
        statement = "SELECT count(*) FROM audit_entries WHERE actor_id = %s AND outcome = 'refused'"
        yield lambda who: connection.execute(statement, [people[who].id]).fetchone()[0] if who in people else 0


def asked(app: Flask, endpoint: str) -> list[tuple[str, str]]:
    """Each (method, path) of an endpoint; ids and tokens in it lead nowhere."""
    return [
        (
            method,
            re.sub(r"<uuid:[^>]+>", str(uuid.uuid4()), rule.rule).replace("<token>", "x").replace("<locale>", "en"),
        )
        for rule in app.url_map.iter_rules(endpoint)
        for method in sorted(rule.methods - {"HEAD", "OPTIONS"})
    ]


def turned_away(endpoint: str, who: str, method: str, answer) -> None:
    """A stranger is asked to sign in; somebody we know is told no; a link that isn't one is nobody's door."""
    if ADMITTED[endpoint] == LINK:
        assert answer.status_code == (401 if endpoint.startswith("api_") else 404)
    elif who != "visitor":
        assert answer.status_code == 403
    elif endpoint.startswith("api_") or method != "GET":
        assert answer.status_code == 401
    else:
        assert (answer.status_code, answer.location.partition("?")[0]) == (302, "/sign-in")


WHILE_CLOSED = {"keys.ask_to_open", "keys.open_again"}  # not there while the keys are open: tests/keys/test_pages.py
GUARDED = sorted(set(ADMITTED) - WHILE_CLOSED - {"api-docs.openapi_json", "health.healthz", "health.readyz", "static"})


@pytest.mark.parametrize("endpoint", GUARDED)
def test_who_comes_in(app, browsers, bearers, refusals, endpoint):
    script = endpoint.startswith("api_") and not app.view_functions[endpoint].helpline_fresh
    ways = bearers if script else browsers
    for method, path in asked(app, endpoint):
        for who in ALL:
            client, headers = ways[who]
            before = refusals(who)
            with put_aside(app, endpoint) as came:
                answer = client.open(path, method=method, headers=headers)
            where = f"{method} {path} as {who}"
            if who in ADMITTED[endpoint]:
                assert came == [endpoint], where
                assert answer.text == "inside", where
                assert refusals(who) == before, where
            else:
                assert came == [], where
                turned_away(endpoint, who, method, answer)
                told_no = ADMITTED[endpoint] != LINK and who != "visitor"
                assert refusals(who) == before + told_no, where


# What a second factor given within ten minutes is needed for, beside setting one up, by hand.
FRESH = {
    "accounts.confirm", "accounts.begin_authenticator", "accounts.authenticator", "accounts.confirm_authenticator",
    "accounts.new_passkey", "accounts.add_passkey",
    "accounts.make_recovery_codes", "accounts.remove_factor", "accounts.create_token", "accounts.invite_user",
    "accounts.ask_approval", "accounts.decide_approval", "api_accounts.ask_approval", "api_accounts.decide_approval",
    "accounts.edit_user", "api_accounts.create_token", "api_accounts.invite_user", "api_accounts.edit_user",
    "accounts.create_role", "accounts.edit_role", "accounts.retire_role", "api_accounts.create_role",
    "api_accounts.edit_role", "api_accounts.retire_role",
    "imports.rejects", "imports.unknown", "keys.rotate", "keys.retire", "keys.make_link", "keys.end_link", "privacy.break_glass",
    "api_privacy.break_glass", "registers.make_export", "registers.download", "registers.ask_bulk", "registers.make_bulk",
    "retention.propose", "api_retention.propose",
}  # fmt: skip


def test_what_matters_asks_for_a_factor_given_just_now(app):
    assert {name for name, view in app.view_functions.items() if getattr(view, "helpline_fresh", False)} == FRESH


@pytest.mark.parametrize("endpoint", sorted(name for name in FRESH if name.startswith("api_")))
def test_no_api_token_does_what_matters(app, bearers, endpoint):
    who = next(role for role in ("admin", "caseworker", "supervisor") if role in ADMITTED[endpoint])
    client, headers = bearers[who]
    for method, path in asked(app, endpoint):
        with put_aside(app, endpoint) as came:
            answer = client.open(path, method=method, headers=headers, json={})
        assert (answer.status_code, answer.json["code"], came) == (403, "step_up_needed", [])


@pytest.mark.parametrize("endpoint", sorted(set(ADMITTED) - set(GUARDED)))
def test_what_has_no_guard_is_marked_so(app, endpoint):
    mark = "while_closed" if endpoint in WHILE_CLOSED else "unguarded"
    assert app.view_functions[endpoint].helpline_guard == mark
