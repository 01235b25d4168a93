"""The registers by page: what stands on them, and what must not."""

import re

import pytest

from helpline.foundation.ids import new_id
from tests.factories.cases import open_case

WHEN = "2026-01-02T08:00"


@pytest.fixture
def case_id(app, world):
    with app.app_context():
        return open_case(world, summary="She sleeps at her aunt's.", team_id=world.team)


def filled(page):
    """How many filled buttons the page has, the one of the lock aside."""
    return re.search(r"<main.*</main>", page, re.DOTALL)[0].count('class="btn main')


def test_the_front_names_the_registers_that_a_role_reads(browser, world):
    shown = {
        role: browser(getattr(world, role))[0].get("/registers").text for role in ("supervisor", "admin", "auditor")
    }
    for role, page in shown.items():
        assert "Breaches" in page
        assert filled(page) == 1
        assert ('href="/registers/disclosures"' in page) == (role != "admin")
        assert ('href="/registers/exports"' in page) == (role != "admin")


def test_a_breach_from_its_first_hour_to_its_end(browser, world):
    client, form = browser(world.admin)
    breach_id = str(new_id())
    wrong = client.post("/registers/breaches/new", data=form | {"breach_id": breach_id, "noticed_at": WHEN})
    assert wrong.status_code == 422
    assert "What happened: This is needed." in re.sub(r"<[^>]+>", "", wrong.text)
    given = {
        "breach_id": breach_id,
        "noticed_at": WHEN,
        "what": "A letter <b>went</b> astray",
        "categories": "contact",
        "people": "3",
    }
    page = client.post("/registers/breaches/new", data=form | given, follow_redirects=True).text
    assert "The 72 hours are over" in page
    assert "A letter &lt;b&gt;went&lt;/b&gt; astray" in page
    assert filled(page) == 1
    listed = client.get("/registers/breaches").text
    assert 'class="late"' in listed
    assert "letter" not in listed
    step = {"entry_id": str(new_id()), "kind": "authority_told", "at": "2026-01-03T08:00", "words": "By telephone."}
    told = client.post(f"/registers/breaches/{breach_id}/steps", data=form | step, follow_redirects=True).text
    assert "By telephone." in told
    assert 'class="late"' not in told
    auditor, _form = browser(world.auditor)
    seen = auditor.get(f"/registers/breaches/{breach_id}").text
    assert "By telephone." in seen
    assert 'name="words"' not in seen
    assert filled(seen) == 1


def test_a_demand_and_its_correction(browser, world):
    client, form = browser(world.supervisor)
    first, second = str(new_id()), str(new_id())
    given = {
        "demand_id": first, "received_at": WHEN, "kind": "police", "basis": "warrant", "outcome": "given",
        "subjects_told": "not_told", "authority": "District police", "demanded": "The call of Monday", "told": "A court forbade it",
    }  # fmt: skip
    page = client.post("/registers/demands/new", data=form | given, follow_redirects=True).text
    assert "The call of Monday" in page
    assert "A court forbade it" in page
    again = client.get(f"/registers/demands/new?corrects_id={first}").text
    assert "The call of Monday" in again
    assert filled(again) == 1
    assert f'name="received_at" type="datetime-local" value="{WHEN}"' in again, "its time stands as it was entered"
    changed = given | {"demand_id": second, "corrects_id": first, "outcome": "refused"}
    page = client.post("/registers/demands/new", data=form | changed, follow_redirects=True).text
    assert "Entered before" in page
    assert "A later entry puts this one right." in client.get(f"/registers/demands/{first}").text
    auditor, _form = browser(world.auditor)
    assert "The call of Monday" in auditor.get(f"/registers/demands/{second}").text
    assert "The call of Monday" not in auditor.get("/registers/demands").text


def test_a_correction_keeps_whom_it_is_about_and_who_decided_unless_somebody_says_otherwise(
    browser, world, case_id, rows
):
    client, form = browser(world.supervisor)
    [(code,)] = rows("SELECT code FROM cases WHERE id = %s", case_id)
    first, second, third = (str(new_id()) for _ in range(3))
    given = {
        "received_at": WHEN, "kind": "police", "basis": "warrant", "outcome": "given", "subjects_told": "told",
        "authority": "District police", "demanded": "The call of Monday",
    }  # fmt: skip
    deciding = given | {"demand_id": first, "cases": code, "decided_by": str(world.supervisor.id)}
    assert client.post("/registers/demands/new", data=form | deciding).status_code == 303
    again = client.get(f"/registers/demands/new?corrects_id={first}").text
    assert f'<option value="{world.supervisor.id}" selected>' in again
    assert 'name="same_cases" value="1" checked' in again
    kept = given | {"demand_id": second, "corrects_id": first, "same_cases": "1"}
    assert client.post("/registers/demands/new", data=form | kept).status_code == 303
    other = given | {"demand_id": third, "corrects_id": second}
    assert client.post("/registers/demands/new", data=form | other).status_code == 303
    found = rows(
        "SELECT case_ids FROM compelled_disclosures WHERE id = ANY(%s) ORDER BY recorded_at", [first, second, third]
    )
    assert found == [([case_id],), ([case_id],), ([],)]


