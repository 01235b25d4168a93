"""The people of a journey and the small things they do by API."""

import uuid
from dataclasses import dataclass
from typing import Any

import psycopg
import requests

from helpline.accounts.services.sessions import hash_token
from helpline.foundation.access.engine import holds
from helpline.foundation.access.permissions import Permission
from helpline.foundation.clock import now
from helpline.foundation.context import Actor
from helpline.foundation.ids import new_id
from tests.factories.accounts import MadeCentre, MadeUser, make_centre, make_team, make_user
from tests.journeys.stack import Stack, until

ALL_DAY = {
    "spans": [{"weekday": day, "opens": "00:00", "closes": "00:00"} for day in range(7)],
    "open_on_holidays": True,
}


@dataclass
class Caller:
    """Somebody at the API, with a token of theirs."""

    user: MadeUser
    url: str
    token: str

    def ask(self, method: str, path: str, expect: int = 200, **body: Any) -> Any:
        headers = {"Authorization": f"Bearer {self.token}"}
        kwargs = {"params": body} if method == "GET" else {"json": body}
        answer = requests.request(method, f"{self.url}/api/v1{path}", headers=headers, timeout=30, **kwargs)
        assert answer.status_code == expect, (method, path, answer.status_code, answer.text[:500])
        return answer.json() if answer.content else None


@dataclass
class House:
    centre: MadeCentre
    team: uuid.UUID
    province: uuid.UUID
    people: dict[str, Caller]


def make_token(user: MadeUser) -> str:
    """An API token with all that the user's role holds."""
    token = uuid.uuid4().hex
    actor = Actor(id=user.id, role=user.role, centre_id=user.centre.id)
    scopes = [permission.value for permission in Permission if holds(actor, permission)]
    with psycopg.connect(user.centre.owner_url) as connection:
        connection.execute(
            "INSERT INTO api_tokens (id, user_id, name, token_hash, scopes, created_at) VALUES (%s, %s, 'journey', %s, %s, %s)",
            [new_id(), user.id, hash_token(token), scopes, now()],
        )
    return token


def make_house(stack: Stack) -> House:
    """A centre with a team for Siem Reap, one person of each role, and two clinics by mail."""
    owner = stack.settings.database_owner_url
    centre = make_centre(owner)
    with psycopg.connect(owner) as connection:
        province = connection.execute(
            "SELECT id FROM places WHERE country = 'KH' AND level = 'province' AND code = '17'"
        ).fetchone()[0]
    team = make_team(centre, places=[province])
    people = {}
    for role in ("operator", "caseworker", "team_supervisor", "supervisor", "auditor", "admin"):
        teams = [team] if role in {"operator", "caseworker", "team_supervisor"} else []
        user = make_user(centre, role, *teams)
        people[role] = Caller(user, stack.url, make_token(user))
    house = House(centre, team, province, people)
    for name in ("first", "second"):
        add_clinic(house, name)
    return house


def add_clinic(house: House, name: str) -> None:
    """A clinic open day and night; `first` covers the province alone, so it is nearer than the other."""
    nearer = name == "first"
    house.people["supervisor"].ask(
        "POST", "/agencies", 201, agency_id=str(new_id()), names={"en": f"{name} clinic", "km": f"{name} clinic"},
        kind="health", services=[{"service": "health"}], coverage=[str(house.province)] if nearer else [],
        nationwide=not nearer, email=address(house, name), opening=ALL_DAY, languages=["km"],
    )  # fmt: skip


def address(house: House, name: str) -> str:
    return f"{name}.{house.centre.id.hex[-8:]}@clinic.test"


def link_in(stack: Stack, mailbox: str) -> str:
    """The path of the link in the newest mail to this address; waits for one."""
    mails = until(lambda: stack.receiver.to(mailbox), f"a mail to {mailbox}")
    text = mails[-1].get_content()
    return next(word for word in text.split() if "/r/" in word).partition("/r/")[2]
