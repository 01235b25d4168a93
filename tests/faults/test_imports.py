"""An import whose worker is killed comes in whole, once, all the same; one whose command is killed never does."""

import io
import subprocess
import sys
from datetime import timedelta

import psycopg
import pytest
import requests

from helpline.settings import ROOT
from tests.faults.test_kills import awaiting, count
from tests.imports.test_services import MAPPING
from tests.journeys.people import make_house
from tests.journeys.stack import environment

pytestmark = [pytest.mark.journey, pytest.mark.nightly, pytest.mark.timeout(600)]
ROWS = 1_200  # more than two batches
TEXT = "when;age;child;phone;why;where\n" + "".join(
    f"2025-01-{n % 28 + 1:02} 10:{n % 60:02};{n % 18};Child {n};;neglect;Kep\n" for n in range(ROWS)
)


def expire_leases(house):
    """What a minute does."""
    with psycopg.connect(house.centre.owner_url) as connection:
        connection.execute(
            "UPDATE call_imports SET leased_until = leased_until - %s WHERE centre_id = %s",
            [timedelta(minutes=2), house.centre.id],
        )


def bring(house):
    supervisor = house.people["supervisor"]
    answer = requests.post(
        f"{supervisor.url}/api/v1/imports", headers={"Authorization": f"Bearer {supervisor.token}"},
        files={"file": ("log.csv", io.BytesIO(TEXT.encode()))}, timeout=30,
    )  # fmt: skip
    assert answer.status_code == 201, answer.text[:500]
    path, made = f"/imports/{answer.json()['id']}", answer.json()
    supervisor.ask("PUT", f"{path}/mapping", 200, version=made["version"], document=MAPPING, save=True)
    return path


def take(stack, house, path, step, state):
    supervisor = house.people["supervisor"]
    supervisor.ask("POST", f"{path}/step", 202, version=supervisor.ask("GET", path)["version"], step=step)
    awaiting(stack, lambda: supervisor.ask("GET", path)["state"] in {state, step}, step)


@pytest.mark.parametrize("failpoint", ["imports.after_batch", "imports.before_commit"])
def test_a_worker_killed_amid_an_import(stack, failpoint):
    house = make_house(stack)
    path = bring(house)
    stack.arm(failpoint)
    for step, state in (("checking", "checked"), ("importing", "done")):
        take(stack, house, path, step, state)
        dying = (failpoint == "imports.after_batch") == (step == "checking")
        if dying:
            awaiting(stack, stack.disarmed, failpoint)
            assert count(house, "SELECT count(*) FROM calls WHERE centre_id = %s") == 0
            expire_leases(house)
        supervisor = house.people["supervisor"]
        awaiting(stack, lambda state=state, who=supervisor: who.ask("GET", path)["state"] == state, state)
    assert supervisor.ask("GET", path)["calls_added"] == ROWS
    for table in ("calls", "call_identities"):
        assert count(house, f"SELECT count(*) FROM {table} WHERE centre_id = %s") == ROWS
    for table in ("call_import_rows", "call_import_chunks"):
        waiting = f"SELECT count(*) FROM {table} WHERE import_id IN (SELECT id FROM call_imports WHERE centre_id = %s)"
        assert count(house, waiting) == 0


@pytest.mark.parametrize("failpoint", ["imports.after_batch", "imports.before_commit"])
def test_a_command_killed_amid_an_import_beside_a_running_service(stack, failpoint, tmp_path):
    house = make_house(stack)
    house.people["supervisor"].ask("DELETE", bring(house), 204)  # its mapping stays
    log = tmp_path / "log.csv"
    log.write_text(TEXT)
    with psycopg.connect(house.centre.owner_url) as connection:
        code = connection.execute("SELECT code FROM centres WHERE id = %s", [house.centre.id]).fetchone()[0]
    stack.arm(failpoint)
    command = [
        "import-calls",
        str(log),
        "--centre",
        code,
        "--as",
        house.people["supervisor"].user.login,
        "--mapping",
        "small",
    ]
    done = subprocess.run(
        [sys.executable, "-m", "helpline.cli", *command], cwd=ROOT, env=environment(stack.settings), check=False,
        capture_output=True, timeout=120,
    )  # fmt: skip
    assert done.returncode < 0, done.stdout.decode()
    expire_leases(house)
    supervisor = house.people["supervisor"]
    awaiting(stack, lambda: supervisor.ask("GET", "/imports")["items"][0]["state"] == "failed", "its end")
    rows = "SELECT count(*) FROM call_import_rows WHERE import_id IN (SELECT id FROM call_imports WHERE centre_id = %s)"
    assert count(house, rows) == 0
    assert count(house, "SELECT count(*) FROM calls WHERE centre_id = %s") == 0
