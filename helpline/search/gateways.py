"""The way to the process that knows names: a private socket, one line each way, bounded in size and time.

What is asked holds a name: nothing of it is logged here or there.
"""

import socket
import time
import uuid
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import orjson

from helpline.foundation.log import get_logger
from helpline.search.vocabulary import IndexState, Match, Matches, NameQuery, Reach

log = get_logger(__name__)
MOST_ASKED_BYTES = 512 * 1024
MOST_ANSWERED_BYTES = 64 * 1024
MOST_MATCHES = 100
SECONDS = 0.3


@dataclass(frozen=True, slots=True)
class SocketNames:
    """Asks over the socket at `path`. Whatever goes wrong, or takes too long, is an index that is away."""

    path: Path
    seconds: float = SECONDS

    def find(self, query: NameQuery) -> Matches:
        """Never raises for what the other side does; never waits longer than `seconds`."""
        until = time.monotonic() + self.seconds
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
                line.settimeout(self.seconds)
                line.connect(str(self.path))
                line.sendall(written_query(query))
                return read_matches(_received(line, until))
        except (OSError, ValueError, KeyError, TypeError) as error:
            log.warning("search.away", error=type(error).__name__)
            return Matches(IndexState.AWAY)


@dataclass(slots=True)
class RecordingNames:
    """A double for tests: answers what it is given and keeps what it was asked."""

    answer: Matches = field(default_factory=lambda: Matches(IndexState.READY))
    asked: list[NameQuery] = field(default_factory=list)

    def find(self, query: NameQuery) -> Matches:
        self.asked.append(query)
        return self.answer


def _received(line: socket.socket, until: float) -> bytes:
    """One line. Raises OSError when time is up, ValueError when it is too long or breaks off."""
    found = b""
    while not found.endswith(b"\n"):
        left = until - time.monotonic()
        if left <= 0:
            raise TimeoutError
        line.settimeout(left)
        part = line.recv(MOST_ANSWERED_BYTES)
        found += part
        if not part or len(found) > MOST_ANSWERED_BYTES:
            raise ValueError("not one line")
    return found


def written_query(query: NameQuery) -> bytes:
    return orjson.dumps(asdict(query)) + b"\n"


def read_query(line: bytes) -> NameQuery:
    """Raises ValueError, TypeError or KeyError for anything that `written_query` did not write."""
    told: dict[str, Any] = orjson.loads(line)
    reach = told.pop("reach")
    return NameQuery(
        name=str(told["name"]), centre_id=uuid.UUID(told["centre_id"]), born=_whole(told["born"]),
        gender=told["gender"], province_id=_id(told["province_id"]), limit=min(int(told["limit"]), MOST_MATCHES),
        reach=None if reach is None else Reach(
            _id(reach["added_by"]), tuple(map(uuid.UUID, reach["team_ids"])), tuple(map(uuid.UUID, reach["person_ids"]))
        ),
    )  # fmt: skip


def written_matches(matches: Matches) -> bytes:
    found = [[each.person_id, round(each.likeness, 4), round(each.score, 4)] for each in matches.found]
    return orjson.dumps({"state": matches.state, "found": found}) + b"\n"


def read_matches(line: bytes) -> Matches:
    """Raises ValueError, TypeError or KeyError for anything that `written_matches` did not write."""
    told: dict[str, Any] = orjson.loads(line)
    found = tuple(Match(uuid.UUID(person), float(likeness), float(score)) for person, likeness, score in told["found"])
    return Matches(IndexState(told["state"]), found)


def _id(text: str | None) -> uuid.UUID | None:
    return None if text is None else uuid.UUID(text)


def _whole(number: int | None) -> int | None:
    """A year; one beyond any life would not fit the columns."""
    if number is not None and not 0 < int(number) < 3000:  # noqa: PLR2004
        raise ValueError("no year")
    return number
