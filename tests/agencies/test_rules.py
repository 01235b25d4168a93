from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpline.agencies.rules import hours_of, spans_from_text, text_of_spans
from helpline.foundation.calendar import within_opening
from helpline.foundation.errors import Invalid

PP = ZoneInfo("Asia/Phnom_Penh")
clock = st.builds("{:02}:{:02}".format, st.integers(0, 23), st.integers(0, 59))
spans = st.lists(st.fixed_dictionaries({"weekday": st.just(3), "opens": clock, "closes": clock}), max_size=4)


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        ("", []),
        ("  ", []),
        ("08:00-12:00, 14-17", [("08:00", "12:00"), ("14:00", "17:00")]),
        ("8–17", [("08:00", "17:00")]),
        ("22:00-06:00", [("22:00", "06:00")]),
        ("08:00-24:00", [("08:00", "00:00")]),
        ("24 h", [("00:00", "00:00")]),
    ],
)
def test_hours_are_read_as_people_write_them(typed, stored):
    assert spans_from_text(0, typed) == [{"weekday": 0, "opens": a, "closes": b} for a, b in stored]


@pytest.mark.parametrize("typed", ["always", "25:00-26:00", "08:60-09:00", "8", "08:00-", "24:30-25:00", "8-12-14"])
def test_anything_else_is_refused_beside_its_day(typed):
    with pytest.raises(Invalid) as refused:
        spans_from_text(4, typed)
    assert (refused.value.code, refused.value.field) == ("opening_hours", "opening-4")


@given(spans)
def test_what_is_shown_reads_back_as_it_was(stored):
    whole_day = {"weekday": 3, "opens": "00:00", "closes": "00:00"}
    expected = [whole_day if span["opens"] == span["closes"] else span for span in stored]
    if [span for span in stored if span["opens"] == span["closes"]] and len(stored) > 1:
        return  # a whole day beside other spans is said span by span only
    assert spans_from_text(3, text_of_spans(stored, 3)) == expected


def test_a_span_past_midnight_is_open_on_both_sides():
    hours = hours_of({"spans": spans_from_text(0, "22:00-06:00")})
    for hour, minute, is_open in ((23, 0, True), (21, 59, False)):
        assert within_opening(hours, datetime(2026, 11, 23, hour, minute, tzinfo=PP), PP) is is_open
    assert within_opening(hours, datetime(2026, 11, 24, 5, 59, tzinfo=PP), PP)
    assert not within_opening(hours, datetime(2026, 11, 24, 6, 0, tzinfo=PP), PP)


def test_no_hours_known_is_never_open():
    assert not within_opening(hours_of({}), datetime(2026, 11, 23, tzinfo=UTC), PP)
