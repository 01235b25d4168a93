"""A subject's export: what is in it, what is kept out of it and why, who makes it, and that it goes."""

import html
import io
import json
import zipfile

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from helpline.cases.commands import AddNote, Consent, OpenCase
from helpline.cases.services import opening, working
from helpline.cases.vocabulary import ConsentAnswer, ConsentBy, NoteKind
from helpline.foundation.access.permissions import FieldGroup
from helpline.foundation.clock import now
from helpline.foundation.db import db, unit_of_work
from helpline.foundation.errors import Conflict, Forbidden, Invalid, NotFound
from helpline.foundation.ids import new_id
from helpline.registers.commands import RecordDemand
from helpline.registers.services import dossier, exporting, recording
from helpline.registers.vocabulary import Authority, DemandBasis, DemandOutcome, Recipient, Told, Withheld
from tests.factories.calls import CANARY, PHONE, do, logged_call
from tests.factories.cases import assign, make_world, open_case
from tests.factories.privacy import break_glass, close
from tests.factories.registers import export as make

pytestmark = pytest.mark.usefixtures("in_app")
SUMMARY, NOTE = "She sleeps at her aunt's.", "=1+1 <b>The aunt was asked.</b>"
STAFF = ("operator", "caseworker", "admin", "auditor")


@pytest.fixture
def case_id(world):
    """A case with a summary and a note, told of by a neighbour."""
    found = open_case(world, summary=SUMMARY, team_id=world.team)
    do(world.supervisor, working.add_note, AddNote(new_id(), found, NoteKind.NOTE, NOTE))
    return found


def take(user, export_id, *, at=None):
    taken = do(user, exporting.take_export, export_id, at=at)[1]
    with zipfile.ZipFile(io.BytesIO(taken.body)) as package:
        return {name: package.read(name).decode() for name in package.namelist()}


def data_of(user, case_id, **given):
    return json.loads(take(user, make(user, case_id, **given))["data.json"])["records"]


def fields(records, section):
    return [record["fields"] for record in records if record["section"] == section]


def test_everything_held_is_in_it_by_section(world, case_id):
    records = data_of(world.supervisor, case_id)
    assert fields(records, "identity")[0]["name"] == "Srey Neang"
    assert fields(records, "case")[0]["summary"] == SUMMARY
    assert [each["note"] for each in fields(records, "note")] == [NOTE]
    assert {"identity", "call", "case", "note"} == {record["section"] for record in records}


def test_who_read_it_is_told_by_role_and_never_by_name(world, case_id, rows):
    [(name,)] = rows("SELECT name FROM users WHERE id = %s", world.supervisor.id)
    do(world.supervisor, dossier.gather, case_id)
    package = take(world.supervisor, make(world.supervisor, case_id))
    readings = fields(json.loads(package["data.json"])["records"], "reading")
    assert {each["role"] for each in readings} == {"supervisor"}
    assert {"case", "person"} == {each["record"] for each in readings}
    assert name not in package["data.json"]


def test_what_another_person_told_and_who_they_are_is_withheld_with_the_reason(world):
    call_id = logged_call(world.operator)
    with unit_of_work(world.supervisor.ctx()):
        child = db.session.execute(
            text("SELECT person_id FROM call_children WHERE call_id = :id"), {"id": call_id}
        ).scalar_one()
    case_id = opened(world, call_id, child)
    export_id = make(world.supervisor, case_id)
    data = take(world.supervisor, export_id)["data.json"]
    [call] = [record for record in json.loads(data)["records"] if record["section"] == "call"]
    assert f"{CANARY} is hurt." not in data
    assert f"Mrs {CANARY}" not in data
    assert PHONE not in data
    assert call["withheld"] | {"staff": "staff"} == {
        "who_called": "other_person", "caller": "other_person", "near_person_feared": "alleged_perpetrator",
        "told": "told_by_another", "staff": "staff",
    }  # fmt: skip


