"""Staff, teams, centres and tokens as pages and the API take and show them."""

from typing import Any

from flask_babel import lazy_gettext as _l
from marshmallow import fields as f
from marshmallow import post_load
from marshmallow.validate import Email, Length, NoneOf, OneOf, Regexp

from helpline.accounts.commands import Ask, CreateToken, InviteUser, SaveCentre, SaveRole, SaveTeam
from helpline.accounts.vocabulary import ApprovalKind, Decision
from helpline.foundation.access.matrix import NARROWED
from helpline.foundation.access.permissions import FieldAccess, FieldGroup, Permission, Role, Scope
from helpline.foundation.i18n import LANGUAGES
from helpline.web.schema import In, Out, RecordOut
from helpline.web.validation import Range

G = FieldGroup
STAFF_ROLES = tuple(role for role in Role if role is not Role.PARTNER)
_NAME = Length(min=1, max=120)
_LOGIN = Regexp(r"^[A-Za-z0-9][A-Za-z0-9._-]{1,63}\Z")
_CODE = Regexp(r"^[A-Z]{1,8}\Z")
_VERSION = Range(min=1, max=2**31 - 1)
_ROLE = OneOf([role.value for role in STAFF_ROLES])


class UserIn(In):
    group = G.DIRECTORY

    name = f.String(required=True, validate=_NAME)
    role = f.String(required=True, validate=_ROLE)
    team_ids = f.List(f.UUID(), load_default=list, validate=Length(max=100))
    centre_role_id = f.UUID(
        allow_none=True, metadata={"description": "A role of the centre's own, narrower than `role`"}
    )  # fmt: skip

    @post_load
    def make(self, data: dict[str, Any], **_: Any) -> Any:
        return data | {"role": Role(data["role"]), "team_ids": tuple(dict.fromkeys(data["team_ids"]))}


class InvitationIn(UserIn):
    """Mint `user_id` (UUIDv7): inviting twice by one id is one invitation. `login` and `email` count in lower case."""

    user_id = f.UUID(required=True)
    login = f.String(required=True, validate=_LOGIN)
    email = f.String(required=True, validate=[Email(), Length(max=254)])
    locale = f.String(required=True, validate=OneOf(LANGUAGES))

    @post_load
    def make(self, data: dict[str, Any], **_: Any) -> InviteUser:
        return InviteUser(**super().make(data))


class UserChangeIn(UserIn):
    """Everything as it shall stand, and the version it replaces. `centre_role_id`: null takes it; absent, it stays."""

    version = f.Integer(required=True, validate=_VERSION)


class VersionIn(In):
    group = G.DIRECTORY

    version = f.Integer(required=True, validate=_VERSION)


class UserItemOut(RecordOut):
    """A colleague."""

    kind = "user"
    group = G.DIRECTORY

    id = f.UUID(required=True)
    name = f.String()
    role = f.String()
    centre_role_id = f.UUID(allow_none=True)
    status = f.String()
    team_ids = f.List(f.UUID())


class UserOut(UserItemOut):
    """A colleague as their administrator sees them."""

    login = f.String()
    email = f.String()
    locale = f.String()
    demo = f.Boolean()
    created_at = f.AwareDateTime()
    deactivated_at = f.AwareDateTime(allow_none=True)
    version = f.Integer()


class UsersOut(Out):
    group = G.DIRECTORY

    items = f.List(f.Nested(UserItemOut))


class RoleBodyIn(In):
    """`scopes` and `fields`: by permission and by group of fields, what is less than in the role it is made of."""

    group = G.DIRECTORY

    names = f.Dict(
        keys=f.String(validate=OneOf(LANGUAGES)), values=f.String(validate=_NAME), required=True,
        validate=Length(equal=len(LANGUAGES), error=_l("Give it a name in each language.")),
    )  # fmt: skip
    scopes = f.Dict(
        keys=f.String(validate=OneOf(list(Permission))), values=f.String(validate=OneOf(list(Scope))), load_default=dict
    )  # fmt: skip
    fields_ = f.Dict(
        keys=f.String(validate=OneOf(list(G))), values=f.String(validate=OneOf(list(FieldAccess))), load_default=dict,
        data_key="fields", attribute="fields",
    )  # fmt: skip


