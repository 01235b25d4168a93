"""Mail that lets somebody choose a password, word of what changed of somebody's sign-in, and what needs two people.

A link is signed when its mail is rendered, and stored nowhere.
"""

import uuid
from typing import Any

from helpline.accounts.queries import active_of
from helpline.accounts.services import approvals
from helpline.accounts.vocabulary import ApprovalKind, ApprovalState, LinkPurpose
from helpline.foundation.access.permissions import Role, SystemActor
from helpline.foundation.context import Context, system_context
from helpline.foundation.db import unit_of_work
from helpline.notifications.commands import QueueMessage
from helpline.notifications.services import queue_message
from helpline.notifications.vocabulary import MessageChannel
from workers.task import job, on_event


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


@on_event("accounts.tell_approval", SystemActor.MESSENGER)
def tell_approval(ctx: Context, payload: dict[str, Any]) -> None:
    """Those who may decide hear that something waits for them, who asked what became of it, and whom it is about."""
    centre_id, asker = (uuid.UUID(payload[name]) for name in ("centre_id", "requested_by"))
    subject_id = uuid.UUID(payload["subject_id"]) if payload["subject_id"] else None
    state, params = payload["state"], {name: payload[name] for name in ("approval_id", "kind", "state", "not_before")}
    told = {asker: "approval_moved"}
    if state == ApprovalState.ASKED:
        deciders = [user.id for role in (Role.SUPERVISOR, Role.ADMIN) for user in active_of(centre_id, role)]
        told = dict.fromkeys(deciders, "approval_asked")
        told.pop(asker, None)
    if subject_id is not None:
        told.pop(subject_id, None)
    if subject_id is not None and payload["kind"] == ApprovalKind.FACTOR_RESET and state != ApprovalState.DONE:
        told[subject_id] = "factor_reset"
    for user_id, template in told.items():
        key = f"{template}:{ctx.cause_id}:{user_id}"
        queue_message(ctx, QueueMessage(centre_id, template, key, params, user_id=user_id))


@job("accounts.carry_out_approvals")
def carry_out_approvals() -> None:
    """Do what two people agreed, where its time has come."""
    with unit_of_work(system_context(SystemActor.KEEPER)) as ctx:
        approvals.carry_out_due(ctx)


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
