"""How tasks run: the settings that make a crash harmless, and a base that does an event's work once."""

import shlex
from dataclasses import replace

import pytest
import yaml
from sqlalchemy.exc import OperationalError

from helpline.app import create_app
from helpline.embedded.supervisor import commands
from helpline.foundation import failpoints
from helpline.foundation.access.permissions import SystemActor
from helpline.foundation.audit.recorder import record
from helpline.foundation.context import current_context
from helpline.foundation.errors import Forbidden
from helpline.foundation.ids import new_id
from helpline.settings import ROOT, Settings
from workers import schedule, task
from workers.celery_app import celery
from workers.subscriptions import SUBSCRIPTIONS
from workers.task import TRANSIENT, on_event

done: list[dict] = []


@on_event("tests.noted", SystemActor.REMINDER)
def noted(ctx, payload):
    done.append(payload | {"ctx": ctx, "seen": current_context()})
    record(ctx, "tests.noted", "thing", new_id())
    if payload.get("fail") == "refuse":
        raise Forbidden("case:assign")
    if payload.get("fail"):
        raise ZeroDivisionError


@pytest.fixture(autouse=True)
def _as_worker(monkeypatch, worker_app):
    monkeypatch.setattr(task, "flask_app", lambda: worker_app)
    done.clear()


def run(event_id, **payload):
    celery.tasks["tests.noted"].run(event_id=str(event_id), payload=payload, later_argument="of a newer version")


def test_a_killed_worker_or_an_emptied_broker_loses_no_task():
    conf = celery.conf
    assert conf.task_acks_late
    assert conf.task_reject_on_worker_lost
    assert conf.task_ignore_result
    assert conf.result_backend is None
    assert conf.worker_prefetch_multiplier == 1
    assert conf.task_soft_time_limit < conf.task_time_limit < conf.broker_transport_options["visibility_timeout"]
    assert (conf.task_serializer, conf.accept_content) == ("json", ["json"])
    assert not conf.worker_hijack_root_logger


def test_no_task_outlives_the_hard_limit_by_options_of_its_own():
    for name, each in celery.tasks.items():
        if not name.startswith("celery."):
            assert (each.time_limit or 0) < celery.conf.broker_transport_options["visibility_timeout"], name
            assert each.acks_late, name


def queues_of(command):
    return set(command[command.index("--queues") + 1].split(","))


def test_every_queue_named_is_listened_to_here_and_in_compose():
    named = {celery.conf.task_default_queue, *(route["queue"] for route in celery.conf.task_routes.values())}
    assert named == queues_of(commands(Settings(), ROOT)["worker"])
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]["worker"]["command"]
    assert named == queues_of(compose if isinstance(compose, list) else shlex.split(compose))


def test_every_handler_and_every_job_of_beat_is_a_task():
    celery.loader.import_default_modules()
    wanted = {name for names in SUBSCRIPTIONS.values() for name in names}
    wanted |= {entry["task"] for entry in schedule.celery.conf.beat_schedule.values()}
    assert wanted <= set(celery.tasks)


def test_beat_repeats_nothing_that_has_waited_for_long():
    for name, entry in schedule.celery.conf.beat_schedule.items():
        assert entry["options"]["expires"] <= 60, name


def test_an_events_work_is_done_once_by_its_system_actor(rows):
    event_id = new_id()
    for _ in range(3):
        run(event_id, n=1)
    [only] = done
    assert (only["ctx"].actor.role, only["ctx"].cause_id) == ("reminder", event_id)
    assert only["seen"] == only["ctx"]
    assert rows("SELECT handler FROM handled_events WHERE event_id = %s", event_id) == [("tests.noted",)]
    assert rows("SELECT action, outcome FROM audit_entries WHERE cause_id = %s", event_id) == [("tests.noted", "done")]


def test_work_that_fails_leaves_neither_its_effect_nor_its_note(rows):
    event_id = new_id()
    with pytest.raises(ZeroDivisionError):
        run(event_id, fail=True)
    assert rows("SELECT 1 FROM handled_events WHERE event_id = %s", event_id) == []
    assert rows("SELECT 1 FROM audit_entries WHERE cause_id = %s", event_id) == []
    run(event_id)
    assert len(done) == 2


def test_a_refusal_leaves_one_entry(rows):
    event_id = new_id()
    with pytest.raises(Forbidden):
        run(event_id, fail="refuse")
    assert rows("SELECT action, outcome FROM audit_entries WHERE cause_id = %s", event_id) == [
        ("case:assign", "refused")
    ]


def test_faults_that_pass_are_tried_again_and_others_are_left_to_the_relay():
    each = celery.tasks["tests.noted"]
    assert set(each.autoretry_for) == set(TRANSIENT) >= {OperationalError, ConnectionError}
    assert each.retry_jitter
    assert 0 < each.retry_backoff_max <= 60  # no countdown beyond a minute
    assert each.max_retries


def test_a_workers_application_knows_where_it_is_to_die(settings, tmp_path):
    create_app(replace(settings, failpoints_path=tmp_path / "points"), database_role="worker")
    assert failpoints._file == [tmp_path / "points"]
    create_app(settings, database_role="worker")
    assert failpoints._file == []