def test_what_was_told_by_telephone_stands_on_the_cases_page_and_not_on_the_auditors(browser, world, case_id, rows):
    client, form = browser(world.operator)
    given = {
        "disclosure_id": str(new_id()), "given_at": WHEN, "recipient_kind": "police", "recipient": "Officer Vuthy",
        "means": "telephone", "basis": "danger_to_life", "groups": ["location"], "what": "Where she is",
    }  # fmt: skip
    page = client.post(f"/cases/{case_id}/disclosures/new", data=form | given, follow_redirects=True).text
    assert "Officer Vuthy" in page
    assert "Where she is" in page
    assert filled(page) == 1
    assert f"/cases/{case_id}/disclosures" in client.get(f"/cases/{case_id}").text
    again = client.get(f"/cases/{case_id}/disclosures/new?corrects_id={given['disclosure_id']}").text
    assert f'name="given_at" type="datetime-local" value="{WHEN}"' in again, "its time stands as it was entered"
    assert client.get(f"/cases/{case_id}/disclosures/new?corrects_id={new_id()}").status_code == 404
    nothing = client.post(f"/cases/{case_id}/disclosures/new", data=form | given | {"groups": []})
    assert "What kinds of data: Choose at least one." in nothing.text
    [(code,)] = rows("SELECT code FROM cases WHERE id = %s", case_id)
    auditor, _form = browser(world.auditor)
    seen = auditor.get(f"/registers/disclosures?case={code}").text
    assert "Danger to life" in seen or "danger to life" in seen
    assert "Vuthy" not in seen
    assert "Where she is" not in seen
    assert "There is no case of such a number here." in auditor.get("/registers/disclosures?case=HC-1").text


def test_preparing_shows_what_is_withheld_and_why(browser, world, case_id):
    leading, _form = browser(world.team_supervisor)
    ledger = leading.get(f"/cases/{case_id}/disclosures").text
    assert 'href="/registers/exports"' in ledger, "no rail leads a team's supervisor to what they made"
    client, form = browser(world.supervisor)
    page = client.get(f"/cases/{case_id}/export").text
    assert "Another person told it" in page
    assert "A neighbour heard it through the wall." in page
    assert "She sleeps at her aunt&#39;s." in page
    assert filled(page) == 1
    wrong = client.post(f"/cases/{case_id}/export", data=form | {"export_id": str(new_id())})
    assert wrong.status_code == 422
    assert "Given to: This is needed." in wrong.text
    assert client.get("/registers/exports").text.count("Of one child") == 0


def test_an_export_without_a_fresh_factor_asks_for_it(app, browser, world, case_id, rows):
    client, form = browser(world.supervisor)
    rows("UPDATE user_sessions SET factor_at = NULL WHERE user_id = %s RETURNING 1", world.supervisor.id)
    given = {"export_id": str(new_id()), "recipient": "child", "recipient_name": "x", "reason": "y"}
    assert client.post(f"/cases/{case_id}/export", data=form | given).status_code == 403
    assert rows("SELECT count(*) FROM exports WHERE centre_id = %s", world.centre.id) == [(0,)]


def test_auditors_see_exports_and_no_reason(browser, world, case_id, rows):
    client, form = browser(world.supervisor)
    given = {"export_id": str(new_id()), "recipient": "family", "recipient_name": "Her mother", "reason": "She fled."}
    made = client.post(f"/cases/{case_id}/export", data=form | given)
    assert "She fled." in client.get(made.location).text
    auditor, auditors = browser(world.auditor)
    page = auditor.get(made.location).text
    assert "Family or carer" in page
    for word in ("She fled.", "Her mother", "Srey Neang"):
        assert word not in page
    assert auditor.post(f"{made.location}/download", data=auditors).status_code == 403


def test_many_records_by_two_people(browser, world):
    client, form = browser(world.supervisor)
    given = {
        "approval_id": str(new_id()),
        "what": "calls",
        "first": "2026-01-01",
        "last": "2026-03-31",
        "reason": "The yearly report",
    }
    turned = client.post("/registers/exports/new", data=form | given | {"last": "2025-01-01"})
    assert "The last day is before the first." in turned.text
    asked = client.post("/registers/exports/new", data=form | given)
    page = client.get(asked.location).text
    assert "Calls, 1 Jan 2026 to 31 Mar 2026" in page
    assert "Make the file" not in page
    other, others = browser(world.admin)
    other.post(f"{asked.location}/decide", data=others | {"decision": "approved"})
    page = client.get(asked.location).text
    assert "Make the file" in page
    assert filled(page) == 1
    made = client.post(f"/registers/exports/approved/{given['approval_id']}", data=form)
    twice = client.post(f"/registers/exports/approved/{given['approval_id']}", data=form)
    assert (twice.status_code, twice.location) == (303, made.location), "the second press finds what the first one made"
    file = client.post(f"{made.location}/download", data=form)
    assert file.headers["Content-Disposition"] == 'attachment; filename="export.csv"'
    assert file.data.startswith(b'\xef\xbb\xbf"month","channel"')
    again = client.post(f"{made.location}/download", data=form)
    assert again.status_code == 409
    assert "downloaded already" in again.text


def test_the_register_of_processing_is_one_page(browser, world):
    page = browser(world.auditor)[0].get("/registers/processing").text
    assert "Following one child until it is safe" in page
    assert "summary_sealed" in page
    assert filled(page) == 1
