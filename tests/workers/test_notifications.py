"""Delivery by a real SMTP server: what it took, what it refused, and what nobody can know."""

import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from email import message_from_bytes, policy

import psycopg
import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP

from helpline.app import create_app
from helpline.foundation.access.permissions import SystemActor
from helpline.foundation.clock import now
from helpline.foundation.context import system_context
from helpline.foundation.db import db, unit_of_work
from helpline.foundation.ids import new_id
from helpline.notifications import services
from helpline.notifications.commands import QueueMessage
from helpline.notifications.gateways import Mail, MaybeAccepted, NotAccepted, RecordingGateway, SmtpGateway
from helpline.notifications.vocabulary import MessageChannel
from tests.factories.accounts import make_centre, make_user
from workers import notifications, task

MAIL = (MessageChannel.MAIL,)


class Receiver:
    """A mail server that keeps what it accepts; `answers` are given first, one a message."""

    def __init__(self):
        self.mails, self.answers, self.rcpt_answer = [], [], "250 OK"

    async def handle_RCPT(self, _server, _session, envelope, address, _options):  # noqa: N802
        if self.rcpt_answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return self.rcpt_answer

    async def handle_DATA(self, _server, _session, envelope):  # noqa: N802
        if self.answers:
            return self.answers.pop(0)
        self.mails.append((envelope.rcpt_tos, message_from_bytes(envelope.content, policy=policy.default)))
        return "250 Kept"

    def to(self, address):
        return [mail for rcpt, mail in self.mails if rcpt == [address]]


class Server(Controller):
    def factory(self):
        return SMTP(self.handler, hostname="mail.test")


@pytest.fixture(scope="module")
def receiver():
    handler = Receiver()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    controller = Server(handler, hostname="127.0.0.1", port=port)
    controller.start()
    handler.port = port
    yield handler
    controller.stop()


@pytest.fixture(autouse=True)
def _clean(receiver, database_urls):
    """No mail of an earlier test waits."""
    receiver.mails, receiver.answers, receiver.rcpt_answer = [], [], "250 OK"
    with psycopg.connect(database_urls["owner"]) as connection:
        connection.execute(
            "UPDATE messages SET state = 'sent' WHERE channel = 'mail' AND state IN ('queued', 'sending')"
        )


@pytest.fixture(scope="module")
def worker_app(settings, receiver):
    app = create_app(
        replace(settings, smtp_host="127.0.0.1", smtp_port=receiver.port, mail_from="Helpline <help@line.test>",
                public_url="https://helpline.test"),
        database_role="worker",
    )  # fmt: skip
    yield app
    with app.app_context():
        db.engine.dispose()


@pytest.fixture(autouse=True)
def _in_worker(monkeypatch, worker_app):
    monkeypatch.setattr(task, "flask_app", lambda: worker_app)
    with worker_app.app_context():
        yield


@pytest.fixture
def caseworker(database_urls):
    return make_user(make_centre(database_urls["owner"]), "caseworker")


@pytest.fixture
def message(database_urls):
    """`message(id)`: its state, error and attempts."""

    def read(message_id):
        with psycopg.connect(database_urls["owner"]) as connection:
            return connection.execute(
                "SELECT state, error_code, attempts FROM messages WHERE id = %s", [message_id]
            ).fetchone()

    return read


@pytest.fixture
def queue(database_urls):
    """`queue(user, …)`: queue one mail to this person; its id."""

    def put(user=None, template="case_assigned", centre=None, at=None, key=None, **given):
        key = key or str(new_id())
        given = {"params": {"case_id": new_id(), "case": "HC-7"}, "channels": MAIL} | given
        centre_id = (centre or user.centre).id
        ctx = system_context(SystemActor.REMINDER)
        with unit_of_work(ctx if at is None else replace(ctx, now=at)) as ctx:
            services.queue_message(
                ctx, QueueMessage(centre_id, template, key, user_id=user.id if user else None, **given)
            )
        with psycopg.connect(database_urls["owner"]) as connection:
            return connection.execute(
                "SELECT id FROM messages WHERE dedupe_key = %s AND channel = 'mail'", [key]
            ).fetchone()[0]

    return put


def deliver():
    notifications.deliver_due()


def later(ctx, span):
    return replace(ctx, now=ctx.now + span)


