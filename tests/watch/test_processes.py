"""Watching processes: two on one database, and one that is killed."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kit.processes import PATIENCE_S, House, eventually, house

ROOT = Path(__file__).parents[2]
KEY = "ses_01a22284"
CONFIG = """
[clocks]
heartbeat_interval = "200ms"
stale_after = "1m"

[[watch]]
name = "opencode"
kind = "opencode"
url = "{url}"
"""


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[House]:
    """A folder whose configuration watches a gateway of opencode, in which a session hangs."""
    env = {**os.environ, "REPLAY_TOKEN": "", "REPLAY_HELD": KEY}
    command = [sys.executable, "-m", "tests.watch.serving", "opencode"]
    gateway = subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True)
    assert gateway.stdout is not None
    try:
        with house(tmp_path) as made:
            made.config.write_text(CONFIG.format(url=gateway.stdout.readline().strip()), encoding="utf-8")
            yield made
    finally:
        gateway.kill()
        gateway.communicate(timeout=PATIENCE_S)


def watcher(made: House, name: str) -> int:
    """Start to watch; returns the pid of the process, once it is an owner."""
    process = made.start("watch", "--db", str(made.database), "--config", str(made.config), name=name)
    eventually(lambda: "watching opencode" in process.said(), f"{name} to begin")
    return process.pid


def lease(made: House) -> tuple[int, str, int]:
    """Who watches, in which state it is, and how many sources there are."""
    rows = made.rows("SELECT o.pid, s.state FROM sources s JOIN owners o ON o.id = s.owner_id")
    return (*rows[0], len(rows)) if rows else (0, "", 0)


def test_F348_of_two_processes_one_watches_and_the_other_takes_over_when_it_is_killed(watched: House) -> None:
    first = watcher(watched, "first")
    eventually(lambda: lease(watched) == (first, "connected", 1), "the first to watch")
    eventually(lambda: watched.rows("SELECT 1 FROM sightings WHERE state = 'running'"), "the session to be seen")
    runs = watched.row("SELECT runs FROM sightings")
    second = watcher(watched, "second")
    assert lease(watched) == (first, "connected", 1)
    assert watched.count("SELECT count(*) FROM owners WHERE ended_at IS NULL") == 2
    next(each for each in watched.processes if each.pid == first).kill()
    eventually(lambda: lease(watched) == (second, "connected", 1), "the second to watch")
    assert watched.row("SELECT runs, epoch FROM sightings") == (*runs, 1)
    (freed,) = watched.lanes("abort", f"opencode:{KEY}", "--json").json
    assert (freed["outcome"], freed["steps"][0]["step"]) == ("released", "abort the session")
    (source,) = watched.lanes("status", "--json", check=False).json["sources"]
    assert (source["state"], source["watched"]) == ("connected", True)


def test_a_request_that_a_killed_process_had_taken_is_carried_out_by_the_next(watched: House) -> None:
    first = watcher(watched, "first")
    eventually(lambda: watched.rows("SELECT 1 FROM sightings WHERE state = 'running'"), "the session to be seen")
    process = next(each for each in watched.processes if each.pid == first)
    process.kill()
    asked = watched.lanes("abort", f"opencode:{KEY}", "--no-wait", "--json", check=False)
    assert asked.json[0]["outcome"] == "pending", asked
    watcher(watched, "second")
    eventually(lambda: watched.rows("SELECT 1 FROM freeings WHERE outcome = 'released'"), "it to be freed")
