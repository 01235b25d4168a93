"""The access matrix: who may do what, how far, and which fields they see. The one source for door, row and field.

Read it as a table. A permission that a role does not list reaches `none`; a field group it does not list is masked.
Source: the issue's roles; CPIMS+ and Primero role tables for the case; admin and auditor read no story.

Break-glass is for those who meet a child whose case is not theirs: the operator whom the child calls back at night, the
caseworker or team supervisor on duty for another team. A centre's supervisor reaches every case of it anyway (but one
closed to them, which nothing opens); admin and auditor have no use for a story.

What is held of a child is given out by whoever supervises its case, never by admin or auditor, who read no story. The
registers of demands and breaches are kept by who runs the centre, and read by auditors besides.
"""

from collections.abc import Mapping

from helpline.foundation.access.permissions import FieldAccess, FieldGroup, Permission, Role, Scope, SystemActor

P, S, G, R, A = Permission, Scope, FieldGroup, Role, SystemActor
READ, WRITE = FieldAccess.READ, FieldAccess.WRITE

_EVERYONE = {P.OWN_ACCOUNT: S.OWN, P.MESSAGE_READ: S.OWN, P.REFERENCE_READ: S.ALL, P.USER_READ: S.CENTRE}
# The emergency lock is for whoever may be alone in the house when it is visited, at night an operator. It shows nothing
# and loses nothing, two key holders undo it, and who pressed it is on record: so it is wide. Auditors are not there.
_IN_THE_HOUSE = _EVERYONE | {P.KEYS_LOCK: S.ALL}
# What one person alone may not do: either asks, and another of them decides.
_TWO_PEOPLE = dict.fromkeys((P.APPROVAL_ASK, P.APPROVAL_READ, P.APPROVAL_DECIDE), S.CENTRE)
_REGISTERS = dict.fromkeys(
    (P.DEMAND_READ, P.DEMAND_RECORD, P.BREACH_READ, P.BREACH_RECORD, P.PROCESSING_READ), S.CENTRE
)
_SUPERVISES = (
    P.CALL_LOG, P.CALL_READ, P.CALL_CORRECT, P.CALL_VOID, P.CASE_OPEN, P.CASE_READ, P.CASE_ASSIGN, P.CASE_UPDATE,
    P.CASE_CLOSE, P.REFERRAL_READ, P.REFERRAL_REQUEST, P.FOLLOWUP_READ, P.FOLLOWUP_PLAN, P.FOLLOWUP_COMPLETE,
    P.FIGURES_READ, P.DELIVERY_READ, P.DELIVERY_RESOLVE, P.PERSON_SEARCH, P.CASE_RESTRICT, P.GLASS_READ,
    P.GLASS_REVIEW, P.EXPORT_MAKE, P.EXPORT_READ, P.DISCLOSURE_RECORD,
)  # fmt: skip

