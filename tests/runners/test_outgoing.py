"""What is sent to a provider, and what is not."""

import json
from typing import Any

import pytest

from lanes.base.errors import RunFailed
from lanes.config import RunnerConfig
from lanes.runners.base import Turn
from lanes.runners.providers.outgoing import Outgoing, compose
from lanes_storage.law import RunnerKind
from tests.kit.providers import provider
from tests.kit.runs import KitRun

URL = "http://127.0.0.1:9/v1"


def said(asked: Outgoing, model: str = "gpt-x") -> dict[str, Any]:
    """What a provider is asked besides a stream."""
    body: dict[str, Any] = json.loads(asked.body(provider(URL, model)))
    always = {"model": model, "stream": True, "stream_options": {"include_usage": True}}
    assert {name: body.pop(name) for name in always} == always
    return body


def runner(**more: Any) -> RunnerConfig:
    return RunnerConfig("chat", RunnerKind.PROVIDER, 10, ("first",), **more)


async def test_a_text_is_the_end_of_the_lanes_conversation() -> None:
    turns = tuple(Turn(f"q{n}", f"a{n}") for n in range(5))
    asked = await compose(KitRun("now?", turns=turns), runner(history=2, system="Be brief."))
    assert said(asked) == {
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "q3"},
            {"role": "assistant", "content": "a3"},
            {"role": "user", "content": "q4"},
            {"role": "assistant", "content": "a4"},
            {"role": "user", "content": "now?"},
        ]
    }


async def test_without_history_a_text_stands_alone() -> None:
    asked = await compose(KitRun("now?", turns=(Turn("q", "a"),)), runner(history=0))
    assert said(asked) == {"messages": [{"role": "user", "content": "now?"}]}


async def test_a_request_is_passed_on_without_what_is_ours() -> None:
    request = {
        "model": "lanes",
        "stream": False,
        "stream_options": {"include_usage": False},
        "conversation": "agent:main:secret",
        "metadata": {"lanes_session": "agent:main:secret", "trace": "theirs"},
        "messages": [{"role": "user", "content": "hi"}],
        "temperature": 0.2,
        "tools": [{"type": "function", "function": {"name": "look"}}],
        "user": "u-1",
        "unknown_to_us": [1],
    }
    asked = await compose(KitRun(request=request), runner(history=5, system="not for requests"))
    assert said(asked) == {
        "metadata": {"trace": "theirs"},
        "messages": [{"role": "user", "content": "hi"}],
        "temperature": 0.2,
        "tools": [{"type": "function", "function": {"name": "look"}}],
        "user": "u-1",
        "unknown_to_us": [1],
    }


async def test_metadata_that_is_only_ours_is_left_out() -> None:
    asked = await compose(KitRun(request={"messages": [], "metadata": {"lanes_session": "k"}}), runner())
    assert said(asked) == {"messages": []}


async def test_several_answers_to_one_message_are_refused() -> None:
    with pytest.raises(RunFailed, match="n must be 1"):
        await compose(KitRun(request={"messages": [], "n": 2}), runner())
    asked = await compose(KitRun(request={"messages": [], "n": 1}), runner())
    assert said(asked) == {"messages": [], "n": 1}


async def test_the_lane_is_named_only_to_a_provider_that_is_to_know() -> None:
    run = KitRun("hi", key="agent:main/群 %")
    asked = await compose(run, runner(history=0))
    silent = asked.headers(provider(URL, api_key="sk-1"), run)
    assert not [name for name in silent if name.startswith("x-lanes")]
    assert silent["authorization"] == "Bearer sk-1"
    told = asked.headers(provider(URL, trace=True), run)
    assert told["x-lanes-key"] == "agent%3Amain%2F%E7%BE%A4%20%25"
    assert told["x-lanes-run"] == "41"
    assert "authorization" not in told
