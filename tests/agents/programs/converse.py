"""An agent that takes input while it works, as Claude does: ``converse.py``.

It asks before it removes something, waits for another text where it is told to, and ends with its input.
What it is told to do later it does in another turn, which it begins by itself.
With ``--resume ID`` it takes two texts, and then does not know that conversation any more.
"""

import json
import sys
from typing import Any


def say(**event: object) -> None:
    sys.stdout.write(json.dumps(event) + "\n")
    sys.stdout.flush()


def heard() -> dict[str, Any]:
    line = sys.stdin.readline()
    event: dict[str, Any] = json.loads(line) if line else {}
    return event


def text(event: dict[str, Any]) -> str:
    return str(event["message"]["content"])


def over() -> None:
    """The turn is."""
    say(type="result", subtype="success", is_error=False, result=", ".join(said), session_id="c-1", usage={})


def behind(*tasks: str) -> None:
    """These go on behind the turn."""
    say(type="system", subtype="background_tasks_changed", tasks=[{"task_id": task} for task in tasks])


if "--resume" in sys.argv:
    heard(), heard()
    sys.exit(f"No conversation found with session ID: {sys.argv[-1]}")
say(type="system", subtype="init", session_id="c-1")
said: list[str] = []
while event := heard():
    said.append(text(event))
    if "later" in said[-1]:
        behind("t-1")
        over()
        behind()
    if "remove" in said[-1]:
        asked = {"subtype": "can_use_tool", "tool_name": "Bash", "input": {"command": "rm -r build"}}
        say(type="control_request", request_id="r-1", request=asked)
        answer = heard()
        while answer["type"] == "user":  # what people add meanwhile
            said.append(text(answer))
            answer = heard()
        response = answer["response"]
        assert response["request_id"] == "r-1"
        said.append(response["response"]["behavior"])
    if "wait" in said[-1]:
        say(type="assistant", message={"content": [{"type": "text", "text": "I wait."}]})
        said.append(text(heard()))
    over()
