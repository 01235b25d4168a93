"""What a mapping may make of a log, decided before a row is read; and what a mapped row is as a call."""

import uuid
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from helpline.foundation.errors import Invalid
from helpline.foundation.tabular.mapping import read_mapping
from helpline.foundation.tabular.normalise import compile_mapping
from helpline.foundation.tabular.table import Row
from helpline.imports.rules import Vocabulary, check_mapping, draft_mapping, guessed_values, ready_call, targets

VOCABULARY = Vocabulary({"violence": uuid.uuid4(), "violence.neglect": uuid.uuid4()}, {}, {})
START = {"target": "started_at", "columns": ["when"], "type": "datetime", "formats": ["iso"], "required": True}


def refusal(*fields, **others):
    """The code and place of what is refused; None when the document will do."""
    offered = targets(VOCABULARY)
    try:
        check_mapping(read_mapping({"name": "x", "fields": list(fields), **others}, targets=offered), offered)
    except Invalid as problem:
        return problem.code, problem.field
    return None


def text(target):
    return {"target": target, "columns": ["a"], "type": "text"}


def test_a_call_needs_a_start():
    assert refusal() == ("mapping_needs_start", "fields")
    assert refusal(START | {"required": False}) == ("mapping_needs_start", "fields")
    assert refusal(START) is None


@pytest.mark.parametrize("target", ["child_age", "caller_age", "duration_minutes", "ended_at", "channel", "kind",
                                    "child_gender", "category", "subcategories", "disability", "risk_level"])  # fmt: skip
def test_what_is_no_text_is_not_read_as_one(target):
    assert refusal(START, text(target)) == ("mapping_type", "fields.1.type")


def test_words_may_be_read_as_words():
    assert refusal(START, text("narrative"), text("child_name") | {"columns": ["b"]}) is None
    assert refusal(START, {"target": "narrative", "columns": ["b"], "type": "integer"}) == (
        "mapping_type",
        "fields.1.type",
    )


@pytest.mark.parametrize("constants", [{"child_age": 9}, {"started_at": "2025-01-01"}, {"narrative": 5}, {"channel": []},
                                       {"subcategories": "violence.neglect"}])  # fmt: skip
def test_constants_hold_codes_and_words(constants):
    assert refusal(START, constants=constants) is not None


def test_flags_fill_the_list_of_reasons_alone():
    flags = [{"target": "child_gender", "yes": ["1"], "no": ["0"], "order": [{"column": "a", "code": "female"}]}]
    assert refusal(START, flags=flags) == ("mapping_target", "flags.0")


@pytest.mark.parametrize(("told", "kept"), [(400, None), (-5, None), (120, 120), (-1, -1)])
def test_an_age_that_nobody_has_is_none(told, kept):
    ready = ready_call(
        {"started_at": datetime(2025, 1, 1, tzinfo=ZoneInfo("Asia/Phnom_Penh")), "child_age": told}, VOCABULARY
    )
    assert ready.body["child"]["age"] == kept


def test_minutes_pass_while_the_clock_on_the_wall_is_set():
    """In Santiago the hour before midnight of 2025-04-05 came twice."""
    started = datetime(2025, 4, 5, 23, 30, tzinfo=ZoneInfo("America/Santiago"))
    ready = ready_call({"started_at": started, "duration_minutes": 60}, VOCABULARY)
    ended = datetime.fromisoformat(ready.body["ended_at"])
    assert (ended - datetime.fromisoformat(ready.body["started_at"])).total_seconds() == 3600
    assert ready_call({"started_at": started, "duration_minutes": 999_999_999}, VOCABULARY).body["ended_at"] is None


def test_spellings_that_are_plain_are_guessed_and_no_others():
    words = {"female": "Girl", "male": "Boy", "unknown": "Not told"}
    assert guessed_values(["f", "BOY", "not told", "x", "m"], words) == {
        "female": ["f"], "male": ["BOY", "m"], "unknown": ["not told"],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("headers", "columns"),
    [
        (["Age", "Date", "Time"], ["Date", "Time"]),
        (["Hora", "Fecha"], ["Fecha", "Hora"]),
        (["Date and time", "Time spent"], ["Date and time"]),
        (["Date"], ["Date"]),
    ],
)
def test_a_draft_joins_a_date_and_a_time_that_stand_apart(headers, columns):
    document = draft_mapping(headers)
    [start] = [field for field in document["fields"] if field["target"] == "started_at"]
    assert (start["columns"], start.get("join", False)) == (columns, len(columns) > 1)
    normaliser = compile_mapping(
        read_mapping(document, targets=targets(VOCABULARY)), headers, time_zone=ZoneInfo("Asia/Phnom_Penh")
    )
    cells = dict.fromkeys(headers, "") | dict(zip(columns, ("31/12/2024", "9:05"), strict=False))
    assert normaliser.apply(Row(2, cells)).values["started_at"].strftime("%d.%m.%y") == "31.12.24"
