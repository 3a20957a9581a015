"""The runner of a source: a run lasts from a request to the end of its answer, and only passes both on.

It adds limits and never sends a request twice. Every answer of a provider is passed on; the run only records how it
ended. Nothing here cools a provider: the key, and so its limits, may be the client's own.
"""

import asyncio
from functools import partial

from lanes.base.errors import RunFailed
from lanes.config.declared.model import SourceConfig
from lanes.runners.base import Reply, RunContext
from lanes.runners.http.client import HttpClient
from lanes.runners.http.failures import AttemptFailed, NoDescriptor
from lanes.runners.passing.exchange import Exchange
from lanes.runners.passing.relay import Passed, relay
from lanes.runners.providers.timeouts import TIMEOUTS
from lanes_storage.clock import Clock
from lanes_storage.law import AttemptCause, Cause
from lanes_storage.records import AttemptPhase, ProviderAttempt, is_outline

#: Why a run fails if its request is not in memory, or went out before.
ONCE = "a request that is passed on runs once, and only while its client waits; its content is not stored"
NO_ROOM = AttemptFailed(AttemptCause.UNREACHABLE, "no file descriptor was free in the gateway")


class PassingRunner:
    """Runs the requests of one source. Belongs to the event loop."""

    def __init__(self, source: SourceConfig, client: HttpClient, clock: Clock) -> None:
        self.source = source
        self.client = client
        self._clock = clock
        self._waiting: dict[int, asyncio.Future[Exchange]] = {}

    def expect(self, message_id: int, exchange: Exchange) -> None:
        """Hand over the request of a message that was just accepted; its run may have begun."""
        self._of(message_id).set_result(exchange)

    def forget(self, message_id: int) -> None:
        """Drop the request of a message that has ended."""
        self._waiting.pop(message_id, None)

    def _of(self, message_id: int) -> asyncio.Future[Exchange]:
        if message_id not in self._waiting:
            self._waiting[message_id] = asyncio.get_running_loop().create_future()
        return self._waiting[message_id]

    async def __call__(self, run: RunContext) -> Reply:
        """Pass one request on. Raises RunFailed."""
        if run.message.bound_owner is None or not is_outline(run.request):
            raise RunFailed(Cause.RUNNER_FAILED, ONCE)
        exchange = await asyncio.shield(self._of(run.message.id))
        if (limits := exchange.limits(self.source.provider)) is None:
            raise RunFailed(Cause.RUNNER_FAILED, ONCE)
        run.progress(f"model_call:started provider={limits.name}")
        if not exchange.streamed:
            run.busy(limits.first_byte_timeout_ms / 1000, "waiting for a whole answer")

        def begins(limit: AttemptCause, limit_ms: int) -> None:
            run.attempt(AttemptPhase(limits.name, limit, limit_ms))

        try:
            return self._reply(await relay(self.client, limits, exchange, begins, partial(run.progress, "content")))
        except NoDescriptor:
            raise self._failed(NO_ROOM) from None
        except AttemptFailed as failure:
            exchange.broken = exchange.started and failure.cause not in TIMEOUTS
            raise self._failed(failure) from None
        finally:
            run.attempt(None)
            exchange.close()

    def _reply(self, passed: Passed) -> Reply:
        if passed.failed is not None:
            raise self._failed(passed.failed)
        return Reply("", usage=passed.usage, model=passed.model, provider=self.source.provider.name)

    def _failed(self, failure: AttemptFailed) -> RunFailed:
        name = self.source.provider.name
        attempt = ProviderAttempt(name, failure.cause, failure.message, self._clock().wall, *failure.words)
        return RunFailed(Cause.PROVIDER_FAILED, f"{name}: {failure.cause} ({failure.message})", [attempt])
