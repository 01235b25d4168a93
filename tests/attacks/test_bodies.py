"""Bodies made to break parsers, and fields that a form never had: every route of the API that takes a body."""

import re
import unicodedata
from types import SimpleNamespace

import pytest
from marshmallow import RAISE, fields
from marshmallow.validate import Length

from helpline.accounts.rules import normal_code, password_problem
from helpline.app import create_app  # noqa: F401  # imports every schema
from helpline.foundation import letters
from helpline.foundation.tabular.mapping import fold
from helpline.reference.rules import search_key
from helpline.web.schema import In
from tests.architecture.test_doors import ADMITTED, LINK, token_in
from tests.architecture.test_house import SOURCES, calls_of, place
from tests.attacks.conftest import nowhere

MEGABYTE = 1024 * 1024
BROKEN = {
    "deep list": b"[" * 100_000,
    "deep object": b'{"a":' * 5_000 + b"1" + b"}" * 5_000,
    "deep inside": b'{"reason":' + b"[" * 900 + b"]" * 900 + b"}",
    "not a number": b'{"version": NaN}',
    "infinity": b'{"version": -Infinity}',
    "beyond floats": b'{"version": 1e400}',
    "huge integer": b'{"version": ' + b"9" * 5_000 + b"}",
    "beyond the column": b'{"version": 9223372036854775807}',
    "half a character": b'{"reason": "\\ud800"}',
    "nul": b'{"reason": "a\\u0000b"}',
    "nul in a key": b'{"a\\u0000b": 1}',
    "no utf-8": b'{"reason": "\xff\xfe"}',
    "utf-16": '{"reason": "x"}'.encode("utf-16"),
    "comments": b'{"reason": "x" /* y */}',
    "trailing": b'{"version": 1}{"version": 2}',
    "list": b"[]", "text": b'"x"', "number": b"1", "null": b"null",
    "prototype": b'{"__proto__": {"role": "admin"}, "constructor": {"prototype": {"role": "admin"}}}',
    "python": b'{"__class__": "x", "__init__": {"__globals__": {}}}',
}  # fmt: skip
EXTRA = {
    "role",
    "status",
    "centre_id",
    "actor_id",
    "created_at",
    "opened_by",
    "operator_id",
    "requested_by",
    "record_key",
    "is_admin",
    "_sa_instance_state",
    "password_hash",
    "demo",
}


@pytest.fixture(scope="module")
def taking(app, staff):
    """(endpoint, method, path, its properties) of each operation of the API that takes JSON."""
    described = app.test_client().get("/api/v1/openapi.json").json
    by_path = {
        (re.sub(r"<(?:[^:>]+:)?([^>]+)>", r"{\1}", rule.rule), method): rule
        for rule in app.url_map.iter_rules()
        for method in rule.methods
    }
    found = []
    for path, operations in described["paths"].items():
        for method, operation in operations.items():
            content = operation.get("requestBody", {}).get("content", {}) if isinstance(operation, dict) else {}
            if "application/json" in content:
                named = content["application/json"]["schema"]["$ref"].rpartition("/")[2]
                rule = by_path[path if path.startswith("/api") else f"/api/v1{path}", method.upper()]
                properties = set(described["components"]["schemas"][named]["properties"])
                found.append((rule.endpoint, method.upper(), nowhere(rule.rule), properties))
    assert len(found) > 30
    return [each for each in found if ADMITTED[each[0]] != LINK]


@pytest.fixture(scope="module")
def browsers(staff):
    found = {role: staff.browser(role) for role in staff.people}
    return {role: (browser.client, browser.token) for role, browser in found.items()}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_body_that_breaks_parsers_is_refused_calmly_by_every_route(taking, browsers, kind):
    for endpoint, method, path, _ in taking:
        client, token = browsers[min(ADMITTED[endpoint])]
        answer = client.open(path, method=method, data=BROKEN[kind], content_type="application/json", headers=token)
        assert answer.status_code in {400, 404, 409, 422}, f"{method} {path}: {answer.status_code}"
        assert answer.mimetype == "application/problem+json"
        assert not re.search(r"Traceback|psycopg|sqlalchemy|orjson|marshmallow", answer.text)


