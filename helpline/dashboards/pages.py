"""The supervisor's figures: each number leads to the list behind it."""

from calendar import monthrange
from datetime import date, timedelta
from typing import Any

from flask import Blueprint, render_template, request, url_for
from flask_babel import format_date
from flask_babel import gettext as _
from marshmallow import ValidationError

from helpline.accounts import queries as accounts
from helpline.calls.vocabulary import NONE, SEVERE, CallFilter
from helpline.cases.vocabulary import CASELOAD_WARNING
from helpline.dashboards import services
from helpline.dashboards.schemas import FiguresOut, FiguresQuery
from helpline.dashboards.vocabulary import Period, Span
from helpline.foundation.access.permissions import Permission
from helpline.people.vocabulary import AgeBand, Gender
from helpline.reference import queries as reference
from helpline.web.guard import acting, guard
from helpline.web.words import WORDS, word

pages = Blueprint("dashboards", __name__, template_folder="templates")
RISKS = tuple(WORDS["risk"])
# Up to a week a column is wide enough for "3 Nov"; then a number here and there; from two months on, months.
_WIDE_DAYS, _SOME_DAYS, _MOST_DAYS = 7, {1, 5, 10, 15, 20, 25}, timedelta(days=62)
SHOWN = 12  # reasons in a chart; the API gives all


@pages.get("/figures")
@guard(Permission.FIGURES_READ)
def figures() -> str:
    """Calls over a period, and what is open now."""
    ctx = acting()
    asked, problem = _asked()
    own = Span(asked["first"], asked["last"])
    period = Period.CUSTOM if own != Span(None, None) else asked["period"]
    found = services.count_figures(ctx, period, own, team_id=asked["team"], source=asked["source"])
    shown = FiguresOut().dump(found)
    centre = accounts.get_centre(ctx.actor.centre_id) if ctx.actor.centre_id else None
    teams = accounts.list_teams(ctx.actor.centre_id) if ctx.actor.centre_id else []
    return render_template(
        "dashboards/figures.html",
        figures=shown, period=period.value, asked=asked, problem=problem, now=ctx.now, teams=teams,
        periods=_periods(period), charts=_charts(shown, found.wanted, centre.country if centre else ""),
        empty=not shown["calls"]["total"], work=_work(shown["work"]), cap=CASELOAD_WARNING,
    )  # fmt: skip


def _asked() -> tuple[dict[str, Any], str | None]:
    """What the address asks for; days that cannot be read are said, and the month is shown instead."""
    given = {name: value for name, value in request.args.items() if value.strip()}
    try:
        return FiguresQuery().load(given), None
    except ValidationError as error:
        return FiguresQuery().load({}), _sentences(error.messages)


def _sentences(messages: Any) -> str:
    """Every message of a validation error, in one line."""
    return " ".join(str(text) for texts in dict(messages).values() for text in texts)


def _periods(current: Period) -> list[dict[str, Any]]:
    labels = {
        Period.TODAY: _("Today"), Period.WEEK: _("7 days"), Period.MONTH: _("This month"),
        Period.LAST_MONTH: _("Last month"), Period.YEAR: _("This year"), Period.ALL: _("All"),
    }  # fmt: skip
    kept: dict[str, Any] = {name: value for name, value in request.args.items() if name in {"team", "source"} and value}
    return [
        {"label": label, "href": url_for("dashboards.figures", period=each.value, **kept), "current": each is current}
        for each, label in labels.items()
    ]


def _to_calls(wanted: CallFilter, **narrower: Any) -> str:
    """The list of the very calls that a number counts."""
    days: dict[str, date | None] = {"from": wanted.first, "to": wanted.last}
    chosen = {"source": wanted.source, "team": request.args.get("team") or None}
    both = chosen | {name: day.isoformat() for name, day in days.items() if day} | narrower
    return url_for("calls.list_calls", **{name: value for name, value in both.items() if value is not None})


def _to_work(endpoint: str, **narrower: Any) -> str:
    """The list of the very cases, follow-ups or referrals that a number counts, of the team that was chosen."""
    team = request.args.get("team")
    return url_for(endpoint, **(narrower | {"team_id": team} if team else narrower))


def _charts(shown: dict[str, Any], wanted: CallFilter, country: str) -> dict[str, Any]:
    calls = shown["calls"]
    return {
        "all": _to_calls(wanted), "counselling": _to_calls(wanted, kind="counselling"),
        "hours": _hours(calls["hours"], wanted),
        "days": _days(calls["days"], wanted),
        "months": [_month(each, wanted) for each in calls["months"]],
        "channels": _bars(calls["channels"], wanted, "channel", "channel"),
        "kinds": _bars(calls["kinds"], wanted, "kind", "kind"),
        "risks": _bars(calls["risks"], wanted, "risk", "risk"),
        "categories": _categories(calls["categories"], wanted, "category", kind="counselling"),
        "any_categories": _categories(calls["any_subcategories"][:SHOWN], wanted, "any_category"),
        "children": _children(calls["children"], wanted),
        "places": _places(calls["provinces"], wanted, country),
    }  # fmt: skip


def _days(counts: list[dict[str, Any]], wanted: CallFilter) -> list[dict[str, Any]]:
    """Columns of days, each named in full in the table; under a narrow one stands its number, or nothing.

    None over a longer time: then months are shown.
    """
    span = [date.fromisoformat(each["key"]) for each in counts]
    if span and span[-1] - span[0] >= _MOST_DAYS:
        return []
    return [
        {
            "label": format_date(day, "d MMM"), "value": each["count"],
            "short": "" if len(counts) <= _WIDE_DAYS else str(day.day) if day.day in _SOME_DAYS else "\xa0",
            "href": _to_calls(wanted, **{"from": each["key"], "to": each["key"]}),
        }
        for day, each in zip(span, counts, strict=True)
    ]  # fmt: skip


