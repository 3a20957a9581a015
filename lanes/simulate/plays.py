"""The play of each fault, on an answer in any dialect."""

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from random import Random
from typing import Any

from lanes.simulate import memory
from lanes.simulate.dialects.answer import SimulatedAnswer, SimulatedError
from lanes.simulate.faults import Fault, chosen, parse
from lanes.simulate.incoming import RequestedTool, fitting

#: The pauses between tokens, in seconds at tempo 1: usually, of a drip, the longest of a slow answer, of one-slot.
TOKEN_S = 0.003
DRIP_S = 5.0
SLOW_S = 0.25
SLOT_S = 0.05

ANSWER = "All is well here, says the simulated provider."
THOUGHT = "The question is short. So is the answer."
#: How many tokens are sent before a fault in the middle of an answer.
TOKENS_BEFORE = 3
#: The argument names for the command in tools that run one.
COMMANDS = frozenset({"command", "cmd"})

BROKEN = SimulatedError(
    500, "The simulated provider had an internal error.", "server_error", "server_error", "api_error"
)
LIMITED = SimulatedError(
    429, "Request too large: limit 30000 tokens per minute, requested 40000.", "requests", "rate_limit_exceeded",
    "rate_limit_error",
)  # fmt: skip
EXHAUSTED = SimulatedError(
    429, "You exceeded your current quota, please check your plan and billing details.", "insufficient_quota",
    "insufficient_quota", "billing_error",
)  # fmt: skip
OVERLOADED = SimulatedError(529, "Overloaded", "server_error", "server_overloaded", "overloaded_error")
FLAGGED = SimulatedError(
    403, "The input was flagged by moderation.", "invalid_request_error", "content_policy_violation", "permission_error"
)
TOO_LONG = SimulatedError(
    400, "prompt is too long: this model's maximum context length is 8192 tokens.", "invalid_request_error",
    "context_length_exceeded", "invalid_request_error",
)  # fmt: skip
OBJECTED = SimulatedError(400, "", "invalid_request_error", None, "invalid_request_error")
UNKNOWN = SimulatedError(
    404, "There is no such simulated model.", "invalid_request_error", "model_not_found", "not_found_error"
)


@dataclass(slots=True)
class Shared:
    """What all answers of one provider share: its luck, ``away`` (makes it unreachable for so many seconds), the slot
    of ``sim-one-slot``, the texts that caused an outage, and how often ``sim-recovers`` refused a conversation."""

    luck: Random
    away: Callable[[float], None]
    slot: asyncio.Lock = field(default_factory=asyncio.Lock)
    outages: set[str] = field(default_factory=set)
    refused: Counter[tuple[str, ...]] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class Scene:
    """What a play is given: the answer to play on, the fault, the user's text, and what it shares with others."""

    answer: SimulatedAnswer
    fault: Fault
    text: str
    shared: Shared


Play = Callable[[Scene], Awaitable[None]]
PLAYS: dict[str, Play] = {}


def plays(name: str) -> Callable[[Play], Play]:
    """Registers a function as the play of a fault, whose meaning is in ``FAULTS``."""

    def named(play: Play) -> Play:
        PLAYS[name] = play
        return play

    return named


def tokens(text: str) -> list[str]:
    """A text in pieces, which joined give the text: each word with the space before it."""
    first, *rest = text.split(" ")
    return [first, *(f" {word}" for word in rest)]


@plays("sim-ok")
async def ok(scene: Scene) -> None:
    await _answer(scene, ANSWER)


@plays("sim-echo")
async def echo(scene: Scene) -> None:
    await _answer(scene, scene.text)


