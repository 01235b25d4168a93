"""What the figures are counted over, and the shapes they come in."""

import uuid
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum


class Period(StrEnum):
    """The usual spans of days; CUSTOM has its own first and last day."""

    TODAY = "today"
    WEEK = "week"
    MONTH = "month"
    LAST_MONTH = "last_month"
    YEAR = "year"
    ALL = "all"
    CUSTOM = "custom"


@dataclass(frozen=True, slots=True)
class Span:
    """Local days, both included; None: from the beginning, without end."""

    first: date | None
    last: date | None


def span_of(period: Period, today: date) -> Span:
    """The days of a usual period as of `today` (local). CUSTOM and ALL are open."""
    month = today.replace(day=1)
    before = month - timedelta(days=1)
    return {
        Period.TODAY: Span(today, today),
        Period.WEEK: Span(today - timedelta(days=6), today),
        Period.MONTH: Span(month, today),
        Period.LAST_MONTH: Span(before.replace(day=1), before),
        Period.YEAR: Span(today.replace(month=1, day=1), today),
    }.get(period, Span(None, None))


@dataclass(frozen=True, slots=True)
class Count:
    """How many calls, cases or others share `key` (a code, an id as text, a date, or "" for not told)."""

    key: str
    count: int


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of a picture of two sides: weekday (ISO) × hour, or age band × gender."""

    row: str
    column: str
    count: int


@dataclass(frozen=True, slots=True)
class CallFigures:
    """Calls not voided. Categories count counselling calls by their main reason, `any_` each call once per reason;
    risks count counselling calls, the gravest first: the others are not judged.
    """

    total: int
    counselling: int
    hours: list[Cell]
    days: list[Count]
    months: list[Count]
    channels: list[Count]
    kinds: list[Count]
    categories: list[Count]
    subcategories: list[Count]
    any_categories: list[Count]
    any_subcategories: list[Count]
    provinces: list[Count]
    risks: list[Count]
    children: list[Cell]


@dataclass(frozen=True, slots=True)
class WorkerLoad:
    """Open cases in one caseworker's hands."""

    user_id: uuid.UUID
    name: str
    count: int


@dataclass(frozen=True, slots=True)
class WorkFigures:
    """What is open now, whatever the period."""

    cases_by_risk: list[Count]
    unassigned_late: int
    response_late: int
    overdue_by_risk: list[Count]
    referrals: list[Count]
    answers_late: int  # referrals whose agency was to have answered by now
    caseload: list[WorkerLoad]
