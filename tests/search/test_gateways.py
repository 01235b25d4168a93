"""The private socket from the asking side: whatever the other side does, an answer comes in time."""

import socket
import threading
import time
import uuid
from contextlib import contextmanager, suppress

import pytest

from helpline.search.gateways import (
    MOST_ANSWERED_BYTES,
    SocketNames,
    read_matches,
    read_query,
    written_matches,
    written_query,
)
from helpline.search.vocabulary import IndexState, Match, Matches, NameQuery, Reach

ID = uuid.UUID(int=7)
QUERY = NameQuery("សុខ ដារ៉ា", ID, 2014, "female", ID, Reach(ID, (ID,), (ID, ID)), 20)
AWAY = Matches(IndexState.AWAY)


@contextmanager
def answering(path, answer):
    """A server whose every visitor is given to `answer`."""
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()

        def serve():
            line, _ = server.accept()
            with line:
                answer(line)

        threading.Thread(target=serve, daemon=True).start()
        yield SocketNames(path, seconds=0.5)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "s.sock"


def test_what_is_written_is_read():
    assert read_query(written_query(QUERY)) == QUERY
    matches = Matches(IndexState.READY, (Match(ID, 0.5, 0.75),))
    assert read_matches(written_matches(matches)) == matches


def test_a_name_shows_in_no_repr():
    assert "ដារ៉ា" not in repr(QUERY)


def test_an_answer_comes_through(path):
    with answering(
        path, lambda line: (line.recv(4096), line.sendall(written_matches(Matches(IndexState.LOADING))))
    ) as it:
        assert it.find(QUERY) == Matches(IndexState.LOADING)


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"not json\n",
        b"[]\n",
        b"{}\n",
        b'{"state":"odd","found":[]}\n',
        b"x" * (MOST_ANSWERED_BYTES + 1),
        b'{"state"',
    ],
)
def test_nonsense_is_an_index_that_is_away(path, said):
    with answering(path, lambda line: (line.recv(4096), line.sendall(said))) as names:
        assert names.find(QUERY) == AWAY


def test_silence_ends_in_time_even_where_it_drips(path):
    def drip(line):
        with suppress(BrokenPipeError):
            for _ in range(40):
                line.sendall(b" ")
                time.sleep(0.05)

    with answering(path, drip) as names:
        started = time.monotonic()
        assert names.find(QUERY) == AWAY
        assert time.monotonic() - started < 30, "never longer than it may take, whatever the machine does"


def test_nobody_there_is_away(path):
    assert SocketNames(path).find(QUERY) == AWAY


@pytest.mark.parametrize("born", [-1, 0, 10**9])
def test_a_year_beyond_any_life_is_refused(born):
    line = written_query(QUERY).replace(b"2014", str(born).encode())
    with pytest.raises(ValueError, match="no year"):
        read_query(line)
