"""What a schema refuses is said in the reader's words: never in marshmallow's."""

import pytest
from marshmallow import fields, validate

from helpline.web.schema import In
from tests.factories.accounts import sign_in
from tests.journeys.people import make_token


def input_schemas(kind=In):
    for each in kind.__subclasses__():
        yield each
        yield from input_schemas(each)


def validators_of(field):
    for each in field.validators:
        yield from each.validators if isinstance(each, validate.And) else [each]


def test_no_schema_speaks_marshmallows_english():
    """A plain text here is a sentence of the library's that nobody gave words of ours."""
    schemas = list(input_schemas())
    assert len(schemas) > 30
    for schema in schemas:
        for name, field in schema().load_fields.items():
            unheard = {"format", "special"} | ({"invalid_awareness"} if isinstance(field, fields.Date) else set())
            own = {key: said for key, said in field.error_messages.items() if key not in unheard}
            assert [key for key, said in own.items() if type(said) is str] == [], f"{schema.__name__}.{name}"
            for validator in validators_of(field):
                assert type(validator) is not validate.Range, f"{schema.__name__}.{name}: take web.validation's"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "call_id"),
        ({"call_id": "nothing"}, "call_id"),
        ({"started_at": "yesterday"}, "started_at"),
        ({"started_at": "2026-11-25T10:00:00"}, "started_at"),
        ({"started_at": "0001-01-01T00:00:00+14:00"}, "started_at"),
        ({"ended_at": "9999-12-31T23:00:00-05:00"}, "ended_at"),
        ({"channel": "smoke"}, "channel"),
        ({"narrative": 7}, "narrative"),
        ({"narrative": "x" * 100_001}, "narrative"),
        ({"children": [{"age": 400}]}, "age"),
        ({"children": [{"age": "seven"}]}, "age"),
        ({"children": "one"}, "children"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_refusal_is_said_in_khmer(client, make_person, body, field):
    operator = make_person("operator", locale="km")
    answer = client.post("/api/v1/calls", json=body, headers={"Authorization": f"Bearer {make_token(operator)}"})
    said = [sentence for path, sentences in flat(answer.json["errors"]) if path == field for sentence in sentences]
    assert answer.status_code == 422
    assert said
    assert all(any("ក" <= letter <= "៿" for letter in sentence) for sentence in said), said


def flat(errors):
    for name, found in errors.items():
        if isinstance(found, dict):
            yield from flat(found)
        else:
            yield name, found


@pytest.mark.parametrize("query", ["to=9999-12-31", "from=0001-01-01"])
@pytest.mark.parametrize("place", ["/calls", "/figures", "/api/v1/calls", "/api/v1/figures"])
def test_a_day_that_no_calendar_reaches_is_refused_calmly(client, make_person, place, query):
    supervisor = make_person("supervisor")
    headers = {"Authorization": f"Bearer {make_token(supervisor)}"} if place.startswith("/api") else {}
    if not headers:
        sign_in(client, supervisor)
    assert client.get(f"{place}?period=custom&{query}", headers=headers).status_code < 500


@pytest.mark.parametrize(
    "body",
    [
        '{"narrative": "\\ud800"}',
        '{"narrative": %s}' % ("9" * 5000),
        '{"narrative": NaN}',
        "[" * 3000,
        b'{"narrative": "\xff"}',
    ],
)
def test_json_that_is_none_is_refused_calmly(client, make_person, body):
    headers = {"Authorization": f"Bearer {make_token(make_person('operator'))}", "Content-Type": "application/json"}
    answer = client.post("/api/v1/calls", data=body, headers=headers)
    assert (answer.status_code, answer.mimetype) == (400, "application/problem+json")
