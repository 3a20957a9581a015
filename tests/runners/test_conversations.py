"""The conversation of a lane as models are told it, over HTTP, by a gateway on a real file: what fails, fails once."""

import json
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from lanes import Gateway, connect
from lanes.config import from_data
from lanes.desk import Desk
from lanes.records import Message
from lanes.runners.build import build_specs
from lanes.simulate.app import Simulator
from lanes.simulate.server import serve
from lanes_storage.law import MessageState
from tests.kit.databases import lay
from tests.kit.until import until

KEY = "agent:main:telegram:42"
#: Runners, each with a chain of models.
MODELS = ("sim-recite", "sim-strict", "sim-empty", "sim-500", "sim-hang", "sim-refusal", "sim-tools", "sim-window-40",
          "sim-window-200")  # fmt: skip


class Talk:
    """A lane on a gateway whose runners are named after the models that they ask."""

    def __init__(self, desk: Desk, simulator: Simulator) -> None:
        self.desk = desk
        self.simulator = simulator

    async def say(self, text: str, model: str = "sim-recite", **how: Any) -> Message:
        return await self.desk.ask(KEY, text, timeout=60, runner=model, **how)

    async def told(self, text: str, model: str = "sim-recite") -> list[list[str]]:
        """What the model is told with a text."""
        message = await self.say(text, model)
        assert message.state is MessageState.DONE, message.error
        said: list[list[str]] = json.loads(message.reply or "")
        return said

    async def begun(self, text: str, **how: Any) -> Message:
        """Say something that the model does not answer, and wait until it was asked."""
        asked = len(self.simulator.requests)
        message = await self.desk.send(KEY, text, runner="sim-hang", **how)
        await until(lambda: len(self.simulator.requests) > asked, "the model to be asked")
        return message