@plays("sim-slow")
async def slow(scene: Scene) -> None:
    seconds = scene.fault.number
    steps = max(2, round(seconds / SLOW_S))
    words = (ANSWER.split(" ") * (steps // len(ANSWER.split(" ")) + 1))[:steps]
    await scene.answer.begin()
    for number, word in enumerate(words):
        await scene.answer.token(word if number == 0 else f" {word}")
        await scene.answer.wire.pause(seconds / steps)
    await scene.answer.end()


@plays("sim-hang")
async def hang(scene: Scene) -> None:
    await scene.answer.wire.silence()


@plays("sim-stall")
async def stall(scene: Scene) -> None:
    await _some(scene)
    await scene.answer.wire.silence()


@plays("sim-drip")
async def drip(scene: Scene) -> None:
    await scene.answer.begin()
    while True:
        await scene.answer.token("drip ")
        await scene.answer.wire.pause(DRIP_S)


@plays("sim-cut")
async def cut(scene: Scene) -> None:
    await _some(scene)
    await scene.answer.cut()


@plays("sim-reset")
async def reset(scene: Scene) -> None:
    await _some(scene)
    await scene.answer.wire.reset()


@plays("sim-429")
async def status_429(scene: Scene) -> None:
    headers = {"retry-after": f"{scene.fault.number:g}"}
    sentence = f"Rate limit reached, try again in {scene.fault.number:g}s."
    await _refuse(scene, LIMITED._replace(sentence=sentence), headers)


@plays("sim-recovers")
async def recovers(scene: Scene) -> None:
    texts = scene.answer.request.texts[:1]
    if scene.shared.refused[texts] >= scene.fault.number:
        del scene.shared.refused[texts]
        await ok(scene)
    else:
        scene.shared.refused[texts] += 1
        await _refuse(scene, BROKEN)


@plays("sim-server-error")
async def server_error(scene: Scene) -> None:
    await scene.answer.begin()
    await scene.answer.error_event(BROKEN._replace(sentence="The server had an error while processing your request."))


@plays("sim-garbage")
async def garbage(scene: Scene) -> None:
    await scene.answer.garbage()


@plays("sim-flaky")
async def flaky(scene: Scene) -> None:
    chance = scene.fault.number if scene.fault.number <= 1 else scene.fault.number / 100
    await (_refuse(scene, BROKEN) if scene.shared.luck.random() < chance else ok(scene))


@plays("sim-one-slot")
async def one_slot(scene: Scene) -> None:
    async with scene.shared.slot:
        await _answer(scene, ANSWER, SLOT_S)


@plays("sim-outage")
async def outage(scene: Scene) -> None:
    if scene.text in scene.shared.outages:
        await ok(scene)
        return
    scene.shared.outages.add(scene.text)
    scene.answer.wire.was_reset = True
    scene.shared.away(scene.fault.number)
    await scene.answer.wire.silence()


@plays("sim-reasoning")
async def reasoning(scene: Scene) -> None:
    await scene.answer.begin()
    for token in tokens(THOUGHT):
        await scene.answer.think(token)
        await scene.answer.wire.pause(TOKEN_S)
    await _finish(scene, ANSWER)


@plays("sim-refusal")
async def refusal(scene: Scene) -> None:
    await scene.answer.begin()
    await scene.answer.refuse_to("I cannot help with that.")
    await scene.answer.end()


@plays("sim-length")
async def length(scene: Scene) -> None:
    scene.answer.cut_short = True
    await _some(scene)
    await scene.answer.end()


@plays("sim-shell")
async def shell(scene: Scene) -> None:
    await _calls(scene, [*_command(scene)][:1])


@plays("sim-recall")
async def recall(scene: Scene) -> None:
    await _answer(scene, " | ".join(scene.answer.request.texts))


@plays("sim-json")
async def structured(scene: Scene) -> None:
    await _answer(scene, json.dumps(fitting(scene.answer.request.schema or {})))


@plays("sim-empty")
async def empty(scene: Scene) -> None:
    await scene.answer.begin()
    await scene.answer.end()


@plays("sim-recite")
async def recite(scene: Scene) -> None:
    await _answer(scene, memory.recited(scene.answer.request.body))


@plays("sim-strict")
async def strict(scene: Scene) -> None:
    objection = memory.objection(scene.answer.request.body)
    await (recite(scene) if objection is None else _refuse(scene, OBJECTED._replace(sentence=objection)))


@plays("sim-window")
async def window(scene: Scene) -> None:
    count, most = memory.word_count(scene.answer.request.body), round(scene.fault.number)
    if count <= most:
        await recite(scene)
        return
    sentence = (
        f"This model's maximum context length is {most} tokens. However, your messages resulted in {count} tokens."
    )
    await _refuse(scene, TOO_LONG._replace(sentence=sentence))


async def unknown(scene: Scene) -> None:
    """Refuse a name that no fault has."""
    await _refuse(scene, UNKNOWN)


async def _answer(scene: Scene, text: str, pace: float = TOKEN_S) -> None:
    await scene.answer.begin()
    await _finish(scene, text, pace)


async def _finish(scene: Scene, text: str, pace: float = TOKEN_S) -> None:
    for token in tokens(text):
        await scene.answer.token(token)
        await scene.answer.wire.pause(pace)
    await scene.answer.end()


async def _some(scene: Scene) -> None:
    await scene.answer.begin()
    for token in tokens(ANSWER)[:TOKENS_BEFORE]:
        await scene.answer.token(token)
        await scene.answer.wire.pause(TOKEN_S)


async def _call(scene: Scene, count: int) -> None:
    tools = scene.answer.request.tools
    await _calls(scene, [(tools[at % len(tools)], {}) for at in range(count if tools else 0)])


async def _calls(scene: Scene, calls: Sequence[tuple[RequestedTool, Mapping[str, Any]]]) -> None:
    """Call tools with these arguments, completed by their schemas. If there are none, or the request has their results,
    play what a second name in the text chooses, else answer."""
    if not calls or scene.answer.request.resulted:
        name, text = chosen("sim-ok", scene.text)
        await PLAYS.get(name, unknown)(replace(scene, fault=parse(name) or Fault(""), text=text))
        return
    await scene.answer.begin()
    for (name, schema), arguments in calls:
        await scene.answer.call(name, fitting({"type": "object"} | schema) | arguments)
    await scene.answer.end()


def _command(scene: Scene) -> Iterator[tuple[RequestedTool, Mapping[str, Any]]]:
    """The tools that run commands, with the command in the text."""
    text = scene.answer.request.text.rpartition("[[sim-shell]]")[2].partition("[[")[0].strip()
    for tool in scene.answer.request.tools:
        properties = tool.schema.get("properties") or {}
        for name in COMMANDS & properties.keys():
            needed = {each: properties[each] for each in tool.schema.get("required") or () if each in properties}
            words = ["sh", "-c", text] if properties[name].get("type") == "array" else text
            yield tool._replace(schema={"properties": needed}), {name: words}


async def _refuse(scene: Scene, error: SimulatedError, headers: dict[str, str] | None = None) -> None:
    await scene.answer.refuse(error, headers)


for _name, _error in {
    "sim-500": BROKEN,
    "sim-quota": EXHAUSTED,
    "sim-529": OVERLOADED,
    "sim-403-input": FLAGGED,
    "sim-429-one-request": LIMITED._replace(type="tokens"),
    "sim-context-overflow": TOO_LONG,
}.items():
    PLAYS[_name] = partial(_refuse, error=_error)
PLAYS["sim-tool"], PLAYS["sim-tools"] = partial(_call, count=1), partial(_call, count=2)
