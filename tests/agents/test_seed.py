"""The case that this program was begun for: an agent in a group chat, and its provider fails in the middle."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.agents.kit import program
from tests.kit.processes import House, eventually, house

GROUP = "agent:main:feishu:group:oc_d497"


@pytest.fixture
def made(tmp_path: Path) -> Iterator[House]:
    with house(tmp_path) as built:
        yield built


def test_F317_a_provider_that_fails_in_the_middle_of_a_groups_agent_holds_nobody_up(made: House) -> None:
    """It has edited a file and run a command when the provider says ``server_error``, twice: its own retry fails, too.

    The lane is free at once, nothing that it did is done again, and the mention that waits is answered. No restart.
    """
    argv = json.dumps(program("mender", f"{made.provider()}/v1"))
    made.config.write_text(
        f"[[runner]]\nname = 'mender'\nkind = 'command'\nargv = {argv}\noutput = 'claude-json'\n", encoding="utf-8"
    )
    gateway = made.gateway()
    made.send_many([(GROUP, "[[sim-server-error]] @bot mend it"), (GROUP, "@bot are you there?"), ("another", "hello")])
    eventually(lambda: made.is_now("2", "done", "failed"), "the next mention to be answered")
    first, second, other = [json.loads(made.lanes("messages", key, "--json").out) for key in (GROUP, GROUP, "another")]
    by_id = {message["id"]: message for message in [*first, *second, *other]}
    assert (by_id["1"]["state"], by_id["1"]["error"]["cause"]) == ("failed", "agent_error")
    assert "server_error" in by_id["1"]["error"]["message"]
    assert (by_id["2"]["state"], by_id["2"]["reply"]) == ("done", "@bot are you there?")
    folder = made.folder / "work" / "1"
    assert [(folder / name).read_text(encoding="ascii") for name in ("file", "log")] == ["mended\n", "ran\n"]
    asked = [
        seen["text"] for seen in made.provider_saw() if seen.get("outcome") == "open" and "mend it" in seen["text"]
    ]
    assert len(asked) == 2
    steps = made.rows("SELECT type, message_id FROM events WHERE type IN ('claim', 'fail', 'complete') ORDER BY id")
    assert [step for step in steps if step[1] in (1, 2)] == [("claim", 1), ("fail", 1), ("claim", 2), ("complete", 2)]
    assert gateway.popen.poll() is None
    assert (made.held(), made.count("SELECT count(*) FROM owners WHERE kind = 'gateway'")) == ([], 1)
