"""The door: every route passes through exactly one of these decorators, or answers 403 (and fails the build).

A guarded request is one unit of work: the credential is looked up, the permission required, the view run, the audit
written and everything committed, or nothing is.
"""

import functools
from collections.abc import Callable
from typing import Any, Literal

from flask import Flask, Response, abort, current_app, g, make_response, request, session
from flask_login import LoginManager, current_user
from flask_wtf.csrf import CSRFProtect
from marshmallow import ValidationError

from helpline.foundation.access.engine import require
from helpline.foundation.access.permissions import Permission, SystemActor
from helpline.foundation.clock import now
from helpline.foundation.context import Channel, Context, current_context, system_actor
from helpline.foundation.crypto import keyring
from helpline.foundation.db import become, unit_of_work
from helpline.foundation.errors import Conflict, Invalid, NotFound, StepUpNeeded, Unauthenticated
from helpline.foundation.failpoints import failpoint
from helpline.foundation.ids import new_id
from helpline.web.credentials import FactorState, Identify, SignedIn, ports
from helpline.web.step_up import ask_again

csrf = CSRFProtect()
login_manager = LoginManager()
_SAFE = {"GET", "HEAD", "OPTIONS"}
_BODY_BYTES = 2 * 1024 * 1024  # of whatever brings no file

View = Callable[..., Any]
Retry = Callable[..., Any]
Admit = Callable[[Context], Response | None]


def acting() -> Context:
    """The context of the request being answered."""
    ctx = current_context()
    if ctx is None:
        raise RuntimeError("no guarded request is being answered")
    return ctx


def signed_in() -> SignedIn | None:
    """Who is signed in on this request, if anybody."""
    who: SignedIn | None = g.get("signed_in")
    return who


def _visitor() -> Context:
    channel = Channel.API if request.path.startswith("/api/") else Channel.PAGE
    locale = str(current_app.extensions["helpline_locale"]())
    actor = system_actor(SystemActor.VISITOR)
    return Context(actor=actor, now=now(), request_id=g.request_id, channel=channel, locale=locale)


