"""Second factors: set up, presented, refused, taken away; each code once, each session whole or nothing."""

import itertools
import threading
from dataclasses import replace
from datetime import timedelta

import pyotp
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from helpline.accounts import rules
from helpline.accounts.commands import CreateToken
from helpline.accounts.gateways import RedisCounters
from helpline.accounts.services import factors, passkeys, passwords, sessions, tokens
from helpline.accounts.vocabulary import LinkPurpose
from helpline.app import create_app
from helpline.foundation.access.permissions import SystemActor
from helpline.foundation.clock import now
from helpline.foundation.context import Channel, Context, system_actor, system_context
from helpline.foundation.db import db, unit_of_work
from helpline.foundation.errors import Conflict, Forbidden, Invalid, NotFound
from helpline.foundation.ids import new_id
from helpline.web.credentials import FactorState, Presented
from tests.factories.accounts import PASSWORD, add_authenticator, set_password

pytestmark = pytest.mark.usefixtures("in_app", "_fresh_counters")
SHORT = "seven gu"  # eight characters


@pytest.fixture
def person(make_person):
    someone = make_person("operator")
    set_password(someone)
    return someone


@pytest.fixture
def phone(person):
    """The authenticator app of `person`."""
    return add_authenticator(person)


def visitor(at=None):
    return Context(system_actor(SystemActor.VISITOR), at or now(), new_id(), Channel.PAGE)


def sign_in(person, password=PASSWORD):
    with unit_of_work(visitor()) as ctx:
        return sessions.sign_in(ctx, person.login, password, "203.0.113.9")


def identify(token):
    with unit_of_work(visitor()):
        return sessions.identify_session(token)


def enter(person, who, code, at=None):
    """The token of a whole session, or None."""
    with unit_of_work(person.ctx(at=at)) as ctx:
        return factors.enter(ctx, who.session_id, Presented(code=code))


def actions(look, person):
    rows = look("SELECT action FROM audit_entries WHERE actor_id = %s ORDER BY id", person.id)
    return [row["action"] for row in rows]


def told(look, person):
    rows = look(
        "SELECT payload FROM outbox_events WHERE name = 'accounts.factor_changed' AND payload ->> 'user_id' = %s"
        " ORDER BY id",
        str(person.id),
    )
    return [row["payload"]["change"] for row in rows]


def wrong_for(phone, at):
    right = {phone.at(at + timedelta(seconds=30 * n)) for n in range(-2, 3)}
    return next(f"{n:06}" for n in range(9) if f"{n:06}" not in right)


# Signing in


def test_a_session_waits_for_the_factor_and_is_another_afterwards(person, phone, look):
    who = sign_in(person)
    assert (who.factor, who.entered) == (FactorState.PENDING, False)
    token = enter(person, who, phone.now())
    assert identify(who.token) is None, "a token known before the factor is worth nothing after it"
    whole = identify(token)
    assert (whole.factor, whole.entered, whole.actor.id) == (FactorState.GIVEN, True, person.id)
    assert whole.session_id != who.session_id
    assert whole.fresh(now())
    assert not whole.fresh(now() + timedelta(minutes=10))
    assert actions(look, person)[-1] == "factor.presented"


def test_a_wrong_code_leaves_the_session_waiting(person, phone, look):
    who = sign_in(person)
    assert enter(person, who, wrong_for(phone, now())) is None
    assert identify(who.token).factor is FactorState.PENDING
    assert actions(look, person)[-1] == "factor.refused"


def test_a_session_waits_a_quarter_of_an_hour_at_most(person, phone, monkeypatch):
    who, begin = sign_in(person), now()
    monkeypatch.setattr(sessions, "now", lambda: begin + timedelta(minutes=16))
    assert identify(who.token) is None


def test_without_a_factor_nothing_is_asked_where_the_role_needs_none(person):
    assert sign_in(person).factor is FactorState.NONE