def opened(world, call_id, child):
    return do(world.supervisor, opening.open_case, OpenCase(new_id(), call_id, child, team_id=world.team))[1].id


def test_whoever_prepares_it_may_give_that_and_keep_other_things_back(world, case_id):
    found = do(world.supervisor, dossier.gather, case_id)[1]
    told = next(piece for piece in found.pieces if piece.what == "told")
    note = next(piece for piece in found.pieces if piece.what == "note")
    assert told.why is Withheld.TOLD_BY_ANOTHER
    records = data_of(
        world.supervisor, case_id, release=frozenset({told.key}), keep_back=frozenset({note.key})
    )  # fmt: skip
    assert fields(records, "call")[0]["told"] == "A neighbour heard it through the wall."
    assert [each for each in fields(records, "note") if "note" in each] == []
    [kept] = [record["withheld"] for record in records if record["section"] == "note"]
    assert kept["note"] == "by_hand"


def test_names_of_staff_are_never_given(world, case_id):
    found = do(world.supervisor, dossier.gather, case_id)[1]
    names = {piece.value for piece in found.pieces if piece.why is Withheld.STAFF}
    assert names
    release = frozenset(piece.key for piece in found.pieces)
    data = json.dumps(data_of(world.supervisor, case_id, release=release))
    assert not [name for name in names if name in data]


def test_what_consent_keeps_back_is_kept_back_here_too(world):
    consent = Consent(
        ConsentAnswer.YES, by=ConsentBy.CAREGIVER, withhold=(FieldGroup.HEALTH, FieldGroup.LOCATION), why="He drinks."
    )
    case_id = open_case(world, needs=("health",), consent=consent, team_id=world.team)
    records = data_of(world.supervisor, case_id)
    [case] = [record for record in records if record["section"] == "case"]
    assert case["withheld"]["needs"] == "consent"
    assert "place" not in fields(records, "call")[0]
    assert "health" not in json.dumps(case["fields"]).replace("withhold", "").replace('["health", "location"]', "")


def test_merged_people_are_one_child(world, case_id, rows):
    other = open_case(world, child_name="Neang Srey", team_id=world.team)
    [(first,), (second,)] = rows(
        "SELECT child_person_id FROM cases WHERE id = ANY (%s) ORDER BY number", [case_id, other]
    )
    with psycopg.connect(world.centre.owner_url) as connection:
        connection.execute("UPDATE persons SET canonical_person_id = %s WHERE id = %s", [first, second])
    for asked in (case_id, other):
        names = {each["name"] for each in fields(data_of(world.supervisor, asked), "identity")}
        assert names == {"Srey Neang", "Neang Srey"}


@pytest.mark.parametrize("told", Told)
def test_a_demand_that_is_not_to_be_told_is_not_even_hinted_at(world, case_id, told, rows):
    [(code,)] = rows("SELECT code FROM cases WHERE id = %s", case_id)
    words = {"authority": "The court", "demanded": "The file", "told": "It is forbidden"}
    do(world.supervisor, recording.record_demand, RecordDemand(
        new_id(), now(), Authority.COURT, DemandBasis.COURT_ORDER, DemandOutcome.GIVEN, told, (code,), words
    ))  # fmt: skip
    export_id = make(world.supervisor, case_id)
    data = take(world.supervisor, export_id)["data.json"]
    assert ("court" in data) == (told is Told.TOLD)
    [(withheld,)] = rows("SELECT withheld FROM exports WHERE id = %s", export_id)
    assert ("not_told" in {each["why"] for each in withheld}) == (told is not Told.TOLD)


