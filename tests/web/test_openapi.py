"""The API's description: whole, valid, and true of what the API does when it is asked all sorts of things."""

import re

import hypothesis
import psycopg
import pytest
import schemathesis
from hypothesis import HealthCheck
from hypothesis import strategies as st
from schemathesis.checks import (
    content_type_conformance,
    not_a_server_error,
    response_schema_conformance,
    status_code_conformance,
)

from tests.factories.agencies import make_agency
from tests.factories.cases import assign, make_world, open_case
from tests.journeys.people import make_token

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
ROLES = ("operator", "caseworker", "team_supervisor", "supervisor", "admin", "auditor")
WRITING = {"post", "put", "patch", "delete"}


@pytest.fixture(scope="module")
def description(app):
    return app.test_client().get("/api/v1/openapi.json").get_json()


def operations(description):
    for path, item in description["paths"].items():
        for method, operation in item.items():
            if method != "parameters":
                yield path, method, operation


def test_it_is_openapi_3_1_and_names_its_token(description):
    assert description["openapi"] == "3.1.0"
    assert description["security"] == [{"token": []}]
    assert description["components"]["securitySchemes"]["token"] == {"type": "http", "scheme": "bearer"}


def test_every_route_of_the_api_is_in_it(app, description):
    routes = {
        (app_path(rule), method.lower())
        for rule in app.url_map.iter_rules()
        if rule.rule.startswith("/api/") and not rule.endpoint.startswith("api-docs.")
        for method in rule.methods - {"HEAD", "OPTIONS"}
    }
    assert routes == {(path, method) for path, method, _operation in operations(description)}


def app_path(rule) -> str:
    return re.sub(r"<(?:[^:>]+:)?([^>]+)>", r"{\1}", rule.rule)


def test_every_operation_says_what_it_does_and_how_it_refuses(description):
    for path, method, operation in operations(description):
        where = f"{method} {path}"
        assert operation["summary"].endswith("."), where
        answers = set(operation["responses"])
        assert "default" not in answers, where
        assert answers & {"200", "201", "202", "204"}, where
        if path.startswith("/api/v1/portal/"):
            assert operation["security"] == [], where
        else:
            assert "security" not in operation, where
            assert {"401", "403"} <= answers, where
        assert "404" in answers or "{" not in path, where
        assert {"404", "409", "422"} <= answers or method not in WRITING, where
        for status, answer in operation["responses"].items():
            if status >= "400":
                assert list(answer["content"]) == ["application/problem+json"], f"{where} {status}"
                problem = answer["content"]["application/problem+json"]["schema"]
                assert problem == {"$ref": "#/components/schemas/Problem"}, f"{where} {status}"


def test_only_partners_links_need_no_token(app, description):
    open_paths = {path for path, _method, operation in operations(description) if operation.get("security") == []}
    assert open_paths == {"/api/v1/portal/{token}/request", "/api/v1/portal/{token}/answer"}


@pytest.fixture(scope="module")
def world(app, database_urls):
    """A centre with some of everything, so that ids of it lead somewhere."""
    with app.app_context():
        made = make_world(database_urls["owner"])
        make_agency(made)
        assign(made, open_case(made))
        open_case(made, needs=("health",))
    return made


@pytest.fixture(scope="module")
def known(world, database_urls):
    """Ids of the world by the parameter that takes them: half of the calls use one."""
    ids = {}
    with psycopg.connect(database_urls["owner"]) as connection:
        for parameter, table in (
            ("call_id", "calls"),
            ("case_id", "cases"),
            ("agency_id", "agencies"),
            ("user_id", "users"),
            ("team_id", "teams"),
        ):
            found = connection.execute(
                f"SELECT id FROM {table} WHERE centre_id = %s ORDER BY id LIMIT 1", [world.centre.id]
            )
            ids[parameter] = str(found.fetchone()[0])
    return ids


@pytest.fixture(scope="module")
def schema(app):
    return schemathesis.openapi.from_wsgi("/api/v1/openapi.json", app)


def test_the_description_is_valid(schema):
    schema.validate()


def asked(schema, client_token, known, examples):
    """Ask every operation `examples` times; half of the ids lead somewhere. Returns what did not hold."""
    broken = {}
    for found in schema.get_all_operations():
        operation = found.ok()

        @hypothesis.settings(
            max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck),
            phases=[hypothesis.Phase.generate], derandomize=True,
        )  # fmt: skip
        @hypothesis.given(case=operation.as_strategy(), real=st.booleans())
        def ask(case, real):
            if real:
                for name in set(case.path_parameters) & set(known):
                    case.path_parameters[name] = known[name]
                if isinstance(case.body, dict) and isinstance(case.body.get("version"), int):
                    case.body["version"] = 1  # most likely the one that stands
            case.call_and_validate(checks=CHECKS, headers={"Authorization": f"Bearer {client_token}"})

        try:
            ask()
        except (Exception, BaseExceptionGroup) as error:  # noqa: BLE001 - all that breaks is told together
            broken[operation.label] = str(error)[:1500]
    return broken


@pytest.mark.parametrize("role", ROLES)
def test_whatever_is_asked_the_answers_are_as_described(schema, world, known, role):
    broken = asked(schema, make_token(getattr(world, role)), known, 2)
    assert broken == {}


@pytest.mark.nightly
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("role", ROLES)
def test_at_length(schema, world, known, role):
    broken = asked(schema, make_token(getattr(world, role)), known, 40)
    assert broken == {}
