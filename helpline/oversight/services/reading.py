"""Looking at the audit and at the matrix; both looks are on record themselves."""

import uuid
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy.orm.attributes import set_committed_value

from helpline.accounts.queries import list_roles
from helpline.accounts.services.roles import powers_of_role
from helpline.foundation.access.engine import require
from helpline.foundation.access.permissions import FieldGroup, Permission
from helpline.foundation.access.powers import BUILT_IN, Powers
from helpline.foundation.audit.models import AuditEntry
from helpline.foundation.audit.recorder import record
from helpline.foundation.calendar import day_bounds
from helpline.foundation.context import Context
from helpline.foundation.errors import Forbidden
from helpline.oversight.queries import entries as queries
from helpline.oversight.queries.entries import EntryFilter
from helpline.oversight.services.witnessing import standing
from helpline.search.queries import requests_of
from helpline.settings import Settings

Key = tuple[datetime, uuid.UUID]


def search_audit(ctx: Context, asked: dict[str, Any], after: Key | None) -> Sequence[AuditEntry]:
    """Entries of the actor's centre by `asked` (EntryQuery), newest first, one more than a page."""
    require(ctx, Permission.AUDIT_READ)
    if ctx.actor.centre_id is None:
        raise Forbidden(Permission.AUDIT_READ)
    zone = ZoneInfo(ctx.timezone)
    first, last = asked["first"], asked["last"]
    wanted = EntryFilter(
        None if asked["house"] else ctx.actor.centre_id, asked["actor"], asked["action"], asked["kind"],
        asked["outcome"], asked["subject"], asked["child"], asked["fields"], asked["channel"],
        day_bounds(first, zone)[0] if first else None, day_bounds(last, zone)[1] if last else None,
    )  # fmt: skip
    subjects = [asked["subject"]] if asked["subject"] else []
    record(ctx, "audit.searched", "audit", *subjects, filters=sorted(name for name, value in asked.items() if value))
    entries = queries.list_entries(wanted, after)
    _count_requests(entries)
    return entries


def _count_requests(entries: Sequence[AuditEntry]) -> None:
    """Say beside each search how many requests it took. What is on record stays as it is."""
    made = {entry.id: uuid.UUID(entry.details["search_id"]) for entry in entries if entry.action == queries.SEARCHED}
    requests = requests_of(made.values())
    for entry in entries:
        if entry.id in made:
            told = entry.details | {"requests": requests.get(made[entry.id], 1)}
            set_committed_value(entry, "details", told)


def read_standing(ctx: Context, settings: Settings) -> dict[str, Any]:
    """How far the audit is proved (StandingOut)."""
    require(ctx, Permission.AUDIT_READ)
    found = queries.last_verification()
    told = found.details if found else {}
    return asdict(standing(ctx, settings)) | {
        "verified_at": found.at if found else None, "verified_size": told.get("size", 0), "whole": told.get("whole"),
        "wrong": told.get("what"), "wrong_place": told.get("place"), "wrong_entry": told.get("entry_id"),
    }  # fmt: skip


def read_matrix(ctx: Context) -> list[dict[str, Any]]:
    """Every role with what it may do and which fields it sees: the very tables that the service runs by.

    After them the centre's own that somebody can be given, as they are met with what they are made of.
    """
    require(ctx, Permission.MATRIX_READ)
    record(ctx, "matrix.read", "matrix")
    own = list_roles(ctx.actor.centre_id) if ctx.actor.centre_id else []
    return [_row(str(role), powers) for role, powers in BUILT_IN.items()] + [
        _row(role.base, powers_of_role(role), role.names) for role in own
    ]


def _row(role: str, powers: Powers, names: dict[str, str] | None = None) -> dict[str, Any]:
    return {
        "role": role, "names": names,
        "permissions": {permission.value: powers.scope(permission).value for permission in Permission},
        "fields": {group.value: powers.access(group).value for group in FieldGroup},
    }  # fmt: skip