PERMISSIONS: Mapping[str, Mapping[Permission, Scope]] = {
    R.OPERATOR: _IN_THE_HOUSE | {
        P.CALL_LOG: S.OWN, P.CALL_READ: S.OWN, P.CALL_CORRECT: S.OWN, P.CALL_VOID: S.OWN,
        P.CASE_OPEN: S.OWN, P.CASE_READ: S.OWN, P.CASE_UPDATE: S.OWN, P.REFERRAL_READ: S.OWN, P.FOLLOWUP_READ: S.OWN,
        P.REFERRAL_REQUEST: S.OWN, P.AGENCY_READ: S.CENTRE, P.PERSON_SEARCH: S.OWN, P.GLASS_BREAK: S.CENTRE,
        P.DISCLOSURE_RECORD: S.OWN,
    },
    R.CASEWORKER: _IN_THE_HOUSE | {
        P.CALL_READ: S.ASSIGNED, P.CASE_OPEN: S.ASSIGNED, P.CASE_READ: S.ASSIGNED, P.CASE_UPDATE: S.ASSIGNED,
        P.CASE_CLOSE: S.ASSIGNED,
        P.REFERRAL_READ: S.ASSIGNED, P.REFERRAL_REQUEST: S.ASSIGNED,
        P.FOLLOWUP_READ: S.ASSIGNED, P.FOLLOWUP_PLAN: S.ASSIGNED, P.FOLLOWUP_COMPLETE: S.ASSIGNED,
        P.AGENCY_READ: S.CENTRE, P.PERSON_SEARCH: S.ASSIGNED, P.GLASS_BREAK: S.CENTRE,
        P.DISCLOSURE_RECORD: S.ASSIGNED,
    },
    R.TEAM_SUPERVISOR: _IN_THE_HOUSE | dict.fromkeys(_SUPERVISES, S.TEAM) | {
        P.AGENCY_READ: S.CENTRE, P.GLASS_BREAK: S.CENTRE,
    },
    R.SUPERVISOR: _IN_THE_HOUSE | _TWO_PEOPLE | _REGISTERS | dict.fromkeys(_SUPERVISES, S.CENTRE) | {
        P.AGENCY_READ: S.CENTRE, P.AGENCY_EDIT: S.CENTRE, P.CALL_IMPORT: S.CENTRE, P.IMPORT_READ: S.CENTRE,
        P.ALERT_READ: S.CENTRE, P.ALERT_SETTLE: S.CENTRE, P.EXPORT_BULK: S.CENTRE, P.DISCLOSURE_READ: S.CENTRE,
        P.RETENTION_READ: S.CENTRE, P.RETENTION_REVIEW: S.CENTRE, P.HOLD_SET: S.CENTRE,
    },
    R.ADMIN: _IN_THE_HOUSE | _TWO_PEOPLE | _REGISTERS | {
        P.USER_EDIT: S.CENTRE, P.CENTRE_EDIT: S.CENTRE, P.AGENCY_READ: S.CENTRE, P.AGENCY_EDIT: S.CENTRE,
        P.CALL_IMPORT: S.CENTRE, P.IMPORT_READ: S.CENTRE,
        P.MATRIX_READ: S.ALL, P.DELIVERY_READ: S.CENTRE, P.DELIVERY_RESOLVE: S.CENTRE, P.KEYS_ROTATE: S.ALL,
        P.RETENTION_READ: S.CENTRE, P.RETENTION_EDIT: S.CENTRE,
    },
    R.AUDITOR: _EVERYONE | {
        P.AUDIT_READ: S.CENTRE, P.MATRIX_READ: S.ALL, P.ALERT_READ: S.CENTRE, P.ALERT_SETTLE: S.CENTRE,
        P.GLASS_READ: S.CENTRE, P.APPROVAL_READ: S.CENTRE, P.EXPORT_READ: S.CENTRE, P.DISCLOSURE_READ: S.CENTRE,
        P.DEMAND_READ: S.CENTRE, P.BREACH_READ: S.CENTRE, P.PROCESSING_READ: S.CENTRE, P.RETENTION_READ: S.CENTRE,
    },
    R.PARTNER: {P.REFERRAL_ANSWER: S.ASSIGNED, P.REFERRAL_READ: S.ASSIGNED, P.CASE_READ: S.ASSIGNED},
    A.VISITOR: {},
    A.ROUTER: {
        P.REFERRAL_ROUTE: S.ALL, P.REFERRAL_READ: S.ALL, P.CASE_READ: S.ALL, P.AGENCY_READ: S.ALL, P.USER_READ: S.ALL,
        P.MESSAGE_SEND: S.ALL, P.REFERENCE_READ: S.ALL,
    },
    A.REMINDER: {
        P.FOLLOWUP_PLAN: S.ALL, P.FOLLOWUP_READ: S.ALL, P.FOLLOWUP_REMIND: S.ALL, P.CASE_READ: S.ALL,
        P.GLASS_READ: S.ALL, P.MESSAGE_SEND: S.ALL, P.USER_READ: S.ALL, P.REFERENCE_READ: S.ALL,
        P.BREACH_READ: S.ALL,
    },
    A.MESSENGER: {P.MESSAGE_SEND: S.ALL, P.MESSAGE_READ: S.ALL, P.USER_READ: S.ALL, P.REFERRAL_READ: S.ALL,
                  P.AGENCY_READ: S.ALL, P.REFERENCE_READ: S.ALL},
    A.IMPORTER: {P.CALL_IMPORT: S.ALL, P.IMPORT_READ: S.ALL, P.CALL_READ: S.ALL, P.USER_READ: S.ALL,
                 P.REFERENCE_READ: S.ALL},
    A.LOCKER: {P.KEYS_LOCK: S.ALL},
    A.ROTATOR: {P.KEYS_ROTATE: S.ALL},
    A.NOTARY: {P.AUDIT_SEAL: S.ALL, P.USER_READ: S.ALL, P.MESSAGE_SEND: S.ALL},
    A.WATCHER: {P.AUDIT_READ: S.ALL, P.ALERT_READ: S.ALL, P.ALERT_RAISE: S.ALL, P.USER_READ: S.ALL,
                P.MESSAGE_SEND: S.ALL},
    A.SEARCHER: {P.PERSON_SEARCH: S.ALL},
    A.ERASER: {P.ERASURE_CARRY: S.ALL, P.RETENTION_READ: S.ALL, P.APPROVAL_READ: S.ALL},
    A.KEEPER: {
        P.USER_EDIT: S.ALL, P.USER_READ: S.ALL, P.CENTRE_EDIT: S.ALL, P.AGENCY_EDIT: S.ALL, P.AGENCY_READ: S.ALL,
        P.REFERENCE_READ: S.ALL, P.CASE_READ: S.ALL, P.CALL_READ: S.ALL, P.REFERRAL_READ: S.ALL,
        P.FOLLOWUP_READ: S.ALL, P.CALL_IMPORT: S.ALL, P.IMPORT_READ: S.ALL,
        P.KEYS_LOCK: S.ALL, P.KEYS_ROTATE: S.ALL, P.APPROVAL_READ: S.ALL, P.EXPORT_READ: S.ALL,
    },
}  # fmt: skip

