"""All that is held about one child, in pieces, and what of it is kept out of an export by default.

What whoever prepares it sees is the whole; what stands in it that another person told, or that is about another person,
names staff or the alleged perpetrator, or that consent keeps back, is marked with the reason.
"""

import uuid
from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from helpline.calls import queries as calls
from helpline.calls.vocabulary import CallDetail, Relation
from helpline.cases import queries as cases
from helpline.cases.vocabulary import CaseRow
from helpline.followups import queries as followups
from helpline.followups.vocabulary import FollowUpRow
from helpline.foundation.access.engine import may_read, require
from helpline.foundation.access.permissions import FieldGroup, Permission
from helpline.foundation.audit.recorder import showed
from helpline.foundation.calendar import local_day
from helpline.foundation.context import Context
from helpline.foundation.errors import Forbidden
from helpline.people.models import Person
from helpline.people.queries import people_by_id
from helpline.referrals import queries as referrals
from helpline.registers import rules
from helpline.registers.queries import held as queries
from helpline.registers.queries import ledger
from helpline.registers.vocabulary import Dossier, Held, LedgerLine, Left, Piece, Section, Told, Withheld

G, S, W = FieldGroup, Section, Withheld
CHILD = (
    G.CHILD_IDENTITY, G.CONTACT, G.LOCATION, G.STORY, G.ALLEGED_PERPETRATOR, G.HEALTH, G.RISK, G.CASE_ADMINISTRATION,
)  # fmt: skip
MOST = 10_000  # lines of one case's timeline


class _Pieces:
    """Gathers the pieces of one record; what is not known is left out."""

    def __init__(self, kind: str, record_id: uuid.UUID) -> None:
        self.kind, self.record_id, self.found = kind, record_id, list[Piece]()

    def add(
        self, group: FieldGroup, what: str, value: Any, words: str | None = None, why: Withheld | None = None
    ) -> None:  # fmt: skip
        if value not in (None, "", [], {}):
            key = rules.readable_key(self.kind, self.record_id, what)
            self.found.append(Piece(key, what, value, group, words, why))


def gather(ctx: Context, case_id: uuid.UUID) -> Dossier:
    """Everything about the child of this case that the actor sees: merged persons are one child.

    Raises NotFound("case"), Forbidden for a role that may not read all of it. The whole is on record as read.
    """
    require(ctx, Permission.EXPORT_MAKE, case_id)
    if not all(may_read(ctx.actor, group) for group in CHILD):
        raise Forbidden(Permission.EXPORT_MAKE.value, case_id)
    case = cases.get_case(case_id)
    ids = queries.ids_of(case.child_person_id)
    held = [_case_and_more(each) for each in ids.cases]
    consents = [row.consent for row, _records in held]
    people = people_by_id(ids.persons)
    records: list[Held] = [_identity(people[each]) for each in ids.persons if each in people]
    records += _calls(ids)
    records += [record for _row, more in held for record in more]
    records += [_disclosure(line) for line in ledger.list_disclosures(case_id)]
    records += _readings(ctx, case_id)
    for consent in consents:
        records = [
            Held(each.section, each.at, rules.withheld_by_consent(each.pieces, consent)) for each in records
        ]  # fmt: skip
    order = list(Section)
    records.sort(key=lambda each: (order.index(each.section), each.at or ctx.now))
    found = Dossier(
        case_id, case.code, case.centre_id, case.team_id, ids.cases, ids.persons, tuple(records),
        erased=case.erased_at is not None,
    )  # fmt: skip
    _note_reading(found)
    return found


def _note_reading(found: Dossier) -> None:
    groups = {piece.group.value for piece in found.pieces}
    for kind, ids in (("case", found.case_ids), ("person", found.person_ids)):
        for record_id in ids:
            showed(kind, record_id, groups)


def _identity(person: Person) -> Held:
    add = _Pieces("person", person.id)
    add.add(G.CHILD_IDENTITY, "name", person.name)
    add.add(G.CONTACT, "phone", person.phone)
    add.add(G.CHILD_IDENTITY, "age", person.age, "age")
    add.add(G.CHILD_IDENTITY, "gender", person.gender, "gender")
    add.add(G.CHILD_IDENTITY, "language", person.language, "language")
    for what, value in (person.background or {}).items():
        add.add(G.CHILD_IDENTITY, what, value)
    add.add(G.HEALTH, "disability", person.disability, "answer")
    return Held(S.IDENTITY, person.created_at, tuple(add.found))


