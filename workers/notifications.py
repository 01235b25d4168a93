"""Delivering mail: claim, send with no transaction open, record."""

from flask import current_app, render_template

from helpline.foundation.access.permissions import SystemActor
from helpline.foundation.clock import now
from helpline.foundation.context import system_context
from helpline.foundation.db import unit_of_work
from helpline.foundation.failpoints import failpoint
from helpline.foundation.i18n import speaking
from helpline.notifications import services
from helpline.notifications.commands import Outgoing
from helpline.notifications.gateways import Mail, MailGateway, MaybeAccepted, NotAccepted, SmtpGateway
from workers.links import link_of
from workers.task import job

BATCH = 50


@job("notifications.deliver_due")
def deliver_due() -> None:
    """Send what waits, one by one; what a dead process left half sent becomes a visible unknown."""
    settings = current_app.extensions["helpline_settings"]
    with unit_of_work(system_context(SystemActor.MESSENGER)) as ctx:
        services.mark_lost_claims(ctx)
    for _ in range(BATCH):
        if not deliver_next(SmtpGateway(settings) if settings.smtp_host else None):
            break


def deliver_next(gateway: MailGateway | None) -> bool:
    """Deliver one mail; False if none waits. Without a gateway it is kept as not sent."""
    with unit_of_work(system_context(SystemActor.MESSENGER)) as ctx:
        outgoing = services.claim_next(ctx)
        mail = _render(outgoing) if outgoing else None
    if outgoing is None or mail is None:
        return False
    failpoint("notifications.after_claim")
    error: Exception | None = None
    if gateway is not None and outgoing.address:
        try:
            gateway.send(mail)
        except (NotAccepted, MaybeAccepted) as problem:
            error = problem
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
