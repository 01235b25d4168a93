"""What left the house about a child: all of it in one list, with words for those in reach and without for auditors."""

from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from helpline.foundation.access.permissions import FieldGroup, SystemActor
from helpline.foundation.clock import now
from helpline.foundation.context import Actor, Channel, Context, system_context
from helpline.foundation.db import db, unit_of_work
from helpline.foundation.errors import Conflict, Forbidden, Invalid, NotFound
from helpline.foundation.ids import new_id
from helpline.referrals.services import portal, routing
from helpline.registers.commands import RecordDemand
from helpline.registers.services import looking, recording
from helpline.registers.vocabulary import Authority, DemandBasis, DemandOutcome, Means, Recipient, Told
from tests.factories.agencies import make_agency
from tests.factories.calls import do
from tests.factories.cases import assign, make_world, open_case
from tests.factories.privacy import close
from tests.factories.registers import WHAT, tell

pytestmark = pytest.mark.usefixtures("in_app")
G = FieldGroup


def ledger(user, case_id):
    return do(user, looking.see_ledger, case_id)[1]


def code_of(rows, case_id):
    return rows("SELECT code FROM cases WHERE id = %s", case_id)[0][0]


def demand(user, *cases):
    command = RecordDemand(
        new_id(), now(), Authority.COURT, DemandBasis.COURT_ORDER, DemandOutcome.PARTLY, Told.LATER, cases,
        {"authority": "The court of first instance", "demanded": "The file"},
    )  # fmt: skip
    return do(user, recording.record_demand, command)[1].id


def refer(world, case_id):
    """An agency is asked and opens the request by its link."""
    with unit_of_work(system_context(SystemActor.ROUTER)) as ctx:
        routing.request_needs(ctx, case_id, ["health"])
    with unit_of_work(system_context(SystemActor.ROUTER)) as ctx:
        for (referral_id,) in db.session.execute(
            text("SELECT id FROM referrals WHERE case_id = :id"), {"id": case_id}
        ).all():
            routing.route(ctx, referral_id)
    with unit_of_work(system_context(SystemActor.ROUTER)) as ctx:
        [ask_id] = db.session.scalars(text("SELECT id FROM referral_asks WHERE case_id = :id"), {"id": case_id}).all()
    actor = Actor(id=ask_id, role="partner", centre_id=world.centre.id)
    ctx = Context(actor=actor, now=now(), request_id=new_id(), channel=Channel.PORTAL)
    with unit_of_work(ctx):
        portal.view_request(ctx)


def test_everything_that_left_stands_in_one_list(world, rows):
    make_agency(world)
    case_id = open_case(world, needs=("health",))
    refer(world, case_id)
    tell(world.operator, case_id)
    demand(world.supervisor, code_of(rows, case_id))
    found = {line.kind: line for line in ledger(world.operator, case_id)}
    assert set(found) == {"asked", "opened", "by_hand", "demand"}
    assert found["opened"].field_groups == ["case_administration", "location", "risk", "statistics"]
    assert found["opened"].names["en"].startswith("Clinic")
    assert found["by_hand"].details == {"recipient": "police", "means": "telephone", "basis": "danger_to_life"}
    assert (found["by_hand"].recipient, found["by_hand"].what) == ("Officer Vuthy", WHAT)
    assert found["demand"].details["outcome"] == "partly"


def test_an_auditor_reads_it_by_number_and_no_word_of_it(world, rows):
    case_id = open_case(world)
    tell(world.operator, case_id)
    _id, [line] = do(world.auditor, looking.find_ledger, code_of(rows, case_id).lower())[1]
    assert (line.kind, line.details["basis"], line.field_groups) == ("by_hand", "danger_to_life", ["location"])
    assert (line.recipient, line.what) == (None, None)
    with unit_of_work(world.auditor.ctx()):
        assert db.session.execute(text("SELECT id FROM disclosures")).all() == []


def test_reading_its_words_is_on_record_as_story(world, rows):
    case_id = open_case(world)
    tell(world.operator, case_id)
    ledger(world.supervisor, case_id)
    shown = "SELECT field_groups FROM audit_entries WHERE actor_id = %s AND action = 'case.shown'"
    assert rows(shown, world.supervisor.id) == [(["story"],)]


@pytest.mark.parametrize("role", ["operator", "caseworker", "team_supervisor", "admin"])
def test_the_register_is_for_supervisors_of_the_centre_and_auditors(world, role, refusals):
    user = getattr(world, role)
    with pytest.raises(Forbidden):
        do(user, looking.find_ledger, "HC-1")
    assert refusals(user) == 1


