"""Delivering mail: claim, send with no transaction open, record."""

from flask import current_app, render_template

from helpline.foundation.access.permissions import SystemActor
from helpline.foundation.clock import now
from helpline.foundation.context import system_context
from helpline.foundation.db import unit_of_work
from helpline.foundation.failpoints import failpoint
from helpline.foundation.i18n import speaking
from helpline.foundation.log import get_logger
from helpline.notifications import services
from helpline.notifications.commands import Outgoing
from helpline.notifications.gateways import Mail, MailGateway, MaybeAccepted, NotAccepted, SmtpGateway, demo_mailbox
from workers.links import link_of
from workers.task import job

log = get_logger(__name__)
BATCH = 50


@job("notifications.deliver_due")
def deliver_due() -> None:
    """Send what waits, one by one; what a dead process left half sent becomes a visible unknown."""
    settings = current_app.extensions["helpline_settings"]
    with unit_of_work(system_context(SystemActor.MESSENGER)) as ctx:
        services.mark_lost_claims(ctx)
    gateway: MailGateway | None = SmtpGateway(settings) if settings.smtp_host else demo_mailbox(settings)
    for _ in range(BATCH):
        if not deliver_next(gateway):
            break


def deliver_next(gateway: MailGateway | None) -> bool:
    """Deliver one mail; False if none waits. Without a gateway it is kept as not sent."""
    with unit_of_work(system_context(SystemActor.MESSENGER)) as ctx:
        outgoing = services.claim_next(ctx)
    if outgoing is None:
        return False
    failpoint("notifications.after_claim")
    error = _send(gateway, outgoing) if gateway is not None and outgoing.address else None
    failpoint("notifications.after_send")
    with unit_of_work(system_context(SystemActor.MESSENGER)) as ctx:
        if gateway is None or not outgoing.address:
            services.record_not_sent(ctx, outgoing.id, "no_mail_server" if gateway is None else "no_address")
        elif isinstance(error, NotAccepted):
            services.record_failed(ctx, outgoing.id, error.code, again=error.again)
        elif error is not None:
            services.record_unknown(ctx, outgoing.id, str(error))
        else:
            services.record_sent(ctx, outgoing.id)
    return True


def _send(gateway: MailGateway, outgoing: Outgoing) -> NotAccepted | MaybeAccepted | None:
    """What went wrong, if anything. One text that can't be made must hold up no other, whatever is wrong with it."""
    try:
        mail = _render(outgoing)
    except Exception as problem:
        log.exception("notifications.not_rendered", message_id=str(outgoing.id), error=type(problem).__name__)
        return NotAccepted("not_rendered", again=False)
    try:
        gateway.send(mail)
    except (NotAccepted, MaybeAccepted) as problem:
        return problem
    return None


def _render(outgoing: Outgoing) -> Mail:
    """The text in the recipient's language: first line the subject. Links are signed here and stored nowhere."""
    settings = current_app.extensions["helpline_settings"]
    with speaking(outgoing.locale):
        text = render_template(
            f"messages/{outgoing.template}.txt",
            params=outgoing.params, link=link_of(outgoing, settings.public_url), now=now(), mail=True,
            zone=outgoing.timezone,
        ).strip()  # fmt: skip
    subject, _, body = text.partition("\n")
    return Mail(key=str(outgoing.id), to=outgoing.address, subject=subject, body=body.strip() + "\n")
