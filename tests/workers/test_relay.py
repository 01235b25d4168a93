"""The relay on real PostgreSQL and a real broker: what it may lose, and what it may not."""

import base64
import json
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace

import psycopg
import pytest
import redis
from celery import Celery

from helpline.app import create_app
from helpline.foundation.access.permissions import SystemActor
from helpline.foundation.db import db
from helpline.foundation.ids import new_id
from helpline.settings import ROOT
from tests.journeys.stack import environment, until
from workers import relay, task
from workers.celery_app import celery
from workers.subscriptions import SUBSCRIPTIONS
from workers.task import on_event

DIED = -signal.SIGKILL
handled: list[tuple[str, dict]] = []


@on_event("tests.first", SystemActor.REMINDER)
def first(ctx, payload):
    if payload.get("fails") and not handled:
        handled.append(("failed", payload))
        raise ZeroDivisionError
    handled.append(("first", payload))


@on_event("tests.second", SystemActor.REMINDER)
def second(ctx, payload):
    handled.append(("second", payload))


@pytest.fixture(scope="module")
def urls(make_database, worker_number):
    return make_database(f"helpline_relay_{worker_number}")


@pytest.fixture
def owner(urls):
    with psycopg.connect(urls["owner"], autocommit=True) as connection:
        connection.execute("TRUNCATE outbox_events, handled_events")
        yield connection


@pytest.fixture
def line(urls):
    """The relay's own connection."""
    with psycopg.connect(urls["relay"], autocommit=True) as connection:
        yield connection


@pytest.fixture
def broker(redis_url):
    with redis.Redis.from_url(redis_url) as client:
        client.flushdb()
        yield client
        client.flushdb()


@pytest.fixture
def queued(broker):
    """`queued()`: (task, kwargs) that wait in the broker."""

    def look():
        found = []
        for raw in broker.lrange("default", 0, -1):
            message = json.loads(raw)
            body = json.loads(base64.b64decode(message["body"]))
            found.append((message["headers"]["task"], body[1]))
        return sorted(found, key=lambda each: each[0])

    return look


@pytest.fixture
def app(redis_url, monkeypatch):
    """A sender over this test's broker, set up as the relay's."""
    monkeypatch.setitem(SUBSCRIPTIONS, "tests.happened", ("tests.first", "tests.second"))
    monkeypatch.setitem(SUBSCRIPTIONS, "tests.alone", ("tests.first",))
    sender = Celery("relay-tests", broker=redis_url, set_as_current=False)
    sender.conf.update(task_default_queue=celery.conf.task_default_queue, task_routes=celery.conf.task_routes)
    yield sender
    sender.close()


@pytest.fixture
def worker(settings, urls, monkeypatch):
    """Runs what waits in the broker, as a worker would."""
    handled.clear()
    worker_app = create_app(replace(settings, database_worker_url=urls["worker"]), database_role="worker")
    monkeypatch.setattr(task, "flask_app", lambda: worker_app)

    def run(messages):
        for name, kwargs in messages:
            celery.tasks[name].run(**kwargs)

    yield run
    with worker_app.app_context():
        db.engine.dispose()


def put(owner, name="tests.happened", payload='{"n": 1}'):
    event_id = new_id()
    owner.execute(
        "INSERT INTO outbox_events (id, name, payload, request_id, created_at) VALUES (%s, %s, %s, %s, now())",
        [event_id, name, payload, new_id()],
    )
    return event_id


def make_due(owner):
    owner.execute("UPDATE outbox_events SET next_attempt_at = now() - interval '1 second'")


def settled(owner, event_id):
    return owner.execute("SELECT settled_at IS NOT NULL FROM outbox_events WHERE id = %s", [event_id]).fetchone()[0]


def test_an_event_reaches_each_of_its_handlers_and_closes_when_all_are_done(owner, line, app, queued, worker):
    event_id = put(owner)
    assert relay.dispatch(line, app) == 1
    waiting = queued()
    assert [name for name, _ in waiting] == ["tests.first", "tests.second"]
    assert waiting[0][1] == {"event_id": str(event_id), "payload": {"n": 1}}
    worker(waiting[:1])
    relay.settle(line)
    assert not settled(owner, event_id)
    worker(waiting[1:])
    relay.settle(line)
    assert settled(owner, event_id)
    make_due(owner)
    assert relay.dispatch(line, app) == 0


def test_an_event_nobody_hears_of_closes(owner, line, app, queued):
    event_id = put(owner, "tests.unheard")
    relay.dispatch(line, app)
    relay.settle(line)
    assert (queued(), settled(owner, event_id)) == ([], True)


def test_what_the_broker_loses_is_sent_again_later_and_later(  # noqa: PLR0917
    owner, line, app, broker, queued, worker
):
    event_id, waits = put(owner, "tests.alone"), []
    for _ in range(8):
        make_due(owner)
        assert relay.dispatch(line, app) == 1
        [(wait,)] = owner.execute("SELECT extract(epoch FROM next_attempt_at - now()) FROM outbox_events").fetchall()
        waits.append(round(wait, -1) if wait > 60 else round(wait / 15) * 15)
        assert relay.dispatch(line, app) == 0  # not before its time
        assert len(queued()) == 1
        broker.flushdb()
    assert waits == [15, 30, 60, 120, 240, 480, 600, 600]
    make_due(owner)
    relay.dispatch(line, app)
    worker(queued())
    relay.settle(line)
    assert (handled, settled(owner, event_id)) == ([("first", {"n": 1})], True)


