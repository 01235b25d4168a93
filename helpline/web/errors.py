"""Turning what went wrong into an answer: problem+json for the API, a fragment for htmx, a calm page for people."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

from flask import Flask, Response, jsonify, redirect, render_template, request, url_for
from flask_babel import gettext as _
from flask_wtf.csrf import CSRFError
from marshmallow import ValidationError
from sqlalchemy.exc import DataError, IntegrityError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from werkzeug.exceptions import HTTPException

from helpline.foundation.crypto import keyring
from helpline.foundation.crypto.keyring import NoKeys
from helpline.foundation.errors import (
    Conflict,
    Forbidden,
    HelplineError,
    Invalid,
    NotFound,
    StepUpNeeded,
    Unauthenticated,
    Unavailable,
)
from helpline.foundation.log import get_logger

log = get_logger(__name__)

_STATUS: dict[type[HelplineError], int] = {
    NotFound: 404, Forbidden: 403, StepUpNeeded: 403, Unauthenticated: 401, Invalid: 422, Conflict: 409,
    Unavailable: 503,
}  # fmt: skip


def wants_json() -> bool:
    return request.path.startswith("/api/")


def problem(status: int, code: str, errors: Any = None, **extra: Any) -> Response:
    """An answer of RFC 9457. `code` is ours and stable; `errors` maps field paths to sentences."""
    body = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "code": code} | extra
    if errors:
        body["errors"] = errors
    response = jsonify(body)
    response.status_code = status
    response.mimetype = "application/problem+json"
    if status == HTTPStatus.UNAUTHORIZED:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def _page(status: int, code: str) -> Response:
    if not keyring.is_open():
        return closed_answer()
    return Response(render_template("error.html", status=status, code=code), status)


# Where somebody goes whose session is not whole, by the code of the refusal.
_WAYS_IN = {"locked": "accounts.unlock", "factor_pending": "accounts.factor", "factor_missing": "accounts.set_up"}


def _to_sign_in(error: Unauthenticated) -> Response:
    """Send a person to sign in and back; a script or an htmx request is told 401 and keeps what was typed."""
    if error.code.startswith("link_"):
        return _page(410 if error.code == "link_ended" else 404, error.code)
    endpoint = _WAYS_IN.get(error.code, "accounts.sign_in")
    if request.headers.get("HX-Request") or request.method != "GET":
        page = render_template("error.html", status=401, code=error.code, next=(url_for(endpoint), _("Sign in")))
        return Response(page, 401)
    back = request.full_path.rstrip("?")
    return redirect(url_for(endpoint) + ("?" + urlencode({"next": back}) if back != "/" else ""))  # type: ignore[return-value]


def closed_answer() -> Response:
    """What everybody gets while the keys are locked: that it is closed, and nothing of what it is."""
    if wants_json():
        return problem(503, "closed")
    response = Response(render_template("closed.html"), 503)
    response.headers["HX-Refresh"] = "true"  # an htmx request would put the page into a piece of another
    return response


def _on_expected(error: HelplineError) -> Response:
    status = next(number for kind, number in _STATUS.items() if isinstance(error, kind))
    if wants_json():
        errors = {error.field: [error.code]} if isinstance(error, Invalid) and error.field else None
        return problem(status, error.code, errors)
    if isinstance(error, Unauthenticated):
        return _to_sign_in(error)
    return _page(status, error.code)


def _on_validation(error: ValidationError) -> Response:
    return problem(422, "invalid", error.messages) if wants_json() else _page(422, "invalid")


def _on_http(error: HTTPException) -> Response:
    status = error.code or 500
    if error.response is not None and status < 400:  # noqa: PLR2004
        return error.response  # type: ignore[return-value]
    data = getattr(error, "data", None) or {}
    if wants_json():
        return problem(status, "invalid" if status in {400, 422} else _code(status), data.get("messages"))
    return _page(status, "csrf" if isinstance(error, CSRFError) else _code(status))


def _code(status: int) -> str:
    return HTTPStatus(status).phrase.lower().replace(" ", "_").replace("-", "_")


def _on_unknown(error: Exception) -> Response:
    """The text of an unknown exception never leaves, nor enters the log: it may quote what somebody typed."""
    log.error("request.failed", error=type(error).__name__, exc_info=error)
    return problem(500, "failed") if wants_json() else _page(500, "failed")


def _on_database_away(error: Exception) -> Response:
    """The database is gone, restarting, or too busy to answer: nothing was kept, and trying again is right."""
    log.error("request.database_away", error=type(error).__name__, exc_info=error)
    response = problem(503, "unavailable") if wants_json() else _page(503, "unavailable")
    response.headers["Retry-After"] = "5"
    return response


def _on_no_keys(_error: Exception) -> Response:
    """The keys were locked while this request was being answered."""
    return closed_answer()


def _on_unfit(error: Exception) -> Response:
    """Input that no column can hold: U+0000, half a character, a number beyond its type, nesting without end."""
    log.warning("request.unfit", error=type(error).__name__)
    return problem(422, "invalid") if wants_json() else _page(422, "invalid")


def _on_collision(error: Exception) -> Response:
    """A constraint met what no service foresaw: nearly always, somebody else wrote the same at the same time."""
    log.warning("request.collided", error=type(error).__name__, exc_info=error)
    return problem(409, "conflict") if wants_json() else _page(409, "conflict")


def sentence(code: str) -> str:
    """What a person is told for an error code that belongs beside a field or above a form."""
    speak = SENTENCES.get(code)
    return speak() if speak else str(_("That didn't work. Check what you typed and try again."))


# Slices' pages add their own codes: `SENTENCES.update(…)`.
SENTENCES: dict[str, Callable[[], str]] = {
    "stale": lambda: _("Someone changed this while you were writing. Your words are kept: compare, then save again."),
    "required": lambda: _("This is needed."),
    "erased": lambda: _("This was erased. Nothing can be added to it or changed."),
}


def init_errors(app: Flask) -> None:
    app.register_error_handler(HelplineError, _on_expected)
    app.register_error_handler(ValidationError, _on_validation)
    app.register_error_handler(HTTPException, _on_http)
    for away in (OperationalError, InterfaceError, PoolTimeoutError):
        app.register_error_handler(away, _on_database_away)
    for unfit in (DataError, UnicodeEncodeError, RecursionError):
        app.register_error_handler(unfit, _on_unfit)
    app.register_error_handler(NoKeys, _on_no_keys)
    app.register_error_handler(IntegrityError, _on_collision)
    app.register_error_handler(Exception, _on_unknown)
