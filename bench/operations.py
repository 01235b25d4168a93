"""What is measured: for each operation, the requests it takes and the goals that STACK.md sets."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from bench.asking import Ask, Client, Inside
from bench.house import PASSWORD, House
from bench.options import CASES, Options
from helpline.foundation.ids import new_id

PHONE = "012 345 678"
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


def operations(house: House, options: Options, inside: Inside) -> list[Operation]:
    """In the order of the table. Logs what is read later: some calls from one number, and cases with notes."""
    operator, supervisor = house.operators[0].token, house.supervisor.token
    spare = iter(house.spare)
    cases = _cases_with_notes(house, inside, spare)

    def open_case(_client: Client, number: int) -> list[Ask]:
        call_id, child_id = next(spare)
        return [post(
            "/cases", operator, case_id=str(new_id()), call_id=str(call_id), child_person_id=str(child_id),
            needs=["health"], summary="Hurt at home" + " again" * (number % 5),
        )]  # fmt: skip

    def read(*paths: str, token: str = supervisor) -> Make:
        return lambda _client, number: [
            Ask("GET", "/api/v1" + path.format(case=cases[number % CASES]), token=token) for path in paths
        ]

    return [
        Operation("sign in", _sign_in(house), most=options.sign_ins),
        Operation("log a call", lambda _, number: [post("/calls", operator, **call_body(house, number))], (15, 20)),
        Operation("open a case", open_case, (20, 30)),
        Operation("case with its timeline", read("/cases/{case}", "/cases/{case}/timeline"), (11, 16)),
        Operation("caller by phone number", lambda *_: [post("/calls/earlier", operator, 200, phone=PHONE)], (9, None)),
        Operation("first page of cases", read("/cases"), (10, None)),
        Operation("first page of calls", read("/calls")),
        Operation("figures of a month", read("/figures?period=month")),
        Operation("figures of all time", read("/figures?period=all")),
    ]


def _sign_in(house: House) -> Make:
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


def _cases_with_notes(house: House, inside: Inside, spare: Any) -> list[str]:
    operator = house.operators[0].token
    for number in range(3):
        inside.send(post("/calls", operator, **call_body(house, number, PHONE)))
    cases = []
    for _ in range(CASES):
        call_id, child_id = next(spare)
        cases.append(str(new_id()))
        said = {"case_id": cases[-1], "call_id": str(call_id), "child_person_id": str(child_id), "summary": "x" * 500}
        inside.send(post("/cases", operator, **said))
        for _ in range(5):
            inside.send(post(f"/cases/{cases[-1]}/notes", operator, note_id=str(new_id()), body="She is well. " * 30))
    return cases
