"""Handing checkpoints out: each witness gets each one, in order; what fails is tried again and does not stay unseen."""

import base64
import json
import threading
from dataclasses import replace
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from sqlalchemy import text

from helpline.foundation.access.permissions import SystemActor
from helpline.foundation.audit.checkpoints import origin, public_key, read_checkpoint
from helpline.foundation.clock import now
from helpline.foundation.context import system_context
from helpline.foundation.db import db, unit_of_work
from helpline.notifications.gateways import MaybeAccepted, NotAccepted, RecordingGateway
from helpline.oversight.commands import read_line
from helpline.oversight.gateways import (
    FileWitness,
    MailWitness,
    NotGiven,
    RecordingWitness,
    WebhookWitness,
    read_witness_file,
)
from helpline.oversight.services import verifying, witnessing
from helpline.oversight.vocabulary import Witness
from tests.factories.accounts import make_user
from workers import oversight as worker
from workers.celery_app import celery


def at(audit, moment, work, *args):
    with audit.app.app_context():
        ctx = replace(system_context(SystemActor.NOTARY), now=moment)
        with unit_of_work(ctx):
            return work(ctx, *args)


def follower(audit, name):
    with audit.owner() as connection:
        return connection.execute(
            "SELECT position, attempts, error_code, due_at FROM audit_followers WHERE name = %s", [name]
        ).fetchone()


def deliver(audit, gateway, witness=Witness.FILE):
    with audit.app.app_context():
        while worker.give_next(witness, gateway):
            pass


@pytest.fixture
def sealed(audit):
    audit.write(3)
    while audit.seal(limit=3):
        pass
    return audit


def numbers(audit):
    with audit.owner() as connection:
        return [row[0] for row in connection.execute("SELECT number FROM audit_checkpoints ORDER BY number")]


def test_a_witness_gets_every_checkpoint_in_order_and_what_it_covers(sealed):
    witness = RecordingWitness()
    deliver(sealed, witness)
    assert [line.number for line in witness.given] == numbers(sealed)
    for line in witness.given:
        stated = read_checkpoint(line.note)
        before = sum(len(each.leaves) for each in witness.given if each.number < line.number)
        assert stated.size == before + len(line.leaves)
    sealed.write()
    sealed.seal()
    deliver(sealed, witness)
    assert [line.number for line in witness.given] == numbers(sealed), "and only what it lacked"


def test_few_at_a_time_are_as_good_as_many(sealed, monkeypatch):
    monkeypatch.setattr(witnessing, "BATCH", 1)
    witness = RecordingWitness()
    deliver(sealed, witness)
    assert [line.number for line in witness.given] == numbers(sealed)
    assert sealed.found([line.text() for line in witness.given]) is None


def test_what_was_not_given_is_tried_again_later_and_later(sealed):
    witness = RecordingWitness(failure=NotGiven("http_503"))
    deliver(sealed, witness)
    position, attempts, error, first = follower(sealed, "file")
    assert (position, attempts, error) == (0, 1, "http_503")
    assert at(sealed, first - timedelta(seconds=1), witnessing.claim, Witness.FILE) == []
    assert at(sealed, first, witnessing.claim, Witness.FILE)
    at(sealed, first, witnessing.record_failed, Witness.FILE, "http_503")
    _position, attempts, _error, second = follower(sealed, "file")
    assert attempts == 2
    assert second - first > timedelta(seconds=15)
    at(sealed, second, witnessing.claim, Witness.FILE)
    at(sealed, second, witnessing.record_given, Witness.FILE, numbers(sealed)[-1])
    assert follower(sealed, "file")[:3] == (numbers(sealed)[-1], 0, None)


def test_a_claim_of_a_process_that_died_is_taken_up_again(sealed):
    moment = now()
    claimed = at(sealed, moment, witnessing.claim, Witness.FILE)
    assert claimed
    assert at(sealed, moment, witnessing.claim, Witness.FILE) == []
    assert at(sealed, moment + witnessing.GIVE_WITHIN, witnessing.claim, Witness.FILE) == claimed


def test_a_file_only_grows(sealed, tmp_path):
    path = tmp_path / "witness.jsonl"
    deliver(sealed, FileWitness(path))
    first = path.read_bytes()
    assert path.stat().st_mode & 0o777 == 0o600
    sealed.write()
    sealed.seal()
    deliver(sealed, FileWitness(path))
    assert path.read_bytes().startswith(first)
    texts, torn = read_witness_file(path)
    assert not torn
    assert [read_line(line).number for line in texts] == numbers(sealed)
    assert sealed.found(texts) is None


def test_a_line_that_a_power_cut_left_half_spoils_no_other(sealed, tmp_path):
    path = tmp_path / "witness.jsonl"
    path.write_bytes(b'{"number": 1, "no')
    texts, torn = read_witness_file(path)
    assert (list(texts), torn) == ([], True)
    deliver(sealed, FileWitness(path))
    texts, torn = read_witness_file(path)
    assert (len(texts), torn) == (len(numbers(sealed)) + 1, False)


def test_a_file_is_read_a_line_at_a_time(sealed, tmp_path):
    path = tmp_path / "witness.jsonl"
    deliver(sealed, FileWitness(path))
    whole = path.read_bytes().splitlines()
    texts, _torn = read_witness_file(path)
    assert list(texts) == whole
    assert (texts[-1], list(texts[1:])) == (whole[-1], whole[1:])
    held = verifying.read_witness(texts)
    assert set(held) == set(numbers(sealed))
    path.unlink()
    with pytest.raises(FileNotFoundError):
        held[1]  # not kept


