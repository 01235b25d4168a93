"""What a case may do next, and by when: pure decisions.

Source: DOMAIN.md, "Managing a case": assignment within 3 h, 1 h if high (Primero's defaults); first response within
an hour for immediate danger, 24 h high, 72 h medium, 7 days low. A centre may set its own (`centres.risk_clocks`).
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from uuid import UUID

from helpline.calls.rules import NATIONAL_PRACTICE
from helpline.calls.vocabulary import RiskLevel
from helpline.cases.commands import Consent
from helpline.cases.vocabulary import CaseStatus, CaseStep, ConsentBy
from helpline.foundation.access.permissions import Scope
from helpline.foundation.errors import Conflict, Forbidden, Invalid

_HOUR = timedelta(hours=1)
_ASSIGN: Mapping[RiskLevel, timedelta] = MappingProxyType(
    {RiskLevel.IMMEDIATE: _HOUR, RiskLevel.HIGH: _HOUR, RiskLevel.MEDIUM: 3 * _HOUR, RiskLevel.LOW: 3 * _HOUR}
)

_S = CaseStep
# One step on, or back to where a review sends it. Closing has its own rule: `check_closing`.
TRANSITIONS: Mapping[CaseStep, frozenset[CaseStep]] = MappingProxyType(
    {
        _S.REGISTER: frozenset({_S.ASSESS}),
        _S.ASSESS: frozenset({_S.PLAN}),
        _S.PLAN: frozenset({_S.IMPLEMENT, _S.ASSESS}),
        _S.IMPLEMENT: frozenset({_S.FOLLOW_UP, _S.PLAN}),
        _S.FOLLOW_UP: frozenset({_S.ASSESS, _S.PLAN, _S.IMPLEMENT}),
        _S.CLOSE: frozenset(),
    }
)
REOPENED_AT = CaseStep.ASSESS


@dataclass(frozen=True, slots=True)
class Clocks:
    """By when the case must have a caseworker, and somebody must have responded."""

    assign_by: datetime
    first_response_by: datetime


def clocks(risk: RiskLevel, since: datetime, own: Mapping[str, Mapping[str, int]] | None = None) -> Clocks:
    """Both due times, in real hours. `own`: the centre's minutes, `{"high": {"assign": 30, "first_response": 720}}`."""
    minutes = (own or {}).get(risk.value, {})

    def length(name: str, usual: timedelta) -> timedelta:
        return timedelta(minutes=minutes[name]) if name in minutes else usual

    return Clocks(
        since + length("assign", _ASSIGN[risk]),
        since + length("first_response", NATIONAL_PRACTICE.first_response[risk]),
    )


def moved_clocks(
    running: Clocks,
    former: RiskLevel,
    level: RiskLevel,
    *,
    opened_at: datetime,
    now: datetime,
    own: Mapping[str, Mapping[str, int]] | None = None,
) -> Clocks:
    """The due times after the risk was judged anew.

    A higher risk counts from now and never gives more time than there was; a lower one counts from the opening.
    """
    if level.severity < former.severity:
        return clocks(level, opened_at, own)
    new = clocks(level, now, own)
    return Clocks(min(running.assign_by, new.assign_by), min(running.first_response_by, new.first_response_by))


def check_open(status: str) -> None:
    """Raise Conflict("case_closed") for a case that must be reopened first."""
    if status != CaseStatus.OPEN:
        raise Conflict("case_closed")


def check_team(scope: Scope, team_id: UUID, team_ids: Collection[UUID], permission: str) -> None:
    """Raise Forbidden for whoever answers for teams alone and sees a case of another team by an override."""
    if scope is Scope.TEAM and team_id not in team_ids:
        raise Forbidden(permission)


def check_step(current: CaseStep, following: CaseStep) -> None:
    """Raise Conflict("case_step") unless a case may move from one step to the other."""
    if following not in TRANSITIONS[current]:
        raise Conflict("case_step", current=current.value, following=following.value)


def check_closing(status: str, open_obligations: int) -> None:
    """Raise Conflict("case_closed") if it is, Conflict("case_obligations", count=…) while anything stands open."""
    check_open(status)
    if open_obligations:
        raise Conflict("case_obligations", count=open_obligations)


def check_consent(consent: Consent) -> None:
    """Raise Invalid where an override states no basis, or something is withheld and nothing says why."""
    if consent.by is ConsentBy.OVERRIDE and consent.basis is None:
        raise Invalid("consent_basis_needed", "consent.basis")
    if consent.withhold and not (consent.why or "").strip():
        raise Invalid("consent_reason_needed", "consent.why")


def added(former: Sequence[str], needs: Sequence[str]) -> tuple[str, ...]:
    """The needs that were not there before, in the order given, each once."""
    return tuple(dict.fromkeys(need for need in needs if need not in former))
