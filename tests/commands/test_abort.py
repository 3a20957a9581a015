"""lanes abort: outcomes, exit codes, choices and previews, on real rows without a gateway."""

import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from lanes_storage import doors, reads
from lanes_storage.clock import system_clock
from lanes_storage.interface import Transaction
from lanes_storage.law import MessageState, WatchedState
from lanes_storage.records import ProcessIdentity, Sighting
from tests.commands.conftest import Call
from tests.kit.processes import PATIENCE_S, environment, eventually, heed_interrupts
from tests.kit.stage import Stage

RESULT_FIELDS = [
    "key", "outcome", "epoch_before", "epoch_after", "run_id", "waited_s", "dropped", "survivors",
]  # fmt: skip
#: The child of a command run on a host where nobody here can look.
CHILD = ProcessIdentity("elsewhere", "their-boot", "", 4711, 1)


def states(stage: Stage, key: str) -> list[str]:
    lane = stage.store.read(reads.lane(key))
    assert lane is not None
    newest_first = stage.store.read(reads.messages(lane.id))
    return [str(m.state) for m in reversed(newest_first)]


def test_what_may_be_lost_in_another_program_is_said_first(stage: Stage, lanes: Call) -> None:
    owner, now = stage.dead_owner(), system_clock()

    def step(tx: Transaction) -> None:
        seen = Sighting("k", WatchedState.RUNNING, ("r1",), 1, 1, 2)
        doors.watch(tx, "openclaw", "openclaw", "ws://there", owner, now, is_gone=lambda *_: False)
        doors.keep_sightings(tx, "openclaw", owner, [seen], now, from_files=False, whole=True)

    stage.store.write(step)
    for key in ("openclaw:k", "k"):
        done = lanes("abort", key, "--no-wait")
        assert done.err.startswith("openclaw:k: 2 waiting messages there may be lost")
        assert done.code == 0
    for verb in ("events", "messages", "conversation"):  # F1034
        for key in ("openclaw:k", "k"):
            done = lanes(verb, key)
            assert done.code == 3
            assert f"no lane of this database '{key}'" in done.err
            assert "`lanes why KEY`" in done.err
            assert "`lanes list`" in lanes(verb, "nowhere").err


def meanwhile(work: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=work)
    thread.start()
    return thread


def confirm_when_asked(stage: Stage, key: str, claimed: object) -> threading.Thread:
    """Be the owner: end the run once its abort is requested. On a connection of its own."""

    def work() -> None:
        other = Stage(stage.path)
        try:
            eventually(
                lambda: (run := other.store.read(reads.run(claimed.ticket.run_id))) and run.abort_at,  # type: ignore[attr-defined]
                "the abort to be requested",
            )
            other.confirm_abort(claimed)  # type: ignore[arg-type]
        finally:
            other.close()

    return meanwhile(work)


def test_released_by_its_owner(stage: Stage, lanes: Call) -> None:
    claimed = stage.hold("k", stage.owner(), "waits")
    owner = confirm_when_asked(stage, "k", claimed)
    aborted = lanes("abort", "k", "--json", "--reason", "stuck")
    owner.join()
    assert aborted.code == 0
    (result,) = aborted.json
    assert list(result) == RESULT_FIELDS
    assert result["outcome"] == "released"
    assert result["epoch_before"] == result["epoch_after"] == claimed.ticket.epoch
    assert (result["run_id"], result["dropped"], result["survivors"]) == (str(claimed.ticket.run_id), 0, [])
    assert states(stage, "k") == ["aborted", "queued"], "what waits is kept"


def test_repaired_when_the_owner_is_dead(stage: Stage, lanes: Call) -> None:
    stage.hold("k", stage.dead_owner())
    aborted = lanes("abort", "k")
    assert aborted.code == 0
    assert aborted.out.startswith("k: repaired after ")
    assert "epoch 1 → 2" in aborted.out


def test_forced_after_the_grace(stage: Stage, lanes: Call) -> None:
    claimed = stage.hold("k", stage.owner())
    (result,) = lanes("abort", "k", "--grace", "20ms", "--json").json
    assert (result["outcome"], result["epoch_before"]) == ("forced", claimed.ticket.epoch)
    assert result["epoch_after"] > result["epoch_before"]
    assert result["waited_s"] >= 0.019, "the grace, on another clock in whole milliseconds"
    stage.complete(claimed, "a late reply")
    assert states(stage, "k") == ["aborted"]


