"""Questions services and schemas ask of the matrix."""

from helpline.foundation.access.matrix import field_access, scope_of
from helpline.foundation.access.permissions import FieldAccess, FieldGroup, Permission, Scope
from helpline.foundation.context import Actor, Context
from helpline.foundation.errors import Forbidden


def holds(actor: Actor, permission: Permission) -> bool:
    """True if the actor's role has the permission at any scope and an API token, if used, carries it."""
    if actor.permissions is not None and permission not in actor.permissions:
        return False
    return scope_of(actor.role, permission) is not Scope.NONE


def require(ctx: Context, permission: Permission, record_id: object = None) -> Scope:
    """The scope at which the actor holds `permission`. Raises Forbidden if they do not."""
    if not holds(ctx.actor, permission):
        raise Forbidden(permission.value, record_id)
    return scope_of(ctx.actor.role, permission)


def may_read(actor: Actor, group: FieldGroup) -> bool:
    return field_access(actor.role, group) is not FieldAccess.MASK


def may_write(actor: Actor, group: FieldGroup) -> bool:
    return field_access(actor.role, group) is FieldAccess.WRITE
