"""Out of reach costs what nothing costs: the same statements and the same openings of sealed words, by every route.

Time itself isn't measured: what takes it is. test_reach.py holds status and body equal; here the work behind them.
"""

import re
import uuid
from collections import Counter
from unittest.mock import patch

import pytest
from sqlalchemy import event

from helpline.foundation.crypto import records
from helpline.foundation.db import db
from tests.architecture.test_doors import ADMITTED, token_in
from tests.architecture.test_reach import BODIES, NO_CASE, ROLES, SEES, SHOWS, House, getting, writing

HIDDEN = ("other centre", "closed to", "party", "same centre", "same team")


@pytest.fixture(scope="module")
def house(app, database_urls):
    return House(app, database_urls["owner"])


@pytest.fixture
def work(app):
    """`work(ask)` -> (how often each statement ran, how many sealed words were opened) while `ask()` was answered."""
    with app.app_context():
        engine = db.engine

    def measure(ask):
        ran, opened, real = Counter(), [], records._cipher

        def note(_connection, _cursor, statement, *_):
            ran[re.sub(r"\s+", " ", statement)] += 1

        def noted(*args):
            opened.append(args)
            return real(*args)

        event.listen(engine, "before_cursor_execute", note)
        try:
            with patch.object(records, "_cipher", noted):
                ask()
        finally:
            event.remove(engine, "before_cursor_execute", note)
        return ran, len(opened)

    return measure


def hidden_from(role):
    return [how for how in HIDDEN if role not in SEES[how]]


@pytest.mark.parametrize("endpoint", sorted(SHOWS))
def test_looking_costs_the_same(app, house, work, endpoint):
    rule, (kind, _) = getting(app)[endpoint], SHOWS[endpoint]
    for role in (role for role in ROLES if role in ADMITTED[endpoint]):
        house.ask(role, endpoint, rule, uuid.uuid4())  # what is looked up once a session is known
        nothing = work(lambda: house.ask(role, endpoint, rule, uuid.uuid4()))
        assert nothing[1] == 0, "nothing is opened for what isn't there"
        for how in hidden_from(role):
            assert work(lambda: house.ask(role, endpoint, rule, house.records[role, how][kind])) == nothing, f"{role}, {how}"


@pytest.mark.parametrize("role", ROLES)
def test_writing_costs_the_same(app, house, work, role):
    token = token_in(house.clients[role][0].get("/inbox").text)
    minted = {"save_draft", "discard_draft", "discard", "write"}
    for endpoint, rule, method, kind in writing(app):
        name = endpoint.partition(".")[2]
        if role in ADMITTED[endpoint] and name not in minted:
            body = BODIES.get(name, {})
            texts = {"csrf_token": token} | {key: str(value) for key, value in body.items()}
            how = {"json": body} if endpoint.startswith("api_") else {"data": texts}
            house.ask(role, endpoint, rule, uuid.uuid4(), method, **how)
            nothing = work(lambda: house.ask(role, endpoint, rule, uuid.uuid4(), method, **how))
            for relation in hidden_from(role):
                record_id = house.records[role, relation][kind]
                same = work(lambda: house.ask(role, endpoint, rule, record_id, method, **how))
                assert same == nothing, f"{method} {endpoint} as {role}, {relation}"


def test_the_count_would_notice(app, house, work):
    """A call in reach costs more than none: what is counted is what differs."""
    name, mine = "api_calls.get_call", house.records["supervisor", "assigned"]["call"]
    seen = work(lambda: house.ask("supervisor", name, getting(app)[name], mine))
    nothing = work(lambda: house.ask("supervisor", name, getting(app)[name], uuid.uuid4()))
    assert seen[1] > nothing[1]
    assert seen[0] != nothing[0]
    assert set(SHOWS) | set(NO_CASE) >= set(getting(app))
