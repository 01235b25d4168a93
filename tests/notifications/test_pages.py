"""Inbox and deliveries by page and API; whose messages are seen, who resolves, and what a message may hold."""

import ast
import re
import uuid
from datetime import datetime

import pytest
from flask import render_template

from helpline.foundation.access.permissions import SystemActor
from helpline.foundation.context import system_context
from helpline.foundation.db import unit_of_work
from helpline.foundation.errors import Conflict, Forbidden, NotFound
from helpline.foundation.i18n import speaking
from helpline.foundation.ids import new_id
from helpline.notifications import pages as mail_pages
from helpline.notifications import queries, services
from helpline.notifications.commands import QueueMessage
from helpline.notifications.gateways import FolderGateway, Mail
from helpline.notifications.vocabulary import MessageChannel
from helpline.settings import ROOT
from tests.factories.accounts import make_centre, make_user, sign_in

TEXTS = ROOT / "helpline/notifications/templates/messages"


@pytest.fixture
def queue(app, rows):
    """`queue(user, …)`: queue a message in both channels; ids by channel."""

    def put(user, template="case_assigned", **params):
        key = str(new_id())
        params = {"case_id": new_id(), "case": "HC-7"} | params
        with app.app_context(), unit_of_work(system_context(SystemActor.REMINDER)) as ctx:
            services.queue_message(ctx, QueueMessage(user.centre.id, template, key, params, user_id=user.id))
        return dict(rows("SELECT channel, id FROM messages WHERE dedupe_key = %s", key))

    return put


@pytest.fixture
def lost(queue, rows, make_person):
    """A mail to a caseworker whose end nobody knows; its id."""

    def make():
        message_id = queue(make_person("caseworker"))["mail"]
        rows("UPDATE messages SET state = 'unknown', error_code = 'process_lost' WHERE id = %s", message_id)
        return message_id

    return make


def token_in(answer):
    return re.search(r'name="csrf_token" value="([^"]+)"', answer.text)[1]


def test_the_inbox_says_it_in_words_and_leads_to_the_case(client, make_person, queue, rows):
    person = make_person("caseworker")
    sign_in(client, person)
    assert "Nothing has come in." in client.get("/inbox").text
    queue(person)
    page = client.get("/inbox")
    assert "Case HC-7 was given to you" in page.text
    assert "Mark all as read" in page.text
    assert '<li class="new">' in client.get("/inbox").text, "looking at the list reads nothing"
    opened = client.get(re.search(r'href="(/inbox/[^"]+)"', page.text)[1])
    assert opened.location.startswith("/cases/")
    assert '<li class="new">' in page.text
    assert '<li class="new">' not in client.get("/inbox").text  # opened, and so read
    assert rows("SELECT count(*) FROM messages WHERE recipient_id = %s AND read_at IS NOT NULL", person.id) == [(1,)]


def test_nobody_sees_anothers_inbox(client, make_person, queue):
    queue(make_person("caseworker"))
    for role in ("caseworker", "supervisor", "admin", "auditor"):
        sign_in(client, make_person(role))
        assert "HC-7" not in client.get("/inbox").text
        assert client.get("/api/v1/messages").json["items"] == []


def test_names_typed_by_people_are_escaped_in_the_inbox(client, make_person, queue):
    person = make_person("caseworker")
    queue(person, case="<img src=x onerror=alert(1)>")
    sign_in(client, person)
    page = client.get("/inbox").text
    assert "<img src=x" not in page
    assert "&lt;img src=x" in page


def test_unread_ones_are_counted_beside_the_rail(client, app, make_person, queue):
    person = make_person("caseworker")
    for _ in range(3):
        queue(person)
    with app.app_context(), unit_of_work(person.ctx()):
        assert queries.count_unread(person.id) == 3
    sign_in(client, person)
    assert [item["template"] for item in client.get("/api/v1/messages").json["items"]] == ["case_assigned"] * 3


def test_the_inbox_goes_on_where_it_stopped(client, make_person, queue):
    person = make_person("caseworker")
    for _ in range(queries.PAGE + 2):
        queue(person)
    sign_in(client, person)
    first = client.get("/api/v1/messages").json
    rest = client.get(f"/api/v1/messages?after={first['next']}").json
    assert (len(first["items"]), len(rest["items"]), rest["next"]) == (queries.PAGE, 2, None)
    assert not {i["id"] for i in first["items"]} & {i["id"] for i in rest["items"]}
    assert "Older" in client.get("/inbox").text
    assert client.get("/api/v1/messages?after=nonsense").status_code == 422


