"""What a user says to an OpenClaw gateway, what an operator does with lanes meanwhile, and what its provider sees."""

import asyncio
import json
import time
import uuid
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from lanes.desk import Desk
from lanes.records import Lane
from lanes.simulate.plays import ANSWER
from lanes.watch.openclaw.wire import OpenClawLink
from tests.kit.processes import House
from tests.kit.until import until
from tests.live.openclaw import MODEL, OpenClaw
from tests.live.subject import YES

#: A held session is seen within this time.
SEEN_S = 2.0
#: How long what waited behind a run may take to be answered, before it counts as lost.
LOST_S = 40.0
#: After this time somebody who has got no answer writes again.
WRITES_AGAIN_S = 4.0


class Held(NamedTuple):
    """A session that is held: its lane, and after how long that was seen."""

    key: str
    mark: str
    lane: Lane
    seen_s: float


class Chat:
    """``door``: the account, in the words of the configuration of OpenClaw, that new sessions ask."""

    def __init__(self, client: OpenClawLink, made: House) -> None:
        self._client, self.made = client, made
        self._answers: dict[str, str] = {}
        client._on_event = self._hear
        self.door = "sim"

    def _hear(self, event: str, payload: Any) -> None:
        if event == "chat" and payload.get("state") == "final":
            self._answers[payload.get("runId", "")] = json.dumps(payload.get("message", ""))

    # --------------------------------------------------------------------------------- as its user

    async def begin(self, name: str) -> str:
        """A new session that has answered once: the first run of a process loads much."""
        key = f"agent:main:{name}-{uuid.uuid4().hex[:6]}"
        await self.call("sessions.patch", key=key, model=f"{self.door}/{MODEL}")
        await self.answered(key)
        return key

    async def send(self, key: str, text: str, method: str = "agent") -> str:
        """Send a message, and return the id of its run."""
        sent = await self.call(method, sessionKey=key, message=text, idempotencyKey=uuid.uuid4().hex)
        return str(sent["runId"])

    async def call(self, method: str, **params: Any) -> dict[str, Any]:
        """A request to the gateway."""
        return await self._client.call(method, params, 120)

    async def idle(self, key: str) -> bool:
        """Whether the last run of a session is over: before that it may store again what it began with."""
        listed = (await self.call("sessions.list", limit=100))["sessions"]
        return any(row["key"] == key and row.get("status") == "done" and not row.get("hasActiveRun") for row in listed)

    async def answered(self, key: str, text: str = "hello") -> None:
        """Send a message, and wait for its answer."""
        run = await self.send(key, text)
        await until(lambda: ANSWER in self.answer(run), f"an answer in {key}")

    def answer(self, run: str) -> str:
        """The answer of a run; empty as long as there is none."""
        return self._answers.get(run, "")

    # ---------------------------------------------------------------------------- as its provider

    def asked(self, mark: str) -> list[dict[str, Any]]:
        """The requests for the message with this mark, as they are by now; a later one may be told with it, and does
        something else."""
        newest = {each["sequence"]: each for each in self.made.provider_saw()}
        wanted = mark.partition("]]")[0].removeprefix("[[") if mark.startswith("[[") else MODEL
        return [each for each in newest.values() if mark in each["text"] and each["fault"] == wanted]

    def asked_of(self, model: str, text: str) -> int:
        """How often that model was asked with that text, among whatever a program puts around it."""
        newest = {each["sequence"]: each for each in self.made.provider_saw()}
        return sum(each["model"] == model and text in each["text"] for each in newest.values())

    async def open(self, mark: str) -> dict[str, Any]:
        """The request with that mark, once the provider has it and has not ended it."""
        return await until(
            lambda: next((each for each in self.asked(mark) if each["outcome"] == "open"), {}), f"{mark} to be asked"
        )


