"""Searching: who is found, what is put on record of it, and the warning that a child may be known already.

The index knows everybody and decides nothing: whoever it names is read again through the rows of the asking actor, and
who is not in sight is not there. The one exception is the warning, which says a single sentence and nothing of whom.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from sqlalchemy import update
from sqlalchemy.dialects.postgresql import insert as upsert

from helpline.calls import queries as calls
from helpline.calls.vocabulary import PersonRow
from helpline.cases import queries as cases
from helpline.cases.vocabulary import CaseRow
from helpline.foundation.access.engine import may_read, require
from helpline.foundation.access.permissions import FieldGroup, Permission
from helpline.foundation.audit.recorder import record
from helpline.foundation.context import Context
from helpline.foundation.crypto.index import phone_index
from helpline.foundation.db import db
from helpline.foundation.errors import Forbidden
from helpline.foundation.ids import new_id
from helpline.search import queries
from helpline.search.commands import SearchFor
from helpline.search.models import Search
from helpline.search.queries import Hit
from helpline.search.rules import asking
from helpline.search.vocabulary import IndexState, Matches, NameQuery, SearchBy, SearchKind

_SHOWN_GROUPS = (
    FieldGroup.CHILD_IDENTITY, FieldGroup.CONTACT, FieldGroup.LOCATION, FieldGroup.RISK, FieldGroup.CASE_ADMINISTRATION,
)  # fmt: skip
_LIKE_A_DOUBLE = 20


class Names(Protocol):
    """Who is called like that: the process that knows names, behind `gateways.py`."""

    def find(self, query: NameQuery) -> Matches:
        """Answers in time or says that it is away; never raises."""
        ...


class NoNames:
    """For processes that search for nobody."""

    def find(self, query: NameQuery) -> Matches:
        del query
        return Matches(IndexState.AWAY)


@dataclass
class _Port:
    names: Names


port = _Port(NoNames())


def install(names: Names) -> None:
    """Let this process ask `names`."""
    port.names = names


@dataclass(frozen=True, slots=True)
class Found:
    """What came of one request of a search. `search_id` is the one to go on with; `state` is that of the names."""

    search_id: uuid.UUID
    by: SearchBy
    state: IndexState
    items: list[Hit]


@dataclass(frozen=True, slots=True)
class Alike:
    """Cases in sight that may concern the children of a call, and whether there is one out of sight."""

    cases: list[CaseRow]
    elsewhere: bool = False


def search(ctx: Context, asked: SearchFor) -> Found:
    """Look for people by name, phone number or case number, as far as the actor sees them; 20 at most.

    Typing on under the id that came back is the same search for ten minutes. Each request is on record, without a word
    of what was asked.
    """
    scope = require(ctx, Permission.PERSON_SEARCH)
    words = asking.read_words(asked.text)
    if words.by is SearchBy.NOTHING:
        return Found(new_id(), words.by, IndexState.READY, [])
    state, ids = _ids(ctx, asked, words)
    items = queries.hits(ids)
    search_id, again = _count(ctx, asked.search_id)
    groups = [group.value for group in _SHOWN_GROUPS if may_read(ctx.actor, group)] if items else []
    record(
        ctx, "search.made", "search", *(item.id for item in items), fields=groups, search_id=search_id,
        by=words.by.value, found=len(items), state=state.value, scope=scope.value, again=again,
    )  # fmt: skip
    return Found(search_id, words.by, state, items)


def _ids(ctx: Context, asked: SearchFor, words: asking.Words) -> tuple[IndexState, Sequence[uuid.UUID]]:
    if words.by is SearchBy.PHONE:
        index = phone_index(asked.text, queries.region_of(_centre(ctx)))
        return IndexState.READY, queries.people_of_number(index) if index else ()
    if words.by is SearchBy.CODE and words.number is not None:
        return IndexState.READY, queries.people_of_case(ctx.actor.centre_id, words.number)
    age = asked.age if asked.age is not None else words.age
    born = None if age is None else ctx.now.year - max(age, 0)
    query = NameQuery(words.name, _centre(ctx), born, asked.gender, asked.province_id, queries.reach(ctx))
    answer = port.names.find(query)
    return answer.state, [match.person_id for match in answer.found]


def _centre(ctx: Context) -> uuid.UUID:
    if ctx.actor.centre_id is None:
        raise Forbidden(Permission.PERSON_SEARCH)
    return ctx.actor.centre_id


def _count(ctx: Context, search_id: uuid.UUID) -> tuple[uuid.UUID, bool]:
    """The search that this request belongs to, and whether it is not its first."""
    going_on = update(Search).where(
        Search.id == search_id, Search.actor_id == ctx.actor.id, Search.kind == SearchKind.TYPED,
        Search.last_at > ctx.now - timedelta(minutes=asking.SAME_SEARCH_MINUTES),
        Search.requests < asking.MOST_REQUESTS,
    )  # fmt: skip
    changed = going_on.values(requests=Search.requests + 1, last_at=ctx.now).returning(Search.id)
    if db.session.execute(changed).first() is not None:
        return search_id, True
    return _begin(ctx, SearchKind.TYPED, search_id) or _begin(ctx, SearchKind.TYPED, new_id()) or search_id, False


def _begin(ctx: Context, kind: SearchKind, search_id: uuid.UUID) -> uuid.UUID | None:
    """None where something else has this id, whoever's it is."""
    values = {
        "id": search_id, "centre_id": _centre(ctx), "actor_id": ctx.actor.id, "kind": kind.value,
        "began_at": ctx.now, "last_at": ctx.now, "requests": 1,
    }  # fmt: skip
    statement = upsert(Search).values(values).on_conflict_do_nothing().returning(Search.id)
    return db.session.scalar(statement)


def look_for_doubles(ctx: Context, call_id: uuid.UUID) -> Alike:
    """Cases that may concern a child of this call: by a nearly equal name with a fact that agrees, or by number.

    The call stands on record before anybody may ask, and forty questions an hour are answered: who tries out names
    leaves a call for each. Raises NotFound("call").
    """
    require(ctx, Permission.CASE_OPEN, call_id)
    call = calls.get_call(call_id)
    since = ctx.now - timedelta(hours=1)
    if queries.count_checks(ctx, since) >= asking.MOST_DUPLICATE_CHECKS:
        record(ctx, "search.doubles_limited", "call", call_id)
        return Alike([])
    _begin(ctx, SearchKind.DUPLICATE, new_id())
    people = [person for child in call.people for person in _doubles(ctx, child, call.province_id)]
    number = call.caller.phone if call.caller else None
    index = phone_index(number, queries.region_of(_centre(ctx))) if number else None
    own = {child.id for child in call.people}
    seen, elsewhere = queries.cases_concerning(set(people) - own, index, call_id)
    record(ctx, "search.doubles_looked_for", "call", call_id, seen=len(seen), elsewhere=elsewhere)
    return Alike(list(cases.rows_by_id(seen).values()), elsewhere)


def _doubles(ctx: Context, child: PersonRow, province_id: uuid.UUID | None) -> list[uuid.UUID]:
    if not child.name:
        return []
    born = None if child.age is None else ctx.now.year - max(child.age, 0)
    query = NameQuery(child.name, _centre(ctx), born, child.gender, province_id, limit=_LIKE_A_DOUBLE)
    return [match.person_id for match in port.names.find(query).found if asking.strong(match)]
