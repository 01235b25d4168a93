"""One's own account: name, language, theme, API tokens."""

import uuid

from flask import redirect, render_template, request, session, url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from werkzeug.wrappers import Response

from helpline.accounts import queries
from helpline.accounts.pages.security import pages
from helpline.accounts.schemas import MeIn, TokenIn, TokensOut
from helpline.accounts.services import staff, tokens
from helpline.foundation.access.permissions import Permission
from helpline.foundation.i18n import format_when
from helpline.web.errors import SENTENCES
from helpline.web.forms import posted, refused
from helpline.web.frame import LOCALES
from helpline.web.guard import acting, guard
from helpline.web.words import word

__all__ = ["pages"]

THEMES = [("", _l("As the system")), ("light", _l("Light")), ("dark", _l("Night"))]
SENTENCES["scope_unfit"] = lambda: _("Choose at least one thing, and only what your own role may do.")


def _draw(problem: Exception | None = None) -> str:
    user = queries.get_user(acting().actor.id)
    return render_template(
        "accounts/account.html", user={"name": user.name, "login": user.login, "email": user.email,
        "locale": user.locale, "theme": user.theme}, locales=[(code, name) for code, name in LOCALES], themes=THEMES,
        form=refused(problem), saved=request.args.get("saved"),
    )  # fmt: skip


@pages.get("/account")
@guard(Permission.OWN_ACCOUNT)
def account() -> str:
    """My account."""
    return _draw()


@pages.post("/account")
@guard(Permission.OWN_ACCOUNT, retry=_draw)
def save_account() -> Response:
    """Save name, language and theme."""
    wishes = MeIn().load({"theme": ""} | posted())
    staff.set_own(acting(), **wishes)
    return redirect(url_for("accounts.account", saved="own"), 303)


def _may(scope: str) -> str:
    """A permission as one says it to whoever holds it."""
    yours = {"message:read": _("Read your inbox"), "account:own": _("Keep your own account")}
    return yours.get(scope) or word("permission", scope)


def _draw_tokens(problem: Exception | None = None, made: str | None = None) -> str:
    ctx = acting()
    rows = TokensOut().dump({"items": queries.list_tokens(ctx.actor.id)})["items"]
    found = queries.list_tokens(ctx.actor.id)
    for shown, row in zip(rows, found, strict=True):
        shown["used"] = format_when(row.last_used_at, ctx.now) if row.last_used_at else _("never")
        shown["until"] = format_when(row.expires_at, ctx.now) if row.expires_at else ""
        shown["over"] = row.revoked_at is not None or (row.expires_at is not None and row.expires_at <= ctx.now)
    return render_template(
        "accounts/tokens.html", tokens=rows, made=made, form=refused(problem, "scopes"),
        scopes=[(scope, _may(scope)) for scope in tokens.scopes_of(ctx)], may=_may,
    )  # fmt: skip


@pages.get("/account/tokens", endpoint="tokens")
@guard(Permission.OWN_ACCOUNT)
def list_tokens() -> str:
    """My API tokens; one just made is shown this once, and gone from the cookie that carried it here."""
    return _draw_tokens(made=session.pop("made_token", None))


@pages.post("/account/tokens")
@guard(Permission.OWN_ACCOUNT, retry=_draw_tokens, fresh=True)
def create_token() -> Response:
    """Make a token; the list shows it once, so that a reload makes no second one."""
    session["made_token"] = tokens.create_api_token(acting(), TokenIn().load(posted("scopes"))).token
    return redirect(url_for("accounts.tokens"), 303)


@pages.post("/account/tokens/<uuid:token_id>/revoke")
@guard(Permission.OWN_ACCOUNT)
def revoke_token(token_id: uuid.UUID) -> Response:
    """Revoke a token."""
    tokens.revoke_api_token(acting(), token_id)
    return redirect(url_for("accounts.tokens"), 303)
