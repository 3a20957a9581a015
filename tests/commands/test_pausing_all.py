"""pause --all and --match, resume --all and --match: every lane as a whole, lanes to come included."""

import pytest

from lanes_storage import doors
from lanes_storage.clock import system_clock
from lanes_storage.law import PauseKind
from tests.commands.conftest import Call
from tests.kit.stage import MINUTE, Stage


def test_all_lanes_are_paused_lanes_to_come_included_and_every_command_says_so(stage: Stage, lanes: Call) -> None:
    stage.send("a:1", "text")
    said = lanes("pause", "--all", "--reason", "provider in repair")
    assert (said.code, said.out) == (0, "all lanes: paused until resumed, lanes to come included (1 lane now)\n")
    sent = lanes("send", "new:1", "text")
    assert "All lanes are paused until `lanes resume --all`" in sent.err
    why = lanes("why", "new:1").out
    assert "All lanes are paused until `lanes resume --all`" in why
    assert "provider in repair" in why
    paused = {"reason": "provider in repair", "until": None, "match": "*"}
    assert {lane["key"]: lane["paused"] for lane in lanes("list", "--json").json} == {"a:1": paused, "new:1": paused}
    assert "paused    all lanes until `lanes resume --all` (by " in lanes("status").out
    (told,) = lanes("status", "--json").json["pauses"]
    assert (told["match"], told["reason"], told["until"]) == ("*", "provider in repair", None)
    (check,) = [each for each in lanes("doctor", "--json").json if each["check"] == "pauses"]
    assert (check["level"], "`lanes resume --all` ends that" in check["fix"]) == ("warning", True)
    (event,) = lanes("events", "--type", "paused", "--json").json
    assert (event["key"], event["detail"]["match"]) == (None, "*")

    assert lanes("resume", "--all").out == "all lanes: resumed\n"
    assert lanes("resume", "--all").out == "all lanes: not paused\n", "harmless twice"
    assert [lane["paused"] for lane in lanes("list", "--json").json] == [None, None]
    assert lanes("status", "--json").json["pauses"] == []
    assert len(lanes("events", "--type", "resumed", "--json").json) == 1


def test_a_pause_of_its_own_and_that_of_another_glob_stay_when_the_pause_of_all_ends(stage: Stage, lanes: Call) -> None:
    for key in ("a:1", "b:1", "c:1"):
        stage.send(key, "text")
    lanes("pause", "a:1", "--reason", "looking into it")
    lanes("pause", "--match", "b:*")
    lanes("pause", "--all")
    ended = lanes("resume", "--all")
    assert ended.out == "all lanes: resumed; 2 lanes still paused (`lanes list paused:yes`)\n"
    paused = {lane["key"]: lane["paused"] for lane in lanes("list", "--json").json}
    assert paused["a:1"] == {"reason": "looking into it", "until": None}
    assert paused["b:1"]["match"] == "b:*"
    assert paused["c:1"] is None


def test_match_holds_lanes_to_come_and_resumes_the_glob_first(stage: Stage, lanes: Call) -> None:
    stage.send("a:1", "text")
    lanes("pause", "a:1")
    (acted,) = lanes("pause", "--match", "a:*", "--for", "1h", "--json").json
    assert (acted["match"], acted["done"], acted["lanes"]) == ("a:*", True, 1)
    assert acted["paused"]["until"] is not None
    stage.send("a:2", "text")
    assert "All lanes that fit a:* are paused for another" in lanes("why", "a:2").out
    assert lanes("resume", "a:2").out == "a:2: still paused (paused by hand): `lanes resume --match 'a:*'` ends that\n"
    assert lanes("resume", "--match", "a:*").out.startswith("all lanes that fit a:*: resumed; 1 lane still paused")
    assert lanes("resume", "--match", "a:*").out == "a:1: resumed\na:2: not paused\n", "each lane by itself"


def test_with_a_filter_only_the_lanes_of_now_are_paused(stage: Stage, lanes: Call) -> None:
    stage.send("a:1", "text")
    assert lanes("pause", "--match", "a:*", "--filter", "state:idle").out == "a:1: paused until resumed\n"
    stage.send("a:2", "text")
    assert "paused" not in lanes("why", "a:2").out


def test_a_pause_of_all_that_has_run_out_is_not_told(stage: Stage, lanes: Call) -> None:
    stage.send("a:1", "text")
    over = system_clock().wall - MINUTE
    stage.store.write(
        lambda tx: doors.pause_matching(tx, "*", PauseKind.HAND, system_clock(), actor="t", reason="r", until=over)
    )
    assert lanes("status", "--json").json["pauses"] == []
    assert lanes("list", "--json").json[0]["paused"] is None
    assert "paused" not in lanes("why", "a:1").out + lanes("status").out
    assert "pauses" not in {each["check"] for each in lanes("doctor", "--json").json if each["level"] == "warning"}


def test_a_glob_is_named_as_it_is_typed_in_a_shell(stage: Stage, lanes: Call) -> None:
    stage.send("a b:1", "text")
    lanes("pause", "--match", "a b:[!2]")
    assert "until `lanes resume --match 'a b:[!2]'`" in lanes("why", "a b:1").out


@pytest.mark.parametrize(
    "arguments",
    [
        ["pause", "--all", "a:1"],
        ["pause", "--all", "--match", "*"],
        ["pause", "--all", "--filter", "a:"],
        ["pause", "--all", "--epoch", "1"],
        ["pause", "--match", ""],
        ["pause", "--match", "x" * 1025],
        ["ack", "--all"],
    ],
)
def test_what_cannot_be_meant_changes_nothing(stage: Stage, lanes: Call, arguments: list[str]) -> None:
    stage.send("a:1", "text")
    assert lanes(*arguments).code == 2
    assert lanes("status", "--json").json["pauses"] == []
