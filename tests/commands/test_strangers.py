"""``--url`` at a program that is no gateway of lanes, whatever it answers: one sentence, exit code 69, and an end."""

import itertools
import json
import socket
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any

import pytest

from lanes.drivers import client, remote
from lanes.host.holder import holder_of
from tests.commands.conftest import Call
from tests.kit.halted import stopped_listener

ANSWERS: tuple[Any, ...] = (None, 7, "hello", [], {}, [7], [{}], {"lanes": 3}, {"lanes": [{}], "next": "0"})
COMMANDS = (
    "status", "list", "show a", "why a", "messages a", "events", "dead-letters", "send a hello", "send a hello --wait",
    "abort a", "pause a", "resume a", "ack a", "retry 1", "drop 1", "drain --dry-run", "reconcile", "doctor",
    "dead-letters --prune --older-than 0s --yes", "retry --filter state:failed --yes",
)  # fmt: skip

#: What answers a request: its method and path in, the pieces of the whole answer out.
Answering = Callable[[str], Iterable[bytes]]
JSON = "application/json"


def answer(value: Any, status: str = "200 OK", media: str = JSON) -> bytes:
    """A whole answer."""
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    head = f"HTTP/1.1 {status}\r\ncontent-type: {media}\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
    return head.encode() + body


@contextmanager
def stranger(answering: Answering) -> Iterator[str]:
    """A program on a port. What it answers goes out piece by piece, until its client leaves."""

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            self.rfile.read(int(self.headers.get("content-length", 0)))
            with suppress(OSError):
                for piece in answering(f"{self.command} {self.path}"):
                    self.wfile.write(piece)

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


def refused(bare: Call, url: str, *command: str) -> str:
    """Call a command that ends with one sentence and exit code 69; the sentence."""
    called = bare(*command, "--url", url, "--json")
    assert called.code == 69, called
    assert "Traceback" not in called.err, called
    (line,) = called.err.splitlines()
    told = json.loads(line)
    assert told["code"] in ("gateway", "unreadable"), called
    return f"{told['detail']}: {told['fix']}"


@pytest.mark.parametrize("said", ANSWERS, ids=[json.dumps(said) for said in ANSWERS])
def test_an_answer_that_is_no_record_is_told_in_one_sentence(bare: Call, said: Any) -> None:
    with stranger(lambda _: [answer(said)]) as url:
        for command in COMMANDS:
            called = bare(*command.split(), "--url", url, "--json")
            assert called.code == 69, f"{command}: {called}"
            assert '{"code": ' in called.err, f"{command}: {called}"
            for foreign in ("Traceback", "NoneType", "subscript", "object has", "'", "must be", "argument"):
                assert foreign not in called.err.partition("not a valid ")[2], f"{command}: {called}"


HTML = answer(b"<html>welcome</html>", media="text/html")
NO_JSON = {
    "a page": HTML,
    "a page of a proxy": answer(b"<html>bad gateway</html>", "502 Bad Gateway", "text/html"),
    "JSON that is called something else": answer([], media="text/plain"),
    "nothing": answer(b""),
    "half of it": answer(b'{"lanes": ['),
    "too deep": answer(b"[" * 200_000),
    "a number of many digits": answer(b"[" + b"9" * 10_000 + b"]"),
    "a packed answer": answer(b"\x1f\x8b\x08\x00"),
    "a redirection": b"HTTP/1.1 302 Found\r\nlocation: /elsewhere\r\ncontent-length: 0\r\n\r\n",
}


@pytest.mark.parametrize("name", NO_JSON)
def test_what_is_no_json_is_no_gateway(bare: Call, name: str) -> None:
    with stranger(lambda _: [NO_JSON[name]]) as url:
        assert "is it a gateway of lanes?" in refused(bare, url, "status")
        assert "is it a gateway of lanes?" in refused(bare, url, "pause", "a")


