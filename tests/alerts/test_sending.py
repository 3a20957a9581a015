"""What an alert says, and how it is sent: real sockets, real processes."""

import contextlib
import json
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, cast

import pytest

from lanes import connect
from lanes.alerts.sending import NotSent, send
from lanes.alerts.watch import AlertWatch
from lanes.alerts.wording import body
from lanes.testing import MINUTE, Hands
from lanes_storage.interface import Query, Reader
from lanes_storage.records import DueIncident
from tests.alerts.test_seeing import alert
from tests.kit.databases import lay
from tests.kit.gateways import REQUEUE, Gates, gateway_on
from tests.kit.until import until

NASTY = "agent:<b>&\x1b[31m\u202ered`"
AT = 1_790_000_000_000
INCIDENT = DueIncident(7, "ops", "held", NASTY, f'{{"run_id": "4", "since": {AT}}}', AT, None, None, 0)


@contextmanager
def webhook(status: int = 200, *, silent: bool = False) -> Iterator[tuple[str, list[bytes]]]:
    came: list[bytes] = []
    go = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            came.append(self.rfile.read(int(self.headers["content-length"])))
            if silent:
                go.wait(30)
            self.send_response(status)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/hook?secret=s3cr3t", came
    finally:
        go.set()
        server.shutdown()
        server.server_close()


def test_what_it_says_is_harmless_and_has_no_text_of_anybody() -> None:
    said = json.loads(body(INCIDENT, "json"))
    assert body(INCIDENT, "json").isascii()
    assert said["subject"].isprintable()
    assert "\x1b" not in said["text"]
    assert (said["alert"], said["kind"], said["state"], said["incident"]) == ("ops", "held", "began", "7")
    assert said["facts"] == {"run_id": "4", "since": said["began_at"]}
    slack = json.loads(body(INCIDENT, "slack"))
    assert slack.keys() == {"text", "mrkdwn"}
    assert "&lt;b&gt;&amp;" in slack["text"]
    assert slack["text"].startswith("lanes: lane agent:")


def test_the_end_says_how_long_it_was() -> None:
    ended = INCIDENT._replace(begin_sent_at=1, ended_at=INCIDENT.began_at + MINUTE, subject="a")
    said = json.loads(body(ended, "json"))
    assert (said["state"], said["text"]) == ("ended", "lanes: resolved after 1m 0s: lane a has been held for long")


def test_many_more_are_one_sentence() -> None:
    said = json.loads(body(INCIDENT._replace(subject="", facts='{"count": 80}'), "json"))
    assert (said["subject"], said["text"]) == (None, "lanes: 80 more lanes have been held for long")


def test_a_webhook_gets_it() -> None:
    with webhook() as (url, came):
        send(alert(url=url, command=()), b'{"text": "x"}')
    assert came == [b'{"text": "x"}']


@pytest.mark.parametrize("status", [302, 404, 500])
def test_a_webhook_that_refuses_is_no_success_and_its_address_stays_secret(status: int) -> None:
    with webhook(status) as (url, _), pytest.raises(NotSent, match=f"HTTP {status}") as raised:
        send(alert(url=url, command=()), b"{}")
    assert "s3cr3t" not in str(raised.value)


def test_a_webhook_that_hangs_is_left_after_the_time_limit() -> None:
    with webhook(silent=True) as (url, _), pytest.raises(NotSent, match=r"no answer within 0\.2 s"):
        send(alert(url=url, command=(), timeout_ms=200), b"{}")


def test_an_address_where_nobody_listens() -> None:
    with pytest.raises(NotSent) as raised:
        send(alert(url="http://127.0.0.1:9/s3cr3t", command=()), b"{}")
    assert "s3cr3t" not in str(raised.value)


def test_a_command_gets_it_on_its_standard_input_without_a_shell(tmp_path: Path) -> None:
    out = tmp_path / "out"
    script = "import sys; open(sys.argv[1], 'wb').write(sys.stdin.buffer.read())"
    send(alert(command=(sys.executable, "-c", script, f"{out}"), timeout_ms=2 * MINUTE), b'{"text": "$(x)"}')
    assert out.read_bytes() == b'{"text": "$(x)"}'


def test_a_command_that_fails_hangs_or_is_not_there() -> None:
    with pytest.raises(NotSent, match="exit code 3"):
        send(alert(command=(sys.executable, "-c", "raise SystemExit(3)"), timeout_ms=2 * MINUTE), b"{}")
    with pytest.raises(NotSent, match=r"longer than 0\.2 s"):
        send(alert(command=(sys.executable, "-c", "import time; time.sleep(60)"), timeout_ms=200), b"{}")
    with pytest.raises(NotSent, match="/nonexistent/program could not be started: No such file"):
        send(alert(command=("/nonexistent/program",)), b"{}")


async def test_F277_a_hanging_send_delays_no_other(tmp_path: Path) -> None:
    """One alert hangs for ever; the others are told all the same, and the gateway stops."""
    hangs, told = threading.Event(), list[str]()

    def sender(which: Any, said: bytes) -> None:
        del said
        if which.name == "hangs":
            hangs.wait(30)
        told.append(which.name)

    clock, gates = Hands(), Gates()
    async with gateway_on(tmp_path, gates, clock, queue=REQUEUE) as site:
        await site.desk.send("a", "x")
        await site.running(gates, "a")
        held = frozenset({"held"})
        alerts = [alert(name=name, on=held, after_ms=0) for name in ("hangs", "goes")]
        watch = AlertWatch(site.desk.store, clock, alerts, lambda: site.gateway.owner_id, sender=sender)
        watch.start()
        try:
            await until(lambda: told == ["goes"], "the other alert")
        finally:
            hangs.set()
            began = time.monotonic()
            watch.stop()
        assert time.monotonic() - began < 20


async def test_F721_a_look_that_takes_long_is_repeated_less_often(tmp_path: Path) -> None:
    """Such as one for an alert that means few of very many lanes."""
    clock, takes_ms = Hands(), [0]
    async with connect(str(lay(tmp_path / "lanes.db")), clock=clock) as desk:
        watch = AlertWatch(desk.store, clock, [alert(on=frozenset({"held"}))], lambda: 1)
        with contextlib.closing(desk.store.reader()) as reader:

            class Slow:
                def read(self, query: Query[Any]) -> Any:
                    clock.move(takes_ms[-1])
                    return reader.read(query)

            look = watch._duties(cast("Reader", Slow()))[0]
            for took_ms, pause_s in ((0, 2.0), (40, 2.0), (200, 10.0), (60_000, 15.0), (0, 2.0)):
                takes_ms.append(took_ms)
                look(clock())
                assert watch._pause_s() == pause_s