def test_no_route_reads_more_than_two_megabytes_but_where_a_file_comes_in(app, taking, browsers):
    large = b'{"reason": "' + b"x" * (2 * MEGABYTE) + b'"}'
    for endpoint, method, path, _ in taking:
        client, token = browsers[min(ADMITTED[endpoint])]
        answer = client.open(path, method=method, data=large, content_type="application/json", headers=token)
        assert answer.status_code == 413, path
    stranger = app.test_client()
    for kind in ("application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
        assert stranger.post("/sign-in", data=b"x" * (2 * MEGABYTE + 1), content_type=kind).status_code == 413
    files = {name for name, view in app.view_functions.items() if getattr(view, "helpline_files", False)}
    assert files == {"imports.upload", "api_imports.upload"}


def test_a_form_of_too_many_parts_is_refused(app):
    body = (
        b"".join(b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n' for _ in range(2_001)) + b"--x--\r\n"
    )
    answer = app.test_client().post("/sign-in", data=body, content_type="multipart/form-data; boundary=x")
    assert answer.status_code == 413


def test_no_route_takes_a_field_that_is_not_its_own(taking, browsers):
    for endpoint, method, path, properties in taking:
        client, token = browsers[min(ADMITTED[endpoint])]
        extra = dict.fromkeys(EXTRA - properties, "admin")
        answer = client.open(path, method=method, json=extra, headers=token)
        assert answer.status_code == 422, path
        said = answer.json["errors"]["json"]
        assert set(extra) <= set(said), path
        assert {tuple(said[name]) for name in extra} == {("There is no such field here.",)}


def inputs(kind=In):
    for each in kind.__subclasses__():
        yield each
        yield from inputs(each)


def test_every_schema_refuses_what_it_does_not_know():
    found = [schema for schema in inputs() if schema.__module__.startswith("helpline.")]
    assert len(found) > 40
    assert [schema.__name__ for schema in found if schema().unknown != RAISE] == []


def test_nothing_of_an_input_is_without_end():
    """Two megabytes hold fifty thousand ids, each of which would be looked up."""
    endless = set()
    for schema in (each for each in inputs() if each.__module__.startswith("helpline.")):
        for name, field in schema().fields.items():
            many = isinstance(field, fields.List | fields.Mapping) or type(field) is fields.String
            if many and not any(isinstance(each, Length) and (each.max or each.equal) for each in field.validators):
                endless.add(f"{schema.__name__}.{name}")
    assert endless == set()


@pytest.mark.parametrize(
    "wish", [{"role": "admin"}, {"centre_id": "x"}, {"name": "A", "status": "active"}, {"id": "x"}]
)
def test_nobody_makes_more_of_themselves(staff, rows, wish):
    browser = staff.browser("caseworker")
    before = rows("SELECT role, centre_id, status, name FROM users WHERE id = %s", browser.user.id)
    assert browser.client.patch("/api/v1/me", json=wish, headers=browser.token).status_code == 422
    assert browser.client.post(
        "/account", data={"name": "A", "locale": "en"} | wish | {"csrf_token": browser.token["X-CSRFToken"]}
    ).status_code in {303, 422}
    after = rows("SELECT role, centre_id, status, name FROM users WHERE id = %s", browser.user.id)
    assert [row[:3] for row in after] == [row[:3] for row in before]


def test_of_a_key_said_twice_what_is_checked_is_what_counts(staff):
    browser = staff.browser("operator")
    for body, status in ((b'{"locale": "xx", "locale": "km"}', 200), (b'{"locale": "km", "locale": "xx"}', 422)):
        answer = browser.client.patch("/api/v1/me", data=body, content_type="application/json", headers=browser.token)
        assert answer.status_code == status
    assert (
        browser.client.patch("/api/v1/me?locale=xx", json={"locale": "en"}, headers=browser.token).json["locale"]
        == "en"
    )


def test_names_of_fields_that_nest_are_no_way_round(staff):
    """`a.b` in a form nests: nothing is reached by it that the schema doesn't hold."""
    browser = staff.browser("supervisor")
    for name in (
        "__proto__.role",
        "role.x",
        "name.__class__",
        ".",
        "..",
        "a..b",
        ".".join("a" * 500),
        "names[en]",
        "names.en.x",
    ):
        for path in ("/account", "/agencies/new", "/calls"):
            answer = browser.client.post(path, data={name: "admin", "csrf_token": browser.token["X-CSRFToken"]})
            assert answer.status_code in {303, 400, 422}, f"{path} {name}"


MARKS = "\u0301" * 100_000 + "\u0327" * 100_000  # each of the second kind belongs before all of the first


@pytest.fixture
def normalised(monkeypatch):
    """How long each text was that Python was asked to put in order."""
    seen = []

    def normalize(form, text):
        seen.append(len(text))
        return text

    monkeypatch.setattr(letters, "unicodedata", SimpleNamespace(normalize=normalize))
    return seen


def test_marks_without_end_keep_no_process_busy(client, normalised, make_person):
    """One request of a stranger, a password of marks in the wrong order, would have stood still for hours."""
    token = token_in(client.get("/sign-in").text)
    answer = client.post("/sign-in", data={"csrf_token": token, "login": "x", "password": "a" + MARKS[: letters.PIECE]})
    assert answer.status_code == 422
    answer = client.post("/sign-in", data={"csrf_token": token, "login": "x", "password": "a" + MARKS})
    assert answer.status_code == 422
    assert sum(normalised) < 10 * letters.PIECE, "of the password nothing: it is far too long to be one"
    assert password_problem("a" + MARKS, ()) == "password_long"
    assert normal_code("1" * 300) == ""
    for fold_of in (search_key, fold):
        fold_of("a" + MARKS)
    assert max(normalised) == letters.PIECE
    assert sum(normalised) > len(MARKS)


def test_what_is_short_is_normalised_whole():
    text = "Sokhā " * 160
    assert len(unicodedata.normalize("NFD", text)) <= 2 * letters.PIECE
    assert letters.normal_form("NFKD", text) == unicodedata.normalize("NFKD", text)


@pytest.mark.parametrize("path", SOURCES, ids=place)
def test_nobody_else_normalises(path):
    assert place(path) == "helpline/foundation/letters.py" or "unicodedata.normalize" not in calls_of(path)
