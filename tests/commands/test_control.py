"""pause, resume, ack, retry, drop: what they do and how they exit."""

import json

import pytest

from lanes.records import Acted, Lane
from lanes.verbs import outcomes
from lanes_storage import doors
from lanes_storage.clock import system_clock
from lanes_storage.law import Cause
from lanes_storage.records import RunFailure
from tests.commands.conftest import Call
from tests.kit.stage import Stage


def test_pause_and_resume(stage: Stage, lanes: Call) -> None:
    stage.send("a:1", "text")
    stage.send("a:2", "text")
    paused = lanes("pause", "a:1", "--reason", "in repair", "--json")
    assert paused.code == 0
    assert paused.json[0]["paused"] == {"reason": "in repair", "until": None}
    assert lanes("pause", "--filter", "a:").out == "a:1: paused until resumed\na:2: paused until resumed\n"
    assert [lane["paused"] is not None for lane in lanes("list", "--json").json] == [True, True]
    assert "paused" in lanes("why", "a:1").out
    assert lanes("resume", "a:1").out == "a:1: resumed\n"
    assert lanes("resume", "a:1").out == "a:1: not paused\n"
    assert lanes("resume", "--match", "a:*", "--json").json[0]["paused"] is None, "no pause of that glob stands"
    assert [lane["paused"] for lane in lanes("list", "--json").json] == [None, None]
    (event,) = lanes("events", "a:2", "--type", "resumed", "--json").json
    assert "@" in event["actor"]


@pytest.mark.parametrize("which", [["k"], ["--all"], ["--match", "k*"], ["--filter", "k"]])
@pytest.mark.parametrize("for_", ["0s", "1ms", "999ms"])
def test_a_pause_that_would_be_over_at_once_is_refused_and_ends_no_other(
    stage: Stage, lanes: Call, which: list[str], for_: str
) -> None:
    stage.send("k", "text")
    lanes("pause", *which)
    refused = lanes("pause", *which, "--for", for_)
    assert (refused.code, refused.out) == (2, "")
    assert "a pause lasts at least 1s" in refused.err
    assert lanes("list", "--json").json[0]["paused"]["until"] is None
    assert lanes("pause", *which, "--for", "1s").code == 0


def test_of_a_pause_that_has_ended_nothing_else_is_told(stage: Stage, lanes: Call) -> None:
    stage.send("k", "text")
    (acted,) = lanes("pause", "k", "--json").json
    over = Lane.from_json(acted | {"paused": None})
    assert outcomes.paused(Acted(over, True)).sentence == "its pause has already ended"


@pytest.mark.parametrize("command", ["pause", "resume", "ack", "abort"])
def test_an_empty_filter_is_no_word_for_all(stage: Stage, lanes: Call, command: str) -> None:
    """A script that forgot to fill it in does not mean every lane."""
    stage.hold("a", stage.owner())
    refused = lanes(command, "--filter", "")
    assert (refused.code, refused.out) == (2, "")
    assert "would choose everything" in refused.err
    assert stage.message(1).state == "running"


def test_lanes_are_chosen_by_a_filter(stage: Stage, lanes: Call) -> None:
    for key in ("a:1", "b:1", "b:2"):
        stage.fail(stage.hold(key, stage.owner()))
    assert (
        lanes("pause", "--filter", "state:errored !a:").out == "b:2: paused until resumed\nb:1: paused until resumed\n"
    )
    assert lanes("resume", "--filter", "paused:yes", "--match", "*2").out == "b:2: resumed\n"
    assert lanes("ack", "--filter", "paused:no").out == "b:2: idle\na:1: idle\n"
    assert lanes("ack", "--filter", "nowhere").err == "no lane fits\n"
    assert lanes("pause", "a:1", "--filter", "b:").code == 2


@pytest.mark.parametrize("command", ["pause", "resume", "ack"])
def test_several_lanes_go_on_after_a_missing_one(stage: Stage, lanes: Call, command: str) -> None:
    stage.send("a", "text")
    stage.send("c", "text")
    done = lanes(command, "a", "b", "c", "--json")
    assert done.code == 3
    assert [lane["key"] for lane in done.json] == ["a", "c"]
    assert "no lane 'b'" in done.err


@pytest.mark.parametrize(
    "arguments",
    [["pause"], ["resume"], ["ack"], ["pause", "k", "--match", "*"], ["pause", "k", "--for", "long"], ["ack", "\x07"]],
)
def test_what_cannot_be_meant_is_2(stage: Stage, lanes: Call, arguments: list[str]) -> None:
    assert lanes(*arguments).code == 2


def test_ack(stage: Stage, lanes: Call) -> None:
    owner = stage.owner()
    stage.fail(stage.hold("errored", owner))
    stage.hold("running", owner)
    acked = lanes("ack", "errored", "--json")
    assert (acked.code, acked.json[0]["state"]) == (0, "idle")
    assert lanes("ack", "errored").out == "errored: idle\n", "harmless twice"
    refused = lanes("ack", "running")
    assert refused.code == 1
    assert "use abort" in refused.err


