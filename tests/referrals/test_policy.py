"""What consent opens to a partner's link, by a table written by hand; and whose rows each role sees."""

import uuid

import psycopg
import pytest
from sqlalchemy import text

from helpline.agencies.vocabulary import Service
from helpline.cases.commands import Consent
from helpline.cases.vocabulary import ConsentAnswer
from helpline.foundation.access.permissions import FieldGroup as G
from helpline.foundation.clock import now
from helpline.foundation.context import Actor, Channel, Context
from helpline.foundation.db import db, unit_of_work
from helpline.foundation.ids import new_id
from helpline.referrals import policy
from helpline.referrals.commands import GiveAnswer
from helpline.referrals.policy import forbids, opens
from helpline.referrals.services import portal, routing
from helpline.referrals.vocabulary import Answer
from tests.factories.agencies import make_agency
from tests.factories.cases import assign, make_world, open_case
from tests.referrals.test_services import as_router, look, seek

NEEDED = {G.CASE_ADMINISTRATION}
FIRST = NEEDED | {G.STATISTICS, G.LOCATION, G.RISK}
ALL = FIRST | {G.CHILD_IDENTITY, G.STORY}


@pytest.mark.parametrize(
    ("consent", "before", "after"),
    [
        ({"services": "yes"}, FIRST, ALL),
        ({"services": "unknown"}, FIRST, FIRST),
        ({}, FIRST, FIRST),
        ({"services": "no"}, FIRST, FIRST),
        ({"services": "yes", "disclosure": "no"}, FIRST, FIRST),
        ({"services": "yes", "disclosure": "unknown"}, FIRST, ALL),
        ({"services": "yes", "withhold": ["story"]}, FIRST, ALL - {G.STORY}),
        ({"services": "yes", "withhold": ["location"]}, FIRST - {G.LOCATION}, ALL - {G.LOCATION}),
        ({"services": "yes", "withhold": ["child_identity"]}, FIRST - {G.STATISTICS}, ALL - {G.STATISTICS, G.CHILD_IDENTITY}),
        ({"services": "yes", "withhold": ["case_administration"]}, FIRST, ALL),
    ],
)  # fmt: skip
def test_what_consent_opens(consent, before, after):
    assert opens(consent, accepted=False) == before
    assert opens(consent, accepted=True) == after


def test_contact_and_who_did_it_never_open():
    assert not {G.CONTACT, G.ALLEGED_PERPETRATOR, G.HEALTH} & opens({"services": "yes"}, accepted=True)


def test_only_a_no_forbids():
    assert [forbids({"services": answer}) for answer in ("yes", "no", "unknown")] == [False, True, False]


def seen_by(ctx, referral_id):
    with unit_of_work(ctx):
        return tuple(
            db.session.execute(text(statement), {"id": referral_id}).scalar()
            for statement in (
                "SELECT count(*) FROM referrals WHERE id = :id",
                "SELECT count(*) FROM referral_asks WHERE referral_id = :id",
            )
        )


SEES = {
    "operator": True,
    "caseworker": True,
    "other_caseworker": False,
    "team_supervisor": True,
    "supervisor": True,
    "admin": False,
    "auditor": False,
}


@pytest.mark.usefixtures("in_app")
def test_whose_rows_each_role_sees(world, database_urls):
    make_agency(world)
    case_id = open_case(world)
    assign(world, case_id)
    referral_id = seek(world, case_id)
    as_router(routing.route, referral_id)
    for role, sees in SEES.items():
        assert seen_by(getattr(world, role).ctx(), referral_id) == ((1, 1) if sees else (0, 0)), role
    assert seen_by(make_world(database_urls["owner"]).supervisor.ctx(), referral_id) == (0, 0)


def as_ask(world, ask_id):
    actor = Actor(id=ask_id, role="partner", centre_id=world.centre.id)
    return Context(actor=actor, now=now(), request_id=new_id(), channel=Channel.PORTAL)


@pytest.mark.usefixtures("in_app")
def test_a_partner_sees_its_own_asking_and_no_name_before_it_accepts(world):
    make_agency(world), make_agency(world, service=Service.LEGAL)
    case_id = open_case(world, consent=Consent(services=ConsentAnswer.YES))
    mine, other = seek(world, case_id), seek(world, case_id, Service.LEGAL)
    as_router(routing.route, mine), as_router(routing.route, other)
    ask = look(world, mine).asks[0].id
    assert seen_by(as_ask(world, ask), mine) == (1, 1)
    assert seen_by(as_ask(world, ask), other) == (0, 0)
    assert seen_by(as_ask(world, uuid.uuid4()), mine) == (0, 0)
    name = text("SELECT count(name_sealed) FROM app.asked_child()")
    with unit_of_work(as_ask(world, ask)):
        assert db.session.execute(name).scalar() == 0
        assert db.session.execute(text("SELECT count(*) FROM persons")).scalar() == 0
    ctx = as_ask(world, ask)
    with unit_of_work(ctx):
        portal.answer(ctx, GiveAnswer(Answer.ACCEPT))
    with unit_of_work(as_ask(world, ask)):
        assert db.session.execute(name).scalar() == 1
        assert db.session.execute(text("SELECT count(*) FROM persons")).scalar() == 0
    with unit_of_work(world.supervisor.ctx()):
        assert db.session.execute(name).scalar() == 0


RULES = {
    ("referrals", "referrals_rows"): policy.REFERRALS,
    ("referral_asks", "referral_asks_rows"): policy.REFERRAL_ASKS,
    ("persons", "persons_not_to_partners"): policy.PERSONS_NOT_TO_PARTNERS,
}


@pytest.mark.parametrize(("table", "name"), RULES)
def test_the_rule_written_is_the_rule_in_force(table, name, database_urls):
    """The database prints a rule its own way: so both are printed by it."""
    printed = "SELECT qual FROM pg_policies WHERE tablename = %s AND policyname = %s"
    with psycopg.connect(database_urls["owner"]) as connection:
        connection.execute(f"CREATE POLICY probe ON {table} USING ({RULES[table, name]})")
        probe = connection.execute(printed, [table, "probe"]).fetchall()
        assert connection.execute(printed, [table, name]).fetchall() == probe
        connection.rollback()
