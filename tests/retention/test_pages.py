"""Keeping and erasing as pages and by API: what is shown, to whom, and what must not be in it."""

import re

import pytest

from helpline.foundation.ids import new_id
from helpline.retention.services import erasing, finding
from helpline.retention.services import ledger as ledger_service
from tests.factories import retention as made
from tests.factories.accounts import sign_in
from tests.factories.cases import open_case


@pytest.fixture
def closed(app, world, ledger, rows, at_worker):
    """Two closed cases: one that is due, and one that was erased."""
    with app.app_context():
        due, erased = open_case(world, summary="Sokha was beaten."), open_case(world, summary="Bopha was beaten.")
        for case_id in (due, erased):
            made.close_case(world.supervisor, case_id)
        made.approve(world.admin, made.propose(world.supervisor, erased))
    rows("UPDATE cases SET closed_at = now() - interval '9 years' WHERE id = %s", due)
    at_worker(finding.sweep)
    at_worker(erasing.carry_out_due)
    return due, erased


@pytest.fixture
def browser(app):
    def enter(user, *, fresh=False):
        client = app.test_client()
        sign_in(client, user, fresh=fresh)
        return client

    return enter


def csrf(page):
    return re.search(r'name="csrf_token" value="([^"]+)"', page.text)[1]


def code_of(rows, case_id):
    return rows("SELECT code FROM cases WHERE id = %s", case_id)[0][0]


def test_the_list_names_cases_to_whom_they_are_open_alone(closed, world, browser, rows):
    code = code_of(rows, closed[0])
    page = browser(world.supervisor).get("/retention")
    assert page.status_code == 200
    assert code in page.text
    for other in (world.admin, world.auditor):
        page = browser(other).get("/retention")
        assert "A case" in page.text
        assert code not in page.text
    assert browser(world.operator).get("/retention").status_code == 403


def test_an_erased_case_is_a_page_that_says_so(closed, world, browser, rows):
    page = browser(world.supervisor).get(f"/cases/{closed[1]}")
    assert page.status_code == 200
    assert "Erased " in page.text
    assert "Bopha" not in page.text
    for deed in ("reopening", "Take it up again", "Record contact"):
        assert deed not in page.text
    province = "SELECT p.names ->> 'en' FROM places p JOIN cases c ON c.province_id = p.id WHERE c.id = %s"
    [(name,)] = rows(province, closed[1])
    assert f"{name} · " in page.text, "the province stays"
    assert "place not known" not in page.text
    assert name in browser(world.supervisor).get("/cases?status=closed").text


def test_nothing_is_given_out_or_entered_of_a_case_that_was_erased(closed, world, browser, rows):
    supervisor = browser(world.supervisor, fresh=True)
    page = supervisor.get(f"/cases/{closed[1]}/disclosures")
    assert "This was erased." in page.text
    assert f"/cases/{closed[1]}/export" not in page.text
    assert "Enter what was told" not in page.text
    assert "Make the package" not in supervisor.get(f"/cases/{closed[1]}/export").text
    form = {"csrf_token": csrf(page), "recipient": "child", "recipient_name": "x", "reason": "y"}
    answer = supervisor.post(f"/cases/{closed[1]}/export", data=form | {"export_id": str(new_id())})
    assert answer.status_code == 409
    assert "This was erased." in answer.text
    told = {
        "csrf_token": form["csrf_token"], "disclosure_id": str(new_id()), "given_at": "2026-01-02T10:00",
        "recipient_kind": "police", "recipient": "x", "means": "telephone", "basis": "consent", "groups": ["story"],
        "what": "y",
    }  # fmt: skip
    answer = supervisor.post(f"/cases/{closed[1]}/disclosures/new", data=told)
    assert answer.status_code == 409
    assert "This was erased." in answer.text
    for table in ("exports", "disclosures"):
        assert rows(f"SELECT count(*) FROM {table} WHERE centre_id = %s", world.centre.id) == [(0,)]


def test_a_record_that_was_erased_says_that_and_no_more(closed, world, browser):
    page = browser(world.supervisor).get(f"/retention/records/{closed[1]}")
    assert "Erased " in page.text
    assert "What would be erased" not in page.text
    assert len(re.findall('class="btn main"', page.text)) == 1


def test_an_erased_call_is_a_page_that_says_so(closed, world, browser, rows):
    [(call_id,)] = rows("SELECT call_id FROM cases WHERE id = %s", closed[1])
    for path in (f"/calls/{call_id}", f"/calls/{call_id}/history", "/calls", "/cases?status=closed"):
        page = browser(world.supervisor).get(path)
        assert page.status_code == 200, path
    page = browser(world.supervisor).get(f"/calls/{call_id}")
    assert "Erased " in page.text
    assert "neighbour heard" not in page.text
    for untrue in ("Nothing was written down.", "anonymous", "not given"):
        assert untrue not in page.text, "what is gone is not what nobody told"


def test_asking_by_page_ends_at_the_approval_with_what_goes(closed, world, browser):
    supervisor = browser(world.supervisor, fresh=True)
    path = f"/retention/records/{closed[0]}"
    token = csrf(supervisor.get(path))
    form = {"csrf_token": token, "approval_id": str(new_id()), "why": "rule", "reason": "Kept long enough."}
    answer = supervisor.post(f"{path}/propose", data=form)
    assert (answer.status_code, "/approvals/" in answer.location) == (303, True)
    shown = browser(world.admin).get(answer.location)
    assert "1 case, 1 call, 1 person" in shown.text
    assert "Sokha" not in shown.text
    assert "asked for already" in supervisor.get(path).text