def _identify() -> SignedIn | None:
    """The bearer of an API token, or of the session cookie; a cookie's unsafe request must carry its CSRF token."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return ports.api_token(token.strip())
    who = current_user._get_current_object()  # noqa: SLF001  # Flask-Login's way to the object behind the proxy
    if not isinstance(who, SignedIn):
        return None
    if request.method not in _SAFE:
        csrf.protect()
    return who


def _enter(who: SignedIn, visitor: Context) -> Context:
    g.signed_in, g.locale = who, who.locale
    channel = who.channel if who.channel is not Channel.PAGE else visitor.channel
    ctx = Context(
        actor=who.actor, now=visitor.now, request_id=visitor.request_id, channel=channel, locale=who.locale,
        timezone=who.timezone, cause_id=who.override.id if who.override else None,
    )  # fmt: skip
    become(ctx)
    return ctx


def _answer(view: View, retry: Retry | None, admit: Admit, kwargs: dict[str, Any]) -> Response:
    """Run the view in a unit of work; on bad input roll it back and let `retry` draw the form again in a new one.

    Where the door has a question of its own, its page is the answer and the view is not run.
    """
    try:
        with unit_of_work(_visitor(), proved=False) as visitor:
            asked = admit(visitor)
            response = make_response(view(**kwargs)) if asked is None else asked
            failpoint("web.before_commit")
    except (Invalid, ValidationError, Conflict) as problem:
        if retry is None:
            raise
        with unit_of_work(_visitor(), proved=False) as visitor:
            asked = admit(visitor)
            response = make_response(retry(problem, **kwargs)) if asked is None else asked
            if response.status_code == 200:  # noqa: PLR2004
                response.status_code = 409 if isinstance(problem, Conflict) else 422
        _give_token()
        return response
    _give_token()
    failpoint("web.after_commit")
    return response


def _give_token() -> None:
    """The unit is kept in which the second factor was given again: the browser goes on under a new token."""
    before, token = g.pop("renewed", (None, None))
    if token is not None and session.get("_user_id") == before:  # unless the view gave one of its own
        session["_user_id"] = token


def _decorate(
    view: View, retry: Retry | None, admit: Callable[..., Response | None], mark: str, *, fresh: bool = False,
    files: bool = False,
) -> View:  # fmt: skip
    @functools.wraps(view)
    def guarded(**kwargs: Any) -> Response:
        return _answer(view, retry, lambda visitor: admit(visitor, kwargs), kwargs)

    guarded.helpline_guard = mark  # type: ignore[attr-defined]
    guarded.helpline_fresh = fresh  # type: ignore[attr-defined]
    guarded.helpline_files = files  # type: ignore[attr-defined]
    return guarded


def _fresh(ctx: Context, who: SignedIn) -> Response | None:
    """None if the second factor was presented just now or comes with this form; else the page that asks for it."""
    if who.fresh(ctx.now):
        return None
    if ctx.channel is Channel.API:
        raise StepUpNeeded
    return ask_again(ctx, who)


def guard(
    permission: Permission,
    *,
    retry: Retry | None = None,
    locked: bool = False,
    early: FactorState | None = None,
    fresh: bool = False,
    files: bool = False,
) -> Callable[[View], View]:
    """Admit a signed-in actor who holds `permission`.

    `retry(problem, **view_args)` draws the form again when the view raised Invalid, ValidationError or Conflict.
    `locked`: also admit a session that is locked for idleness (unlocking, signing out and locking the keys do).
    `early`: also admit a session whose second factor is PENDING, or MISSING (the pages that present one or set one up).
    `fresh`: ask for the second factor unless it was presented within ten minutes, and lose nothing that was posted; an
    API token never passes. Whoever has none is told to set one up, but for the doors that do so (early=MISSING).
    `files`: a file may come along, as large as the settings say; else a body ends at two megabytes.
    """

    def admit(visitor: Context, _kwargs: dict[str, Any]) -> Response | None:
        who = _identify()
        if who is None:
            raise Unauthenticated
        ctx = _enter(who, visitor)
        if who.locked and not locked:
            raise Unauthenticated("locked")
        # Signing out and unlocking are one's own business; the keys are locked by nobody with half a sign-in.
        leaving = locked and permission is Permission.OWN_ACCOUNT
        if not (who.entered or leaving or who.factor is early):
            raise Unauthenticated(f"factor_{who.factor}")
        require(ctx, permission)
        by_browser = who.channel is Channel.PAGE
        first = by_browser and early is FactorState.MISSING and who.factor is not FactorState.GIVEN
        return _fresh(ctx, who) if fresh and not first else None

    return lambda view: _decorate(view, retry, admit, permission.value, fresh=fresh, files=files)


def public(*, retry: Retry | None = None) -> Callable[[View], View]:
    """Admit anybody, as the visitor, who reaches no row. Someone signed in is known to the frame all the same."""

    def admit(visitor: Context, _kwargs: dict[str, Any]) -> None:
        who = _identify() if "Authorization" not in request.headers else None
        if who is not None and who.entered and not who.locked:
            _enter(who, visitor)
            return
        become(visitor)
        if request.method not in _SAFE:
            csrf.protect()

    return lambda view: _decorate(view, retry, admit, "public")


def portal(*, retry: Retry | None = None) -> Callable[[View], View]:
    """Admit the bearer of a partner's signed link: the route's `token`. The link itself is the proof of intent."""
    return lambda view: _decorate(view, retry, _by_link("portal_link"), "portal")


def lock_link() -> Callable[[View], View]:
    """Admit the bearer of the prepared link that locks the keys: the route's `token`."""
    return lambda view: _decorate(view, None, _by_link("lock_link"), "lock_link")


def _by_link(port: Literal["portal_link", "lock_link"]) -> Callable[[Context, dict[str, Any]], None]:
    def admit(visitor: Context, kwargs: dict[str, Any]) -> None:
        identify: Identify = getattr(ports, port)  # now, since the ports are wired after the routes are made
        who = identify(kwargs["token"])
        if who is None:
            raise Unauthenticated("link_invalid")
        _enter(who, visitor)

    return admit


def while_closed(view: View) -> View:
    """Admit anybody, but only while the keys are locked: then no credential can be checked. Opens no unit of work."""

    @functools.wraps(view)
    def answer(**kwargs: Any) -> Response:
        if keyring.is_open():
            raise NotFound("page")
        return make_response(view(**kwargs))

    answer.helpline_guard = "while_closed"  # type: ignore[attr-defined]
    return answer


def unguarded(view: View) -> View:
    """Mark a route that touches no data and opens no unit of work: liveness, static files, the API's description."""
    view.helpline_guard = "unguarded"  # type: ignore[attr-defined]
    return view


def init_guard(app: Flask) -> None:
    """Refuse any route that forgot its guard, and let Flask-Login find sessions through the port."""
    # Nothing about the user for templates: the frame knows, and an error page must not look the session up again.
    login_manager.init_app(app, add_context_processor=False)
    login_manager.session_protection = None  # the session row is the proof; addresses change on mobile networks
    login_manager.user_loader(lambda token: ports.session(token))  # noqa: PLW0108  # the port is wired after this
    csrf.init_app(app)

    @app.before_request
    def _deny_by_default() -> None:
        g.request_id = new_id()
        view = app.view_functions.get(request.endpoint or "")
        if view is not None and not hasattr(view, "helpline_guard"):
            abort(403)
        if not getattr(view, "helpline_files", False):
            request.max_content_length = _BODY_BYTES
