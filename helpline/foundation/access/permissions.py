"""Closed vocabularies of access: what may be done, how far it reaches, and which kinds of field there are."""

from enum import StrEnum


class Permission(StrEnum):
    """What can be asked of the service: `<kind>:<verb>`."""

    CALL_LOG = "call:log"
    CALL_READ = "call:read"
    CALL_CORRECT = "call:correct"
    CALL_VOID = "call:void"
    CALL_IMPORT = "call:import"
    IMPORT_READ = "import:read"
    CASE_OPEN = "case:open"
    CASE_READ = "case:read"
    CASE_ASSIGN = "case:assign"
    CASE_UPDATE = "case:update"
    CASE_CLOSE = "case:close"
    CASE_RESTRICT = "case:restrict"
    GLASS_BREAK = "glass:break"
    GLASS_READ = "glass:read"
    GLASS_REVIEW = "glass:review"
    REFERRAL_READ = "referral:read"
    REFERRAL_REQUEST = "referral:request"
    REFERRAL_ROUTE = "referral:route"
    REFERRAL_ANSWER = "referral:answer"
    FOLLOWUP_READ = "followup:read"
    FOLLOWUP_PLAN = "followup:plan"
    FOLLOWUP_COMPLETE = "followup:complete"
    FOLLOWUP_REMIND = "followup:remind"
    MESSAGE_READ = "message:read"
    MESSAGE_SEND = "message:send"
    DELIVERY_READ = "delivery:read"
    DELIVERY_RESOLVE = "delivery:resolve"
    FIGURES_READ = "figures:read"
    AUDIT_READ = "audit:read"
    AUDIT_SEAL = "audit:seal"
    ALERT_READ = "alert:read"
    ALERT_RAISE = "alert:raise"
    ALERT_SETTLE = "alert:settle"
    MATRIX_READ = "matrix:read"
    AGENCY_READ = "agency:read"
    AGENCY_EDIT = "agency:edit"
    USER_READ = "user:read"
    USER_EDIT = "user:edit"
    CENTRE_EDIT = "centre:edit"
    APPROVAL_ASK = "approval:ask"
    APPROVAL_READ = "approval:read"
    APPROVAL_DECIDE = "approval:decide"
    EXPORT_MAKE = "export:make"
    EXPORT_READ = "export:read"
    EXPORT_BULK = "export:bulk"
    DISCLOSURE_READ = "disclosure:read"
    DISCLOSURE_RECORD = "disclosure:record"
    DEMAND_READ = "demand:read"
    DEMAND_RECORD = "demand:record"
    BREACH_READ = "breach:read"
    BREACH_RECORD = "breach:record"
    PROCESSING_READ = "processing:read"
    REFERENCE_READ = "reference:read"
    PERSON_SEARCH = "person:search"
    OWN_ACCOUNT = "account:own"
    KEYS_LOCK = "keys:lock"
    KEYS_ROTATE = "keys:rotate"
    RETENTION_READ = "retention:read"
    RETENTION_EDIT = "retention:edit"
    RETENTION_REVIEW = "retention:review"
    HOLD_SET = "hold:set"
    ERASURE_CARRY = "erasure:carry"


class Scope(StrEnum):
    """How far a permission reaches, narrow to wide."""

    NONE = "none"
    OWN = "own"  # rows the actor made
    ASSIGNED = "assigned"  # rows a grant names the actor for
    TEAM = "team"
    CENTRE = "centre"
    ALL = "all"

    def reaches(self, other: "Scope") -> bool:
        """Whether it is at least as wide as the other."""
        return _WIDTH[self] >= _WIDTH[other]


class FieldGroup(StrEnum):
    """Kinds of field, by what reading one would reveal."""

    CHILD_IDENTITY = "child_identity"
    CONTACT = "contact"
    LOCATION = "location"
    STORY = "story"
    ALLEGED_PERPETRATOR = "alleged_perpetrator"
    HEALTH = "health"
    RISK = "risk"
    CASE_ADMINISTRATION = "case_administration"
    STATISTICS = "statistics"
    DIRECTORY = "directory"  # agencies, staff, reference data: no child in it
    ACCOUNT = "account"  # the actor's own account
    REGISTER = "register"  # demands of authorities, breaches: written so that no child is known by it


class FieldAccess(StrEnum):
    """What a role may do with a group of fields. WRITE includes reading."""

    MASK = "mask"
    READ = "read"
    WRITE = "write"

    def covers(self, other: "FieldAccess") -> bool:
        """Whether it lets do at least as much as the other."""
        return _DEPTH[self] >= _DEPTH[other]


_WIDTH = {scope: place for place, scope in enumerate(Scope)}
_DEPTH = {access: place for place, access in enumerate(FieldAccess)}


class Role(StrEnum):
    """Roles people hold. A system actor's role is its own name (see the matrix)."""

    OPERATOR = "operator"
    CASEWORKER = "caseworker"
    TEAM_SUPERVISOR = "team_supervisor"
    SUPERVISOR = "supervisor"
    ADMIN = "admin"
    AUDITOR = "auditor"
    PARTNER = "partner"


class SystemActor(StrEnum):
    """Everything that acts without a person having just asked."""

    VISITOR = "visitor"  # nobody yet: the sign-in page, health checks
    ROUTER = "router"  # asks agencies, moves on at silence and refusal
    REMINDER = "reminder"  # plans and reminds of follow-ups, escalates
    MESSENGER = "messenger"  # delivers messages
    IMPORTER = "importer"  # brings old logs in, for the user who asked
    LOCKER = "locker"  # whoever holds the prepared link: it locks the keys and does nothing else
    ROTATOR = "rotator"  # wraps records' keys under a new master key
    NOTARY = "notary"  # gives audit entries their place in the hash tree, signs checkpoints, hands them to witnesses
    WATCHER = "watcher"  # looks through the audit for unusual reading
    SEARCHER = "searcher"  # knows names, in the memory of a process of its own
    ERASER = "eraser"  # finds what is due, destroys the keys of what two people agreed to erase, throws leftovers away
    KEEPER = "keeper"  # set-up: reference data, demo, maintenance


# Those that work in the workers: each steps down to a database role of its own, `helpline_<name>`.
MACHINES = (
    SystemActor.ROUTER, SystemActor.REMINDER, SystemActor.MESSENGER, SystemActor.IMPORTER, SystemActor.ROTATOR,
    SystemActor.NOTARY, SystemActor.WATCHER, SystemActor.ERASER, SystemActor.KEEPER,
)  # fmt: skip
