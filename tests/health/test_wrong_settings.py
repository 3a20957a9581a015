"""A provider that refuses its model, its key or its address: who is told which setting, and how soon."""

import json
from pathlib import Path
from typing import Any

import pytest

from lanes.engine.dispatch.providers import POSTPONED
from lanes.records import Message
from lanes.verbs.examining import doctor
from lanes_storage.law import BoundTo
from tests.health.conftest import Night, Sim, night
from tests.kit.rawserver import DONE, STREAM, Call, chunk, raw_server

OK = (STREAM, chunk("yes"), chunk(finish="stop"), DONE)
OPENAI = {"message": "The model `m-5` does not exist or you do not have access to it.", "code": "model_not_found"}
OLLAMA = {"message": "model 'm-5' not found, try pulling it first", "type": "api_error"}
ANTHROPIC = {"type": "not_found_error", "message": "model: m-5"}
WRONG_KEY = {"message": "Incorrect API key provided.", "code": "invalid_api_key"}
MODEL = 'see `model = "m-5"` of provider first'


def refusing(status: int, error: dict[str, Any] | None, kind: str = "application/json") -> bytes:
    """The whole answer of a provider that refuses."""
    body = b"<h1>404 page not found</h1>" if error is None else json.dumps({"error": error}).encode()
    head = f"HTTP/1.1 {status} No\r\ncontent-type: {kind}\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
    return head.encode() + body


async def from_client(site: Night, key: str) -> Message:
    """A request of a client that waits on its connection to this gateway."""
    owner = site.gateway.owner_id
    asked = {"messages": [{"role": "user", "content": "hello"}]}
    return await site.desk.send(key, request=asked, bound_to=BoundTo.CLIENT, bound_owner=owner)


async def said_of(site: Night, message: Message) -> tuple[str, str]:
    """How a message failed."""
    error = (await site.desk.message(message.id)).error
    assert error is not None
    return str(error.cause), error.message


async def test_F845_the_sentence_of_a_failure_names_the_setting(tmp_path: Path) -> None:
    cases = [
        (refusing(404, OPENAI), f"({MODEL}"),
        (refusing(404, OLLAMA), f"({MODEL}"),
        (refusing(404, ANTHROPIC), f"({MODEL}"),
        (refusing(403, OPENAI), f"(unless that is about this message: {MODEL}"),
        (refusing(400, {"message": "m-5 is not a valid model ID"}), f"({MODEL}"),
        (refusing(400, {"message": "Model Not Exist"}), f"({MODEL}"),
        (refusing(401, WRONG_KEY), "(see `api_key_env` of provider first"),
        (refusing(400, {"message": "API key not valid."}), "(see `api_key_env` of provider first"),
        (refusing(403, {"message": "flagged"}), "(unless that is about this message: see `api_key_env` of provider"),
        (refusing(404, None, "text/html"), "(unless that is about this message: see `base_url` and `dialect` of prov"),
        (refusing(405, None, "text/html"), "(see `base_url` and `dialect` of provider"),
        (refusing(403, {"message": "Project p does not have access to model m-5"}), f"this message: {MODEL}"),
        (refusing(400, {"message": "The provided model identifier is invalid."}), f"({MODEL}"),
        (refusing(301, None, "text/html"), "(see `base_url` of provider"),
        (refusing(200, None, "text/html"), "(see `base_url` of provider"),
        (refusing(400, {"message": "Unsupported parameter: 'top_k' is not supported with this model."}), None),
        (refusing(400, {"message": "The maximum context length of this model is 8 tokens"}), None),
        (refusing(400, {"message": "Images are not supported by this model, and this input is invalid."}), None),
        (refusing(500, OPENAI), None),
    ]
    now = b""

    async def answer(call: Call) -> None:
        await call.say(now)

    async with raw_server(answer) as url:
        config = Sim(None, url).config({"model": "m-5"})  # type: ignore[arg-type]
        async with night(config, tmp_path) as site:
            for number, (now, expected) in enumerate(cases):  # noqa: B007 - the provider says it
                await site.desk.reset_provider("first")
                (message,) = await site.send(f"lane:{number}", "hello")
                await site.calm()
                _, said = await said_of(site, message)
                assert ("see `" in said) == (expected is not None), said
                assert expected is None or expected in said, said