def test_a_file_that_cant_be_written_is_not_given(sealed, tmp_path):
    deliver(sealed, FileWitness(tmp_path / "away" / "witness.jsonl"))
    assert follower(sealed, "file")[2] == "FileNotFoundError"


@pytest.fixture
def receiver():
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            server.got.append((dict(self.headers), body))
            self.send_response(server.status)
            if server.status == 302:
                self.send_header("Location", "http://127.0.0.1:1/elsewhere")
            self.end_headers()

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    server.got, server.status = [], 204
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_webhook_gets_signed_lines(sealed, receiver):
    deliver(sealed, WebhookWitness(f"http://127.0.0.1:{receiver.server_port}/w"), Witness.WEBHOOK)
    [(headers, body)] = receiver.got
    name, signature = headers["Helpline-Signature"].split(" ")
    assert name == origin(public_key())
    public_key().verify(base64.b64decode(signature), body)
    assert [json.loads(line)["number"] for line in body.splitlines()] == numbers(sealed)
    assert sealed.found(body.splitlines()) is None


@pytest.mark.parametrize("status", [302, 404, 500])
def test_a_webhook_that_refuses_or_sends_elsewhere_is_not_given(sealed, receiver, status):
    receiver.status = status
    deliver(sealed, WebhookWitness(f"http://127.0.0.1:{receiver.server_port}/w"), Witness.WEBHOOK)
    assert follower(sealed, "webhook")[:3] == (0, 1, f"http_{status}")


def test_nobody_there_is_not_given(sealed):
    deliver(sealed, WebhookWitness("http://127.0.0.1:1/"), Witness.WEBHOOK)
    assert follower(sealed, "webhook")[2] == "URLError"


def test_mail_carries_the_newest_checkpoint_once_an_hour(sealed):
    box = RecordingGateway()
    deliver(sealed, MailWitness(box, "keeper@elsewhere.test", "Subject", "Text"), Witness.MAIL)
    [mail] = box.sent
    assert read_checkpoint(mail.body.partition("\n\n")[2]).number == numbers(sealed)[-1]
    sealed.write()
    sealed.seal()
    deliver(sealed, MailWitness(box, "keeper@elsewhere.test", "Subject", "Text"), Witness.MAIL)
    assert len(box.sent) == 1
    assert follower(sealed, "mail")[3] - now() > timedelta(minutes=55)


@pytest.mark.parametrize(
    ("failure", "code"), [(NotAccepted("smtp_550", again=False), "smtp_550"), (MaybeAccepted("x"), "unknown")]
)
def test_mail_that_did_not_surely_leave_is_not_given(sealed, failure, code):
    deliver(sealed, MailWitness(RecordingGateway(failure=failure), "k@elsewhere.test", "S", "T"), Witness.MAIL)
    assert follower(sealed, "mail")[2] == code


def alarms(audit, template):
    with audit.owner() as connection:
        return connection.execute(
            "SELECT recipient_id, channel FROM messages WHERE template = %s", [template]
        ).fetchall()


def test_a_witness_that_is_not_reached_in_time_alarms_once(sealed):
    auditor, admin = make_user(sealed.centre, "auditor"), make_user(sealed.centre, "admin")
    with_file = replace(sealed.settings, audit_witness_url="https://witness.test/")
    soon, later = now() + timedelta(minutes=9), now() + timedelta(minutes=11)
    assert not at(sealed, later, witnessing.alarm_late, sealed.settings), "no witness is set: the page says so instead"
    assert not at(sealed, soon, witnessing.alarm_late, with_file)
    for _ in range(2):
        assert at(sealed, later, witnessing.alarm_late, with_file)
    told = alarms(sealed, "witness_late")
    assert {user for user, _channel in told} >= {auditor.id, admin.id}
    assert sealed.person.id not in {user for user, _channel in told}
    assert len(told) == len(set(told))
    deliver(sealed, RecordingWitness(), Witness.WEBHOOK)
    assert not at(sealed, soon, witnessing.alarm_late, with_file)


def test_the_alarm_of_a_broken_audit_is_told_once(sealed):
    auditor = make_user(sealed.centre, "auditor")
    with sealed.owner() as connection:
        connection.execute("UPDATE audit_entries SET action = 'case.closed' WHERE id = %s", [sealed.leaf(2)])
    for _ in range(2):
        state = sealed.verify()
        sealed.as_notary(verifying.alarm_broken, state)
    told = alarms(sealed, "audit_broken")
    assert (auditor.id, "in_app") in told
    assert len(told) == len(set(told))


def test_the_jobs_run_from_end_to_end(audit, monkeypatch, tmp_path):
    path = tmp_path / "witness.jsonl"
    audit.write(2)
    with audit.app.app_context():
        monkeypatch.setitem(audit.app.extensions, "helpline_settings", replace(audit.settings, audit_witness_path=path))
        monkeypatch.setattr("workers.task.flask_app", lambda: audit.app)
        celery.loader.import_default_modules()
    for name in ("seal_entries", "give_checkpoints", "watch_reading", "verify_audit"):
        celery.tasks[f"oversight.{name}"].run()
    with audit.app.app_context(), unit_of_work(system_context(SystemActor.NOTARY)):
        details = (
            db.session.execute(text("SELECT details FROM audit_entries WHERE action = 'audit.verified'"))
            .scalars()
            .all()
        )
    assert [each["whole"] for each in details] == [True]
    assert read_witness_file(path)[0]
    celery.tasks["oversight.verify_audit"].run()
    with audit.owner() as connection:
        count = connection.execute("SELECT count(*) FROM audit_entries WHERE action = 'audit.verified'").fetchone()[0]
    assert count == 1, "not again so soon"
