"""The register of processing is as whole as the classification of columns, and says what the matrix says."""

import pytest

from helpline.foundation.access.permissions import Role
from helpline.foundation.errors import Forbidden
from helpline.registers.services import processing
from helpline.web.words import WORDS
from tests.architecture.test_sealed import NO_CHILD, SEALED, WHY
from tests.factories.calls import do

KEEPERS = ("supervisor", "admin", "auditor")


def test_every_table_is_in_exactly_one_activity():
    named = [table for activity in processing.ACTIVITIES for table in activity.tables]
    assert len(named) == len(set(named))
    assert set(named) == set(NO_CHILD) | set(WHY)


def test_every_sealed_column_stands_in_it():
    found = {
        table["name"]: set(table["sealed"])
        for activity in processing.ACTIVITIES for table in processing.describe(activity)["tables"] if table["sealed"]
    }  # fmt: skip
    assert found == SEALED


def test_what_serves_no_person_holds_no_child():
    [machinery] = [each for each in processing.ACTIVITIES if each.code == "machinery"]
    assert not set(machinery.tables) & set(SEALED)


@pytest.mark.parametrize("activity", processing.ACTIVITIES, ids=lambda activity: activity.code)
def test_every_code_has_words(activity):
    assert activity.code in WORDS["activity"]
    assert activity.keeping in WORDS["keeping"]
    assert set(activity.recipients) <= set(WORDS["given_to"])


def test_no_words_are_idle():
    assert set(WORDS["activity"]) == {activity.code for activity in processing.ACTIVITIES}
    assert set(WORDS["keeping"]) == {activity.keeping for activity in processing.ACTIVITIES}
    assert set(WORDS["given_to"]) == {code for activity in processing.ACTIVITIES for code in activity.recipients}


READERS = {  # by hand: who reads what of it, as people understand the matrix
    "cases": {"operator", "caseworker", "team_supervisor", "supervisor", "partner"},
    "giving": {"team_supervisor", "supervisor", "admin", "auditor"},
    "breaches": {"supervisor", "admin", "auditor"},
    "audit": {"supervisor", "auditor"},
    "keeping": {"supervisor", "admin", "auditor"},
    "machinery": set(),
}


@pytest.mark.parametrize("code", READERS)
def test_who_reads(code):
    [activity] = [each for each in processing.ACTIVITIES if each.code == code]
    assert {reader["role"] for reader in processing.describe(activity)["readers"]} == READERS[code]


def test_admin_and_auditor_read_no_story_anywhere():
    for activity in processing.ACTIVITIES:
        for reader in processing.describe(activity)["readers"]:
            if reader["role"] in {"admin", "auditor"}:
                assert "story" not in reader["groups"]


@pytest.mark.parametrize("role", sorted(set(Role) - {Role.PARTNER}))
def test_who_looks_at_it(app, world, role, rows, refusals):
    user = getattr(world, role)
    with app.app_context():
        if role not in KEEPERS:
            with pytest.raises(Forbidden):
                do(user, processing.read_processing)
            assert refusals(user) == 1
            return
        assert len(do(user, processing.read_processing)[1]) == len(processing.ACTIVITIES)
    assert rows("SELECT action FROM audit_entries WHERE actor_id = %s", user.id) == [("processing.read",)]