_OPEN = {G.STATISTICS: READ, G.DIRECTORY: READ, G.ACCOUNT: WRITE}
_CHILD = (G.CHILD_IDENTITY, G.CONTACT, G.LOCATION, G.STORY, G.ALLEGED_PERPETRATOR, G.HEALTH, G.RISK,
          G.CASE_ADMINISTRATION, G.STATISTICS)  # fmt: skip

FIELDS: Mapping[str, Mapping[FieldGroup, FieldAccess]] = {
    R.OPERATOR: _OPEN | dict.fromkeys(_CHILD, WRITE),
    R.CASEWORKER: _OPEN | dict.fromkeys(_CHILD, WRITE),
    R.TEAM_SUPERVISOR: _OPEN | dict.fromkeys(_CHILD, WRITE),
    R.SUPERVISOR: _OPEN | dict.fromkeys(_CHILD, WRITE) | {G.DIRECTORY: WRITE, G.REGISTER: WRITE},
    R.ADMIN: _OPEN | {G.DIRECTORY: WRITE, G.CASE_ADMINISTRATION: READ, G.REGISTER: WRITE},
    R.AUDITOR: _OPEN | {G.CASE_ADMINISTRATION: READ, G.REGISTER: READ},
    # What a partner sees beyond this is decided per referral by consent (referrals.policy), never by role.
    # ACCOUNT is its own answer.
    R.PARTNER: {G.DIRECTORY: READ, G.CASE_ADMINISTRATION: READ, G.STATISTICS: READ, G.ACCOUNT: WRITE},
    A.VISITOR: {G.ACCOUNT: WRITE, G.DIRECTORY: READ},
    A.ROUTER: {G.LOCATION: READ, G.RISK: READ, G.CASE_ADMINISTRATION: WRITE, G.STATISTICS: READ, G.DIRECTORY: READ},
    A.REMINDER: {G.RISK: READ, G.CASE_ADMINISTRATION: WRITE, G.DIRECTORY: READ},
    A.MESSENGER: {G.CASE_ADMINISTRATION: READ, G.DIRECTORY: READ, G.CONTACT: READ},
    A.IMPORTER: dict.fromkeys(_CHILD, WRITE) | {G.DIRECTORY: READ},
    A.NOTARY: {G.DIRECTORY: READ},
    A.WATCHER: {G.DIRECTORY: READ},
    A.SEARCHER: {G.CHILD_IDENTITY: READ, G.LOCATION: READ},
    A.ERASER: {},
    A.KEEPER: {G.DIRECTORY: WRITE, G.CASE_ADMINISTRATION: READ, G.ACCOUNT: WRITE, G.STATISTICS: READ},
}

