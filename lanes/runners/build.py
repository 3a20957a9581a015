"""Creates runners from a configuration.

What only one kind of runner needs is imported only if one is configured: it is a tenth of an idle gateway's memory.
"""

import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING

from lanes.config import Config, ProviderConfig, RunnerConfig
from lanes.config.declared.model import PROGRAMS
from lanes.runners import python
from lanes.runners.base import Runner, RunnerSpec
from lanes.runners.command.memory import AgentMemory
from lanes.runners.http.client import HttpClient, Through
from lanes.runners.providers.chain import Chain, ProviderRunner
from lanes.runners.providers.health import ProviderHealth
from lanes.runners.providers.places import ChainSpec
from lanes_storage.clock import Clock, system_clock
from lanes_storage.interface import AsyncStore
from lanes_storage.law import RunnerKind

if TYPE_CHECKING:
    from lanes.runners.acp.runner import AcpRunner
    from lanes.runners.command.runner import CommandRunner

#: How many requests of one source are passed on at a time.
MOST_PASSED = 1000


class Specs(dict[str, RunnerSpec]):
    """Runners by name, the default one first, with the connections to providers and the health of providers."""

    def __init__(self, client: HttpClient, health: ProviderHealth) -> None:
        super().__init__()
        self.health = health
        self.closing: list[Callable[[], Awaitable[None]]] = [health.aclose, client.aclose]
        self.client = client

    async def aclose(self) -> None:
        """Store what was counted, close the connections, end waiting processes. Call it after the gateway has stopped,
        and before its store is closed."""
        for close in self.closing:
            await close()


def check_runners(config: Config) -> None:
    """Load the functions of Python runners, and check that this machine has what the others need. Raises
    ConfigError."""
    _client(config)
    for runner in config.runners:
        if limits := runner.isolated or (runner.command and runner.command.limits):
            from lanes.runners.command.users import system_user

            system_user(limits.user, runner.name)
        if runner.kind is RunnerKind.ACP:
            from lanes.runners.acp.runner import find_library

            find_library(runner.name)
        if runner.isolated is not None:
            from lanes.runners.isolated.runner import check_target

            check_target(runner.target or "", _folder(config), _environment(runner, config))
        elif runner.kind is RunnerKind.PYTHON:
            _target(runner, config)


def build_specs(
    config: Config, store: AsyncStore, clock: Clock = system_clock, memory: AgentMemory | None = None
) -> Specs:
    """The runners of a configuration. ``memory`` is needed for those that start programs.

    Raises ConfigError: a target that cannot be loaded, an unusable proxy.
    """
    client = _client(config)
    health = ProviderHealth(store, clock)
    specs = Specs(client, health)
    for runner in config.runners:
        if runner.kind in PROGRAMS or runner.isolated is not None:
            specs[runner.name] = _with_processes(runner, config, memory, specs)
            continue
        if runner.kind is RunnerKind.PROVIDER:
            run: Runner = ProviderRunner(runner, _chain(runner, config), health, client)
        else:
            run = _target(runner, config)
        lines = tuple(health.line(config.providers[name]) for name in runner.providers)
        names, most = runner.providers, runner.max_runs
        specs[runner.name] = ChainSpec(runner.name, runner.kind, run, most, providers=names, lines=lines)
    for source in config.sources.values():
        from lanes.runners.passing.runner import PassingRunner

        passing = PassingRunner(source, client, clock)
        specs[source.name] = RunnerSpec(source.name, RunnerKind.PROVIDER, passing, MOST_PASSED, internal=True)
    return specs


def _client(config: Config) -> HttpClient:
    client = HttpClient()
    for provider in config.providers.values():
        client.prepare(provider.name, Through.of(provider))
    return client


def _with_processes(runner: RunnerConfig, config: Config, memory: AgentMemory | None, specs: Specs) -> RunnerSpec:
    assert memory is not None, "their processes are stored"

    def grace_ms(key: str) -> int:
        return config.terms(key, runner.kind, runner=runner.name).abort_grace_ms

    if runner.isolated is None:
        started = _program(runner)(runner, memory, grace_ms)
        return RunnerSpec(runner.name, runner.kind, started, runner.max_runs, stop=started.stop)
    from lanes.runners.isolated.runner import IsolatedRunner

    isolated = IsolatedRunner(runner, _folder(config), _environment(runner, config), memory, grace_ms)
    specs.closing.append(isolated.aclose)
    return RunnerSpec(runner.name, runner.kind, isolated, runner.max_runs, stop=isolated.stop)


def _environment(runner: RunnerConfig, config: Config) -> dict[str, str]:
    """The environment of an isolated Python function: that of the gateway, without the secrets of lanes."""
    hidden = config.secret_variables - set(runner.env)
    return {name: value for name, value in os.environ.items() if name not in hidden}


def _program(runner: RunnerConfig) -> "type[AcpRunner | CommandRunner]":
    if runner.kind is RunnerKind.ACP:
        from lanes.runners.acp.runner import AcpRunner

        return AcpRunner
    from lanes.runners.command.runner import CommandRunner

    return CommandRunner


def _target(runner: RunnerConfig, config: Config) -> Runner:
    return python.load(runner.target or "", _folder(config), threads=True)


def _folder(config: Config) -> Path:
    return config.source.parent if config.source else Path.cwd()


def _chain(runner: RunnerConfig, config: Config) -> Chain:
    def chain(key: str) -> list[ProviderConfig]:
        return [config.provider(name, key, runner=runner.name) for name in runner.providers]

    return chain
