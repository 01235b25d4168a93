"""Sessions, tries, passwords, second factors: pure decisions."""

from datetime import UTC, datetime, timedelta

import pyotp
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

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


# Second factors

WORDY = st.text(st.characters(categories=("Ll", "Lu", "Nd", "Zs")), min_size=1, max_size=40)
SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"  # an example, no one's  # pragma: allowlist secret
TIMES = st.integers(10**6, 10**10).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))


def test_a_session_that_waits_for_its_factor_ends_soon():
    def waiting(minutes):
        at = START + timedelta(minutes=minutes)
        return session_state(START, at, None, at, LIMITS, pending=True)

    assert waiting(14.9) is SessionState.OPEN
    assert waiting(15) is SessionState.OVER


@given(WORDY, st.lists(WORDY, max_size=3))
@example("eight ch", [])
@example("fifteen letters", [])
def test_a_second_factor_shortens_a_password_and_changes_no_other_rule(password, words):
    alone = password_problem(password, words)
    beside = password_problem(password, words, second_factor=True)
    length = len(rules.normal_password(password).casefold())
    if length >= 15:
        assert alone == beside
    else:
        assert alone == "password_short"
        assert (beside == "password_short_beside_factor") == (length < 8)


@given(WORDY, st.lists(WORDY, max_size=3))
def test_a_password_that_holds_a_factor_fast_is_one_that_could_not_be_had_alone(password, words):
    assume(password_problem(password, words, second_factor=True) is None)
    assert rules.is_short(password) == (password_problem(password, words) is not None)


@given(st.integers(0, 5), st.booleans(), st.booleans())
def test_when_a_factor_can_be_taken_away(left, needed, short):
    problem = rules.removal_problem(left, needed=needed, short_password=short)
    assert (problem is None) == (left > 0 or not (needed or short))


@given(TIMES, st.integers(-4, 4), st.one_of(st.none(), st.integers(-4, 4)))
def test_a_code_is_good_for_its_step_and_one_beside_it_once(at, off, last_off):
    step = int(at.timestamp()) // 30
    app = pyotp.TOTP(SECRET)
    codes = {n: app.generate_otp(step + n) for n in range(-4, 5)}
    assume(len(set(codes.values())) == len(codes))
    last = None if last_off is None else step + last_off
    found = rules.accepted_step(SECRET, codes[off], at, last)
    good = abs(off) <= 1 and (last is None or step + off > last)
    assert found == (step + off if good else None)


@given(TIMES, st.text(max_size=8))
def test_nonsense_is_no_code(at, code):
    step = int(at.timestamp()) // 30
    assume(code not in {pyotp.TOTP(SECRET).generate_otp(step + n) for n in (-1, 0, 1)})
    assert rules.accepted_step(SECRET, code, at, None) is None


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        (" 123 456 ", "123456"),
        ("១២៣៤៥៦", "123456"),
        ("１２３-４５６", "123456"),
        ("RBF8-q9tw u3z3\u00a0v58n", "rbf8q9twu3z3v58n"),
    ],
)
def test_codes_are_read_as_people_type_them(typed, meant):
    assert rules.normal_code(typed) == meant


@pytest.mark.parametrize(
    ("url", "party"),
    [
        ("https://helpline.example.org", ("helpline.example.org", "https://helpline.example.org")),
        ("https://helpline.example.org:8443/x", ("helpline.example.org", "https://helpline.example.org:8443")),
        ("http://localhost:8080", ("localhost", "http://localhost:8080")),
        ("http://127.0.0.1:8080", ("localhost", "http://localhost:8080")),
        ("http://[::1]:8080", ("localhost", "http://localhost:8080")),
        ("http://helpline.example.org", None),
        ("https://10.0.0.5", None),
        ("", None),
    ],
)
def test_whose_passkeys_they_are(url, party):
    found = rules.relying_party(url)
    assert (found and (found.id, found.origin)) == party
