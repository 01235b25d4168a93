"""The call desk in a browser without script: what is shown, what is kept, and what must not be there."""

import re
from urllib.parse import urlparse

import pytest

from helpline.foundation.ids import new_id
from tests.factories.accounts import make_user, sign_in
from tests.factories.cases import make_call

CANARY = "Zephyrine Quillfeather"


def csrf(client, path="/"):
    return re.search(r'name="csrf-token" content="([^"]+)"', client.get(path).text)[1]


def post(client, path, **fields):
    return client.post(path, data={"csrf_token": csrf(client)} | fields)


def typed(call_id, **more):
    return {
        "call_id": str(call_id), "relation": "neighbour", "caller.name": "Mrs " + CANARY, "caller.phone": "012345678",
        "children-0-name": CANARY, "children-0-gender": "female", "children-0-age": "9", "children-0-age_known": "about",
        "children-3-gender": "male", "categories": ["violence.physical_violence", "violence.neglect"],
        "danger.hurt": "yes", "danger.near_person_feared": "yes", "actions": ["counselling"],
        "narrative": CANARY + " is hurt.", "end": "log",
    } | more  # fmt: skip


@pytest.fixture
def operator(client, world):
    sign_in(client, world.operator)
    return world.operator


def test_the_desk_is_ready_and_says_how_to_begin(client, operator):
    page = client.get("/")
    assert page.status_code == 200
    assert "<h1>Ready</h1>" in page.text
    assert "No call yet." in page.text
    for key in "SHAWTDI":
        assert f'data-key="{key}"' in page.text


def test_a_call_is_logged_by_its_form_and_shown(client, operator, rows):
    call_id = new_id()
    assert client.get(f"/calls/{call_id}/write").status_code == 200
    answer = post(client, "/calls", **typed(call_id))
    assert (answer.status_code, urlparse(answer.location).path) == (303, "/")
    desk = client.get(answer.location).text
    assert "is saved" in desk
    assert str(call_id) in re.search(r'drafts-done" content="([^"]*)"', desk)[1]
    assert CANARY not in desk
    page = client.get(f"/calls/{call_id}").text
    assert CANARY in page
    assert "Physical violence" in page
    assert "Immediate" in page
    assert rows("SELECT gender, age_band FROM call_children WHERE call_id = %s ORDER BY position", call_id) == [
        ("female", "6-9"),
        ("male", "unknown"),
    ]


def test_ending_a_call_with_a_case_leads_on_to_opening_it(client, operator):
    call_id = new_id()
    answer = post(client, "/calls", **typed(call_id, end="case"))
    assert urlparse(answer.location).path == f"/calls/{call_id}/cases/new"


def test_posting_twice_makes_one_call(client, operator, rows):
    call_id = new_id()
    for _ in range(2):
        assert post(client, "/calls", **typed(call_id)).status_code == 303
    assert rows("SELECT count(*) FROM calls WHERE operator_id = %s", operator.id) == [(1,)]
    refused = post(client, "/calls", **typed(call_id, narrative="something else"))
    assert refused.status_code == 409
    assert "something else" in refused.text


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"started_at": "2126-01-01T10:00"}, "has not come yet"),
        ({"started_at": "2026-01-02T10:00", "ended_at": "2026-01-02T09:00"}, "before the start"),
        ({"place_id_text": "Nowhere at all"}, "No place is called so"),
        ({"categories_text": "Xyzzy"}, "No reason is called so"),
        ({"risk_level": "low"}, "Say why"),
        ({"children-3-age": "nine"}, "Write a whole number"),
        ({"children-3-age": "-1"}, "For a child not yet born leave it empty"),
        ({"children-3-age": "200"}, "Write the age in years, 0 to 120."),
        ({"caller.age": "-1"}, "Write the age in years, from 0."),
        ({"caller.phone": "hello"}, "This is no phone number"),
        ({"caller.phone": "her sister, 012 345 678"}, "This is no phone number"),
        ({"started_at": "yesterday"}, "Write a date and time"),
    ],
)
def test_what_was_typed_is_kept_when_an_answer_needs_another_look(client, operator, rows, wrong, sentence):
    call_id = new_id()
    page = post(client, "/calls", **typed(call_id, **wrong))
    assert page.status_code == 422
    assert sentence in page.text
    assert page.text.count(CANARY) >= 3
    assert 'name="children-3-gender" value="male" checked' in page.text
    assert rows("SELECT count(*) FROM calls WHERE id = %s", call_id) == [(0,)]


