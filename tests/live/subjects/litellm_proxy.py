"""A LiteLLM proxy as the provider of a gateway, by its recipe in docs/providers.md, in each dialect that it speaks."""

import json
import re
import tempfile
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from lanes.dialects.table import DIALECTS
from lanes.simulate.plays import ANSWER
from tests.clients.__main__ import DOCUMENT, ROOT
from tests.kit.ports import kept_port
from tests.kit.processes import House, Process, environment, eventually, house
from tests.live.pypi import install
from tests.live.subject import NO, YES, Subject, Table

PINNED = ROOT / "requirements" / "proxy.txt"
KEY = "sk-of-the-live-test"
RECIPE = re.compile(r"### LiteLLM proxy\n.*?```yaml\n(?P<yaml>.*?)```.*?```toml\n(?P<toml>.*?)```", re.DOTALL)
#: The address of the proxy in its recipe.
PLACE = "127.0.0.1:4000"
TOOL = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}
WHEN = "`Retry-After`"
#: What the proxy itself leaves out of an answer.
LEFT_OUT = {("messages", WHEN): "not passed on by it"}
#: Longer than a provider cools that does not say for how long.
LONG_S = 100.0
#: How long it takes to start on a busy machine.
START_S = 180.0


class ProxyTrial:
    """One gateway before the proxy. Each trial raises AssertionError where it fails."""

    def __init__(self, made: House, url: str) -> None:
        self._made = made
        self._client = httpx.Client(base_url=url, timeout=60.0)

    def a_turn(self) -> None:
        """A text is answered, by one request to the model."""
        text = f"hello {self._client.base_url.port}"
        assert self._sent(text)["reply"] == ANSWER
        seen = [each for each in self._seen() if each["text"] == text]
        assert len(seen) == 1, f"the model was asked {len(seen)} times"

    def tools(self) -> None:
        """Two calls at once come to a client."""
        asked = {"model": "lanes", "messages": [{"role": "user", "content": "[[sim-tools]]"}], "tools": [TOOL]}
        (choice,) = self._client.post("/v1/chat/completions", json=asked).json()["choices"]
        assert len(choice["message"]["tool_calls"]) == 2, choice

    def too_long(self) -> None:
        """A conversation that is too long is known as that."""
        error = self._sent("[[sim-context-overflow]]")["error"]
        assert {each["cause"] for each in error["attempts"]} == {"context_overflow"}, error

    def a_limit(self) -> None:
        """A refusal is waited for."""
        message = self._client.post("/api/lanes/limit/messages", json={"text": "[[sim-429-300]]"}).json()
        eventually(lambda: self._parked(message["id"]), "the message to wait")
        assert self._cooling()["cause"] == "rate_limited", self._cooling()

    def its_end(self) -> None:
        """It is waited for as long as the provider said."""
        until = datetime.fromisoformat(self._cooling()["until"])
        assert (until - datetime.now(UTC)).total_seconds() > LONG_S, until

    def _cooling(self) -> dict[str, str]:
        (cooling,) = self._client.get("/api/status").json()["cooldowns"]
        return dict(cooling)

    def _sent(self, text: str) -> dict[str, Any]:
        answer: dict[str, Any] = self._client.post("/api/lanes/demo/messages?wait=60", json={"text": text}).json()
        return answer

    def _parked(self, message: str) -> bool:
        return self._client.get(f"/api/messages/{message}").json()["parked_until"] is not None

    def _seen(self) -> list[dict[str, Any]]:
        return [*{each["sequence"]: each for each in self._made.provider_saw()}.values()]


TRIALS: dict[str, Callable[[ProxyTrial], None]] = {
    "a turn": ProxyTrial.a_turn,
    "tools": ProxyTrial.tools,
    "too long": ProxyTrial.too_long,
    "429": ProxyTrial.a_limit,
    WHEN: ProxyTrial.its_end,
}


def run(folder: Path, say: Callable[[str], None]) -> Table:
    """Try each dialect. Raises Unavailable."""
    commands = install(folder / "proxy", PINNED)
    found = RECIPE.search(DOCUMENT.read_text(encoding="utf-8"))
    assert found is not None
    (version,) = re.findall(r"^litellm==(\S+)", PINNED.read_text(encoding="utf-8"), re.MULTILINE)
    rows = []
    with (
        tempfile.TemporaryDirectory(dir=folder) as place,
        house(Path(place)) as made,
        kept_port() as port,
        _proxy(made, commands, found["yaml"], port),
    ):
        for dialect in DIALECTS:
            trial = ProxyTrial(made, _gateway(made, found["toml"], port, dialect))
            tried = (LEFT_OUT.get((dialect, what)) or _tried(each, trial) for what, each in TRIALS.items())
            rows.append(["LiteLLM proxy", version, dialect, *tried])
            say(f"{rows[-1]}")
    return Table(("provider", "version", "dialect", *TRIALS), rows)


@contextmanager
def _proxy(made: House, commands: Path, recipe: str, port: int) -> Iterator[None]:
    """The proxy itself, before the simulated provider."""
    settings = made.folder / "config.yaml"
    here = f"api_base: {made.simulator().url}/v1"
    written = recipe.replace("gpt-5.5", "sim-ok").replace("api_key: os.environ/OPENAI_API_KEY", here)
    assert here in written, recipe
    settings.write_text(written, encoding="utf-8")
    command = [str(commands / "litellm"), "--config", str(settings), "--host", "127.0.0.1", "--port", str(port)]
    known = {"LITELLM_MASTER_KEY": KEY, "LITELLM_LOCAL_MODEL_COST_MAP": "true", "OPENAI_API_KEY": "none"}
    process = Process(command, made.folder, "proxy", env=environment(made.folder) | known)
    made.processes.append(process)

    def lives() -> bool:
        assert process.popen.poll() is None, process.said()
        try:
            return httpx.get(f"http://127.0.0.1:{port}/health/liveliness").status_code == 200
        except httpx.HTTPError:
            return False

    eventually(lives, "the proxy to listen", START_S)
    yield


def _gateway(made: House, recipe: str, port: int, dialect: str) -> str:
    """A gateway by the recipe, in that dialect; returns its address."""
    key = made.folder / "proxy.key"
    key.write_text(KEY, encoding="ascii")
    key.chmod(0o600)
    written = recipe.replace(PLACE, f"127.0.0.1:{port}").replace('name = "litellm"', f'name = "{dialect}"')
    written = written.replace('providers = ["litellm"]', f'providers = ["{dialect}"]')
    written = written.replace('api_key_env = "LITELLM_MASTER_KEY"', f'api_key_file = "{key}"\ndialect = "{dialect}"')
    assert tomllib.loads(written)["provider"][0]["base_url"] == f"http://127.0.0.1:{port}/v1"
    made.database = made.folder / f"{dialect}.db"
    made.config.write_text(written, encoding="utf-8")
    return made.gateway(dialect).url


def _tried(attempt: Callable[[ProxyTrial], None], trial: ProxyTrial) -> str:
    try:
        attempt(trial)
    except (AssertionError, KeyError, httpx.HTTPError, json.JSONDecodeError) as error:
        return f"{NO}{error!r}".replace("\n", " ")[:2000]
    return YES


SUBJECT = Subject("litellm-proxy", DOCUMENT, run)
