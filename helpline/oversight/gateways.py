"""The witnesses: whoever keeps our checkpoints where this database's administrators can't reach them."""

import os
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, overload

from helpline.foundation.audit.checkpoints import origin, public_key, sign_bytes
from helpline.notifications.gateways import Mail, MailGateway, MaybeAccepted, NotAccepted
from helpline.oversight.commands import Line

TIMEOUT_SECONDS = 20


class NotGiven(Exception):
    """The witness did not take them, or nobody knows. `code` says why, in one word."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class WitnessGateway(Protocol):
    """Gives lines, oldest first; raises NotGiven."""

    def give(self, lines: Sequence[Line]) -> None: ...


class FileWitness:
    """A file that only grows: on a disk, a share or a device that others keep. On the disk for sure when it returns."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def give(self, lines: Sequence[Line]) -> None:
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "ab") as file:
                size = os.fstat(descriptor).st_size
                torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"  # a line that a power cut left half
                file.write((b"\n" if torn else b"") + b"".join(line.text() + b"\n" for line in lines))
                file.flush()
                os.fsync(descriptor)
        except OSError as error:
            raise NotGiven(type(error).__name__) from error


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_args: object) -> None:
        """Checkpoints go where the settings say, nowhere else."""


class WebhookWitness:
    """A POST of JSON lines. `Helpline-Signature` signs the body with the key that signs the checkpoints."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._opener = urllib.request.build_opener(_NoRedirect)

    def give(self, lines: Sequence[Line]) -> None:
        body = b"".join(line.text() + b"\n" for line in lines)
        headers = {
            "Content-Type": "application/jsonl", "Helpline-Signature": f"{origin(public_key())} {sign_bytes(body)}",
        }  # fmt: skip
        request = urllib.request.Request(self._url, body, headers, method="POST")  # noqa: S310  # settings allow http(s) alone
        try:
            with self._opener.open(request, timeout=TIMEOUT_SECONDS):
                pass
        except urllib.error.HTTPError as error:
            raise NotGiven(f"http_{error.code}") from error
        except OSError as error:
            raise NotGiven(type(error).__name__) from error


@dataclass(frozen=True)
class MailWitness:
    """The newest checkpoint by mail, to somebody who keeps it."""

    gateway: MailGateway
    to: str
    subject: str
    text: str

    def give(self, lines: Sequence[Line]) -> None:
        key = f"checkpoint-{lines[-1].number}"
        try:
            self.gateway.send(Mail(key, self.to, self.subject, f"{self.text}\n\n{lines[-1].note}"))
        except NotAccepted as error:
            raise NotGiven(error.code) from error
        except MaybeAccepted as error:
            raise NotGiven("unknown") from error


@dataclass
class RecordingWitness:
    """Keeps what it is given; raises `failure` instead, if set."""

    given: list[Line] = field(default_factory=list)
    failure: Exception | None = None

    def give(self, lines: Sequence[Line]) -> None:
        if self.failure is not None:
            raise self.failure
        self.given += lines


class FileLines(Sequence[bytes]):
    """The lines of a file, each read when it is asked for: only where they begin stands in memory."""

    def __init__(self, path: Path, places: Sequence[tuple[int, int]]) -> None:
        self._path, self._places = path, places

    def __len__(self) -> int:
        return len(self._places)

    @overload
    def __getitem__(self, index: int) -> bytes: ...
    @overload
    def __getitem__(self, index: slice) -> "FileLines": ...
    def __getitem__(self, index: int | slice) -> "bytes | FileLines":
        if isinstance(index, slice):
            return FileLines(self._path, self._places[index])
        start, length = self._places[index]
        with self._path.open("rb") as file:
            file.seek(start)
            return file.read(length)


def read_witness_file(path: Path) -> tuple[FileLines, bool]:
    """The lines of a witness's file, and whether the last one is cut short."""
    places, start, torn = [], 0, False
    with path.open("rb") as file:
        for line in file:
            words = line.removesuffix(b"\n")
            torn = words == line
            if words.strip() and not torn:
                places.append((start, len(words)))
            start += len(line)
    return FileLines(path, places), torn
