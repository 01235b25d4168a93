"""The tasks of the registers, run with the worker's own database role."""

from datetime import timedelta

import pytest

from helpline.foundation import clock
from helpline.foundation.ids import new_id
from helpline.registers.commands import MakeExport, OpenBreach
from helpline.registers.services import exporting, recording
from helpline.registers.vocabulary import Affected, Recipient
from tests.factories.calls import do
from tests.factories.cases import open_case
from workers import links, task
from workers.celery_app import celery


@pytest.fixture(autouse=True)
def _as_worker(monkeypatch, worker_app):
    celery.loader.import_default_modules()
    monkeypatch.setattr(task, "flask_app", lambda: worker_app)


@pytest.fixture
def later(tmp_path):
    offset = tmp_path / "offset"
    clock.use_offset_file(offset)
    yield lambda **by: offset.write_text(str(timedelta(**by).total_seconds()))
    clock.use_offset_file(None)


def test_the_clock_is_told_by_mail_and_inbox_and_leads_to_the_log(app, world, rows, later):
    with app.app_context():
        command = OpenBreach(new_id(), clock.now(), (Affected.STORY,), None, None, "A list was mailed to a stranger.")
        do(world.supervisor, recording.open_breach, command)
    celery.tasks["registers.remind_breaches"].run()
    celery.tasks["registers.remind_breaches"].run()
    found = rows(
        "SELECT recipient_id, channel, params FROM messages WHERE template = 'breach_clock' AND centre_id = %s",
        world.centre.id,
    )
    assert {(user, channel) for user, channel, _ in found} == {
        (user.id, channel) for user in (world.admin, world.supervisor) for channel in ("in_app", "mail")
    }
    assert len(found) == 4
    assert "stranger" not in str(found)
    assert links.LINKS["breach_clock"](found[0][2]) == f"/registers/breaches/{command.breach_id}"
    later(hours=25)
    celery.tasks["registers.remind_breaches"].run()
    assert len(rows("SELECT 1 FROM messages WHERE template = 'breach_clock' AND centre_id = %s", world.centre.id)) == 8


def test_what_nobody_downloads_is_destroyed(app, world, rows, later):
    with app.app_context():
        case_id = open_case(world)
        command = MakeExport(new_id(), case_id, Recipient.CHILD, "Herself", "She asked.")
        do(world.supervisor, exporting.make_export, command, lambda _found: {"index.html": "x"})
    state = "SELECT body_sealed IS NULL, gone_at IS NULL FROM exports WHERE id = %s"
    celery.tasks["registers.drop_exports"].run()
    assert rows(state, command.export_id) == [(False, True)]
    later(days=3, minutes=1)
    celery.tasks["registers.drop_exports"].run()
    assert rows(state, command.export_id) == [(True, False)]
    told = "SELECT count(*) FROM audit_entries WHERE action = 'export.expired' AND %s = ANY (subject_ids)"
    assert rows(told, command.export_id) == [(1,)]
