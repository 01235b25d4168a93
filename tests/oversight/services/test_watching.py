"""Unusual reading is noticed once, told to those who can ask, and settled by somebody else than whom it is about."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import psycopg
import pytest

from helpline.foundation.access.permissions import Role, SystemActor
from helpline.foundation.audit.recorder import showed
from helpline.foundation.clock import now
from helpline.foundation.context import system_context
from helpline.foundation.crypto.records import new_record_key
from helpline.foundation.db import unit_of_work
from helpline.foundation.errors import Conflict, Forbidden, Invalid, NotFound
from helpline.foundation.ids import new_id
from helpline.oversight.rules import LIMITS
from helpline.oversight.services import watching
from helpline.oversight.vocabulary import AlertKind
from tests.factories.accounts import make_centre, make_user

NOON = datetime.now(ZoneInfo("Asia/Phnom_Penh")).replace(hour=12, minute=5, second=0) - timedelta(days=1)
MIDNIGHT = NOON.replace(hour=23)
HOUR = LIMITS[Role.CASEWORKER][AlertKind.MANY_IN_HOUR]
NIGHT = LIMITS[Role.CASEWORKER][AlertKind.AT_NIGHT]


@pytest.fixture
def people(audit):
    return {role: make_user(audit.centre, role) for role in ("caseworker", "operator", "auditor")} | {
        "supervisor": audit.person
    }


def read(audit, user, count, *, at=NOON, together=1, groups=("story", "risk")):
    """Open so many records, or see them in lists of so many together."""
    ids = [new_id() for _ in range(count)]
    for start in range(0, count, together):
        with audit.app.app_context(), unit_of_work(user.ctx(at=at)):
            for record_id in ids[start : start + together]:
                showed("case", record_id, groups)
    return ids


def watch(audit):
    audit.seal()
    with audit.app.app_context(), unit_of_work(system_context(SystemActor.WATCHER)) as ctx:
        return watching.watch(ctx)


def alerts(audit):
    with audit.owner() as connection:
        return connection.execute(
            "SELECT user_id, kind, records FROM reading_alerts ORDER BY raised_at, kind"
        ).fetchall()


def told(audit):
    with audit.owner() as connection:
        return {
            row[0] for row in connection.execute("SELECT recipient_id FROM messages WHERE template = 'reading_alert'")
        }


def test_a_busy_hour_is_no_alert_and_one_more_record_is(audit, people):
    user = people["caseworker"]
    read(audit, user, HOUR.opened)
    watch(audit)
    assert alerts(audit) == []
    read(audit, user, 1)
    watch(audit)
    assert alerts(audit) == [(user.id, "many_in_hour", HOUR.opened + 1)]


def test_it_is_said_once_a_window_however_often_it_is_looked_at(audit, people):
    user = people["caseworker"]
    for _ in range(3):
        read(audit, user, HOUR.opened + 1)
        watch(audit)
    assert [kind for _user, kind, _n in alerts(audit)] == ["many_in_hour"]
    with audit.owner() as connection:
        raised = connection.execute("SELECT count(*) FROM audit_entries WHERE action = 'alert.raised'").fetchone()[0]
    assert raised == 1


def test_the_same_records_again_are_no_more_records(audit, people):
    user, again = people["caseworker"], new_id()
    for _ in range(HOUR.opened + 5):
        with audit.app.app_context(), unit_of_work(user.ctx(at=NOON)):
            showed("case", again, ["story"])
    watch(audit)
    assert alerts(audit) == []


def test_lists_gone_through_count_by_a_limit_of_their_own(audit, people):
    user = people["caseworker"]
    read(audit, user, HOUR.listed, together=50)
    watch(audit)
    assert alerts(audit) == []
    read(audit, user, 1, together=50)
    watch(audit)
    assert alerts(audit) == [(user.id, "many_in_hour", HOUR.listed + 1)]


def test_dates_and_risks_are_not_reading(audit, people):
    read(audit, people["caseworker"], HOUR.opened + 1, groups=("risk", "case_administration"))
    watch(audit)
    assert alerts(audit) == []


def test_several_records_at_night(audit, people):
    read(audit, people["caseworker"], NIGHT.opened, at=MIDNIGHT)
    read(audit, people["operator"], NIGHT.opened + 1, at=MIDNIGHT)
    watch(audit)
    assert alerts(audit) == [], "one emergency is no habit, and operators work at night"
    read(audit, people["caseworker"], 1, at=MIDNIGHT)
    watch(audit)
    assert alerts(audit) == [(people["caseworker"].id, "at_night", NIGHT.opened + 1)]


def test_trying_a_record_that_is_closed_to_one(audit, people):
    user, closed, other = people["caseworker"], new_id(), new_id()
    with audit.owner() as connection:
        connection.execute(
            "INSERT INTO grants (id, principal_id, kind, record_id, effect, reason, source_id, granted_by, from_at)"
            " VALUES (%s, %s, 'case', %s, 'deny', 'closed_to', %s, %s, now())",
            [new_id(), user.id, closed, closed, audit.person.id],
        )
    for record_id in (other, closed):
        with pytest.raises(NotFound), audit.app.app_context(), unit_of_work(user.ctx()):
            raise NotFound("case", record_id)
        watch(audit)
        assert alerts(audit) == ([] if record_id == other else [(user.id, "denied", 1)])


def test_supervisors_and_auditors_are_told_but_not_whom_it_is_about(audit, people):
    stranger = make_user(make_centre(audit.urls["owner"]), "supervisor")
    read(audit, people["supervisor"], LIMITS[Role.SUPERVISOR][AlertKind.MANY_IN_HOUR].opened + 1)
    watch(audit)
    assert people["auditor"].id in told(audit)
    assert not told(audit) & {people["supervisor"].id, people["caseworker"].id, stranger.id}


def test_an_old_audit_alarms_nobody(audit, people):
    read(audit, people["caseworker"], HOUR.opened + 1, at=NOON - timedelta(days=30))
    watch(audit)
    assert alerts(audit) == []


def raise_in(owner_url, user):
    alert_id = new_id()
    with psycopg.connect(owner_url) as connection:
        connection.execute(
            "INSERT INTO reading_alerts (id, centre_id, user_id, kind, from_at, until_at, records, raised_at, record_key)"
            " VALUES (%s, %s, %s, 'at_night', %s, %s, 7, %s, %s)",
            [alert_id, user.centre.id, user.id, NOON, NOON, now(), new_record_key("reading_alerts", alert_id)],
        )
    return alert_id


def state(owner_url, alert_id):
    with psycopg.connect(owner_url) as connection:
        return connection.execute(
            "SELECT settled_by, note_sealed FROM reading_alerts WHERE id = %s", [alert_id]
        ).fetchone()


@pytest.mark.parametrize("role", ["supervisor", "auditor"])
def test_settling(app, database_urls, make_person, role):
    alert_id, settler = raise_in(database_urls["owner"], make_person("caseworker")), make_person(role)
    with app.app_context(), unit_of_work(settler.ctx()) as ctx:
        watching.settle_alert(ctx, alert_id, " A handover. ")
    by, note = state(database_urls["owner"], alert_id)
    assert by == settler.id
    assert b"handover" not in note
    with app.app_context(), unit_of_work(settler.ctx()) as ctx:
        [shown] = watching.list_alerts(ctx, settled=True)
        assert shown.note == "A handover."
        assert watching.list_alerts(ctx, settled=False) == []
    with pytest.raises(Conflict), app.app_context(), unit_of_work(settler.ctx()) as ctx:
        watching.settle_alert(ctx, alert_id, "Again")


def test_settling_needs_words(app, database_urls, make_person):
    alert_id = raise_in(database_urls["owner"], make_person("caseworker"))
    with pytest.raises(Invalid), app.app_context(), unit_of_work(make_person("supervisor").ctx()) as ctx:
        watching.settle_alert(ctx, alert_id, "  ")
    assert state(database_urls["owner"], alert_id) == (None, None)


def test_nobody_sees_or_settles_what_is_about_themselves(app, database_urls, make_person):
    about = make_person("supervisor")
    alert_id = raise_in(database_urls["owner"], about)
    with app.app_context(), unit_of_work(about.ctx()) as ctx:
        assert watching.list_alerts(ctx, settled=False) == []
    with pytest.raises(NotFound), app.app_context(), unit_of_work(about.ctx()) as ctx:
        watching.settle_alert(ctx, alert_id, "Nothing to see")
    assert state(database_urls["owner"], alert_id) == (None, None)


def test_another_centres_alerts_do_not_exist(app, database_urls, make_person):
    alert_id = raise_in(database_urls["owner"], make_person("caseworker"))
    stranger = make_user(make_centre(database_urls["owner"]), "supervisor")
    with pytest.raises(NotFound), app.app_context(), unit_of_work(stranger.ctx()) as ctx:
        watching.settle_alert(ctx, alert_id, "x")


@pytest.mark.parametrize("role", ["operator", "caseworker", "team_supervisor", "admin"])
def test_others_may_not(app, database_urls, make_person, role):
    alert_id, actor = raise_in(database_urls["owner"], make_person("caseworker")), make_person(role)
    for attempt in (
        lambda ctx: watching.settle_alert(ctx, alert_id, "x"),
        lambda ctx: watching.list_alerts(ctx, settled=False),
    ):
        with pytest.raises(Forbidden), app.app_context(), unit_of_work(actor.ctx()) as ctx:
            attempt(ctx)
    assert state(database_urls["owner"], alert_id) == (None, None)


def test_only_the_watcher_watches(audit):
    with pytest.raises(Forbidden), audit.app.app_context(), unit_of_work(audit.person.ctx()) as ctx:
        watching.watch(ctx)