def test_a_task_delivered_twice_does_its_work_once(owner, line, app, queued, worker):
    put(owner, "tests.alone")
    relay.dispatch(line, app)
    worker(queued() * 3)
    assert handled == [("first", {"n": 1})]


def test_work_that_fails_is_not_noted_and_is_done_at_the_next_sending(owner, line, app, queued, worker):
    event_id = put(owner, "tests.alone", '{"fails": 1}')
    relay.dispatch(line, app)
    with pytest.raises(ZeroDivisionError):
        worker(queued())
    relay.settle(line)
    assert not settled(owner, event_id)
    worker(queued())
    relay.settle(line)
    assert (handled, settled(owner, event_id)) == ([("failed", {"fails": 1}), ("first", {"fails": 1})], True)


def test_two_relays_never_send_the_same_event(owner, urls, app, queued):
    ids = {str(put(owner, "tests.alone")) for _ in range(30)}
    start, took = threading.Barrier(2), []

    def run():
        with psycopg.connect(urls["relay"], autocommit=True) as connection:
            start.wait()
            for _ in range(5):
                took.append(relay.dispatch(connection, app))

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(took) == 30
    assert sorted(kwargs["event_id"] for _, kwargs in queued()) == sorted(ids)


@pytest.mark.parametrize("payload", ["[]", "null", "17", '"text"', '{"case_id": null}'])
def test_a_payload_of_another_shape_stops_nothing(owner, line, app, queued, payload):
    put(owner, "tests.alone", payload)
    good = put(owner, "tests.alone")
    assert relay.dispatch(line, app) == 2
    assert str(good) in {kwargs["event_id"] for _, kwargs in queued()}


# --- as a process


@pytest.fixture
def process(settings, urls, redis_url, tmp_path):
    """`process(*points)`: the relay itself, to die at these points. Its subscriptions are the real ones."""
    started = []
    points = tmp_path / "points"
    own = replace(settings, database_relay_url=urls["relay"], redis_url=redis_url, failpoints_path=points)

    def start(*names):
        points.write_text("\n".join(names))
        running = subprocess.Popen(
            [sys.executable, "-m", "workers.relay"], cwd=ROOT, env=environment(own), stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        started.append(running)
        return running

    yield start
    for running in started:
        if running.poll() is None:
            os.kill(running.pid, signal.SIGTERM)
        running.wait(20)


def opened(owner):
    return put(owner, "cases.closed", json.dumps({"case_id": str(new_id()), "centre_id": str(new_id()), "reason": "x"}))


@pytest.mark.parametrize("point", ["relay.after_claim", "relay.after_send"])
def test_a_relay_killed_between_claim_and_commit_loses_nothing(owner, process, queued, point):
    event_id = opened(owner)
    assert process(point).wait(60) == DIED
    assert owner.execute("SELECT attempts FROM outbox_events").fetchall() == [(0,)]
    process()
    until(lambda: [kw for _, kw in queued() if kw["event_id"] == str(event_id)], "the event in the broker")
    until(lambda: owner.execute("SELECT attempts FROM outbox_events").fetchone() == (1,), "the claim")
    mine = [kw for _, kw in queued() if kw["event_id"] == str(event_id)]
    assert len(mine) == (1 if point == "relay.after_claim" else 2)  # the handler's note tells the second


def test_it_wakes_at_once_and_says_that_it_lives(owner, process, queued, broker):
    running = process()
    until(lambda: owner.execute("SELECT 1 FROM heartbeats WHERE part = 'relay'").fetchone(), "the heartbeat")
    lags = []
    for _ in range(3):
        broker.flushdb()
        begun = time.monotonic()
        opened(owner)
        until(queued, "the event in the broker")
        lags.append(time.monotonic() - begun)
    assert min(lags) < relay.SWEEP_SECONDS / 2
    assert running.poll() is None


def test_it_outlives_the_loss_of_its_connection_and_ends_when_asked(owner, process, queued, admin_url):
    running = process()
    until(lambda: owner.execute("SELECT 1 FROM heartbeats WHERE part = 'relay'").fetchone(), "the heartbeat")
    with psycopg.connect(admin_url, autocommit=True) as admin:
        admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'helpline_relay'")
    opened(owner)
    until(queued, "the event in the broker")
    os.kill(running.pid, signal.SIGTERM)
    assert running.wait(20) == 0


# --- who may see the outbox


TABLES = "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace"


def allowed(connection, statement):
    try:
        with connection.transaction(force_rollback=True):
            connection.execute(statement)
    except psycopg.errors.InsufficientPrivilege:
        return False
    return True


def test_the_relays_role_reads_the_outbox_and_what_was_handled_and_nothing_else(owner, line):
    tables = [name for (name,) in owner.execute(TABLES)]
    assert {name for name in tables if allowed(line, f'SELECT 1 FROM "{name}" LIMIT 1')} == {
        "outbox_events", "handled_events", "heartbeats",
    }  # fmt: skip
    assert {name for name in tables if allowed(line, f'DELETE FROM "{name}"')} == set()


@pytest.mark.parametrize("role", ["web", "worker"])
def test_the_others_only_write_into_it(owner, urls, role):
    with psycopg.connect(urls[role], autocommit=True) as connection:
        assert not allowed(connection, "SELECT 1 FROM outbox_events")
        assert not allowed(connection, "UPDATE outbox_events SET settled_at = now()")
        assert not allowed(connection, "DELETE FROM outbox_events")
        # Those who act write into it, as the other tests do; who says nothing of themselves writes nothing.
        assert not allowed(
            connection,
            "INSERT INTO outbox_events (id, name, payload, request_id, created_at)"
            " VALUES (uuidv7(), 'a.b', '{}', uuidv7(), now())",
        )
