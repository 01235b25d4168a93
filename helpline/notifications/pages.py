"""The inbox, and the mail that needs a human."""

import uuid
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from babel.dates import format_datetime
from flask import Blueprint, current_app, redirect, render_template, request, url_for
from flask_babel import get_locale
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from helpline.accounts import queries as accounts
from helpline.foundation.access.engine import holds, may_read
from helpline.foundation.access.permissions import FieldGroup, Permission
from helpline.foundation.errors import NotFound
from helpline.foundation.i18n import LANGUAGES, current_zone
from helpline.foundation.keyset import decode_key, encode_key
from helpline.notifications import queries, services
from helpline.notifications.gateways import demo_mailbox
from helpline.notifications.schemas import MessageOut, ResolutionIn
from helpline.web import frame
from helpline.web.guard import acting, guard

_KEPT_MAIL = 1000  # of all centres of a demo, that are looked through for one's own

pages = Blueprint("notifications", __name__, template_folder="templates")


@pages.app_template_filter("spoken_at")
def spoken_at(instant: str, zone: str | None = None) -> str:
    """A time that stands in a message's params, with its day: a message may be read much later than it was written."""
    tz = ZoneInfo(zone) if zone else current_zone()
    when = datetime.fromisoformat(instant).astimezone(tz)
    return str(format_datetime(when, "EEE d MMM y, HH:mm", tzinfo=tz, locale=get_locale() or LANGUAGES[0]))


def _tabs() -> list[dict[str, Any]]:
    """The inbox's siblings, for whoever answers for delivery."""
    if not holds(acting().actor, Permission.DELIVERY_READ):
        return []
    views = {"inbox": _("Inbox"), "deliveries": _("Mail that may not have arrived")}
    if demo_mailbox(current_app.extensions["helpline_settings"]):
        views["mailbox"] = _("Mail of the demo")
    return [
        {"label": label, "href": url_for(f".{name}"), "current": request.endpoint == f"notifications.{name}"}
        for name, label in views.items()
    ]


pages.app_template_global("inbox_tabs")(_tabs)


def _page(rows: Any, endpoint: str) -> dict[str, Any]:
    shown, more = rows[: queries.PAGE], len(rows) > queries.PAGE
    older = url_for(endpoint, after=encode_key(shown[-1].created_at, shown[-1].id)) if more else None
    return {"messages": MessageOut(many=True).dump(shown), "older": older}


# What a message of these templates is about, where that is no case.
_PLACES = {
    "audit_broken": "oversight.audit", "breach_clock": "registers.list_breaches", "factor_changed": "accounts.security",
    "reading_alert": "oversight.alerts", "witness_late": "oversight.audit",
}  # fmt: skip


@pages.get("/inbox")
@guard(Permission.MESSAGE_READ)
def inbox() -> str:
    """What the service told me, newest first, the new told from the old."""
    ctx = acting()
    page = _page(queries.list_inbox(ctx.actor.id, decode_key(request.args.get("after"))), "notifications.inbox")
    return render_template("notifications/inbox.html", now=ctx.now, unread=_unread(), places=_PLACES, **page)


@pages.get("/inbox/<uuid:message_id>")
@guard(Permission.MESSAGE_READ)
def open_message(message_id: uuid.UUID) -> Response:
    """Go to what a message of mine is about; it is read then."""
    message = services.open_message(acting(), message_id)
    case_id, override_id = (message.params.get(name) for name in ("case_id", "override_id"))
    if override_id:
        target = url_for("privacy.show_override", override_id=override_id)
    elif case_id:
        target = url_for("desk.case_page", case_id=case_id)
    else:
        target = url_for(_PLACES.get(message.template, ".inbox"))
    return redirect(target, 303)


@pages.post("/inbox/read")
@guard(Permission.MESSAGE_READ)
def read_all() -> Response:
    """Mark all of mine as read."""
    services.mark_all_read(acting())
    return redirect(url_for(".inbox"), 303)


@pages.get("/deliveries")
@guard(Permission.DELIVERY_READ)
def deliveries() -> str:
    """Mail that may not have arrived."""
    ctx = acting()
    assert ctx.actor.centre_id is not None  # roles with this permission belong to a centre
    rows = queries.list_exceptions(ctx.actor.centre_id, decode_key(request.args.get("after")))
    found = accounts.user_names({row.recipient_id for row in rows if row.recipient_id})
    return render_template(
        "notifications/deliveries.html", now=ctx.now, names={str(user_id): name for user_id, name in found.items()},
        **_page(rows, "notifications.deliveries"),
    )  # fmt: skip


@pages.post("/deliveries/<uuid:message_id>")
@guard(Permission.DELIVERY_RESOLVE)
def resolve(message_id: uuid.UUID) -> Response:
    """It arrived, or it is sent again."""
    found = ResolutionIn().load({"arrived": request.form.get("arrived")})
    services.resolve_unknown(acting(), message_id, arrived=found["arrived"])
    return redirect(url_for("notifications.deliveries"))


@pages.get("/mailbox")
@guard(Permission.DELIVERY_READ)
def mailbox() -> str:
    """The mail of the reader's centre in a demo: so that a newcomer can open a partner's link. Nothing outside a demo.

    An agency's link opens a story: whoever may read none sees no mail to agencies.
    """
    box = demo_mailbox(current_app.extensions["helpline_settings"])
    if box is None:
        raise NotFound("mailbox")
    actor, sent = acting().actor, [uuid.UUID(key) for key in box.keys()[:_KEPT_MAIL]]
    shown = queries.list_mail(sent, actor.centre_id, stories=may_read(actor, FieldGroup.STORY))
    return render_template("notifications/mailbox.html", mails=[box.read(str(message_id)) for message_id in shown])


def _unread() -> int:
    return queries.count_unread(acting().actor.id)


frame.counts["inbox"] = _unread