def test_a_role_that_needs_one_is_led_to_it(person, make_person, monkeypatch):
    monkeypatch.setattr(sessions.door, "factor_roles", frozenset({"operator"}))
    assert sign_in(person).factor is FactorState.MISSING
    other = make_person("auditor")
    set_password(other)
    assert sign_in(other).factor is FactorState.NONE


def test_a_session_that_went_on_before_waits_once_a_factor_is_added(person):
    who = sign_in(person)
    add_authenticator(person)
    assert identify(who.token).factor is FactorState.PENDING


def test_an_api_token_opens_nothing_where_the_factor_is_missing(person, monkeypatch):
    with unit_of_work(person.ctx()) as ctx:
        from_script = tokens.create_api_token(ctx, CreateToken("script", ("reference:read",), 30)).token
    with unit_of_work(visitor()):
        assert sessions.identify_token(from_script).entered
        monkeypatch.setattr(sessions.door, "factor_roles", frozenset({"operator"}))
        assert sessions.identify_token(from_script).factor is FactorState.MISSING
    add_authenticator(person)
    with unit_of_work(visitor()):
        who = sessions.identify_token(from_script)
    assert who.entered
    assert not who.fresh(now()), "and does nothing that matters, ever"


# Codes


def test_a_code_counts_once(person, phone, look):
    at = now()
    code = phone.at(at)
    assert enter(person, sign_in(person), code, at) is not None
    assert enter(person, sign_in(person), code, at) is None
    earlier = phone.at(at - timedelta(seconds=30))
    assert enter(person, sign_in(person), earlier, at) is None, "nor one from before it"
    assert enter(person, sign_in(person), phone.at(at + timedelta(seconds=30)), at) is not None


def test_of_two_posts_of_one_code_one_is_let_in(app, person, phone):
    at = now()
    waiting, code = [sign_in(person), sign_in(person)], phone.at(at)
    both, found = threading.Barrier(2), []

    def post(who):
        with app.app_context():
            both.wait()
            found.append(enter(person, who, code, at))

    threads = [threading.Thread(target=post, args=[who]) for who in waiting]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(token is None for token in found) == [False, True]


def test_ten_wrong_codes_close_the_door_to_right_ones_too(person, phone, look):
    who, at = sign_in(person), now()
    for _ in range(10):
        assert enter(person, who, wrong_for(phone, at), at) is None
    assert enter(person, who, phone.at(at), at) is None
    assert enter(person, sign_in(person), phone.at(at), at) is None, "nor from a session of its own"
    assert actions(look, person).count("factor.throttled") == 2


def test_a_right_code_forgets_the_wrong_ones(person, phone):
    at = now()
    for late in range(3):
        then = at + timedelta(minutes=late)
        for _ in range(6):
            assert enter(person, sign_in(person), wrong_for(phone, then), then) is None
        assert enter(person, sign_in(person), phone.at(then), then) is not None


def test_nobody_presents_a_factor_in_anothers_session(person, phone, make_person):
    who, other = sign_in(person), make_person("operator")
    theirs = add_authenticator(other)
    with pytest.raises(NotFound), unit_of_work(other.ctx()) as ctx:
        factors.present_factor(ctx, who.session_id, Presented(code=theirs.now()))
    assert identify(who.token).factor is FactorState.PENDING
    assert enter(person, who, theirs.at(now() + timedelta(seconds=30))) is None


def test_a_challenge_is_good_for_one_answer_and_five_minutes(person):
    who, at = sign_in(person), now()

    def begin():
        with unit_of_work(person.ctx(at=at)) as ctx:
            return passkeys._new_challenge(ctx, who.session_id)

    def take(later=timedelta()):
        with unit_of_work(person.ctx(at=at + later)) as ctx:
            return passkeys._take_challenge(ctx, who.session_id)

    assert take() is None
    assert begin() != begin()
    challenge = begin()
    assert [take(), take()] == [challenge, None]
    begin()
    assert take(timedelta(minutes=5)) is None


