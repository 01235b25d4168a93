"""Referrals as pages and the API take and show them. Reasons come as codes and as words in the reader's language."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from flask_babel import get_locale, ngettext
from flask_babel import gettext as _
from marshmallow import fields as f
from marshmallow import post_load
from marshmallow.validate import Length, OneOf

from helpline.agencies.vocabulary import Service
from helpline.foundation.access.permissions import FieldGroup
from helpline.foundation.context import current_context
from helpline.foundation.i18n import format_length, format_when
from helpline.referrals.commands import GiveAnswer, RequestReferral
from helpline.referrals.vocabulary import Answer, DeclineReason, ReferralState, WithdrawReason
from helpline.web.schema import In, Out, Page, RecordOut
from helpline.web.validation import Range

G = FieldGroup
NEED, RISK, STORY = {"group": G.HEALTH}, {"group": G.RISK}, {"group": G.STORY}
_Reason = Mapping[str, Any]


class ReferralIn(In):
    """Seek a service. Mint `referral_id` (UUIDv7): posting the same twice makes one."""

    group = G.CASE_ADMINISTRATION

    referral_id = f.UUID(required=True)
    service = f.Enum(Service, by_value=True, required=True, metadata=NEED)

    def command(self, case_id: Any, data: dict[str, Any]) -> RequestReferral:
        return RequestReferral(case_id=case_id, **data)


class ReferralChangeIn(In):
    """A change of what two people may edit: `version` is the one that was read."""

    group = G.CASE_ADMINISTRATION

    version = f.Integer(required=True, validate=Range(min=1, max=2**31 - 1))


class WithdrawalIn(ReferralChangeIn):
    reason = f.Enum(WithdrawReason, by_value=True, required=True)


class AgencyChoiceIn(ReferralChangeIn):
    agency_id = f.UUID(required=True)


class ServiceResultIn(ReferralChangeIn):
    """What came of it: the service began, was delivered, or was not."""

    state = f.String(required=True, validate=OneOf(["service_started", "delivered", "not_delivered"]))

    @post_load
    def make(self, data: dict[str, Any], **_kwargs: Any) -> dict[str, Any]:
        return data | {"state": ReferralState(data["state"])}


class PortalAnswerIn(In):
    """An agency's answer; `reason` is needed to decline."""

    group = G.ACCOUNT

    answer = f.Enum(Answer, by_value=True, required=True)
    reason = f.Enum(DeclineReason, by_value=True, load_default=None, allow_none=True)
    note = f.String(load_default=None, allow_none=True, validate=Length(max=2000))

    @post_load
    def make(self, data: dict[str, Any], **_kwargs: Any) -> GiveAnswer:
        return GiveAnswer(**data)


class ReferralQuery(In):
    group = G.STATISTICS

    state = f.Enum(ReferralState, by_value=True, load_default=None, allow_none=True)
    late = f.Boolean(load_default=False, metadata={"description": "An agency's time to answer has passed"})
    team_id = f.UUID(load_default=None)
    after = f.String(load_default=None, allow_none=True, validate=Length(max=64))


class AskOut(RecordOut):
    """One asking of one agency. `why`: the reasons in words; `reasons`: the same as codes."""

    group = G.CASE_ADMINISTRATION

    id = f.UUID()
    agency_id = f.UUID()
    agency_names = f.Dict(keys=f.String(), values=f.String())
    agency_phone = f.String(allow_none=True)
    position = f.Integer()
    by_hand = f.Boolean()
    state = f.String()
    asked_at = f.AwareDateTime()
    answer_by = f.AwareDateTime()
    opened_at = f.AwareDateTime(allow_none=True)
    answered_at = f.AwareDateTime(allow_none=True)
    decline_reason = f.String(allow_none=True)
    decline_note = f.String(allow_none=True, metadata=STORY)
    reasons = f.List(f.Dict())
    why = f.Function(
        lambda ask: [reason_words(reason) for reason in ask.reasons],
        metadata={"type": "array", "items": {"type": "string"}},
    )


class ExcludedOut(Out):
    """An agency that was not asked, and why in words."""

    group = G.CASE_ADMINISTRATION

    agency_id = f.UUID()
    names = f.Dict(keys=f.String(), values=f.String())
    code = f.String()
    why = f.Function(lambda each: excluded_words(each["code"]), metadata={"type": "string"})


class ReferralOut(RecordOut):
    """A service sought for a case: where it stands, who was asked, newest first, and who was not."""

    kind = "referral"
    group = G.CASE_ADMINISTRATION

    id = f.UUID(required=True)
    version = f.Integer()
    case_id = f.UUID()
    case_code = f.String()
    service = f.String(allow_none=True, metadata=NEED)
    urgency = f.String(allow_none=True, metadata=RISK)
    state = f.String()
    withdraw_reason = f.String(allow_none=True)
    requested_at = f.AwareDateTime()
    decided_at = f.AwareDateTime(allow_none=True)
    service_started_at = f.AwareDateTime(allow_none=True)
    service_ended_at = f.AwareDateTime(allow_none=True)
    asks = f.List(f.Nested(AskOut))
    excluded = f.List(f.Nested(ExcludedOut))


