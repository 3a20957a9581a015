"""``--url`` at a program that answers JSON and is no gateway of lanes: one sentence, exit code 69."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from tests.commands.conftest import Call

ANSWERS: tuple[Any, ...] = (None, 7, "hello", [], {}, [7], [{}], {"lanes": 3}, {"lanes": [{}], "next": "0"})
COMMANDS = (
    "status", "list", "show a", "why a", "messages a", "events", "dead-letters", "send a hello", "send a hello --wait",
    "abort a", "pause a", "resume a", "ack a", "retry 1", "drop 1", "drain --dry-run", "reconcile", "doctor",
    "dead-letters --prune --older-than 0s --yes", "retry --filter state:failed --yes",
)  # fmt: skip


@contextmanager
def stranger(answer: Any) -> Iterator[str]:
    """A program that answers the same to everything."""
    body = json.dumps(answer).encode()

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            self.rfile.read(int(self.headers.get("content-length", 0)))
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = _answer  # noqa: N815 - the library's names

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.mark.parametrize("answer", ANSWERS, ids=[json.dumps(answer) for answer in ANSWERS])
def test_an_answer_that_is_no_record_is_told_in_one_sentence(bare: Call, answer: Any) -> None:
    with stranger(answer) as url:
        for command in COMMANDS:
            called = bare(*command.split(), "--url", url, "--json")
            if called.code == 69:
                assert "lanes: " in called.err, f"{command}: {called}"
                assert "Traceback" not in called.err, f"{command}: {called}"
            else:  # an empty list is an answer
                assert answer == [], f"{command}: {called}"
