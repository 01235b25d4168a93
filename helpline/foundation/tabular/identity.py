"""What makes a row of an old log itself: its content, and which of the identical ones it is."""

from collections import Counter
from collections.abc import Mapping
from functools import lru_cache
from hashlib import sha256
from typing import NamedTuple

import orjson


class Identity(NamedTuple):
    """`digest` is 32 bytes over the content; `occurrence` counts identical rows from 1 in file order."""

    digest: bytes
    occurrence: int


def identity(cells: Mapping[str, str]) -> bytes:
    """SHA-256 of a row's content: every header with its trimmed cell, in order of header.

    So the same log saved with another encoding, delimiter or order of columns keeps its rows' identities. Written as
    JSON, no two different rows share a text.
    """
    headers, written = _ordered(tuple(cells))
    return sha256(written + orjson.dumps([cells[header].strip() for header in headers])).digest()


@lru_cache(maxsize=64)
def _ordered(headers: tuple[str, ...]) -> tuple[tuple[str, ...], bytes]:
    ordered = tuple(sorted(headers))
    return ordered, orjson.dumps(ordered)


class Identities:
    """Gives each row of one file its identity as it streams by. Remembers 32 bytes for each distinct row."""

    def __init__(self) -> None:
        self._seen: Counter[bytes] = Counter()

    def __call__(self, cells: Mapping[str, str]) -> Identity:
        digest = identity(cells)
        self._seen[digest] += 1
        return Identity(digest, self._seen[digest])

    @property
    def repeated(self) -> int:
        """How many rows so far repeat an earlier one exactly."""
        return self._seen.total() - len(self._seen)
