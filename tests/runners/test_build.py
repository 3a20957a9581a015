"""From a configuration to runners that work."""

import contextlib
from pathlib import Path

import pytest

from lanes.base.errors import ConfigError
from lanes.config import from_data, simulated
from lanes.runners.base import Reply
from lanes.runners.build import build_specs
from lanes_storage.law import RunnerKind
from tests.kit.databases import new_async_store
from tests.kit.runs import KitRun
from tests.runners.simulated import Simulated

TARGET = "tests.runners.test_build:echo"


async def echo(run: KitRun) -> str:
    """A runner of one's own."""
    return run.text


async def test_runners_of_a_configuration(sim: Simulated, tmp_path: Path) -> None:
    base = {"base_url": sim.url, "dialect": "chat"}
    config = from_data(
        {
            "runner": [
                {"name": "chat", "kind": "provider", "providers": ["bad", "good"]},
                {"name": "own", "kind": "python", "target": TARGET, "max_runs": 3},
            ],
            "provider": [{"name": "bad", "model": "sim-500", **base}, {"name": "good", "model": "sim-echo", **base}],
        },
        env={},
    )
    store = await new_async_store(tmp_path / "lanes.db")
    try:
        async with contextlib.aclosing(build_specs(config, store)) as specs:
            assert list(specs) == ["chat", "own"]
            assert (specs["chat"].kind, specs["chat"].max_runs) == (RunnerKind.PROVIDER, 1000)
            assert specs["chat"].providers == ("bad", "good")
            assert (specs["own"].kind, specs["own"].max_runs) == (RunnerKind.PYTHON, 3)
            assert await specs["own"].run(KitRun("mine")) == "mine"
            reply = await specs["chat"].run(KitRun("theirs"))
            assert isinstance(reply, Reply)
            assert reply.text == "theirs"
            assert [a.provider for a in reply.attempts] == ["bad"]
    finally:
        await store.close()


async def test_the_simulated_configuration(sim: Simulated, tmp_path: Path) -> None:
    store = await new_async_store(tmp_path / "lanes.db")
    specs = build_specs(simulated(sim.url, env={}), store)
    reply = await next(iter(specs.values())).run(KitRun("[[sim-echo]] it works"))
    assert isinstance(reply, Reply)
    assert reply.text == "it works"
    await specs.aclose()
    await store.close()


async def test_a_target_that_cannot_be_loaded(tmp_path: Path) -> None:
    config = from_data({"runner": [{"name": "own", "kind": "python", "target": "nowhere_at_all:run"}]}, env={})
    store = await new_async_store(tmp_path / "lanes.db")
    with pytest.raises(ConfigError, match="no module nowhere_at_all"):
        build_specs(config, store)
    await store.close()
