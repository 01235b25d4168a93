"""What stands around every page: who is here, their rail, language, theme and banners."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from flask import Flask, current_app, g, has_request_context, request, url_for
from flask_babel import lazy_gettext as _l
from flask_wtf.csrf import generate_csrf

from helpline.foundation.access.engine import holds
from helpline.foundation.access.permissions import Permission, Role
from helpline.foundation.clock import now
from helpline.foundation.context import Actor, current_context
from helpline.foundation.crypto import keyring
from helpline.foundation.i18n import format_length, format_when
from helpline.web.credentials import SignedIn
from helpline.web.guard import signed_in

LOCALES = (("en", "English"), ("km", "ខ្មែរ"))

_RAIL = {
    "call": ("desk.call_desk", _l("Call"), "call", Permission.CALL_LOG),
    "work": ("desk.my_work", _l("My work"), "work", Permission.CASE_READ),
    "cases": ("cases.list_cases", _l("Cases"), "cases", Permission.CASE_READ),
    "figures": ("dashboards.figures", _l("Figures"), "figures", Permission.FIGURES_READ),
    "agencies": ("agencies.list_agencies", _l("Agencies"), "agencies", Permission.AGENCY_READ),
    "inbox": ("notifications.inbox", _l("Inbox"), "inbox", Permission.MESSAGE_READ),
    "calls": ("calls.list_calls", _l("Calls"), "calls", Permission.CALL_READ),
    "imports": ("imports.list_imports", _l("Old logs"), "imports", Permission.CALL_IMPORT),
    "people": ("accounts.list_users", _l("Staff"), "people", Permission.USER_EDIT),
    "approvals": ("accounts.list_approvals", _l("Approvals"), "people", Permission.APPROVAL_READ),
    "centre": ("accounts.centre", _l("Centre"), "centre", Permission.CENTRE_EDIT),
    "audit": ("oversight.audit", _l("Audit"), "audit", Permission.AUDIT_READ),
    "alerts": ("oversight.alerts", _l("Alerts"), "find", Permission.ALERT_READ),
    "matrix": ("oversight.matrix", _l("Matrix"), "matrix", Permission.MATRIX_READ),
    "keys": ("keys.keys", _l("Keys"), "settings", Permission.KEYS_ROTATE),
    "keeping": ("retention.list_due", _l("Keeping"), "audit", Permission.RETENTION_READ),
    "overrides": ("privacy.list_overrides", _l("Overrides"), "audit", Permission.GLASS_READ),
    "registers": ("registers.front", _l("Registers"), "documents", Permission.PROCESSING_READ),
}
_RAILS = {  # only what a role needs; five at most on a phone (LOOK.md, 10)
    Role.OPERATOR: ("call", "work", "cases", "inbox"),
    Role.CASEWORKER: ("work", "cases", "agencies", "inbox"),
    Role.TEAM_SUPERVISOR: ("figures", "work", "cases", "call", "inbox", "overrides"),
    Role.SUPERVISOR: (
        "figures",
        "work",
        "cases",
        "agencies",
        "inbox",
        "call",
        "imports",
        "alerts",
        "overrides",
        "approvals",
        "registers",
        "keeping",
    ),
    Role.ADMIN: ("people", "centre", "agencies", "imports", "approvals", "registers", "keeping", "matrix", "keys"),
    Role.AUDITOR: ("audit", "alerts", "overrides", "approvals", "registers", "keeping", "matrix"),
}
_ALSO = {"call": ("calls.write", "calls.log_call"), "cases": ("cases.open_case",)}  # pages of an entry elsewhere
ROLE_LABELS = {
    Role.OPERATOR: _l("Operator"), Role.CASEWORKER: _l("Caseworker"), Role.TEAM_SUPERVISOR: _l("Team supervisor"),
    Role.SUPERVISOR: _l("Supervisor"), Role.ADMIN: _l("Administrator"), Role.AUDITOR: _l("Auditor"),
    Role.PARTNER: _l("Partner agency"),
}  # fmt: skip
_DEMO = _l("A demo: everybody here is invented. Write nothing about a real child.")
# Numbers beside rail entries, by entry; a slice's page module registers `counts["work"] = function`.
counts: dict[str, Callable[[], int]] = {}


@dataclass(frozen=True)
class RailEntry:
    endpoint: str
    url: str
    label: str
    icon: str
    count: int
    current: bool


def home_endpoint(actor: Actor) -> str:
    """The page somebody starts on: the first of their rail, or their own account where none is left."""
    return next((_RAIL[key][0] for key in _entries(actor)), "accounts.account")


def _entries(actor: Actor) -> list[str]:
    mine = _RAILS.get(Role(actor.role), ()) if actor.role in set(Role) else ()
    return [key for key in mine if holds(actor, _RAIL[key][3])]


def _rail(actor: Actor) -> list[RailEntry]:
    entries = []
    for key in _entries(actor):
        endpoint, label, icon, _permission = _RAIL[key]
        if endpoint in current_app.view_functions:
            url = url_for(endpoint)
            within = url != "/" and request.path.startswith(f"{url}/")
            current = request.path == url or within or request.endpoint in _ALSO.get(key, ())
            # An error page is drawn after its unit of work has ended: nothing can be counted there.
            count = counts[key]() if key in counts and current_context() is not None else 0
            entries.append(RailEntry(endpoint, url, str(label), icon, count, current))
    return entries


def _frame() -> dict[str, Any]:
    if not keyring.is_open():  # nothing can be signed, nobody is known
        return {"locale": str(current_app.extensions["helpline_locale"]())}
    who = signed_in()
    staff = who is not None and who.actor.role in _RAILS  # a partner's link has no session to lock or leave
    app = current_app
    return {
        "rail": _rail(who.actor) if who and who.entered else [],
        "role_label": _role_label(who) if who else "",
        "user_name": who.name if who else "",
        "user_id": str(who.actor.id) if who else "",
        "locale": str(app.extensions["helpline_locale"]()),
        "locales": [(code, name, url_for("accounts.set_locale", locale=code)) for code, name in LOCALES],
        "theme": who.theme if who else request.cookies.get(app.config["COOKIE_PREFIX"] + "theme", ""),
        "csrf_token": generate_csrf(),
        "idle_seconds": app.config["SESSION_IDLE_SECONDS"] if staff else 0,
        "banner": str(_DEMO) if app.extensions["helpline_settings"].demo else None,
        "override": _override(who) if who and staff else None,
        "drafts_done": g.get("drafts_done", ()),
        "leave_url": url_for("accounts.leave"),
        "sign_in_url": url_for("accounts.sign_in"),
        "close_url": url_for("keys.ask_to_lock") if who and holds(who.actor, Permission.KEYS_LOCK) else None,
        "find_url": url_for("search.find") if staff and who and holds(who.actor, Permission.PERSON_SEARCH) else None,
        "glass_url": url_for("privacy.break_glass") if who and holds(who.actor, Permission.GLASS_BREAK) else None,
    } | {name: url_for(endpoint) for name, endpoint in _ADDRESSES.items() if staff and endpoint in app.view_functions}


def _role_label(who: SignedIn) -> str:
    locale = str(current_app.extensions["helpline_locale"]())
    return who.role_names.get(locale) or (str(ROLE_LABELS[Role(who.actor.role)]) if who.actor.role in set(Role) else "")


def _override(who: SignedIn) -> dict[str, Any] | None:
    """The banner of an override that lasts: which case, until when, how to end it."""
    lasting, at = who.override, now()
    if lasting is None or who.locked:
        return None
    return {
        "code": lasting.code, "until": format_when(lasting.until_at, at), "left": format_length(lasting.until_at - at),
        "case_url": url_for("desk.case_page", case_id=lasting.case_id),
        "end_url": url_for("privacy.end_override", override_id=lasting.id),
    }  # fmt: skip


# Addresses that someone signed in needs; what has no page yet has no control.
_ADDRESSES = {
    "lock_url": "accounts.lock", "unlock_url": "accounts.open_again",
    "sign_out_url": "accounts.sign_out", "theme_url": "accounts.set_theme", "account_url": "accounts.account",
}  # fmt: skip


def init_frame(app: Flask) -> None:
    app.context_processor(lambda: {"frame": _frame()} if has_request_context() else {})  # a mail has no frame
