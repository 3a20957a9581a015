"""Calls of tools as providers of chat send them that take little care: what clients of each dialect are told."""

import json
from pathlib import Path
from typing import Any

import pytest

from lanes.dialects.calls import CallPlaces
from lanes.runners.http.merging import Merger
from tests.dialects.golden import ROUTES, gateway
from tests.kit.rawserver import DONE, STREAM, Call, chunk, event, raw_server

ASKED: dict[str, dict[str, Any]] = {
    "chat": {"messages": [{"role": "user", "content": "hi"}]},
    "responses": {"input": "hi"},
    "messages": {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 50},
}
Made = list[tuple[str, Any]]
#: What a model wrote as the input of a tool that is no object.
CUT_OFF = ['{"command": "rm -r', '{"a": ' + "[" * 100_000, "[1]"]


def call(name: str | None, arguments: Any, **more: Any) -> dict[str, Any]:
    """A piece of a call."""
    return {"type": "function", "function": {"name": name, "arguments": arguments}} | more


def says(*pieces: list[dict[str, Any]], finish: str = "tool_calls") -> bytes:
    """A stream with these pieces of calls, one chunk for each list."""
    return b"".join(chunk(tool_calls=each) for each in pieces) + chunk(finish=finish) + DONE


def of_whole(dialect: str, answer: dict[str, Any]) -> tuple[Made, str]:
    """The calls of an answer without a stream, and why it ended."""
    if dialect == "messages":
        blocks = [block for block in answer["content"] if block["type"] == "tool_use"]
        return [(block["name"], block["input"]) for block in blocks], answer["stop_reason"]
    if dialect == "responses":
        return [(item["name"], json.loads(item["arguments"])) for item in answer["output"]], answer["status"]
    (choice,) = answer["choices"]
    calls = [each["function"] for each in choice["message"]["tool_calls"]]
    return [(each["name"], _read(each["arguments"])) for each in calls], choice["finish_reason"]


def of_stream(dialect: str, text: str) -> tuple[Made, str]:
    """The same of a stream, as the client of each dialect adds it up."""
    events = [json.loads(line.removeprefix("data: ")) for line in text.splitlines() if line.startswith("data: {")]
    made: dict[int, tuple[str, list[str]]] = {}
    for each in events:
        match each:
            case {"type": "content_block_start", "index": index, "content_block": {"name": name}}:
                made[index] = name, []
            case {"type": "content_block_delta", "index": index, "delta": {"partial_json": piece}}:
                made[index][1].append(piece)
            case {"type": "response.output_item.added", "output_index": index, "item": {"name": name}}:
                made[index] = name, []
            case {"type": "response.function_call_arguments.delta", "output_index": index, "delta": piece}:
                made[index][1].append(piece)
            case {"choices": [{"delta": {"tool_calls": pieces}}]}:
                for said in pieces:
                    name, arguments = said["function"].get("name"), said["function"]["arguments"]
                    texts = made.setdefault(said["index"], (name, []))[1]
                    texts.append(arguments if isinstance(arguments, str) else json.dumps(arguments))
    ends = {
        "messages": lambda: events[-2]["delta"]["stop_reason"],
        "responses": lambda: events[-1]["response"]["status"],
    }
    end = ends.get(dialect, lambda: events[-1]["choices"][0]["finish_reason"])()
    return [(name, json.loads("".join(texts))) for name, texts in made.values()], end


def _read(arguments: Any) -> Any:
    return json.loads(arguments) if isinstance(arguments, str) else arguments


TWO = [("one", {"x": 1}), ("two", {"y": 2})]
ENDS = {"chat": "tool_calls", "responses": "completed", "messages": "tool_use"}


