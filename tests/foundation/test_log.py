import dataclasses
import enum
import json
import logging
from datetime import UTC, datetime
from uuid import uuid4

import pytest
import structlog

from helpline.foundation.context import active, system_context
from helpline.foundation.errors import NotFound
from helpline.foundation.log import LibraryHandler, configure_logging, get_logger
from helpline.settings import Settings

SECRETS = ("Srey Neang", "012345678", "+85512345678", "ស្រីនាង", "she ran out with a cut", "a@b.org")


@pytest.fixture
def lines(capsys):
    """Configure as production does, and give back what was configured before."""
    root, before = logging.getLogger(), structlog.get_config()
    handlers, level = list(root.handlers), root.level
    start("production")

    def read():
        return [json.loads(line) for line in capsys.readouterr().err.splitlines()]

    yield read
    structlog.configure(**before)
    root.handlers, root.level = handlers, level
    logging.getLogger("sqlalchemy").setLevel(logging.NOTSET)


def start(env, level="INFO"):
    configure_logging(dataclasses.replace(Settings(), env=env, log_level=level))


class Risk(enum.StrEnum):
    HIGH = "high"


def test_ids_enums_numbers_and_times_are_written(lines):
    call_id, other = uuid4(), uuid4()
    when = datetime(2026, 11, 23, tzinfo=UTC)
    get_logger("helpline.calls").info(
        "call.logged",
        call_id=call_id,
        case_ids=[call_id, str(other)],
        state=Risk.HIGH,
        status=201,
        took_ms=12.5,
        due_at=when,
        due_on=when.date(),
        route="calls.log",
    )
    (line,) = lines()
    at = line.pop("at")
    assert datetime.fromisoformat(at).tzinfo is not None
    assert line == {
        "level": "info",
        "event": "call.logged",
        "source": "helpline.calls",
        "call_id": str(call_id),
        "case_ids": [str(call_id), str(other)],
        "state": "high",
        "status": 201,
        "took_ms": 12.5,
        "due_at": "2026-11-23T00:00:00+00:00",
        "due_on": "2026-11-23",
        "route": "calls.log",
    }


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize(
    "key", ["name", "phone", "call_id", "case_ids", "state", "status", "route", "due_at", "rows_count", "message"]
)
def test_a_text_gets_out_under_no_key(lines, key, secret):
    get_logger("x").info("call.logged", **{key: secret})
    get_logger("x").info("call.logged", **{key: [secret]})
    (line, other) = lines()
    assert secret not in json.dumps([line, other], ensure_ascii=False)
    assert line["withheld"] == other["withheld"] == [key]


def test_a_number_under_an_unknown_key_may_be_a_phone_and_is_withheld(lines):
    get_logger("x").info("call.logged", phone=12345678, age=9)
    assert lines()[0]["withheld"] == ["age", "phone"]


@pytest.mark.parametrize("event", ["call from 012345678", "Call.Logged", "logged", "call.logged: Srey"])
def test_an_event_name_that_was_built_is_not_written(lines, event):
    get_logger("x").info(event)
    assert lines()[0]["event"] == "log.unnamed"


def test_none_is_left_out_quietly(lines):
    get_logger("x").info("call.logged", call_id=None, name=None)
    assert "withheld" not in lines()[0]


@pytest.mark.parametrize("name", ["werkzeug", "celery.app.trace", "sqlalchemy.engine", "anything"])
def test_libraries_lose_their_words_and_arguments(lines, name):
    logging.getLogger(name).warning("Task %s for %s", "012345678", {"name": "Srey Neang"})
    logging.getLogger(name).warning("built for Srey Neang, 012345678")
    for line in lines():
        assert line["event"] == "library.message"
        assert line["source"] == name
        assert line["level"] == "warning"
        assert line["where"].startswith("test_log:")
        assert "012345678" not in json.dumps(line)
        assert "Srey" not in json.dumps(line)


def test_sql_statements_are_not_logged_at_info(lines):
    logging.getLogger("sqlalchemy.engine.Engine").info("INSERT … (%s)", "Srey")
    assert lines() == []


def fail():
    child = "Srey Neang"
    try:
        {}[child]
    except KeyError as error:
        raise ValueError(f"no such child {child}") from error


def test_an_unknown_exception_shows_types_and_frames_only(lines):
    try:
        fail()
    except ValueError as error:
        get_logger("x").error("request.failed", exc_info=error)
        get_logger("x").exception("request.failed")
        logging.getLogger("library").exception("it broke for Srey Neang")
    for line in lines():
        assert line["level"] == "error"
        assert line["error"] == "builtins.ValueError"
        assert line["caused_by"] == ["builtins.KeyError"]
        assert line["frames"][-1].startswith("tests/foundation/test_log.py:")
        assert line["frames"][-1].endswith(" fail")
        assert "Srey" not in json.dumps(line)


def test_a_coded_error_shows_its_code_and_a_database_error_its_state(lines):
    class ViolationError(Exception):
        sqlstate = "23505"

    get_logger("x").error("request.failed", exc_info=NotFound("case", uuid4()))
    get_logger("x").error("request.failed", exc_info=ViolationError("Key (phone)=(012345678) already exists"))
    coded, database = lines()
    assert coded["code"] == "not_found"
    assert "frames" not in coded
    assert database["sqlstate"] == "23505"
    assert "012345678" not in json.dumps(database)


def test_the_context_that_runs_is_named(lines):
    ctx = dataclasses.replace(system_context("reminder"), cause_id=uuid4())
    with active(ctx):
        get_logger("x").info("followup.reminded")
    (line,) = lines()
    assert line["request_id"] == str(ctx.request_id)
    assert line["actor_id"] == str(ctx.actor.id)
    assert line["cause_id"] == str(ctx.cause_id)
    with active(system_context("reminder")):
        get_logger("x").info("followup.reminded")
    assert "cause_id" not in lines()[0]


def test_development_sees_templates_and_messages_and_production_does_not(lines):
    start("development")
    logging.getLogger("library").warning("retrying in %s", "012345678")
    get_logger("x").error("request.failed", exc_info=ValueError("why"))
    template, message = lines()
    assert template["template"] == "retrying in %s"
    assert message["message"] == "why"


def test_the_level_is_kept_and_configuring_twice_writes_once(lines):
    start("production", "warning")
    start("production", "WARNING")
    get_logger("x").info("call.logged")
    logging.getLogger("library").info("x")
    get_logger("x").warning("call.late")
    logging.getLogger("library").warning("x")
    assert [line["event"] for line in lines()] == ["call.late", "library.message"]
    assert sum(isinstance(h, LibraryHandler) for h in logging.getLogger().handlers) == 1
