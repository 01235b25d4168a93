"""Clocks, steps, closing and consent: pure decisions."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpline.calls.vocabulary import RiskLevel
from helpline.cases import rules
from helpline.cases.commands import Consent
from helpline.cases.vocabulary import CaseStep, ConsentBasis, ConsentBy
from helpline.foundation.access.permissions import FieldGroup
from helpline.foundation.errors import Conflict, Invalid

NOW = datetime(2026, 11, 23, 21, 0, tzinfo=UTC)
H, D = timedelta(hours=1), timedelta(days=1)
S = CaseStep


@pytest.mark.parametrize(
    ("risk", "assign", "respond"),
    [("immediate", H, H), ("high", H, D), ("medium", 3 * H, 3 * D), ("low", 3 * H, 7 * D)],
)
def test_the_clocks_follow_the_risk(risk, assign, respond):
    assert rules.clocks(RiskLevel(risk), NOW) == rules.Clocks(NOW + assign, NOW + respond)


def test_a_centre_may_set_its_own_minutes_for_one_clock_and_keep_the_rest():
    own = {"high": {"assign": 30}}
    assert rules.clocks(RiskLevel.HIGH, NOW, own) == rules.Clocks(NOW + H / 2, NOW + D)
    assert rules.clocks(RiskLevel.LOW, NOW, own) == rules.clocks(RiskLevel.LOW, NOW)


LEVELS = st.sampled_from(RiskLevel)


@given(former=LEVELS, level=LEVELS, waited=st.timedeltas(min_value=timedelta(), max_value=10 * D))
def test_a_higher_risk_never_gives_more_time_and_a_lower_one_never_less(former, level, waited):
    running = rules.clocks(former, NOW)
    moved = rules.moved_clocks(running, former, level, opened_at=NOW, now=NOW + waited)
    if level.severity > former.severity:
        assert moved.first_response_by <= running.first_response_by
        assert moved.assign_by <= running.assign_by
        assert moved.first_response_by <= rules.clocks(level, NOW + waited).first_response_by
    else:
        assert moved == rules.clocks(level, NOW)


ALLOWED = {
    (S.REGISTER, S.ASSESS), (S.ASSESS, S.PLAN), (S.PLAN, S.IMPLEMENT), (S.PLAN, S.ASSESS), (S.IMPLEMENT, S.FOLLOW_UP),
    (S.IMPLEMENT, S.PLAN), (S.FOLLOW_UP, S.ASSESS), (S.FOLLOW_UP, S.PLAN), (S.FOLLOW_UP, S.IMPLEMENT),
}  # fmt: skip


@pytest.mark.parametrize("current", S)
@pytest.mark.parametrize("following", S)
def test_steps_go_on_by_one_or_back_to_where_a_review_sends_them(current, following):
    if (current, following) in ALLOWED:
        rules.check_step(current, following)
    else:
        with pytest.raises(Conflict, match="case_step"):
            rules.check_step(current, following)


def test_nothing_closes_while_something_must_be_settled():
    rules.check_closing("open", 0)
    with pytest.raises(Conflict, match="case_obligations") as refusal:
        rules.check_closing("open", 2)
    assert refusal.value.details == {"count": 2}
    with pytest.raises(Conflict, match="case_closed"):
        rules.check_closing("closed", 0)


def test_an_override_states_its_basis():
    with pytest.raises(Invalid, match="consent_basis_needed"):
        rules.check_consent(Consent(by=ConsentBy.OVERRIDE))
    rules.check_consent(Consent(by=ConsentBy.OVERRIDE, basis=ConsentBasis.MANDATORY_REPORT))


@pytest.mark.parametrize("why", [None, "", "  \n"])
def test_what_is_withheld_says_why(why):
    with pytest.raises(Invalid, match="consent_reason_needed"):
        rules.check_consent(Consent(withhold=(FieldGroup.STORY,), why=why))
    rules.check_consent(Consent(withhold=(FieldGroup.STORY,), why="The mother asks for it"))


def test_the_stored_consent_holds_codes_only():
    document = Consent(withhold=(FieldGroup.STORY,), why="The mother asks for it").document()
    assert document["withhold"] == ["story"]
    assert "mother" not in str(document)


@given(st.lists(st.sampled_from(["health", "police", "shelter"])), st.lists(st.sampled_from(["health", "legal"])))
def test_added_needs_are_new_and_stand_once(former, needs):
    new = rules.added(former, needs)
    assert set(new) == set(needs) - set(former)
    assert len(set(new)) == len(new)
