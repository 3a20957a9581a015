"""The simulated provider by itself: the official client against it, its record, its process."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import openai
import pytest

from lanes.runners.http.client import HttpClient
from lanes.runners.http.failures import AttemptFailed
from lanes.simulate.app import Simulator
from lanes.simulate.faults import FAULTS, Fault, chosen, parse
from lanes.simulate.plays import ANSWER, PLAYS
from lanes.simulate.record import RequestEnd
from lanes.simulate.server import serve
from lanes_storage.law import AttemptCause
from tests.kit.asking import ask, refused
from tests.kit.official import official_client
from tests.kit.providers import provider
from tests.kit.until import PATIENCE_S, until
from tests.runners.simulated import Simulated

HELLO: list[Any] = [{"role": "user", "content": "hello"}]


@pytest.fixture
async def official(sim: Simulated) -> AsyncIterator[openai.AsyncOpenAI]:
    async with official_client(sim.url, max_retries=0) as made:
        yield made


# ----------------------------------------------------------------------------- the official client


async def test_the_official_client_without_a_stream(official: openai.AsyncOpenAI) -> None:
    done = await official.chat.completions.create(model="sim-ok", messages=HELLO)
    assert done.choices[0].message.content == ANSWER
    assert done.choices[0].finish_reason == "stop"
    assert done.usage is not None
    assert done.usage.total_tokens == done.usage.prompt_tokens + done.usage.completion_tokens


async def test_the_official_client_with_a_stream(official: openai.AsyncOpenAI) -> None:
    stream = await official.chat.completions.create(
        model="sim-ok", messages=HELLO, stream=True, stream_options={"include_usage": True}
    )
    chunks = [chunk async for chunk in stream]
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == ANSWER
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == "stop"
    assert chunks[-1].usage is not None
    assert all(chunk.usage is None for chunk in chunks[:-1])


async def test_usage_only_where_it_was_asked_for(official: openai.AsyncOpenAI) -> None:
    stream = await official.chat.completions.create(model="sim-ok", messages=HELLO, stream=True)
    assert [chunk.usage async for chunk in stream if chunk.usage] == []


@pytest.mark.parametrize("stream", [False, True])
async def test_its_errors_are_typed(official: openai.AsyncOpenAI, stream: bool) -> None:
    async def make(model: str) -> None:
        made: Any = await official.chat.completions.create(model=model, messages=HELLO, stream=stream)
        if stream:
            _ = [chunk async for chunk in made]

    with pytest.raises(openai.InternalServerError):
        await make("sim-500")
    with pytest.raises(openai.RateLimitError) as limited:
        await make("sim-429-30")
    assert limited.value.response.headers["retry-after"] == "30"
    with pytest.raises(openai.RateLimitError) as exhausted:
        await make("sim-quota")
    assert exhausted.value.code == "insufficient_quota"
    with pytest.raises(openai.NotFoundError):
        await make("gpt-5")


async def test_an_error_in_the_stream_is_raised_by_the_official_client(official: openai.AsyncOpenAI) -> None:
    stream = await official.chat.completions.create(model="sim-server-error", messages=HELLO, stream=True)
    with pytest.raises(openai.APIError, match="The server had an error"):
        _ = [chunk async for chunk in stream]


async def test_the_official_client_is_broken_off_like_any_other(official: openai.AsyncOpenAI, sim: Simulated) -> None:
    with pytest.raises(openai.APIConnectionError):
        await official.chat.completions.create(model="sim-reset", messages=HELLO)
    with pytest.raises(openai.APITimeoutError):
        await official.chat.completions.create(model="sim-hang", messages=HELLO, timeout=openai.Timeout(20, read=0.1))
    with pytest.raises(json.JSONDecodeError):
        await official.chat.completions.create(model="sim-cut", messages=HELLO)
    await until(lambda: sim.simulator.requests[1].outcome is RequestEnd.CLIENT_LEFT, "the client to have left")


async def test_its_models(official: openai.AsyncOpenAI) -> None:
    listed = {model.id async for model in official.models.list()}
    assert {"sim-ok", "sim-429-1", "sim-slow-1", "sim-flaky-1"} <= listed
    assert len(listed) == len(FAULTS) == len(PLAYS)
    assert all(parse(name) for name in listed)


# ------------------------------------------------------------------------------------- bad hours and models


async def test_one_slot_answers_one_after_the_other(sim: Simulated, client: HttpClient) -> None:
    await asyncio.gather(*(ask(client, provider(sim.url, "sim-one-slot")) for _ in range(3)))
    seen = sim.simulator.requests
    await until(lambda: all(one.outcome is RequestEnd.FINISHED for one in seen), "the end of all")
    assert max(one.started_ns for one in seen) < min(one.ended_ns or 0 for one in seen), "they came together"


async def test_an_outage_is_no_connection_for_anyone_and_ends(sim: Simulated, client: HttpClient) -> None:
    """Nothing listens there; who was connected is cut off. The same text is answered once it is over."""
    hanging = asyncio.create_task(refused(client, provider(sim.url, "sim-hang")))
    await until(lambda: sim.simulator.requests, "a request that hangs")
    cut = await refused(client, provider(sim.url), "[[sim-outage-30]]")  # three seconds, at this tempo
    assert {cut.cause, (await hanging).cause} <= {AttemptCause.RESET, AttemptCause.CUT}
    gone = await refused(client, provider(sim.url))
    assert gone.cause is AttemptCause.UNREACHABLE

    async def answers() -> bool:
        try:
            return (await ask(client, provider(sim.url), "[[sim-outage-30]]")).text == ANSWER
        except AttemptFailed:
            return False

    await until(answers, "the end of the outage")


async def test_it_reads_past_what_openclaw_puts_behind_a_message_and_recovers_for_the_same_ones(
    official: openai.AsyncOpenAI,
) -> None:
    """As 2026.5 and 2026.9 do."""
    behind = ['Sender (untrusted metadata):\n{"id": "cli"}', "<<<BEGIN_OPENCLAW_INTERNAL_CONTEXT>>> nothing"]
    for more in behind:
        said: Any = [{"role": "user", "content": f"hi {more[:3]}"}, {"role": "user", "content": more}]
        for _ in range(2):
            with pytest.raises(openai.InternalServerError):
                await official.chat.completions.create(model="sim-recovers-2", messages=said)
        answer = await official.chat.completions.create(model="sim-recovers-2", messages=said)
        assert answer.choices[0].message.content == ANSWER
        result: Any = {"role": "tool", "tool_call_id": "c", "content": "done"}
        answer = await official.chat.completions.create(model="sim-tool", messages=[*said[:1], result, *said[1:]])
        assert answer.choices[0].message.content == ANSWER


@pytest.mark.parametrize("dialect", ["chat", "responses", "messages"])
async def test_what_a_model_does_besides_text(sim: Simulated, client: HttpClient, dialect: str) -> None:
    one = provider(sim.url, dialect=dialect)
    refusal = await ask(client, one, "[[sim-refusal]]")
    assert refusal.finish_reason == ("content_filter" if dialect == "messages" else "stop")
    short = await ask(client, one, "[[sim-length]]")
    assert (short.finish_reason, short.text) == ("length", "All is well")
    thought = await ask(client, one, "[[sim-reasoning]]")
    assert thought.text == ANSWER
    assert (thought.message or {})["reasoning_content"] == "The question is short. So is the answer."
    assert (thought.usage or {})["total_tokens"] > 0


# ------------------------------------------------------------------------------------------- names


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("sim-ok", Fault("sim-ok")),
        ("sim-slow-2.5", Fault("sim-slow", 2.5)),
        ("sim-429-30", Fault("sim-429", 30)),
        ("sim-flaky-0.3", Fault("sim-flaky", 0.3)),
        ("sim-server-error", Fault("sim-server-error")),
        ("sim-500", Fault("sim-500")),
        ("sim-ok-3", None),
        ("sim-slow", None),
        ("sim-429", None),
        ("sim-slow-x", None),
        ("gpt-5", None),
        ("", None),
    ],
)
def test_names(name: str, fault: Fault | None) -> None:
    assert parse(name) == fault


def test_an_override_is_taken_out_of_the_text() -> None:
    assert chosen("sim-ok", "say [[sim-429-5]] it") == ("sim-429-5", "say  it")
    assert chosen("sim-ok", "[[sim-nonsense]]") == ("sim-nonsense", "")
    assert chosen("sim-ok", "[[other]] [sim-hang]") == ("sim-ok", "[[other]] [sim-hang]")
    earlier = "[[sim-hang]] are you there?\n\nhello?"
    assert chosen("sim-ok", earlier) == ("sim-ok", earlier), "of an earlier message, which is told with this one"


async def test_an_override_in_one_of_several_parts(official: openai.AsyncOpenAI) -> None:
    parts: list[Any] = [{"type": "text", "text": "look: "}, {"type": "text", "text": "[[sim-500]]"}]
    with pytest.raises(openai.InternalServerError):
        await official.chat.completions.create(model="sim-ok", messages=[{"role": "user", "content": parts}])


async def test_flaky_is_sometimes_one_and_sometimes_the_other(official: openai.AsyncOpenAI) -> None:
    outcomes = set()
    for _ in range(40):  # with this seed, far more than are needed
        try:
            await official.chat.completions.create(model="sim-flaky-50", messages=HELLO)
            outcomes.add("ok")
        except openai.InternalServerError:
            outcomes.add("failed")
        if len(outcomes) == 2:
            return
    raise AssertionError(outcomes)


# ------------------------------------------------------------------------------------------ the record


async def test_any_base_path(sim: Simulated, client: HttpClient) -> None:
    root = sim.url.removesuffix("/v1")
    for base in (root, f"{root}/openai/deployments/x"):
        assert (await ask(client, provider(base, "sim-echo"), "here")).text == "here"


async def test_what_was_seen_can_be_asked_for(sim: Simulated, client: HttpClient) -> None:
    extra = {"x-lanes-key": "agent%3Amain%2F%E7%BE%A4", "x-lanes-run": "12"}
    await ask(client, provider(sim.url, "sim-echo"), "first [[sim-ok]]", extra=extra)
    await ask(client, provider(sim.url, "sim-echo"), "second")
    await until(lambda: sim.simulator.requests[1].outcome is RequestEnd.FINISHED, "the end of both")
    got = await asyncio.to_thread(_get, sim.url.replace("/v1", "/sim/requests"))
    assert [(seen["sequence"], seen["text"], seen["fault"]) for seen in got] == [
        (1, "first [[sim-ok]]", "sim-ok"),
        (2, "second", "sim-echo"),
    ]
    assert (got[0]["key"], got[0]["run"], got[0]["outcome"]) == ("agent:main/群", "12", "finished")
    assert got[0]["model"] == "sim-echo"
    assert got[0]["stream"] is True
    assert got[0]["started_ns"] < got[0]["ended_ns"] < got[1]["started_ns"] < got[1]["ended_ns"]
    assert (got[1]["key"], got[1]["run"]) == (None, None)
    assert [seen["sequence"] for seen in await asyncio.to_thread(_get, f"{sim.url[:-3]}/sim/requests?after=1")] == [2]


def _get(url: str) -> Any:
    import urllib.request

    with urllib.request.urlopen(url, timeout=PATIENCE_S) as answer:
        return json.load(answer)


async def test_the_log_outlives_the_provider(tmp_path: Path, client: HttpClient) -> None:
    log = tmp_path / "provider.jsonl"

    def hung() -> int:
        return log.read_text().count('"sim-hang"') if log.exists() else 0

    for _ in range(2):
        before = hung()
        async with serve(tempo=10, log=log) as url:
            await ask(client, provider(url), "logged")
            hanging = asyncio.create_task(ask(client, provider(url, "sim-hang")))
            await until(lambda before=before: hung() > before, "the second request")  # type: ignore[misc]
            hanging.cancel()
            await asyncio.gather(hanging, return_exceptions=True)
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    last = {(line["server"], line["sequence"]): line for line in lines}
    assert [line["outcome"] for line in last.values()] == ["finished", "client_left"] * 2
    assert len({line["server"] for line in lines}) == 2


async def test_nonsense_is_answered_and_not_stumbled_over(sim: Simulated) -> None:
    host, port = sim.url.removeprefix("http://").removesuffix("/v1").split(":")
    for body in (b"", b"{", b"[]", b'{"messages": 3}', b'{"model": null, "messages": [null]}'):
        reader, writer = await asyncio.open_connection(host, int(port))
        head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\nconnection: close\r\n"
        writer.write(head.encode() + b"\r\n" + body)
        assert (await reader.read()).startswith(b"HTTP/1.1 404")
        writer.close()


async def test_a_port_that_is_taken() -> None:
    async with serve(simulator=Simulator()) as url:
        with pytest.raises(OSError, match="in use"):
            async with serve(int(url.removesuffix("/v1").rpartition(":")[2])):
                pass


# ------------------------------------------------------------------------------------- as a process

PROGRAM = "import sys; from pathlib import Path; from lanes.simulate.server import run; run(0, log=Path(sys.argv[1]))"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_as_a_process_it_ends_when_it_is_told_to(tmp_path: Path, client: HttpClient, number: int) -> None:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen(  # noqa: ASYNC220 - it only starts it
        [sys.executable, "-W", "error", "-c", PROGRAM, str(tmp_path / "log.jsonl")],
        stderr=subprocess.PIPE, text=True, env=environment,
    )  # fmt: skip
    assert process.stderr is not None
    try:
        url = (await asyncio.to_thread(process.stderr.readline)).split()[-1]
        assert (await ask(client, provider(url, "sim-echo"), "from outside")).text == "from outside"
        hanging = asyncio.create_task(ask(client, provider(url, "sim-hang")))
        await until(lambda: "sim-hang" in (tmp_path / "log.jsonl").read_text(), "a hanging request")
        process.send_signal(number)
        assert await asyncio.to_thread(process.wait, PATIENCE_S) == 0
        assert process.stderr.read() == ""
        await asyncio.gather(hanging, return_exceptions=True)
    finally:
        process.kill()
        process.wait()
        process.stderr.close()
