"""An agent without the SDK, which misbehaves in the way that its argument names."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

how = sys.argv[1]


def write(line: bytes) -> None:
    os.write(1, line + b"\n")


def say(**message: Any) -> None:
    write(json.dumps({"jsonrpc": "2.0", **message}).encode())


def tell(update: str, **fields: Any) -> None:
    say(method="session/update", params={"sessionId": "r-1", "update": {"sessionUpdate": update, **fields}})


def text(said: str) -> None:
    tell("agent_message_chunk", content={"type": "text", "text": said})


def heard() -> dict[str, Any]:
    line = sys.stdin.readline()
    if not line:
        sys.exit(0)
    message: dict[str, Any] = json.loads(line)
    return message


def answer_to(number: Any) -> dict[str, Any]:
    while (message := heard()).get("id") != number or "method" in message:
        pass
    return message


def ask(number: Any, title: str, **call: Any) -> None:
    options = [{"optionId": "o-1", "name": "once", "kind": "allow_once"}]
    asked = {"sessionId": "r-1", "toolCall": {"toolCallId": "t-1", "title": title, **call}, "options": options}
    say(id=number, method="session/request_permission", params=asked)


def garbage() -> None:
    """What is no message, or one that nobody asked for."""
    for line in (b"", b"warning: no", b"[1, 2]", b"\xff\xfe", b"{", b"[" * 100_000, b'"x"', b"{}", b"null"):
        write(line)
    say(id=99, result={})
    say(id=[1], result={})
    say(id={"a": 1}, error="no object")
    say(id=2**70, error=7)
    say(id=None, method="session/update")
    say(method="session/update", params=[1])
    say(method="session/update", params={"sessionId": "r-1", "update": "x"})
    say(method="session/update", params={"sessionId": "other", "update": {"sessionUpdate": "agent_message_chunk"}})
    say(method="no/such/notification", params={})
    say(method=5, id=5)
    for update in ("no_such_update", "tool_call", "tool_call_update", "plan", "usage_update", "agent_message_chunk"):
        tell(update)
        tell(update, content=[], cost={"currency": "USD", "amount": "x"}, toolCallId=7, title=["x"], status={})


def answer(prompt: dict[str, Any]) -> None:
    if how == "dies":
        text("half an ans")
        sys.stderr.write("out of luck\n")
        sys.exit(3)
    if how == "ends":
        text("half an ans")
        sys.exit(0)
    if how == "garbage":
        garbage()
        say(id=1, method="fs/write_text_file", params={"sessionId": "r-1", "path": "/etc/passwd", "content": ""})
        assert answer_to(1)["error"]["code"] == -32601
        say(id=2, method="session/request_permission", params={"sessionId": 7})
        assert answer_to(2)["error"]["code"] == -32602
    if how == "long":
        text(10_000_000 * "x")
        text("after")
    if how == "floods":
        while True:
            text(60_000 * "x")
    if how == "deaf":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        child = subprocess.Popen(["setsid", "sleep", "600"])
        Path("pids").write_text(f"{os.getpid()} {child.pid}", encoding="ascii")
        while heard():
            pass
    if how == "hostile":
        ask("a", "\x1b]0;owned\x07\u202e[@click=app.quit]x[/]", rawInput={"\ud800": "\x1b[2J" + 9_000 * "y"})
        assert answer_to("a")["result"]["outcome"] == {"outcome": "cancelled"}, "there is no option to reject"
        tell("tool_call", toolCallId="t", title="\x1b[31m\ud800" + 9_000 * "z")
        text("a\ud800b \x1b[31m")
    if how == "waits":
        text("I wait.")
        while heard():
            pass
    if how == "leaves":
        subprocess.Popen(["setsid", "sleep", "600"], stdout=subprocess.DEVNULL)
        text("left")
    if how in ("garbage", "stays", "late", "chatters"):
        text("well")
    stop = {"refuses": "refusal", "strange": "no_such_reason"}.get(how, "end_turn")
    say(id=prompt["id"], result={"stopReason": stop})


def chatter() -> None:
    """Updates without an end, and one at least before each answer: see ``_lanes/ping``."""
    while True:
        tell("usage_update")
        time.sleep(0.01)


late = False  # it has to repeat its session yet
while message := heard():
    if late:
        text("what was answered before")
        late = False
    match message.get("method"):
        case "_lanes/ping":
            if how == "chatters":
                tell("usage_update")
            say(id=message["id"], error={"code": -32601, "message": "no such method"})
        case "initialize" if how == "silent":
            while True:
                time.sleep(600)
        case "initialize":
            able = {"loadSession": how in ("late", "chatters")}
            say(id=message["id"], result={"protocolVersion": 7 if how == "newer" else 1, "agentCapabilities": able})
        case "session/new" if how == "login":
            say(id=message["id"], error={"code": -32000, "message": "Authentication required"})
        case "session/new" if how == "broken":
            say(id=message["id"], error="all is lost")
        case "session/new":
            say(id=message["id"], result={"sessionId": "r-1"})
        case "session/load":
            say(id=message["id"], result=None)
            late = how == "late"
            if how == "chatters":
                threading.Thread(target=chatter, daemon=True).start()
        case "session/prompt":
            answer(message)
            if how == "stays":
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
                while True:
                    time.sleep(600)
