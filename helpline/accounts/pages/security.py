"""One's own sign-in: second factors, recovery codes, password, open sessions."""

import uuid
from typing import Any

import segno
from flask import redirect, render_template, request, url_for
from flask_babel import gettext as _
from markupsafe import Markup
from werkzeug.wrappers import Response

from helpline.accounts import queries, rules
from helpline.accounts.commands import AddedFactor
from helpline.accounts.pages.door import home, local_path, me, my_session, pages, take_session
from helpline.accounts.schemas import AuthenticatorIn, FactorOut, PasskeyIn, PasswordIn
from helpline.accounts.services import approvals, factors, passkeys, passwords, sessions
from helpline.accounts.vocabulary import ApprovalKind
from helpline.foundation.access.permissions import Permission
from helpline.foundation.i18n import format_when
from helpline.web.credentials import FactorState
from helpline.web.errors import SENTENCES
from helpline.web.forms import posted, refused
from helpline.web.guard import acting, guard
from helpline.web.step_up import origin

__all__ = ["pages"]

SENTENCES.update(
    {
        "code_wrong": lambda: _("That is not the code the app shows now. Wait for the next one, and check its clock."),
        "factor_gone": lambda: _("This was begun anew elsewhere. Begin again."),
        "factor_missing": lambda: _("Set up an authenticator app or a passkey first."),
        "factor_needed_by_role": lambda: _("Your role needs a second step. Add another one before you take this away."),
        "factor_beside_short_password": lambda: _(
            "Your password is too short to stand alone. Choose one of %(count)s characters or more first.",
            count=rules.SHORTEST,
        ),
        "passkey_refused": lambda: _("That passkey could not be added. Try again."),
        "passkeys_need_a_name": lambda: _("Passkeys don't work at this address: it is a number, not a name."),
    }
)


def _draw(problem: Exception | None = None, which: str = "", **_args: Any) -> str:
    ctx = acting()
    found = FactorOut(many=True).dump(queries.list_factors(ctx.actor.id))
    open_here = [
        {
            "id": row.id, "began": format_when(row.created_at, ctx.now), "seen": format_when(row.seen_at, ctx.now),
            "here": row.id == my_session(),
        }
        for row in sessions.list_sessions(ctx)
    ]  # fmt: skip
    about_me = [
        {"id": row["id"], "by": row["requested_by_name"],
         "begins": row["not_before"] and format_when(row["not_before"], ctx.now)}
        for row in approvals.see_own(ctx) if row["what"] == ApprovalKind.FACTOR_RESET
    ]  # fmt: skip
    return render_template(
        "accounts/security.html", factors=found, about_me=about_me,
        codes_left=queries.count_recovery_codes(ctx.actor.id),
        sessions=open_here, login=queries.get_user(ctx.actor.id).login,
        shortest=rules.shortest_password(second_factor=bool(found)), saved=request.args.get("saved"),
        form=refused(problem) if which != "password" else None,
        password_form=refused(problem) if which == "password" else None, now=ctx.now,
    )  # fmt: skip


@pages.get("/account/security")
@guard(Permission.OWN_ACCOUNT)
def security() -> str:
    """My sign-in."""
    return _draw()


@pages.post("/account/confirm")
@guard(Permission.OWN_ACCOUNT, fresh=True)
def confirm() -> Response:
    """Go on to the page that asked for the second factor: the guard has taken it."""
    return redirect(local_path(request.form.get("next")) or home(me().actor), 303)


@pages.get("/account/security/set-up")
@guard(Permission.OWN_ACCOUNT, early=FactorState.MISSING)
def set_up() -> str | Response:
    """Where somebody is led whose role needs a second factor."""
    if me().factor is not FactorState.MISSING:
        return redirect(url_for("accounts.security"))
    return render_template("accounts/set_up.html")


@pages.post("/account/security/authenticator")
@guard(Permission.OWN_ACCOUNT, early=FactorState.MISSING, fresh=True)
def begin_authenticator() -> Response:
    """Begin to set up an app."""
    factors.begin_authenticator(acting())
    return redirect(url_for("accounts.authenticator"), 303)


def _draw_authenticator(problem: Exception | None = None) -> str | Response:
    begun = factors.begun_authenticator(acting())
    if begun is None:
        return redirect(url_for("accounts.security"))
    square = segno.make(begun.uri, error="m").svg_inline(scale=4, border=4, light="#fff", omitsize=True)
    drawing = Markup(square)  # noqa: S704  # lines and numbers that the library drew
    groups = [begun.secret[at : at + 4] for at in range(0, len(begun.secret), 4)]
    return render_template(
        "accounts/authenticator.html", drawing=drawing, groups=groups, form=refused(problem), back=_back()
    )


