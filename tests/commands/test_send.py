"""lanes send: what it accepts, what it prints and how it exits."""

import io
import os
import re
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from lanes.commands.operate import send
from lanes.commands.operate.send import WaitNotice
from lanes.commands.output.printing import Output
from lanes.commands.serve.screen import on_a_terminal
from lanes.context import Context
from lanes.drivers.local import LocalDriver
from lanes.records import Message
from lanes.verbs import control
from lanes_storage import doors
from lanes_storage.clock import system_clock
from lanes_storage.law import MessageState
from tests.commands.conftest import Call
from tests.kit.cooling import cool
from tests.kit.processes import eventually
from tests.kit.stage import MINUTE, Stage


def feed(monkeypatch: pytest.MonkeyPatch, given: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(given)))


@pytest.mark.parametrize(("arguments", "name"), [("send k -", "TEXT"), ("conversation import k -", "FILE")])
@pytest.mark.parametrize(
    ("given", "said"), [("<&-", "is empty"), ("0>/dev/null", "cannot be read: Bad file descriptor")]
)
def test_F672_F723_a_command_is_started_without_standard_input(
    stage: Stage, arguments: str, name: str, given: str, said: str
) -> None:
    """`nohup` gives it one that is open for writing only."""
    command = f'exec "{sys.executable}" -m lanes --db "{stage.path}" {arguments} {given}'
    done = subprocess.run(["sh", "-c", command], check=False, stderr=subprocess.PIPE, text=True, env=os.environ)
    assert (done.returncode, f"{name} {said}" in done.stderr) == (2, True), done.stderr


def test_F672_what_is_closed_is_no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    for stream in ("stdin", "stdout"):
        monkeypatch.setattr(sys, stream, None)
        assert not on_a_terminal()


def answer(stage: Stage, key: str, end: Callable[[Stage], None]) -> threading.Thread:
    """Be the gateway, on a connection of its own: once a message waits, do what ``end`` does."""

    def work() -> None:
        other = Stage(stage.path)
        try:
            eventually(lambda: other.waits(key), "a message to wait")
            end(other)
        finally:
            other.close()

    thread = threading.Thread(target=work)
    thread.start()
    return thread


def test_it_creates_the_database_and_prints_the_id(lanes: Call, database: Path) -> None:
    sent = lanes("send", "k", "hello")
    assert (sent.code, sent.out) == (0, "1\n")
    assert "no gateway lives" in sent.err
    assert stat.S_IMODE(database.stat().st_mode) == 0o600
    assert lanes("messages", "k", "--json").json[0]["text"] == "hello"


def test_of_what_can_not_start_it_says_so_and_why(stage: Stage, lanes: Call) -> None:
    assert lanes("pause", "k", "--reason", "to look").code == 3
    stage.send("k", "first")
    assert lanes("pause", "k", "--reason", "to look").code == 0
    owner = stage.owner()
    sent = lanes("send", "k", "hello", "--json")
    assert sent.code == 0
    assert "It is paused until `lanes resume k`" in sent.json["held_up"]
    assert "to look" in sent.err
    assert "no gateway lives" not in sent.err
    waited = lanes("send", "k", "hello", "--wait", "--timeout", "10ms")
    assert waited.code == 5
    assert "accepted as message 3, and waits: It is paused" in waited.err
    stage.store.write(lambda tx: doors.end_owner(tx, owner, system_clock(), cause="stopped", by="tester"))
    held = lanes("send", "other", "hello", "--json")
    assert "no gateway lives" in held.json["held_up"]
    assert "held_up" not in lanes("messages", "other", "--json").json[0]