# ---- What a centre may take away of a role, to make one of its own ----
# An administrator is whole or not at all: two people gave the role, and it makes others. A partner has no account.
NARROWED = (R.OPERATOR, R.CASEWORKER, R.TEAM_SUPERVISOR, R.SUPERVISOR, R.AUDITOR)
# The steps below "the centre" and "their teams" that the rows know; anything else is kept whole or taken away.
_OF_RECORDS = {S.CENTRE: (S.TEAM, S.ASSIGNED, S.OWN), S.TEAM: (S.ASSIGNED, S.OWN)}
STEPS: Mapping[Permission, Mapping[Scope, tuple[Scope, ...]]] = {
    P.CALL_READ: _OF_RECORDS, P.CASE_READ: _OF_RECORDS, P.GLASS_READ: {S.CENTRE: (S.TEAM,)},
    P.FIGURES_READ: {S.CENTRE: (S.TEAM,)},
}  # fmt: skip
# Nobody does to a record what they can't see: an act reaches no further than the reading it rests on.
RESTS_ON: Mapping[Permission, tuple[Permission, ...]] = (
    dict.fromkeys((P.CALL_LOG, P.CALL_CORRECT, P.CALL_VOID), (P.CALL_READ,))
    | dict.fromkeys((P.CASE_OPEN, P.FIGURES_READ), (P.CALL_READ, P.CASE_READ))
    | dict.fromkeys(
        (P.CASE_ASSIGN, P.CASE_UPDATE, P.CASE_CLOSE, P.CASE_RESTRICT, P.GLASS_BREAK, P.REFERRAL_READ,
         P.REFERRAL_REQUEST, P.FOLLOWUP_READ, P.FOLLOWUP_PLAN, P.FOLLOWUP_COMPLETE, P.PERSON_SEARCH, P.EXPORT_MAKE,
         P.DISCLOSURE_RECORD), (P.CASE_READ,),
    )
    | dict.fromkeys((P.RETENTION_REVIEW, P.HOLD_SET), (P.RETENTION_READ, P.CALL_READ, P.CASE_READ))
    | {P.EXPORT_BULK: (P.CALL_READ, P.CASE_READ), P.DEMAND_RECORD: (P.DEMAND_READ,), P.BREACH_RECORD: (P.BREACH_READ,)}
    | {
        P.GLASS_REVIEW: (P.GLASS_READ,), P.CALL_IMPORT: (P.IMPORT_READ,), P.DELIVERY_RESOLVE: (P.DELIVERY_READ,),
        P.ALERT_SETTLE: (P.ALERT_READ,), P.AGENCY_EDIT: (P.AGENCY_READ,), P.APPROVAL_ASK: (P.APPROVAL_READ,),
        P.APPROVAL_DECIDE: (P.APPROVAL_READ,),
    }
)  # fmt: skip
# Emergency access is for cases beyond one's reach: it goes with reading cases, not as far only.
BEYOND_REACH = frozenset({P.GLASS_BREAK})
# Whoever reads less than a team's records answers for nobody's; less than a centre's, for keeping none.
LEAST: Mapping[Permission, Scope] = dict.fromkeys(
    (P.CASE_ASSIGN, P.CASE_RESTRICT, P.FIGURES_READ, P.GLASS_READ, P.GLASS_REVIEW), S.TEAM
) | dict.fromkeys((P.RETENTION_REVIEW, P.HOLD_SET), S.CENTRE)
# Whoever is left with what others give them makes no new records: they would not see them.
MAKES = frozenset({P.CALL_LOG, P.CASE_OPEN})
_CALL = (G.CHILD_IDENTITY, G.CONTACT, G.LOCATION, G.STORY, G.HEALTH, G.RISK, G.CASE_ADMINISTRATION)
_TOLD = dict.fromkeys((G.STORY, G.CASE_ADMINISTRATION), WRITE)
# Fields without which an act can't be done, or by which it would tell what it may not: a search by a name tells names,
# rows of an old log that were not understood are shown as they stand in it.
NEEDS: Mapping[Permission, Mapping[FieldGroup, FieldAccess]] = {
    P.CALL_LOG: dict.fromkeys(_CALL, WRITE), P.CALL_CORRECT: dict.fromkeys(_CALL, WRITE),
    P.CALL_IMPORT: dict.fromkeys(_CHILD, WRITE), P.IMPORT_READ: dict.fromkeys(_CHILD, READ),
    P.CASE_OPEN: _TOLD | {G.HEALTH: WRITE}, P.CASE_ASSIGN: {G.CASE_ADMINISTRATION: WRITE},
    P.REFERRAL_REQUEST: {G.CASE_ADMINISTRATION: WRITE, G.HEALTH: WRITE},
    P.PERSON_SEARCH: {G.CHILD_IDENTITY: READ, G.CONTACT: READ},
} | dict.fromkeys(
    (P.CALL_VOID, P.CASE_UPDATE, P.CASE_CLOSE, P.CASE_RESTRICT, P.GLASS_BREAK, P.GLASS_REVIEW, P.FOLLOWUP_PLAN,
     P.FOLLOWUP_COMPLETE), _TOLD,
)  # fmt: skip
# What everybody keeps: their own account, the emergency lock, the names of colleagues, agencies and places. Referrals
# and follow-ups are read with their case.
KEPT = frozenset({*_IN_THE_HOUSE, P.AGENCY_READ, P.REFERRAL_READ, P.FOLLOWUP_READ})
# How dangerous it is, and the steps of a case, nobody works without; figures, directory and account tell of no child.
LOWEST: Mapping[FieldGroup, FieldAccess] = {
    G.RISK: READ, G.CASE_ADMINISTRATION: READ, G.STATISTICS: WRITE, G.DIRECTORY: WRITE, G.ACCOUNT: WRITE,
    G.REGISTER: READ,
}  # fmt: skip


def scope_of(role: str, permission: Permission) -> Scope:
    """How far `permission` reaches for a built-in role; NONE for an unknown role or an unlisted permission."""
    return PERMISSIONS.get(role, {}).get(permission, Scope.NONE)


def field_access(role: str, group: FieldGroup) -> FieldAccess:
    """What a built-in role may do with fields of `group`; MASK for anything unlisted."""
    return FIELDS.get(role, {}).get(group, FieldAccess.MASK)
