"""What the application as a whole promises."""

from dataclasses import replace

import pytest

from helpline.web.frame import home_endpoint
from tests.factories.accounts import sign_in


def test_files_that_browsers_keep_for_ever_are_named_for_their_content(app, client):
    with app.test_request_context():
        address = app.url_for("static", filename="css/tokens.css")
    assert address.split("/")[2] == app.static_url_path.removeprefix("/static/")
    with client.get(address) as answer:
        assert answer.status_code == 200
        assert "immutable" in answer.headers["Cache-Control"]
    assert client.get("/static/css/tokens.css").status_code == 404


@pytest.mark.parametrize("role", ["operator", "caseworker", "team_supervisor", "supervisor", "admin", "auditor"])
def test_each_role_has_a_first_page_that_opens(app, client, make_person, role):
    person = make_person(role)
    sign_in(client, person)
    assert home_endpoint(person.ctx().actor) in app.view_functions
    answer = client.get("/sign-in")
    assert answer.status_code == 302
    page = client.get(answer.location)
    assert page.status_code == 200
    rail = page.text.split('class="rail"')[1].split("</nav>")[0]
    assert rail.count('aria-current="page"') == 1


def test_a_demo_says_so_on_every_page(app, client, settings, monkeypatch):
    assert "A demo" not in client.get("/sign-in").text
    monkeypatch.setitem(app.extensions, "helpline_settings", replace(settings, demo=True))
    assert "A demo" in client.get("/sign-in").text