@asynccontextmanager
async def talking(
    folder: Path, dialect: str = "chat", chains: dict[str, list[str]] | None = None, **runner: Any
) -> AsyncIterator[Talk]:
    simulator = Simulator(tempo=50, seed=1)
    async with serve(simulator=simulator) as url:
        base = {"base_url": f"{url}/v1", "dialect": dialect}
        named = {model: [model] for model in MODELS} | (chains or {})
        providers = {model for models in named.values() for model in models}
        tools = [{"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}]
        config = from_data(
            {
                "provider": [
                    {"name": model, "model": model.partition("#")[0], **base}
                    | ({"extra_body": {"tools": tools}} if model.startswith("sim-tools") else {})
                    for model in sorted(providers)
                ],
                "runner": [
                    {"name": name, "kind": "provider", "providers": models, **runner} for name, models in named.items()
                ],
            }
        )
        async with connect(str(lay(folder / "lanes.db")), config=config) as desk:
            specs = build_specs(config, desk.store, desk.clock)
            async with aclosing(specs), Gateway(desk, specs=specs, config=config):
                yield Talk(desk, simulator)


@pytest.fixture(params=["chat", "responses", "messages"])
def dialect(request: pytest.FixtureRequest) -> str:
    return str(request.param)


async def test_a_conversation_is_told_turn_by_turn(tmp_path: Path, dialect: str) -> None:
    async with talking(tmp_path, dialect, history=2) as talk:
        for text in ("one", "two", "three"):
            await talk.say(text, "sim-strict")
        told = await talk.told("four", "sim-strict")
        assert [role for role, _ in told] == ["user", "assistant", "user", "assistant", "user"]
        assert [text for role, text in told if role == "user"] == ["two", "three", "four"]


async def test_F234_one_empty_reply_does_not_poison_the_conversation(tmp_path: Path, dialect: str) -> None:
    async with talking(tmp_path, dialect) as talk:
        assert (await talk.say("say nothing", "sim-empty")).reply == ""
        assert await talk.told("and now?", "sim-strict") == [["user", "say nothing\n\nand now?"]]


async def test_F231_what_a_person_said_in_a_turn_that_failed_is_told(tmp_path: Path, dialect: str) -> None:
    async with talking(tmp_path, dialect) as talk:
        assert (await talk.say("my name is Ada", "sim-500")).state is MessageState.FAILED
        assert await talk.told("who am I?", "sim-strict") == [["user", "my name is Ada\n\nwho am I?"]]


async def test_F231_what_a_person_said_in_a_turn_that_was_aborted_is_told(tmp_path: Path) -> None:
    async with talking(tmp_path) as talk:
        await talk.begun("my name is Ada")
        await talk.desk.abort(KEY, actor="alice")
        assert await talk.told("who am I?", "sim-strict") == [["user", "my name is Ada\n\nwho am I?"]]


async def test_F232_three_messages_with_one_thought_reach_the_model_as_one(tmp_path: Path) -> None:
    async with talking(tmp_path) as talk:
        await talk.begun("book a table", mode="interrupt")
        await talk.desk.send(KEY, "for two", runner="sim-hang", mode="interrupt")
        last = await talk.desk.send(KEY, "at eight", runner="sim-strict", mode="interrupt")
        ended = await talk.desk.wait(last.id, timeout=60)
        assert json.loads(ended.reply or "") == [["user", "book a table\n\nfor two\n\nat eight"]]


async def test_F235_calls_of_tools_that_nobody_answered_are_closed(tmp_path: Path, dialect: str) -> None:
    async with talking(tmp_path, dialect) as talk:
        called = await talk.say("look around", "sim-tools")
        assert called.tools == ("look", "look")
        assert await talk.told("and now?", "sim-strict") == [["user", "look around\n\nand now?"]]
        again = await talk.say("once more", "sim-tools")
        assert again.state is MessageState.DONE, again.error


async def test_a_refusal_is_told_as_what_it_said(tmp_path: Path, dialect: str) -> None:
    async with talking(tmp_path, dialect) as talk:
        await talk.say("do harm", "sim-refusal")
        assert await talk.told("why?", "sim-strict") == [
            ["user", "do harm"], ["assistant", "I cannot help with that."], ["user", "why?"],
        ]  # fmt: skip


# --------------------------------------------------------------------------------------- longer than the model


async def test_F233_a_conversation_that_outgrew_its_model_goes_on_without_its_oldest_turns(
    tmp_path: Path, dialect: str
) -> None:
    async with talking(tmp_path, dialect) as talk:
        for number in range(6):
            await talk.say(f"turn {number} " + "word " * 8, "sim-empty" if number % 2 else "sim-refusal")
        before = len(talk.simulator.requests)
        answered = await talk.say("short", "sim-window-40")
        assert answered.state is MessageState.DONE, answered.error
        assert len(talk.simulator.requests) == before + 2, "asked once more"
        texts = [text for role, text in json.loads(answered.reply or "") if role == "user"]
        assert texts[-1].endswith("short")
        assert "turn 0" not in "".join(texts)
        assert answered.left_out is not None
        assert answered.left_out >= 1
        assert [attempt.cause for attempt in answered.attempts] == ["context_overflow"]
        before = len(talk.simulator.requests)
        after = await talk.say("again", "sim-window-200")
        assert len(talk.simulator.requests) == before + 1
        assert "turn 0" not in (after.reply or ""), "what it cannot read is not told again"
        assert after.left_out is None


async def test_F233_without_a_word_of_its_limit_half_of_it_goes(tmp_path: Path) -> None:
    chains = {"small": ["sim-context-overflow", "sim-strict"]}
    async with talking(tmp_path, chains=chains) as talk:
        for number in range(8):
            await talk.say(f"turn {number}", "sim-refusal")
        answered = await talk.say("short", "small")
        assert answered.state is MessageState.DONE, answered.error
        assert [(a.provider, a.cause) for a in answered.attempts] == [("sim-context-overflow", "context_overflow")] * 2
        assert json.loads(answered.reply or "") == [["user", "short"]], "the next one is asked with the text alone"


async def test_F233_it_is_asked_once_more_and_never_twice_at_every_provider(tmp_path: Path) -> None:
    chains = {"all": [f"sim-context-overflow#{number}" for number in range(3)]}
    async with talking(tmp_path, chains=chains) as talk:
        for number in range(8):
            await talk.say(f"turn {number}", "sim-refusal")
        before = len(talk.simulator.requests)
        failed = await talk.say("short", "all")
        assert failed.state is MessageState.FAILED
        assert len(talk.simulator.requests) == before + 4
        assert failed.error is not None
        assert failed.error.cause == "context_overflow"


async def test_F233_a_text_that_is_too_long_alone_fails_without_the_advice_to_retry(tmp_path: Path) -> None:
    async with talking(tmp_path) as talk:
        await talk.say("hello", "sim-refusal")
        failed = await talk.say("word " * 50, "sim-window-40")
        assert failed.state is MessageState.FAILED
        assert failed.error is not None
        assert (failed.error.cause, failed.error.message) == (
            "context_overflow", "the text alone is longer than its model can read",
        )  # fmt: skip
        notice = (await talk.desk.events(key=KEY, type="notice"))[-1]
        assert notice.detail is not None
        assert "retry" not in notice.detail["next"]


async def test_F233_a_text_that_was_too_long_does_not_take_the_conversation_with_it(tmp_path: Path) -> None:
    """Neither is what was said before lost, nor does what failed make each message after it too long."""
    async with talking(tmp_path) as talk:
        await talk.say("hello", "sim-refusal")
        await talk.say("word " * 50, "sim-window-40")
        told = await talk.told("short", "sim-window-40")
        assert told == [["user", "hello"], ["assistant", "I cannot help with that."], ["user", "short"]]


async def test_F233_far_too_long_for_a_silent_provider_is_over_with_one_failure(tmp_path: Path) -> None:
    async with talking(tmp_path, chains={"small": ["sim-context-overflow"]}) as talk:
        for number in range(8):
            await talk.say(f"turn {number}", "sim-refusal")
        failed = await talk.say("short", "small")
        assert failed.state is MessageState.FAILED
        assert failed.error is not None
        assert "is asked without all of them" in failed.error.message
        assert await talk.told("again", "sim-strict") == [["user", "short\n\nagain"]]


async def test_a_budget_of_tokens_is_kept_by_the_counts_of_the_provider(tmp_path: Path) -> None:
    async with talking(tmp_path, history_tokens=40) as talk:
        for number in range(10):
            await talk.say(f"turn {number}", "sim-refusal")
        told = await talk.told("now")
        assert 1 < len(told) < 12
        assert told[-1] == ["user", "now"]


async def test_a_budget_of_characters_is_kept(tmp_path: Path) -> None:
    async with talking(tmp_path, history_characters=100) as talk:
        for number in range(10):
            await talk.say(f"turn {number}", "sim-refusal")
        assert [text for role, text in await talk.told("now") if role == "user"] == ["turn 9", "now"]