@pytest.mark.parametrize(
    "phone", ["117", "+855 (0)12-345.678", "012 34 56 78 / 011 222 333", "០១២ ៣៤៥ ៦៧៨", "012345678 ext 9"]
)
def test_a_number_is_taken_however_it_is_written(client, operator, phone):
    assert post(client, "/calls", **typed(new_id(), **{"caller.phone": phone})).status_code == 303


def test_a_child_not_yet_born_is_a_choice_and_stays_one_when_corrected(client, operator, world, rows):
    call_id = new_id()
    answer = post(client, "/calls", **typed(call_id, **{"children-0-age": "", "children-0-age_known": "unborn"}))
    assert answer.status_code == 303
    assert rows("SELECT age_band FROM call_children WHERE call_id = %s ORDER BY position LIMIT 1", call_id) == [
        ("unborn",)
    ]
    assert "not yet born" in client.get(f"/calls/{call_id}").text
    form = client.get(f"/calls/{call_id}/correction").text
    assert '<option value="unborn" selected>' in form
    assert 'value="-1"' not in form


def test_what_was_asked_and_not_known_is_told_and_an_empty_call_claims_nothing(client, operator):
    call_id, empty = new_id(), new_id()
    post(client, "/calls", **typed(call_id, **{"danger.suicide_thoughts": "unknown"}))
    page = client.get(f"/calls/{call_id}").text
    assert "Thinks of suicide? not known" in page
    post(client, "/calls", call_id=str(empty), end="log")
    page = client.get(f"/calls/{empty}").text
    assert "nothing is known yet about the danger" in page
    assert "nothing said so far" not in page


def test_reasons_can_be_browsed_from_category_to_reason_and_named_in_another_language(client, operator):
    tops = client.get("/calls/reasons").json
    assert len(tops) == 10
    assert all(top["within"] and top["group"] is None for top in tops)
    under = client.get("/calls/reasons?under=violence").json
    assert under[0]["value"] == "violence"
    assert "violence.neglect" in {item["value"] for item in under}
    assert not any(item["within"] for item in under)
    assert client.get("/calls/reasons?q=hits+him").json == []
    client.get("/language/km")
    [named] = client.get("/calls/reasons?codes=violence.neglect").json
    assert (named["value"], named["label"].isascii()) == ("violence.neglect", False)


def test_a_call_without_a_reason_to_void_it_asks_in_its_own_dialog(client, world, operator):
    call_id = new_id()
    post(client, "/calls", **typed(call_id))
    page = post(client, f"/calls/{call_id}/void", version="1")
    assert page.status_code == 422
    dialog = re.search(r'<div class="ask-first" id="void".*?</form>', page.text, re.DOTALL)[0]
    assert "data-open" in dialog
    assert "This is needed." in dialog
    assert page.text.count("This is needed.") == 1


def test_after_an_error_the_rail_still_says_where_one_is(client, operator):
    page = post(client, "/calls", **typed(new_id(), **{"caller.phone": "hello"})).text
    assert re.search(r'<nav class="rail".*?<a href="/" aria-current="page">', page, re.DOTALL)


def test_without_script_a_place_and_a_reason_are_found_by_name(client, operator, rows, database_urls):
    call_id = new_id()
    data = typed(call_id, place_id_text="Siem Reap", categories_text="Runaway")
    assert post(client, "/calls", **data).status_code == 303
    [(code,)] = rows("SELECT p.names->>'en' FROM calls c JOIN places p ON p.id = c.place_id WHERE c.id = %s", call_id)
    assert "Siem" in code


def test_without_script_children_come_and_go_by_buttons(client, operator):
    call_id = new_id()
    more = post(client, "/calls", **typed(call_id, add_children="1"))
    assert more.status_code == 200
    assert 'name="children-4-name"' in more.text
    less = post(client, "/calls", **typed(call_id, remove_children="3"))
    assert 'name="children-3-name"' not in less.text
    assert CANARY in less.text


