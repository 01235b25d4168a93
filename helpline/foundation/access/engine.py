"""Questions services and schemas ask of the matrix, and of what a centre took away of it for this actor."""

from helpline.foundation.access.permissions import FieldAccess, FieldGroup, Permission, Scope
from helpline.foundation.access.powers import BUILT_IN, NOTHING, Powers
from helpline.foundation.context import Actor, Context
from helpline.foundation.errors import Forbidden


def powers_of(actor: Actor) -> Powers:
    """What the actor's role gives them: the built-in one, or less."""
    return actor.narrowed or BUILT_IN.get(actor.role, NOTHING)


def scope_held(actor: Actor, permission: Permission) -> Scope:
    """How far the permission reaches for the actor; NONE if they don't hold it."""
    return powers_of(actor).scope(permission)


def holds(actor: Actor, permission: Permission) -> bool:
    """True if the actor's role has the permission at any scope and an API token, if used, carries it."""
    if actor.permissions is not None and permission not in actor.permissions:
        return False
    return scope_held(actor, permission) is not Scope.NONE


def require(ctx: Context, permission: Permission, record_id: object = None) -> Scope:
    """The scope at which the actor holds `permission`. Raises Forbidden if they do not."""
    if not holds(ctx.actor, permission):
        raise Forbidden(permission.value, record_id)
    return scope_held(ctx.actor, permission)


def readable(actor: Actor) -> frozenset[FieldGroup]:
    """The groups of fields that are not masked for the actor."""
    return powers_of(actor).readable


def may_read(actor: Actor, group: FieldGroup) -> bool:
    return group in readable(actor)


def may_write(actor: Actor, group: FieldGroup) -> bool:
    return powers_of(actor).access(group) is FieldAccess.WRITE
