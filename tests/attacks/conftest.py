"""What the attacks share: a helpline with somebody of each role, their browsers and tokens, and the tables as they are."""

import re
import uuid
from dataclasses import dataclass
from datetime import timedelta

import psycopg
import pytest
from flask import Flask
from flask.testing import FlaskClient

from helpline.accounts.services import sessions
from helpline.foundation import clock
from tests.architecture.test_doors import ROLES
from tests.factories.accounts import MadeUser, make_centre, make_team, make_user, sign_in
from tests.journeys.people import make_token


def token_of(page) -> str:
    """The anti-forgery token that a page carries for its scripts."""
    return re.search(r'"csrf-token" content="([^"]+)"', page.text)[1]


@dataclass(frozen=True)
class Browser:
    """Somebody's browser, signed in; what its pages send along as the token of their forms."""

    client: FlaskClient
    user: MadeUser

    @property
    def token(self) -> dict[str, str]:
        return {"X-CSRFToken": token_of(self.client.get("/nothing-here"))}


@dataclass(frozen=True)
class Staff:
    """A helpline's people by role."""

    app: Flask
    people: dict[str, MadeUser]

    def browser(self, role: str) -> Browser:
        client = self.app.test_client()
        sign_in(client, self.people[role], fresh=True)
        return Browser(client, self.people[role])

    def bearer(self, role: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {make_token(self.people[role])}"}


@pytest.fixture(scope="module")
def staff(app, database_urls) -> Staff:
    centre = make_centre(database_urls["owner"])
    team = make_team(centre)
    return Staff(app, {role: make_user(centre, role, team) for role in sorted(ROLES)})


@pytest.fixture
def rows(database_urls):
    """`rows(sql, *values)`: whatever the tables hold, past every row rule."""

    def ask(statement, *values):
        with psycopg.connect(database_urls["owner"]) as connection:
            cursor = connection.execute(statement, values)
            return cursor.fetchall() if cursor.description else []

    return ask


@pytest.fixture
def later(tmp_path):
    """`later(minutes=16)`: the clock of the service, that much ahead of ours."""
    offset = tmp_path / "offset"
    clock.use_offset_file(offset)
    yield lambda **by: offset.write_text(str(timedelta(**by).total_seconds()))
    clock.use_offset_file(None)


@pytest.fixture
def _fresh_counters(app):
    sessions.door.counters._redis.flushdb()


def nowhere(rule: str) -> str:
    """A path of this rule whose ids and tokens lead nowhere."""
    path = re.sub(r"<uuid:[^>]+>", str(uuid.uuid4()), rule)
    return path.replace("<token>", "x").replace("<locale>", "en").replace("<path:filename>", "nothing.js")
