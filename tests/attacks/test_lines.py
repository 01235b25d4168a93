"""Line breaks and turning marks where a header, a mail, a file name or a person's name would be made of them."""

import io

import pytest
from marshmallow import fields

from helpline.accounts.schemas import PasswordIn
from helpline.foundation.access.permissions import FieldGroup
from helpline.foundation.ids import new_id
from helpline.notifications.gateways import Mail, NotAccepted, SmtpGateway
from helpline.settings import Settings
from helpline.web.schema import In

BREAKS = [
    "\r\nX-Evil: 1",
    "\nX-Evil: 1",
    "\rX-Evil: 1",
    "\u2028X-Evil: 1",
    "\x85X-Evil: 1",
    "%0d%0aX-Evil: 1",
    "\x00X-Evil: 1",
]
MINE = "Girl\u202egnp.exe"  # reads as "Girlexe.png"


@pytest.mark.parametrize(
    "name", [f"log{more}.csv" for more in BREAKS] + ["../../etc/cron.d/x.csv", "/etc/passwd", "C:\\x.csv", MINE]
)
def test_what_a_file_is_called_reaches_no_header_and_no_folder(staff, name):
    browser = staff.browser("supervisor")
    form = {"import_id": str(new_id()), "file": (io.BytesIO(b"when,what\n2024-12-31,x\n"), name)}
    made = browser.client.post("/imports", data=form, content_type="multipart/form-data", headers=browser.token)
    assert made.status_code in {302, 422}
    if made.status_code == 302:
        with browser.client.get(f"{made.location}/rejects.csv") as report:
            assert report.status_code == 200
        assert report.headers["Content-Disposition"] == 'attachment; filename="rejects.csv"'
        assert report.headers["Content-Type"] == "text/csv; charset=utf-8"
        assert "X-Evil" not in str(report.headers) + str(made.headers)


@pytest.mark.parametrize("more", BREAKS)
def test_a_mail_is_one_mail_to_one_address_under_one_subject(more):
    gateway = SmtpGateway(Settings(smtp_host="mail.test", mail_from="Helpline <helpline@example.org>"))
    sent = gateway._message(Mail("k", "a@b.test", f"About HC-7{more}", f"Words{more}")).as_bytes()
    head = sent.partition(b"\r\n\r\n")[0]
    assert b"\nX-Evil" not in head
    assert b"\rX-Evil" not in head.replace(b"\r\n", b"")
    assert head.count(b"Subject:") == 1
    if more.isascii() and "%" not in more:
        with pytest.raises(NotAccepted):
            gateway._message(Mail("k", f"a@b.test{more}", "About", "Words"))


def test_no_header_of_a_request_comes_back(client):
    for name in (
        "X-Request-Id",
        "X-Correlation-Id",
        "Traceparent",
        "Origin",
        "User-Agent",
        "Accept-Language",
        "Cookie",
    ):
        answer = client.get("/sign-in", headers={name: "evil-canary"})
        assert "evil-canary" not in answer.text + str(answer.headers)


@pytest.mark.parametrize(
    "path",
    ["/x%0d%0aSet-Cookie:%20a=b", "/x%0aSet-Cookie:%20a=b", "/calls/%0d%0aX-Evil:1", "/language/en%0d%0aX-Evil:1"],
)
def test_no_address_becomes_a_header(client, path):
    answer = client.get(path)
    assert answer.status_code in {302, 404}
    assert not {"X-Evil", "Set-Cookie"} & {name for name, value in answer.headers if "a=b" in value or name == "X-Evil"}


class NoteIn(In):
    group = FieldGroup.STORY
    name = fields.String()
    more = fields.List(fields.Dict())


@pytest.mark.parametrize("mark", [*"\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"])
def test_marks_that_turn_a_text_are_left_out_of_every_input(mark):
    given = {"name": f"Girl{mark}gnp.exe", "more": [{"x": f"a{mark}b"}]}
    assert NoteIn().load(given) == {"name": "Girlgnp.exe", "more": [{"x": "ab"}]}
    kept = {"name": "ស្រី\u200bនាង \u200fعربي \u200c"}  # joiners, Khmer spaces and plain marks of direction
    assert NoteIn().load(kept) == kept
    secret = {"current": f"a{mark}b", "password": f"c{mark}d"}
    assert PasswordIn().load(secret) == secret, "a password is taken to the letter"


def test_a_name_reads_as_it_is(staff, rows):
    browser = staff.browser("operator")
    assert browser.client.patch("/api/v1/me", json={"name": MINE}, headers=browser.token).json["name"] == "Girlgnp.exe"
