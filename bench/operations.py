"""What is measured: for each operation, the requests it takes and the goals that STACK.md sets."""

import json
import re
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from bench.asking import Ask, Client, Inside
from bench.house import PASSWORD, House
from bench.options import CASES, Options
from helpline.foundation.ids import new_id

PHONE = "012 345 678"
EARLIER = 3  # calls from it
BODY_BYTES = 2048
_CSRF = re.compile(r'name="csrf_token" value="([^"]+)"')

Make = Callable[[Client, int], list[Ask]]


@dataclass(frozen=True)
class Operation:
    """`make(client, number)` gives the requests that are timed together; what it sends itself is not timed.

    `goals`: most times the floor, for each number of clients. `most`: requests of one measurement.
    """

    name: str
    make: Make
    goals: tuple[int | None, ...] = (None, None)
    most: int = 1_000_000


def post(path: str, token: str, expect: int = 201, **body: Any) -> Ask:
    return Ask("POST", f"/api/v1{path}", expect, token, json.dumps(body).encode())


def call_body(house: House, number: int, phone: str = "") -> dict[str, Any]:
    """A call of 2 KB as JSON."""
    body = {
        "call_id": str(new_id()), "relation": "neighbour", "place_id": str(house.province),
        "caller": {"name": "Sok Dara", "phone": phone or f"011 {number % 1_000_000:06}"},
        "children": [{"name": "Chan Bopha", "age": 9, "age_known": "about", "gender": "female"}],
        "categories": ["violence.physical_violence", "violence.neglect"], "actions": ["counselling"],
        "danger": {"hurt": "yes"}, "narrative": "",
    }  # fmt: skip
    said = "A neighbour hears it through the wall at night, and the girl does not come to school. "
    return body | {"narrative": (said * 30)[: BODY_BYTES - len(json.dumps(body))]}


def open_case(house: House, spare: Iterator[tuple[uuid.UUID, uuid.UUID]]) -> Make:
    """Of the next call without one."""

    def make(_client: Client, number: int) -> list[Ask]:
        call_id, child_id = next(spare)
        return [post(
            "/cases", house.operators[0].token, case_id=str(new_id()), call_id=str(call_id),
            child_person_id=str(child_id), needs=["health"], summary="Hurt at home" + " again" * (number % 5),
        )]  # fmt: skip

    return make


def operations(house: House, options: Options, inside: Inside) -> list[Operation]:
    """In the order of the table. Logs what is read later: some calls from one number, and cases with notes."""
    operator, supervisor = house.operators[0].token, house.supervisor.token
    spare = iter(house.spare)
    cases = cases_with_notes(house, inside)

    def read(*paths: str) -> Make:
        return reading(cases, *("/api/v1" + path for path in paths), token=supervisor)

    return [
        Operation("sign in", sign_in(house), most=options.sign_ins),
        Operation("log a call", lambda _, number: [post("/calls", operator, **call_body(house, number))], (15, 20)),
        Operation("open a case", open_case(house, spare), (20, 30)),
        Operation("case with its timeline", read("/cases/{case}", "/cases/{case}/timeline"), (11, 16)),
        Operation("caller by phone number", lambda *_: [post("/calls/earlier", operator, 200, phone=PHONE)], (9, None)),
        Operation("first page of cases", read("/cases"), (10, None)),
        Operation("first page of calls", read("/calls")),
        Operation("figures of a month", read("/figures?period=month")),
        Operation("figures of all time", read("/figures?period=all")),
    ]


def reading(cases: list[str], *paths: str, token: str) -> Make:
    """These addresses, of one case after the other."""
    return lambda _client, number: [Ask("GET", path.format(case=cases[number % CASES]), token=token) for path in paths]


def sign_in(house: House) -> Make:
    """A browser that comes for the first time, each time; only the posting of the form is timed."""

    def make(client: Client, number: int) -> list[Ask]:
        client.forget()
        found = _CSRF.search(client.send(Ask("GET", "/sign-in")))
        assert found
        login = house.operators[number % len(house.operators)].login
        form = {"csrf_token": found[1], "login": login, "password": PASSWORD}
        kind = "application/x-www-form-urlencoded"
        return [Ask("POST", "/sign-in", 303, body=urlencode(form).encode(), kind=kind)]

    return make


def cases_with_notes(house: House, client: Client) -> list[str]:
    """Log what is read later: calls from one number, and CASES cases of five notes. Gives the cases' ids."""
    operator = house.operators[0].token
    cases = []
    for number in range(CASES):
        call = call_body(house, number, PHONE if number < EARLIER else "")
        client.send(post("/calls", operator, **call))
        told = json.loads(client.send(Ask("GET", f"/api/v1/calls/{call['call_id']}", token=operator)))
        cases.append(str(new_id()))
        client.send(post(
            "/cases", operator, case_id=cases[-1], call_id=call["call_id"],
            child_person_id=told["children"][0]["id"], summary="x" * 500,
        ))  # fmt: skip
        for _ in range(5):
            client.send(post(f"/cases/{cases[-1]}/notes", operator, note_id=str(new_id()), body="She is well. " * 30))
    return cases
