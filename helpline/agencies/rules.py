"""Opening hours as people write them and as the calendar reckons with them."""

import re
from collections.abc import Iterable, Mapping
from datetime import time
from typing import Any

from helpline.foundation.calendar import OpeningHours, Span
from helpline.foundation.errors import Invalid

_SPAN = re.compile(r"(\d{1,2})(?::(\d\d))?\s*[-–—]\s*(\d{1,2})(?::(\d\d))?")
_WHOLE_DAY = {"24", "24h", "24/24", "24/7"}

Spans = list[dict[str, Any]]


def hours_of(opening: Mapping[str, Any]) -> OpeningHours:
    """The calendar's form of a stored document; one without spans is never known to be open."""
    spans = (
        Span(span["weekday"], time.fromisoformat(span["opens"]), time.fromisoformat(span["closes"]))
        for span in opening.get("spans", ())
    )
    return OpeningHours(tuple(spans), bool(opening.get("open_on_holidays")))


def spans_from_text(weekday: int, text: str) -> Spans:
    """What stands in one day's field: "08:00-12:00, 14-17", "22:00-06:00" (past midnight), "24 h", or nothing.

    Raises Invalid("opening_hours") for anything else. "24:00" closes at midnight.
    """
    field = f"opening-{weekday}"
    if text.strip().lower().replace(" ", "") in _WHOLE_DAY:
        return [{"weekday": weekday, "opens": "00:00", "closes": "00:00"}]
    spans = []
    for part in filter(None, (part.strip() for part in re.split("[,;]", text))):
        match = _SPAN.fullmatch(part)
        if match is None:
            raise Invalid("opening_hours", field)
        hours = match.groups(default="00")
        spans.append(
            {
                "weekday": weekday,
                "opens": _clock(hours[0], hours[1], field),
                "closes": _clock(hours[2], hours[3], field),
            }
        )
    return spans


def text_of_spans(spans: Iterable[Mapping[str, Any]], weekday: int) -> str:
    """One day of a stored document as it is typed."""
    return ", ".join(
        "24 h" if span["opens"] == span["closes"] else f"{span['opens']}–{span['closes']}"
        for span in spans
        if span["weekday"] == weekday
    )


def _clock(hour: str, minute: str, field: str) -> str:
    try:
        return time(int(hour) % 24 if (int(hour), minute) == (24, "00") else int(hour), int(minute)).strftime("%H:%M")
    except ValueError:
        raise Invalid("opening_hours", field) from None