def test_a_mail_arrives_once_in_the_recipients_language_with_a_link(queue, caseworker, receiver, message):
    message_id = queue(caseworker)
    deliver()
    deliver()
    [mail] = receiver.to(caseworker.email)
    assert message(message_id) == ("sent", None, 1)
    assert mail["Subject"] == "Case HC-7 was given to you"
    assert mail["From"] == "Helpline <help@line.test>"
    assert mail["Message-ID"] == f"<{message_id}@line.test>"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert "https://helpline.test/cases/" in mail.get_content()


def test_the_recipients_locale_decides(queue, caseworker, monkeypatch):
    khmer = make_user(caseworker.centre, "caseworker", locale="km")
    spoken = []
    monkeypatch.setattr(notifications, "speaking", lambda locale: spoken.append(locale) or _nothing())
    queue(caseworker), queue(khmer), queue(centre=caseworker.centre, address="office@agency.test")
    queue(centre=caseworker.centre, address="office@agency.test", locale="en")
    deliver()
    assert spoken == ["en", "km", "km", "en"]  # the office's: the centre's first language, unless it is known


@contextmanager
def _nothing():
    yield


def test_the_same_key_makes_one_message(queue, caseworker, receiver):
    assert queue(caseworker, key=(key := str(new_id()))) == queue(caseworker, key=key)
    deliver()
    assert len(receiver.to(caseworker.email)) == 1


def test_what_is_not_yet_due_waits(queue, caseworker, receiver, message):
    message_id = queue(caseworker, due_at=now() + timedelta(hours=1))
    deliver()
    assert (receiver.mails, message(message_id)[0]) == ([], "queued")


def test_an_unreachable_server_is_tried_again_later_and_later_then_failed(queue, caseworker, message, settings):
    message_id, gateway = (
        queue(caseworker),
        SmtpGateway(replace(settings, smtp_host="127.0.0.1", smtp_port=free_port())),
    )
    at = now()
    waits = []
    for _ in range(services.ATTEMPTS):
        with unit_of_work(replace(system_context(SystemActor.MESSENGER), now=at)) as ctx:
            claimed = services.claim_next(ctx)
        assert claimed is not None
        assert claimed.id == message_id
        with pytest.raises(NotAccepted) as refused:
            gateway.send(Mail("k", "a@b.test", "s", "b"))
        assert refused.value.again
        with unit_of_work(replace(system_context(SystemActor.MESSENGER), now=ctx.now)):
            services.record_failed(ctx, message_id, refused.value.code, again=True)
            due = db.session.get(services.Message, message_id).due_at
        waits.append((due - ctx.now).total_seconds())
        at = due
    assert waits[:5] == [30, 60, 120, 240, 480]
    assert message(message_id) == ("failed", "ConnectionRefusedError", 6)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.mark.parametrize(
    ("answers", "rcpt", "left"),
    [
        ([], "550 no such person", ("failed", "smtp_550")),
        ([], "450 greylisted", ("queued", "smtp_450")),
        (["554 refused"], "250 OK", ("failed", "smtp_554")),
        (["451 later"], "250 OK", ("queued", "smtp_451")),
    ],
)
def test_a_refusal_for_good_fails_and_one_for_now_waits(queue, caseworker, receiver, message, answers, rcpt, left):  # noqa: PLR0917
    message_id = queue(caseworker)
    receiver.answers, receiver.rcpt_answer = answers, rcpt
    deliver()
    assert message(message_id) == (*left, 1)
    receiver.rcpt_answer = "250 OK"
    deliver()
    assert receiver.mails == []  # what waits, waits longer than this


@contextmanager
def breaking_server():
    """Takes the text to its last line, then breaks the line without an answer."""
    listener = socket.create_server(("127.0.0.1", 0))
    took = []

    def serve():
        connection, _ = listener.accept()
        with connection, connection.makefile("rb") as lines:
            connection.sendall(b"220 here\r\n")
            for line in lines:
                if line.upper().startswith(b"DATA"):
                    connection.sendall(b"354 go\r\n")
                    for part in lines:
                        if part == b".\r\n":
                            took.append(True)
                            return
                connection.sendall(b"250 ok\r\n")

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield listener.getsockname()[1], took
    listener.close()
    thread.join(5)


