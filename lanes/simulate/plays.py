"""What happens for each fault, played on a chat answer."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from random import Random

from lanes.simulate.chat import Chat, error_body
from lanes.simulate.faults import Fault
from lanes.simulate.record import RequestEnd

#: The pace, in seconds at tempo 1: between tokens, between the tokens of a drip, and at most in a slow answer.
TOKEN_S = 0.003
DRIP_S = 5.0
SLOW_S = 0.25

ANSWER = "All is well here, says the simulated provider."
#: So many tokens come before something goes wrong in the middle.
TOKENS_BEFORE = 3


@dataclass(frozen=True, slots=True)
class Scene:
    """What a play is given: the answer to play on, the fault, the user's text and where luck comes from."""

    chat: Chat
    fault: Fault
    text: str
    luck: Random


Play = Callable[[Scene], Awaitable[RequestEnd]]


def tokens(text: str) -> list[str]:
    """A text in pieces that join to it again: each word with the space before it."""
    first, *rest = text.split(" ")
    return [first, *(f" {word}" for word in rest)]


async def ok(scene: Scene) -> RequestEnd:
    """A short answer."""
    return await _answer(scene, ANSWER)


async def echo(scene: Scene) -> RequestEnd:
    """The user's own text."""
    return await _answer(scene, scene.text)


async def slow(scene: Scene) -> RequestEnd:
    """An answer that takes its seconds, with tokens at a steady pace."""
    seconds = scene.fault.number
    steps = max(2, round(seconds / SLOW_S))
    words = (ANSWER.split(" ") * (steps // len(ANSWER.split(" ")) + 1))[:steps]
    await scene.chat.begin()
    for number, word in enumerate(words):
        await scene.chat.token(word if number == 0 else f" {word}")
        await scene.chat.wire.pause(seconds / steps)
    await scene.chat.end()
    return RequestEnd.FINISHED


async def hang(scene: Scene) -> RequestEnd:
    """No byte, not even a status line."""
    await scene.chat.wire.silence()
    return RequestEnd.FAILED


async def stall(scene: Scene) -> RequestEnd:
    """Some tokens, then nothing."""
    await _some(scene)
    await scene.chat.wire.silence()
    return RequestEnd.FAILED


async def drip(scene: Scene) -> RequestEnd:
    """A token now and then, for ever."""
    await scene.chat.begin()
    while True:
        await scene.chat.token("drip ")
        await scene.chat.wire.pause(DRIP_S)


async def cut(scene: Scene) -> RequestEnd:
    """Some tokens, then a clean end that says nothing."""
    await _some(scene)
    await scene.chat.cut()
    return RequestEnd.FAILED


async def reset(scene: Scene) -> RequestEnd:
    """Some tokens, then a TCP reset."""
    await _some(scene)
    await scene.chat.wire.reset()
    return RequestEnd.FAILED


async def status_500(scene: Scene) -> RequestEnd:
    """An internal error."""
    return await _refuse(scene, 500, "The simulated provider had an internal error.", "server_error", None)


async def status_429(scene: Scene) -> RequestEnd:
    """Too many requests, and when to come again."""
    headers = {"retry-after": f"{scene.fault.number:g}"}
    sentence = f"Rate limit reached, try again in {scene.fault.number:g}s."
    return await _refuse(scene, 429, sentence, "requests", "rate_limit_exceeded", headers)


async def quota(scene: Scene) -> RequestEnd:
    """No money left."""
    sentence = "You exceeded your current quota, please check your plan and billing details."
    return await _refuse(scene, 429, sentence, "insufficient_quota", "insufficient_quota")


async def server_error(scene: Scene) -> RequestEnd:
    """An error event, before any token: the stream had begun under status 200."""
    await scene.chat.begin()
    error = error_body("The server had an error while processing your request.", "server_error", "server_error")
    await scene.chat.error_event(error)
    return RequestEnd.FAILED


async def garbage(scene: Scene) -> RequestEnd:
    """What is no event stream."""
    await scene.chat.garbage()
    return RequestEnd.FAILED


async def flaky(scene: Scene) -> RequestEnd:
    """Now the one, now the other."""
    chance = scene.fault.number if scene.fault.number <= 1 else scene.fault.number / 100
    return await (status_500 if scene.luck.random() < chance else ok)(scene)


PLAYS: dict[str, Play] = {
    "sim-ok": ok,
    "sim-echo": echo,
    "sim-slow": slow,
    "sim-hang": hang,
    "sim-stall": stall,
    "sim-drip": drip,
    "sim-cut": cut,
    "sim-reset": reset,
    "sim-500": status_500,
    "sim-429": status_429,
    "sim-quota": quota,
    "sim-server-error": server_error,
    "sim-garbage": garbage,
    "sim-flaky": flaky,
}


async def _answer(scene: Scene, text: str) -> RequestEnd:
    await scene.chat.begin()
    for token in tokens(text):
        await scene.chat.token(token)
        await scene.chat.wire.pause(TOKEN_S)
    await scene.chat.end()
    return RequestEnd.FINISHED


async def _some(scene: Scene) -> None:
    await scene.chat.begin()
    for token in tokens(ANSWER)[:TOKENS_BEFORE]:
        await scene.chat.token(token)
        await scene.chat.wire.pause(TOKEN_S)


async def _refuse(
    scene: Scene, status: int, sentence: str, kind: str, code: str | None, headers: dict[str, str] | None = None
) -> RequestEnd:
    await scene.chat.refuse(status, {"error": error_body(sentence, kind, code)}, headers)
    return RequestEnd.FAILED
