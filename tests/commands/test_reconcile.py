"""lanes reconcile: one pass, a rehearsal, a watch of the silent, and the loop outside any gateway."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lanes.host.identity import identity_of, this_process
from lanes_storage import reads
from tests.commands.conftest import Call
from tests.kit.forms import are_forms, is_form
from tests.kit.processes import PATIENCE_S, environment, eventually, heed_interrupts
from tests.kit.stage import Stage


def test_provable_deaths_are_judged_and_the_healthy_left_alone(stage: Stage, lanes: Call) -> None:
    stage.hold("dead", stage.dead_owner(), "waits")
    stage.hold("alive", stage.owner())
    rehearsed = lanes("reconcile", "--dry-run", "--json")
    assert rehearsed.code == 0
    are_forms(rehearsed.json, "Finding")
    told = {finding["key"]: (finding["decision"], finding["done"]) for finding in rehearsed.json if finding["key"]}
    assert told == {"dead": ("owner_gone", False), "alive": ("healthy", False)}
    assert len(lanes("list", "--held", "--json").json) == 2, "a rehearsal changes nothing"
    done = lanes("reconcile", "--json").json
    assert {finding["key"]: finding["done"] for finding in done} == {"dead": True, None: True}
    assert [lane["key"] for lane in lanes("list", "--held", "--json").json] == ["alive"]
    again = lanes("reconcile")
    assert (again.code, again.out, again.err) == (0, "", "nothing to reconcile\n")


def test_the_table_for_people(stage: Stage, lanes: Call) -> None:
    stage.hold("k \u202e", stage.dead_owner())
    text = lanes("reconcile")
    assert text.out.splitlines()[0].split() == ["KEY", "RUN", "OWNER", "DECISION", "DONE", "EVIDENCE"]
    assert "k \\u202e" in text.out
    assert "is gone" in text.out


def test_a_silent_owner_is_listed_and_judged_only_after_it_was_watched(stage: Stage, lanes: Call) -> None:
    elsewhere = this_process()._replace(host="elsewhere", boot_id="another")
    owner = stage.owner(elsewhere, stale_after_ms=15_000)
    stage.hold("silent", owner)
    shorten = "UPDATE owners SET heartbeat_interval_ms = 50, stale_after_ms = 200, heartbeat_at = heartbeat_at - 60000"
    stage.store.write(lambda tx: tx.run(shorten, {}))
    (listed,) = lanes("reconcile", "--json").json
    assert (listed["key"], listed["decision"], listed["done"]) == ("silent", "watched", False)
    assert "--wait" in listed["evidence"]
    watched = lanes("reconcile", "--wait", "--json")
    assert "watching 1 silent owner" in watched.err
    assert {(f["key"], f["decision"], f["done"]) for f in watched.json} == {
        ("silent", "owner_silent", True),
        (None, "owner_silent", True),
    }


def test_watch_goes_on_outside_any_gateway(stage: Stage, database: Path, tmp_path: Path) -> None:
    (tmp_path / "lanes.toml").write_text('[clocks]\nreconcile_interval = "50ms"\n')
    process = subprocess.Popen(
        [sys.executable, "-m", "lanes", "--db", str(database), "reconcile", "--watch", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env=environment(tmp_path),
        preexec_fn=heed_interrupts,
    )
    assert process.stderr is not None
    assert "using the configuration of this folder" in process.stderr.readline()
    assert "watching every 50 ms" in process.stderr.readline()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        stage.hold("dead", stage.owner(identity_of(child.pid)))
    assert process.stdout is not None
    finding = json.loads(process.stdout.readline())
    is_form(finding, "Finding")
    assert (finding["key"], finding["decision"], finding["done"]) == ("dead", "owner_gone", True)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 130


@pytest.mark.parametrize("other", ["--wait", "--dry-run"])
def test_what_cannot_be_meant_is_2(stage: Stage, lanes: Call, other: str) -> None:
    assert lanes("reconcile", "--watch", other).code == 2


def test_F109_the_wait_of_a_command_that_was_killed_is_ended(stage: Stage, lanes: Call, database: Path) -> None:
    """`lanes send --wait` in a child of a run, and `kill -9` of that child: nothing else ends its wait."""
    claimed = stage.hold("own", stage.owner())
    command = [sys.executable, "-m", "lanes", "--db", str(database), "send", "other", "question", "--wait"]
    env = environment(database.parent) | {"LANES_RUN_ID": str(claimed.ticket.run_id)}
    child = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    (wait,) = eventually(lambda: stage.store.read(reads.waits()), "the wait")
    assert wait.process == identity_of(child.pid)
    assert "is alive" in lanes("why", "own").out
    assert lanes("reconcile", "--json").json == [], "somebody waits"
    child.kill()
    child.wait()
    assert (
        f"process {child.pid} on this host is gone: the next reconcile pass ends that wait." in lanes("why", "own").out
    )
    (rehearsed,) = [f for f in lanes("reconcile", "--dry-run", "--json").json if f["decision"] == "waiter_gone"]
    assert (rehearsed["key"], rehearsed["done"]) == ("own", False)
    assert stage.store.read(reads.waits()) == [wait], "a rehearsal changes nothing"
    (ended,) = lanes("reconcile", "--json").json
    are_forms([ended], "Finding")
    assert (ended["decision"], ended["done"]) == ("waiter_gone", True)
    assert str(child.pid) in ended["evidence"]
    assert stage.store.read(reads.waits()) == []
