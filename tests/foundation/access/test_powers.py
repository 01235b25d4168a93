"""A centre's own role is never wider than what it is made of, whatever stands in its row."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpline.foundation.access import matrix, powers
from helpline.foundation.access.permissions import FieldAccess, FieldGroup, Permission, Role, Scope
from helpline.foundation.access.powers import BUILT_IN, OWN_OF_TEAM, narrow, narrowed

P, S, G, A = Permission, Scope, FieldGroup, FieldAccess
ROLES = st.sampled_from(sorted(BUILT_IN))
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.sampled_from([*Scope, *FieldAccess]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


def said(codes, words):
    """A word for some of the codes: mostly one that is a word at all."""
    return st.fixed_dictionaries(
        {}, optional={code.value: st.sampled_from([*words, *words, 7, "", None]) for code in codes}
    )


SCOPES = said(Permission, list(Scope))
DOCUMENTS = st.fixed_dictionaries({"scopes": SCOPES, "fields": said(FieldGroup, list(FieldAccess))})
BROKEN = ANYTHING | st.fixed_dictionaries({}, optional={"scopes": ANYTHING, "fields": ANYTHING, "base": ANYTHING})
# Which rows each word of a reach lets through, as sets: made by me, given to me, of my team, of my centre.
MADE, GIVEN, TEAM, CENTRE = "made", "given", "team", "centre"
ROWS = [frozenset(row) for row in ((), (MADE,), (GIVEN,), (MADE, GIVEN))]
ROWS = [row | more for row in ROWS for more in (frozenset({CENTRE}), frozenset({CENTRE, TEAM}))]
SEEN = {
    "own": lambda row: MADE in row or GIVEN in row,
    OWN_OF_TEAM: lambda row: {MADE, TEAM} <= row or GIVEN in row,
    "assigned": lambda row: GIVEN in row,
    "team": lambda row: TEAM in row or GIVEN in row,
    "centre": lambda row: CENTRE in row,
    "all": lambda _row: True,
    None: lambda _row: False,
}


@given(ROLES, DOCUMENTS | BROKEN)
def test_nothing_reaches_further_than_the_base(role, own):
    base, made = BUILT_IN[role], narrow(role, own)
    for permission in Permission:
        assert base.scope(permission).reaches(made.scope(permission))
    for group in FieldGroup:
        assert base.access(group).covers(made.access(group))
    assert made.readable <= base.readable
    assert set(made.lost) == {p.value for p in Permission if base.scope(p) is not S.NONE is made.scope(p)}


@pytest.mark.parametrize("role", sorted(BUILT_IN))
def test_no_word_alone_reaches_further(role):
    """Every permission at every scope, every group at every access, one by one."""
    base = BUILT_IN[role]
    for permission in Permission:
        for scope in Scope:
            made = narrow(role, {"scopes": {permission: scope}})
            assert all(base.scope(each).reaches(made.scope(each)) for each in Permission), (permission, scope)
    for group in FieldGroup:
        for access in FieldAccess:
            made = narrow(role, {"fields": {group: access}})
            assert all(base.access(each).covers(made.access(each)) for each in FieldGroup), (group, access)


@pytest.mark.parametrize("role", sorted(BUILT_IN))
def test_no_row_is_seen_that_the_base_does_not_see(role):
    for permission in BUILT_IN[role].scopes:
        for scope in Scope:
            sees_less(role, {"scopes": {permission: scope}})


@given(ROLES, DOCUMENTS)
def test_nor_by_any_other_document(role, own):
    sees_less(role, own)


def sees_less(role, own):
    base, made = BUILT_IN[role], narrow(role, own)
    for kind in base.reach | made.reach:
        for row in ROWS:
            assert SEEN[base.reach.get(kind)](row) or not SEEN[made.reach.get(kind)](row), (kind, row)


@given(st.sampled_from(matrix.NARROWED), SCOPES, st.sampled_from(list(Permission)))
def test_taking_more_away_gives_nothing_back(role, scopes, permission):
    some, more = (narrow(role, {"scopes": each}) for each in (scopes, scopes | {permission: "none"}))
    assert more.scope(permission) is S.NONE
    assert all(some.scope(each).reaches(more.scope(each)) for each in Permission)


@given(st.text(max_size=20))
def test_a_document_that_is_none_leaves_nothing(text):
    try:
        read = orjson.loads(text)
    except orjson.JSONDecodeError:
        assert narrowed("supervisor", text).scopes == {}
    else:
        assert narrowed("supervisor", text).scopes == narrow("supervisor", read).scopes


@pytest.mark.parametrize("role", matrix.NARROWED)
def test_taking_nothing_away_is_the_role_itself(role):
    base, same = BUILT_IN[role], narrow(role, {})
    assert (same.scopes, same.fields, same.reach, same.lost) == (base.scopes, base.fields, base.reach, ())


@pytest.mark.parametrize("role", [Role.ADMIN, Role.PARTNER, "router", "keeper", "nobody"])
def test_an_administrator_a_partner_and_a_machine_are_whole(role):
    assert powers.scopes_to_choose(role) == {}
    assert powers.fields_to_choose(role) == {}


@pytest.mark.parametrize("role", matrix.NARROWED)
def test_what_is_offered_is_what_comes_of_it(role):
    """Every choice of the page, made alone, is met as it reads, but for what rests on something else."""
    for permission, choices in powers.scopes_to_choose(role).items():
        assert choices[0] is BUILT_IN[role].scope(permission)
        for scope in choices:
            assert narrow(role, {"scopes": {permission: scope}}).scope(permission) is scope
    for group, accesses in powers.fields_to_choose(role).items():
        for access in accesses:
            assert narrow(role, {"fields": {group: access}}).access(group) is access


@pytest.mark.parametrize("role", matrix.NARROWED)
def test_every_act_rests_on_a_reading_or_is_everybodys(role):
    """A new permission that nobody has thought through here is not left standing when the reading is gone."""
    acts = {each for each in BUILT_IN[role].scopes if not each.endswith(":read")}
    assert acts - matrix.KEPT <= set(matrix.RESTS_ON)


def test_acts_go_with_the_reading_they_rest_on():
    made = narrow("supervisor", {"scopes": {"case:read": "own"}})
    assert {p: made.scope(p) for p in (P.CASE_READ, P.CASE_UPDATE, P.CASE_CLOSE, P.FOLLOWUP_PLAN, P.PERSON_SEARCH)} == {
        P.CASE_READ: S.OWN, P.CASE_UPDATE: S.OWN, P.CASE_CLOSE: S.OWN, P.FOLLOWUP_PLAN: S.OWN, P.PERSON_SEARCH: S.OWN,
    }  # fmt: skip
    assert {
        made.scope(p) for p in (P.CASE_ASSIGN, P.CASE_RESTRICT, P.FIGURES_READ, P.HOLD_SET, P.RETENTION_REVIEW)
    } == {S.NONE}
    blind = narrow("operator", {"scopes": {"case:read": "none"}})
    assert {blind.scope(p) for p in (P.CASE_OPEN, P.CASE_UPDATE, P.GLASS_BREAK, P.PERSON_SEARCH)} == {S.NONE}
    assert blind.scope(P.CALL_LOG) is S.OWN


def test_emergency_access_reaches_beyond_what_is_read():
    assert narrow("team_supervisor", {"scopes": {"case:read": "own"}}).scope(P.GLASS_BREAK) is S.CENTRE


def test_whoever_sees_what_is_given_to_them_alone_makes_nothing_new():
    made = narrow("team_supervisor", {"scopes": {"call:read": "assigned", "case:read": "assigned"}})
    assert {made.scope(p) for p in (P.CALL_LOG, P.CASE_OPEN)} == {S.NONE}
    assert made.scope(P.CASE_UPDATE) is S.ASSIGNED


def test_acts_go_with_the_fields_they_need():
    made = narrow("operator", {"fields": {"story": "read"}})
    assert {made.scope(p) for p in (P.CALL_LOG, P.CALL_CORRECT, P.CASE_OPEN, P.CASE_UPDATE, P.GLASS_BREAK)} == {S.NONE}
    assert made.scope(P.CASE_READ) is S.OWN
    assert narrow("operator", {"fields": {"child_identity": "mask"}}).scope(P.PERSON_SEARCH) is S.NONE
    assert narrow("supervisor", {"fields": {"story": "mask"}}).scope(P.IMPORT_READ) is S.NONE


def test_own_rows_of_a_team_are_those_of_its_rows_alone():
    assert narrow("team_supervisor", {"scopes": {"case:read": "own"}}).reach["case"] == OWN_OF_TEAM
    assert narrow("supervisor", {"scopes": {"case:read": "own"}}).reach["case"] == "own"


def test_the_matrix_names_every_scope_and_field_group_of_the_issue():
    assert [scope.value for scope in Scope] == ["none", "own", "assigned", "team", "centre", "all"]
    assert {"child_identity", "contact", "location", "story", "alleged_perpetrator", "health", "risk",
            "case_administration", "statistics"} <= set(FieldGroup)  # fmt: skip