def test_a_line_that_breaks_after_the_text_leaves_an_unknown_that_is_never_sent_again(
    queue, caseworker, receiver, message, settings
):
    message_id = queue(caseworker)
    with breaking_server() as (port, took):
        assert notifications.deliver_next(SmtpGateway(replace(settings, smtp_host="127.0.0.1", smtp_port=port)))
        assert took == [True]
    assert message(message_id) == ("unknown", "SMTPServerDisconnected", 1)
    deliver()
    deliver()
    assert receiver.mails == []
    assert message(message_id)[0] == "unknown"


def test_a_claim_whose_process_died_becomes_unknown_and_a_late_receipt_settles_it(queue, caseworker, receiver, message):
    message_id = queue(caseworker)
    with unit_of_work(system_context(SystemActor.MESSENGER)) as ctx:
        assert services.claim_next(ctx).id == message_id
    with unit_of_work(later(system_context(SystemActor.MESSENGER), timedelta(minutes=4))) as ctx:
        services.mark_lost_claims(ctx)
    assert message(message_id)[0] == "sending"
    with unit_of_work(later(system_context(SystemActor.MESSENGER), timedelta(minutes=6))) as ctx:
        assert services.mark_lost_claims(ctx) >= 1
    assert message(message_id)[:2] == ("unknown", "process_lost")
    deliver()
    assert receiver.mails == []
    with unit_of_work(system_context(SystemActor.MESSENGER)) as ctx:
        services.record_sent(ctx, message_id)
    assert message(message_id)[:2] == ("sent", None)


def test_two_workers_never_claim_the_same(queue, caseworker, worker_app):
    ids = {queue(caseworker) for _ in range(6)}
    start = threading.Barrier(2)

    def claim():
        mine = []
        with worker_app.app_context():
            start.wait()
            for _ in range(6):
                with unit_of_work(system_context(SystemActor.MESSENGER)) as ctx:
                    got = services.claim_next(ctx)
                mine += [got.id] if got else []
        return mine

    with ThreadPoolExecutor(2) as pool:
        first, second = (each.result() for each in [pool.submit(claim) for _ in range(2)])
    assert sorted(first + second) == sorted(ids)


def test_without_a_mail_server_or_an_address_it_stands_as_not_sent(queue, caseworker, message):
    message_id = queue(caseworker)
    assert notifications.deliver_next(None)
    assert message(message_id)[:2] == ("not_sent", "no_mail_server")
    other = queue(centre=caseworker.centre, address="")
    assert notifications.deliver_next(RecordingGateway())
    assert message(other)[:2] == ("not_sent", "no_address")
    assert not notifications.deliver_next(None)


@pytest.mark.parametrize("failure", [NotAccepted("smtp_550", again=False), MaybeAccepted("TimeoutError")])
def test_what_the_gateway_says_is_recorded(queue, caseworker, message, failure):
    message_id = queue(caseworker)
    notifications.deliver_next(RecordingGateway(failure=failure))
    assert message(message_id)[0] == ("failed" if isinstance(failure, NotAccepted) else "unknown")


@pytest.mark.parametrize(
    "poison", ["a@b.test\r\nBcc: spy@evil.test", "a@b.test\nRCPT TO:<spy@evil.test>", "<a@b.test>, spy@evil.test"]
)
def test_an_address_can_add_no_recipient_and_no_header(queue, caseworker, receiver, message, poison):
    message_id = queue(centre=caseworker.centre, address=poison)
    deliver()
    assert message(message_id)[0] in {"failed", "not_sent"}
    assert receiver.mails == []


def test_names_can_add_no_header(queue, caseworker, receiver):
    queue(caseworker, params={"case": "HC-7\r\nBcc: spy@evil.test"})
    deliver()
    [mail] = receiver.to(caseworker.email)
    assert mail["Bcc"] is None
    assert "\n" not in mail["Subject"]


def test_one_that_cannot_be_rendered_or_addressed_holds_up_no_other(queue, caseworker, receiver, message):
    bad = queue(caseworker, template="no_such_text")
    good = queue(caseworker)
    deliver()
    deliver()
    assert message(good)[0] == "sent"
    assert message(bad)[:2] == ("failed", "not_rendered")
