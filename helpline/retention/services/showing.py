"""What is shown of keeping and erasing, to whoever may see it."""

from helpline.foundation.access.engine import require
from helpline.foundation.access.permissions import Permission
from helpline.foundation.context import Context
from helpline.retention.queries import listing
from helpline.retention.services import port
from helpline.retention.services.deciding import centre_of
from helpline.retention.vocabulary import DueRow, ErasureRow, HoldRow, LedgerState, Rule


def see_rules(ctx: Context) -> list[Rule]:
    """A rule for each kind."""
    require(ctx, Permission.RETENTION_READ)
    return listing.list_rules(centre_of(ctx))


def see_due(ctx: Context, after: listing.Key | None = None) -> list[DueRow]:
    """What waits for a decision, oldest first; one more than a page where there are more."""
    require(ctx, Permission.RETENTION_READ)
    return listing.list_due(centre_of(ctx), ctx.now, after)


def see_holds(ctx: Context) -> list[HoldRow]:
    """Holds, those that last first."""
    require(ctx, Permission.RETENTION_READ)
    return listing.list_holds()


def see_erasures(ctx: Context, after: listing.Key | None = None) -> tuple[list[ErasureRow], LedgerState | None]:
    """What was erased, newest first, one more than a page where there are more; and how the ledger compares."""
    require(ctx, Permission.RETENTION_READ)
    return listing.list_erasures(port.backup_days(), ctx.now, after), listing.find_ledger_state()
