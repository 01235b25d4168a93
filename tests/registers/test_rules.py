"""The clock of a breach and what is withheld, as people would say it."""

import uuid
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpline.foundation.access.permissions import FieldGroup
from helpline.foundation.errors import Invalid
from helpline.registers import rules
from helpline.registers.vocabulary import NEVER_GIVEN, BreachState, Held, Piece, Section, Span, Withheld

NOTICED = datetime(2026, 11, 20, 22, 0, tzinfo=UTC)  # a Friday night before the Water Festival
END = NOTICED + timedelta(hours=72)
G = FieldGroup


def hours(number):
    return timedelta(hours=number)


def test_reminders_come_when_48_24_12_and_4_hours_are_left_and_at_the_end():
    at, told = NOTICED, []
    while at <= END:
        at = rules.remind_next(END, at)
        told.append((END - at) / hours(1))
    assert told[:6] == [48, 24, 12, 4, 0, -12]


@given(st.integers(min_value=0, max_value=10_000))
def test_the_next_reminder_is_always_to_come_and_never_far(minutes):
    now = NOTICED + timedelta(minutes=minutes)
    assert now < rules.remind_next(END, now) <= now + hours(24)


@pytest.mark.parametrize(
    ("told", "closed", "now", "state"),
    [
        (None, None, END, BreachState.RUNNING),
        (None, None, END + timedelta(seconds=1), BreachState.LATE),
        (END - hours(1), None, END + hours(9), BreachState.TOLD),
        (None, END + hours(1), END + hours(9), BreachState.CLOSED),
    ],
)
def test_how_a_clock_stands(told, closed, now, state):
    assert rules.breach_state(END, told, closed, now) is state


@pytest.mark.parametrize(
    ("first", "last", "code"),
    [(date(2026, 2, 1), date(2026, 1, 31), "days_turned"), (date(2020, 1, 1), date(2026, 1, 1), "days_too_many")],
)
def test_days_that_make_no_sense(first, last, code):
    with pytest.raises(Invalid, match=code):
        rules.check_span(Span(first, last))
    rules.check_span(Span(last, last))


def piece(key="call:x:told", group=G.STORY, why=None, value="words"):
    return Piece(key, "told", value, group, None, why)


PIECES = st.builds(
    piece, st.sampled_from(["a", "b", "c"]), st.sampled_from([G.STORY, G.HEALTH, G.RISK]),
    st.none() | st.sampled_from(Withheld),
)  # fmt: skip


def test_consent_keeps_its_groups_back_and_leaves_other_reasons():
    pieces = [piece(), piece(group=G.RISK), piece(why=Withheld.OTHER_PERSON)]
    found = rules.withheld_by_consent(pieces, {"withhold": ["story"]})
    assert [each.why for each in found] == [Withheld.CONSENT, None, Withheld.OTHER_PERSON]


@given(st.lists(PIECES), st.sets(st.sampled_from("abc")), st.sets(st.sampled_from("abc")))
def test_whoever_prepares_it_decides_but_for_what_is_never_given(pieces, release, keep_back):
    [record] = rules.decided([Held(Section.CALL, None, tuple(pieces))], release, keep_back)
    for before, after in zip(pieces, record.pieces, strict=True):
        if before.why in NEVER_GIVEN:
            assert after.why is before.why
        elif before.why is not None:
            assert (after.why is None) == (before.key in release)
        else:
            assert after.why is (Withheld.BY_HAND if before.key in keep_back else None)


def test_what_is_withheld_is_counted_by_its_reason():
    pieces = [piece(), piece(why=Withheld.STAFF), piece(why=Withheld.STAFF), piece(why=Withheld.MIXED)]
    assert rules.count_withheld(pieces) == [{"why": "mixed", "times": 1}, {"why": "staff", "times": 2}]


def test_only_words_written_by_hand_are_decided_one_by_one():
    assert piece().is_text
    assert not piece(group=G.RISK).is_text
    assert not piece(value=["counselling"]).is_text


def test_a_key_names_its_piece():
    assert rules.readable_key("call", uuid.UUID(int=7), "told") == "call:00000000-0000-0000-0000-000000000007:told"