def test_what_is_wrong_is_said_beside_what_was_typed(closed, world, browser, rows):
    supervisor = browser(world.supervisor, fresh=True)
    path = f"/retention/records/{closed[0]}"
    token = csrf(supervisor.get(path))
    answer = supervisor.post(f"{path}/keep", data={"csrf_token": token, "until": "1999-01-01", "reason": "We wait."})
    assert answer.status_code == 422
    assert "within the next ten years" in answer.text
    assert "We wait." in answer.text
    answer = supervisor.post(f"{path}/hold", data={"csrf_token": token, "hold_id": str(new_id())})
    assert answer.status_code == 422
    assert rows("SELECT count(*) FROM legal_holds WHERE record_id = %s", closed[0]) == [(0,)]


def test_holding_and_lifting_by_page(closed, world, browser, rows):
    supervisor = browser(world.supervisor)
    path = f"/retention/records/{closed[0]}"
    token = csrf(supervisor.get(path))
    held = {"csrf_token": token, "hold_id": str(new_id()), "reason": "A court asks."}
    assert supervisor.post(f"{path}/hold", data=held).status_code == 303
    page = supervisor.get(path)
    assert "A court asks." in page.text
    assert "Ask that it be erased" not in page.text
    assert "A court asks." not in browser(world.auditor).get("/retention/holds").text
    for _pressed in range(2):  # the second press finds what the first one did
        answer = supervisor.post(f"/retention/holds/{held['hold_id']}/lift", data={"csrf_token": token})
        assert (answer.status_code, answer.location) == (303, path)
    assert rows("SELECT count(*) FROM legal_holds WHERE record_id = %s", closed[0]) == [(1,)]
    assert supervisor.post(f"/retention/holds/{new_id()}/lift", data={"csrf_token": token}).status_code == 404
    assert "Ask that it be erased" in supervisor.get(path).text


def test_each_label_belongs_to_a_field_of_its_own(closed, world, browser):
    supervisor = browser(world.supervisor)
    path = f"/retention/records/{closed[0]}"
    page = supervisor.get(path)
    ids = re.findall(r' id="([^"]+)"', page.text)
    assert {"hold-reason", "erase-reason", "keep-reason"} <= set(ids)
    assert sorted(ids) == sorted(set(ids))
    wrong = supervisor.post(f"{path}/hold", data={"csrf_token": csrf(page), "hold_id": str(new_id())})
    assert 'href="#hold-reason">Why: This is needed.' in wrong.text


def test_a_rule_is_changed_by_page_and_a_wrong_one_is_not(closed, world, browser, rows):
    admin = browser(world.admin)
    token = csrf(admin.get("/retention/rules"))
    rule = {"csrf_token": token, "kind": "case", "months": "60", "version": "0"}
    assert admin.post("/retention/rules", data=rule).status_code == 303
    assert admin.post("/retention/rules", data=rule).status_code == 409
    wrong = admin.post("/retention/rules", data=rule | {"months": "0", "version": "1"})
    assert wrong.status_code == 422
    assert 'href="#months-case">Closed cases, with their people and referrals: Between 1 and 1200.' in wrong.text
    assert rows("SELECT months FROM retention_rules WHERE centre_id = %s", world.centre.id) == [(60,)]


def test_what_was_erased_says_from_when_on_backups_are_rid_of_it(closed, world, browser, rows, at_worker):
    page = browser(world.admin).get("/retention/erasures")
    assert "once the keys were renewed" in page.text
    [(version,)] = rows("SELECT master_version FROM erasures WHERE record_id = %s", closed[1])
    rows(
        "INSERT INTO key_rotations (id, started_by, started_at, master_version, finished_at, retired_at)"
        " VALUES (%s, %s, now(), %s, now(), now())", new_id(), world.admin.id, version + 1,
    )  # fmt: skip
    for user in (world.admin, world.supervisor):  # neither the key's number nor who renewed it
        assert "gone from backups on " in browser(user).get("/retention/erasures").text
    rows("UPDATE erasures SET erased_at = now() - interval '31 days' WHERE record_id = %s", closed[1])
    assert "gone from backups too, since " in browser(world.auditor).get("/retention/erasures").text
    rows("DELETE FROM key_rotations WHERE started_by = %s", world.admin.id)


def test_a_page_says_when_ledger_and_database_differ(closed, ledger, world, browser, rows, at_worker):  # noqa: PLR0917  # fixtures
    rows("UPDATE erasures SET finished_at = NULL WHERE record_id <> %s", closed[1])
    at_worker(ledger_service.compare)
    assert "differ" not in browser(world.auditor).get("/retention/erasures").text
    ledger.write_bytes(b"")
    at_worker(ledger_service.compare)
    assert "The ledger of erasures and the database differ." in browser(world.auditor).get("/retention/erasures").text


def test_the_api_tells_the_same(closed, world, browser):
    supervisor = browser(world.supervisor)
    due = supervisor.get("/api/v1/retention/due").json
    assert [item["record_id"] for item in due["items"]] == [str(closed[0])]
    record = supervisor.get(f"/api/v1/retention/records/{closed[0]}").json
    assert (record["counts"]["cases"], record["hindrances"]) == (1, [])
    erased = supervisor.get("/api/v1/retention/erasures").json["items"]
    assert [(item["record_id"], item["complete"]) for item in erased] == [(str(closed[1]), False)]
    assert {rule["kind"]: rule["months"] for rule in supervisor.get("/api/v1/retention/rules").json["items"]}[
        "case"
    ] == 84
    assert supervisor.get(f"/api/v1/retention/records/{new_id()}").status_code == 404
