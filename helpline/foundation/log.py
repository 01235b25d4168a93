"""Logs as JSON lines on standard error: static event names, ids, enums, numbers and times. Nothing else gets out.

What is written is chosen by an allow-list of keys and by the shape of the value: anything else is withheld, and only
its key is named. Messages of libraries are reduced to where they were written, exceptions to their types and frames,
since either may carry a request's text. In development alone the library's template and the exception's message
are added.
"""

import json
import logging
import re
import sys
import traceback
from collections.abc import Mapping, MutableMapping
from datetime import date, datetime
from enum import Enum
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import structlog

from helpline.foundation.clock import real_now
from helpline.foundation.context import current_context
from helpline.foundation.errors import HelplineError
from helpline.settings import Settings

EventDict = MutableMapping[str, Any]

_WORDS = frozenset(
    {
        "event",
        "level",
        "source",
        "where",
        "error",
        "code",
        "sqlstate",
        "route",
        "endpoint",
        "method",
        "task",
        "queue",
        "part",
        "outcome",
        "state",
        "kind",
        "gateway",
        "action",
        "permission",
        "role",
        "channel",
        "env",
        "version",
        "revision",
    }
)
_NUMBERS = frozenset({"status", "attempt", "count", "rows", "statements", "port", "pid", "line", "seconds"})
_NUMBER_ENDINGS = ("_count", "_ms", "_seconds", "_bytes", "_rows", "_version")
_EVENT = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+")
_WORD = re.compile(r"(?!.*\d{6})[\w.:/<>-]{1,120}", re.ASCII)  # no spaces, and no run of digits like a phone number
_FRAMES = 25
_ROOT = Path(__file__).resolve().parents[2]
_THROUGH_ROOT = ("werkzeug", "celery", "kombu", "sqlalchemy", "alembic", "granian", "_granian", "flask_limiter")


def get_logger(name: str) -> structlog.typing.FilteringBoundLogger:
    """A logger: `log.info("call.logged", call_id=call.id)`. Event names are dotted, lower_snake and never built."""
    return cast("structlog.typing.FilteringBoundLogger", structlog.get_logger(source=name))


def configure_logging(settings: Settings) -> None:
    """Send this process's logging, the libraries' included, through the one pipeline. May be called again."""
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    talkative = settings.env == "development"
    structlog.configure(
        processors=[_add_request, _ExceptionShape(talkative), withhold, _stamp, _render],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *_: _Stderr(),
        cache_logger_on_first_use=False,
    )
    root = logging.getLogger()
    root.handlers = [h for h in root.handlers if type(h) not in {logging.StreamHandler, LibraryHandler}]
    root.addHandler(LibraryHandler(talkative))
    root.setLevel(level)
    for name in _THROUGH_ROOT:
        library = logging.getLogger(name)
        library.handlers, library.propagate = [], True
    logging.getLogger("sqlalchemy").setLevel(logging.WARNING)  # its INFO is statements with their parameters
    for chatter in ("celery.worker.strategy", "celery.app.trace", "celery.beat"):  # a line for every look at the clock
        logging.getLogger(chatter).setLevel(logging.WARNING)


class LibraryHandler(logging.Handler):
    """Takes what libraries log by `logging` and keeps the place and the level; never the arguments."""

    def __init__(self, talkative: bool = False) -> None:
        super().__init__()
        self.talkative = talkative

    def emit(self, record: logging.LogRecord) -> None:
        """Pass one record on."""
        values: dict[str, Any] = {"source": record.name, "where": f"{record.module}:{record.lineno}"}
        if record.exc_info:
            values["exc_info"] = record.exc_info
        if self.talkative:
            values["template"] = _Told(str(record.msg))
        structlog.get_logger().log(record.levelno, "library.message", **values)


class _Told(str):
    """A text that development is allowed to see."""

    __slots__ = ()


class _Stderr:
    def msg(self, line: str) -> None:
        sys.stderr.write(line + "\n")

    debug = info = warning = error = critical = exception = msg


