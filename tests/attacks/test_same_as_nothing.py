"""Out of reach costs what nothing costs: the same statements and the same openings of sealed words, by every route.

Time itself isn't measured: what takes it is. test_reach.py holds status and body equal; here the work behind them.
"""

import io
import re
import uuid
from collections import Counter
from unittest.mock import patch

import psycopg
import pytest
from sqlalchemy import event

from helpline.accounts.commands import Ask
from helpline.accounts.services import approvals
from helpline.accounts.vocabulary import ApprovalKind
from helpline.calls.commands import SaveDraft
from helpline.calls.services import drafts
from helpline.foundation.access.permissions import SystemActor
from helpline.foundation.context import system_context
from helpline.foundation.crypto import records
from helpline.foundation.db import db, unit_of_work
from helpline.foundation.ids import new_id
from helpline.foundation.tabular.table import Options
from helpline.imports.commands import Upload
from helpline.imports.services import steps
from helpline.notifications.commands import QueueMessage
from helpline.notifications.services import queue_message
from tests.architecture.test_doors import ADMITTED, token_in
from tests.architecture.test_reach import BODIES, NO_CASE, ROLES, SEES, SHOWS, House, getting, neutral, writing
from tests.factories.accounts import make_role
from tests.factories.agencies import make_agency
from tests.factories.calls import do
from tests.factories.cases import make_world, open_case
from tests.factories.privacy import break_glass
from tests.factories.registers import breach, demand, export

HIDDEN = ("other centre", "closed to", "party", "same centre", "same team")


@pytest.fixture(scope="module")
def house(app, database_urls):
    return House(app, database_urls["owner"])


@pytest.fixture
def work(app):
    """`work(ask, …)` -> (how often each statement ran, how many sealed words were opened) while it was answered."""
    with app.app_context():
        engine = db.engine

    def measure(ask, *args, **given):
        ran, opened, real = Counter(), [], records._cipher

        def note(_connection, _cursor, statement, *_):
            if "touch_" not in statement:  # once a minute, whatever is asked for
                ran[re.sub(r"\s+", " ", statement)] += 1

        def noted(*args):
            opened.append(args)
            return real(*args)

        event.listen(engine, "before_cursor_execute", note)
        try:
            with patch.object(records, "_cipher", noted):
                ask(*args, **given)
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
        nothing = work(house.ask, role, endpoint, rule, uuid.uuid4())
        assert nothing[1] == 0, "nothing is opened for what isn't there"
        for how in hidden_from(role):
            assert work(house.ask, role, endpoint, rule, house.records[role, how][kind]) == nothing, f"{role}, {how}"


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
            nothing = work(house.ask, role, endpoint, rule, uuid.uuid4(), method, **how)
            for relation in hidden_from(role):
                record_id = house.records[role, relation][kind]
                same = work(house.ask, role, endpoint, rule, record_id, method, **how)
                assert same == nothing, f"{method} {endpoint} as {role}, {relation}"


OPEN_TO_ALL = {"api_reference.get_place"}  # the same places for everybody


@pytest.fixture(scope="module")
def theirs(app, database_urls):
    """Ids of another helpline's things, by the name that addresses have for them."""
    world, ids = make_world(database_urls["owner"]), {}
    with app.app_context():
        ids["agency_id"] = make_agency(world)
        ids["override_id"] = break_glass(world.other_caseworker, open_case(world))
        asked = Ask(new_id(), ApprovalKind.ADMIN_ROLE, world.caseworker.id, "Known for years")
        ids["approval_id"] = do(world.admin, approvals.ask, asked)[1].id
        brought = Upload(new_id(), world.centre.id, "log.csv", io.BytesIO(b"when,what\n2024-12-31,x\n"), Options())
        ids["import_id"] = do(world.supervisor, steps.upload, brought)[1].id
        ids["call_id"] = new_id()
        do(world.operator, drafts.save_draft, SaveDraft(ids["call_id"], {"narrative": "x"}))
        ids["demand_id"], ids["breach_id"] = demand(world.admin), breach(world.admin)
        ids["export_id"] = export(world.supervisor, open_case(world))
        told = QueueMessage(world.centre.id, "witness_late", str(new_id()), user_id=world.admin.id)
        with unit_of_work(system_context(SystemActor.MESSENGER)) as ctx:
            queue_message(ctx, told)
    with psycopg.connect(database_urls["owner"]) as connection:
        message = "SELECT id FROM messages WHERE recipient_id = %s LIMIT 1"
        [ids["message_id"]] = connection.execute(message, [world.admin.id]).fetchone()
    ids["role_id"] = make_role(world.centre, "caseworker")
    return ids | {"user_id": world.caseworker.id, "team_id": world.team}


@pytest.mark.parametrize("endpoint", sorted(set(NO_CASE) - OPEN_TO_ALL))
def test_so_does_looking_at_what_is_no_case(app, staff, work, theirs, endpoint):
    rule = getting(app)[endpoint]
    [name] = re.findall(r"<uuid:([^>]+)>", rule)
    browser = staff.browser(min(ADMITTED[endpoint]))

    def ask(record_id):
        return browser.client.get(re.sub(r"<uuid:[^>]+>", str(record_id), rule))

    said, hidden = neutral(ask(uuid.uuid4())), neutral(ask(theirs[name]))
    if endpoint == "calls.write":  # a form, with the time at which it was drawn: its id is the writer's own to mint
        assert hidden[0] == said[0] == 200
    else:
        assert hidden == said
        assert said[0] == 404
    assert work(ask, theirs[name]) == work(ask, uuid.uuid4())


def test_the_count_would_notice(app, house, work):
    """A call in reach costs more than none: what is counted is what differs."""
    name, mine = "api_calls.get_call", house.records["supervisor", "assigned"]["call"]
    seen = work(house.ask, "supervisor", name, getting(app)[name], mine)
    nothing = work(house.ask, "supervisor", name, getting(app)[name], uuid.uuid4())
    assert seen[1] > nothing[1]
    assert seen[0] != nothing[0]
    assert set(SHOWS) | set(NO_CASE) >= set(getting(app))
