"""The recipes of docs/providers.md, each before a stand-in for its provider: what that is asked, and where."""

import re
import tomllib
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import certifi
import pytest

import lanes
from lanes.config import from_data
from tests.dialects.golden import case
from tests.kit.databases import lay
from tests.kit.processes import house
from tests.kit.rawserver import STREAM, Call, raw_server
from tests.kit.serving import client_of, serving
from tests.kit.until import PATIENCE_S

PAGE = (Path(__file__).parents[2] / "docs" / "providers.md").read_text(encoding="utf-8")
TOML = re.compile(r"^```toml\n(.*?)^```", re.MULTILINE | re.DOTALL)
RECIPES = {
    f"{heading} {number}": recipe
    for heading, text in re.findall(
        r"^### ([^\n]+)\n(.*?)(?=^##|\Z)", PAGE.partition("## Recipes")[2], re.MULTILINE | re.DOTALL
    )
    for number, recipe in enumerate(TOML.findall(text), 1)
}
KEY = "sk-of-a-test"
BEARER = {"authorization": f"Bearer {KEY}"}
#: The headers in which a provider may look for a key.
KEYS = ("authorization", "api-key", "x-api-key")


class Expected(NamedTuple):
    """What a provider is asked: where, with the key in which header, and with what else."""

    target: str
    keys: dict[str, str]
    headers: dict[str, str]
    body: dict[str, Any]


ROUTED = {"order": ["anthropic"], "allow_fallbacks": False}
EXPECTED = {
    "OpenAI 1": Expected("/v1/responses", BEARER, {}, {"model": "gpt-5.5", "store": False}),
    "Azure OpenAI 1": Expected("/openai/v1/responses", {"api-key": KEY}, {}, {"model": "DEPLOYMENT", "store": False}),
    "Azure OpenAI 2": Expected(
        "/openai/deployments/DEPLOYMENT/chat/completions?api-version=2024-10-21",
        {"api-key": KEY}, {}, {"model": "DEPLOYMENT"},
    ),
    "Anthropic 1": Expected(
        "/v1/messages", {"x-api-key": KEY}, {"anthropic-version": "2023-06-01"},
        {"model": "claude-opus-4-7", "max_tokens": 16000},
    ),
    "OpenRouter 1": Expected(
        "/api/v1/chat/completions", BEARER, {"http-referer": "https://example.com", "x-title": "lanes"},
        {"model": "anthropic/claude-opus-4.7", "provider": ROUTED},
    ),
    "Ollama 1": Expected("/v1/chat/completions", {}, {}, {"model": "qwen3"}),
    "vLLM 1": Expected("/v1/chat/completions", BEARER, {}, {"model": "Qwen/Qwen3-8B"}),
    "LiteLLM proxy 1": Expected("/v1/chat/completions", BEARER, {}, {"model": "gpt"}),
    "Behind a company's proxy 1": Expected(
        "http://models.example.internal/v1/chat/completions", {}, {}, {"model": "m"}
    ),
}  # fmt: skip


def test_every_recipe_is_tried() -> None:
    assert set(RECIPES) == set(EXPECTED)


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_asks_its_provider(name: str) -> None:
    """The file as it stands: no name is unknown, and the one thing that it needs besides is the key."""
    data = tomllib.loads(RECIPES[name])
    (provider,) = data["provider"]
    env = {provider["api_key_env"]: KEY} if "api_key_env" in provider else {}
    assert not from_data(data, env=env).problems
    assert len(from_data(data, env={}).problems) == len(env), "without its key it says so"


def test_the_first_step_accepts_a_recipe(tmp_path: Path) -> None:
    """As the page words it; without the key it names the variable."""
    (step,) = re.findall(r"^lanes (config .*)$", PAGE.partition("## Recipes")[2], re.MULTILINE)
    with house(tmp_path) as made:
        made.config.write_text(RECIPES["Anthropic 1"], encoding="utf-8")
        refused = made.lanes(*step.split(), check=False)
        assert (refused.code, "ANTHROPIC_API_KEY is not set" in refused.err) == (78, True), refused
        free = "\n[gateway]\nport = 0\n"  # the usual port may be in use on this machine
        made.config.write_text(RECIPES["Ollama 1"] + free, encoding="utf-8")
        assert "accepted" in made.lanes(*step.split()).out


@pytest.mark.parametrize("name", RECIPES)
async def test_what_a_provider_is_asked(name: str, tmp_path: Path) -> None:
    data, expected = tomllib.loads(RECIPES[name]), EXPECTED[name]
    (provider,) = data["provider"]
    dialect = provider.get("dialect", "chat")
    asked: list[Call] = []

    async def answer(call: Call) -> None:
        asked.append(call)
        await call.say(STREAM, *(event.encode() for event in case(f"{dialect}-{dialect}-text")["answer"]))

    async with raw_server(answer) as url:
        _stand_in(provider, url.removesuffix("/v1"))
        config = from_data(data | {"gateway": {"port": 0}}, env={provider.get("api_key_env", "NONE"): KEY})
        async with (
            lanes.connect(str(lay(tmp_path / "lanes.db"))) as desk,
            serving(desk, config) as served,
            client_of(served.url) as client,
        ):
            sent = await client.post(f"/api/lanes/demo/messages?wait={PATIENCE_S}", json={"text": "Are you there?"})
    assert sent.json()["state"] == "done", sent.text
    (call,) = asked
    assert call.target == expected.target
    assert {name: call.headers[name] for name in KEYS if name in call.headers} == expected.keys
    assert expected.headers.items() <= call.headers.items()
    assert expected.body.items() <= call.body.items()
    assert call.body["stream"] is True


def _stand_in(provider: dict[str, Any], here: str) -> None:
    """Let the stand-in be asked in place of the provider, or of the proxy before it."""
    if "proxy" in provider:
        provider |= {
            "base_url": provider["base_url"].replace("https:", "http:"), "proxy": here, "ca_file": certifi.where(),
        }  # fmt: skip
    else:
        provider["base_url"] = here + urlsplit(provider["base_url"]).path