def test_no_counselling_takes_one_key_and_can_be_undone(client, operator, rows):
    answer = post(client, "/calls/quick", call_id=str(new_id()), kind="silent")
    page = client.get(answer.location).text
    assert "Undo" in page
    call_id = answer.location.rpartition("=")[2]
    back = post(client, f"/calls/{call_id}/void", version="1", reason="Logged by mistake", home="1")
    assert urlparse(back.location).path == "/"
    assert rows("SELECT voided_at IS NULL FROM calls WHERE id = %s", call_id) == [(False,)]


def test_the_risk_is_judged_while_it_is_asked(client, operator):
    calm = post(client, "/calls/risk", call_id=str(new_id()), narrative=CANARY)
    assert "Do now" not in calm.text
    grave = post(client, "/calls/risk", **typed(new_id()))
    for word in ("Immediate danger", "Do now", "117", "the person feared is near"):
        assert word in grave.text
    assert CANARY not in grave.text


def test_a_draft_is_kept_and_resumed_and_ends_with_the_call(client, operator):
    call_id, token = new_id(), csrf(client)
    url = f"/api/v1/calls/drafts/{call_id}"
    fields = [["narrative", CANARY], ["children-0-name", CANARY]]
    saved = client.put(url, json={"fields": fields, "base": None}, headers={"X-CSRFToken": token})
    assert saved.status_code == 200
    assert client.get(url).json["fields"] == fields
    assert f'data-draft-saved="{saved.json["saved_at"]}"' in client.get(f"/calls/{call_id}/write").text
    desk = client.get("/").text
    assert f"/calls/{call_id}/write" in desk
    assert CANARY not in desk
    other = client.put(url, json={"fields": [], "base": None}, headers={"X-CSRFToken": token})
    assert other.status_code == 409
    post(client, "/calls", **typed(call_id))
    assert client.get(url).status_code == 404
    assert f"/calls/{call_id}/write" not in client.get("/").text


def test_a_call_is_corrected_and_its_history_says_what_it_said(client, operator):
    call_id = new_id()
    post(client, "/calls", **typed(call_id))
    form = client.get(f"/calls/{call_id}/correction")
    assert CANARY + " is hurt." in form.text
    fixed = typed(call_id, version="1", kind="counselling", narrative="She is safe.", reason="Heard it wrong")
    answer = post(client, f"/calls/{call_id}/correction", **fixed)
    assert answer.status_code == 303
    assert "She is safe." in client.get(f"/calls/{call_id}").text
    history = client.get(f"/calls/{call_id}/history").text
    for word in (CANARY + " is hurt.", "She is safe.", "Heard it wrong"):
        assert word in history
    stale = post(client, f"/calls/{call_id}/correction", **fixed | {"narrative": "Mine again"})
    assert stale.status_code == 409
    for word in ("Mine again", "Meanwhile", CANARY + " is hurt."):
        assert word in stale.text
    assert 'name="version" value="2"' in stale.text


def test_voiding_needs_a_reason_and_keeps_the_call_in_sight(client, operator):
    call_id = new_id()
    post(client, "/calls", **typed(call_id))
    assert post(client, f"/calls/{call_id}/void", version="1").status_code == 422
    assert post(client, f"/calls/{call_id}/void", version="1", reason="A test").status_code == 303
    page = client.get(f"/calls/{call_id}").text
    assert "voided" in page
    assert "A test" in page
    assert str(call_id) not in client.get("/calls").text


def test_the_list_narrows_and_names_nobody(client, operator):
    call_id = new_id()
    post(client, "/calls", **typed(call_id))
    for query in (
        "",
        "?risk=immediate&gender=female&age_band=6-9",
        "?category=violence",
        "?any_category=violence.neglect",
    ):
        page = client.get("/calls" + query)
        assert str(call_id) in page.text
        assert CANARY not in page.text
    for query in ("?risk=low", "?category=violence.neglect", "?gender=other", "?to=2020-01-01", "?kind=silent"):
        assert str(call_id) not in client.get("/calls" + query).text


def test_earlier_calls_from_a_number_are_shown_without_it_in_an_address(client, operator):
    first, second = new_id(), new_id()
    post(client, "/calls", **typed(first))
    found = post(client, "/calls/before", **{"call_id": str(second), "caller.phone": "+855 12 345 678"})
    assert str(first) in found.text
    assert "1 earlier call" in found.text
    assert str(first) not in post(client, "/calls/before", call_id=str(second), **{"caller.phone": "099 999 999"}).text