@pytest.mark.parametrize("answer", ["", "{}", "null", "[", '{"id": "x", "rawId": "x"}', "x" * 30_000])
def test_nonsense_is_no_passkey(person, phone, answer):
    who = sign_in(person)
    with unit_of_work(person.ctx()) as ctx:
        passkeys._new_challenge(ctx, who.session_id)
        assert passkeys.accept_answer(ctx, who.session_id, answer) is None
    with unit_of_work(person.ctx()) as ctx:
        passkeys._new_challenge(ctx, who.session_id)
        with pytest.raises(Invalid, match="passkey_refused"):
            passkeys.check_new(ctx, who.session_id, answer)


def test_a_session_that_waited_too_long_is_listed_no_more(person, phone):
    first = sign_in(person)
    second = identify(enter(person, first, phone.now()))
    waiting = sign_in(person)
    for minutes, listed in ((5, {second.session_id, waiting.session_id}), (16, {second.session_id})):
        with unit_of_work(person.ctx(at=now() + timedelta(minutes=minutes))) as ctx:
            assert {row.id for row in sessions.list_sessions(ctx)} == listed


# Setting one up


def set_up(person, session_id, name="Telephone", at=None):
    """What adding an app gave, and the app."""
    at = at or now()
    with unit_of_work(person.ctx()) as ctx:
        factors.begin_authenticator(ctx)
    with unit_of_work(person.ctx()) as ctx:
        app = pyotp.parse_uri(factors.begun_authenticator(ctx).uri)
    with unit_of_work(person.ctx(at=at)) as ctx:
        return factors.confirm_authenticator(ctx, session_id, name, app.at(at)), app


def test_an_app_is_added_by_its_first_code(person, look):
    who, at = sign_in(person), now()
    added, app = set_up(person, who.session_id, at=at)
    assert identify(who.token) is None
    assert identify(added.token).factor is FactorState.GIVEN
    [row] = look("SELECT * FROM factors WHERE user_id = %s", person.id)
    assert (row["name"], row["kind"], row["confirmed_at"] is None) == ("Telephone", "authenticator", False)
    assert app.secret.encode() not in row["secret_sealed"]
    assert told(look, person) == ["authenticator_added"]
    assert "factor.added" in actions(look, person)
    assert len(set(added.codes)) == 10
    assert enter(person, sign_in(person), app.at(at), at) is None, "the code that set it up is used"


def test_an_app_without_its_code_does_not_count(person, look):
    who = sign_in(person)
    with unit_of_work(person.ctx()) as ctx:
        factors.begin_authenticator(ctx)
    with pytest.raises(Invalid, match="code_wrong") as refused, unit_of_work(person.ctx()) as ctx:
        factors.confirm_authenticator(ctx, who.session_id, "Telephone", "12345")
    assert refused.value.field == "code"
    assert sign_in(person).factor is FactorState.NONE
    with unit_of_work(person.ctx()) as ctx:
        factors.begin_authenticator(ctx)
    assert len(look("SELECT * FROM factors WHERE user_id = %s", person.id)) == 1, "begun again, the first is forgotten"
    assert told(look, person) == []


def test_a_second_app_brings_no_new_codes(person):
    added, _ = set_up(person, sign_in(person).session_id)
    again, _ = set_up(person, identify(added.token).session_id, "Another")
    assert (len(added.codes), again.codes) == (10, ())


# Recovery codes


def test_a_recovery_code_lets_in_once(person, look):
    added, _ = set_up(person, sign_in(person).session_id)
    kept = added.codes[3]
    assert enter(person, sign_in(person), f" {kept.upper().replace('-', ' ')} ") is not None
    assert enter(person, sign_in(person), kept) is None
    assert enter(person, sign_in(person), added.codes[4]) is not None
    assert told(look, person)[1:] == ["code_used", "code_used"]
    stored = look("SELECT code_index FROM recovery_codes WHERE user_id = %s", person.id)
    assert all(len(row["code_index"]) == 16 for row in stored), "digests under a key, nothing to read"