def test_retry_once(stage: Stage, lanes: Call) -> None:
    failed = stage.hold("k", stage.owner())
    stage.fail(failed)
    number = str(failed.message.id)
    retried = lanes("retry", number, "--json")
    assert retried.code == 0
    again = retried.json
    assert (again["retry_of"], again["state"], again["text"]) == (number, "queued", "the one that runs")
    assert lanes("messages", "k", "--state", "failed", "--json").json[0]["retried_as"] == again["id"]
    twice = lanes("retry", number)
    assert (twice.code, twice.out) == (1, "")
    assert "retried before" in twice.err
    assert lanes("retry", again["id"]).code == 1, "it is no dead letter"


def test_dead_letters_are_retried_by_a_filter_oldest_first(stage: Stage, lanes: Call) -> None:
    owner = stage.owner()
    failed = []
    for key, cause in (("a", "run_timeout"), ("b", "expired"), ("a", "run_timeout"), ("c", "run_timeout")):
        claimed = stage.hold(key, owner)
        failure = RunFailure(Cause.read(cause), "it took too long")
        stage.store.write(doors.fail(claimed.ticket, failure, system_clock(), by="tester"))
        failed.append(str(claimed.message.id))
    refused = lanes("retry", "--filter", "since:1h")
    assert (refused.code, refused.out) == (2, "")
    assert "this would retry 3 messages: look with --dry-run, then confirm with --yes" in refused.err
    looked = lanes("retry", "--filter", "since:1h", "--dry-run")
    assert (looked.code, looked.out) == (0, "it would retry 3 messages\n")
    assert lanes("retry", "--filter", "cause:expired", "--dry-run", "--json").json == {"messages": 1}
    retried = lanes("retry", "--filter", "since:1h !c", "--yes", "--json").json
    assert [(message["key"], message["retry_of"]) for message in retried] == [("a", failed[0]), ("a", failed[2])]
    assert lanes("retry", "--filter", "!c").err == "nothing to retry\n", "expired only where it is named"
    assert lanes("retry", "--filter", "cause:expired", "--json").json[0]["retry_of"] == failed[1]
    assert lanes("retry", "1", "--filter", "c").code == lanes("retry").code == 2
    assert [m["id"] for m in lanes("dead-letters", "--filter", "a text:ONE", "--json").json] == [failed[2], failed[0]]


def test_waiting_messages_are_dropped_by_a_filter(stage: Stage, lanes: Call) -> None:
    first, _, third = [*stage.send("a", "this", "that"), *stage.send("b", "this too")]
    assert lanes("drop", "--filter", "text:this", "--dry-run", "--json").json == {"messages": 2}
    assert lanes("drop", "--dry-run", str(first.id)).code == 2, "it is of a filter"
    dropped = lanes("drop", "--filter", "text:this", "--yes")
    assert dropped.out == f"message {first.id} of a: dropped\nmessage {third.id} of b: dropped\n"
    assert lanes("drop", "--filter", "text:this").err == "nothing to drop\n"
    assert [m["text"] for m in lanes("messages", "a", "--filter", "state:dropped", "--json").json] == ["this"]
    assert "is not a field of a message" in lanes("drop", "--filter", "held:>1m").err


def test_retry_prints_the_new_id(stage: Stage, lanes: Call) -> None:
    failed = stage.hold("k", stage.owner())
    stage.fail(failed)
    assert lanes("retry", str(failed.message.id)).out == f"{failed.message.id + 1}\n"


def test_drop(stage: Stage, lanes: Call) -> None:
    claimed = stage.hold("k", stage.owner(), "waits")
    waiting = str(claimed.message.id + 1)
    dropped = lanes("drop", waiting, "--json")
    assert (dropped.code, dropped.json["state"]) == (0, "dropped")
    (event,) = lanes("events", "k", "--type", "ended", "--json").json
    assert event["detail"]["text"] == "waits", "the payload is kept"
    running = lanes("drop", str(claimed.message.id))
    assert running.code == 1
    assert "use abort" in running.err
    assert lanes("drop", waiting).code == 1


@pytest.mark.parametrize("command", ["retry", "drop"])
@pytest.mark.parametrize(("number", "code"), [("999", 3), ("x", 3), ("1.5", 3), ("9" * 30, 3), ("-1", 2), ("", 2)])
def test_ids(stage: Stage, lanes: Call, command: str, number: str, code: int) -> None:
    stage.send("k", "text")
    assert lanes(command, number).code == code


def test_F916_what_can_be_no_id_names_nothing(stage: Stage, lanes: Call) -> None:
    stage.send("k", "text")
    for name in ("x", "9" * 19, "0" * 5_000, "9" * 5_000):
        for command in (("drop", name), ("retry", name), ("move", name, "--front")):
            refused = lanes(*command)
            assert (refused.code, f"no message {name!r}: `lanes messages KEY` shows" in refused.err) == (3, True)
    error = json.loads(lanes("drop", "x", "--json").err)
    assert (error["code"], error["what"], error["name"], error["exit_code"]) == ("not_found", "message", "x", 3)
