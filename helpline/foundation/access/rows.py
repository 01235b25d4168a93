"""Row security: the context that PostgreSQL trusts, and how a slice writes its row rules.

Each transaction carries a signed statement of who acts (`app.context`, `app.signature`). Policies call definer
functions that check the signature with a key only their owner can read: a role that can merely set variables sees
no row. Reach is per record kind, from the matrix: `<kind>:read`. What is called before anybody is known takes a ticket.
"""

import hmac
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import orjson

from helpline.foundation.access.engine import powers_of
from helpline.foundation.access.permissions import MACHINES
from helpline.foundation.clock import real_now
from helpline.foundation.context import Context
from helpline.foundation.crypto.keyring import ring

LIFETIME = timedelta(minutes=5)  # longer than any request or task may run; short enough that a stolen one dies
TICKET_LIFETIME = timedelta(minutes=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_BLOCK = 64


def hmac_pads(key: bytes) -> tuple[bytes, bytes]:
    """The two prepared pads of HMAC-SHA256 (RFC 2104), which the database keeps, having no pgcrypto."""
    padded = key.ljust(_BLOCK, b"\0")
    return bytes(b ^ 0x36 for b in padded), bytes(b ^ 0x5C for b in padded)


def signed_context(ctx: Context) -> dict[str, str]:
    """The two settings of a transaction: the statement and its signature (hex)."""
    actor, powers = ctx.actor, powers_of(ctx.actor)
    statement: dict[str, Any] = {
        "u": str(actor.id),
        "r": actor.role,
        "c": str(actor.centre_id) if actor.centre_id else None,
        "t": [str(team) for team in actor.team_ids],
        "s": powers.reach,
        "n": ctx.now.timestamp(),
        "x": int((real_now() + LIFETIME).timestamp()),
    }
    if powers.lost:
        statement["d"] = powers.lost  # what the role has, and this actor of it has not
    text = orjson.dumps(statement).decode()
    return {"context": text, "signature": _sign(text)}


def machine_role(role: str) -> str:
    """In which database role the workers' login acts for this actor; for people `none`, which reaches nothing."""
    return f"helpline_{role}" if role in MACHINES else "none"


def machine(actor: str) -> str:
    """SQL that is true for any row while `actor` acts: the rule of a table's rows for this machine's own role.

    Which tables and columns that role has says `migrations.tools.serve`.
    """
    return f"(SELECT app.actor() ->> 'r') = '{actor}'"


def ticket(what: str, *args: object) -> str:
    """Leave to call the definer function `what` with just these arguments; it has `app.ticket_holds` check it.

    For what is needed before anybody is known: who can run statements but has no key can't make one.
    """
    expires = int((real_now() + TICKET_LIFETIME).timestamp())
    return f"{expires}:" + _sign("\n".join(["ticket", str(expires), what, *map(_plain, args)]))


def _plain(value: object) -> str:
    """As the function writes its argument."""
    match value:
        case datetime():
            return str((value - _EPOCH) // timedelta(microseconds=1))
        case bytes():
            return value.hex()
        case bool():
            return str(value).lower()
        case _:
            return str(value)


def _sign(text: str) -> str:
    return hmac.new(ring().secret("context"), text.encode(), sha256).hexdigest()


def visible(  # the one text of a row rule; slices' policy.py call it with their column names
    kind: str,
    *,
    record: str = "id",
    centre: str | None = "centre_id",
    team: str | None = None,
    owner: str | None = None,
) -> str:
    """SQL that is true for rows of `kind` the signed actor may see.

    `record`, `centre`, `team` and `owner` are column names; None where the table has no such column. Grants allow
    beyond the role's reach; a deny beats every allow.
    """
    ways = [f"{record} = ANY ((SELECT app.granted('{kind}'))::uuid[])"]
    if centre:
        ways.append(f"{centre} = ANY ((SELECT app.centres_of('{kind}'))::uuid[])")
    if team:
        ways.append(f"{team} = ANY ((SELECT app.teams_of('{kind}'))::uuid[])")
    if owner:
        ways.append(f"{owner} = (SELECT app.self_of('{kind}'))")
    if team and owner:  # their own of their teams', where a centre narrowed the one to the other
        ways.append(f"{team} = ANY ((SELECT app.own_teams_of('{kind}'))::uuid[]) AND {owner} = (SELECT app.actor_id())")
    return f"({' OR '.join(ways)}) AND {record} <> ALL ((SELECT app.denied('{kind}'))::uuid[])"


def part_of(parent: str, kind: str, column: str) -> str:
    """SQL that is true for rows which belong to a record of `parent` (of `kind`, named by `column`) the actor may see.

    Who reaches a whole centre is let through without looking the parent up.
    """
    return (  # kinds and columns are ours, never a caller's words
        f"(centre_id = ANY ((SELECT app.centres_of('{kind}'))::uuid[])"
        f" OR EXISTS (SELECT 1 FROM {parent} parent WHERE parent.id = {column}))"
        f" AND {column} <> ALL ((SELECT app.denied('{kind}'))::uuid[])"
    )


_ME, _ROLE = "(SELECT app.actor_id())", "(SELECT app.actor() ->> 'r')"
# Only machines, only a partner, only who administers staff bring these events about.
EVENTS_WRITTEN = f"""{_ME} IS NOT NULL AND CASE
    WHEN name IN ('followups.reminded', 'followups.escalated') THEN {_ROLE} IN ('reminder', 'keeper')
    WHEN name IN ('referrals.expired', 'referrals.exhausted') THEN {_ROLE} IN ('router', 'keeper')
    WHEN name IN ('referrals.accepted', 'referrals.declined') THEN {_ROLE} = 'partner'
    WHEN name = 'accounts.user_invited' THEN {_ROLE} IN ('admin', 'supervisor', 'keeper', 'visitor')
    WHEN name = 'accounts.user_deactivated' THEN {_ROLE} IN ('admin', 'keeper')
    ELSE true END"""
# Who sees a record may end what lets others see it; grants name records of many slices, so the rule stands here.
_REACHES = f"""{_ROLE} IN ('router', 'keeper') OR CASE kind
    WHEN 'case' THEN EXISTS (SELECT 1 FROM cases c WHERE c.id = record_id)
        OR principal_id = {_ME} AND NOT app.case_exists(record_id)
    WHEN 'call' THEN EXISTS (SELECT 1 FROM calls c WHERE c.id = record_id)
        OR EXISTS (SELECT 1 FROM cases c WHERE c.call_id = record_id)
    WHEN 'person' THEN EXISTS (SELECT 1 FROM persons p WHERE p.id = record_id)
        OR EXISTS (SELECT 1 FROM cases c WHERE c.child_person_id = record_id)
    WHEN 'referral' THEN EXISTS (SELECT 1 FROM referrals r WHERE r.id = record_id)
    ELSE false END"""
# Who is shut out is read by who may say so, and by the machines that must leave them out; never by
# themselves, nor by who sees the record by an override alone.
DENIES_READ = f"""effect = 'allow' OR {_ROLE} IN ('router', 'reminder', 'messenger', 'watcher', 'keeper')
    OR {_ROLE} IN ('team_supervisor', 'supervisor') AND principal_id <> {_ME}
    AND record_id <> ALL ((SELECT app.overridden())::uuid[]) AND ({_REACHES})"""