def test_new_codes_end_the_old_ones(person, look):
    added, _ = set_up(person, sign_in(person).session_id)
    with unit_of_work(person.ctx()) as ctx:
        renewed = factors.make_recovery_codes(ctx)
    assert not set(renewed) & set(added.codes)
    assert enter(person, sign_in(person), added.codes[0]) is None
    assert enter(person, sign_in(person), renewed[0]) is not None
    assert "codes_made" in told(look, person)


def test_there_are_no_recovery_codes_without_a_factor(person):
    with pytest.raises(Conflict, match="factor_missing"), unit_of_work(person.ctx()) as ctx:
        factors.make_recovery_codes(ctx)


def test_of_two_posts_of_one_recovery_code_one_is_let_in(app, person):
    added, _ = set_up(person, sign_in(person).session_id)
    waiting, both, found = [sign_in(person), sign_in(person)], threading.Barrier(2), []

    def post(who):
        with app.app_context():
            both.wait()
            found.append(enter(person, who, added.codes[0]))

    threads = [threading.Thread(target=post, args=[who]) for who in waiting]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(token is None for token in found) == [False, True]


# Taking one away


def only_factor(look, person):
    [row] = look("SELECT id FROM factors WHERE user_id = %s", person.id)
    return row["id"]


def remove(person, factor_id):
    with unit_of_work(person.ctx()) as ctx:
        factors.remove_factor(ctx, factor_id)


def test_the_last_factor_takes_its_recovery_codes_along(person, look):
    added, _ = set_up(person, sign_in(person).session_id)
    remove(person, only_factor(look, person))
    assert identify(added.token).factor is FactorState.NONE
    assert identify(added.token).factor_at is None
    assert look("SELECT * FROM recovery_codes WHERE user_id = %s", person.id) == []
    assert told(look, person)[-1] == "removed"
    assert "factor.removed" in actions(look, person)


def test_nobody_takes_anothers_away(person, phone, make_person, look):
    for stranger in (make_person("operator"), make_person("admin")):
        with pytest.raises(NotFound):
            remove(stranger, only_factor(look, person))
    with pytest.raises(Forbidden), unit_of_work(make_person("operator").ctx()) as ctx:
        factors.remove_factors(ctx, person.id)
    assert sign_in(person).factor is FactorState.PENDING


def test_a_role_that_needs_one_keeps_its_last(person, phone, look, monkeypatch):
    monkeypatch.setattr(sessions.door, "factor_roles", frozenset({"operator"}))
    with pytest.raises(Conflict, match="factor_needed_by_role"):
        remove(person, only_factor(look, person))
    add_authenticator(person)
    first, second = (row["id"] for row in look("SELECT id FROM factors WHERE user_id = %s", person.id))
    remove(person, first)
    with pytest.raises(Conflict, match="factor_needed_by_role"):
        remove(person, second)


def test_eight_characters_do_beside_a_factor_and_hold_it_fast(person, look):
    who = sign_in(person)
    with pytest.raises(Invalid, match="password_short"), unit_of_work(person.ctx()) as ctx:
        passwords.change_password(ctx, who.session_id, PASSWORD, SHORT)
    added, _ = set_up(person, who.session_id)
    with unit_of_work(person.ctx()) as ctx:
        token = passwords.change_password(ctx, identify(added.token).session_id, PASSWORD, SHORT)
    whole = identify(token)
    assert whole.factor is FactorState.GIVEN, "changing the password asks for no factor again"
    with pytest.raises(Conflict, match="factor_beside_short_password"):
        remove(person, only_factor(look, person))
    with unit_of_work(person.ctx()) as ctx:
        passwords.change_password(ctx, whole.session_id, SHORT, "quiet boats cross at dawn")
    remove(person, only_factor(look, person))
    assert sign_in(person, "quiet boats cross at dawn").factor is FactorState.NONE


