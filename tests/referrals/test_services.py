"""Seeking a service, from the request to what came of it: state, audit entry and event; refusals per role."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import psycopg
import pytest

from helpline.agencies import services as directory
from helpline.agencies.vocabulary import Service
from helpline.cases.commands import Consent
from helpline.cases.vocabulary import ConsentAnswer
from helpline.foundation.access.permissions import SystemActor
from helpline.foundation.clock import now
from helpline.foundation.context import Actor, Channel, Context, system_actor
from helpline.foundation.db import unit_of_work
from helpline.foundation.errors import Conflict, Forbidden, Invalid, NotFound
from helpline.foundation.ids import new_id
from helpline.referrals import queries
from helpline.referrals.commands import GiveAnswer, RequestReferral
from helpline.referrals.services import portal, routing, seeking
from helpline.referrals.vocabulary import Answer, DeclineReason, ReferralState, WithdrawReason
from tests.factories.agencies import make_agency
from tests.factories.cases import assign, make_world, open_case

pytestmark = pytest.mark.usefixtures("in_app")
MINUTE = timedelta(minutes=1)


def router(at=None):
    return Context(actor=system_actor(SystemActor.ROUTER), now=at or now(), request_id=new_id(), channel=Channel.WORKER)


def as_router(deed, *args, at=None):
    ctx = router(at)
    with unit_of_work(ctx):
        return ctx, deed(ctx, *args)


def do(user, deed, *args, **kwargs):
    ctx = user.ctx()
    with unit_of_work(ctx):
        return ctx, deed(ctx, *args, **kwargs)


def seek(world, case_id, service=Service.HEALTH, user=None):
    command = RequestReferral(new_id(), case_id, service)
    do(user or world.operator, seeking.request_referral, command)
    return command.referral_id


def look(world, referral_id):
    with unit_of_work(world.supervisor.ctx()):
        return queries.get_row(referral_id)


def audited(rows, ctx):
    return rows("SELECT action, outcome FROM audit_entries WHERE request_id = %s ORDER BY id", ctx.request_id)


def published(rows, ctx):
    return [
        name for (name,) in rows("SELECT name FROM outbox_events WHERE request_id = %s ORDER BY id", ctx.request_id)
    ]


def obligations(rows, case_id):
    return rows("SELECT kind, settled_at IS NULL FROM case_obligations WHERE case_id = %s", case_id)


def timeline(rows, case_id):
    return [action for (action,) in rows("SELECT action FROM case_events WHERE case_id = %s ORDER BY id", case_id)]


def test_a_request_is_noted_told_and_holds_the_case_open(world, rows):
    case_id = open_case(world)
    command = RequestReferral(new_id(), case_id, Service.HEALTH)
    ctx, referral = do(world.operator, seeking.request_referral, command)
    assert (referral.state, referral.urgency, referral.service) == ("requested", "urgent", "health")
    assert audited(rows, ctx) == [("referral.requested", "done")]
    assert published(rows, ctx) == ["referrals.requested"]
    assert obligations(rows, case_id) == [("referral", True)]
    assert timeline(rows, case_id)[-1] == "referral.requested"


def test_the_same_request_twice_is_one_and_another_for_the_same_need_is_refused(world, rows):
    case_id = open_case(world)
    command = RequestReferral(new_id(), case_id, Service.HEALTH)
    do(world.operator, seeking.request_referral, command)
    ctx, again = do(world.operator, seeking.request_referral, command)
    assert again.id == command.referral_id
    assert published(rows, ctx) == []
    with pytest.raises(Conflict, match="referral_sought"):
        seek(world, case_id)
    with pytest.raises(Conflict, match="id_in_use"):
        do(world.operator, seeking.request_referral, RequestReferral(command.referral_id, case_id, Service.LEGAL))
    assert obligations(rows, case_id) == [("referral", True)]


@pytest.mark.parametrize("role", ["admin", "auditor", "other_caseworker"])
def test_who_may_not_request_changes_nothing_and_leaves_one_refusal(world, rows, role):
    case_id = open_case(world)
    user = getattr(world, role)
    ctx = user.ctx()
    with pytest.raises((Forbidden, NotFound)), unit_of_work(ctx):
        seeking.request_referral(ctx, RequestReferral(new_id(), case_id, Service.HEALTH))
    assert rows("SELECT id FROM referrals WHERE case_id = %s", case_id) == []
    assert [outcome for _, outcome in audited(rows, ctx)] == ["refused"]
    assert published(rows, ctx) == []


def test_the_router_asks_the_best_says_why_and_announces_without_a_word_about_the_child(world, rows):
    near, full = make_agency(world, capacity=3), make_agency(world, capacity=0)
    case_id = open_case(world, summary="The arm is broken")
    referral_id = seek(world, case_id)
    ctx, _ = as_router(routing.route, referral_id)
    row = look(world, referral_id)
    assert row.state == "asked"
    assert [(ask.agency_id, ask.state) for ask in row.asks] == [(near, "asked")]
    assert {reason["code"] for reason in row.asks[0].reasons} >= {"covers_place", "open_now", "places_left"}
    assert [(each["agency_id"], each["code"]) for each in row.excluded] == [(str(full), "full")]
    assert audited(rows, ctx) == [("referral.asked", "done")]
    assert "referrals.asked" in published(rows, ctx)
    [(template, params)] = rows(
        "SELECT template, params FROM messages WHERE dedupe_key = %s", f"referral_asked:{row.asks[0].id}"
    )
    assert template == "referral_asked"
    assert set(params) == {"ask_id", "version", "link_until", "agency", "helpline", "answer_by"}
    assert "health" not in str(params).replace("helpline", "")


def test_urgent_asks_for_an_answer_within_four_hours_of_opening(world):
    make_agency(world)
    referral_id = seek(world, open_case(world, risk="high"))
    ctx, _ = as_router(routing.route, referral_id)
    assert look(world, referral_id).asks[0].answer_by == ctx.now + timedelta(hours=4)


def test_routing_what_is_asked_already_changes_nothing(world, rows):
    make_agency(world), make_agency(world)
    referral_id = seek(world, open_case(world))
    as_router(routing.route, referral_id)
    ctx, _ = as_router(routing.route, referral_id)
    assert len(look(world, referral_id).asks) == 1
    assert published(rows, ctx) == []


def test_only_the_router_routes(world, rows):
    referral_id = seek(world, open_case(world))
    ctx = world.supervisor.ctx()
    with pytest.raises(Forbidden), unit_of_work(ctx):
        routing.route(ctx, referral_id)
    assert audited(rows, ctx) == [("referral:route", "refused")]


def test_silence_goes_to_the_next_and_then_to_the_supervisor(world, rows):
    first, second = make_agency(world, capacity=9), make_agency(world, capacity=1)
    case_id = open_case(world)
    referral_id = seek(world, case_id)
    as_router(routing.route, referral_id)
    due = look(world, referral_id).asks[0].answer_by
    as_router(routing.expire_unanswered, at=due - MINUTE)
    assert look(world, referral_id).state == "asked"
    ctx, expired = as_router(routing.expire_unanswered, at=due)
    assert audited(rows, ctx) == [("referral.expired", "done")] * expired
    assert published(rows, ctx) == ["referrals.expired"] * expired
    assert look(world, referral_id).state == "requested"
    assert as_router(routing.expire_unanswered, at=due)[1] == 0
    as_router(routing.route, referral_id, at=due)
    row = look(world, referral_id)
    assert [(ask.agency_id, ask.state) for ask in row.asks] == [(second, "asked"), (first, "expired")]
    as_router(routing.expire_unanswered, at=row.asks[0].answer_by)
    ctx, _ = as_router(routing.route, referral_id, at=row.asks[0].answer_by)
    row = look(world, referral_id)
    assert row.state == "exhausted"
    assert {each["code"] for each in row.excluded} == {"silent_before"}
    told = rows(
        "SELECT recipient_id, channel FROM messages WHERE template = 'referral_exhausted' AND params ->> 'referral_id' = %s",
        str(referral_id),
    )
    assert {who for who, _ in told} == {world.team_supervisor.id}
    assert "referrals.exhausted" in published(rows, ctx)
    assert timeline(rows, case_id)[-1] == "referral.exhausted"
    assert obligations(rows, case_id) == [("referral", True)]


def test_without_consent_nobody_is_asked_and_the_caseworker_hears_why(world, rows):
    make_agency(world)
    case_id = open_case(world, consent=Consent(services=ConsentAnswer.NO))
    assign(world, case_id)
    referral_id = seek(world, case_id)
    ctx, _ = as_router(routing.route, referral_id)
    row = look(world, referral_id)
    assert (row.state, row.withdraw_reason, row.asks) == ("withdrawn", "no_consent", ())
    assert audited(rows, ctx) == [("referral.withdrawn", "done")]
    assert obligations(rows, case_id) == [("referral", False)]
    told = rows(
        "SELECT DISTINCT recipient_id, template FROM messages WHERE params ->> 'referral_id' = %s", str(referral_id)
    )
    assert told == [(world.caseworker.id, "referral_no_consent")]


def test_needs_of_a_new_case_are_sought_once_each(world, rows):
    case_id = open_case(world, needs=(Service.HEALTH, Service.POLICE))
    as_router(routing.request_needs, case_id, ["health", "police"])
    as_router(routing.request_needs, case_id, ["health", "legal"])
    found = rows("SELECT service, state FROM referrals WHERE case_id = %s ORDER BY service", case_id)
    assert found == [("health", "requested"), ("legal", "requested"), ("police", "requested")]
    assert sum(open_ for _, open_ in obligations(rows, case_id)) == 3


def test_withdrawing_ends_the_asking_and_settles_the_obligation(world, rows):
    make_agency(world)
    case_id = open_case(world)
    referral_id = seek(world, case_id)
    as_router(routing.route, referral_id)
    version = look(world, referral_id).version
    with pytest.raises(Conflict, match="stale"):
        do(world.operator, seeking.withdraw, referral_id, version - 1, WithdrawReason.NO_LONGER_NEEDED)
    ctx, _ = do(world.operator, seeking.withdraw, referral_id, version, WithdrawReason.NO_LONGER_NEEDED)
    row = look(world, referral_id)
    assert (row.state, row.asks[0].state) == ("withdrawn", "withdrawn")
    assert audited(rows, ctx) == [("referral.withdrawn", "done")]
    assert obligations(rows, case_id) == [("referral", False)]
    assert rows("SELECT ended_at IS NULL FROM grants WHERE principal_id = %s", row.asks[0].id) == [(False,), (False,)]


def test_a_supervisor_chooses_by_hand_instead_of_whoever_is_asked(world, rows):
    first, other = make_agency(world, capacity=9), make_agency(world, coverage=(), nationwide=True, capacity=0)
    referral_id = seek(world, open_case(world))
    as_router(routing.route, referral_id)
    row = look(world, referral_id)
    ctx, _ = do(world.supervisor, seeking.choose_agency, referral_id, row.version, other)
    chosen = look(world, referral_id)
    assert [(ask.agency_id, ask.state, ask.by_hand) for ask in chosen.asks] == [
        (other, "asked", True),
        (first, "withdrawn", False),
    ]
    assert [action for action, _ in audited(rows, ctx)] == ["referral.taken_back", "referral.asked"]
    with pytest.raises(Forbidden):
        do(world.caseworker, seeking.choose_agency, referral_id, chosen.version, first)


def test_by_hand_too_nobody_is_asked_who_cannot_be(world):
    referral_id = seek(world, open_case(world))
    silent, lawyer, gone = make_agency(world, email=None), make_agency(world, service=Service.LEGAL), make_agency(world)
    do(world.supervisor, directory.set_active, gone, 1, active=False)
    version = look(world, referral_id).version
    for agency, why in ((silent, "no_address"), (lawyer, "service_not_offered"), (gone, "inactive")):
        with pytest.raises(Invalid, match=f"agency_{why}"):
            do(world.supervisor, seeking.choose_agency, referral_id, version, agency)


def test_after_exhaustion_the_search_can_begin_again(world, rows):
    referral_id = seek(world, open_case(world))
    as_router(routing.route, referral_id)
    row = look(world, referral_id)
    assert row.state == "exhausted"
    make_agency(world)
    ctx, _ = do(world.team_supervisor, seeking.try_again, referral_id, row.version)
    assert published(rows, ctx) == ["referrals.requested"]
    as_router(routing.route, referral_id)
    assert look(world, referral_id).state == "asked"


def test_the_database_itself_refuses_a_second_open_asking(world, database_urls):
    make_agency(world)
    referral_id = seek(world, open_case(world))
    as_router(routing.route, referral_id)
    ask = look(world, referral_id).asks[0]
    with psycopg.connect(database_urls["owner"]) as connection, pytest.raises(psycopg.errors.UniqueViolation):
        connection.execute(
            "INSERT INTO referral_asks SELECT (jsonb_populate_record(k, jsonb_build_object('id', gen_random_uuid(), 'position', 2))).* FROM referral_asks k WHERE id = %s",
            [ask.id],
        )


def test_capacity_counts_what_an_agency_holds_and_speed_what_it_took(world, rows, database_urls):
    agency = make_agency(world, capacity=1)
    first, second = seek(world, open_case(world)), seek(world, open_case(world))
    as_router(routing.route, first)
    with psycopg.connect(database_urls["owner"]) as connection:
        connection.execute(
            "UPDATE referral_asks SET state = 'accepted', answered_at = asked_at + interval '2 hours' WHERE referral_id = %s",
            [first],
        )
        connection.execute("UPDATE referrals SET state = 'accepted' WHERE id = %s", [first])
    as_router(routing.route, second)
    assert [(each["agency_id"], each["code"]) for each in look(world, second).excluded] == [(str(agency), "full")]


def test_service_is_recorded_step_by_step_and_its_end_settles(world, rows, database_urls):
    make_agency(world)
    case_id = open_case(world)
    assign(world, case_id)
    referral_id = seek(world, case_id, user=world.caseworker)
    as_router(routing.route, referral_id)
    version = look(world, referral_id).version
    with pytest.raises(Conflict, match="referral_transition"):
        do(world.caseworker, seeking.record_service, referral_id, version, ReferralState.DELIVERED)
    with psycopg.connect(database_urls["owner"]) as connection:
        connection.execute("UPDATE referral_asks SET state = 'accepted' WHERE referral_id = %s", [referral_id])
        connection.execute("UPDATE referrals SET state = 'accepted' WHERE id = %s", [referral_id])
    do(world.caseworker, seeking.record_service, referral_id, version, ReferralState.SERVICE_STARTED)
    assert obligations(rows, case_id) == [("referral", True)]
    ctx, _ = do(world.caseworker, seeking.record_service, referral_id, version + 1, ReferralState.DELIVERED)
    row = look(world, referral_id)
    assert (row.state, row.service_ended_at) == ("delivered", ctx.now)
    assert obligations(rows, case_id) == [("referral", False)]
    assert published(rows, ctx) == ["referrals.service_recorded"]
    with pytest.raises(Invalid):
        do(world.caseworker, seeking.record_service, referral_id, row.version, ReferralState.WITHDRAWN)


def test_answers_and_silence_at_the_same_moment_leave_one_truth(app, world, rows):
    make_agency(world), make_agency(world)
    referral_id = seek(world, open_case(world))
    as_router(routing.route, referral_id)
    ask = look(world, referral_id).asks[0]
    partner = Actor(id=ask.id, role="partner", centre_id=world.centre.id)
    start = threading.Barrier(4)

    def answer(command):
        start.wait(timeout=20)
        with app.app_context():
            ctx = Context(actor=partner, now=ask.answer_by, request_id=new_id(), channel=Channel.PORTAL)
            with unit_of_work(ctx):
                return portal.answer(ctx, command).state.value

    def silence():
        start.wait(timeout=20)
        with app.app_context():
            as_router(routing.expire_unanswered, at=ask.answer_by)

    accept, decline = GiveAnswer(Answer.ACCEPT), GiveAnswer(Answer.DECLINE, DeclineReason.FULL)
    with ThreadPoolExecutor(4) as pool:
        said = [pool.submit(answer, command) for command in (accept, accept, decline)]
        quiet = pool.submit(silence)
        answers = {each.result(timeout=60) for each in said}
        quiet.result(timeout=60)
    row = look(world, referral_id)
    assert answers == {row.asks[0].state}
    assert row.state == ("accepted" if row.asks[0].state == "accepted" else "requested")
    told = rows(
        "SELECT name FROM outbox_events WHERE payload ->> 'ask_id' = %s AND name <> 'referrals.asked'", str(ask.id)
    )
    assert told == [(f"referrals.{row.asks[0].state}",)]


def test_asking_costs_few_statements(world, statements):
    for _ in range(5):
        make_agency(world)
    referral_id = seek(world, open_case(world))
    statements.clear()
    as_router(routing.route, referral_id)
    assert len([each for each in statements if "set_config" not in each]) <= 22


def test_a_case_shows_its_referrals_in_few_statements(world, statements):
    make_agency(world), make_agency(world, service=Service.LEGAL)
    case_id = open_case(world)
    for service in (Service.HEALTH, Service.LEGAL, Service.SHELTER):
        as_router(routing.route, seek(world, case_id, service))
    statements.clear()
    with unit_of_work(world.supervisor.ctx()):
        assert len(queries.list_for_case(case_id)) == 3
    assert len([each for each in statements if "set_config" not in each]) <= 4


def test_an_id_in_use_in_another_centre_is_told(world, database_urls):
    stranger = make_world(database_urls["owner"])
    referral_id = seek(stranger, open_case(stranger))
    with pytest.raises(Conflict, match="id_in_use"):
        do(world.operator, seeking.request_referral, RequestReferral(referral_id, open_case(world), Service.HEALTH))
