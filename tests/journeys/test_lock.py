"""The emergency lock and the renewal of the master key, over real processes and real servers."""

import re
import shutil
import subprocess
import sys
import time
from dataclasses import replace

import psycopg
import pytest
import redis
import requests

from helpline.foundation.clock import now
from helpline.foundation.crypto.keyfile import machine_beside
from helpline.foundation.crypto.keyring import KeyRing, wrapped_under
from helpline.foundation.crypto.sealed import wrapped_keys
from helpline.foundation.crypto.watch import LOOK_SECONDS
from helpline.foundation.db import db
from helpline.foundation.ids import new_id
from helpline.settings import ROOT
from tests.factories.accounts import PASSWORD, set_password
from tests.journeys.people import make_house
from tests.journeys.stack import environment, service, until

pytestmark = [pytest.mark.journey, pytest.mark.timeout(600)]
STORY = "Canary: bruises on both arms."


@pytest.fixture(scope="module")
def stack(settings, make_database, worker_number, tmp_path_factory):
    """A service with keys of its own, which three holders share."""
    urls = make_database(f"helpline_lock_{worker_number}")
    with redis.Redis.from_url(settings.redis_url) as client:
        client.flushdb()
    folder = tmp_path_factory.mktemp("lock")
    path = folder / "keys.json"
    shutil.copy2(settings.keys_path, path)
    shutil.copy2(machine_beside(settings.keys_path), machine_beside(path))
    own = replace(
        settings, database_url=urls["web"], database_worker_url=urls["worker"], database_relay_url=urls["relay"],
        database_owner_url=urls["owner"], database_search_url=urls["search"], keys_path=path,
    )  # fmt: skip
    with service(own, folder) as running:
        running.start()
        running.wait_ready()
        yield running


@pytest.fixture(scope="module")
def codes(stack):
    return KeyRing.open(stack.settings.keys_path).make_shares(3)


@pytest.fixture(scope="module")
def house(stack):
    house = make_house(stack)
    for person in house.people.values():
        set_password(person.user)
    return house


def sql(stack, statement, *args):
    with psycopg.connect(stack.settings.database_owner_url) as connection:
        cursor = connection.execute(statement, args)
        return cursor.fetchall() if cursor.description else []


def csrf(page):
    return re.search(r'name="csrf_token" value="([^"]+)"', page.text)[1]


def signed_in(stack, person):
    browser = requests.Session()
    page = browser.get(f"{stack.url}/sign-in", timeout=30)
    data = {"csrf_token": csrf(page), "login": person.user.login, "password": PASSWORD}
    assert browser.post(f"{stack.url}/sign-in", data=data, timeout=30).status_code == 200
    sql(stack, "UPDATE user_sessions SET factor_at = now() WHERE user_id = %s AND ended_at IS NULL", person.user.id)
    return browser


def log_call(house):
    return house.people["operator"].ask(
        "POST", "/calls", 201, call_id=str(new_id()), place_id=str(house.province), children=[{"age": 9}],
        narrative=STORY,
    )["id"]  # fmt: skip


def closed(stack):
    page = requests.get(f"{stack.url}/sign-in", timeout=30)
    return page.status_code == 503 and "closed at the moment" in page.text


def let_go(stack):
    """How often a process of web or worker let go of its keys, by its own log."""
    return sum(stack.log(name).count('"keys.changed"') for name in ("web", "worker"))


def wait_locked(stack):
    began = time.monotonic()
    machine = machine_beside(stack.settings.keys_path)
    until(lambda: closed(stack) and not machine.exists(), "the lock")
    until(lambda: stack.log("worker").count('"closed"') >= 1, "the worker to let go")
    return time.monotonic() - began


def ask_for_mail(stack, house):
    """Something happens that a worker must tell somebody of."""
    user = house.people["operator"].user
    payload = {
        "user_id": str(user.id),
        "centre_id": str(user.centre.id),
        "version": 1,
        "expires_at": now().isoformat(),
    }
    event = new_id()
    sql(
        stack, "INSERT INTO outbox_events (id, name, payload, request_id, created_at) VALUES (%s, %s, %s, %s, %s)",
        event, "accounts.password_reset_requested", psycopg.types.json.Jsonb(payload), new_id(), now(),
    )  # fmt: skip
    return event, user.email


def open_by_page(stack, first, second):
    return requests.post(f"{stack.url}/open", data={"first": first, "second": second}, timeout=30)


