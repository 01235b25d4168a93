"""The mail server, and a recording stand-in for tests."""

import json
import smtplib
import ssl
from dataclasses import dataclass, field
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr
from pathlib import Path
from typing import Protocol

from helpline.foundation.clock import real_now
from helpline.settings import Settings

_TRANSIENT, _PERMANENT = range(400, 500), range(500, 600)
TIMEOUT_SECONDS = 20
# Lines end as the protocol says: with bare line feeds a longer text counts as one line, too long. Seven bits pass all.
WIRE = SMTP.clone(cte_type="7bit")


class NotAccepted(Exception):
    """The server certainly did not take the message. `again`: a later try may work."""

    def __init__(self, code: str, *, again: bool) -> None:
        super().__init__(code)
        self.code, self.again = code, again


class MaybeAccepted(Exception):
    """The line broke after the text was handed over: nobody knows."""


@dataclass(frozen=True)
class Mail:
    """One mail. `key` is the message's id: it stands in Message-ID, so that a receiver can tell repeats."""

    key: str
    to: str = field(repr=False)
    subject: str
    body: str = field(repr=False)


class MailGateway(Protocol):
    """Sends one mail; raises NotAccepted or MaybeAccepted."""

    def send(self, mail: Mail) -> None: ...


class SmtpGateway:
    """One connection a mail: few are sent, and each says for certain where it failed."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def send(self, mail: Mail) -> None:
        message = self._message(mail)
        try:
            with smtplib.SMTP(self._settings.smtp_host, self._settings.smtp_port, timeout=TIMEOUT_SECONDS) as server:
                self._prepare(server, mail)
                self._hand_over(server, message)
        except (OSError, smtplib.SMTPException) as error:
            code = getattr(error, "smtp_code", 0)
            raise NotAccepted(type(error).__name__, again=code not in _PERMANENT) from error

    def _prepare(self, server: smtplib.SMTP, mail: Mail) -> None:
        if self._settings.smtp_starttls:
            server.starttls(context=ssl.create_default_context())
        if self._settings.smtp_user:
            server.login(self._settings.smtp_user, self._settings.smtp_password_path.read_text().strip())
        server.ehlo_or_helo_if_needed()
        sender = parseaddr(self._settings.mail_from)[1]
        for code, _answer in (server.mail(sender), server.rcpt(mail.to)):
            if code not in {250, 251}:
                raise NotAccepted(f"smtp_{code}", again=code in _TRANSIENT)

    @staticmethod
    def _hand_over(server: smtplib.SMTP, message: EmailMessage) -> None:
        try:
            code, _answer = server.data(message.as_bytes())
        except smtplib.SMTPDataError as error:  # refused at DATA, before the text
            raise NotAccepted(f"smtp_{error.smtp_code}", again=error.smtp_code in _TRANSIENT) from error
        except (OSError, smtplib.SMTPException) as error:
            raise MaybeAccepted(type(error).__name__) from error
        if code != 250:  # noqa: PLR2004
            raise NotAccepted(f"smtp_{code}", again=code in _TRANSIENT)

    def _message(self, mail: Mail) -> EmailMessage:
        """The mail as bytes go out. An address that is not exactly one is refused: it could add recipients."""
        name, address = parseaddr(self._settings.mail_from)
        try:
            to = Address(addr_spec=mail.to)
            mail.to.encode("ascii")
        except (ValueError, MessageError) as error:
            raise NotAccepted("bad_address", again=False) from error
        message = EmailMessage(policy=WIRE)
        message["From"] = Address(display_name=name, addr_spec=address)
        message["To"] = to
        message["Subject"] = " ".join(mail.subject.split())
        message["Date"] = format_datetime(real_now())
        message["Message-ID"] = f"<{mail.key}@{address.rpartition('@')[2]}>"
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(mail.body)
        return message


class FolderGateway:
    """The demo's mailbox: mail to invented addresses is kept in a folder, for staff to read, and goes nowhere."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def send(self, mail: Mail) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        beside = self._folder / f".{mail.key}"
        beside.touch(mode=0o600)
        beside.write_text(json.dumps({"key": mail.key, "to": mail.to, "subject": mail.subject, "body": mail.body}))
        beside.replace(self._folder / f"{mail.key}.json")

    def keys(self) -> list[str]:
        """The ids of the messages that were sent, newest first: they are ordered by time."""
        return sorted((file.stem for file in self._folder.glob("*.json")), reverse=True)

    def read(self, key: str) -> Mail:
        return Mail(**json.loads((self._folder / f"{key}.json").read_text()))


def demo_mailbox(settings: Settings) -> FolderGateway | None:
    """Where the demo keeps its mail while no mail server is set; None outside a demo."""
    return FolderGateway(settings.embedded_path / "mail") if settings.demo and not settings.smtp_host else None


@dataclass
class RecordingGateway:
    """Keeps what it is given; raises `failure` instead, if set."""

    sent: list[Mail] = field(default_factory=list)
    failure: Exception | None = None

    def send(self, mail: Mail) -> None:
        if self.failure is not None:
            raise self.failure
        self.sent.append(mail)