@pytest.mark.parametrize("dialect", [*ROUTES])
@pytest.mark.parametrize(
    "said",
    [
        says([call("one", '{"x":1}', index=0, id="a")], [call("two", '{"y":2}', index=0, id="b")]),  # Gemini, Ollama
        says([call("one", '{"x":1}', index=0, id=""), call("two", '{"y":2}', index=0, id="")]),
        says([call("one", '{"x":1}'), call("two", '{"y":2}')]),
        says([call("one", {"x": 1}, index=0, id="a"), call("two", {"y": 2}, index=1, id="b")]),
        says([call("one", '{"x"', index=1, id="a")], [call("one", ":1}", index=1, id="a")],
             [call("two", '{"y":2}', index=4, id="b")]),
        says([call("one", '{"x"', index=0, id="a")], [call(None, ":1}", index=0, id="made-up")],
             [call("two", '{"y":2}', index=1, id="b")]),
        says([call("one", '{"x"', index=0, id="a")], [call("two", '{"y"', index=1, id="b")],
             [call(None, ":1}", index=0), call(None, ":2}", index=1)]),
    ],
    ids=["one index", "one index, no id", "no index, no id", "objects", "name repeated", "ids made up", "in turns"],
)  # fmt: skip
async def test_F581_each_call_is_one_call(tmp_path: Path, dialect: str, said: bytes) -> None:
    async def answer(asked: Call) -> None:
        await asked.say(STREAM, said)

    async with raw_server(answer) as url, gateway(tmp_path, {"one": ("chat", url)}) as client:
        whole = await client.post(ROUTES[dialect], json=ASKED[dialect])
        streamed = await client.post(ROUTES[dialect], json=ASKED[dialect] | {"stream": True})
    assert of_whole(dialect, whole.json()) == (TWO, ENDS[dialect])
    assert of_stream(dialect, streamed.text) == (TWO, ENDS[dialect])


@pytest.mark.parametrize("dialect", [*ROUTES])
async def test_F581_two_calls_of_one_tool_without_ids_are_two(tmp_path: Path, dialect: str) -> None:
    """As those for the weather in two cities. One whose name is repeated with each piece of it is still one."""
    pieces = [call("one", text, index=0) for text in ('{"x":1}', '{"x":2}', "", '{"x"', ":3}")]

    async def answer(asked: Call) -> None:
        await asked.say(STREAM, says(*([piece] for piece in pieces)))

    async with raw_server(answer) as url, gateway(tmp_path, {"one": ("chat", url)}) as client:
        whole = await client.post(ROUTES[dialect], json=ASKED[dialect])
        streamed = await client.post(ROUTES[dialect], json=ASKED[dialect] | {"stream": True})
    three = [("one", {"x": 1}), ("one", {"x": 2}), ("one", {"x": 3})]
    assert of_whole(dialect, whole.json()) == (three, ENDS[dialect])
    assert of_stream(dialect, streamed.text) == (three, ENDS[dialect])


async def test_F581_an_answer_with_calls_ends_for_them_whatever_its_provider_calls_that(tmp_path: Path) -> None:
    async def answer(asked: Call) -> None:
        await asked.say(STREAM, says([call("one", "{}", index=0, id="a")], finish="stop"))

    async with raw_server(answer) as url, gateway(tmp_path, {"one": ("chat", url)}) as client:
        whole = await client.post(ROUTES["messages"], json=ASKED["messages"])
        streamed = await client.post(ROUTES["messages"], json=ASKED["messages"] | {"stream": True})
    assert of_whole("messages", whole.json())[1] == "tool_use"
    assert of_stream("messages", streamed.text)[1] == "tool_use"


@pytest.mark.parametrize("dialect", [*ROUTES])
async def test_F581_the_input_of_a_tool_may_come_with_the_begin_of_its_block(tmp_path: Path, dialect: str) -> None:
    said: list[dict[str, Any]] = [{"type": "message_start", "message": {"id": "m", "role": "assistant", "content": []}}]
    for at, (name, given) in enumerate(TWO):
        block = {"type": "tool_use", "id": f"toolu_{at}", "name": name, "input": given}
        said += [
            {"type": "content_block_start", "index": at, "content_block": block},
            {"type": "content_block_stop", "index": at},
        ]
    said += [{"type": "message_delta", "delta": {"stop_reason": "tool_use"}}, {"type": "message_stop"}]

    async def answer(asked: Call) -> None:
        await asked.say(STREAM, *map(event, said))

    async with raw_server(answer) as url, gateway(tmp_path, {"one": ("messages", url)}) as client:
        whole = await client.post(ROUTES[dialect], json=ASKED[dialect])
    assert of_whole(dialect, whole.json()) == (TWO, ENDS[dialect])


