"""The register of processing (GDPR, article 30), made of the code itself: tables, sealed columns, readers, machines.

By hand is only which table serves which activity, and its words. A table that stands in no activity fails the build
(tests/registers/test_processing.py).
"""

from dataclasses import dataclass
from typing import Any

from helpline.foundation.access.engine import require
from helpline.foundation.access.matrix import field_access, scope_of
from helpline.foundation.access.permissions import FieldAccess, FieldGroup, Permission, Role, Scope, SystemActor
from helpline.foundation.audit.recorder import record
from helpline.foundation.context import Context
from helpline.foundation.crypto.sealed import sealed_columns
from helpline.foundation.db import db

P, G = Permission, FieldGroup
_WIDE = list(Scope)


@dataclass(frozen=True, slots=True)
class Activity:
    """A purpose and what serves it. `reads`: whoever holds one of these is a reader. `keeping`: a code."""

    code: str
    tables: tuple[str, ...]
    reads: tuple[Permission, ...] = ()
    groups: tuple[FieldGroup, ...] = ()
    recipients: tuple[str, ...] = ()
    keeping: str = "erased"


_ABOUT_CHILD = (
    G.CHILD_IDENTITY, G.CONTACT, G.LOCATION, G.STORY, G.ALLEGED_PERPETRATOR, G.HEALTH, G.RISK, G.CASE_ADMINISTRATION,
)  # fmt: skip
ACTIVITIES = (
    Activity("calls", ("calls", "call_children", "call_terms", "call_versions", "call_drafts"), (P.CALL_READ,),
             _ABOUT_CHILD),
    Activity("people", ("persons",), (P.CALL_READ, P.CASE_READ, P.PERSON_SEARCH),
             (G.CHILD_IDENTITY, G.CONTACT, G.HEALTH)),
    Activity("search", ("searches",), (P.PERSON_SEARCH,), (G.CHILD_IDENTITY, G.LOCATION), keeping="audit"),
    Activity("cases", ("cases", "case_counters", "case_events", "case_notes", "case_obligations"), (P.CASE_READ,),
             _ABOUT_CHILD),
    Activity("followups", ("followups",), (P.FOLLOWUP_READ,), (G.STORY, G.RISK, G.CASE_ADMINISTRATION)),
    Activity("referrals", ("referrals", "referral_asks"), (P.REFERRAL_READ,),
             (G.HEALTH, G.RISK, G.CASE_ADMINISTRATION, G.CHILD_IDENTITY, G.LOCATION, G.STORY), ("agencies",)),
    Activity("imports", ("call_imports", "call_import_chunks", "call_import_findings", "call_import_mappings",
                         "call_import_rows", "call_identities"), (P.IMPORT_READ,), _ABOUT_CHILD),
    Activity("messages", ("messages",), (P.MESSAGE_READ, P.DELIVERY_READ), (G.CASE_ADMINISTRATION, G.DIRECTORY),
             ("agencies", "mail")),
    Activity("protection", ("grants", "case_closings", "glass_overrides"), (P.CASE_READ, P.GLASS_READ),
             (G.CASE_ADMINISTRATION, G.STORY)),
    Activity("keeping", ("retention_rules", "retention_reviews", "retention_sweeps", "legal_holds", "erasures",
                         "erasure_ledger_states"), (P.RETENTION_READ, P.RETENTION_REVIEW),
             (G.CASE_ADMINISTRATION, G.STATISTICS, G.STORY), keeping="audit"),
    Activity("giving", ("exports", "disclosures", "compelled_disclosures"), (P.EXPORT_READ, P.DISCLOSURE_READ,
             P.DEMAND_READ), (*_ABOUT_CHILD, G.REGISTER), ("subjects", "authorities", "research"), "exports"),
    Activity("breaches", ("breaches", "breach_entries"), (P.BREACH_READ,), (G.REGISTER,), ("authorities",), "audit"),
    Activity("directory", ("agencies", "agency_services", "agency_coverage"), (P.AGENCY_READ,), (G.DIRECTORY,),
             keeping="unused"),
    Activity("staff", ("centres", "centre_roles", "teams", "team_members", "users", "credentials", "user_sessions",
                       "factors", "recovery_codes", "api_tokens", "approvals"),
             (P.USER_READ, P.USER_EDIT, P.APPROVAL_READ), (G.DIRECTORY, G.ACCOUNT), ("mail",), "unused"),
    Activity("audit", ("audit_entries", "audit_leaves", "audit_checkpoints", "audit_pending", "audit_followers",
                       "reading_alerts"), (P.AUDIT_READ, P.AUDIT_SEAL, P.ALERT_READ), (G.STATISTICS, G.DIRECTORY),
             ("witness",), "audit"),
    Activity("machinery", ("places", "place_keys", "taxonomies", "taxonomy_terms", "holidays", "reference_loads",
                           "handled_events", "outbox_events", "key_state", "key_rotations"),
             keeping="none"),
)  # fmt: skip


def read_processing(ctx: Context) -> list[dict[str, Any]]:
    """Every activity in codes (ActivityOut): what is held where, sealed or not, and who reads it."""
    require(ctx, Permission.PROCESSING_READ)
    record(ctx, "processing.read", "processing")
    return [describe(activity) for activity in ACTIVITIES]


def describe(activity: Activity) -> dict[str, Any]:
    """One activity as the tables and the matrix have it now."""
    sealed = sealed_columns(db.metadata)
    return {
        "code": activity.code,
        "groups": [group.value for group in activity.groups],
        "recipients": list(activity.recipients),
        "keeping": activity.keeping,
        "tables": [
            {
                "name": name, "sealed": sorted(sealed.get(name, ())),
                "clear": sorted({column.name for column in db.metadata.tables[name].columns} - sealed.get(name, set())),
            }
            for name in activity.tables
        ],
        "readers": [
            {"role": role.value, "scope": reach.value, "groups": _groups(activity, role)}
            for role in Role if (reach := _reach(activity, role)) is not Scope.NONE
        ],
        "machines": [actor.value for actor in SystemActor if _reach(activity, actor) is not Scope.NONE],
    }  # fmt: skip


def _reach(activity: Activity, role: Role | SystemActor) -> Scope:
    """The widest at which the role holds any of what reads it."""
    return max((scope_of(role, permission) for permission in activity.reads), key=_WIDE.index, default=Scope.NONE)


def _groups(activity: Activity, role: Role) -> list[str]:
    return [group.value for group in activity.groups if field_access(role, group) is not FieldAccess.MASK]
