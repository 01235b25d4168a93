"""The search page, the call desk's suggestions and the warning: what they show, and what they must not."""

import re

import pytest

from helpline.foundation.ids import new_id
from helpline.search import services
from helpline.search.gateways import RecordingNames
from helpline.search.vocabulary import IndexState, Match, Matches
from tests.factories.accounts import make_user, sign_in
from tests.factories.cases import make_call, open_case
from tests.journeys.people import make_token

NAME = "Srey Neang"
WARNING = "A case that you cannot open may concern this child: ask its supervisor."
DEGRADED = "Search by name is not available now; search by number works."


@pytest.fixture
def names():
    before, double = services.port.names, RecordingNames()
    services.install(double)
    yield double
    services.install(before)


def knows(names, *people):
    names.answer = Matches(IndexState.READY, tuple(Match(person, 1.0, 1.1) for person in people))


@pytest.fixture
def post(client):
    """`post(user, path, …)`: a form with its token."""

    def send(user, path, headers=None, **form):
        sign_in(client, user)
        token = re.search(r'name="csrf_token" value="([^"]+)"', client.get("/search").text)[1]
        return client.post(path, data={"csrf_token": token, **form}, headers=headers or {})

    return send


@pytest.fixture
def known_case(app, world, names, rows):
    with app.app_context():
        case_id = open_case(world)
    knows(names, rows("SELECT child_person_id FROM cases WHERE id = %s", case_id)[0][0])
    return case_id


def test_the_box_stands_in_the_frame_of_those_who_may(client, world):
    for role in ("operator", "caseworker", "supervisor", "admin", "auditor"):
        sign_in(client, getattr(world, role))
        html = client.get("/account").text
        assert ('action="/search"' in html) is (role not in {"admin", "auditor"}), role
    sign_in(client, world.operator)
    box = re.search(r'<form class="find".*?</form>', client.get("/account").text, re.DOTALL)[0]
    assert 'method="post"' in box
    assert 'data-key="/"' in box
    assert 'autocomplete="off"' in box


def test_an_empty_page_says_how_to_begin(client, world):
    sign_in(client, world.operator)
    answer = client.get("/search")
    assert answer.status_code == 200
    assert "A name, a phone number, or the number of a case." in answer.text
    assert answer.text.partition("<main")[2].partition("</main>")[0].count("btn main") == 1


def test_who_is_found_leads_to_case_and_call(post, world, known_case):
    answer = post(world.supervisor, "/search", text=NAME)
    assert answer.status_code == 200
    assert "<h1>Search</h1>" in answer.text
    assert f"/cases/{known_case}" in answer.text
    assert NAME in answer.text
    assert answer.headers["Cache-Control"] == "no-store"


def test_while_typing_only_the_answer_comes_with_the_id_to_go_on(post, world, known_case, rows):
    first = post(world.supervisor, "/search", {"HX-Request": "true"}, text="Srey", search_id=str(new_id())).text
    assert "<html" not in first
    search_id = re.search(r'name="search_id" value="([^"]+)"', first)[1]
    post(world.supervisor, "/search", {"HX-Request": "true"}, text=NAME, search_id=search_id)
    assert rows("SELECT requests FROM searches WHERE id = %s", search_id) == [(2,)]


def test_who_is_out_of_sight_makes_no_difference(post, world, known_case, names):
    def shown():
        text = post(world.other_caseworker, "/search", {"HX-Request": "true"}, text=NAME).text
        return re.sub(r'value="[^"]+"', "", text)

    unseen = shown()
    knows(names)
    assert shown() == unseen
    assert "Nobody whom you may see." in unseen
    assert NAME not in unseen


def test_a_number_that_shows_nothing_shows_the_way_to_emergency_access(post, world):
    assert "/break-glass" in post(world.operator, "/search", text="987654").text
    assert "/break-glass" not in post(world.operator, "/search", text="Nobody").text
    assert "/break-glass" not in post(world.supervisor, "/search", text="987654").text


@pytest.mark.parametrize(
    ("state", "says"),
    [(IndexState.AWAY, DEGRADED), (IndexState.CLOSED, DEGRADED), (IndexState.LOADING, "Names are still being read in")],
)
def test_without_the_index_it_says_so_calmly(post, world, names, state, says):
    names.answer = Matches(state)
    answer = post(world.supervisor, "/search", text=NAME)
    assert answer.status_code == 200
    assert says in answer.text


