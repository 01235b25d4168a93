"""Where mail goes: the demo's own mailbox."""

from dataclasses import replace

from helpline.notifications import gateways


def test_the_demo_keeps_its_mail_and_shows_the_newest_first(tmp_path):
    box = gateways.FolderGateway(tmp_path / "mail")
    for key in ("019a-1", "019a-2"):
        box.send(gateways.Mail(key=key, to="clinic@partner.invalid", subject="Something waits", body=f"link {key}\n"))
    assert box.keys() == ["019a-2", "019a-1"]
    assert box.read("019a-2").body == "link 019a-2\n"
    assert (tmp_path / "mail").stat().st_mode & 0o077 == 0


def test_only_a_demo_without_a_mail_server_has_a_mailbox(settings):
    assert gateways.demo_mailbox(settings) is None
    assert gateways.demo_mailbox(replace(settings, demo=True, smtp_host="mail.test")) is None
    assert gateways.demo_mailbox(replace(settings, demo=True, smtp_host="")) is not None


def test_a_long_mail_in_khmer_ends_its_lines_as_the_protocol_says(settings):
    mail = gateways.Mail(key="019a-1", to="clinic@partner.test", subject="មានរឿងមួយរង់ចាំអ្នក", body="សូមបើកទំព័រនេះ\n" * 80)
    text = gateways.SmtpGateway(settings)._message(mail).as_bytes()  # the bytes that go out
    lines = text.split(b"\r\n")
    assert b"\n" not in b"".join(lines), "a bare line feed makes one line of all, which servers refuse as too long"
    assert max(map(len, lines)) < 998  # RFC 5322, 2.1.1
    assert text.isascii()