class RoleIn(RoleBodyIn):
    """A role of the centre's own. Mint `role_id` (UUIDv7): posting twice by one id makes one."""

    role_id = f.UUID(required=True)
    base = f.String(required=True, validate=OneOf(list(NARROWED)))

    @post_load
    def make(self, data: dict[str, Any], **_: Any) -> SaveRole:
        return SaveRole(**data)


class RoleChangeIn(RoleBodyIn):
    """Everything as it shall stand, and the version it replaces. What it is made of stays."""

    version = f.Integer(required=True, validate=_VERSION)


class RoleOut(Out):
    """A role of the centre's own: a built-in one (`base`), less what `scopes` and `fields` name."""

    group = G.DIRECTORY

    id = f.UUID(required=True)
    base = f.String()
    names = f.Dict(keys=f.String(), values=f.String())
    scopes = f.Dict(keys=f.String(), values=f.String())
    fields_ = f.Dict(data_key="fields", attribute="fields", keys=f.String(), values=f.String())
    retired_at = f.AwareDateTime(allow_none=True)
    version = f.Integer()


class RolesOut(Out):
    group = G.DIRECTORY

    items = f.List(f.Nested(RoleOut))


class TeamBodyIn(In):
    group = G.DIRECTORY

    name = f.String(required=True, validate=_NAME)
    places = f.List(f.UUID(), load_default=list, validate=Length(max=500))
    active = f.Boolean(load_default=True)

    @post_load
    def make(self, data: dict[str, Any], **_: Any) -> Any:
        return data | {"places": tuple(dict.fromkeys(data["places"]))}


class TeamIn(TeamBodyIn):
    """A new team. `places`: the provinces it covers."""

    team_id = f.UUID(required=True)

    @post_load
    def make(self, data: dict[str, Any], **_: Any) -> SaveTeam:
        return SaveTeam(**super().make(data))


class TeamChangeIn(TeamBodyIn):
    version = f.Integer(required=True, validate=_VERSION)


class TeamOut(Out):
    group = G.DIRECTORY

    id = f.UUID(required=True)
    name = f.String()
    places = f.List(f.UUID())
    active = f.Boolean()
    version = f.Integer()


class TeamsOut(Out):
    group = G.DIRECTORY

    items = f.List(f.Nested(TeamOut))


class CentreIn(In):
    """`code` begins the numbers of cases; the first of `languages` is the usual one."""

    group = G.DIRECTORY

    version = f.Integer(required=True, validate=_VERSION)
    name = f.String(required=True, validate=_NAME)
    code = f.String(required=True, validate=_CODE)
    timezone = f.String(required=True, validate=Length(max=60))
    languages = f.List(f.String(validate=OneOf(LANGUAGES)), required=True, validate=Length(min=1, max=10))
    phone = f.String(load_default="", validate=Length(max=60))

    @post_load
    def make(self, data: dict[str, Any], **_: Any) -> tuple[int, SaveCentre]:
        version = data.pop("version")
        return version, SaveCentre(**data | {"languages": tuple(dict.fromkeys(data["languages"]))})


class CentreOut(Out):
    group = G.DIRECTORY

    id = f.UUID(required=True)
    name = f.String()
    code = f.String()
    country = f.String()
    timezone = f.String()
    languages = f.List(f.String())
    phone = f.String()
    version = f.Integer()


class MeIn(In):
    """The caller's own settings; what is left out stays."""

    group = G.ACCOUNT

    name = f.String(validate=_NAME)
    locale = f.String(validate=OneOf(LANGUAGES))
    theme = f.String(validate=OneOf(["", "light", "dark"]))


class MeOut(Out):
    """Who is asking, and what they may do."""

    group = G.ACCOUNT

    id = f.UUID(required=True)
    name = f.String()
    login = f.String()
    email = f.String()
    role = f.String()
    locale = f.String()
    theme = f.String()
    centre_id = f.UUID()
    team_ids = f.List(f.UUID())
    permissions = f.List(f.String())


class TokenIn(In):
    """`scopes`: permissions of the caller's own role. `days`: how long it counts, a year at most."""

    group = G.ACCOUNT

    name = f.String(required=True, validate=_NAME)
    scopes = f.List(f.String(validate=OneOf([p.value for p in Permission])), required=True, validate=Length(min=1))
    days = f.Integer(required=True, validate=Range(min=1, max=366))

    @post_load
    def make(self, data: dict[str, Any], **_: Any) -> CreateToken:
        return CreateToken(**data | {"scopes": tuple(data["scopes"])})