def _calls(ids: queries.Ids) -> list[Held]:
    originals, versions = queries.originals_of(ids.calls), queries.count_versions(ids.calls)
    return [
        _call(calls.get_call(each), set(ids.persons), originals.get(each), versions.get(each)) for each in ids.calls
    ]


def _call(call: CallDetail, child: set[uuid.UUID], original: Any, versions: int | None) -> Held:
    own = call.caller_relation == Relation.SELF
    told = None if own else W.TOLD_BY_ANOTHER
    danger = {name: answer for name, answer in call.danger.items() if answer != "unknown"}
    feared = danger.pop("near_person_feared", None)
    others = [person for person in call.people if person.id not in child]
    add = _Pieces("call", call.id)
    add.add(G.CASE_ADMINISTRATION, "number", f"C-{call.number}")
    add.add(G.CASE_ADMINISTRATION, "channel", call.channel, "channel")
    add.add(G.CASE_ADMINISTRATION, "call_kind", call.kind, "kind")
    add.add(G.CHILD_IDENTITY, "who_called", call.caller_relation, "relation", None if own else W.OTHER_PERSON)
    if call.caller is not None and call.caller.id not in child:
        about = {name: getattr(call.caller, name) for name in ("name", "phone", "age", "gender")}
        known = {name: value for name, value in about.items() if value not in (None, "unknown")}
        add.add(G.CONTACT, "caller", known, None, W.OTHER_PERSON)
    add.add(G.CHILD_IDENTITY, "other_children", [each.name or "?" for each in others], None, W.OTHER_PERSON)
    add.add(G.LOCATION, "place", call.place_label, "names")
    add.add(G.STORY, "reasons", [each.names for each in call.categories], "names")
    add.add(G.RISK, "risk", call.risk_level, "risk")
    add.add(G.RISK, "danger", danger, "answers")
    add.add(G.ALLEGED_PERPETRATOR, "near_person_feared", feared, "answer", W.ALLEGED_PERPETRATOR)
    add.add(G.STORY, "told", call.narrative, None, told)
    add.add(G.STORY, "risk_reason", call.risk_reason)
    add.add(G.STORY, "done", call.actions, "action")
    add.add(G.STORY, "voided", call.void_reason)
    add.add(G.ALLEGED_PERPETRATOR, "original", original, "row", W.MIXED)
    add.add(G.STORY, "earlier_states", versions, "number", W.MIXED)
    add.add(G.CASE_ADMINISTRATION, "staff", call.operator_name, None, W.STAFF)
    return Held(S.CALL, call.started_at, tuple(add.found))


def _case_and_more(case_id: uuid.UUID) -> tuple[CaseRow, list[Held]]:
    row = cases.get_case(case_id)
    asked = [record for referral in referrals.list_for_case(case_id) for record in _referral(referral)]
    planned = [_followup(followups.get_followup(each.id)) for each in followups.list_for_case(case_id, open_only=False)]
    return row, [_case(row), *_notes(case_id), *asked, *planned]


def _case(row: CaseRow) -> Held:
    add = _Pieces("case", row.id)
    add.add(G.CASE_ADMINISTRATION, "number", row.code)
    add.add(G.CASE_ADMINISTRATION, "step", row.step, "step")
    add.add(G.RISK, "risk", row.risk_level, "risk")
    add.add(G.LOCATION, "place", row.place_names, "names")
    add.add(G.HEALTH, "needs", row.needs, "need")
    add.add(G.STORY, "summary", row.summary)
    for what in ("services", "reporting", "disclosure"):
        add.add(G.CASE_ADMINISTRATION, f"consent_{what}", row.consent.get(what), "answer")
    add.add(G.CASE_ADMINISTRATION, "consent_by", row.consent.get("by"), "consent_by")
    add.add(G.CASE_ADMINISTRATION, "withhold", row.consent.get("withhold"), "field_group")
    add.add(G.STORY, "consent_why", row.consent_why)
    add.add(G.CASE_ADMINISTRATION, "close_reason", row.close_reason, "close_reason")
    add.add(G.CASE_ADMINISTRATION, "staff", row.caseworker_name, None, W.STAFF)
    return Held(S.CASE, row.opened_at, tuple(add.found))


