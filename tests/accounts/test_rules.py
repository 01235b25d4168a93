"""Sessions, tries, passwords: pure decisions."""

from datetime import UTC, datetime, timedelta

import pytest

from helpline.accounts import rules
from helpline.accounts.rules import Limits, SessionState, password_problem, session_state

START = datetime(2026, 11, 23, 8, tzinfo=UTC)
LIMITS = Limits(idle=timedelta(minutes=15), life=timedelta(hours=12))


def state(now_minutes, *, seen_minutes=0, locked_minutes=None):
    at = [None if m is None else START + timedelta(minutes=m) for m in (seen_minutes, locked_minutes, now_minutes)]
    return session_state(START, at[0], at[1], at[2], LIMITS)


@pytest.mark.parametrize(
    ("now", "seen", "locked", "expected"),
    [
        (0, 0, None, SessionState.OPEN),
        (14.99, 0, None, SessionState.OPEN),
        (15, 0, None, SessionState.LOCKED),
        (700, 695, None, SessionState.OPEN),
        (10, 9, 9, SessionState.LOCKED),
        (720, 719, None, SessionState.OVER),
        (720, 719, 719, SessionState.OVER),
    ],
)
def test_a_session_locks_when_idle_and_ends_when_old(now, seen, locked, expected):
    assert state(now, seen_minutes=seen, locked_minutes=locked) is expected


@pytest.mark.parametrize(
    ("password", "problem"),
    [
        ("the tea is cold at noon", None),
        ("ទឹកតែត្រជាក់នៅពេលថ្ងៃត្រង់", None),
        ("fourteen chars", "password_short"),
        ("x" * 257, "password_long"),
        ("aaaaaaaaaaaaaaaa", "password_common"),
        ("abcabcabcabcabcabc", "password_common"),
        ("passwordpassword", "password_common"),
        ("password123456789", "password_common"),
        ("qwertyuiop123456", "password_common"),
        ("123456789012345678", "password_common"),
        ("abcdefghijklmnopqrst", "password_common"),
        ("sokhachan helpline", "password_names"),
        ("Sokha.Chan@Helpline", "password_names"),
    ],
)
def test_which_passwords_can_be_had(password, problem):
    assert password_problem(password, ("Chan Sokha", "sokha.chan", "helpline")) == problem


def test_a_password_is_the_same_in_every_form_of_its_letters():
    assert rules.normal_password("ﬁve cold cups of tea") == "five cold cups of tea"
    assert rules.normal_password("e\u0301") == rules.normal_password("\u00e9")


def test_no_rule_of_composition():
    assert password_problem("onlylowercaseletters here", ()) is None


def test_counters_name_nobody_and_differ():
    limits = rules.sign_in_limits("aa", "bb")
    assert len(limits) == 3
    tries = {key.split(":")[1]: most for key, (most, _seconds) in limits.items()}
    assert tries["pair"] < tries["login"] < tries["address"]
