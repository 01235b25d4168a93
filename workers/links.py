"""Links in messages, derived by signature when a message is rendered. Each template that carries one names it here."""

import uuid
from collections.abc import Callable
from datetime import datetime
from typing import Any

from helpline.accounts.services import passwords
from helpline.accounts.vocabulary import LinkPurpose
from helpline.notifications.commands import Outgoing
from helpline.referrals.services import portal as referrals


def _password_link(params: dict[str, Any]) -> str:
    until = datetime.fromisoformat(params["expires_at"])
    return passwords.link_path(LinkPurpose(params["purpose"]), uuid.UUID(params["user_id"]), params["version"], until)


def _override_page(params: dict[str, Any]) -> str:
    return f"/overrides/{params['override_id']}"


# Template -> path of its link, from the message's params.
LINKS: dict[str, Callable[[dict[str, Any]], str]] = {
    "invitation": _password_link,
    "new_password": _password_link,
    "factor_changed": lambda _params: "/account/security",
    "approval_asked": lambda params: f"/approvals/{params['approval_id']}",
    "approval_moved": lambda params: f"/approvals/{params['approval_id']}",
    "factor_reset": lambda _params: "/account/security",
    "referral_asked": referrals.link_path,
    "reading_alert": lambda _params: "/alerts",
    "witness_late": lambda _params: "/audit",
    "audit_broken": lambda _params: "/audit",
    "glass_broken": _override_page,
    "glass_review": _override_page,
    "breach_clock": lambda params: f"/registers/breaches/{params['breach_id']}",
}


def link_of(outgoing: Outgoing, public_url: str) -> str:
    """The absolute link for this message: its template's own, else its case's page, else the front page."""
    make, case_id = LINKS.get(outgoing.template), outgoing.params.get("case_id")
    path = make(outgoing.params) if make else f"/cases/{case_id}" if case_id else "/"
    return public_url.rstrip("/") + path
