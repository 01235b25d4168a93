"""What a schema refuses is said in the reader's words: never in marshmallow's."""

import pytest
from marshmallow import fields, validate

from helpline.web.schema import In
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
