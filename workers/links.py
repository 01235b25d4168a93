"""Links in messages, derived by signature when a message is rendered. Each template that carries one names it here."""

from collections.abc import Callable
from typing import Any

from helpline.notifications.commands import Outgoing
from helpline.referrals.services import portal as referrals

# Template -> path of its link, from the message's params.
LINKS: dict[str, Callable[[dict[str, Any]], str]] = {
    "referral_asked": referrals.link_path,
}


def link_of(outgoing: Outgoing, public_url: str) -> str:
    """The absolute link for this message; the front page for templates without one of their own."""
    make = LINKS.get(outgoing.template)
    return public_url.rstrip("/") + (make(outgoing.params) if make else "/")
