"""An agent that remembers its conversations in ``conversations.json`` of its folder, and speaks as claude does.

``--resume ID`` goes on with one; an unknown one it refuses as claude does. A text ``hang`` makes it wait, after
it has told its conversation; a text ``fail WHY`` makes it fail before that, with this on its standard error, where
``@ID`` is its conversation. ``starts`` counts how often it was started.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any


def say(**event: Any) -> None:
    sys.stdout.write(json.dumps(event) + "\n")
    sys.stdout.flush()


with Path("starts").open("a", encoding="ascii") as starts:
    starts.write("x")
book = Path("conversations.json")
known: dict[str, int] = json.loads(book.read_text(encoding="utf-8")) if book.exists() else {}
text = sys.stdin.read()
if "--resume" in sys.argv:
    name = sys.argv[sys.argv.index("--resume") + 1]
    if name not in known:
        sys.exit(f"No conversation found with session ID: {name}")
else:
    name = f"c-{time.time_ns()}"
    known[name] = 0
known[name] += 1
book.write_text(json.dumps(known), encoding="utf-8")
if text.startswith("fail "):
    sys.exit(text.removeprefix("fail ").replace("@ID", name))
say(type="system", subtype="init", session_id=name)
if text == "hang":
    time.sleep(600)
say(type="result", subtype="success", is_error=False, result=f"turn {known[name]}", session_id=name)