def test_forced_at_once(stage: Stage, lanes: Call) -> None:
    stage.hold("k", stage.owner())
    forced = lanes("abort", "k", "--force")
    assert (forced.code, "released by force" in forced.out) == (0, True)


def test_survivors_that_nobody_could_look_for_are_not_passed_over(stage: Stage, lanes: Call) -> None:
    claimed = stage.hold("k", stage.owner())
    stage.store.write(lambda tx: doors.attach_process(tx, claimed.ticket, CHILD, 4711))
    assert "whether processes of it survive is not known" in lanes("abort", "k", "--force").out
    claimed = stage.hold("j", stage.owner())
    stage.store.write(lambda tx: doors.attach_process(tx, claimed.ticket, CHILD, 4711))
    assert lanes("abort", "j", "--force", "--json").json[0]["survivors"] is None


def test_abort_spares_what_a_glob_leaves_out(stage: Stage, lanes: Call) -> None:
    """It chose exactly what it was told to leave out."""
    for key in ("agent:main:1", "agent:other:1"):
        stage.hold(key, stage.dead_owner())
    aborted = lanes("abort", "--match", "agent:[!m]*", "--yes", "--json").json
    assert [result["key"] for result in aborted] == ["agent:other:1"]
    assert states(stage, "agent:main:1") == ["running"]


def test_what_a_filter_chooses_is_aborted(stage: Stage, lanes: Call) -> None:
    for key in ("a", "b", "c"):
        stage.hold(key, stage.dead_owner())
    assert [lane["key"] for lane in lanes("abort", "--filter", "!b held:<1h", "--dry-run", "--json").json] == ["a", "c"]
    assert lanes("abort", "--filter", "!b held:<1h", "--yes").code == 0
    assert [states(stage, key) for key in ("a", "b", "c")] == [["aborted"], ["running"], ["aborted"]]
    assert lanes("abort", "--filter", "held:>1h").code == 4


def test_not_held_is_4(stage: Stage, lanes: Call) -> None:
    stage.send("k", "waits")
    nothing = lanes("abort", "k", "--json")
    assert nothing.code == 4
    assert nothing.json[0]["outcome"] == "not_held"
    assert lanes("abort", "k").out == "k: nothing to abort\n"
    assert states(stage, "k") == ["queued"]


def test_changed_is_4_and_touches_nothing(stage: Stage, lanes: Call) -> None:
    claimed = stage.hold("k", stage.owner())
    changed = lanes("abort", "k", "--epoch", str(claimed.ticket.epoch + 1), "--json")
    assert changed.code == 4
    assert changed.json[0]["outcome"] == "changed"
    assert states(stage, "k") == ["running"]


def test_the_epoch_that_is_meant(stage: Stage, lanes: Call) -> None:
    claimed = stage.hold("k", stage.dead_owner())
    assert lanes("abort", "k", "--epoch", str(claimed.ticket.epoch)).code == 0


@pytest.mark.parametrize(
    ("scope", "left", "dropped"),
    [
        ("run", ["aborted", "queued", "queued"], 0),
        ("queue", ["running", "aborted", "aborted"], 2),
        ("both", ["aborted", "aborted", "aborted"], 2),
    ],
)
def test_F54_scopes(stage: Stage, lanes: Call, scope: str, left: list[str], dropped: int) -> None:
    stage.hold("k", stage.dead_owner(), "waits", "waits too")
    (result,) = lanes("abort", "k", "--scope", scope, "--json").json
    assert result["outcome"] == ("cleared" if scope == "queue" else "repaired")
    assert result["dropped"] == dropped
    assert states(stage, "k") == left


def test_a_parked_head_is_cleared(stage: Stage, lanes: Call) -> None:
    stage.park(stage.hold("k", stage.owner(), "waits"))
    aborted = lanes("abort", "k")
    assert (aborted.code, aborted.out) == (0, "k: cleared; 1 waiting message ended\n")
    assert states(stage, "k") == ["aborted", "queued"]


