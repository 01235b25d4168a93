"""Counting tries at the door in Redis, and in the database while that is away: a counter lost is no harm."""

import orjson
import redis
from sqlalchemy import text

from helpline.foundation.access.rows import ticket
from helpline.foundation.db import apart
from helpline.foundation.log import get_logger

log = get_logger(__name__)
_COUNT = text("SELECT app.count_tries(:given, :ticket)")
_FORGET = text("SELECT app.forget_tries(:given, :ticket)")


class TableCounters:
    """Counters in the database, kept whatever becomes of the request that counts."""

    def count(self, limits: dict[str, tuple[int, int]]) -> bool:
        given = orjson.dumps(limits).decode()
        return bool(apart(_COUNT, {"given": given, "ticket": ticket("count_tries", given)}))

    def forget(self, *keys: str) -> None:
        given = orjson.dumps(keys).decode()
        apart(_FORGET, {"given": given, "ticket": ticket("forget_tries", given)})


class RedisCounters:
    """The counters of every web process together. While Redis is away, `TableCounters` from nought."""

    _meanwhile = TableCounters()

    def __init__(self, url: str) -> None:
        self._redis = redis.Redis.from_url(url, socket_timeout=1, socket_connect_timeout=1)

    def count(self, limits: dict[str, tuple[int, int]]) -> bool:
        try:
            with self._redis.pipeline() as pipe:
                for key, (_most, seconds) in limits.items():
                    pipe.set(key, 0, ex=seconds, nx=True)
                    pipe.incr(key)
                counted = pipe.execute()[1::2]
        except redis.RedisError as error:
            log.warning("accounts.counters_away", error=type(error).__name__)
            return self._meanwhile.count(limits)
        return all(found <= most for found, (most, _seconds) in zip(counted, limits.values(), strict=True))

    def forget(self, *keys: str) -> None:
        try:
            self._redis.delete(*keys)
        except redis.RedisError as error:
            log.warning("accounts.counters_away", error=type(error).__name__)
            self._meanwhile.forget(*keys)