class _ExceptionShape:
    """Turns `exc_info` into types, a code and frames without values."""

    def __init__(self, talkative: bool) -> None:
        self.talkative = talkative

    def __call__(self, _logger: object, _method: str, event: EventDict) -> EventDict:
        raised = event.pop("exc_info", None)
        error = raised[1] if isinstance(raised, tuple) else sys.exc_info()[1] if raised is True else raised
        if isinstance(error, BaseException):
            event["error"] = _type_name(error)
            event["frames"] = _Shaped(_frames(error))
            event["caused_by"] = _Shaped(_causes(error))
            if isinstance(error, HelplineError):
                event["code"] = error.code
            if sqlstate := getattr(error, "sqlstate", None) or getattr(getattr(error, "orig", None), "sqlstate", None):
                event["sqlstate"] = sqlstate
            if self.talkative:
                event["message"] = _Told(str(error))
        return event


class _Shaped(list[str]):
    """Names of code: types and frames, made here."""


def _type_name(error: BaseException) -> str:
    return f"{type(error).__module__}.{type(error).__qualname__}"


def _causes(error: BaseException) -> list[str]:
    names: list[str] = []
    cause = error.__cause__ or error.__context__
    while cause is not None and len(names) < _FRAMES:
        names.append(_type_name(cause))
        cause = cause.__cause__ or cause.__context__
    return names


def _frames(error: BaseException) -> list[str]:
    walked = list(traceback.walk_tb(error.__traceback__))[-_FRAMES:]
    return [f"{_short(f.f_code.co_filename)}:{line} {f.f_code.co_name}" for f, line in walked]


def _short(filename: str) -> str:
    path = filename.rpartition("site-packages/")[2]
    return path.removeprefix(f"{_ROOT}/")


def _add_request(_logger: object, _method: str, event: EventDict) -> EventDict:
    ctx = current_context()
    if ctx is not None:
        event.setdefault("request_id", ctx.request_id)
        event.setdefault("actor_id", ctx.actor.id)
        if ctx.cause_id is not None:
            event.setdefault("cause_id", ctx.cause_id)
    return event


def withhold(_logger: object, method: str, event: EventDict) -> EventDict:
    """Keep ids, enums, numbers and times under known keys; name the keys of the rest."""
    kept: dict[str, Any] = {"level": "error" if method == "exception" else method}
    withheld = []
    for key, value in event.items():
        written = _written(key, value)
        if written is not None:
            kept[key] = written
        elif value is not None:
            withheld.append(key)
    if not _EVENT.fullmatch(str(kept.get("event", ""))):
        kept["event"] = "log.unnamed"
    if withheld:
        kept["withheld"] = [key for key in sorted(withheld) if _WORD.fullmatch(key)]
    return kept


def _written(key: str, value: Any) -> Any:
    """The value as it may be written under this key, or None."""
    if isinstance(value, _Told | _Shaped):
        return value or None
    if key.endswith("_ids"):
        return [str(v) for v in value] if isinstance(value, list | tuple) and all(map(_is_id, value)) else None
    if key.endswith("_id"):
        return str(value) if _is_id(value) else None
    if key.endswith(("_at", "_on")):
        return value.isoformat() if isinstance(value, datetime | date) else None
    word = value.value if isinstance(value, Enum) else value
    if key in _WORDS:
        return word if isinstance(word, str) and _WORD.fullmatch(word) else None
    return value if isinstance(value, int | float) and (key in _NUMBERS or key.endswith(_NUMBER_ENDINGS)) else None


def _is_id(value: object) -> bool:
    try:
        UUID(str(value))
    except ValueError:
        return False
    return True


def _stamp(_logger: object, _method: str, event: EventDict) -> EventDict:
    event["at"] = real_now().isoformat(timespec="milliseconds")
    return event


def _render(_logger: object, _method: str, event: Mapping[str, Any]) -> str:
    return json.dumps(event, ensure_ascii=False)