def test_it_is_on_record_with_its_fields_and_in_the_ledger_once_it_left(world, case_id, rows):
    export_id = make(world.supervisor, case_id)
    [(groups, details, subjects)] = rows(
        "SELECT field_groups, details, subject_ids FROM audit_entries WHERE action = 'export.made' AND %s = ANY (subject_ids)",
        export_id,
    )
    assert {"story", "child_identity"} <= set(groups)
    assert case_id in subjects
    assert "Herself" not in json.dumps(details)
    lines = "SELECT kind, details ->> 'recipient' FROM app.disclosures_of(:id)"
    with unit_of_work(world.supervisor.ctx()):
        assert db.session.execute(text(lines), {"id": case_id}).all() == []
    take(world.supervisor, export_id)
    with unit_of_work(world.supervisor.ctx()):
        assert db.session.execute(text(lines), {"id": case_id}).all() == [("export", "child")]
    assert (
        len(rows("SELECT 1 FROM audit_entries WHERE action = 'export.downloaded' AND %s = ANY (subject_ids)", case_id))
        == 1
    )


def test_it_is_downloaded_once_and_gone(world, case_id, rows):
    export_id = make(world.supervisor, case_id)
    [(sealed,)] = rows("SELECT body_sealed FROM exports WHERE id = %s", export_id)
    assert b"Srey" not in bytes(sealed)
    take(world.supervisor, export_id)
    assert rows("SELECT body_sealed, gone_at IS NULL FROM exports WHERE id = %s", export_id) == [(None, False)]
    with pytest.raises(Conflict, match="export_gone"):
        take(world.supervisor, export_id)


def test_only_who_made_it_downloads_it(world, case_id, rows, refusals):
    export_id = make(world.supervisor, case_id)
    with pytest.raises(NotFound):
        take(world.team_supervisor, export_id)
    assert refusals(world.team_supervisor) == 1
    assert rows("SELECT gone_at FROM exports WHERE id = %s", export_id) == [(None,)]


def test_the_same_again_makes_one(world, case_id, rows):
    export_id = new_id()
    assert {make(world.supervisor, case_id, export_id=export_id) for _ in range(2)} == {export_id}
    with pytest.raises(Conflict, match="id_in_use"):
        make(world.team_supervisor, case_id, export_id=export_id)
    for other in (
        {"keep_back": frozenset({"note:1:note"})}, {"release": frozenset({"call:1:narrative"})}, {"locale": "km"},
        {"reason": "A court asked."}, {"recipient": Recipient.COURT}, {"recipient_name": "The court of Takeo"},
    ):  # fmt: skip
        with pytest.raises(Conflict, match="id_in_use"):  # else the file of before would be taken for this one
            make(world.supervisor, case_id, export_id=export_id, **other)
    assert rows("SELECT count(*) FROM exports WHERE id = %s", export_id) == [(1,)]


@pytest.mark.parametrize("name", ["reason", "recipient_name"])
def test_why_and_to_whom_must_be_said(world, case_id, name):
    with pytest.raises(Invalid) as problem:
        make(world.supervisor, case_id, **{name: "  "})
    assert problem.value.field == name


@pytest.mark.parametrize("role", STAFF)
def test_who_may_not(world, case_id, role, rows, refusals):
    user = getattr(world, role)
    if role == "caseworker":
        assign(world, case_id)
    with pytest.raises(Forbidden):
        make(user, case_id)
    assert refusals(user) == 1
    assert rows("SELECT count(*) FROM exports WHERE centre_id = %s", world.centre.id) == [(0,)]


def test_a_team_supervisor_gives_out_what_is_their_teams_and_no_override_widens_that(world, rows):
    mine, theirs = (open_case(world, team_id=team, team=team) for team in (world.team, world.other_team))
    assert make(world.team_supervisor, mine)
    with pytest.raises(NotFound):
        make(world.team_supervisor, theirs)
    break_glass(world.team_supervisor, theirs)
    with pytest.raises(Forbidden):
        make(world.team_supervisor, theirs)
    assert rows("SELECT count(*) FROM exports WHERE %s = ANY (case_ids)", theirs) == [(0,)]


