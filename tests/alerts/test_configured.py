"""Alerts from the configuration to the program that is told."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from lanes import Gateway, connect
from lanes.base.errors import ConfigError
from lanes.config import from_data
from lanes.testing import MINUTE, Hands
from tests.kit.databases import lay
from tests.kit.gateways import Gates
from tests.kit.until import until

WRITES = "import sys; open(sys.argv[1], 'ab').write(sys.stdin.buffer.read() + b'\\n')"


def config(env: Mapping[str, str] | None = None, **alert: Any) -> Any:
    return from_data({"alert": [{"name": "ops", **alert}]}, env=env or {})


def test_what_is_set() -> None:
    (found,) = config({"HOOK": "https://hooks.example/s3cr3t"}, url_env="HOOK", on=["held"], match="a*").alerts
    assert (found.name, found.on, found.url) == ("ops", frozenset({"held"}), "https://hooks.example/s3cr3t")
    assert (found.form, found.after_ms, found.timeout_ms) == ("json", 5 * MINUTE, 10_000)
    assert "s3cr3t" not in repr(found)
    assert len(config(command=["page"]).alerts[0].on) == 6


@pytest.mark.parametrize(
    ("alert", "said"),
    [
        ({}, "it needs exactly one target"),
        ({"command": ["page"], "url_env": "HOOK"}, "it needs exactly one target"),
        ({"url_env": "BAD"}, "BAD holds no address"),
        ({"command": ["page"], "on": ["tea"]}, "unknown name"),
    ],
)
def test_what_is_refused(alert: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said) as raised:
        config({"HOOK": "https://x", "BAD": "s3cr3t"}, **alert)
    assert "s3cr3t" not in str(raised.value)


def test_its_program_is_looked_for_beside_the_configuration_or_in_path() -> None:
    for written, meant in (
        ("./page.sh", "/etc/lanes/page.sh"),
        ("page", "page"),
        ("~/page", str(Path("~/page").expanduser())),
    ):
        (found,) = from_data(
            {"alert": [{"name": "ops", "command": [written, "./x"]}]}, env={}, cwd=Path("/etc/lanes")
        ).alerts
        assert found.command == (meant, "./x")


def test_only_a_gateway_minds_an_address_that_is_missing() -> None:
    found = config(url_env="HOOK")
    with pytest.raises(ConfigError, match="HOOK is not set"):
        found.check_gateway()


async def test_a_gateway_tells_a_program_of_a_lane_that_is_held(tmp_path: Path) -> None:
    out, clock, gates = tmp_path / "out", Hands(), Gates()
    told = config(command=[sys.executable, "-c", WRITES, f"{out}"], on=["held"], after="1s", timeout="2m")
    async with connect(str(lay(tmp_path / "lanes.db")), clock=clock) as desk:
        gateway = Gateway(desk, gates, config=told)
        await gateway.start()
        try:
            await desk.send("agent:main", "a secret text")
            await until(lambda: "agent:main" in gates.running, "the run")
            clock.move(1_000)
            await until(lambda: out.exists() and out.read_bytes().endswith(b"\n"), "the alert")
        finally:
            gates.open()
            await gateway.stop()
    (line,) = out.read_text().splitlines()
    said = json.loads(line)
    assert (said["kind"], said["state"], said["subject"]) == ("held", "began", "agent:main")
    assert "secret" not in line
