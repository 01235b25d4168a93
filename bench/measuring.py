"""Times of an operation over HTTP, by a number of clients at once."""

import itertools
import statistics
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from bench.asking import Client, Inside, Wire
from bench.bed import Web
from bench.operations import Operation
from bench.options import WARM_UP, Options


@dataclass(frozen=True)
class Timing:
    """Milliseconds; requests a second as these clients would ask without a pause; CPU of the web processes."""

    p50: float
    p95: float
    per_second: float
    cpu: float


def timing(seconds: Sequence[float], clients: int, cpu: float = 0.0) -> Timing:
    cuts = statistics.quantiles(seconds, n=20, method="inclusive") if len(seconds) > 1 else [seconds[0]] * 19
    return Timing(cuts[9] * 1000, cuts[18] * 1000, clients * len(seconds) / sum(seconds), cpu * 1000)


def measure(web: Web, operation: Operation, numbers: Iterator[int], clients: int, options: Options) -> Timing:
    """At most `options.count` times and about `options.seconds` long. Raises RuntimeError for a refusal."""
    before, first = web.cpu_seconds(), next(numbers)
    count = min(options.count, operation.most)
    times = times_of(web.port, operation, numbers, clients, count=count, seconds=options.seconds)
    return timing(times, clients, (web.cpu_seconds() - before) / (next(numbers) - first - 1))


def times_of(
    port: int, operation: Operation, numbers: Iterator[int], clients: int, *, count: int, seconds: float
) -> list[float]:
    """Seconds of each, at most `count` and for about `seconds`, after warming up. Raises RuntimeError for a refusal."""
    todo = iter(range(count))  # shared: whoever is free takes the next
    start = threading.Barrier(clients)
    wires = [Wire(port) for _ in range(clients)]

    def run(wire: Wire) -> list[float]:
        for _ in range(WARM_UP):
            once(wire, operation, next(numbers))
        start.wait()
        until = time.perf_counter() + seconds
        times = []
        for _ in todo:
            times.append(once(wire, operation, next(numbers)))
            if time.perf_counter() > until:
                break
        return times

    with ThreadPoolExecutor(clients) as pool:
        times = list(itertools.chain.from_iterable(pool.map(run, wires)))
    for wire in wires:
        wire.close()
    return times


def once(client: Client, operation: Operation, number: int) -> float:
    """Seconds that one operation took; preparing it is not counted."""
    asks = operation.make(client, number)
    begun = time.perf_counter()
    for ask in asks:
        client.send(ask)
    return time.perf_counter() - begun


def count_statements(inside: Inside, operation: Operation, numbers: Iterator[int]) -> int:
    """SQL statements of one operation, the second time: the first notes a token's use and fills caches."""
    once(inside, operation, next(numbers))
    asks = operation.make(inside, next(numbers))
    inside.statements = 0
    with inside.counting():
        for ask in asks:
            inside.send(ask)
    return inside.statements