@pytest.mark.parametrize(("arrived", "state"), [("true", "sent"), ("false", "queued")])
def test_a_human_says_what_became_of_it(client, make_person, lost, rows, arrived, state):  # noqa: PLR0917
    message_id, supervisor = lost(), make_person("supervisor")
    sign_in(client, supervisor)
    page = client.get("/deliveries")
    assert "It may have left" in page.text
    assert "Case HC-7 was given to you" in page.text
    assert "To caseworker " in page.text
    answer = client.post(f"/deliveries/{message_id}", data={"csrf_token": token_in(page), "arrived": arrived})
    assert answer.status_code == 302
    assert rows("SELECT state, resolved_by FROM messages WHERE id = %s", message_id) == [(state, supervisor.id)]
    assert rows("SELECT count(*) FROM audit_entries WHERE action = 'message.resolved' AND %s = ANY (subject_ids)", message_id) == [(1,)]  # fmt: skip
    assert "Every mail has left." in client.get("/deliveries").text


def test_only_who_answers_for_delivery_sees_and_resolves(client, app, make_person, lost, database_urls):
    message_id = lost()
    for role in ("operator", "caseworker", "auditor"):
        sign_in(client, make_person(role))
        assert client.get("/deliveries").status_code == 403
        assert client.get("/api/v1/deliveries").status_code == 403
    for role in ("admin", "supervisor"):
        sign_in(client, make_person(role))
        assert [item["id"] for item in client.get("/api/v1/deliveries").json["items"]] == [str(message_id)]
    stranger = make_user(make_centre(database_urls["owner"]), "supervisor")
    sign_in(client, stranger)
    assert client.get("/api/v1/deliveries").json["items"] == []
    for person, error in ((stranger, NotFound), (make_person("caseworker"), Forbidden)):
        with app.app_context(), pytest.raises(error), unit_of_work(person.ctx()) as ctx:
            services.resolve_unknown(ctx, message_id, arrived=True)


def test_what_is_on_its_way_is_not_resolved(app, make_person, queue):
    message_id = queue(make_person("caseworker"))["mail"]
    with app.app_context(), pytest.raises(Conflict, match="already_resolved"), unit_of_work(make_person("admin").ctx()) as ctx:  # fmt: skip
        services.resolve_unknown(ctx, message_id, arrived=True)


def test_people_neither_claim_nor_record(app, make_person, queue):
    message_id = queue(make_person("caseworker"))["mail"]
    deeds = (
        services.claim_next, services.mark_lost_claims, lambda ctx: services.record_sent(ctx, message_id),
    )  # fmt: skip
    for deed in deeds:
        with app.app_context(), pytest.raises(Forbidden), unit_of_work(make_person("admin").ctx()) as ctx:
            deed(ctx)


# --- what a message may say


PARAMS = {
    "case_id": str(uuid.uuid4()), "case": "HC-7", "kind": "contact", "due_at": "2026-11-23T07:00:00+00:00",
    "agency": {"en": "PoSVY", "km": "PoSVY"}, "helpline": "Centre", "answer_by": "2026-11-24 10:00", "service": "health",
    "added": 3, "rejected": 1, "kept": 0, "purpose": "invitation", "override_id": str(uuid.uuid4()),
    "review_by": "2026-11-24T07:00:00+00:00", "breach_id": str(uuid.uuid4()), "late": True,
    "notify_by": "2026-11-24T07:00:00+00:00",
}  # fmt: skip


def texts():
    return sorted(path.stem for path in TEXTS.glob("*.txt"))


@pytest.mark.parametrize("template", texts())
@pytest.mark.parametrize("locale", ["en", "km"])
@pytest.mark.parametrize("mail", [True, False])
def test_each_text_renders_as_a_subject_and_a_body(app, template, locale, mail):
    with app.app_context(), speaking(locale):
        more = {"mail": True, "link": "https://help.test/x", "zone": "Asia/Phnom_Penh"} if mail else {}
        text = render_template(f"messages/{template}.txt", params=PARAMS, now=datetime(2026, 11, 23), **more).strip()  # noqa: DTZ001
    subject, _, body = text.partition("\n")
    assert 0 < len(subject) <= 120
    assert body.strip()
    if mail:
        assert "https://help.test/x" in body or template in {"import_done", "checkpoint"}