@pytest.fixture
def as_owner(settings, app):
    """An application of the owner's login, as commands of the machine have it."""
    owner = create_app(replace(settings), database_role="owner")
    yield owner
    with owner.app_context():
        db.engine.dispose()
    sessions.install(settings, sessions.door.counters)


def test_a_lost_factor_is_taken_away_by_the_keeper(person, look, as_owner):
    added, _ = set_up(person, sign_in(person).session_id)
    with unit_of_work(person.ctx()) as ctx:
        token = passwords.change_password(ctx, identify(added.token).session_id, PASSWORD, SHORT)
    with as_owner.app_context(), unit_of_work(system_context(SystemActor.KEEPER)) as ctx:
        factors.remove_factors(ctx, person.id)
    assert identify(token) is None
    for table in ("factors", "recovery_codes"):
        assert look(f"SELECT * FROM {table} WHERE user_id = %s", person.id) == []
    assert told(look, person)[-1] == "all_removed"
    [entry] = look(
        "SELECT * FROM audit_entries WHERE action = 'factor.all_removed' AND %s = ANY (subject_ids)", person.id
    )
    assert entry["centre_id"] == person.centre.id
    assert sign_in(person, SHORT) is None, "eight characters alone open nothing"
    [row] = look("SELECT version FROM credentials WHERE user_id = %s", person.id)
    path = passwords.link_path(LinkPurpose.PASSWORD, person.id, row["version"], now() + timedelta(hours=1))
    with pytest.raises(Invalid, match="password_short"), unit_of_work(visitor()) as ctx:
        passwords.accept_link(ctx, LinkPurpose.PASSWORD, path.split("/")[2], SHORT)


# Rows


def test_the_web_login_sees_and_changes_its_actors_factors_alone(person, phone, make_person, look):
    factor_id = only_factor(look, person)
    for stranger in (make_person("admin"), make_person("supervisor")):
        with unit_of_work(stranger.ctx()):
            seen = db.session.connection().exec_driver_sql("SELECT count(*) FROM factors").scalar()
            gone = db.session.connection().exec_driver_sql("DELETE FROM factors").rowcount
        assert (seen, gone) == (0, 0)
    assert only_factor(look, person) == factor_id


def test_codes_are_counted_while_redis_is_away_whatever_becomes_of_the_request(person, phone, monkeypatch):
    monkeypatch.setattr(sessions.door, "counters", RedisCounters("redis://127.0.0.1:1/0"))
    for _ in range(10):
        with pytest.raises(ZeroDivisionError), unit_of_work(person.ctx()) as ctx:
            assert factors._accept_code(ctx, "000000x") is None
            raise ZeroDivisionError
    with unit_of_work(person.ctx()) as ctx:
        assert factors._accept_code(ctx, phone.now()) is None


# Whatever is tried

DAYS = itertools.count()  # one app serves all examples: each begins after the one before
GUESS = st.one_of(st.integers(-3, 3), st.just("again"), st.text("0123456789 -", max_size=8))


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tries=st.lists(st.tuples(GUESS, st.integers(0, 90)), min_size=1, max_size=9))
def test_no_step_is_ever_accepted_twice(person, phone, monkeypatch, tries):
    """Codes a few steps off, codes once accepted, and nonsense, as time goes on: each step lets in once, in order."""
    monkeypatch.setattr(sessions.door, "counters", sessions.NoCounters())
    at, accepted = now() + timedelta(days=next(DAYS)), []
    last = "000000x"
    for guess, seconds in tries:
        at += timedelta(seconds=seconds)
        step = int(at.timestamp()) // 30
        code = phone.generate_otp(step + guess) if isinstance(guess, int) else last if guess == "again" else guess
        with unit_of_work(person.ctx(at=at)) as ctx:
            found = factors._accept_code(ctx, rules.normal_code(code))
        if found is not None:
            last = code
            near = (step - 1, step, step + 1)
            accepted.append(next(one for one in near if phone.generate_otp(one) == rules.normal_code(code)))
    assert accepted == sorted(set(accepted))