@pytest.mark.parametrize("role", ["admin", "auditor"])
def test_calls_stay_closed_to_whoever_reads_none(client, world, role):
    call = make_call(world.operator, narrative=CANARY)
    sign_in(client, getattr(world, role))
    for path in (
        "/calls",
        "/calls/new",
        f"/calls/{call.id}",
        f"/calls/{call.id}/history",
        f"/calls/{call.id}/correction",
    ):
        answer = client.get(path)
        assert answer.status_code == 403
        assert CANARY not in answer.text


def test_another_operators_call_is_not_there(client, world):
    call = make_call(world.operator, narrative=CANARY)
    sign_in(client, make_user(world.centre, "operator"))
    for path in (f"/calls/{call.id}", f"/calls/{call.id}/history", f"/calls/{call.id}/correction"):
        assert client.get(path).status_code == 404


def test_a_post_without_its_token_is_refused(client, operator, rows):
    call_id = new_id()
    assert client.post("/calls", data=typed(call_id)).status_code == 400
    assert rows("SELECT count(*) FROM calls WHERE id = %s", call_id) == [(0,)]


def test_a_parked_call_is_thrown_away_on_both_sides(client, operator, rows):
    call_id = new_id()
    url, token = f"/api/v1/calls/drafts/{call_id}", csrf(client)
    client.put(url, json={"fields": [["narrative", CANARY]], "base": None}, headers={"X-CSRFToken": token})
    answer = post(client, f"/calls/{call_id}/discard")
    desk = client.get(answer.location).text
    assert str(call_id) in re.search(r'drafts-done" content="([^"]*)"', desk)[1]
    assert f"/calls/{call_id}/write" not in desk
    assert rows("SELECT body_sealed FROM call_drafts WHERE id = %s", call_id) == [(None,)]
    assert urlparse(client.get(f"/calls/{call_id}/write").location).path == "/calls/new"


def test_ending_a_call_costs_few_statements(client, operator, statements):
    data = typed(new_id(), csrf_token=csrf(client))
    statements.clear()
    assert client.post("/calls", data=data).status_code == 303
    assert len(statements) <= 12, statements


def test_whoever_takes_no_calls_goes_to_their_own_first_page(client, world):
    sign_in(client, world.caseworker)
    assert urlparse(client.get("/").location).path == "/work"


def inputs(html):
    """What a browser would post back untouched, the page's hidden and typed fields alike."""
    found = {}
    for tag in re.findall(r"<input[^>]*>", html.partition("<template>")[0]):
        name = re.search(r' name="([^"]+)"', tag)
        value = re.search(r' value="([^"]*)"', tag)
        radio = 'type="radio"' in tag or 'type="checkbox"' in tag
        if name and (not radio or " checked" in tag):
            found[name[1]] = value[1] if value else ""
    for name, body in re.findall(r'<select[^>]* name="([^"]+)"[^>]*>(.*?)</select>', html, re.DOTALL):
        picked = re.search(r'value="([^"]*)" selected', body)
        found[name] = picked[1] if picked else ""
    return found


@pytest.mark.parametrize("relation", ["neighbour", "self"])
def test_a_correction_that_changes_one_word_changes_nothing_else(client, operator, relation):
    call_id, token = str(new_id()), csrf(client)
    body = {
        "call_id": call_id, "relation": relation, "caller": {"phone": "012345678", "gender": "female", "language": "vi"},
        "children": [{"name": CANARY, "schooling": "Grade 3", "language": "km", "nationality": "Lao"}],
    }  # fmt: skip
    headers = {"X-CSRFToken": token}
    assert client.post("/api/v1/calls", json=body, headers=headers).status_code == 201
    before = client.get(f"/api/v1/calls/{call_id}").json
    fields = inputs(client.get(f"/calls/{call_id}/correction").text) | {"narrative": "New.", "reason": "Forgot it"}
    fields = {name: value for name, value in fields.items() if name not in {"theme", "leave"}}
    answer = client.post(f"/calls/{call_id}/correction", data=fields)
    assert answer.status_code == 303, answer.text
    after = client.get(f"/api/v1/calls/{call_id}").json
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {"narrative", "version"}