def test_no_wait_is_pending_and_0(stage: Stage, lanes: Call) -> None:
    stage.hold("k", stage.owner())
    asked = lanes("abort", "k", "--no-wait", "--json")
    assert asked.code == 0
    assert (asked.json[0]["outcome"], asked.json[0]["survivors"]) == ("pending", None)
    assert states(stage, "k") == ["running"]
    assert lanes("list", "--json").json[0]["abort_requested"] is True


def test_a_wait_that_runs_out_is_5(stage: Stage, lanes: Call) -> None:
    stage.hold("k", stage.owner())
    pending = lanes("abort", "k", "--timeout", "30ms", "--json")
    assert pending.code == 5
    assert pending.json[0]["outcome"] == "pending"
    assert pending.json[0]["waited_s"] >= 0.03


def test_no_such_lane_is_3(stage: Stage, lanes: Call) -> None:
    missing = lanes("abort", "nobody", "--json")
    assert (missing.code, missing.json) == (3, [])
    assert "no lane 'nobody'" in missing.err


def test_F27_actor_and_reason_are_stored(stage: Stage, lanes: Call) -> None:
    stage.hold("k", stage.dead_owner())
    lanes("abort", "k", "--reason", "it hangs")
    (asked,) = lanes("events", "k", "--type", "abort_requested", "--json").json
    assert "@" in asked["actor"]
    assert asked["detail"]["reason"] == "it hangs"
    assert asked["epoch"] == int(asked["run_id"])


# -------------------------------------------------------------------------------------- several lanes


def test_several_lanes_need_yes_off_a_terminal(stage: Stage, lanes: Call) -> None:
    owner = stage.dead_owner()
    for key in ("a", "b"):
        stage.hold(key, owner)
    refused = lanes("abort", "a", "b")
    assert refused.code == 2
    assert "--yes" in refused.err
    assert states(stage, "a") == ["running"]
    done = lanes("abort", "a", "b", "--yes", "--json")
    assert done.code == 0
    assert [(r["key"], r["outcome"]) for r in done.json] == [("a", "repaired"), ("b", "repaired")]


def test_one_lane_that_waits_holds_up_no_other(stage: Stage, lanes: Call) -> None:
    stage.hold("alive", stage.owner())
    stage.hold("dead", stage.dead_owner())
    done = lanes("abort", "alive", "dead", "--yes", "--timeout", "100ms", "--json")
    assert done.code == 5, "the graver of the two"
    by_key = {result["key"]: result["outcome"] for result in done.json}
    assert by_key == {"alive": "pending", "dead": "repaired"}


def test_ctrl_c_says_how_many_of_several_lanes_were_reached(stage: Stage, database: Path, tmp_path: Path) -> None:
    runs = [stage.hold(key, stage.owner()).ticket.run_id for key in ("a", "b")]
    process = subprocess.Popen(
        [sys.executable, "-m", "lanes", "--db", str(database), "abort", "a", "b", "--yes", "--timeout", "1h"],
        stderr=subprocess.PIPE,
        text=True,
        env=environment(tmp_path),
        preexec_fn=heed_interrupts,
    )

    def requested() -> bool:
        found = [stage.store.read(reads.run(run)) for run in runs]
        return all(run is not None and run.abort_at is not None for run in found)

    eventually(requested, "both requests")
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=PATIENCE_S)[1]
    assert process.returncode == 130
    assert "interrupted after 0 of 2 lanes" in said


def test_for_several_lanes_the_graver_code_counts(stage: Stage, lanes: Call) -> None:
    stage.hold("dead", stage.dead_owner())
    stage.send("idle", "waits")
    assert lanes("abort", "idle", "dead", "--yes").code == 0, "any was freed"
    assert lanes("abort", "idle", "dead", "--yes").code == 4, "none was"
    mixed = lanes("abort", "idle", "nobody", "dead", "--yes")
    assert (mixed.code, len(mixed.out.splitlines())) == (3, 2)