@pytest.mark.parametrize("written", CUT_OFF)
async def test_F934_an_answer_that_is_cut_off_within_the_input_of_a_tool_is_an_answer(
    tmp_path: Path, written: str
) -> None:
    """At the limit of its length: a client of the same dialect gets what it gets of any."""
    begun: dict[str, Any] = {"type": "tool_use", "id": "toolu_1", "name": "one", "input": {}}
    said: list[dict[str, Any]] = [
        {"type": "message_start", "message": {"id": "m", "role": "assistant", "content": []}},
        {"type": "content_block_start", "index": 0, "content_block": begun},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": written}},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "max_tokens"}},
        {"type": "message_stop"},
    ]

    async def answer(asked: Call) -> None:
        await asked.say(STREAM, *map(event, said))

    async with raw_server(answer) as url, gateway(tmp_path, {"one": ("messages", url)}) as client:
        whole = await client.post(ROUTES["messages"], json=ASKED["messages"])
        streamed = await client.post(ROUTES["messages"], json=ASKED["messages"] | {"stream": True})
        chat = await client.post(ROUTES["chat"], json=ASKED["chat"])
    assert whole.json()["content"] == [begun | {"input": {"arguments": written}}]
    assert whole.json()["stop_reason"] == "max_tokens"
    assert streamed.text.endswith(event(said[-1]).decode())
    assert chat.json()["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"] == written


@pytest.mark.parametrize("written", CUT_OFF)
@pytest.mark.parametrize("dialect", ["chat", "responses"])
async def test_F1033_a_call_that_was_cut_off_can_be_told_again_to_a_provider_of_messages(
    tmp_path: Path, dialect: str, written: str
) -> None:
    """As the client tells it with what it has made of it: each later request was refused."""
    history: dict[str, dict[str, Any]] = {
        "chat": {
            "messages": [
                {"role": "user", "content": "hi"},
                {"role": "assistant", "tool_calls": [call("one", written, id="c1")]},
                {"role": "tool", "tool_call_id": "c1", "content": "no valid arguments"},
            ]
        },
        "responses": {
            "input": [
                {"role": "user", "content": "hi"},
                {"type": "function_call", "call_id": "c1", "name": "one", "arguments": written},
                {"type": "function_call_output", "call_id": "c1", "output": "no valid arguments"},
            ]
        },
    }
    said: list[dict[str, Any]] = [
        {"type": "message_start", "message": {"id": "m", "role": "assistant", "content": []}},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}},
        {"type": "message_stop"},
    ]
    asked: list[Call] = []

    async def answer(made: Call) -> None:
        asked.append(made)
        await made.say(STREAM, *map(event, said))

    async with raw_server(answer) as url, gateway(tmp_path, {"one": ("messages", url)}) as client:
        answered = await client.post(ROUTES[dialect], json=history[dialect])
    assert answered.status_code == 200, answered.text
    (block,) = asked[0].body["messages"][1]["content"]
    assert block["input"] == {"arguments": written}


def test_F581_many_calls_cost_as_much_as_there_are() -> None:
    places, merger, looked = CallPlaces(), Merger(lambda _: None), 0

    class Counted(int):
        """An index that counts how often it is compared."""

        def __eq__(self, other: object) -> bool:
            nonlocal looked
            looked += 1
            return int(self) == other

        def __hash__(self) -> int:
            return int(self)

    for at in range(300):
        (piece,) = places.placed([call("one", "{}", index=Counted(at))])
        merger.add({"tool_calls": [piece]})
    assert len(merger.result()["tool_calls"]) == 300
    assert looked < 10_000
