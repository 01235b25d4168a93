"""A whole service of one's own for each test file that asks for it."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
import redis

from helpline.settings import Settings
from tests.journeys.stack import Stack, service


@pytest.fixture(scope="module")
def stack(
    settings: Settings, make_database: Callable[..., dict[str, str]], worker_number: int,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Stack]:  # fmt: skip
    """Web, relay, worker and beat as processes over a database and a broker of their own; ready."""
    urls = make_database(f"helpline_journey_{worker_number}")
    with redis.Redis.from_url(settings.redis_url) as client:
        client.flushdb()
    own = replace(
        settings, database_url=urls["web"], database_worker_url=urls["worker"], database_relay_url=urls["relay"],
        database_owner_url=urls["owner"], database_search_url=urls["search"],
    )  # fmt: skip
    with service(own, tmp_path_factory.mktemp("stack")) as running:
        running.start()
        running.wait_ready()
        yield running
