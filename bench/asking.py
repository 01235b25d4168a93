"""Requests, and two ways to send them: over HTTP to measure, and inside this process to count statements."""

import http.client
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import event

from helpline.foundation.db import db


@dataclass(frozen=True)
class Ask:
    """One request and the status it must have. `token` is an API token; without one, cookies are sent."""

    method: str
    path: str
    expect: int = 200
    token: str = ""
    body: bytes = b""
    kind: str = "application/json"

    def headers(self) -> dict[str, str]:
        given = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        return given | ({"Content-Type": self.kind} if self.body else {})

    def checked(self, status: int, text: bytes) -> str:
        """The answer's text. Raises RuntimeError for another status: a measurement of refusals is none."""
        if status != self.expect:
            raise RuntimeError(f"{self.method} {self.path} answered {status}: {text[:500]!r}")
        return text.decode()


class Client(Protocol):
    def send(self, ask: Ask) -> str: ...
    def forget(self) -> None:
        """Drop all cookies."""


@dataclass
class Wire:
    """One connection to the web process, kept open as a browser keeps it."""

    port: int
    cookies: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)

    def send(self, ask: Ask) -> str:
        headers = ask.headers()
        if self.cookies and not ask.token:
            headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        self._connection.request(ask.method, ask.path, ask.body or None, headers)
        answer = self._connection.getresponse()
        text = answer.read()
        for cookie in answer.headers.get_all("Set-Cookie", []):
            name, _, value = cookie.partition(";")[0].partition("=")
            self.cookies[name] = value
        return ask.checked(answer.status, text)

    def forget(self) -> None:
        self.cookies.clear()

    def close(self) -> None:
        self._connection.close()


@dataclass
class Inside:
    """The application in this process. `statements` counts what its engine ran."""

    app: Flask
    statements: int = 0

    def __post_init__(self) -> None:
        self.forget()

    def send(self, ask: Ask) -> str:
        answer = self._client.open(ask.path, method=ask.method, data=ask.body, headers=ask.headers())
        return ask.checked(answer.status_code, answer.data)

    def forget(self) -> None:
        self._client: FlaskClient = self.app.test_client()

    @contextmanager
    def counting(self) -> Iterator[None]:
        """Count every statement of the web role's engine while the block runs."""

        def note(*_: object) -> None:
            self.statements += 1

        with self.app.app_context():
            engine = db.engine
        event.listen(engine, "before_cursor_execute", note)
        try:
            yield
        finally:
            event.remove(engine, "before_cursor_execute", note)
