"""What a role of the centre's own takes away is gone from rows, pages and programs, from the next request on."""

import psycopg
import pytest
from psycopg.types.json import Jsonb
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from helpline.accounts.commands import Ask
from helpline.accounts.services import approvals
from helpline.accounts.vocabulary import ApprovalKind
from helpline.cases import queries as cases
from helpline.cases.commands import CloseCase
from helpline.cases.services import closing
from helpline.cases.vocabulary import CloseReason
from helpline.foundation.db import db, unit_of_work
from helpline.foundation.ids import new_id
from tests.factories.accounts import add_authenticator, bear, make_user, sign_in
from tests.factories.agencies import make_agency
from tests.factories.calls import do
from tests.factories.cases import assign, make_place, open_case
from tests.factories.privacy import break_glass
from tests.journeys.people import make_token
from tests.oversight.services.test_watching import raise_in

TABLES = {"cases": "id", "calls": "id", "case_events": "case_id", "referrals": "case_id", "followups": "case_id"}


def seen(user, *, kind="cases"):
    with unit_of_work(user.ctx()):
        return set(db.session.scalars(text(f"SELECT {TABLES[kind]} FROM {kind}")))


@pytest.fixture
def made(world, app):
    """By how a supervisor of `world.team` stands to it: a case, made by themselves or by another, in their team or not."""
    boss = world.team_supervisor
    with app.app_context():
        found = {
            (whose, team): open_case(world, team_id=where, team=where)
            for whose in ("mine", "other") for team, where in (("team", world.team), ("elsewhere", world.other_team))
        }  # fmt: skip
    with psycopg.connect(world.centre.owner_url) as connection:
        for (whose, _team), case_id in found.items():
            if whose == "mine":
                connection.execute("UPDATE cases SET opened_by = %s WHERE id = %s", [boss.id, case_id])
                connection.execute(
                    "UPDATE calls SET operator_id = %s WHERE id = (SELECT call_id FROM cases WHERE id = %s)",
                    [boss.id, case_id],
                )
    return found


# What of the four a team's supervisor sees, by what a role of the centre's own says of reading cases.
LEFT = {
    None: {("mine", "team"), ("other", "team")},
    "team": {("mine", "team"), ("other", "team")},
    "own": {("mine", "team")},  # what they made and another team has by now was out of their sight before, too
    "assigned": set(),
    "none": set(),
    "centre": {("mine", "team"), ("other", "team")},  # no step down: it stays as it is
}


@pytest.mark.parametrize(("said", "left"), LEFT.items())
def test_the_rows_that_are_left(world, made, in_app, said, left):
    boss = bear(world.team_supervisor, scopes={"case:read": said, "call:read": said} if said else {})
    assert seen(boss) == seen(boss, kind="case_events") == {made[how] for how in left}
    with psycopg.connect(world.centre.owner_url) as connection:
        calls = connection.execute("SELECT call_id FROM cases WHERE id = ANY (%s)", [[made[how] for how in left]])
        assert seen(boss, kind="calls") == {call for (call,) in calls}


def test_what_is_given_to_them_stays_but_where_they_read_none(world, made, in_app):
    case_id = made["other", "elsewhere"]
    with psycopg.connect(world.centre.owner_url) as connection:
        connection.execute(
            "INSERT INTO grants (id, principal_id, kind, record_id, effect, reason, source_id, granted_by, from_at)"
            " VALUES (%s, %s, 'case', %s, 'allow', 'assigned', %s, %s, now() - interval '1 minute')",
            [new_id(), world.team_supervisor.id, case_id, case_id, world.supervisor.id],
        )
    for said in ("own", "assigned"):
        assert case_id in seen(bear(world.team_supervisor, scopes={"case:read": said}))
    assert seen(bear(world.team_supervisor, scopes={"case:read": "none"})) == set()


def test_a_centres_supervisor_narrowed_to_a_team(world, made, in_app):
    boss = make_user(world.centre, "supervisor", world.team)
    assert seen(boss) == set(made.values())
    narrow = bear(boss, scopes={"case:read": "team", "call:read": "team"})
    assert seen(narrow) == seen(narrow, kind="case_events") == {made["mine", "team"], made["other", "team"]}


def test_it_counts_from_the_next_request(world, made, app):
    boss, case_id = world.team_supervisor, made["other", "team"]
    client, bearer = app.test_client(), {"Authorization": f"Bearer {make_token(boss)}"}
    sign_in(client, boss)

    def answers():
        script = app.test_client().get(f"/api/v1/cases/{case_id}", headers=bearer)
        return client.get(f"/cases/{case_id}").status_code, script.status_code

    assert answers() == (200, 200)
    with app.app_context():
        bear(boss, scopes={"case:read": "own"})
    assert answers() == (404, 404)
    with psycopg.connect(world.centre.owner_url) as connection:
        connection.execute("UPDATE centre_roles SET scopes = %s", [Jsonb({"figures:read": "none"})])
    assert answers() == (200, 200), "the role was changed, not who has it"
    with psycopg.connect(world.centre.owner_url) as connection:
        connection.execute("UPDATE centre_roles SET fields = %s", [Jsonb({"story": "mask"})])
    answer = app.test_client().get(f"/api/v1/cases/{case_id}", headers=bearer).json
    assert (answer["summary"], "summary" in answer["masked"]) == (None, True)


def test_whoever_reads_less_than_a_team_asks_to_close(world, made, in_app):
    """What a team's supervisor does by themselves, one who sees their own alone does not."""
    case_id = made["mine", "team"]
    narrow = bear(world.team_supervisor, scopes={"case:read": "own"})
    command = CloseCase(case_id, 1, CloseReason.GOALS_MET, "She is safe.")
    with psycopg.connect(world.centre.owner_url) as connection:
        connection.execute("DELETE FROM case_obligations WHERE case_id = %s", [case_id])
    do(narrow, closing.close_case, command)
    with unit_of_work(world.supervisor.ctx()):
        case = cases.get_case(case_id)
    assert (case.status, case.closing_requested_at is not None) == ("open", True)


