"""The parser of server-sent events: every way of cutting a stream into chunks gives the same events."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lanes.runners.http.sse import ServerSentEvent, SseError, SseParser


def parsed(*chunks: bytes) -> list[ServerSentEvent]:
    parser = SseParser()
    return [event for chunk in chunks for event in parser.feed(chunk)]


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\n"])
def test_the_three_line_ends(end: bytes) -> None:
    stream = end.join([b"event: greeting", b"data: hello", b"", b"data: again", b"", b""])
    expected = [ServerSentEvent("greeting", "hello"), ServerSentEvent("message", "again")]
    assert parsed(stream) == expected
    assert parsed(*(bytes([byte]) for byte in stream)) == expected


def test_comments_ids_and_unknown_fields_are_ignored() -> None:
    assert parsed(b": ping\n\nid: 7\nretry: 10\nother\ndata: x\n: in between\n\n") == [ServerSentEvent("message", "x")]


def test_several_data_lines_join_with_line_feeds() -> None:
    assert parsed(b"data: a\ndata:b\ndata:  c\ndata\n\n") == [ServerSentEvent("message", "a\nb\n c\n")]


def test_an_event_without_data_is_none() -> None:
    assert parsed(b"event: nothing\n\ndata: x\n\n") == [ServerSentEvent("message", "x")]


def test_what_no_empty_line_completes_is_never_given() -> None:
    assert parsed(b"data: x\n") == []
    assert parsed(b"data: x") == []


def test_a_byte_order_mark_at_the_start_is_no_part_of_the_name() -> None:
    assert parsed(b"\xef\xbb\xbfdata: x\n\n") == [ServerSentEvent("message", "x")]


def test_a_line_feed_that_belongs_to_the_carriage_return_of_the_chunk_before() -> None:
    assert parsed(b"data: x\r", b"\ndata: y\r", b"\n\r", b"\n") == [ServerSentEvent("message", "x\ny")]


def test_what_is_not_utf8_is_refused() -> None:
    with pytest.raises(SseError, match="UTF-8"):
        parsed(b"data: \xff\xfe\n\n")


def test_an_endless_line_is_refused_without_a_line_end() -> None:
    parser = SseParser(max_line=100)
    parser.feed(b"data: " + b"x" * 90)
    with pytest.raises(SseError, match="line of more than 100 bytes"):
        parser.feed(b"x" * 10)


def test_an_endless_event_is_refused() -> None:
    parser = SseParser(max_event=100)
    with pytest.raises(SseError, match="event of more than 100 bytes"):
        parser.feed(b"data: " + b"x" * 20 + b"\n" + b"data: " + b"x" * 90 + b"\n")


@pytest.mark.parametrize(("limit", "words"), [("max_line", "line"), ("max_event", "event")])
def test_whole_events_keep_the_limits_to_the_byte(limit: str, words: str) -> None:
    size = 94 if limit == "max_line" else 99  # "data: " counts for the line, a line feed for the event
    parser = SseParser(**{limit: 100})
    fits = b"data: " + b"x" * size + b"\n\n"
    assert parser.feed(b"data: first\n\n" + fits) == [
        ServerSentEvent("message", "first"),
        ServerSentEvent("message", "x" * size),
    ]
    with pytest.raises(SseError, match=f"{words} of more than 100 bytes"):
        parser.feed(fits.replace(b": ", b": x"))


def test_events_of_other_shapes_among_whole_ones() -> None:
    stream = b"data: a\n\n\ndata: b\n\n: ping\n\nevent: e\ndata: c\n\ndata:d\ndata: e\n\ndata: f"
    parser = SseParser()
    expected = [
        ServerSentEvent("message", "a"),
        ServerSentEvent("message", "b"),
        ServerSentEvent("e", "c"),
        ServerSentEvent("message", "d\ne"),
    ]
    assert parser.feed(b": begun\n\n") == []
    assert parser.feed(stream) == expected
    assert parser.feed(b"\n\ndata: g\n\n") == [ServerSentEvent("message", "f"), ServerSentEvent("message", "g")]


def test_an_endless_line_in_tiny_pieces_costs_little() -> None:
    parser = SseParser(max_line=1_000_000)
    with pytest.raises(SseError):
        any(parser.feed(b"xxxxxx") for _ in range(200_000))


@given(
    texts=st.lists(st.text(alphabet=st.sampled_from("añ漢😀 :"), min_size=1), max_size=4),
    cuts=st.lists(st.integers(0, 200), max_size=8),
    end=st.sampled_from([b"\n", b"\r", b"\r\n"]),
)
def test_cuts_change_nothing(texts: list[str], cuts: list[int], end: bytes) -> None:
    stream = b"".join(b"data: " + text.encode() + end + end for text in texts)
    places = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    pieces = [stream[a:b] for a, b in pairwise(places)]
    assert parsed(*pieces) == [ServerSentEvent("message", text) for text in texts]
