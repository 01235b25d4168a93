"""The door: signing in and out, the second factor, locking, choosing a password by link, language and theme."""

import uuid
from typing import Any
from urllib.parse import urlsplit

from flask import Blueprint, current_app, jsonify, redirect, render_template, request, session, url_for
from flask_babel import gettext as _
from flask_login import login_user
from flask_wtf.csrf import generate_csrf
from werkzeug.wrappers import Response

from helpline.accounts import rules
from helpline.accounts.services import factors, passwords, sessions, staff
from helpline.accounts.vocabulary import LinkPurpose
from helpline.foundation.access.permissions import Permission
from helpline.foundation.context import Actor
from helpline.foundation.errors import Invalid, Unauthenticated
from helpline.foundation.i18n import COOKIE, LANGUAGES
from helpline.web.credentials import FactorState, SignedIn
from helpline.web.errors import SENTENCES
from helpline.web.forms import refused
from helpline.web.frame import home_endpoint
from helpline.web.guard import acting, guard, public, signed_in
from helpline.web.step_up import origin, presented

pages = Blueprint("accounts", __name__, template_folder="../templates")
YEAR = 365 * 24 * 3600


def local_path(address: str | None) -> str | None:
    """The address if it leads to a page of this service, else None: nobody is sent elsewhere after signing in."""
    if not address or not address.startswith("/") or address.startswith("//") or "\\" in address:
        return None
    parts = urlsplit(address)
    if parts.scheme or parts.netloc or any(ord(sign) < 32 for sign in address):  # noqa: PLR2004
        return None
    return address


def home(actor: Actor) -> str:
    """The address of the page somebody starts on."""
    endpoint = home_endpoint(actor)
    return url_for(endpoint if endpoint in current_app.view_functions else "accounts.account")


def me() -> SignedIn:
    who = signed_in()
    assert who is not None  # behind a guard
    return who


def my_session() -> uuid.UUID:
    found = me().session_id
    if found is None:
        raise Unauthenticated
    return found


def take_session(token: str, *, keep: bool = False) -> None:
    """Let this browser go on in the session of this token, with nothing of what its cookie held before.

    `keep`: but for that, so that forms open in its other tabs can still be posted.
    """
    who = sessions.identify_session(token)
    if who is None:
        raise Unauthenticated
    if not keep:
        session.clear()
    login_user(who, remember=False)


@pages.get("/sign-in")
@public()
def sign_in() -> str | Response:
    """The way in."""
    if signed_in() is not None:
        return redirect(local_path(request.args.get("next")) or home(me().actor))
    return _sign_in_form()


def _sign_in_form(*, failed: bool = False) -> str:
    return render_template(
        "accounts/sign_in.html", failed=failed, login=request.form.get("login", ""),
        next=local_path(request.values.get("next")) or "", chosen="chosen" in request.args,
    )  # fmt: skip


@pages.post("/sign-in")
@public()
def start() -> str | Response | tuple[str, int]:
    """Begin a session: a new token in a new cookie, whatever the browser brought along."""
    ctx, before = acting(), signed_in()
    form = request.form
    who = sessions.sign_in(ctx, form.get("login", ""), form.get("password", ""), request.remote_addr or "")
    if who is None:
        return _sign_in_form(failed=True), 422
    if before is not None and before.session_id is not None:
        sessions.sign_out(ctx, before.session_id)
    session.clear()
    login_user(who, remember=False)
    return redirect(local_path(form.get("next")) or home(who.actor), 303)


def _factor_form(after: str | None, *, failed: bool = False) -> str:
    choice = factors.choose_factor(acting(), my_session(), origin())
    return render_template("accounts/factor.html", choice=choice, failed=failed, next=after or "")


@pages.get("/sign-in/factor")
@guard(Permission.OWN_ACCOUNT, early=FactorState.PENDING)
def factor() -> str | Response:
    """The second step of signing in."""
    after = local_path(request.args.get("next"))
    waits = me().factor is FactorState.PENDING
    return _factor_form(after) if waits else redirect(after or home(me().actor))


@pages.post("/sign-in/factor")
@guard(Permission.OWN_ACCOUNT, early=FactorState.PENDING)
def give_factor() -> Response | tuple[str, int]:
    """Present the second factor: a new token in a new cookie."""
    after, brought = local_path(request.form.get("next")), presented()
    token = factors.enter(acting(), my_session(), brought) if brought is not None else None
    if token is None:
        return _factor_form(after, failed=True), 422
    take_session(token)
    return redirect(after or home(me().actor), 303)


@pages.post("/sign-out")
@guard(Permission.OWN_ACCOUNT, locked=True)
def sign_out() -> Response:
    """End this session."""
    sessions.sign_out(acting(), my_session())
    session.clear()
    return redirect(url_for("accounts.sign_in"), 303)


@pages.post("/lock")
@guard(Permission.OWN_ACCOUNT, locked=True)
def lock() -> Response:
    """Lock this session. A form without script goes on to the neutral page."""
    sessions.lock(acting(), my_session())
    return redirect(url_for("accounts.leave"), 303) if request.form.get("leave") else Response(status=204)


@pages.get("/unlock")
@guard(Permission.OWN_ACCOUNT, locked=True)
def unlock() -> str | Response:
    """The page that asks for the password, for who came back by an address or has no script."""
    after = local_path(request.args.get("next"))
    return _unlock_form(after) if me().locked else redirect(after or home(me().actor))


def _unlock_form(after: str | None, *, failed: bool = False) -> str:
    return render_template("accounts/unlock.html", failed=failed, next=after or "", name=me().name)