async def test_F845_the_first_refusal_is_told_before_another_lane_gets_one(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    well = False

    async def answer(call: Call) -> None:
        await call.say(*(OK if well else (refusing(404, OLLAMA),)))

    async with raw_server(answer) as url:
        config = Sim(None, url).config({"model": "m-5"})  # type: ignore[arg-type]
        async with night(config, tmp_path) as site:

            async def told() -> tuple[str | None, list[str]]:
                (provider,) = await site.desk.providers()
                checks = await site.desk.call(doctor, site.desk.context("tester"))
                return provider.message, [each.message for each in checks if each.check == "providers"]

            await site.send("one", "hello")
            await site.calm()
            message, (check,) = await told()
            assert message is not None
            assert MODEL in message
            assert check.startswith("provider first has refused a request, and answered none since: HTTP 404: model 'm")
            assert MODEL in check
            assert [record for record in caplog.records if MODEL in record.getMessage()]
            (two,) = await site.send("two", "hello")
            await site.calm()
            assert await site.states([two]) == ["queued"]
            assert MODEL in await site.desk.why("two")
            _, (check,) = await told()
            assert "cools" in check
            assert MODEL in check
            well = True
            await site.until_ended([two])
            _, (check,) = await told()
            assert check == "none is known to fail"


@pytest.mark.parametrize("retries", [False, True])
@pytest.mark.parametrize(
    "refusal",
    [refusing(404, OLLAMA), refusing(401, WRONG_KEY), refusing(429, {"code": "insufficient_quota", "message": "no"})],
    ids=["model", "key", "quota"],
)
async def test_F846_a_client_that_waits_on_its_connection_is_told_soon(
    tmp_path: Path, refusal: bytes, retries: bool
) -> None:
    """A message that nobody waits for waits as long as it may: until somebody has repaired it."""
    well = False

    async def answer(call: Call) -> None:
        await call.say(*(OK if well else (refusal,)))

    async with raw_server(answer) as url:
        config = Sim(None, url).config({"model": "m-5"})  # type: ignore[arg-type]
        if retries:
            config["queue"] = {"retry": {"attempts": 5, "backoff": "30s"}}  # of what may pass by itself
        async with night(config, tmp_path) as site:
            await from_client(site, "first")
            await site.calm()
            (patient,) = await site.send("patient", "hello")
            asked = await from_client(site, "asked")
            for _ in range(12):
                await site.passes(1)
            assert await site.states([asked, patient]) == ["failed", "queued"]
            for _ in range(60):  # it cools for longer and longer
                await site.passes(1)
            late = await from_client(site, "late")
            for _ in range(12):
                await site.passes(1)
            assert await site.states([late, patient]) == ["failed", "queued"]
            for each in (asked, late):
                cause, said = await said_of(site, each)
                assert cause == "provider_cooling"
                assert "first: " in said
                assert said.endswith("; its client is not kept waiting for that")
                assert "max_park" not in said
            well = True
            last = await from_client(site, "last")
            ended = await site.until_ended([patient, last])
            assert ended[0].state == "done"


async def test_F886_also_behind_more_messages_than_are_parked(tmp_path: Path) -> None:
    """Of many that wait for a provider, only so many are parked: a client behind them waited for as long as it cooled,
    and no max_park ended that."""

    async def answer(call: Call) -> None:
        await call.say(refusing(429, {"code": "insufficient_quota", "message": "no"}))

    async with raw_server(answer) as url, night(Sim(None, url).config(), tmp_path) as site:  # type: ignore[arg-type]
        await site.send("first", "hello")
        await site.calm()
        for number in range(POSTPONED + 8):
            await site.send(f"patient:{number}", "hello")
        await site.calm()
        asked = await from_client(site, "asked")
        for _ in range(20):
            await site.passes(1)
        assert await site.states([asked]) == ["failed"]


async def test_F846_a_client_waits_for_a_provider_that_has_too_much_to_do(tmp_path: Path) -> None:
    well = False

    async def answer(call: Call) -> None:
        await call.say(*(OK if well else (refusing(429, {"message": "slow down"}),)))

    async with raw_server(answer) as url, night(Sim(None, url).config(), tmp_path) as site:  # type: ignore[arg-type]
        asked = await from_client(site, "asked")
        for _ in range(60):
            await site.passes(1)
        assert await site.states([asked]) == ["queued"]
        well = True
        (ended,) = await site.until_ended([asked])
        assert ended.state == "done"
