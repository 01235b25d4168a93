"""Where mail goes: the demo's own mailbox."""

from dataclasses import replace

from helpline.notifications import gateways


def test_the_demo_keeps_its_mail_and_shows_the_newest_first(tmp_path):
    box = gateways.FolderGateway(tmp_path / "mail")
    for key in ("019a-1", "019a-2"):
        box.send(gateways.Mail(key=key, to="clinic@partner.invalid", subject="Something waits", body=f"link {key}\n"))
    assert [mail.key for mail in box.newest()] == ["019a-2", "019a-1"]
    assert [mail.key for mail in box.newest(1)] == ["019a-2"]
    assert (tmp_path / "mail").stat().st_mode & 0o077 == 0


def test_only_a_demo_without_a_mail_server_has_a_mailbox(settings):
    assert gateways.demo_mailbox(settings) is None
    assert gateways.demo_mailbox(replace(settings, demo=True, smtp_host="mail.test")) is None
    assert gateways.demo_mailbox(replace(settings, demo=True, smtp_host="")) is not None