@pytest.mark.parametrize("wrong", [{"age": "old"}, {"text": "x" * 201}, {"province_id": "here"}, {"gender": "x"}])
def test_what_can_not_be_read_is_said_so(post, world, names, wrong):
    answer = post(world.supervisor, "/search", **({"text": NAME} | wrong))
    assert answer.status_code == 422
    assert names.asked == []


def test_a_call_being_taken_offers_who_may_be_known(post, world, known_case):
    form = {"children-0-name": NAME, "children-0-age": "9", "children-0-gender": "unknown", "search_id": str(new_id())}
    text = post(world.supervisor, "/search/known", **form).text
    assert "Perhaps known already" in text
    assert f"/cases/{known_case}" in text


def test_half_an_answer_offers_nobody(post, world, names):
    assert post(world.operator, "/search/known", **{"children-0-name": "Srey", "children-0-age": "x"}).text == ""
    assert names.asked == []


def test_the_form_of_a_call_asks_while_a_name_is_typed(client, world):
    sign_in(client, world.operator)
    html = client.get(f"/calls/{new_id()}/write").text
    assert 'hx-post="/search/known"' in html
    assert 'id="known"' in html


def test_opening_a_case_warns_of_one_out_of_sight_with_just_that_sentence(client, world, known_case, rows):
    operator = make_user(world.centre, "operator", world.other_team)
    call = make_call(operator, child_name=NAME)
    sign_in(client, operator)
    html = client.get(f"/calls/{call.id}/cases/new").text
    assert WARNING in html
    code = rows("SELECT code FROM cases WHERE id = %s", known_case)[0][0]
    assert code not in html
    assert str(known_case) not in html


def test_opening_a_case_shows_one_in_sight(client, world, known_case):
    call = make_call(world.operator, child_name=NAME)
    sign_in(client, world.operator)
    html = client.get(f"/calls/{call.id}/cases/new").text
    assert "This child may have a case already" in html
    assert f"/cases/{known_case}" in html
    assert WARNING not in html


def test_a_call_just_logged_warns_as_well(client, world, known_case):
    operator = make_user(world.centre, "operator", world.other_team)
    call = make_call(operator, child_name=NAME)
    sign_in(client, operator)
    assert WARNING in client.get(f"/?logged={call.id}").text
    assert WARNING not in client.get("/").text


def test_by_api_the_same(client, world, known_case):
    headers = {"Authorization": f"Bearer {make_token(world.supervisor)}"}
    body = {"search_id": str(new_id()), "text": NAME}
    answer = client.post("/api/v1/search", json=body, headers=headers)
    assert answer.status_code == 200
    found = answer.get_json()
    assert (found["state"], found["by"], found["search_id"]) == ("ready", "name", body["search_id"])
    assert found["items"][0]["case_id"] == str(known_case)
    operator = make_user(world.centre, "operator", world.other_team)
    call = make_call(operator, child_name=NAME)
    headers = {"Authorization": f"Bearer {make_token(operator)}"}
    alike = client.post(f"/api/v1/calls/{call.id}/doubles", headers=headers).get_json()
    assert alike == {"elsewhere": True, "cases": []}


def test_no_word_of_it_stays_in_database_log_or_queue(post, world, names, rows, capsys, redis_url):  # noqa: PLR0917  # fixtures
    canary = "Xylophonia Quetzalcoatl"
    names.answer = Matches(IndexState.AWAY)
    for path, form in (
        ("/search", {"text": canary}),
        ("/search/known", {"children-0-name": canary, "search_id": str(new_id())}),
    ):
        assert canary not in post(world.supervisor, path, {"HX-Request": "true"}, **form).text
    said = "".join(capsys.readouterr())
    for word in canary.split():
        assert word not in said
        for table in ("audit_entries", "searches", "outbox_events", "messages"):
            assert rows(f"SELECT count(*) FROM {table} t WHERE t::text ILIKE %s", f"%{word}%") == [(0,)]


def test_auditors_see_one_line_a_search_with_its_requests(post, client, world, known_case):
    search_id = str(new_id())
    for typed in ("Sr", "Srey", NAME):
        post(world.supervisor, "/search", {"HX-Request": "true"}, text=typed, search_id=search_id)
    headers = {"Authorization": f"Bearer {make_token(world.auditor)}"}
    entries = client.get("/api/v1/audit?action=search.made", headers=headers).get_json()["items"]
    assert [(entry["details"]["search_id"], entry["details"]["requests"]) for entry in entries] == [(search_id, 3)]
    child = entries[0]["subject_ids"][0]
    of_child = client.get(f"/api/v1/audit?action=search.made&subject={child}", headers=headers).get_json()["items"]
    assert len(of_child) == 3, "whoever follows a record sees each look at it"
