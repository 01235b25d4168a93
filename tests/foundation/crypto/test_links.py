import base64
import hmac
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpline.foundation.crypto import keyring
from helpline.foundation.crypto.links import sign, verify
from helpline.foundation.errors import Invalid

NOW = datetime(2026, 11, 23, 14, 0, tzinfo=UTC)
LATER = NOW + timedelta(hours=4)
SUBJECT = uuid4()


def refusal(purpose, token, now=NOW):
    with pytest.raises(Invalid) as refused:
        verify(purpose, token, now)
    return refused.value.code


@given(st.uuids(), st.integers(0, 2**32 - 1), st.text(min_size=1), st.integers(1, 10**9))
def test_a_link_gives_back_what_it_was_signed_for(subject, version, purpose, seconds):
    token = sign(purpose, subject, version, NOW + timedelta(seconds=seconds))
    assert verify(purpose, token, NOW) == (subject, version)
    assert set(token) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
    assert len(token) == 60


def test_a_link_ends_at_its_expiry_and_not_before():
    token = sign("referral", SUBJECT, 1, LATER)
    assert verify("referral", token, LATER - timedelta(seconds=1)) == (SUBJECT, 1)
    assert refusal("referral", token, LATER) == "link_expired"


def test_a_link_serves_one_purpose():
    assert refusal("invitation", sign("referral", SUBJECT, 1, LATER)) == "link_invalid"


@given(st.data())
def test_no_changed_character_passes(data):
    token = sign("referral", SUBJECT, 1, LATER)
    place = data.draw(st.integers(0, len(token) - 1))
    other = data.draw(st.sampled_from("ABCZabcz019-_").filter(lambda c: c != token[place]))
    assert refusal("referral", token[:place] + other + token[place + 1 :]) == "link_invalid"


@given(st.text() | st.text("AB-_", min_size=60, max_size=60))
def test_rubbish_is_invalid_not_an_error(text):
    assert refusal("referral", text) == "link_invalid"
    assert refusal("referral", "!" * 60) == "link_invalid"


def test_an_altered_and_expired_link_does_not_tell_that_it_expired():
    token = sign("referral", SUBJECT, 1, NOW - timedelta(days=1))
    assert refusal("referral", ("B" if token[0] == "A" else "A") + token[1:]) == "link_invalid"


def test_a_token_has_one_spelling():
    token = sign("referral", SUBJECT, 1, LATER)
    for other in (
        token + "=",
        token + "\n",
        token.replace("-", "+").replace("_", "/") + "!",
        token[:30] + "\n" + token[30:],
    ):
        assert refusal("referral", other) == "link_invalid"


def test_another_installations_link_is_invalid(key_path, installed_ring):
    token = sign("referral", SUBJECT, 1, LATER)
    keyring.install(keyring.KeyRing.open(key_path))
    try:
        assert refusal("referral", token) == "link_invalid"
    finally:
        keyring.install(installed_ring)


def test_signatures_are_compared_in_constant_time(monkeypatch):
    compared = []
    real = hmac.compare_digest
    monkeypatch.setattr(hmac, "compare_digest", lambda a, b: compared.append((len(a), len(b))) or real(a, b))
    verify("referral", sign("referral", SUBJECT, 1, LATER), NOW)
    refusal("referral", "A" * 60)
    assert compared == [(16, 16), (16, 16)]


def test_a_naive_expiry_is_refused_and_only_the_record_is_inside():
    with pytest.raises(ValueError, match="aware"):
        sign("referral", SUBJECT, 1, datetime(2026, 1, 1))  # noqa: DTZ001 - what must be refused
    raw = base64.urlsafe_b64decode(sign("referral", SUBJECT, 7, LATER))
    assert UUID(bytes=raw[1:17]) == SUBJECT
    assert raw[17:21] == bytes([0, 0, 0, 7])
