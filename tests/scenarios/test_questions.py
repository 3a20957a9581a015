"""A person in the loop, with real processes: two gateways, commands from outside, and `kill -9` in the middle."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.kit.processes import House, eventually, sound_house
from tests.scenarios.own import furnish

RUNNER = '''
"""A runner that asks, and says in a file what it was answered."""

import pathlib


async def asks(run):
    answer = await run.ask("Which branch?")
    with (pathlib.Path(__file__).parent / "answers").open("a") as told:
        told.write(f"{run.message.id} {answer}\\n")
    if answer == "steer me":
        return (await run.inbox().get()).text
    return f"on {answer}"
'''
KEY = "agent:main"


@pytest.fixture
def made(tmp_path: Path) -> Iterator[House]:
    with sound_house(tmp_path) as it:
        furnish(it, "scenario_asks:asks", RUNNER)
        yield it


def question(made: House, key: str = KEY, *, other_than: str = "") -> dict[str, Any]:
    """What a lane asks, as a command in another process shows it; ``other_than``: a question of an earlier run, which
    is open until that is found dead."""
    asks = """SELECT 1 FROM runs r JOIN lanes l ON l.run_id = r.id
      WHERE l.key = ? AND json_extract(r.question, '$.id') <> ?"""
    eventually(lambda: made.rows(asks, key, other_than), "the question")
    shown: dict[str, Any] = made.lanes("show", key, "--json").json
    assert shown["waiting_for"] == "input"
    asked: dict[str, Any] = shown["question"]
    return asked


def answers(made: House) -> list[str]:
    told = made.config.parent / "answers"
    return told.read_text().splitlines() if told.exists() else []


def ended(made: House, message: str) -> tuple[Any, ...]:
    how = "SELECT state, reply FROM messages WHERE id = ? AND ended_at IS NOT NULL"
    (end,) = eventually(lambda: made.rows(how, message), f"the end of message {message}")
    return end


def test_F251_a_command_answers_whichever_gateway_runs_the_lane(made: House) -> None:
    first, second = made.gateway("one"), made.gateway("two")
    numbers = [made.lanes("send", f"{KEY}:{n}", "tidy up").out.strip() for n in range(4)]
    for n in range(4):
        asked = question(made, f"{KEY}:{n}")
        if n % 2:
            made.lanes("send", f"{KEY}:{n}", f"branch {n}")
        else:
            made.lanes("answer", f"{KEY}:{n}", f"branch {n}", "--question", asked["id"])
    assert [ended(made, number) for number in numbers] == [("done", f"on branch {n}") for n in range(4)]
    assert first.pid != second.pid
    assert len(answers(made)) == 4
    refused = made.lanes("answer", f"{KEY}:0", "again", "--question", "1.1", check=False)
    assert (refused.code, "has no open question" in refused.err) == (1, True)


def test_F257_a_gateway_is_killed_while_its_run_asks(made: House) -> None:
    doomed = made.gateway("doomed")
    number = made.lanes("send", KEY, "tidy up").out.strip()
    before = question(made)
    doomed.kill()
    late = made.lanes("answer", KEY, "yes", "--question", before["id"])
    assert late.code == 0, "it is still open as far as anybody knows"
    made.gateway("next")
    after = question(made, other_than=before["id"])
    assert "answer" not in after, "an old answer is none to it"
    made.lanes("answer", KEY, "main", "--question", after["id"])
    assert ended(made, number) == ("done", "on main")
    assert answers(made) == [f"{number} main"]
    waits = eventually(
        lambda: made.rows("SELECT text FROM messages WHERE text LIKE '%Which branch?%yes'"), "the answer"
    )
    assert waits == [("(to the question “Which branch?”) yes",)]


def test_F257_a_gateway_that_was_stopped_takes_the_answer_when_it_goes_on(made: House) -> None:
    doomed = made.gateway("doomed")
    number = made.lanes("send", KEY, "tidy up").out.strip()
    question(made)
    doomed.freeze(made.database)
    made.lanes("answer", KEY, "main")
    again = made.lanes("answer", KEY, "dev", check=False)
    assert again.code == 1
    doomed.thaw()
    assert ended(made, number) == ("done", "on main")
    assert answers(made) == [f"{number} main"]


def test_F255_a_steer_from_another_process_reaches_the_run(made: House) -> None:
    made.gateway("one")
    number = made.lanes("send", KEY, "tidy up").out.strip()
    question(made)
    made.lanes("steer", KEY, "quickly")
    made.lanes("answer", KEY, "steer me")
    assert ended(made, number) == ("done", "quickly")