FOREIGN = {
    "a redirection": answer({"location": "/elsewhere"}, "302 Found"),
    "a redirection with a problem": answer({"code": "unfit", "detail": "no"}, "302 Found", "application/problem+json"),
    "a fault": answer({"error": "it broke"}, "500 Internal Server Error"),
    "a fault that says nothing": answer(None, "500 Internal Server Error"),
    "no such page": answer({"detail": "Not Found"}, "404 Not Found"),
    "who are you": answer({"message": "log in"}, "401 Unauthorized"),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_a_status_without_a_problem_document_is_no_gateway(bare: Call, name: str) -> None:
    with stranger(lambda _: [FOREIGN[name]]) as url:
        for command in ("status", "events", "pause a", "send a hello"):
            line = refused(bare, url, *command.split())
            assert "without a problem document: is it a gateway of lanes?" in line, line


@pytest.mark.parametrize("command", ["events", "list", "messages a", "dead-letters", "status"])
def test_an_empty_list_of_something_else_is_no_journal(bare: Call, command: str) -> None:
    with stranger(lambda _: [answer([])]) as url:
        assert "is it a gateway of lanes" in refused(bare, url, *command.split())


HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"


def _body() -> Iterable[bytes]:
    return itertools.chain([HEAD + b"\r\n"], itertools.repeat(b" "))


def _head() -> Iterable[bytes]:
    return itertools.chain([b"HTTP/1.1 200 OK\r\nx-long: "], itertools.repeat(b"x"))


DRIPPING = {"a body": (_body, "TRANSFER_S", "no complete answer"), "a head": (_head, "PATIENCE_S", "no answer")}


def dripping(pieces: Iterable[bytes]) -> Iterator[bytes]:
    left = Event()
    for piece in pieces:
        yield piece
        left.wait(0.01)


@pytest.mark.parametrize("part", DRIPPING)
def test_what_drips_has_an_end(bare: Call, monkeypatch: pytest.MonkeyPatch, part: str) -> None:
    """Each piece comes in time, and the whole never."""
    pieces, limit, said = DRIPPING[part]
    monkeypatch.setattr(client, limit, 0.3)
    with stranger(lambda _: dripping(pieces())) as url:
        assert f"{said} within 0.3 s" in refused(bare, url, "status")
        assert "whether it did what was asked is not known" in refused(bare, url, "pause", "a")


@pytest.mark.parametrize(
    "url", ["http://xn--a", "http://[::1", "http://h/?key=hush", "http://h/#here", "http://me:hush@"]
)
def test_what_is_no_url_of_a_gateway_is_refused_without_a_secret_in_it(bare: Call, url: str) -> None:
    told = bare("status", "--url", url)
    assert (told.code, "is not the URL of a gateway" in told.err) == (78, True), told
    assert "hush" not in told.err


@pytest.mark.parametrize("token", ["h\u00fcsh", "hush\nhush", "hush\x7f", "\N{GRINNING FACE}hush"])
def test_a_token_that_no_header_can_carry_is_refused_and_not_shown(
    bare: Call, monkeypatch: pytest.MonkeyPatch, token: str
) -> None:
    monkeypatch.setenv("LANES_TOKEN", token)
    told = bare("status", "--url", "http://127.0.0.1:9")
    assert (told.code, "LANES_TOKEN is not a token" in told.err) == (78, True), told
    assert "hush" not in told.err


NO_ROUTE = answer(
    {"type": "about:blank", "title": "Not Found", "status": 404, "detail": "no such route", "code": "no_route"},
    "404 Not Found",
    "application/problem+json",
)


def test_a_path_where_no_gateway_is_names_the_url(bare: Call) -> None:
    with stranger(lambda _: [NO_ROUTE]) as url:
        assert f"gateway {url}/sub: it has no such route" in refused(bare, f"{url}/sub", "status")


def test_F1053_a_prune_at_a_gateway_that_hangs_is_given_up_after_one_request(
    bare: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "PATIENCE_S", 0.1)
    with closing(socket.create_server(("127.0.0.1", 0))) as hung:
        url = f"http://127.0.0.1:{hung.getsockname()[1]}"
        assert "no answer within" in refused(bare, url, "dead-letters", "--prune", "--older-than", "0s", "--yes")
        hung.setblocking(False)
        hung.accept()[0].close()
        with pytest.raises(BlockingIOError):
            hung.accept()


def test_an_older_gateway_that_cannot_count_is_asked_for_the_list(bare: Call) -> None:
    asked = []

    def older(request: str) -> list[bytes]:
        asked.append(request)
        return [NO_ROUTE if "tally" in request else answer([])]

    with stranger(older) as url:
        refused(bare, url, "dead-letters", "--prune", "--older-than", "0s", "--yes")
    assert any(request.startswith("GET /api/dead-letters") for request in asked)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere it is not seen who listens")
def test_a_gateway_that_is_stopped_is_to_go_on(bare: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "PATIENCE_S", 0.2)
    with stopped_listener() as (pid, port):
        told = refused(bare, f"http://127.0.0.1:{port}", "status")
        assert f"its process {pid} is stopped; `kill -CONT {pid}` lets it go on" in told
        assert f"which is stopped: `kill -CONT {pid}`" in str(holder_of(port))


def test_a_wait_ends_near_its_own_limit_although_every_answer_drips(
    bare: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is merely read before the abort neither prolongs it nor keeps it from being requested."""
    monkeypatch.setattr(client, "PATIENCE_S", 1.0)
    monkeypatch.setattr(client, "TRANSFER_S", 600.0)  # only the limit of the wait can end it
    monkeypatch.setattr(remote, "ADVICE_S", 0.2)
    asked = []

    def drips(request: str) -> Iterable[bytes]:
        asked.append(request)
        return dripping(_body())

    with stranger(drips) as url:
        assert "no complete answer within" in refused(bare, url, "abort", "a", "--timeout", "200ms")
    assert [request.partition("?")[0] for request in asked] == ["GET /api/lanes", "POST /api/lane/abort"]


def test_a_body_that_comes_fast_may_be_long(bare: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "TRANSFER_S", 0.2)
    monkeypatch.setattr(client, "LEAST_BYTES_PER_S", 1)
    body = itertools.chain([HEAD + b"connection: close\r\n\r\n[7"], itertools.repeat(b" ", 40), [b"]"])
    with stranger(lambda _: dripping(body)) as url:
        assert "not a valid Status" in refused(bare, url, "status")


def test_what_is_endless_has_an_end(bare: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "MOST_BYTES", 1_000_000)
    with stranger(lambda _: itertools.chain([HEAD + b"\r\n"], itertools.repeat(b" " * 65_536))) as url:
        assert "its answer is longer than 1000000 bytes" in refused(bare, url, "status")


LANE = {
    "key": "a", "state": "idle", "epoch": 1, "paused": None, "queued": 0, "head_wait_s": None, "interruptions": 0,
    "parked_until": None, "held_s": None, "deadline_s": None, "stall_limit_s": None, "heartbeat_age_s": None,
    "progress_age_s": None, "progress": None, "owner": None, "run_id": None, "message_id": None,
    "abort_requested": False, "last_error": None, "updated_at": "2026-01-01T00:00:00.000Z",
}  # fmt: skip
EVENT = {
    "id": "7", "at": "2026-01-01T00:00:00.000Z", "type": "claim", "key": "a", "from": None, "to": None, "run_id": None,
    "message_id": None, "epoch": 1, "actor": "me", "cause": None, "detail": None,
}  # fmt: skip
CURSORS = ["x", "-1", "", "1.5", "٣", "9" * 5_000, "7"]


@pytest.mark.parametrize("cursor", CURSORS, ids=ascii)
def test_a_cursor_that_leads_nowhere_ends_the_list(bare: Call, cursor: str) -> None:
    asked = []

    def page(request: str) -> list[bytes]:
        asked.append(request)
        return [answer({"lanes": [LANE], "counts": {"idle": 1}, "next": cursor})]

    with stranger(page) as url:
        refused(bare, url, "list")
    assert len(asked) <= 2


@pytest.mark.parametrize("command", ["events", "events a --limit 5000", "events --type claim"])
def test_a_page_that_comes_again_ends_the_list(bare: Call, command: str) -> None:
    asked = []

    def page(request: str) -> list[bytes]:
        asked.append(request)
        return [answer([EVENT])]

    with stranger(page) as url:
        assert "it repeats its pages" in refused(bare, url, *command.split())
    assert len(asked) <= 2


ODD = {
    "a number without bound": LANE | {"held_s": 1e999},
    "no number at all": LANE | {"held_s": float("nan")},
    "a moment that is none": LANE | {"updated_at": "yesterday"},
    "an age that is a flag": LANE | {"epoch": True},
    "an owner without a name": LANE | {"owner": {}},
}


@pytest.mark.parametrize("name", ODD)
def test_a_value_that_no_field_has(bare: Call, name: str) -> None:
    with stranger(lambda _: [answer({"lanes": [ODD[name]], "counts": {"idle": 1}, "next": None})]) as url:
        assert "is it a gateway of lanes" in refused(bare, url, "list")


def test_counts_that_are_no_numbers(bare: Call) -> None:
    with stranger(lambda _: [answer({"lanes": [], "counts": {"idle": "many"}, "next": None})]) as url:
        refused(bare, url, "list")


@pytest.mark.parametrize(
    "document",
    [
        {"code": "wait_cycle", "keys": 7},
        {"code": "wait_cycle", "keys": []},
        {"code": "queue_full", "key": None},
        {"code": "not_found"},
        {"code": ["a list"], "detail": {"an": "object"}},
        {"code": "database", "detail": None},
        ["no object"],
    ],
    ids=json.dumps,
)
def test_a_problem_with_members_of_any_kind(bare: Call, document: Any) -> None:
    with stranger(lambda _: [answer(document, "422 Unprocessable Content", "application/problem+json")]) as url:
        called = bare("pause", "a", "--url", url)
        assert called.code in (1, 69, 75), called
        assert "Traceback" not in called.err, called


ABORTED = {"key": "a", "outcome": "pending", "epoch_before": 1, "epoch_after": 1, "run_id": "999", "waited_s": 0,
           "dropped": 0, "survivors": None}  # fmt: skip


def test_a_list_without_an_end_keeps_no_abort_from_being_requested(bare: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "ADVICE_S", 0.2)
    numbers = itertools.count(1)

    def endless(request: str) -> list[bytes]:
        page = {"lanes": [LANE], "counts": {}, "next": str(next(numbers))}
        return [answer(ABORTED | {"outcome": "released"} if "abort" in request else page)]

    with stranger(endless) as url:
        assert bare("abort", "a", "--url", url).code == 0


#: The answer to what is asked before: whether a session of another program is meant.
NONE_WATCHED: dict[str, Any] = {"lanes": [], "counts": {}, "next": None}


def test_a_run_that_never_ends_is_asked_after_with_pauses(bare: Call) -> None:
    asked = []

    def pending(request: str) -> list[bytes]:
        asked.append(request)
        return [answer(ABORTED if "abort" in request else NONE_WATCHED)]

    with stranger(pending) as url:
        assert bare("abort", "a", "--timeout", "200ms", "--url", url).code == 5
    assert len([request for request in asked if "abort" in request]) <= 3 + 0.2 / remote.REST_S


def test_an_abort_of_no_run_is_not_requested_again(bare: Call) -> None:
    asked = []

    def pending(request: str) -> list[bytes]:
        asked.append(request)
        return [answer(ABORTED | {"run_id": None} if "abort" in request else NONE_WATCHED)]

    with stranger(pending) as url:
        assert bare("abort", "a", "--url", url).code == 5
    assert len([request for request in asked if "abort" in request]) == 1


def test_a_gateway_that_cannot_list_other_programs_is_asked_for_the_abort_all_the_same(bare: Call) -> None:
    asked = []

    def older(request: str) -> list[bytes]:
        asked.append(request)
        return [answer(ABORTED | {"outcome": "released"} if "abort" in request else {"detail": "no such filter"})]

    with stranger(older) as url:
        assert bare("abort", "a", "--url", url).code == 0
    assert len([request for request in asked if "abort" in request]) == 1


@pytest.mark.parametrize("command", ["list", "abort --match * --dry-run"])
def test_a_gateway_of_an_older_version_counts_what_it_lists(bare: Call, command: str) -> None:
    """It has no parameter against that. What it refuses for another reason is told."""

    def older(request: str) -> list[bytes]:
        unknown = next((name for name in ("counted", "state") if f"{name}=" in request), None)
        if unknown is None:
            return [answer({"lanes": [LANE], "counts": {"idle": 1}, "next": None})]
        problem = {"status": 400, "code": "bad_parameter", "detail": f"there is no {unknown}"}
        return [answer(problem, "400 Bad Request", "application/problem+json")]

    with stranger(older) as url:
        listed = bare(*command.split(), "--json", "--url", url)
        refused = bare("list", "--state", "idle", "--url", url)
    assert listed.code == 0, listed
    assert '"key": "a"' in listed.out
    assert "there is no state" in refused.err


RETRIED = {
    "id": "2", "key": "a", "state": "queued", "position": 1, "text": "more", "reply": None, "error": None,
    "interruptions": 0, "parked_until": None, "retry_of": "1", "retried_as": None, "answered_by": None,
    "accepted_at": "2026-01-01T00:00:00.000Z", "started_at": None, "ended_at": None, "reply_so_far": None,
    "provider": None, "model": None, "usage": None, "attempts": [], "retries": 0,
}  # fmt: skip


@pytest.mark.parametrize("command", ["retry 1", "steer a more", "answer a more", "send a more"])
def test_what_is_accepted_is_told_although_nothing_more_can_be_asked(bare: Call, command: str) -> None:
    """Whether a gateway claims it is merely good to know."""

    def fails(request: str) -> list[bytes]:
        return [answer(RETRIED, "202 Accepted") if request.startswith("POST") else b""]

    with stranger(fails) as url:
        told = bare(*command.split(), "--json", "--url", url)
    assert (told.code, told.json["id"]) == (0, "2")
