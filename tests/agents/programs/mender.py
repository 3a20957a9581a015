"""An agent with tools: ``mender.py URL``. It edits a file, runs a command, and then asks its provider for the answer.

It asks twice where the provider fails, as agents do, and then says that it failed. It speaks as claude does. A text
with "mend" in it is work; any other only an answer.
"""

import json
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any


def say(**event: Any) -> None:
    sys.stdout.write(json.dumps(event) + "\n")
    sys.stdout.flush()


def tool(name: str) -> None:
    say(type="assistant", message={"content": [{"type": "tool_use", "name": name}]})


def ask(text: str) -> str | None:
    """The provider's answer; None: an error event."""
    body = {"model": "sim-echo", "stream": True, "messages": [{"role": "user", "content": text}]}
    request = urllib.request.Request(
        f"{sys.argv[1]}/chat/completions", json.dumps(body).encode(), {"content-type": "application/json"}
    )
    with urllib.request.urlopen(request) as answer:
        events = [json.loads(line[6:]) for line in answer.read().decode().splitlines() if line.startswith("data: {")]
    if any("error" in event for event in events):
        return None
    return "".join(choice["delta"].get("content") or "" for event in events for choice in event["choices"])


text = sys.stdin.read()
say(type="system", subtype="init", session_id="c-1")
if "mend" in text:
    tool("Edit")
    with Path("file").open("a", encoding="ascii") as file:
        file.write("mended\n")
    tool("Bash")
    subprocess.run(["sh", "-c", "echo ran >> log"], check=True)
said = ask(text) or ask(text)
if said is None:
    say(type="result", subtype="success", is_error=True, result="API Error: server_error")
else:
    say(type="result", subtype="success", is_error=False, result=said)
