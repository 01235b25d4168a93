"""What comes next in a case: pure, most pressing first."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpline.cases.vocabulary import CaseStep
from helpline.desk.rules import Next, NextCode, Standing, WorkList, list_for, next_for

NOW = datetime(2026, 11, 23, 14, 0, tzinfo=UTC)  # 21:00 in Phnom Penh
ZONE = ZoneInfo("Asia/Phnom_Penh")
H = timedelta(hours=1)
ALL = {"may_assign": True, "may_update": True, "may_decide": True, "may_close": True}


def standing(**given):
    usual = {
        "status": "open", "step": "plan", "has_caseworker": True, "assign_by": NOW + H, "first_response_by": NOW + 24 * H,
        "first_response_at": NOW - H, "closing_asked": False, "open_obligations": 0,
    }  # fmt: skip
    return Standing(**usual | ALL | given)


CASES = [
    ({"status": "closed"}, NextCode.REOPEN),
    ({"status": "closed", "may_close": False}, NextCode.NOTHING),
    ({"has_caseworker": False}, NextCode.ASSIGN),
    ({"has_caseworker": False, "may_assign": False}, NextCode.WAIT_ASSIGNMENT),
    ({"closing_asked": True}, NextCode.DECIDE_CLOSING),
    ({"closing_asked": True, "may_decide": False}, NextCode.WAIT_CLOSING),
    ({"first_response_at": None, "exhausted": 1}, NextCode.FIRST_CONTACT),
    ({"exhausted": 1, "followup_due": NOW - H}, NextCode.CHOOSE_AGENCY),
    ({"exhausted": 1, "may_assign": False, "followup_due": NOW - H}, NextCode.FOLLOW_UP),
    ({"followup_due": NOW + H}, NextCode.FOLLOW_UP),  # today
    ({"followup_due": NOW + 4 * H}, NextCode.STEP),  # after midnight there
    ({"step": "follow_up"}, NextCode.CLOSE),
    ({"step": "follow_up", "open_obligations": 1}, NextCode.KEEP_CONTACT),
    ({"step": "follow_up", "may_close": False}, NextCode.KEEP_CONTACT),
    ({"may_update": False}, NextCode.NOTHING),
]


@pytest.mark.parametrize(("given_", "code"), CASES)
def test_the_most_pressing_thing_comes_first(given_, code):
    assert next_for(standing(**given_), NOW, ZONE).code is code


@pytest.mark.parametrize(
    ("step", "following"),
    [("register", "assess"), ("assess", "plan"), ("plan", "implement"), ("implement", "follow_up")],
)
def test_with_nothing_pressing_the_next_step_is_next(step, following):
    assert next_for(standing(step=step), NOW, ZONE) == Next(NextCode.STEP, None, CaseStep(following))


def test_each_says_by_when():
    assert next_for(standing(has_caseworker=False), NOW, ZONE).due_at == NOW + H
    assert next_for(standing(first_response_at=None), NOW, ZONE).due_at == NOW + 24 * H
    assert next_for(standing(followup_due=NOW - H), NOW, ZONE).due_at == NOW - H


@given(
    st.builds(
        standing, status=st.sampled_from(["open", "closed"]),
        step=st.sampled_from([step.value for step in CaseStep if step is not CaseStep.CLOSE]),
        has_caseworker=st.booleans(), closing_asked=st.booleans(), exhausted=st.integers(0, 2),
        may_assign=st.booleans(), may_update=st.booleans(), may_decide=st.booleans(), may_close=st.booleans(),
    )
)  # fmt: skip
def test_nobody_is_told_to_do_what_they_may_not(case):
    code = next_for(case, NOW, ZONE).code
    needs = {
        NextCode.ASSIGN: case.may_assign, NextCode.CHOOSE_AGENCY: case.may_assign, NextCode.DECIDE_CLOSING: case.may_decide,
        NextCode.FIRST_CONTACT: case.may_update, NextCode.FOLLOW_UP: case.may_update, NextCode.STEP: case.may_update,
        NextCode.CLOSE: case.may_close, NextCode.REOPEN: case.may_close,
    }  # fmt: skip
    assert needs.get(code, True)


def test_what_is_late_stands_apart():
    assert list_for(NOW - H, NOW) is WorkList.OVERDUE
    assert list_for(NOW, NOW) is WorkList.TODAY