class TokenOut(Out):
    group = G.ACCOUNT

    id = f.UUID(required=True)
    name = f.String()
    scopes = f.List(f.String())
    created_at = f.AwareDateTime()
    last_used_at = f.AwareDateTime(allow_none=True)
    expires_at = f.AwareDateTime(allow_none=True)
    revoked_at = f.AwareDateTime(allow_none=True)


class TokenMadeOut(Out):
    """A new token: `token` is shown this once."""

    group = G.ACCOUNT

    id = f.UUID(required=True)
    name = f.String()
    scopes = f.List(f.String())
    created_at = f.AwareDateTime()
    expires_at = f.AwareDateTime()
    token = f.String(required=True)


class TokensOut(Out):
    group = G.ACCOUNT

    items = f.List(f.Nested(TokenOut))


class PasswordIn(In):
    group = G.ACCOUNT
    verbatim = frozenset({"current", "password"})

    current = f.String(required=True, validate=Length(max=1000))
    password = f.String(required=True, validate=Length(max=1000))


class AuthenticatorIn(In):
    """An app being set up: a name for it, and the code that it shows."""

    group = G.ACCOUNT

    name = f.String(required=True, validate=_NAME)
    code = f.String(required=True, validate=Length(max=40))


class PasskeyIn(In):
    """A passkey just made: a name for it, and the browser's answer as JSON."""

    group = G.ACCOUNT

    name = f.String(required=True, validate=_NAME)
    passkey = f.String(required=True)


class FactorOut(Out):
    """A second factor, without what makes it one."""

    group = G.ACCOUNT

    id = f.UUID()
    kind = f.String()
    name = f.String()
    created_at = f.AwareDateTime()
    last_used_at = f.AwareDateTime(allow_none=True)


class ApprovalIn(In):
    """Ask for what needs two people. Mint `approval_id` (UUIDv7): asking twice by one id is asking once."""

    group = G.ACCOUNT

    approval_id = f.UUID(required=True)
    kind = f.Enum(
        ApprovalKind,
        by_value=True,
        required=True,
        validate=NoneOf(
            [ApprovalKind.BULK_EXPORT, ApprovalKind.ERASURE], error=_l("Choose one of the answers offered.")
        ),
    )
    subject_id = f.UUID(required=True, metadata={"description": "Whom it is about"})
    reason = f.String(required=True, validate=Length(min=1, max=20_000))

    @post_load
    def make(self, data: dict[str, Any], **_: Any) -> Ask:
        return Ask(**data)


class ApprovalDecisionIn(In):
    group = G.ACCOUNT

    decision = f.Enum(Decision, by_value=True, required=True)


class ApprovalItemOut(RecordOut):
    """What one person asks for and another decides. `not_before`: when it is carried out."""

    kind = "approval"
    group = G.DIRECTORY

    id = f.UUID(required=True)
    what = f.String(metadata={"enum": [kind.value for kind in ApprovalKind]})
    state = f.String()
    subject_id = f.UUID(allow_none=True, metadata={"description": "null: no one of the staff, but records"})
    subject_name = f.String(allow_none=True)
    record_id = f.UUID(allow_none=True, metadata={"description": "The record, where it is an erasure"})
    detail = f.Dict(metadata={"description": "What it is about, in codes, numbers and days"})
    requested_by = f.UUID()
    requested_by_name = f.String()
    requested_at = f.AwareDateTime()
    expires_at = f.AwareDateTime()
    decided_by_name = f.String(allow_none=True)
    decided_at = f.AwareDateTime(allow_none=True)
    not_before = f.AwareDateTime(allow_none=True)
    stopped_by_name = f.String(allow_none=True)
    stopped_at = f.AwareDateTime(allow_none=True)
    spent_at = f.AwareDateTime(allow_none=True)


class ApprovalOut(ApprovalItemOut):
    """With the reason given; null for whoever may not decide."""

    reason = f.String(allow_none=True)


class ApprovalsOut(Out):
    group = G.DIRECTORY

    items = f.List(f.Nested(ApprovalItemOut))