@pytest.mark.parametrize("kind", ["assignment", "first_response", "contact", "review", "visit", "call", "other"])
@pytest.mark.parametrize("template", ["followup_due", "followup_escalated"])
def test_a_reminder_names_what_is_due_and_when_in_the_centres_time(app, template, kind):
    with app.app_context(), speaking("en"):
        text = render_template(f"messages/{template}.txt", params=PARAMS | {"kind": kind}, zone="Asia/Phnom_Penh")
    assert "HC-7" in text.strip().partition("\n")[0]
    assert "Mon 23 Nov 2026, 14:00" in text


ALLOWED = {
    "case_id", "case", "referral_id", "followup_id", "ask_id", "user_id", "import_id", "version", "link_until",
    "expires_at", "answer_by", "due_at", "agency", "helpline", "service", "kind", "risk_level", "purpose", "added",
    "rejected", "kept", "override_id", "review_by", "change", "breach_id", "late", "notify_by",
}  # fmt: skip


def _calls(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("QueueMessage"):
            yield node


def test_every_message_has_its_text_and_holds_no_more_than_ids_words_and_times():
    """Whatever queues a message is found in the source: the names of its params are on the list, its text exists."""
    seen = set()
    for path in [*(ROOT / "helpline").rglob("*.py"), *(ROOT / "workers").rglob("*.py")]:
        tree = ast.parse(path.read_text())
        if not any(_calls(tree)):
            continue
        where = str(path.relative_to(ROOT))
        seen.add(where)
        values = [
            node.value
            for node in ast.walk(tree)
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "params"
        ]
        values += [word.value for call in _calls(tree) for word in call.keywords if word.arg == "params"]
        inner = [each for value in values for each in ast.walk(value) if isinstance(each, ast.Dict)]
        names = {key.value for each in inner for key in each.keys if isinstance(key, ast.Constant)}
        assert names <= ALLOWED, where
        texts_named = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)} & set(texts())
        assert texts_named, where
    assert {"helpline/followups/services/watching.py", "helpline/referrals/services/routing.py"} <= seen


def test_what_was_queued_anywhere_holds_ids_codes_times_and_names_of_agencies(rows):
    """Whatever other tests queued into this database: no value is longer than a name."""
    for template, params in rows("SELECT template, params FROM messages"):
        assert set(params) <= ALLOWED, template
        assert all(len(str(value)) <= 200 for value in params.values()), template


def test_a_message_whose_text_is_gone_breaks_no_page(client, make_person, queue, rows):
    person = make_person("supervisor")
    rows("UPDATE messages SET state = 'failed' WHERE id = %s", queue(person, "no_such_text")["mail"])
    sign_in(client, person)
    assert "no_such_text" in client.get("/inbox").text
    assert "no_such_text" in client.get("/deliveries").text


@pytest.mark.parametrize(
    ("role", "status", "seen"),
    [
        ("supervisor", 200, {"to staff", "to an agency"}), ("admin", 200, {"to staff"}), ("operator", 403, set()),
        ("caseworker", 403, set()), ("team_supervisor", 200, {"to staff"}), ("auditor", 403, set()),
    ],
)  # fmt: skip
def test_the_demos_mail_is_its_own_centres_and_agencies_links_go_to_readers_of_stories(  # noqa: PLR0917
    client, app, rows, database_urls, make_person, tmp_path, monkeypatch, role, status, seen
):
    box = FolderGateway(tmp_path / "mail")
    monkeypatch.setattr(mail_pages, "demo_mailbox", lambda _settings: box)
    person, stranger = make_person(role), make_user(make_centre(database_urls["owner"]), "supervisor")

    def mail(centre_id, subject, **to):
        key = str(new_id())
        with app.app_context(), unit_of_work(system_context(SystemActor.REMINDER)) as ctx:
            services.queue_message(ctx, QueueMessage(centre_id, "case_assigned", key, {"case": "HC-7"}, **to))
        found = rows("SELECT id FROM messages WHERE dedupe_key = %s AND channel = 'mail'", key)
        box.send(Mail(str(found[0][0]), "somebody@partner.invalid", subject, "https://helpline.test/r/link"))

    mail(person.centre.id, "to staff", user_id=person.id)
    mail(person.centre.id, "to an agency", address="clinic@partner.invalid", channels=(MessageChannel.MAIL,))
    mail(stranger.centre.id, "to strangers", user_id=stranger.id)
    sign_in(client, person)
    page = client.get("/mailbox")
    assert page.status_code == status
    assert {subject for subject in ("to staff", "to an agency", "to strangers") if subject in page.text} == seen