@pytest.mark.parametrize(
    ("choice", "ended"),
    [
        (["--match", "h*"], ["h1", "h2"]),
        (["--all"], ["h1", "h2", "other", "parked"]),
        (["--held-for", "0s"], ["h1", "h2", "other"]),
        (["--held-for", "1h"], []),
        (["--match", "h*", "--held-for", "0s"], ["h1", "h2"]),
        (["--all", "--scope", "queue"], ["h1", "parked", "waiting"]),
        (["--match", "nothing*"], []),
    ],
)
def test_choices(stage: Stage, lanes: Call, choice: list[str], ended: list[str]) -> None:
    owner = stage.dead_owner()
    stage.hold("h1", owner, "waits")
    stage.hold("h2", owner)
    stage.hold("other", owner)
    stage.send("waiting", "never ran")
    stage.park(stage.hold("parked", owner))
    seen = lanes("abort", *choice, "--dry-run", "--json")
    assert sorted(lane["key"] for lane in seen.json) == ended
    assert seen.code == (0 if ended else 4)
    assert lanes("list", "--held", "--json").json, "a rehearsal changes nothing"
    done = lanes("abort", *choice, "--yes", "--json")
    assert sorted(result["key"] for result in done.json) == ended
    assert done.code == (0 if ended else 4)


def test_a_preview_binds_the_epochs_that_it_showed(stage: Stage, lanes: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    owner = stage.dead_owner()
    first = stage.hold("moves", owner, "next")
    stage.hold("stays", owner)
    from lanes.commands.operate import abort
    from lanes.commands.operate.aborting import carry_out

    def late(*arguments: object) -> int:
        stage.complete(first)  # between the look and the deed the lane moves on to its next message
        stage.claim("moves", owner)
        return carry_out(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(abort, "carry_out", late)
    done = lanes("abort", "moves", "stays", "--yes", "--json")
    assert [result["outcome"] for result in done.json] == ["changed", "repaired"]
    assert states(stage, "moves") == [MessageState.DONE, MessageState.RUNNING]


def test_a_rehearsal_of_a_named_lane(stage: Stage, lanes: Call) -> None:
    stage.hold("k", stage.owner(), "waits")
    seen = lanes("abort", "k", "--dry-run")
    assert seen.code == 0
    assert "k" in seen.out
    assert "running" in seen.out
    assert lanes("abort", "nobody", "--dry-run").code == 3
    assert states(stage, "k") == ["running", "queued"]


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["k", "--all"],
        ["k", "--match", "*"],
        ["k", "j", "--epoch", "1"],
        ["--all", "--epoch", "1"],
        ["k", "--force", "--grace", "1s"],
        ["k", "--no-wait", "--timeout", "1s"],
        ["k", "--scope", "everything"],
        ["k", "--grace", "never"],
        ["k", "--epoch", "-1"],
    ],
)
def test_what_cannot_be_meant_is_2(stage: Stage, lanes: Call, arguments: list[str]) -> None:
    stage.hold("k", stage.dead_owner())
    assert lanes("abort", *arguments).code == 2
    assert states(stage, "k") == ["running"]


@pytest.mark.parametrize(
    "key",
    ["-x", "--all", "a/b", "a%2Fb", "a b", "a'b\"c", "漢字", "👩‍🚀", "x" * 512, "*", "[a]", "\u202eabc", "e\u0301"],
)
def test_every_key_works(stage: Stage, lanes: Call, key: str) -> None:
    stage.hold(key, stage.dead_owner(), "waits")
    assert lanes("show", "--", key).code == 0
    assert lanes("abort", "--json", "--", key).json[0]["key"] == key
    assert lanes("list", "--json").json[0]["key"] == key
    assert lanes("pause", "--", key).code == lanes("resume", "--", key).code == lanes("ack", "--", key).code == 0
    assert lanes("send", "--", key, "--text").code == 0
    assert lanes("messages", "--json", "--", key).json[0]["text"] == "--text"


def test_keys_that_differ_in_case_are_two_lanes(stage: Stage, lanes: Call) -> None:
    owner = stage.dead_owner()
    stage.hold("Key", owner)
    stage.hold("key", owner)
    assert lanes("abort", "key").code == 0
    assert (states(stage, "Key"), states(stage, "key")) == (["running"], ["aborted"])


def test_the_journal_says_a_reason_once(stage: Stage, lanes: Call) -> None:
    stage.hold("a", stage.owner(), "waits")
    lanes("abort", "a", "--force", "--scope", "both", "--reason", "it is stuck")
    told = [line for line in lanes("events", "a").out.splitlines() if "it is stuck" in line]
    assert [line.count("it is stuck") for line in told] == [1] * 5
    assert sum("if it is still wanted" in line for line in told) == 2, "the next step of a notice stays"
