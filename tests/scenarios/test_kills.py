"""`kill -9` between two steps of conversations, questions, alerts and budgets, with two gateways at once."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lanes_storage import open_store
from tests.kit.processes import House, Process, eventually, sound_house
from tests.scenarios.own import furnish

RUNNER = '''
"""A runner that waits for a file, fails while there is another, asks, or answers."""

import asyncio
import pathlib

HERE = pathlib.Path(__file__).parent


async def talks(run):
    if run.text.startswith("ask"):
        return f"on {await run.ask('Which branch?')}"
    while run.text.startswith("wait") and not (HERE / "go").exists():
        await asyncio.sleep(0.02)
    if (HERE / "broken").exists():
        raise RuntimeError("out of order")
    return f"{len(await run.history(50))} before: {run.text}"
'''
#: Tells a file what it is told; with a file ``kill`` beside it, it kills its gateway before that.
TELLER = """
import json, os, pathlib, signal, sys

here, said = pathlib.Path(__file__).parent, json.load(sys.stdin)
kill = here / "kill"
if kill.exists():
    kill.unlink()
    os.kill(os.getppid(), signal.SIGKILL)
    sys.exit(0)
with (here / "told").open("a") as told:
    told.write(f"{said['state']} {said['subject']}\\n")
"""
BUDGET_AND_ALERT = f"""
[[policy]]
match = "frugal:*"
budget = {{ runs = 4, action = "reject" }}

[[alert]]
name = "ops"
command = ["{sys.executable}", "teller.py"]
on = ["dead_letter"]
timeout = "2m"
"""


@pytest.fixture
def made(tmp_path: Path) -> Iterator[House]:
    with sound_house(tmp_path) as it:
        furnish(it, "scenario_kills:talks", RUNNER, BUDGET_AND_ALERT)
        (it.folder / "teller.py").write_text(TELLER)
        yield it


def send(made: House, key: str, text: str) -> str:
    """Send a text; returns the id of its message."""
    return made.lanes("send", key, text).out.strip()


def ended(made: House, *messages: str) -> list[tuple[str, str | None]]:
    """The states and replies of messages, once all have ended."""
    how = "SELECT state, reply FROM messages WHERE id = ? AND ended_at IS NOT NULL"
    return [eventually(lambda n=n: made.rows(how, n), f"the end of {n}")[0] for n in messages]  # type: ignore[misc]


def holder(made: House, key: str, *gateways: Process) -> Process:
    """The gateway that runs a lane, once one does."""
    who = "SELECT o.pid FROM lanes l JOIN runs r ON r.id = l.run_id JOIN owners o ON o.id = r.owner_id WHERE l.key = ?"
    ((pid,),) = eventually(lambda: made.rows(who, key), f"a run of {key}")
    (found,) = [gateway for gateway in gateways if gateway.pid == pid]
    return found


def moved_back(made: House, column: str) -> None:
    """Let a time of every incident be ten minutes longer ago."""
    store = open_store(str(made.database))
    try:
        store.write(lambda tx: tx.run(f"UPDATE incidents SET {column} = {column} - 600000", {}))
    finally:
        store.close()


def told(made: House) -> list[str]:
    """What people were told, in order."""
    file = made.folder / "told"
    return file.read_text().splitlines() if file.exists() else []


def test_F280_a_conversation_has_each_turn_once_whichever_gateway_dies(made: House) -> None:
    gateways = made.gateway("one"), made.gateway("two")
    keys = [f"talk:{number}" for number in range(4)]
    sent = [[send(made, key, text) for text in ("first", "wait", "last")] for key in keys]
    waits = """SELECT count(*) FROM lanes l JOIN runs r ON r.id = l.run_id JOIN messages m ON m.id = r.message_id
      WHERE m.text = 'wait'"""
    eventually(lambda: made.count(waits) == len(keys), "the second text of each")
    holder(made, keys[0], *gateways).kill()
    (made.folder / "go").touch()
    for key, numbers in zip(keys, sent, strict=True):
        replies = [("done", "0 before: first"), ("done", "1 before: wait"), ("done", "2 before: last")]
        assert ended(made, *numbers) == replies
        turns = made.lanes("conversation", key, "--json").json["turns"]
        assert [(turn["text"], turn["reply"]) for turn in turns] == [
            (text, reply) for text, (_, reply) in zip(("first", "wait", "last"), replies, strict=True)
        ]


def test_F257_a_gateway_is_killed_between_an_answer_and_its_taking(made: House) -> None:
    gateways = made.gateway("one"), made.gateway("two")
    number = send(made, "a", "ask me")
    doomed = holder(made, "a", *gateways)
    open_ = "SELECT json_extract(r.question, '$.id') FROM runs r WHERE r.question IS NOT NULL AND r.ended_at IS NULL"
    ((first,),) = eventually(lambda: made.rows(open_), "the question")
    doomed.freeze(made.database)
    given = made.lanes("answer", "a", "main", "--question", first).out
    doomed.kill()
    ((second,),) = eventually(
        lambda: made.rows(f"{open_} AND json_extract(r.question, '$.id') <> ?", first), "the next"
    )
    made.lanes("answer", "a", "dev", "--question", second)
    assert ended(made, number) == [("done", "on dev")], given
    (late,) = made.rows("SELECT id, text FROM messages WHERE text LIKE '(to the question%'")
    assert late[1] == "(to the question “Which branch?”) main"
    assert ended(made, str(late[0]))[0][0] == "done", "it is a message like others"


def test_F281_an_incident_is_told_once_though_gateways_die_before_and_after(made: House) -> None:
    (made.folder / "broken").touch()
    (made.folder / "kill").touch()
    doomed = made.gateway("doomed")
    number = send(made, "a", "hello")
    assert doomed.popen.wait(120) == -9
    assert (ended(made, number)[0][0], told(made)) == ("failed", []), "it was killed before it told anybody"
    moved_back(made, "claimed_until")
    both = made.gateway("one"), made.gateway("two")
    noted = "SELECT 1 FROM incidents WHERE begin_sent_at IS NOT NULL AND subject = ?"
    eventually(lambda: made.rows(noted, "a"), "the alert")
    for gateway in both:
        gateway.kill()
    made.gateway("three")
    send(made, "b", "hello")
    eventually(lambda: made.rows(noted, "b"), "the alert of another lane")
    assert told(made) == ["began a", "began b"]
    (made.folder / "broken").unlink()
    made.lanes("retry", number)
    eventually(lambda: made.rows("SELECT 1 FROM messages WHERE retry_of = ? AND state = 'done'", number), "the retry")
    moved_back(made, "seen_at")
    eventually(lambda: made.rows("SELECT 1 FROM incidents WHERE end_sent_at IS NOT NULL"), "its end")
    assert told(made) == ["began a", "began b", "ended a"]


def test_F282_a_budget_counts_each_run_once_over_gateways_that_die(made: House) -> None:
    gateways = made.gateway("one"), made.gateway("two")
    waiting = send(made, "frugal:a", "wait")
    holder(made, "frugal:a", *gateways).kill()
    others = [send(made, f"frugal:{key}", "hello") for key in "bcdef"]
    (made.folder / "go").touch()
    found = ended(made, waiting, *others)
    runs = made.count("SELECT count(*) FROM runs")
    assert (runs, made.count("SELECT sum(runs) FROM spent")) == (4, 4)
    assert sum(state == "done" for state, _ in found) == 3, "one of four runs died with its gateway"
    assert made.count("SELECT count(*) FROM messages WHERE error_cause = 'over_budget'") == 3
