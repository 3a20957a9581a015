"""A request through a gateway: what the provider was asked for it, and what the client was told.

A case is a file in ``cases``: the dialects of both sides, the client's request and the provider's events. What became
of them is recorded beside them, and compared field by field.
"""

import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

import lanes
from lanes.config import from_data
from tests.kit.databases import lay
from tests.kit.rawserver import STREAM, Call, raw_server
from tests.kit.serving import client_of, serving

CASES = Path(__file__).with_name("cases")
ROUTES = {"chat": "/v1/chat/completions", "responses": "/v1/responses", "messages": "/v1/messages"}
#: What is another in each answer: our ids and the time.
_OURS = re.compile(r"(chatcmpl-|resp_|msg_|rs_|fc_|call_)\d+(?=[_\"])")
_TIMES = re.compile(r'"(created|created_at|completed_at)": ?\d+')


def cases() -> list[str]:
    """The names of all cases."""
    return sorted(path.stem for path in CASES.glob("*.json"))


def case(name: str) -> dict[str, Any]:
    """One of them."""
    read: dict[str, Any] = json.loads((CASES / f"{name}.json").read_text(encoding="utf-8"))
    return read


async def told(given: dict[str, Any], folder: Path) -> dict[str, Any]:
    """What became of a case: ``asked`` of the provider, ``streamed`` to the client, and ``whole``."""
    asked: list[Any] = []

    async def answer(call: Call) -> None:
        asked.append(call.body)
        await call.say(STREAM, *(event.encode() for event in given["answer"]))

    async with raw_server(answer) as provider, gateway(folder, {"one": (given["provider"], provider)}) as client:
        route, request = ROUTES[given["ingress"]], given["request"]
        whole = await client.post(route, json=request)
        streamed = await client.post(route, json=request | {"stream": True} | given.get("streaming", {}))
    made: dict[str, Any] = {"asked": asked[0]} if asked else {}
    if asked:
        assert asked == [asked[0]] * 2, "the provider is asked the same whatever the client wants"
    return made | {"streamed": _plain(streamed.text).splitlines(), "whole": json.loads(_plain(whole.text))}


@asynccontextmanager
async def gateway(folder: Path, providers: dict[str, tuple[str, str]]) -> AsyncIterator[httpx.AsyncClient]:
    """A gateway over HTTP before these providers: their dialects and addresses."""
    config = from_data(
        {
            "gateway": {"port": 0},
            "clocks": {"drain_timeout": "300ms"},
            "runner": [{"name": "one", "kind": "provider", "providers": [*providers]}],
            "provider": [
                {"name": name, "dialect": dialect, "base_url": url, "model": "real-model"}
                for name, (dialect, url) in providers.items()
            ],
        },
        env={},
    )
    async with (
        lanes.connect(str(lay(folder / "lanes.db"))) as desk,
        serving(desk, config) as served,
        client_of(served.url) as client,
    ):
        yield client


def _plain(text: str) -> str:
    return _TIMES.sub(r'"\1": 0', _OURS.sub(r"\1N", text))