def _notes(case_id: uuid.UUID) -> Iterable[Held]:
    for line in cases.timeline(case_id, limit=MOST):
        if line.body is not None:
            add = _Pieces("note", line.id)
            add.add(G.CASE_ADMINISTRATION, "note_kind", line.note_kind, "note_kind")
            add.add(G.STORY, "note", line.body)
            add.add(G.CASE_ADMINISTRATION, "staff", line.actor_name, None, W.STAFF)
            yield Held(S.NOTE, line.at, tuple(add.found))


def _referral(row: referrals.ReferralRow) -> Iterable[Held]:
    add = _Pieces("referral", row.id)
    add.add(G.HEALTH, "service", row.service, "need")
    add.add(G.CASE_ADMINISTRATION, "state", row.state, "referral_state")
    yield Held(S.REFERRAL, row.requested_at, tuple(add.found))
    for ask in reversed(row.asks):
        add = _Pieces("ask", ask.id)
        add.add(G.CASE_ADMINISTRATION, "agency", ask.agency_names, "names")
        add.add(G.CASE_ADMINISTRATION, "answer", ask.state, "ask_state")
        add.add(G.STORY, "decline_note", ask.decline_note, None, W.TOLD_BY_ANOTHER)
        yield Held(S.REFERRAL, ask.asked_at, tuple(add.found))


def _followup(row: FollowUpRow) -> Held:
    add = _Pieces("followup", row.id)
    add.add(G.CASE_ADMINISTRATION, "followup_kind", row.kind, "followup_kind")
    add.add(G.CASE_ADMINISTRATION, "outcome", row.outcome, "outcome")
    for what in ("task", "note", "reason"):
        add.add(G.STORY, what, getattr(row, what))
    add.add(G.CASE_ADMINISTRATION, "staff", row.caseworker_name, None, W.STAFF)
    return Held(S.FOLLOWUP, row.due_at, tuple(add.found))


_OF_LINE = {
    "recipient": "recipient", "basis": "disclosure_basis", "authority": "authority", "outcome": "demand_outcome",
}  # fmt: skip


def _disclosure(line: LedgerLine) -> Held:
    hushed = line.kind == Left.DEMAND and line.details["told"] != Told.TOLD
    why = W.NOT_TOLD if hushed else None
    add = _Pieces("disclosure", line.source_id)
    add.add(G.CASE_ADMINISTRATION, "left", line.kind, "left", why)
    add.add(G.CASE_ADMINISTRATION, "agency", line.names, "names")
    for what, words in _OF_LINE.items():
        add.add(G.CASE_ADMINISTRATION, what, line.details.get(what), words, why)
    add.add(G.CASE_ADMINISTRATION, "groups", line.field_groups, "field_group")
    add.add(G.STORY, "recipient_name", line.recipient)
    add.add(G.STORY, "what", line.what)
    return Held(S.DISCLOSURE, line.at, tuple(add.found))


def _readings(ctx: Context, case_id: uuid.UUID) -> Iterable[Held]:
    """A line a day, role and kind of record."""
    zone, found = ZoneInfo(ctx.timezone), Counter[Any]()
    first: dict[Any, datetime] = {}
    for at, role, record, groups in ledger.list_readings(case_id):
        key = (local_day(at, zone), role, record, tuple(groups))
        found[key] += 1
        first.setdefault(key, at)
    for number, ((_day, role, record, groups), times) in enumerate(found.items()):
        add = _Pieces("reading", uuid.UUID(int=number))
        add.add(G.CASE_ADMINISTRATION, "role", role, "role")
        add.add(G.CASE_ADMINISTRATION, "record", record, "record")
        add.add(G.CASE_ADMINISTRATION, "groups", list(groups), "field_group")
        add.add(G.CASE_ADMINISTRATION, "times", times, "number")
        yield Held(S.READING, first[_day, role, record, groups], tuple(add.found))
