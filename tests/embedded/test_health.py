"""What a health check makes of an answer."""

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from helpline.embedded.health import main, missing_parts
from helpline.embedded.valkey import free_port


@contextmanager
def answering(code, body):
    class Answer(BaseHTTPRequestHandler):
        def do_GET(self):
            assert self.path == "/readyz"
            self.send_response(code)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


PARTLY = json.dumps({"parts": {"database": True, "relay": False, "beat": True}}).encode()


@pytest.mark.parametrize(("code", "body", "missing"), [
    (200, b"{}", []), (503, PARTLY, ["relay"]), (500, b"<h1>", ["web"]), (503, b"[]", ["web"]),
    (503, b'{"status": "closed"}', ["keys"]),
])  # fmt: skip
def test_the_answer_names_what_is_missing(code, body, missing):
    with answering(code, body) as address:
        assert missing_parts(address) == missing


def test_no_answer_means_the_web_process():
    assert missing_parts(f"http://127.0.0.1:{free_port()}") == ["web"]


def test_while_the_keys_are_locked_no_part_is_ill():
    """A container that is started again for it would be as closed as before."""
    with answering(503, b'{"status": "closed"}') as address:
        assert [main(address), main(address, "worker"), main(address, "beat")] == [1, 0, 0]


def test_one_part_is_judged_by_itself():
    with answering(503, PARTLY) as address:
        assert [main(address), main(address, "relay"), main(address, "beat")] == [1, 1, 0]
