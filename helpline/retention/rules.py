"""How long things are kept, when an erasure is complete, and what is destroyed with a record: pure.

DEFAULTS are this project's, to be replaced by what a country's law or the helpline's own policy says; docs/retention.md
gives the reasons. FATES is written by hand: a sealed column that is not in it fails tests/architecture/test_fates.py.
"""

import calendar
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from helpline.retention.vocabulary import RuleKind

DEFAULTS: Mapping[RuleKind, int] = {
    RuleKind.CALL: 36, RuleKind.CASE: 84, RuleKind.DRAFT: 1, RuleKind.IMPORT_FILE: 3, RuleKind.MESSAGE: 12,
    RuleKind.SESSION: 3,
}  # fmt: skip
MOST_MONTHS = 1200
SWEEP_EVERY = timedelta(hours=20)


def months_before(now: datetime, months: int) -> datetime:
    """The same hour so many months ago; on the month's last day where it has no such day."""
    years, month = divmod(now.year * 12 + now.month - 1 - months, 12)
    if years < 1:
        return datetime.min.replace(tzinfo=now.tzinfo)
    last = calendar.monthrange(years, month + 1)[1]
    return now.replace(year=years, month=month + 1, day=min(now.day, last))


def backups_end(erased_at: datetime, backup_days: int) -> date:
    """The day by which no backup is left that holds it, if none is kept longer than the rule says."""
    return (erased_at + timedelta(days=backup_days)).date()


def complete_on(erased_at: datetime, backup_days: int, retired_at: datetime | None) -> date | None:
    """From when on nothing in a backup opens it: backups are too old, and the master key of then is gone."""
    if retired_at is None:
        return None
    return max(backups_end(erased_at, backup_days), retired_at.date())


@dataclass(frozen=True, slots=True)
class Fate:
    """What erasing does to a table: the rows whose `link` names something erased of `of`, and what of them is blanked.

    `blank`: columns besides the sealed ones and the key, and what they hold from then on (SQL, ours).
    """

    of: str
    link: str
    blank: Mapping[str, str] = field(default_factory=dict)


# A child's own statistics stand in call_children, which stays: age band and gender, beside the province of the call.
FATES: Mapping[str, Fate] = {
    "calls": Fate("calls", "id", {
        "place_id": "NULL", "risk_reasons": "'[]'", "danger": "'{}'", "body_digest": "NULL"}),
    "call_versions": Fate("calls", "call_id"),
    "call_drafts": Fate("calls", "id"),
    "cases": Fate("cases", "id", {
        "place_id": "NULL", "child_age": "NULL", "risk_reasons": "'[]'", "body_index": "''"}),
    "case_notes": Fate("cases", "case_id", {"body_index": "''"}),
    "case_closings": Fate("cases", "case_id"),
    "glass_overrides": Fate("cases", "case_id"),
    "followups": Fate("cases", "case_id"),
    "referral_asks": Fate("cases", "case_id"),
    "disclosures": Fate("cases", "case_id"),
    "persons": Fate("persons", "id", {
        "phone_index": "NULL", "age": "NULL", "age_known": "'unknown'", "gender": "'unknown'", "language": "NULL",
        "disability": "'unknown'"}),
    "legal_holds": Fate("all", "record_id"),
}  # fmt: skip
# Sealed, and destroyed another way.
OTHERWISE: Mapping[str, str] = {
    "approvals": "the words of why an erasure was asked for: app.carry_out takes them",
    "retention_reviews": "the row goes with the record",
    "exports": "what was taken out and not yet fetched goes with the case",
    "messages": "the row goes with the case; all go when old",
    "call_import_chunks": "leftover: thrown away when old, with its file",
    "call_import_findings": "leftover: thrown away when old, with its file",
    "call_imports": "leftover: its words are destroyed when old",
}
# Sealed, and kept: about the house and its staff, not about a child.
KEPT: Mapping[str, str] = {
    "breach_entries": "what was done about a breach; its form asks for no names",
    "breaches": "what happened to the house; its form asks for no names",
    "compelled_disclosures": "what an authority was given, which the house answers for; its form asks for no names",
    "factors": "a secret of somebody's second step",
    "reading_alerts": "what was found about a member of staff's reading",
}
