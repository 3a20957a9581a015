"""events --follow and list --watch as processes, on pipes and terminals: they show what happens, and end cleanly."""

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import IO, Any

import pexpect  # type: ignore[import-untyped]
import pytest

from lanes.commands.operate import events as command
from lanes.commands.output.printing import Output
from lanes.context import Context
from lanes.drivers.local import LocalDriver
from lanes.verbs import system
from lanes.verbs.verb import Verb
from tests.kit.forms import is_form
from tests.kit.processes import PATIENCE_S, environment, eventually, heed_interrupts
from tests.kit.stage import Stage


def started(database: Path, *arguments: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "lanes", "--db", str(database), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(database.parent),
        preexec_fn=heed_interrupts,
    )


def line(stream: IO[str] | None) -> str:
    assert stream is not None
    return stream.readline()


def interrupted(process: "subprocess.Popen[str]") -> tuple[int, str, str]:
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=PATIENCE_S)
    return process.returncode, out, err.strip()


def test_follow_shows_what_there_is_and_each_new_event_and_ctrl_c_ends_it(stage: Stage, database: Path) -> None:
    stage.send("k", "first")
    process = started(database, "events", "--follow", "--json")
    seen = [json.loads(line(process.stdout))]
    stage.send("k", "second")
    stage.send("other", "third")
    seen += [json.loads(line(process.stdout)) for _ in range(2)]
    assert [(event["type"], event["key"]) for event in seen] == [
        ("accepted", "k"), ("accepted", "k"), ("accepted", "other"),
    ]  # fmt: skip
    for event in seen:
        is_form(event, "Event")
    assert interrupted(process) == (130, "", "")


def test_follow_only_what_is_new_of_one_lane_and_type(stage: Stage, database: Path) -> None:
    claimed = stage.hold("k", stage.owner(), "waits")
    stage.send("other", "text")
    process = started(database, "events", "k", "--type", "complete", "--follow")
    stage.complete(claimed)
    said = line(process.stdout)
    assert "running → idle" in said
    assert f"run {claimed.ticket.run_id}" in said
    assert interrupted(process)[:2] == (130, "")


def test_F726_follow_reads_a_long_journal_page_by_page(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "PAGE", 3)
    sent = stage.send("k", *map(str, range(7)))
    pages = list[int]()

    class Reading(LocalDriver):
        def call(self, verb: Verb[..., Any], /, **params: Any) -> Any:
            found = super().call(verb, **params)
            pages.append(len(found))
            return found

        def changed(self, seconds: float) -> bool:
            if len(sent) == 9:
                raise KeyboardInterrupt
            sent.extend(stage.send("k", "new", "newer"))
            return super().changed(seconds)

    given = {"key": None, "filter_": system.EVERY, "since": None, "type": None, "limit": None}
    with pytest.raises(KeyboardInterrupt):
        command.follow_journal(Output(json=True), Reading(stage.store, Context("test")), given)
    told = [json.loads(each)["message_id"] for each in capfd.readouterr().out.splitlines()]
    assert told == [str(message.id) for message in sent]
    assert pages == [1, 3, 3, 1, 2]


def test_since_0s_begins_now(stage: Stage, database: Path) -> None:
    stage.send("k", "before")
    process = started(database, "events", "--follow", "--since", "0s", "--json")

    def sent() -> bool:  # until it has begun to look, an event is not yet new
        stage.send("k", "after")
        return subprocess.run(["true"], check=True) is not None and _readable(process)

    eventually(sent, "an event that is new")
    assert int(json.loads(line(process.stdout))["id"]) > 1
    interrupted(process)


def _readable(process: "subprocess.Popen[str]") -> bool:
    import select

    assert process.stdout is not None
    return bool(select.select([process.stdout], [], [], 0.1)[0])


@pytest.mark.parametrize("arguments", [["events", "--follow"], ["list", "--watch"]], ids=" ".join)
def test_a_reader_that_leaves_ends_it_quietly_even_when_nothing_happens(
    stage: Stage, database: Path, arguments: list[str]
) -> None:
    stage.send("k", "text")
    process = started(database, *arguments)
    line(process.stdout)
    assert process.stdout is not None
    process.stdout.close()
    assert process.wait(PATIENCE_S) == 0
    assert process.stderr is not None
    assert process.stderr.read() == ""
    process.stderr.close()


def test_watch_on_a_pipe_shows_each_change(stage: Stage, database: Path) -> None:
    stage.send("k", "text")
    process = started(database, "list", "--watch", "--json")
    assert [lane["queued"] for lane in json.loads(line(process.stdout))] == [1]
    stage.send("k", "more")
    while (lanes := json.loads(line(process.stdout)))[0]["queued"] == 1:
        pass
    assert lanes[0]["queued"] == 2
    is_form(lanes[0], "Lane")
    assert interrupted(process) == (130, "", "")


@pytest.mark.parametrize("arguments", [["list", "--watch"], ["events", "--follow"]], ids=" ".join)
def test_on_a_terminal(stage: Stage, database: Path, arguments: list[str]) -> None:
    stage.send("first:lane", "text")
    screen = pexpect.spawn(
        sys.executable,
        ["-m", "lanes", "--db", str(database), *arguments],
        env=environment(database.parent) | {"TERM": "xterm-256color"},
        dimensions=(24, 80),
        encoding="utf-8",
        timeout=PATIENCE_S,
        preexec_fn=heed_interrupts,
    )
    screen.expect("first:lane")
    stage.send("2:\u202elane", "text")
    screen.expect(r"2:\\u202elane")
    screen.sendintr()
    screen.expect(pexpect.EOF)
    screen.close()
    assert screen.exitstatus == 130
