"""``/v1/messages/count_tokens``: what a provider counts, else an estimate that says so."""

from pathlib import Path

import pytest

from lanes.runners.providers.counting import estimated
from lanes.simulate.server import serve
from tests.dialects.golden import gateway
from tests.kit.rawserver import Call, raw_server

ASKED = {"model": "lanes", "messages": [{"role": "user", "content": "one two three"}]}
COUNT = "/v1/messages/count_tokens"


async def test_a_provider_of_the_dialect_is_asked(tmp_path: Path) -> None:
    async with (
        serve() as url,
        gateway(tmp_path, {"other": ("chat", f"{url}/v1"), "counts": ("messages", f"{url}/v1")}) as client,
    ):
        answer = await client.post(COUNT, json=ASKED)
        assert (answer.status_code, answer.json()) == (200, {"input_tokens": 3})
        assert "x-lanes-estimated" not in answer.headers
        lanes = (await client.get("/api/lanes")).json()["lanes"]
        assert lanes == [], "it takes no lane"


@pytest.mark.parametrize("dialect", ["chat", "messages"])
async def test_where_none_tells_it_is_an_estimate_that_says_so(tmp_path: Path, dialect: str) -> None:
    async def missing(call: Call) -> None:
        call.writer.write(b"HTTP/1.1 404 Not Found\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}")
        await call.writer.drain()

    async with raw_server(missing) as url, gateway(tmp_path, {"one": (dialect, url)}) as client:
        answer = await client.post(COUNT, json=ASKED)
        assert (answer.status_code, answer.json()) == (200, {"input_tokens": estimated(ASKED)})
        assert answer.headers["x-lanes-estimated"] == "true"


async def test_what_is_no_request_is_refused(tmp_path: Path) -> None:
    async with serve() as url, gateway(tmp_path, {"counts": ("messages", f"{url}/v1")}) as client:
        refused = await client.post(COUNT, json={"messages": []})
        assert refused.status_code == 400
        assert refused.json()["type"] == "error"


def test_an_image_counts_as_one_whatever_its_bytes() -> None:
    def image(data: str) -> dict[str, object]:
        source = {"type": "base64", "media_type": "image/png", "data": data}
        return {"messages": [{"role": "user", "content": [{"type": "image", "source": source}]}]}

    assert estimated(image("a" * 10)) == estimated(image("a" * 1_000_000))
