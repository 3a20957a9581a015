"""Reading a stream by whole chunks gives what the strict parser gives, for any bytes and any cut."""

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lanes.runners.http.objects import DONE, ObjectReader, objects
from lanes.runners.http.sse import ServerSentEvent, SseError, SseParser

PLAIN = b'data: {"a": 1}\n\n'
NAMED = b'event: ping\ndata: {"type": "ping"}\n\n'


def pieces(stream: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    return [stream[a:b] for a, b in pairwise(places)]


def as_said(event: dict[str, Any] | ServerSentEvent) -> tuple[str, Any]:
    """An event with its object, if its data is one. A name that the object has as its type says nothing more."""
    if isinstance(event, dict):
        return ("message", event)
    try:
        data = json.loads(event.data)
    except ValueError:
        data = event.data
    if isinstance(data, dict):
        return ("message" if event.name == data.get("type") else event.name, data)
    return (event.name, event.data)


def strictly(stream: bytes) -> list[tuple[str, Any]] | None:
    try:
        return [as_said(event) for event in SseParser().feed(stream)]
    except SseError:
        return None


def read(chunks: list[bytes]) -> list[tuple[str, Any]] | None:
    reader = ObjectReader()
    try:
        return [as_said(event) for chunk in chunks for event in reader.feed(chunk)]
    except SseError:
        return None


ANY_LINES = st.lists(
    st.sampled_from(
        [
            PLAIN, b'data: {"b": "x\xc3\xa9"}\n\n', b"data: [DONE]\n\n", b"data: [1]\n\n", b"data: 1\n\n",
            b'data: {"a":\ndata: 1}\n\n', b'data: {"a":\n1}\n\n', b'data:{"c": 2}\n\n', b'data:  {"d": 3} \n\n',
            b'data: {"a": [1\n\n', b'data: 2]}\n\n', b'data: {"a": 1},{"b": 2}\n\n', b'{"e": "\\n\\ndata: "}',
            b"\n", b"\n\n", b"\r", b"\r\n", b": ping\n\n", b"event: error\n", b"id: 7\n", b"data\n\n", b"data: ",
            b"[DONE]", b"\xef\xbb\xbf", b"\xff", NAMED, b"event: ping\n", b'data: {"type": "ping"}\n\n',
        ]
    ),
    max_size=12,
).map(b"".join)  # fmt: skip


@given(stream=ANY_LINES | st.binary(max_size=60), cuts=st.lists(st.integers(0, 150), max_size=8))
def test_any_bytes_and_any_cut_give_what_the_strict_parser_gives(stream: bytes, cuts: list[int]) -> None:
    assert read(pieces(stream, cuts)) == strictly(stream)


def test_whole_events_are_read_as_objects_and_what_goes_on_is_kept() -> None:
    reader = ObjectReader()
    reader.feed(PLAIN)
    assert reader.feed(PLAIN + PLAIN + b'data: {"b"') == [{"a": 1}, {"a": 1}]
    assert reader.feed(b": 2}\n\n" + PLAIN) == [ServerSentEvent("message", '{"b": 2}'), {"a": 1}]
    assert reader.feed(PLAIN + b"data: [DONE]\n\n") == [{"a": 1}, DONE]
    assert reader.feed(NAMED + PLAIN + NAMED) == [{"type": "ping"}, {"a": 1}, {"type": "ping"}]


@pytest.mark.parametrize(
    "block",
    [
        b": ping\n\n", PLAIN + b"event: x\n" + PLAIN, b"event: x\n" + NAMED, b"event: ping\n" + PLAIN,
        b'data: {"a":\n1}\n\n', b"data: [1]\n\n", b"data: \xff\n\n",
        b'data: {"a": 1}\n\n\n', b'data: {"a": 1} \n\n', b'data: {"a": [1\n\ndata: 2]},{"b": 1}\n\n',
        b"data: {}\r\n\r\n", b"data: [DONE]x\n\n", b"data: " + b'{"a":' * 10_000 + b"1" + b"}" * 10_000 + b"\n\n",
    ],
)  # fmt: skip
def test_what_looks_otherwise_is_left_to_the_strict_parser(block: bytes) -> None:
    assert objects(block) is None
