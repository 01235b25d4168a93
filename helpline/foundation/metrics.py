"""Counters and histograms for Prometheus. Labels are bounded names of code: routes, statuses, tasks, outcomes.

Nothing about a person or a record ever becomes a label. Each process counts for itself.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from time import perf_counter

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest

REGISTRY = CollectorRegistry()
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 120)
_NAME = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*", re.ASCII)
_FIRST_STATUS, _LAST_STATUS = 100, 599

_requests = Counter("helpline_requests", "Requests answered", ["route", "status"], registry=REGISTRY)
_request_seconds = Histogram(
    "helpline_request_seconds", "Time to answer", ["route"], buckets=_SECONDS, registry=REGISTRY
)
_tasks = Counter("helpline_tasks", "Tasks ended", ["task", "outcome"], registry=REGISTRY)
_task_seconds = Histogram("helpline_task_seconds", "Time a task took", ["task"], buckets=_SECONDS, registry=REGISTRY)
_waiting = Gauge("helpline_waiting", "Things that wait", ["kind"], registry=REGISTRY)


class Outcome(StrEnum):
    """How a task ended."""

    DONE = "done"
    SKIPPED = "skipped"
    RETRIED = "retried"
    FAILED = "failed"


def observe_request(endpoint: str | None, status: int, seconds: float) -> None:
    """Count one answered request. `endpoint` is Flask's name of the route (None: no route matched)."""
    route = _name(endpoint) if endpoint else "unmatched"
    _requests.labels(route, str(status) if _FIRST_STATUS <= status <= _LAST_STATUS else "other").inc()
    _request_seconds.labels(route).observe(seconds)


def observe_task(task: str, outcome: Outcome, seconds: float) -> None:
    """Count one ended task."""
    _tasks.labels(_name(task), Outcome(outcome).value).inc()
    _task_seconds.labels(_name(task)).observe(seconds)


def set_waiting(kind: str, count: int) -> None:
    """How many of a kind wait now, such as `outbox` or `overdue_followups`."""
    _waiting.labels(_name(kind)).set(count)


@contextmanager
def stopwatch() -> Iterator[list[float]]:
    """Seconds that the block took, as the one element of the list, once it is over."""
    seconds: list[float] = []
    start = perf_counter()
    try:
        yield seconds
    finally:
        seconds.append(perf_counter() - start)


def exposition() -> tuple[bytes, str]:
    """All figures of this process in Prometheus' text format, and its content type."""
    return generate_latest(REGISTRY), CONTENT_TYPE_LATEST


def _name(text: str) -> str:
    """A label must be a name from the code; anything else would be an endless, or telling, set of labels."""
    return text if _NAME.fullmatch(text) else "other"
