"""A chain of providers on one database, and how its run ends."""

from dataclasses import dataclass, field

import pytest

from lanes.base.errors import RunFailed, RunParked
from lanes.config import ProviderConfig, RunnerConfig
from lanes.runners.base import Reply, Runner
from lanes.runners.http.client import HttpClient
from lanes.runners.providers.chain import ProviderRunner
from lanes.runners.providers.health import ProviderHealth
from lanes_storage import reads
from lanes_storage.clock import Now, system_clock
from lanes_storage.interface import AsyncStore
from lanes_storage.law import RunnerKind
from lanes_storage.records import CooldownRow
from tests.kit.cooling import cool
from tests.kit.providers import provider
from tests.kit.runs import KitRun
from tests.runners.simulated import Simulated


class HandClock:
    """The time at which a test began, moved forward by hand."""

    def __init__(self) -> None:
        self.ahead_ms = 0
        self._began = system_clock()

    def __call__(self) -> Now:
        return self._began.later(self.ahead_ms)


@dataclass
class House:
    """Everything that a chain needs, on one database."""

    sim: Simulated
    client: HttpClient
    store: AsyncStore
    clock: HandClock
    health: ProviderHealth = field(init=False)

    def __post_init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """A process that remembers nothing but what is stored."""
        self.health = ProviderHealth(self.store, self.clock)

    def chain(self, *models: str | ProviderConfig) -> Runner:
        """A runner over providers called first, second, third; a name is the simulated model."""
        names = ("first", "second", "third")
        providers = [
            model if isinstance(model, ProviderConfig) else self.provider(model, name)
            for name, model in zip(names, models, strict=False)
        ]
        config = RunnerConfig("chat", RunnerKind.PROVIDER, 10, tuple(p.name for p in providers))
        return ProviderRunner(config, lambda _: providers, self.health, self.client)

    def provider(
        self, model: str, name: str = "first", *, first_ms: int = 20_000, idle_ms: int = 20_000
    ) -> ProviderConfig:
        return provider(self.sim.url, model, name=name, trace=True, first_ms=first_ms, idle_ms=idle_ms)

    async def cool(self, provider: str, cause: str, for_ms: int | None) -> None:
        """Let a provider refuse everybody."""
        await self.store.write(lambda tx: cool(tx, provider, cause, for_ms, self.clock()))

    async def cooling(self) -> dict[str, CooldownRow]:
        """The providers that cool now."""
        return {row.provider: row for row in await self.store.read(reads.cooldowns(self.clock().wall))}

    @property
    def asked(self) -> list[str]:
        """The models that the provider was asked for, in order."""
        return [seen.model for seen in self.sim.simulator.requests]


async def answered(runner: Runner, run: KitRun) -> Reply:
    reply = await runner(run)
    assert isinstance(reply, Reply)
    return reply


async def failing(runner: Runner, run: KitRun) -> RunFailed:
    with pytest.raises(RunFailed) as failed:
        await runner(run)
    return failed.value


async def parking(runner: Runner, run: KitRun) -> RunParked:
    with pytest.raises(RunParked) as parked:
        await runner(run)
    return parked.value