class ReferralPage(Page):
    items = f.List(f.Nested(ReferralOut), metadata={"group": G.CASE_ADMINISTRATION})


class PortalRequestOut(Out):
    """What a partner's link shows. What is null is withheld, was not agreed to, or opens after a yes.

    Not masked by role: `referrals.policy` decided by consent what stands here, and the look is on record.
    """

    group = G.CASE_ADMINISTRATION

    state = f.String()
    helpline = f.String()
    phone = f.String()
    agency_names = f.Dict(keys=f.String(), values=f.String())
    service = f.String()
    urgency = f.String(allow_none=True)
    answer_by = f.AwareDateTime()
    link_until = f.AwareDateTime()
    age_band = f.String(allow_none=True)
    gender = f.String(allow_none=True)
    places = f.List(f.Dict(), allow_none=True)
    case_code = f.String(allow_none=True)
    age = f.Integer(allow_none=True)
    name = f.String(allow_none=True)
    story = f.String(allow_none=True)
    open_groups = f.Function(
        lambda view: sorted(view.open_groups), metadata={"type": "array", "items": {"type": "string"}}
    )


class PortalFrontOut(Out):
    """Where an asking stands, for its agency: nothing of the child."""

    group = G.DIRECTORY

    state = f.String()
    helpline = f.String()
    phone = f.String()
    agency_names = f.Dict(keys=f.String(), values=f.String())
    works = f.Boolean(metadata={"description": "Whether the link still opens something"})


def in_language(names: Mapping[str, str]) -> str:
    """The name in the reader's language, else in any."""
    return names.get(str(get_locale() or "en")) or names.get("en") or next(iter(names.values()), "")


def reason_words(reason: _Reason) -> str:
    """A reason of the ranking in plain words: "covers Siem Reap", "open now", "3 places free"."""
    words = _REASONS.get(reason["code"])
    return words(reason) if words else str(reason["code"])


def _language(code: str) -> str:
    locale = get_locale()
    return str(locale.languages.get(code, code) if locale else code)


def _when(iso: str) -> str:
    ctx = current_context()
    at = datetime.fromisoformat(iso)
    return format_when(at, ctx.now if ctx else at)


_REASONS: dict[str, Callable[[_Reason], str]] = {
    "covers_place": lambda r: _("covers %(place)s", place=in_language(r.get("names", {}))),
    "covers_country": lambda _r: _("works in the whole country"),
    "open_now": lambda _r: _("open now"),
    "opens_at": lambda r: _("opens %(when)s", when=_when(r["value"])),
    "no_opening_known": lambda _r: _("opening hours not known"),
    "speaks_language": lambda r: _("speaks %(language)s", language=_language(r["value"])),
    "language_not_spoken": lambda r: _("nobody there speaks %(language)s", language=_language(r["value"])),
    "places_left": lambda r: ngettext("%(num)s place free", "%(num)s places free", r["value"]),
    "answers_within_minutes": lambda r: _(
        "answers in about %(length)s", length=format_length(timedelta(minutes=r["value"]))
    ),
    "age_uncertain": lambda _r: _("takes some ages only, and the child's is not known"),
    "gender_uncertain": lambda _r: _("takes some children only, and this is not known"),
}  # fmt: skip


def excluded_words(code: str) -> str:
    """Why an agency was not asked, in plain words."""
    words = _EXCLUSIONS.get(code)
    return words() if words else code


_EXCLUSIONS: dict[str, Callable[[], str]] = {
    "inactive": lambda: _("no longer asked"),
    "not_accepting": lambda: _("takes nobody at present"),
    "no_address": lambda: _("has no e-mail address"),
    "conflict_of_interest": lambda: _("closed to this case: somebody there is part of the story"),
    "withheld": lambda: _("the family wishes that they do not learn of it"),
    "service_not_offered": lambda: _("does not offer this"),
    "place_unknown": lambda: _("it is not known where the child is"),
    "outside_coverage": lambda: _("works elsewhere"),
    "too_young": lambda: _("the child is too young for it"),
    "too_old": lambda: _("the child is too old for it"),
    "gender_not_served": lambda: _("takes other children only"),
    "full": lambda: _("full"),
    "declined_before": lambda: _("declined already"),
    "silent_before": lambda: _("did not answer before"),
    "opens_too_late": lambda: _("opens only after an answer is needed"),
}