def _month(count: dict[str, Any], wanted: CallFilter) -> dict[str, Any]:
    """A month in words, and the list of its days as far as they were counted."""
    first = date.fromisoformat(f"{count['key']}-01")
    last = first.replace(day=monthrange(first.year, first.month)[1])
    span = {"from": max(first, wanted.first or first).isoformat(), "to": min(last, wanted.last or last).isoformat()}
    return {"label": format_date(first, "LLLL y"), "value": count["count"], "href": _to_calls(wanted, **span)}


def _hours(cells: list[dict[str, Any]], wanted: CallFilter) -> list[dict[str, Any]]:
    counts = {(cell["row"], cell["column"]): cell["count"] for cell in cells}
    return [
        {
            "label": word("weekday", day),
            "cells": [
                {
                    "value": counts.get((day, str(hour)), 0), "href": _to_calls(wanted, weekday=day, hour=hour),
                    "title": f"{word('weekday', day)} {hour:02d}:00",
                }
                for hour in range(24)
            ],
        }
        for day in WORDS["weekday"]
    ]  # fmt: skip


def _bars(counts: list[dict[str, Any]], wanted: CallFilter, vocabulary: str, parameter: str) -> list[dict[str, Any]]:
    return [
        {
            "label": word(vocabulary, each["key"]),
            "value": each["count"],
            "href": _to_calls(wanted, **{parameter: each["key"]}),
        }
        for each in counts
    ]


def _categories(counts: list[dict[str, Any]], wanted: CallFilter, parameter: str, **more: str) -> list[dict[str, Any]]:
    names = {term.code: term.names for term in reference.list_terms()}
    locale = acting().locale
    return [
        {
            "label": names.get(each["key"], {}).get(locale) or each["key"] or _("No reason noted"),
            "value": each["count"],
            "href": _to_calls(wanted, **more, **{parameter: each["key"] or NONE}),
        }
        for each in counts
    ]


def _children(cells: list[dict[str, Any]], wanted: CallFilter) -> dict[str, Any]:
    counts = {(cell["row"], cell["column"]): cell["count"] for cell in cells}
    rows = [
        {
            "label": word("age_band", band.value),
            "cells": [
                {
                    "value": counts.get((band, gender), 0),
                    "href": _to_calls(wanted, age_band=band.value, gender=gender.value),
                }
                for gender in Gender
            ],
        }
        for band in AgeBand
        if any((band, gender) in counts for gender in Gender)
    ]
    return {"columns": [word("gender", gender.value) for gender in Gender], "rows": rows}


def _places(counts: list[dict[str, Any]], wanted: CallFilter, country: str) -> dict[str, Any]:
    """Tiles placed as on the map, and what has no tile."""
    by_id = {each["key"]: each["count"] for each in counts}
    told = reference.country(country)
    locale = acting().locale
    places = {place.code: place for place in reference.list_places(country, told.place_levels[0].code)}
    tiles = [
        {
            "code": tile.label, "name": places[tile.code].names.get(locale) or places[tile.code].names["en"],
            "value": by_id.get(str(places[tile.code].id), 0), "col": tile.column, "row": tile.row,
            "href": _to_calls(wanted, province=tile.code),
        }
        for tile in told.tile_map
        if tile.code in places
    ]  # fmt: skip
    return {
        "tiles": tiles, "across": max((tile["col"] for tile in tiles), default=1), "untold": by_id.get("", 0),
        "untold_href": _to_calls(wanted, province=NONE),
    }  # fmt: skip


def _work(work: dict[str, Any]) -> dict[str, Any]:
    cases = {each["key"]: each["count"] for each in work["cases_by_risk"]}
    overdue = {each["key"]: each["count"] for each in work["overdue_by_risk"]}
    referrals = {each["key"]: each["count"] for each in work["referrals"]}
    grave = ("immediate", "high")
    exhausted = referrals.get("exhausted", 0)
    return {
        "open": sum(cases.values()), "overdue": sum(overdue.values()), "waiting": referrals.get("asked", 0),
        "to_open": _to_work("cases.list_cases"), "to_overdue": _to_work("followups.list_followups", state="overdue"),
        "to_unassigned": _to_work("cases.list_cases", unassigned="true", assignment_late="true"),
        "to_response": _to_work("cases.list_cases", response_late="true"),
        "to_waiting": _to_work("referrals.list_referrals", state="asked"),
        "open_grave": (sum(cases.get(risk, 0) for risk in grave), _to_work("cases.list_cases", risk_level=SEVERE)),
        "overdue_grave": (
            sum(overdue.get(risk, 0) for risk in grave),
            _to_work("followups.list_followups", state="overdue", risk_level=SEVERE),
        ),
        "exhausted": (exhausted, _to_work("referrals.list_referrals", state="exhausted")),
        "silent": (work["answers_late"], _to_work("referrals.list_referrals", late="true")),
        "risks": [
            {"label": word("risk", code), "value": cases.get(code, 0),
             "href": _to_work("cases.list_cases", risk_level=code)}
            for code in RISKS
        ],
        "referrals": [
            {"label": word("referral_state", state), "value": referrals[state],
             "href": _to_work("referrals.list_referrals", state=state)}
            for state in WORDS["referral_state"] if state in referrals
        ],
        "loads": [
            {"label": each["name"], "value": each["count"], "bad": each["count"] > CASELOAD_WARNING,
             "href": _to_work("cases.list_cases", caseworker_id=each["user_id"])}
            for each in work["caseload"]
        ],
    }  # fmt: skip