def test_locked_by_page_nothing_opens_anything_until_two_holders_do(stack, house, codes):
    call = log_call(house)
    event, address = ask_for_mail(stack, house)
    until(lambda: stack.receiver.to(address), "a mail, so that a worker has its keys")
    mails = len(stack.receiver.mails)
    browser = signed_in(stack, house.people["operator"])
    page = browser.get(f"{stack.url}/close", timeout=30)
    assert browser.post(f"{stack.url}/close", data={"csrf_token": csrf(page)}, timeout=30).status_code == 200
    wait_locked(stack)
    assert LOOK_SECONDS * 4 < 10
    assert requests.get(f"{stack.url}/readyz", timeout=30).json() == {"status": "closed"}
    assert requests.get(f"{stack.url}/healthz", timeout=30).status_code == 200
    assert house.people["operator"].ask("GET", f"/calls/{call}", 503)["code"] == "closed"
    event, address = ask_for_mail(stack, house)
    time.sleep(3 * LOOK_SECONDS)  # the relay sweeps, and beat calls, every two seconds
    assert sql(stack, "SELECT attempts, settled_at FROM outbox_events WHERE id = %s", event) == [(0, None)]
    assert len(stack.receiver.mails) == mails
    # Started again it is as closed as before, and a copy of the machine key that is put back does not help.
    stack.kill("web")
    stack.start("web")
    until(lambda: _answers(stack) and closed(stack), "the web process, closed")
    for shares in ((codes[0], codes[0]), (codes[0], "0" * 40), (codes[0], "")):
        refused = open_by_page(stack, *shares)
        assert refused.status_code == 422
        assert codes[0] not in refused.text
    assert closed(stack)
    opened = open_by_page(stack, codes[2], codes[0])
    assert opened.status_code == 200
    until(stack.ready, "everything, without a restart")
    assert house.people["operator"].ask("GET", f"/calls/{call}")["narrative"] == STORY
    until(lambda: len(stack.receiver.mails) > mails, "the mail that waited")
    log_call(house)
    assert browser.get(f"{stack.url}/inbox", timeout=30).url.split("?")[0].endswith("/unlock"), (
        "pages left open ask for a password"
    )
    logs = stack.log("web") + stack.log("worker") + stack.log("relay")
    assert not any(code in logs for code in codes)
    assert "task.failed" not in stack.log("worker")


def _answers(stack):
    try:
        return requests.get(f"{stack.url}/healthz", timeout=5).ok
    except requests.ConnectionError:
        return False


def test_locked_by_link_and_opened_by_command(stack, house, codes):
    admin = signed_in(stack, house.people["admin"])
    page = admin.post(
        f"{stack.url}/keys/link", data={"csrf_token": csrf(admin.get(f"{stack.url}/keys", timeout=30))}, timeout=30
    )
    link = re.search(r"http://\S+?/close/[\w=-]+", page.text)[0]
    assert requests.get(link, timeout=30).status_code == 200
    assert not closed(stack)
    assert requests.post(link, timeout=30).status_code == 200
    wait_locked(stack)
    command = [sys.executable, "-m", "helpline.cli", "open-keys"]
    for typed, code in ((f"{codes[0]}\n{codes[0]}\n", 1), (f"{codes[1]}\n{codes[2]}\n", 0)):
        done = subprocess.run(
            command, input=typed, text=True, capture_output=True, cwd=ROOT, env=environment(stack.settings), check=False
        )
        assert done.returncode == code, done.stderr
        assert not any(one in done.stdout + done.stderr for one in codes)
    until(stack.ready, "everything, opened by command")
    log_call(house)


def test_locked_by_command_while_the_web_runs(stack, house, codes):
    command = [sys.executable, "-m", "helpline.cli", "lock-keys"]
    done = subprocess.run(
        command, text=True, capture_output=True, cwd=ROOT, env=environment(stack.settings), check=False
    )
    assert (done.returncode, done.stdout) == (0, "Locked.\n"), done.stderr
    assert not machine_beside(stack.settings.keys_path).exists()
    until(lambda: closed(stack), "the lock")
    prepared = subprocess.run(
        [sys.executable, "-m", "helpline.cli", "prepare"], text=True, capture_output=True, cwd=ROOT,
        env=environment(stack.settings), check=False,
    )  # fmt: skip
    assert prepared.returncode == 0, prepared.stderr
    assert "keys are locked" in prepared.stdout
    assert open_by_page(stack, codes[0], codes[1]).status_code == 200
    until(stack.ready, "everything")


def versions(stack):
    found = set()
    for table, columns in wrapped_keys(db.metadata).items():
        for column in columns:
            found |= {
                wrapped_under(key) for (key,) in sql(stack, f"SELECT {column} FROM {table} WHERE {column} IS NOT NULL")
            }
    return found


@pytest.mark.parametrize("point", ["keys.rotate.after_master", "keys.rotate.before_commit", "keys.rotate.after_commit"])
def test_a_renewal_killed_amid_goes_on_while_calls_are_logged(stack, house, point):
    calls = [log_call(house) for _ in range(3)]
    admin = signed_in(stack, house.people["admin"])
    stack.arm(point)
    page = admin.get(f"{stack.url}/keys", timeout=30)
    assert admin.post(f"{stack.url}/keys/rotation", data={"csrf_token": csrf(page)}, timeout=30).status_code == 200

    def finished():
        calls.append(log_call(house))
        return sql(stack, "SELECT count(*) FROM key_rotations WHERE finished_at IS NULL") == [(0,)]

    until(finished, "the renewal")
    assert stack.disarmed(), f"nobody came by {point}"
    current = KeyRing.open(stack.settings.keys_path).current_version
    time.sleep(2 * LOOK_SECONDS)  # until every process wraps under the new one
    newest = log_call(house)
    assert wrapped_under(sql(stack, "SELECT record_key FROM calls WHERE id = %s", newest)[0][0]) == current
    for call in (*calls, newest):
        assert house.people["operator"].ask("GET", f"/calls/{call}")["narrative"] == STORY


def test_renewed_by_command(stack, house):
    call = log_call(house)
    done = subprocess.run(
        [sys.executable, "-m", "helpline.cli", "rotate-keys"], text=True, capture_output=True, cwd=ROOT,
        env=environment(stack.settings), check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert re.search(r"\d+ records have their keys under master key \d+", done.stdout)
    assert house.people["operator"].ask("GET", f"/calls/{call}")["narrative"] == STORY
