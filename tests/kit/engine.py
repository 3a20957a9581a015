"""The parts of the engine by themselves, on a real database and with a time that a test moves."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

from lanes.engine.dispatch.policies import Policies
from lanes.engine.runs.live import ActiveRun
from lanes.runners.base import Reply, RunContext, Runner, RunnerSpec
from lanes_storage.interface import AsyncStore
from lanes_storage.law import RunnerKind
from lanes_storage.records import Claimed, Head, Terms
from tests.kit.world import TERMS, World


async def echo(run: RunContext) -> str | Reply:
    """A runner that repeats the text."""
    return f"you said: {run.text}"


def spec(run: Runner = echo, name: str = "chat", max_runs: int = 10, providers: tuple[str, ...] = ()) -> RunnerSpec:
    """A runner as the dispatcher knows it."""
    return RunnerSpec(name, RunnerKind.PROVIDER, run, max_runs, providers)


@dataclass
class FixedPolicies(Policies):
    """The same terms for every lane, and the runners that are named."""

    runners: Mapping[str, str] = field(default_factory=dict)
    terms_: Terms = TERMS

    def runner_of(self, key: str) -> str | None:
        return self.runners.get(key)

    def terms(self, head: Head, spec: RunnerSpec) -> Terms:
        return self.terms_


def active(world: World, astore: AsyncStore, claimed: Claimed, run: Runner = echo) -> ActiveRun:
    """A claimed run as the engine holds it. From the event loop."""
    return ActiveRun(claimed, spec(run), world.me, astore, world.time, asyncio.get_running_loop())