class Talk(Chat):
    """What an operator does with lanes as well."""

    def __init__(self, client: OpenClawLink, made: House, desk: Desk) -> None:
        super().__init__(client, made)
        self._desk = desk
        #: Whether it may lose what is written to a chat whose run fails, as docs/guard.md announces.
        self.steers = False

    async def lanes(self, *words: str) -> tuple[Any, str]:
        """What a command answers as JSON, and what it says beside."""
        finished = await asyncio.to_thread(lambda: self.made.command(*words, "--json", check=False))
        assert finished.out, finished
        return json.loads(finished.out), finished.err

    async def listed(self, fits: Callable[[Lane], bool]) -> list[Lane]:
        """The lanes of OpenClaw that fit."""
        return [lane for lane in await self._desk.lanes() if lane.key.startswith("openclaw:") and fits(lane)]

    async def held(self, key: str, fault: str) -> Held:
        """A session with a run that does not go on by itself, as soon as it is seen."""
        mark = f"{fault} {uuid.uuid4().hex[:8]}"
        await self.send(key, mark)
        return await self.seen(key, mark)

    async def seen(self, key: str, mark: str) -> Held:
        """The same, of a message that was sent already."""
        began = (await self.open(mark))["started_at"]
        lane = (await until(lambda: self.listed(lambda lane: is_held(lane, key)), f"{key} to be seen"))[0]
        return Held(key, mark, lane, time.time() - began / 1000)

    async def freed(self, held: Held, *behind: str) -> str:
        """One abort frees it, and the next message is answered; what else waits behind it (the methods) is answered,
        or lost as announced. Returns what is said of it in the table."""
        waiting = [f"waiting {number} {uuid.uuid4().hex[:8]}" for number, _ in enumerate(behind)]
        for mark, method in zip(waiting, behind, strict=True):
            await self.send(held.key, mark, method)
        began = time.monotonic()
        (result,), said = await self.lanes("abort", held.lane.key)
        freed_s = time.monotonic() - began
        assert result["outcome"] == "released", result
        lost = await self._lost(waiting)
        assert not lost or "lost" in said or (self.steers and "chat.send" in behind), (
            f"{lost} were lost, and lanes said only: {said}"
        )
        await self.answered(held.key, "the next one")
        asked = len(self.asked(held.mark))
        assert asked == 1, f"the provider was asked {asked} times"
        assert held.seen_s <= SEEN_S, f"seen after {held.seen_s:.1f} s"
        by = [each["step"] for each in result.get("steps") or () if each["proof"]]
        of = f" of {len(waiting)}" if waiting else ""
        return (
            f"{YES} (seen {held.seen_s:.1f} s, freed {freed_s:.1f} s{''.join(f', {each}' for each in by)};"
            f" {f'{lost}{of} lost, as announced' if lost else 'nothing lost'})"
        )

    async def _lost(self, waiting: list[str]) -> int:
        """How many of these messages are not answered, in time. A message that waited may run under another run id."""
        deadline = time.monotonic() + LOST_S
        while (lost := sum(not self._is_answered(mark) for mark in waiting)) and time.monotonic() < deadline:
            await asyncio.sleep(0.1)
        return lost

    def _is_answered(self, mark: str) -> bool:
        return any(each["outcome"] == "finished" for each in self.asked(mark))


def is_held(lane: Lane, key: str) -> bool:
    """Whether it is the lane of that session, or one that names no session, and is held."""
    named = lane.key == f"openclaw:{key}" or lane.key.startswith("openclaw:anonymous:")
    return named and lane.state == "running" and (lane.seen is None or bool(lane.seen.runs))


class FaultTrial:
    """A gateway whose models fail, and what is said to it."""

    def __init__(self, gateway: OpenClaw, talk: Talk) -> None:
        self._gateway, self._talk = gateway, talk

    async def a_hang(self) -> str:
        """A request to which the provider sends nothing, and messages behind it."""
        return await self._fault("[[sim-hang]]")

    async def a_drip(self) -> str:
        """A request whose answer never ends."""
        return await self._fault("[[sim-drip]]")

    async def a_stall(self) -> str:
        """A request whose answer stops in the middle."""
        return await self._fault("[[sim-stall]]")

    async def a_ghost(self) -> str:
        """A message that was sent at the end of the run before it, and hangs; one more waits. It is a ghost on 2026.5,
        where lanes is beside it."""
        key = await self._talk.begin("ghost")
        first = await self._talk.send(key, "[[sim-slow-5]] first", "chat.send")
        await until(lambda: self._talk.answer(first), "the answer to the first")
        mark = f"[[sim-hang]] second of {key}"
        await self._talk.send(key, mark, "chat.send")
        held = await self._talk.seen(key, mark)
        await asyncio.sleep(WRITES_AGAIN_S)
        return await self._talk.freed(held, "chat.send")

    async def _fault(self, fault: str) -> str:
        key = await self._talk.begin("fault")
        return await self._talk.freed(await self._talk.held(key, fault), "agent", "agent")


async def outcome(trial: Awaitable[str | None]) -> str:
    """What the table says of a trial."""
    try:
        return await trial or YES
    except AssertionError as error:
        return f"no: {str(error)[:400]}".replace("\n", " ")