def test_what_is_closed_to_somebody_they_neither_make_nor_see(world, case_id, rows):
    export_id = make(world.supervisor, case_id)
    close(world.supervisor, case_id, world.team_supervisor.id)
    with pytest.raises(NotFound):
        make(world.team_supervisor, case_id)
    with unit_of_work(world.team_supervisor.ctx()):
        assert db.session.execute(text("SELECT id FROM exports WHERE id = :id"), {"id": export_id}).all() == []


def test_another_centres_child_is_not_there(world, database_urls):
    other = make_world(database_urls["owner"])
    with pytest.raises(NotFound):
        make(world.supervisor, open_case(other))


ATTEMPTS = {
    "as somebody else": "UPDATE exports SET requested_by = :other WHERE id = :id",
    "back from the dead": "UPDATE exports SET gone_at = NULL, body_sealed = '' WHERE id = :gone",
    "another's": "UPDATE exports SET gone_at = now(), body_sealed = NULL WHERE id = :others",
    "never gone": "UPDATE exports SET downloaded_at = now() WHERE id = :id",
    "a bulk one without approval": "INSERT INTO exports SELECT (jsonb_populate_record(e, jsonb_build_object('id', uuidv7(), 'kind',"
    " 'bulk', 'team_id', NULL, 'recipient', NULL))).* FROM exports e WHERE id = :id",
}


@pytest.mark.parametrize("attempt", ATTEMPTS)
def test_free_sql_makes_none_and_brings_none_back(world, case_id, attempt, rows):
    mine, gone = make(world.supervisor, case_id), make(world.supervisor, case_id)
    others = make(world.team_supervisor, case_id)
    take(world.supervisor, gone)
    before = rows(
        "SELECT id, kind, requested_by, gone_at, downloaded_at FROM exports WHERE centre_id = %s ORDER BY id",
        world.centre.id,
    )
    given = {"id": mine, "gone": gone, "others": others, "other": world.admin.id}
    with pytest.raises(DBAPIError), unit_of_work(world.supervisor.ctx()):
        if db.session.execute(text(ATTEMPTS[attempt]), given).rowcount == 0:
            raise DBAPIError(None, None, Exception("no row"))
    assert (
        rows(
            "SELECT id, kind, requested_by, gone_at, downloaded_at FROM exports WHERE centre_id = %s ORDER BY id",
            world.centre.id,
        )
        == before
    )


def test_the_schema_says_what_the_data_is(world, case_id):
    package = take(world.supervisor, make(world.supervisor, case_id))
    schema, data = json.loads(package["schema.json"]), json.loads(package["data.json"])
    assert set(package) == {"data.json", "schema.json", "index.html"}
    record = schema["properties"]["records"]["items"]
    for each in data["records"]:
        assert set(each) == set(record["required"])
        assert each["section"] in record["properties"]["section"]["enum"]
    assert data["format"] == schema["properties"]["format"]["const"]


def test_what_was_typed_stays_text(app, world, case_id, browser):
    """The page that people read: no markup of theirs, no script, nothing from outside."""
    client, form = browser(world.supervisor)
    made = client.post(f"/cases/{case_id}/export", data=form | {
        "export_id": str(new_id()), "recipient": "child", "recipient_name": "Herself", "reason": "She wrote.", "locale": "km",
    })  # fmt: skip
    assert made.status_code == 303, made.text
    answer = client.post(f"{made.location}/download", data=form)
    assert answer.headers["Content-Disposition"] == 'attachment; filename="export.zip"'
    with zipfile.ZipFile(io.BytesIO(answer.data)) as package:
        page = package.read("index.html").decode()
    assert html.escape(NOTE, quote=True).replace("&#x27;", "&#39;") in page
    assert "<b>The aunt" not in page
    assert "<script" not in page
    assert "http://" not in page.replace("http-equiv", "")
    assert 'lang="km"' in page
    assert "អ្វី" in page
