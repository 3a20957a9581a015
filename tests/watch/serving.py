"""``python -m tests.watch.serving WORD …``: play the gateway of a program, as a process whose words are these."""

import asyncio
import os
import sys
from collections.abc import Callable

from tests.watch.codex import ReplayCodex
from tests.watch.langgraph import ReplayLangGraph
from tests.watch.openclaw import OF_9, ReplayOpenClaw
from tests.watch.opencode import ReplayOpencode
from tests.watch.replaying import ReplayServer

GATEWAYS: dict[str, Callable[[], ReplayServer]] = {
    "openclaw": lambda: ReplayOpenClaw(OF_9),
    "opencode": ReplayOpencode,
    "codex": ReplayCodex,
    "langgraph": ReplayLangGraph,
}


async def main(kind: str) -> None:
    """Listen, say where, and stay. ``REPLAY_TOKEN`` is the token that it wants; empty: none. ``REPLAY_HELD`` is a
    session of opencode that hangs."""
    gateway = GATEWAYS[kind]()
    gateway.token = os.environ["REPLAY_TOKEN"]
    await gateway.listen()
    if isinstance(gateway, ReplayOpencode) and (held := os.environ.get("REPLAY_HELD")):
        await gateway.begin(held)
    sys.stdout.write(f"{gateway.url}\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
