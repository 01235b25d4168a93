"""Counting tries at the door in Redis: a counter lost is no harm, so nothing here is the truth."""

import redis

from helpline.foundation.log import get_logger

log = get_logger(__name__)


class RedisCounters:
    """The counters of every web process together. While Redis is away nobody is kept out."""

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
            return True
        return all(found <= most for found, (most, _seconds) in zip(counted, limits.values(), strict=True))

    def forget(self, *keys: str) -> None:
        try:
            self._redis.delete(*keys)
        except redis.RedisError as error:
            log.warning("accounts.counters_away", error=type(error).__name__)
