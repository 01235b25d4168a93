"""The people who work at a centre: their own settings, and what an administrator decides about them."""

from helpline.accounts import queries
from helpline.foundation.access.engine import require
from helpline.foundation.access.permissions import Permission
from helpline.foundation.audit.recorder import record
from helpline.foundation.context import Context


def set_own(ctx: Context, **wishes: str) -> None:
    """The actor's own `name`, `locale` or `theme`."""
    require(ctx, Permission.OWN_ACCOUNT)
    user = queries.get_user(ctx.actor.id)
    changed = {name: value for name, value in wishes.items() if getattr(user, name) != value}
    for name, value in changed.items():
        setattr(user, name, value)
    if changed:
        record(ctx, "user.changed_own", "user", user.id, fields=changed)
