"""The demonstration: a configuration with short limits, and traffic in which providers fail in many ways.

Within a minute it shows every state: idle, running, errored, aborted, paused, parked, a queue, a dead letter, a wait
that is too long. Then the script repeats.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from lanes.base.errors import LanesError
from lanes.config import Config, from_data
from lanes.desk import Desk

ACTOR = "demo"
#: The length of one round of the script, in seconds.
ROUND_S = 60.0
#: Lanes with this prefix have a separate provider, so that its cooldown does not delay other lanes.
LIMITED = "agent:main:matrix:limited"
GROUP = "agent:main:feishu:group:oc_d497"
CHAT = "agent:main:telegram:42"
SUPPORT = "agent:main:slack:C0SUPPORT"
WEB = "agent:main:web:7"


class Step(NamedTuple):
    """One step of the script: seconds after the start of a round, the action, and its description."""

    at: float
    sentence: str
    act: Callable[[Desk], Awaitable[object]]


def configuration(base_url: str, *, port: int, tempo: float = 1.0) -> Config:
    """One runner for most lanes and one for the limited ones; the limits are short enough to watch them pass.

    The user's configuration is not used. ``tempo``: divides all limits except the heartbeats.
    """

    def ms(seconds: float) -> str:
        return f"{round(seconds * 1000 / tempo)}ms"

    provider = {"base_url": base_url, "model": "sim-ok", "first_byte_timeout": ms(8), "idle_timeout": ms(8)}
    runner = {"kind": "provider", "history": 0}
    data: dict[str, Any] = {
        "gateway": {"port": port},
        "clocks": {
            "heartbeat_interval": "1s",
            "stale_after": "10s",
            "reconcile_interval": "1s",
            "run_timeout": ms(40),
            "stall_timeout": ms(20),
            "warn_held_after": ms(10),
            "warn_wait_after": ms(5),
            "abort_grace": ms(3),
            "drain_timeout": "2s",
            "max_park": "5m",
        },
        "runner": [
            {"name": "chat", "providers": ["sim", "sim-backup"], **runner},
            {"name": "limited", "providers": ["sim-limited"], **runner},
        ],
        "provider": [{"name": name, **provider} for name in ("sim", "sim-backup", "sim-limited")],
        "policy": [{"match": LIMITED, "runner": "limited"}],
    }
    return from_data(data, env={})


def script(tempo: float = 1.0) -> list[Step]:
    """One round. ``tempo`` divides the durations of the steps."""

    def send(at: float, key: str, text: str, sentence: str) -> Step:
        return Step(at, f"{key}: {sentence}", lambda desk: desk.send(key, text, actor=ACTOR))

    lasting = round(25_000 / tempo)
    return [
        send(0, GROUP, "[[sim-hang]] Are you there?", "its provider will hang"),
        send(0, CHAT, "[[sim-slow-3]] Good morning", "answered in some seconds"),
        send(1, GROUP, "hello?", "a second message waits behind it"),
        send(1, GROUP, "anybody?", "and a third"),
        send(
            2, LIMITED, f"[[sim-429-{max(1, round(20 / tempo))}]] One more question", "429: parked until it may go on"
        ),
        send(3, "agent:main:discord:ops", "[[sim-server-error]] Deploy it", "both providers fail: a dead letter"),
        send(4, SUPPORT, "[[sim-drip]] Refund me", "a token now and then, for ever"),
        Step(5, f"{WEB}: paused by an operator", lambda desk: _paused(desk, lasting)),
        send(6, "agent:coder:repo:lanes", "[[sim-slow-30]] Write the tests", "a long run, with steady progress"),
        send(8, CHAT, "[[sim-echo]] And how are you?", "answered at once"),
        send(9, "agent:main:line:u99", "[[sim-cut]] Tell me a story", "the stream is cut, without a word"),
        Step(11, f"{SUPPORT}: aborted by an operator", _aborted),
        send(14, "agent:main:whatsapp:+49", "[[sim-drip]] Read this out", "it will reach its run_timeout"),
        send(16, CHAT, "[[sim-flaky-50]] Thank you", "fails over, perhaps"),
        Step(20, f"{CHAT}: a message is dropped", _dropped),
        send(30, CHAT, "[[sim-slow-2]] Until tomorrow", "answered in some seconds"),
    ]


async def play(desk: Desk, report: Callable[[str], None], *, tempo: float = 1.0) -> None:
    """Repeat the script until cancelled. A step that is refused is reported and skipped."""
    while True:
        began = asyncio.get_running_loop().time()
        for step in [*script(tempo), Step(ROUND_S, "the script starts again", lambda _: asyncio.sleep(0))]:
            await asyncio.sleep(max(0.0, began + step.at / tempo - asyncio.get_running_loop().time()))
            report(step.sentence)
            try:
                await step.act(desk)
            except LanesError as error:
                report(f"  refused: {error}")


async def _paused(desk: Desk, lasting_ms: int) -> None:
    await desk.send(WEB, "Is it still broken?", actor=ACTOR)
    until = desk.clock().wall + lasting_ms
    await desk.pause(WEB, actor=ACTOR, reason="its tool is in repair", until=until)
    await desk.send(WEB, "And now?", actor=ACTOR)


async def _aborted(desk: Desk) -> None:
    await desk.abort(SUPPORT, actor=ACTOR, reason="it goes round in circles")


async def _dropped(desk: Desk) -> None:
    with contextlib.suppress(LanesError):  # it may have been answered before
        await desk.send(CHAT, "[[sim-slow-2]] One thing", actor=ACTOR)
        message = await desk.send(CHAT, "never mind", actor=ACTOR)
        await desk.drop(message.id, actor=ACTOR)
