"""The whole service as real processes over real servers, for journeys and crash tests: only the clock is moved."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, replace
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

from aiosmtpd.controller import Controller

from helpline.embedded.supervisor import commands
from helpline.settings import ROOT, Settings

PATIENCE = 60  # seconds to wait for what a working service does within two


def until(found: Callable[[], object], what: str, seconds: float = PATIENCE) -> object:
    """Poll until `found()` is true; its value. Fails with `what` after `seconds`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        value = found()
        if value:
            return value
        time.sleep(0.1)
    raise AssertionError(f"waited {seconds} s for {what}")


class Receiver:
    """A mail server that keeps what it accepts."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []

    async def handle_DATA(self, _server, _session, envelope) -> str:  # noqa: N802  # aiosmtpd's name
        mail = message_from_bytes(envelope.content, policy=policy.default)
        mail["X-Rcpt"] = envelope.rcpt_tos[0]
        self.mails.append(mail)
        return "250 Kept"

    def to(self, address: str) -> list[EmailMessage]:
        return [mail for mail in self.mails if mail["X-Rcpt"] == address]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def environment(settings: Settings) -> dict[str, str]:
    """The variables that make a process read these settings."""
    values = {
        option.metadata["env"]: str(getattr(settings, option.name))
        for option in fields(settings)
        if "env" in option.metadata
    }
    keep = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return keep | {name: value for name, value in values.items() if value not in {"", "."}}


@dataclass
class Stack:
    """Processes by name; each can be killed and started again."""

    settings: Settings
    receiver: Receiver
    folder: Path
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return self.settings.public_url

    def start(self, *names: str) -> None:
        for name in names or ("relay", "search", "worker", "beat", "web"):
            command = commands(self.settings, self.folder)[name]
            with (self.folder / f"{name}.log").open("ab") as log:
                self.running[name] = subprocess.Popen(
                    [sys.executable, *command[1:]], cwd=ROOT, env=environment(self.settings), stdout=log, stderr=log,
                    start_new_session=True,
                )  # fmt: skip

    def kill(self, name: str) -> None:
        """kill -9 of the process and its children, as a power cut would."""
        process = self.running.pop(name)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def died(self, name: str) -> bool:
        return self.running[name].poll() is not None

    def stop(self) -> None:
        for process in self.running.values():
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        self.running.clear()

    def ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/readyz", timeout=5) as answer:  # loopback
                return answer.status == 200
        except (urllib.error.URLError, OSError):
            return False

    def wait_ready(self) -> None:
        until(self.ready, f"/readyz; see {self.folder}")

    def move_clock(self, seconds: float) -> None:
        """Every process is this much later from now on."""
        path = self.settings.clock_offset_path
        moved = float(path.read_text() or 0) + seconds if path.exists() else seconds
        beside = path.with_suffix(".new")
        beside.write_text(str(moved))
        beside.replace(path)

    def arm(self, *failpoints: str) -> None:
        """Whoever reaches one of these first dies there."""
        self.settings.failpoints_path.write_text("\n".join(failpoints))

    def disarmed(self) -> bool:
        return not self.settings.failpoints_path.read_text().strip()

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text(errors="replace")


@contextmanager
def service(settings: Settings, folder: Path) -> Iterator[Stack]:
    """A stack over these servers, with a mail receiver, a movable clock and failpoints; everything dies with it."""
    receiver = Receiver()
    mail_port, port = free_port(), free_port()
    controller = Controller(receiver, hostname="127.0.0.1", port=mail_port)
    controller.start()
    (folder / "failpoints").write_text("")
    stack = Stack(
        replace(
            settings, port=port, public_url=f"http://127.0.0.1:{port}", web_workers=1, smtp_host="127.0.0.1",
            smtp_port=mail_port, clock_offset_path=folder / "clock", failpoints_path=folder / "failpoints",
            mail_from="Helpline <helpline@helpline.test>", search_socket_path=folder / "search.sock",
        ),
        receiver,
        folder,
    )  # fmt: skip
    try:
        yield stack
    finally:
        stack.stop()
        controller.stop()
