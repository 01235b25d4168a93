"""Languages and spoken times. English is the source text, Khmer the other language; every string goes through gettext.

The locale is the context's (a signed-in person's own), else the cookie's, else what the browser asks for. Instants are
spoken in the context's time zone, the centre's. Workers speak in the recipient's language: `with speaking("km"): …`.
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from babel.dates import format_date
from flask import Flask, current_app, g, has_request_context, request
from flask_babel import Babel, force_locale, get_locale, gettext, ngettext

from helpline.foundation.calendar import local_day
from helpline.foundation.context import current_context

LANGUAGES = ("en", "km")
COOKIE = "locale"
speaking = force_locale
_CATALOGUES = Path(__file__).resolve().parent.parent / "translations"
_MINUTE, _HOUR, _DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def init_i18n(app: Flask) -> None:
    """Set flask-babel up; `app.extensions["helpline_locale"]()` tells the locale code of the moment."""
    Babel(
        app,
        default_translation_directories=str(_CATALOGUES),
        locale_selector=select_locale,
        timezone_selector=lambda: current_zone().key,
    )
    app.extensions["helpline_locale"] = select_locale
    app.jinja_env.filters.update(
        spoken_when=lambda when, now: format_when(_instant(when), now),
        spoken_due=lambda due, now: format_due(_instant(due), now),
        spoken_age=format_age,
        country=country_name,
    )


def country_name(text: str) -> str:
    """The country's name in the language of the moment where the text is its code of two capitals; else the text."""
    locale = get_locale()
    return locale.territories.get(text, text) if locale and len(text) == 2 and text.isupper() else text  # noqa: PLR2004


def _instant(when: datetime | str) -> datetime:
    """Templates hold what schemas dumped: instants as ISO texts."""
    return datetime.fromisoformat(when) if isinstance(when, str) else when


def select_locale() -> str:
    """One of LANGUAGES: the context's, else that of who is signed in (an error is told when the
    context has ended), else the cookie's, else the browser's best match, else English.
    """
    ctx = current_context()
    wishes = [ctx.locale] if ctx is not None else []
    if has_request_context():
        wishes.append(g.get("locale", ""))
        wishes += [
            request.cookies.get(current_app.config.get("COOKIE_PREFIX", "") + COOKIE, ""),
            request.accept_languages.best_match(LANGUAGES) or "",
        ]
    return next((wish for wish in wishes if wish in LANGUAGES), LANGUAGES[0])


def current_zone() -> ZoneInfo:
    """The time zone that instants are spoken in: the context's; UTC where no request or task runs."""
    ctx = current_context()
    return ZoneInfo(ctx.timezone if ctx is not None else "UTC")


def format_when(when: datetime, now: datetime, zone: ZoneInfo | None = None) -> str:
    """An instant as people say it: "today 21:52", "yesterday 08:10", "20 Nov 14:00", "20 Nov 2025"."""
    zone = zone or current_zone()
    day, today = local_day(when, zone), local_day(now, zone)
    clock = when.astimezone(zone).strftime("%H:%M")
    near = {
        0: lambda: gettext("today %(time)s", time=clock),
        1: lambda: gettext("tomorrow %(time)s", time=clock),
        -1: lambda: gettext("yesterday %(time)s", time=clock),
    }.get((day - today).days)
    if near is not None:
        return str(near())
    if day.year != today.year:
        return str(format_date(day, "d MMM y", locale=get_locale() or LANGUAGES[0]))
    return f"{format_date(day, 'd MMM', locale=get_locale() or LANGUAGES[0])} {clock}"


def format_due(due: datetime, now: datetime) -> str:
    """How far off a due time is: "in 3 h", "40 min late", "due now" within a minute of it."""
    distance = abs(due - now)
    if distance < _MINUTE:
        return str(gettext("due now"))
    if due > now:
        return str(gettext("in %(length)s", length=format_length(distance)))
    return str(gettext("%(length)s late", length=format_length(distance)))


def format_length(length: timedelta) -> str:
    """A length of time in its largest fitting unit, rounded down: "40 min", "3 h", "2 days"."""
    if length < _HOUR:
        return str(ngettext("%(num)s min", "%(num)s min", length // _MINUTE))
    if length < 2 * _DAY:
        return str(ngettext("%(num)s h", "%(num)s h", length // _HOUR))
    return str(ngettext("%(num)s day", "%(num)s days", length // _DAY))


def format_age(years: int | None) -> str:
    """An age in words: "9 years", "under one year", "not yet born" below zero, "age unknown" for None."""
    if years is None:
        return str(gettext("age unknown"))
    if years < 0:
        return str(gettext("not yet born"))
    if years == 0:
        return str(gettext("under one year"))
    return str(ngettext("%(num)s year", "%(num)s years", years))


def as_utc(when: datetime) -> str:
    """An instant for machines (`<time datetime>`, JSON): ISO 8601 in UTC, to the second."""
    return when.astimezone(UTC).isoformat(timespec="seconds")
