"""answer, steer, and how a lane that awaits input is shown: on every command that shows it."""

from lanes_storage import doors
from lanes_storage.clock import system_clock
from lanes_storage.records import NewQuestion
from tests.commands.conftest import Call
from tests.kit.stage import MINUTE, Stage

WHICH = NewQuestion("1.1", "Which branch?\x1b[31m", 10 * MINUTE, ("main", "dev"))


def asking(stage: Stage, key: str = "a:1") -> None:
    claimed = stage.hold(key, stage.owner())
    now = system_clock()
    assert stage.store.write(lambda tx: doors.ask(tx, claimed.ticket, WHICH, now, by="run")) is not None


def test_F251_a_lane_that_awaits_input_says_so_everywhere(stage: Stage, lanes: Call) -> None:
    asking(stage)
    (lane,) = lanes("list", "--json").json
    assert (lane["state"], lane["waiting_for"], lane["question"]["id"]) == ("running", "input", "1.1")
    assert (lane["question"]["options"], lane["question"]["actor"]) == (["main", "dev"], "tester")
    assert lane["acts_next"]["limit"] == "question"
    listed = lanes("list").out
    assert "awaiting input" in listed
    assert "asks “Which branch?" in listed
    assert "awaiting input" in lanes("show", "a:1").out
    why = lanes("why", "a:1").out
    for said in ("awaiting input", "it asks tester “Which branch?", "main / dev", "`lanes answer a:1 TEXT` answers it"):
        assert said in why
    assert "\x1b" not in listed + why
    assert "Which branch?" in lanes("events", "a:1", "--type", "asked").out


def test_F253_answer_is_for_the_open_question_only(stage: Stage, lanes: Call) -> None:
    asking(stage)
    stage.send("b:1", "text")
    for arguments, code, said in (
        (("a:1", "perhaps"), 1, "one of: main, dev"),
        (("a:1", "main", "--question", "9.9"), 1, "it asks 1.1"),
        (("b:1", "main"), 1, "has no open question"),
        (("none", "main"), 3, "no lane 'none'"),
        (("a:1", ""), 2, "TEXT is empty"),
    ):
        refused = lanes("answer", *arguments)
        assert (refused.code, said in refused.err) == (code, True), refused
    answered = lanes("answer", "a:1", "2", "--question", "1.1", "--json")
    assert (answered.code, answered.json["text"], answered.json["state"]) == (0, "2", "queued")
    assert "is the answer, which the run has not taken yet" in lanes("why", "a:1").out
    assert lanes("answer", "a:1", "main").code == 1


def test_F255_steer_needs_a_lane(stage: Stage, lanes: Call) -> None:
    stage.hold("a:1", stage.owner())
    steered = lanes("steer", "a:1", "in German")
    assert (steered.code, steered.out) == (0, "message 2 is handed to the run if that takes it; else it waits\n")
    assert lanes("steer", "none", "x").code == 3