def test_it_is_the_childs_and_each_case_is_shown_to_whom_reaches_it(world, database_urls, rows):
    mine, theirs = (open_case(world, team_id=team, team=team) for team in (world.team, world.other_team))
    persons = dict(rows("SELECT id, child_person_id FROM cases WHERE id = ANY (%s)", [mine, theirs]))
    rows("UPDATE persons SET canonical_person_id = %s WHERE id = %s RETURNING 1", persons[mine], persons[theirs])
    for case_id in (mine, theirs):
        tell(world.supervisor, case_id)
    assert {line.case_id for line in ledger(world.supervisor, theirs)} == {mine, theirs}
    assert {line.case_id for line in ledger(world.team_supervisor, mine)} == {mine}
    with pytest.raises(NotFound):
        ledger(world.team_supervisor, theirs)


def test_who_does_not_reach_it_gets_nothing_by_the_function_either(world, database_urls):
    case_id = open_case(world)
    tell(world.operator, case_id)
    stranger = make_world(database_urls["owner"])
    close(world.supervisor, case_id, world.team_supervisor.id)
    users = (stranger.supervisor, stranger.auditor, world.admin, world.other_caseworker, world.team_supervisor)
    for user in users:
        with unit_of_work(user.ctx()):
            assert db.session.execute(text("SELECT * FROM app.disclosures_of(:id)"), {"id": case_id}).all() == []
            assert db.session.execute(text("SELECT * FROM app.readings_of(:id)"), {"id": case_id}).all() == []


def test_a_correction_is_an_entry_of_its_own_and_counts_instead(world, rows):
    case_id = open_case(world)
    first = tell(world.operator, case_id)
    second = tell(world.supervisor, case_id, corrects_id=first, recipient_kind=Recipient.HEALTH)
    assert [line.source_id for line in ledger(world.operator, case_id)] == [second]
    assert rows("SELECT count(*) FROM disclosures WHERE case_id = %s", case_id) == [(2,)]
    with pytest.raises(Conflict, match="corrected_already"):
        tell(world.operator, case_id, corrects_id=first)
    with pytest.raises(NotFound):
        tell(world.operator, open_case(world), corrects_id=second)


@pytest.mark.parametrize(
    ("field", "given"),
    [
        ("recipient", {"recipient": " "}),
        ("what", {"what": " "}),
        ("given_at", {"given_at": now() + timedelta(hours=9)}),
    ],
)
def test_what_must_be_said(world, field, given, rows):
    case_id = open_case(world)
    with pytest.raises(Invalid) as problem:
        tell(world.operator, case_id, **given)
    assert problem.value.field == field
    assert rows("SELECT count(*) FROM disclosures WHERE case_id = %s", case_id) == [(0,)]


def test_the_same_again_enters_it_once(world, rows):
    case_id, disclosure_id = open_case(world), new_id()
    for _ in range(2):
        tell(world.operator, case_id, disclosure_id=disclosure_id)
    entries = "SELECT count(*) FROM audit_entries WHERE action = 'disclosure.recorded' AND %s = ANY (subject_ids)"
    assert rows(entries, case_id) == [(1,)]
    for user, case, given in (
        (world.operator, case_id, {"what": "And where she sleeps."}),
        (world.operator, case_id, {"recipient": "Officer Dara"}),
        (world.operator, case_id, {"recipient_kind": Recipient.COURT}),
        (world.operator, case_id, {"means": Means.PAPER}),
        (world.operator, case_id, {"groups": (G.LOCATION, G.STORY)}),
        (world.operator, open_case(world), {}),
        (world.supervisor, case_id, {}),
    ):
        with pytest.raises(Conflict, match="id_in_use"):
            tell(user, case, disclosure_id=disclosure_id, **given)


def test_whoever_has_the_case_enters_what_they_told_and_nobody_else(world, refusals):
    case_id = open_case(world)
    assign(world, case_id)
    assert tell(world.caseworker, case_id)
    for user, problem in ((world.other_caseworker, NotFound), (world.admin, Forbidden), (world.auditor, Forbidden)):
        with pytest.raises(problem):
            tell(user, case_id)
        assert refusals(user) == 1


@pytest.mark.parametrize(
    "attempt",
    ["UPDATE disclosures SET basis = 'consent' WHERE id = :id", "DELETE FROM disclosures WHERE id = :id",
     ("INSERT INTO disclosures SELECT (jsonb_populate_record(d, jsonb_build_object('id', uuidv7(), 'recorded_by', :other))).*"
      " FROM disclosures d WHERE id = :id")],
)  # fmt: skip
def test_nothing_is_changed_or_entered_in_anothers_name(world, attempt):
    disclosure_id = tell(world.operator, open_case(world))
    with pytest.raises(DBAPIError), unit_of_work(world.operator.ctx()):
        db.session.execute(text(attempt), {"id": disclosure_id, "other": str(world.supervisor.id)})
