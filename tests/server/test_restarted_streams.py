"""A message that is run again while somebody listens: nothing is heard twice, and nobody takes a part for the whole."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import openai
import pytest

import lanes
from lanes.config import from_data
from lanes.engine.runs import results
from lanes.runners.base import Delta, RunContext, Runner
from lanes_storage.errors import DatabaseUnavailable
from lanes_storage.law import MessageState
from tests.kit.databases import lay
from tests.kit.official import official_client
from tests.kit.serving import client_of, serving
from tests.kit.until import until


class Twice:
    """A runner that is parked in the middle of its first reply, and says all of the second.

    ``texts``: what each run emits; the reply of the second is all that it emits, or ``reply``.
    """

    def __init__(self, *texts: str | Delta, reply: str | None = None) -> None:
        self._texts = list(texts)
        self._reply = reply
        self.go = asyncio.Event()

    async def __call__(self, run: RunContext) -> str:
        text = self._texts.pop(0)
        run.emit(text)
        if self._texts:
            await self.go.wait()
            raise lanes.RunParked(0, "cut in the middle")
        said = text if isinstance(text, str) else text.text
        return said if self._reply is None else self._reply


class Held:
    """Runs a runner once the test lets it."""

    def __init__(self, runner: Twice) -> None:
        self._runner = runner

    async def __call__(self, run: RunContext) -> str:
        await self._runner.go.wait()
        return await self._runner(run)


@asynccontextmanager
async def gateway(folder: Path, runner: Runner) -> AsyncIterator[tuple[str, lanes.Desk]]:
    """A gateway with that runner, over HTTP. What is parked begins again at once."""
    config = from_data({"gateway": {"port": 0}, "clocks": {"drain_timeout": "300ms"}})
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(results, "LEAST_PARK_MS", 1)
        async with lanes.connect(str(lay(folder / "lanes.db"))) as desk, serving(desk, config, runner) as served:
            yield served.url, desk


async def native(url: str, runner: Twice) -> list[str]:
    """The events of a message over the native API, the ones that come by themselves left out."""
    events = []
    async with client_of(url) as client:
        headers = {"Accept": "text/event-stream"}
        async with client.stream("POST", "/api/lanes/a/messages", json={"text": "hello"}, headers=headers) as answer:
            async for line in answer.aiter_lines():
                if line.startswith(("event: delta", "event: restart", "event: message", "data: {}", 'data: {"text"')):
                    events.append(line)
                if line == "event: delta":
                    runner.go.set()
    return events


async def test_F140_the_native_stream_says_that_it_begins_again(tmp_path: Path) -> None:
    runner = Twice("one two ", "one two three")
    async with gateway(tmp_path, runner) as (url, _):
        assert await native(url, runner) == [
            "event: delta",
            'data: {"text": "one two "}',
            "event: restart",
            "data: {}",
            "event: delta",
            'data: {"text": "one two three"}',
            "event: message",
        ]


async def chat(url: str, runner: Twice) -> str:
    """The text that the official client puts together from a stream."""
    said = ""
    async with official_client(f"{url}/v1") as client:
        stream = await client.chat.completions.create(
            model="lanes",
            messages=[{"role": "user", "content": "hello"}],
            stream=True,
            extra_headers={"X-Lanes-Session": "a"},
        )
        async for chunk in stream:
            said += chunk.choices[0].delta.content or ""
            runner.go.set()
    return said


@pytest.mark.parametrize(
    "runner",
    [("one two ", "one two three"), ("one two ", "one "), ("one two ", "")],
    ids=["all of it", "the rest at its end", "nothing before its end"],
)
async def test_F140_a_chat_stream_goes_on_where_it_was_cut(tmp_path: Path, runner: tuple[str, str]) -> None:
    twice = Twice(*runner, reply="one two three")
    async with gateway(tmp_path, twice) as (url, _):
        assert await chat(url, twice) == "one two three"


@pytest.mark.parametrize(
    "runner",
    [
        ("one two ", "one, two"),
        ("one two ", ""),
        (Delta(choice={"tool_calls": []}), "one two"),
        ("one two ", Delta(choice={"tool_calls": []})),
    ],
    ids=["other words", "another reply", "tool calls before", "tool calls behind"],
)
async def test_F140_a_chat_stream_that_can_not_go_on_is_an_error(
    tmp_path: Path, runner: tuple[str | Delta, str | Delta]
) -> None:
    twice = Twice(*runner, reply="another")
    async with gateway(tmp_path, twice) as (url, desk):
        with pytest.raises(openai.APIError, match="cut in the middle of its reply"):
            await chat(url, twice)

        async def ended() -> bool:
            (message,) = await desk.messages("a")
            return message.state in (MessageState.DONE, MessageState.ABORTED)

        await until(ended, "the message to end: it has no client any more")


async def test_F140_an_empty_reply_does_not_let_what_was_cut_stand(tmp_path: Path) -> None:
    twice = Twice("one two ", "", reply="")
    async with gateway(tmp_path, twice) as (url, _):
        with pytest.raises(openai.APIError, match="cut in the middle of its reply"):
            await chat(url, twice)


@pytest.mark.parametrize("stream", [False, True])
async def test_F139_the_first_of_two_connections_that_leaves_does_not_end_the_other(
    tmp_path: Path, stream: bool
) -> None:
    runner = Twice("one", "one")
    body = {"model": "lanes", "stream": stream, "messages": [{"role": "user", "content": "hello"}]}
    headers = {"X-Lanes-Session": "a", "Idempotency-Key": "once"}
    async with gateway(tmp_path, runner) as (url, desk), client_of(url) as client:

        def ask() -> asyncio.Task[httpx.Response]:
            return asyncio.create_task(client.post("/v1/chat/completions", json=body, headers=headers))

        async def connections() -> int:
            answer = await client.get("/metrics")
            (line,) = [each for each in answer.text.splitlines() if each.startswith("lanes_clients_waiting ")]
            return int(line.split()[1])

        async def wait_for(number: int) -> None:
            async def so_many() -> bool:
                return await connections() == number

            await until(so_many, f"{number} connections to wait")

        first, second = ask(), ask()
        await wait_for(2)
        first.cancel()
        await wait_for(1)
        runner.go.set()
        answer = await second
        assert answer.status_code == 200
        assert "one" in answer.text
        (message,) = await desk.messages("a")
        assert message.state is MessageState.DONE
        await wait_for(0)


@pytest.mark.parametrize("stream", [True, False])
async def test_F139_who_leaves_another_gateway_does_not_end_it(tmp_path: Path, stream: bool) -> None:
    runner = Twice("one")
    body = {"model": "lanes", "stream": stream, "messages": [{"role": "user", "content": "hello"}]}
    headers = {"X-Lanes-Session": "a", "Idempotency-Key": "once"}
    async with (
        gateway(tmp_path, Held(runner)) as (url, desk),
        gateway(tmp_path, runner) as (other, _),
        client_of() as client,
    ):

        def ask(url: str) -> asyncio.Task[httpx.Response]:
            return asyncio.create_task(client.post(f"{url}/v1/chat/completions", json=body, headers=headers))

        async def waiting(url: str) -> int:
            answer = await client.get(f"{url}/metrics")
            (line,) = [each for each in answer.text.splitlines() if each.startswith("lanes_clients_waiting ")]
            return int(line.split()[1])

        async def runs() -> bool:
            return any(lane.run_id is not None for lane in await desk.lanes())

        async def there() -> bool:
            return await waiting(other) == 1

        async def left() -> bool:
            return await waiting(other) == 0

        asked = ask(url)
        await until(runs, "it to run")
        again = ask(other)
        await until(there, "the same request at the other gateway")
        again.cancel()
        await until(left, "that client to leave")
        runner.go.set()
        answer = await asked
        assert answer.status_code == 200
        assert "one" in answer.text
        (message,) = await desk.messages("a")
        assert message.state is MessageState.DONE


async def test_F139_a_client_whose_answer_can_not_be_read_is_not_counted_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = {"model": "lanes", "stream": True, "messages": [{"role": "user", "content": "hello"}]}
    headers = {"X-Lanes-Session": "a", "Idempotency-Key": "once"}

    async def failing(run: RunContext) -> str:
        raise lanes.RunFailed("tool_missing")

    async def unreadable(_: int) -> None:
        raise DatabaseUnavailable("lanes.db", "no descriptor")

    async with gateway(tmp_path, failing) as (url, desk), client_of(url) as client:
        with monkeypatch.context() as patched:
            patched.setattr(type(desk), "wait", lambda desk, number: asyncio.sleep(0))
            patched.setattr(desk, "message", unreadable)
            answer = await client.post("/v1/chat/completions", json=body, headers=headers)
        assert answer.status_code >= 500
        assert "lanes_clients_waiting 0" in (await client.get("/metrics")).text


async def test_F139_the_last_of_two_connections_takes_the_message_with_it(tmp_path: Path) -> None:
    runner = Twice("one", "one")
    body = {"model": "lanes", "messages": [{"role": "user", "content": "hello"}]}
    headers = {"X-Lanes-Session": "a", "Idempotency-Key": "once"}
    async with gateway(tmp_path, runner) as (url, desk), client_of(url) as client:
        asking = [
            asyncio.create_task(client.post("/v1/chat/completions", json=body, headers=headers)) for _ in range(2)
        ]

        async def runs() -> bool:
            return any(lane.run_id is not None for lane in await desk.lanes())

        await until(runs, "it to run")
        for task in asking:
            task.cancel()

        async def ended() -> bool:
            (message,) = await desk.messages("a")
            return message.state is MessageState.ABORTED

        await until(ended, "it to end")