@pages.post("/unlock")
@guard(Permission.OWN_ACCOUNT, locked=True)
def open_again() -> Any:
    """Unlock. The dialog in the page asks for JSON; the page of its own posts `next`."""
    opened = sessions.unlock(acting(), my_session(), request.form.get("password", ""))
    own_page = "next" in request.form
    if opened is None:
        session.clear()
        back = url_for("accounts.sign_in")
        return redirect(back, 303) if own_page else jsonify(location=back)
    after = local_path(request.form.get("next"))
    if opened:
        take_session(opened, keep=True)
        return redirect(after or home(me().actor), 303) if own_page else jsonify(csrf_token=generate_csrf())
    return (_unlock_form(after, failed=True), 422) if own_page else (jsonify(), 403)


@pages.get("/leave/")
@public()
def leave() -> str:
    """A page that says nothing of what was here."""
    return render_template("leave.html")


@pages.get("/language/<locale>")
@public()
def set_locale(locale: str) -> Response:
    """Speak this language from here on: in this browser, and for whoever is signed in, everywhere."""
    back = urlsplit(request.referrer or "")
    same = back.netloc == request.host
    path = local_path(back.path + ("?" + back.query if back.query else "")) if same else None
    response = redirect(path or "/")
    if locale in LANGUAGES and not _asked_by_another_site(same=same):
        _keep(response, COOKIE, locale)
        if signed_in() is not None:
            staff.set_own(acting(), locale=locale)
    return response


def _asked_by_another_site(*, same: bool) -> bool:
    """Whether a page elsewhere led here: this door writes though it only reads by its method, so it hears none."""
    site = request.headers.get("Sec-Fetch-Site")
    return site in {"cross-site", "same-site"} or (request.referrer is not None and not same)


@pages.post("/theme")
@public()
def set_theme() -> Response:
    """Light, dark, or as the system says."""
    theme = {"light": "light", "dark": "dark"}.get(request.form.get("theme", ""), "")
    back = urlsplit(request.referrer or "")
    response = redirect((local_path(back.path) if back.netloc == request.host else None) or "/", 303)
    _keep(response, "theme", theme)
    if signed_in() is not None:
        staff.set_own(acting(), theme=theme)
    return response


def _keep(response: Response, name: str, value: str) -> None:
    name, secure = current_app.config["COOKIE_PREFIX"] + name, current_app.config["SESSION_COOKIE_SECURE"]
    response.set_cookie(name, value, max_age=YEAR, httponly=True, samesite="Lax", secure=secure)


@pages.get("/forgotten")
@public()
def forgotten() -> str:
    """Ask for a link by which to choose a new password."""
    return render_template("accounts/forgotten.html", sent=False, demo=_is_demo())


@pages.post("/forgotten")
@public()
def send_link() -> str:
    """Send it, if there is such a person; the answer is the same if there is not."""
    passwords.request_password_reset(acting(), request.form.get("login", ""), request.remote_addr or "")
    return render_template("accounts/forgotten.html", sent=True, demo=_is_demo())


def _is_demo() -> bool:
    return bool(current_app.extensions["helpline_settings"].demo)


def _choosing(problem: Exception | None = None, *, purpose: LinkPurpose, token: str) -> str | tuple[str, int]:
    try:
        holder = passwords.open_link(acting(), purpose, token)
    except Invalid:
        words = {
            "title": _("This link has ended"),
            "text": _("It worked once, or its time is over. Ask for a new one."),
        }
        ask = (url_for("accounts.forgotten"), _("Ask for a new link"))
        return render_template("error.html", status=410, words=words, next=ask), 410
    return render_template(
        "accounts/choose_password.html", login=holder.login, form=refused(problem),
        shortest=rules.shortest_password(second_factor=holder.second_factor), invited=purpose is LinkPurpose.INVITATION,
    )  # fmt: skip


def _redraw(problem: Exception, *, token: str) -> str | tuple[str, int]:
    return _choosing(problem, purpose=LinkPurpose(request.path.split("/")[1]), token=token)


@pages.get("/invitation/<token>")
@public()
def invitation(token: str) -> str | tuple[str, int]:
    """Choose a first password. Opening the link changes nothing: mail scanners do."""
    return _choosing(purpose=LinkPurpose.INVITATION, token=token)


@pages.get("/password/<token>")
@public()
def new_password(token: str) -> str | tuple[str, int]:
    """Choose a new password."""
    return _choosing(purpose=LinkPurpose.PASSWORD, token=token)


@pages.post("/invitation/<token>")
@public(retry=_redraw)
def join(token: str) -> Response:
    """Take the first password."""
    return _accept(LinkPurpose.INVITATION, token)


@pages.post("/password/<token>")
@public(retry=_redraw)
def take_password(token: str) -> Response:
    """Take the new password."""
    return _accept(LinkPurpose.PASSWORD, token)


def _accept(purpose: LinkPurpose, token: str) -> Response:
    passwords.accept_link(acting(), purpose, token, request.form.get("password", ""))
    session.clear()
    return redirect(url_for("accounts.sign_in", chosen="1"), 303)


SENTENCES.update(
    {
        "password_short": lambda: _(
            "Use at least %(count)s characters. A few words in a row are easy to keep in mind.", count=rules.SHORTEST
        ),
        "password_short_beside_factor": lambda: _(
            "Use at least %(count)s characters. A few words in a row are easy to keep in mind.",
            count=rules.SHORTEST_BESIDE_FACTOR,
        ),
        "password_long": lambda: _("That is longer than %(count)s characters.", count=rules.LONGEST),
        "password_common": lambda: _("Many people use this one, so it is guessed first. Choose other words."),
        "password_names": lambda: _("Too much of it is names that others know. Add words of your own."),
        "password_wrong": lambda: _("That is not your present password."),
        "link_expired": lambda: _("This link has ended."),
    }
)