def by_hand(user, statement, **values):
    with unit_of_work(user.ctx()):
        return db.session.execute(text(statement), values).rowcount


_ASK = """INSERT INTO approvals (id, record_key, centre_id, kind, {about}, detail, requested_by, requested_at, expires_at)
    VALUES (uuidv7(), 'x', :centre, '{kind}', {value}, '{{}}', :me, now(), now() + interval '1 day')"""
# What a role lost -> what by free SQL went by the role alone before, in the database as nearly as in the services.
ACTS = (
    ("agency:edit", """INSERT INTO agencies (id, centre_id, names, kind, languages, opening, nationwide, active, created_at,
        version) VALUES (uuidv7(), :centre, '{}', 'ngo', '{}', '{}', true, true, now(), 1)"""),
    ("agency:edit", "UPDATE agencies SET phone = '1' WHERE id = :agency"),
    ("agency:edit", """INSERT INTO agency_services (agency_id, service, centre_id, sexes)
        VALUES (:agency, 'school', :centre, '{}')"""),
    ("agency:edit", "UPDATE agency_services SET capacity = 1 WHERE agency_id = :agency"),
    ("agency:edit", "DELETE FROM agency_services WHERE agency_id = :agency"),
    ("agency:edit", "INSERT INTO agency_coverage (agency_id, place_id, centre_id) VALUES (:agency, :place, :centre)"),
    ("agency:edit", "DELETE FROM agency_coverage WHERE agency_id = :agency"),
    ("approval:ask", _ASK.format(about="subject_id", kind="factor_reset", value=":colleague")),
    ("export:bulk", _ASK.replace("{about}, ", "").replace("{value}, ", "").format(kind="bulk_export")),
    ("retention:review", _ASK.format(about="record_id", kind="erasure", value=":case")),
    ("approval:decide", """UPDATE approvals SET decision = 'declined', decided_by = :me, decided_at = now()
        WHERE id = :approval"""),
    ("glass:review", """UPDATE glass_overrides SET reviewed_by = :me, reviewed_at = now(), outcome = 'justified'
        WHERE id = :override"""),
    ("alert:settle", "UPDATE reading_alerts SET settled_by = :me, settled_at = now() WHERE id = :alert"),
)  # fmt: skip


@pytest.fixture
def there(world, in_app):
    """What the acts are about, by the names that their statements have for it."""
    case_id = open_case(world)
    asked = Ask(new_id(), ApprovalKind.FACTOR_RESET, world.caseworker.id, "Known for years.")
    add_authenticator(world.caseworker)
    return {
        "me": world.supervisor.id, "centre": world.centre.id, "colleague": world.operator.id, "case": case_id,
        "agency": make_agency(world), "place": make_place(world.centre.owner_url),
        "approval": do(world.admin, approvals.ask, asked)[1].id,
        "override": break_glass(world.other_caseworker, case_id),
        "alert": raise_in(world.centre.owner_url, world.operator),
    }  # fmt: skip


@pytest.mark.parametrize(("lost", "statement"), ACTS, ids=[f"{n}-{lost}" for n, (lost, _sql) in enumerate(ACTS)])
def test_what_went_by_the_role_alone_goes_with_what_is_left(world, there, lost, statement):
    """By free SQL, with the signed context of somebody whose role was narrowed."""
    values = {name: each for name, each in there.items() if f":{name}" in statement}
    narrow = bear(world.supervisor, scopes={lost: "none"})
    if statement.startswith("DELETE"):
        assert by_hand(narrow, statement, **values) == 0
    else:
        with pytest.raises(DBAPIError, match="row-level security"):
            by_hand(narrow, statement, **values)
        db.session.rollback()
    assert by_hand(world.supervisor, statement, **values) == 1


def test_emergency_access_that_was_taken_away_is_refused_by_the_database(world, in_app):
    case_id = open_case(world, team_id=world.other_team)
    statement = "SELECT app.break_glass(uuidv7(), :case, 'x', 'x')"
    assert seen(world.caseworker) == set()
    narrow = bear(world.caseworker, scopes={"glass:break": "none"})
    with pytest.raises(DBAPIError, match="emergency"):
        by_hand(narrow, statement, case=str(case_id))
    db.session.rollback()
    assert seen(narrow) == set()
    by_hand(world.caseworker, statement, case=str(case_id))
    assert seen(world.caseworker) == {case_id}


def test_a_caseworker_who_reads_no_case_sees_none_that_is_given(world, in_app):
    case_id = open_case(world)
    assign(world, case_id)
    assert seen(world.caseworker) == {case_id}
    assert seen(bear(world.caseworker, scopes={"case:read": "none"})) == set()


def test_a_case_page_hides_the_story_says_so_and_offers_nothing_that_needs_it(world, app):
    with app.app_context():
        case_id = open_case(world, summary="The lamp was broken.")
    client = app.test_client()
    sign_in(client, world.supervisor)
    whole = client.get(f"/cases/{case_id}").text
    assert "The lamp was broken." in whole
    assert f"/cases/{case_id}/notes/new" in whole
    bear(world.supervisor, fields={"story": "mask"})
    page = client.get(f"/cases/{case_id}").text
    assert "The lamp was broken." not in page
    assert 'class="masked' in page
    for address in ("notes/new", "consent", "risk", "needs", "close"):
        assert f"/cases/{case_id}/{address}" not in page
