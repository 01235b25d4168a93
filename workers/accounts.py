"""Mail that lets somebody choose a password, and word of what changed of somebody's sign-in.

A link is signed when its mail is rendered, and stored nowhere.
"""

import uuid
from typing import Any

from helpline.accounts.vocabulary import LinkPurpose
from helpline.foundation.access.permissions import SystemActor
from helpline.foundation.context import Context
from helpline.notifications.commands import QueueMessage
from helpline.notifications.services import queue_message
from helpline.notifications.vocabulary import MessageChannel
from workers.task import on_event


@on_event("accounts.send_invitation", SystemActor.MESSENGER)
def send_invitation(ctx: Context, payload: dict[str, Any]) -> None:
    """Tell somebody new where to choose their first password."""
    _send(ctx, "invitation", LinkPurpose.INVITATION, payload)


@on_event("accounts.send_password_link", SystemActor.MESSENGER)
def send_password_link(ctx: Context, payload: dict[str, Any]) -> None:
    """Tell somebody who forgot their password where to choose another."""
    _send(ctx, "new_password", LinkPurpose.PASSWORD, payload)


@on_event("accounts.tell_factor_changed", SystemActor.MESSENGER)
def tell_factor_changed(ctx: Context, payload: dict[str, Any]) -> None:
    """Tell somebody, by mail and in their inbox, what changed of their sign-in: it may not have been them."""
    queue_message(
        ctx,
        QueueMessage(
            centre_id=uuid.UUID(payload["centre_id"]),
            template="factor_changed",
            dedupe_key=f"factor_changed:{ctx.cause_id}",
            params={"change": payload["change"]},
            user_id=uuid.UUID(payload["user_id"]),
        ),
    )


def _send(ctx: Context, template: str, purpose: LinkPurpose, payload: dict[str, Any]) -> None:
    params = {name: payload[name] for name in ("user_id", "version", "expires_at")} | {"purpose": purpose.value}
    queue_message(
        ctx,
        QueueMessage(
            centre_id=uuid.UUID(payload["centre_id"]),
            template=template,
            dedupe_key=f"{template}:{payload['user_id']}:{payload['version']}:{payload['expires_at']}",
            params=params,
            user_id=uuid.UUID(payload["user_id"]),
            channels=(MessageChannel.MAIL,),
        ),
    )