def test_a_wait_is_told_why_and_again_when_that_changes(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    now, desk, waiting, out = system_clock(), LocalDriver(stage.store, Context("me")), WaitNotice(), Output(json=False)

    def told() -> str:
        waiting.update(out, desk, Message.of(stage.message(second.id)))
        return capsys.readouterr().err

    _, second = stage.send("k", "first", "second")
    owner = stage.owner()
    claimed = stage.claim("k", owner)
    assert told().startswith(f"waits: Run {claimed.ticket.run_id}")
    stage.park(claimed)
    stage.store.write(lambda tx: cool(tx, "sim", "rate_limited", MINUTE // 2, now, by="me"))
    parked = told()
    assert "waits: it is number 2 in its lane. Its head is parked for another" in parked
    assert re.search(r"provider sim cools for \d+ s \(rate_limited: it refuses\)", parked)
    assert told() == "", "a new duration alone is no change"
    desk.call(control.pause, key="k", reason="to look")
    assert "It is paused until `lanes resume k` (by me, " in told()


def test_only_a_terminal_is_told_why_a_message_waits(stage: Stage, lanes: Call) -> None:
    stage.hold("k", stage.owner())
    waited = lanes("send", "k", "hello", "--wait", "--timeout", "10ms")
    assert (waited.code, "waits:" in waited.err) == (5, False)


def test_json_is_the_message(stage: Stage, lanes: Call) -> None:
    message = lanes("send", "k", "päivää", "--json")
    assert message.out.isascii()
    assert (message.json["state"], message.json["position"], message.json["text"]) == ("queued", 1, "päivää")


@pytest.mark.parametrize(
    ("given", "kept"), [(b"hello\n", "hello"), (b"two\nlines\n\n", "two\nlines\n"), ("漢字".encode(), "漢字")]
)
def test_text_from_standard_input(
    stage: Stage, lanes: Call, monkeypatch: pytest.MonkeyPatch, given: bytes, kept: str
) -> None:
    feed(monkeypatch, given)
    assert lanes("send", "k", "-").code == 0
    assert lanes("messages", "k", "--json").json[0]["text"] == kept


@pytest.mark.parametrize("given", [b"", b"\n", b"\xff\xfe"])
def test_no_text_at_all_is_2(stage: Stage, lanes: Call, monkeypatch: pytest.MonkeyPatch, given: bytes) -> None:
    feed(monkeypatch, given)
    assert lanes("send", "k", "-").code == 2
    assert lanes("list", "--json").json == []


def test_F44_if_idle_is_75_and_stores_nothing(stage: Stage, lanes: Call) -> None:
    assert lanes("send", "k", "first", "--if-idle").code == 0
    busy = lanes("send", "k", "second", "--if-idle")
    assert (busy.code, busy.out) == (75, "")
    assert "is busy" in busy.err
    assert len(lanes("messages", "k", "--json").json) == 1


def test_F40_a_full_queue_is_75(stage: Stage, lanes: Call) -> None:
    stage.send("k", *map(str, range(20)))
    full = lanes("send", "k", "one more")
    assert (full.code, full.out) == (75, "")
    assert "is full (20 waiting): wait, or see what waits with `lanes messages k --state queued`" in full.err


def test_the_cap_of_the_configuration_counts(stage: Stage, lanes: Call, tmp_path: Path) -> None:
    (tmp_path / "lanes.toml").write_text('[queue]\ncap = 5\n[[policy]]\nmatch = "small:*"\ncap = 1\n')
    assert lanes("send", "small:1", "fits").code == 0
    assert lanes("send", "small:1", "does not").code == 75
    assert lanes("send", "other", "fits").code == lanes("send", "other", "fits too").code == 0


def test_F69_only_an_idempotency_key_makes_two_one(stage: Stage, lanes: Call) -> None:
    first = lanes("send", "k", "same", "--idempotency-key", "once").out
    assert lanes("send", "k", "same", "--idempotency-key", "once").out == first
    assert lanes("send", "k", "same").out != first
    other = lanes("send", "k", "another text", "--idempotency-key", "once")
    assert (other.code, other.out) == (2, "")
    assert "with another body" in other.err


def test_wait_prints_the_reply(stage: Stage, lanes: Call) -> None:
    owner = stage.owner()
    gateway = answer(stage, "k", lambda other: other.complete(other.claim("k", owner), "two\nlines \x1b[31m"))
    sent = lanes("send", "k", "hello", "--wait")
    gateway.join()
    assert (sent.code, sent.out) == (0, "two\nlines \\x1b[31m\n")
    assert sent.err == "accepted as message 1\n"


def test_wait_for_json(stage: Stage, lanes: Call) -> None:
    owner = stage.owner()
    gateway = answer(stage, "k", lambda other: other.complete(other.claim("k", owner), "the reply"))
    sent = lanes("send", "k", "hello", "--wait", "--json")
    gateway.join()
    assert (sent.code, sent.json["state"], sent.json["reply"]) == (0, "done", "the reply")


def test_wait_for_a_failure_is_1_and_says_why(stage: Stage, lanes: Call) -> None:
    owner = stage.owner()
    gateway = answer(stage, "k", lambda other: other.fail(other.claim("k", owner)))
    sent = lanes("send", "k", "hello", "--wait")
    gateway.join()
    assert (sent.code, sent.out) == (1, "")
    assert "provider_failed: all providers failed" in sent.err
    assert "backup: idle_timeout" in sent.err


def test_a_wait_that_runs_out_is_5_and_prints_the_id(stage: Stage, lanes: Call) -> None:
    stage.owner()
    sent = lanes("send", "k", "hello", "--wait", "--timeout", "30ms")
    assert (sent.code, sent.out) == (5, "1\n")
    assert "it goes on" in sent.err
    assert lanes("send", "k", "hello", "--wait", "--timeout", "1ms", "--json").json["state"] == "queued"


def test_wait_without_a_gateway_is_69_after_accepting(stage: Stage, lanes: Call) -> None:
    stage.dead_owner()
    sent = lanes("send", "k", "hello", "--wait")
    assert (sent.code, sent.out) == (69, "1\n")
    assert "no gateway lives" in sent.err
    assert stage.message(1).state is MessageState.QUEUED


def test_waiting_for_what_has_ended_before(stage: Stage, lanes: Call) -> None:
    owner = stage.owner()
    lanes("send", "k", "hello", "--idempotency-key", "once")
    stage.complete(stage.claim("k", owner), "done long ago")
    assert lanes("send", "k", "hello", "--idempotency-key", "once", "--wait").out == "done long ago\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ["k"],
        ["", "text"],
        ["k", ""],
        ["k", "text", "--timeout", "1s"],
        ["k", "text", "--idempotency-key", ""],
        ["\udcff", "text"],
        ["k", "half \udcff"],
        ["k", "text", "more"],
    ],
)
def test_what_cannot_be_meant_is_2(lanes: Call, database: Path, arguments: list[str]) -> None:
    refused = lanes("send", *arguments)
    assert (refused.code, refused.out) == (2, "")
    assert not database.exists(), "and nothing is made"


def test_F29_a_run_that_waits_for_its_own_lane_is_refused_at_once(
    stage: Stage, lanes: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    claimed = stage.hold("own", stage.owner())
    monkeypatch.setenv("LANES_RUN_ID", str(claimed.ticket.run_id))
    refused = lanes("send", "own", "to myself", "--wait")
    assert (refused.code, refused.out) == (1, "")
    assert "'own' waits for 'own'" in refused.err
    assert len(lanes("messages", "own", "--json").json) == 1, "nothing is stored"
    assert lanes("send", "own", "to myself, later").code == 0, "who does not wait closes no cycle"


@pytest.fixture
def ended_waits(database: Path) -> Callable[[], list[int]]:
    """The runs whose waits have ended, in order."""
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("CREATE TABLE ended_waits (run_id INTEGER)")
        connection.execute(
            "CREATE TRIGGER waits_ended AFTER DELETE ON waits BEGIN INSERT INTO ended_waits VALUES (old.run_id); END"
        )
        connection.commit()

    def ended() -> list[int]:
        with closing(sqlite3.connect(database)) as connection:
            return [run for (run,) in connection.execute("SELECT run_id FROM ended_waits")]

    return ended


def test_F903_a_wait_for_another_lane_lasts_while_its_command_looks_again(
    stage: Stage, lanes: Call, ended_waits: Callable[[], list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ended and began again with each look: that was progress of the run, and no wait closed a cycle in between."""
    owner = stage.owner()
    a = stage.hold("a", owner)
    stage.hold("b", owner)
    monkeypatch.setattr(send, "LOOK_MS", 10)
    monkeypatch.setenv("LANES_RUN_ID", str(a.ticket.run_id))
    assert lanes("send", "b", "from a", "--wait", "--timeout", "100ms").code == 5
    assert ended_waits() == [a.ticket.run_id], "once"


def test_F903_a_wait_for_another_lane_ends_where_its_command_gives_up_early(
    stage: Stage, lanes: Call, ended_waits: Callable[[], list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    a = stage.hold("a", stage.dead_owner())
    monkeypatch.setenv("LANES_RUN_ID", str(a.ticket.run_id))
    assert lanes("send", "b", "from a", "--wait").code == 69
    assert ended_waits() == [a.ticket.run_id]


def test_F30_a_wait_is_over_with_its_process(stage: Stage, lanes: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    owner = stage.owner()
    a, b = stage.hold("a", owner), stage.hold("b", owner)
    monkeypatch.setenv("LANES_RUN_ID", str(a.ticket.run_id))
    assert lanes("send", "b", "from a", "--wait", "--timeout", "20ms").code == 5
    monkeypatch.setenv("LANES_RUN_ID", str(b.ticket.run_id))
    assert lanes("send", "a", "from b", "--wait", "--timeout", "20ms").code == 5, "a waits no longer"


@pytest.mark.parametrize("form", [[], ["--json"]])
def test_F1044_a_wait_where_every_gateway_drains_says_so_once(stage: Stage, lanes: Call, form: list[str]) -> None:
    owner, now = stage.owner(), system_clock()
    stage.store.write(partial(doors.drain, owner=owner, now=now, by="me", until=now.wall + MINUTE))
    waited = lanes("send", "k", "text", "--wait", "--timeout", "1200ms", *form)
    assert waited.code == 5
    assert waited.err.count("every living gateway is draining and claims nothing new") == 1