def _back() -> str:
    return url_for("accounts.security" if me().entered else "accounts.set_up")


@pages.get("/account/security/authenticator")
@guard(Permission.OWN_ACCOUNT, early=FactorState.MISSING, fresh=True)
def authenticator() -> str | Response:
    """The secret of the app being set up, as a drawing and as text."""
    return _draw_authenticator()


@pages.post("/account/security/authenticator/confirm")
@guard(Permission.OWN_ACCOUNT, early=FactorState.MISSING, fresh=True, retry=_draw_authenticator)
def confirm_authenticator() -> Response | tuple[str, int]:
    """Let the app count, by one code of it."""
    given = AuthenticatorIn().load(posted())
    return _added(factors.confirm_authenticator(acting(), my_session(), given["name"], given["code"]))


def _draw_passkey(problem: Exception | None = None) -> str:
    party, here = sessions.door.party, origin()
    works = party is not None and party.origin == here
    return render_template(
        "accounts/passkey.html", options=passkeys.creation_options(acting(), my_session()) if works else "",
        elsewhere=party.origin if party is not None else "", here=here, form=refused(problem), back=_back(),
    )  # fmt: skip


@pages.get("/account/security/passkey")
@guard(Permission.OWN_ACCOUNT, early=FactorState.MISSING, fresh=True)
def new_passkey() -> str:
    """Make a passkey."""
    return _draw_passkey()


@pages.post("/account/security/passkey")
@guard(Permission.OWN_ACCOUNT, early=FactorState.MISSING, fresh=True, retry=_draw_passkey)
def add_passkey() -> Response | tuple[str, int]:
    """Keep the passkey that the browser made."""
    given = PasskeyIn().load(posted())
    return _added(factors.add_passkey(acting(), my_session(), given["name"], given["passkey"]))


def _added(added: AddedFactor) -> Response | tuple[str, int]:
    """Go on under a new token."""
    take_session(added.token, keep=me().entered)
    if not added.codes:
        return redirect(url_for("accounts.security", saved="factor"), 303)
    return render_template("accounts/recovery_codes.html", codes=added.codes), 201


@pages.post("/account/security/recovery-codes")
@guard(Permission.OWN_ACCOUNT, fresh=True, retry=_draw)
def make_recovery_codes() -> tuple[str, int]:
    """Ten new codes, shown this once."""
    return render_template("accounts/recovery_codes.html", codes=factors.make_recovery_codes(acting())), 201


@pages.post("/account/security/factors/<uuid:factor_id>/remove")
@guard(Permission.OWN_ACCOUNT, fresh=True, retry=_draw)
def remove_factor(factor_id: uuid.UUID) -> Response:
    """Take a second factor away."""
    factors.remove_factor(acting(), factor_id)
    return redirect(url_for("accounts.security", saved="removed"), 303)


@pages.post("/account/approvals/<uuid:approval_id>/stop")
@guard(Permission.OWN_ACCOUNT, retry=_draw)
def object_to_approval(approval_id: uuid.UUID) -> Response:
    """Stop what others asked for about me."""
    approvals.stop(acting(), approval_id)
    return redirect(url_for("accounts.security", saved="stopped"), 303)


@pages.post("/account/password")
@guard(Permission.OWN_ACCOUNT, retry=lambda problem: _draw(problem, "password"))
def change_password() -> Response:
    """Replace my password; every other session ends."""
    given = PasswordIn().load(posted())
    take_session(passwords.change_password(acting(), my_session(), given["current"], given["password"]))
    return redirect(url_for("accounts.security", saved="password"), 303)


@pages.post("/account/sessions/<uuid:session_id>/end")
@guard(Permission.OWN_ACCOUNT)
def end_session(session_id: uuid.UUID) -> Response:
    """End one of my sessions, here or elsewhere."""
    sessions.sign_out(acting(), session_id)
    return redirect(url_for("accounts.security" if session_id != my_session() else "accounts.sign_in"), 303)


@pages.post("/account/sessions/end-others")
@guard(Permission.OWN_ACCOUNT)
def end_other_sessions() -> Response:
    """End all of my sessions but this one."""
    sessions.end_other_sessions(acting(), my_session())
    return redirect(url_for("accounts.security", saved="ended"), 303)
