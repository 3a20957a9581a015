"""The provider runner: tries each provider of a chain once for a message, and keeps the lane throughout.

The rules of failing over:

- The providers are tried in their order, those that failed within the last 30 s last. One that is cooling is passed
  over; so is one at which all places are taken, as long as another one is left.
- Any failure fails over, as long as nothing of the reply has reached the caller. That includes failures that may be the
  caller's own fault: whether a request is bad (an unknown model, a parameter, a context too long) depends on the
  provider, a refusal costs one quick answer, and to stop too early would cost the reply. If all providers say the same,
  the caller sees that in the chain.
- A kept connection that its server closes as the request goes out is no failure: the request goes out again. One that
  breaks later is a failure: the provider may have worked on the request, and it would be paid for twice.
- If a conversation is longer than a provider can read, that provider is asked once more with fewer of its turns
  (``overflow``); the next ones get the shortened conversation.
- Once a piece has reached the caller, a failure ends the run: to begin the reply again would be worse.
- If this process has no file descriptor left, no provider has failed: the message goes back to its place unchanged,
  and nothing is claimed here for a moment.
- Whether a failure is about the provider or about the message is judged in one place (``judge``). The run parks only
  if each provider was passed over for its cooldown or refuses everybody for now. If one failed otherwise, the message
  fails with the whole chain.
- If all providers that are left have no place free, the message goes back to the queue, to wait for its turn there.
  If one failed otherwise, the run keeps its lane and stands in line.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from lanes.base.errors import RunFailed, RunParked
from lanes.config.declared.model import ProviderConfig, RunnerConfig
from lanes.dialects.table import DIALECTS
from lanes.runners.base import Reply, RunContext
from lanes.runners.http.client import HttpClient, endpoint_of
from lanes.runners.http.failures import (
    AttemptFailed,
    ConnectionClosed,
    NoDescriptor,
    NoPlace,
    NoProcess,
    NoRoom,
    NoThread,
)
from lanes.runners.providers import attempt, overflow
from lanes.runners.providers.health import ProviderHealth, ProviderRequest
from lanes.runners.providers.outgoing import Outgoing, compose
from lanes.runners.providers.places import ProviderView
from lanes.runners.usage import cost_of
from lanes.text.timestamps import moment
from lanes_storage.law import AttemptCause, Cause
from lanes_storage.records import AttemptPhase, ProviderAttempt

#: Returns the providers for the key of a lane, with timeouts that fit the clocks of that lane.
Chain = Callable[[str], Sequence[ProviderConfig]]


@dataclass(slots=True)
class _Trail:
    """The attempts of a chain so far, and the providers that are left."""

    left: list[ProviderConfig]
    attempts: list[ProviderAttempt] = field(default_factory=list)
    untils: list[int] = field(default_factory=list)  # of those that refuse everybody for now

    @property
    def waits(self) -> bool:
        """Whether every attempt so far was a refusal to everybody."""
        return len(self.untils) == len(self.attempts)


class ProviderRunner:
    """The runner of one ``[[runner]]`` of kind ``provider``."""

    def __init__(self, config: RunnerConfig, chain: Chain, health: ProviderHealth, client: HttpClient) -> None:
        self._config = config
        self._chain = chain
        self._health = health
        self._client = client

    async def __call__(self, run: RunContext) -> Reply:
        """Run one message. Raises RunFailed, RunParked, NoRoom."""
        chain = self._chain(run.key)
        outgoing = await compose(run, self._config, tools=any("tools" in each.extra_body for each in chain))
        trail = _Trail([*chain])
        while (chosen := await self._next(run, trail)) is not None:
            provider, view = chosen
            after = [each for each in trail.left if view.place(self._health.line(each)).until is None]
            place = _Place(len(chain) - len(trail.left), len(chain), after)
            run.progress(f"model_call:started provider={provider.name}")
            try:
                with self._health.requesting(run, provider, view) as request:
                    reply = await self._attempt(run, provider, place, outgoing, request)
            except NoThread as none:
                raise NoProcess(str(none), trail.attempts) from None
            except NoDescriptor:
                raise NoRoom(trail.attempts) from None
            except AttemptFailed as failure:
                await self._failed(run, provider, failure, trail, view)
                shorter = overflow.shorter(outgoing, failure)
                if shorter is not None and not outgoing.left_out:
                    trail.left.insert(0, provider)  # once: the next ones get the shortened conversation
                if shorter is not None and trail.left:
                    outgoing = shorter
            else:
                await self._health.answered(request)
                answered = await overflow.answered(run, outgoing, reply)
                cost = cost_of(reply.usage, provider.price)
                return replace(answered, provider=provider.name, attempts=tuple(trail.attempts), cost_usd=cost)
        if trail.attempts and trail.waits:
            names = [provider.name for provider in chain]
            sentence = f"no provider takes it now: {_summary(trail.attempts)}"
            raise RunParked(min(trail.untils), sentence, trail.attempts, providers=names)
        if (too_long := await overflow.failed(run, outgoing, trail.attempts)) is not None:
            raise too_long
        raise RunFailed(Cause.PROVIDER_FAILED, f"every provider failed: {_summary(trail.attempts)}", trail.attempts)

    async def _next(self, run: RunContext, trail: _Trail) -> tuple[ProviderConfig, ProviderView] | None:
        """The provider to ask next, with a place there; None if none is left. Raises NoPlace."""
        while trail.left:
            view = await self._health.look(trail.left)
            full: ProviderConfig | None = None
            for provider in sorted(trail.left, key=lambda each: view.last(self._health.line(each))):
                place = view.place(self._health.line(provider))
                if place.until is not None:
                    self._skip(provider, place.until, view, trail)
                elif await self._enter(run, provider, place.free is not None, trail):
                    trail.left.remove(provider)
                    return provider, view
                else:
                    full = full or provider
            if full is None:
                break
            if trail.waits:
                raise NoPlace(full.name, trail.attempts)
            await self._health.turn(run, full)
        return None

    async def _enter(self, run: RunContext, provider: ProviderConfig, limited: bool, trail: _Trail) -> bool:
        """Take a place if the provider's requests are limited, and leave the one that the run had before. Returns False
        if no place is free."""
        if not limited and not trail.attempts:
            return True
        return await self._health.take(run, provider if limited else None)

    async def _attempt(
        self, run: RunContext, provider: ProviderConfig, place: "_Place", outgoing: Outgoing, request: ProviderRequest
    ) -> Reply:
        """One attempt. If the server had closed the kept connection, the provider has not failed, and the request goes
        out again, unless it does harm to send it twice. The next connection may be closed as well, as a restarted
        server closes all of them; a new connection never ends in ConnectionClosed."""
        while True:
            try:
                return await self._request(run, provider, place, outgoing, request)
            except ConnectionClosed:
                if not outgoing.repeatable(provider):
                    raise

    async def _request(
        self, run: RunContext, provider: ProviderConfig, place: "_Place", outgoing: Outgoing, request: ProviderRequest
    ) -> Reply:
        dialect = DIALECTS[provider.dialect]
        url, body = endpoint_of(provider, dialect.route), outgoing.body(provider)
        headers, draft = outgoing.headers(provider, run), dialect.draft(provider.model, outgoing.passes(provider))

        def begins(limit: AttemptCause, limit_ms: int) -> None:
            run.attempt(place.phase(provider, limit, limit_ms))
            if limit is AttemptCause.IDLE_TIMEOUT:  # content has come: before that, a stream may still refuse
                self._health.began(request)

        try:
            return await attempt.attempt(self._client, provider, url, body, headers, draft, run.emit, begins)
        finally:
            run.attempt(None)

    async def _failed(
        self, run: RunContext, provider: ProviderConfig, failure: AttemptFailed, trail: _Trail, before: ProviderView
    ) -> None:
        """Record a failure. Raises RunFailed if it is final."""
        # Both before anything is awaited: in between, a listener could take a piece.
        reached = run.reached_caller
        if not reached:
            run.discard()
        now = self._health.clock().wall
        trail.attempts.append(ProviderAttempt(provider.name, failure.cause, failure.message, now, *failure.words))
        until = await self._health.failed(run, provider, failure, before)
        if reached:
            sentence = f"{_summary(trail.attempts[-1:])} in the middle of a reply that had begun to reach the caller"
            raise RunFailed(Cause.PROVIDER_FAILED, sentence, trail.attempts) from failure
        run.progress(f"model_call:failed provider={provider.name} cause={failure.cause}")
        if until is not None:
            trail.untils.append(until)

    def _skip(self, provider: ProviderConfig, until: int, view: ProviderView, trail: _Trail) -> None:
        """Pass over a provider that cools."""
        trail.left.remove(provider)
        trail.untils.append(until)
        cause = view.row(self._health.line(provider)).cause or AttemptCause.RATE_LIMITED
        sentence = f"not asked, cooling until {moment(until)[:19]}Z"
        trail.attempts.append(ProviderAttempt(provider.name, cause, sentence, self._health.clock().wall))


class _Place(NamedTuple):
    """The position of an attempt in its chain, and the providers that may be asked after it."""

    number: int
    of: int
    after: Sequence[ProviderConfig]

    def phase(self, provider: ProviderConfig, limit: AttemptCause, limit_ms: int) -> AttemptPhase:
        """The present phase, for ``lanes why``. ``rest_ms`` assumes that every later phase uses up its whole limit."""
        rest_ms = sum(each.connect_timeout_ms + each.first_byte_timeout_ms for each in self.after)
        if limit is AttemptCause.CONNECT_TIMEOUT:
            rest_ms += provider.first_byte_timeout_ms
        after = self.after[0].name if self.after else None
        return AttemptPhase(provider.name, limit, limit_ms, self.number, self.of, after, rest_ms)


def _summary(attempts: Sequence[ProviderAttempt]) -> str:
    return "; ".join(f"{a.provider}: {a.cause} ({a.message})" for a in attempts)
