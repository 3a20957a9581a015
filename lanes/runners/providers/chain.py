"""The provider runner: one message, a chain of providers, one try each, the lane kept all the while.

The rules of failing over:

- The providers are tried in their order, those that timed out within the last 30 s last. One that is cooling is
  passed over.
- Any failure fails over, as long as nothing of the reply has reached the caller. That includes what may be the
  caller's own fault: whether a request is bad (an unknown model, a parameter, a context too long) depends on who
  is asked, a refusal costs one quick answer, and to stop at the wrong one would cost the reply. Where all
  say the same, the chain that the caller reads says so as well.
- Where a conversation is longer than a provider can read, that provider is asked once more with fewer of its turns
  (``overflow``); the following are asked what is left.
- Once a piece has reached the caller, the run fails where it is: a second beginning would be worse.
- Where this process has no file descriptor left, no provider has failed: the message goes back to its place as it
  came, and nothing is claimed here for a moment.
- The run parks otherwise only where each provider was passed over for its cooldown or answered 429. If one failed
  otherwise, the message fails with the whole chain.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import NamedTuple

from lanes.base.errors import RunFailed, RunParked
from lanes.config.declared.model import ProviderConfig, RunnerConfig
from lanes.dialects.table import DIALECTS
from lanes.runners.base import Reply, RunContext, Runner
from lanes.runners.http.client import HttpClient, endpoint
from lanes.runners.http.failures import AttemptFailed, NoDescriptor, NoRoom
from lanes.runners.providers import attempt, overflow
from lanes.runners.providers.health import REFUSALS, ProviderHealth
from lanes.runners.providers.outgoing import Outgoing, outgoing
from lanes.runners.usage import cost_of
from lanes_storage.law import AttemptCause, Cause
from lanes_storage.records import AttemptPhase, CooldownRow, ProviderAttempt

#: The providers of a lane, by its key: their timeouts are fitted to its clocks.
Chain = Callable[[str], Sequence[ProviderConfig]]


def build(config: RunnerConfig, chain: Chain, standing: ProviderHealth, client: HttpClient) -> Runner:
    """The runner of one ``[[runner]]`` of kind ``provider``."""
    return _ProviderRunner(config, chain, standing, client)


class _ProviderRunner:
    def __init__(self, config: RunnerConfig, chain: Chain, standing: ProviderHealth, client: HttpClient) -> None:
        self._config = config
        self._chain = chain
        self._standing = standing
        self._client = client

    async def __call__(self, run: RunContext) -> Reply:
        """Run one message. Raises RunFailed, RunParked, NoRoom."""
        attempts: list[ProviderAttempt] = []
        untils: list[int] = []
        chain = self._standing.in_order(self._chain(run.key))
        asked = await outgoing(run, self._config, tools=any("tools" in each.extra_body for each in chain))
        places = [*enumerate(chain)]
        for at, (number, provider) in enumerate(places):
            cooling = await self._standing.cooling()
            if provider.name in cooling:
                attempts.append(self._skipped(cooling[provider.name]))
                untils.append(cooling[provider.name].until)
                continue
            place = _Place(number + 1, len(chain), [each for each in chain[number + 1 :] if each.name not in cooling])
            run.progress(f"model_call:started provider={provider.name}")
            try:
                reply = await self._attempt(run, provider, place, asked)
            except NoDescriptor:
                raise NoRoom(attempts) from None
            except AttemptFailed as failure:
                until = await self._failed(run, provider, failure, attempts)
                if until is not None:
                    untils.append(until)
                shorter = overflow.shorter(asked, failure)
                if shorter is not None and not asked.left_out:
                    places.insert(at + 1, (number, provider))  # once: the following are asked what is left
                if shorter is not None and places[at + 1 :]:
                    asked = shorter
            else:
                await self._standing.answered(provider.name)
                answered = await overflow.answered(run, asked, reply)
                cost = cost_of(reply.usage, provider.price)
                return replace(answered, provider=provider.name, attempts=tuple(attempts), cost_usd=cost)
        if attempts and len(untils) == len(attempts):
            raise RunParked(min(untils), f"no provider takes it now: {_told(attempts)}", attempts)
        if (too_long := await overflow.failed(run, asked, attempts)) is not None:
            raise too_long
        raise RunFailed(Cause.PROVIDER_FAILED, f"every provider failed: {_told(attempts)}", attempts)

    async def _attempt(self, run: RunContext, provider: ProviderConfig, place: "_Place", asked: Outgoing) -> Reply:
        dialect = DIALECTS[provider.dialect]
        url, body = endpoint(provider.base_url, dialect.route, tuple(provider.query.items())), asked.body(provider)
        headers, draft = asked.headers(provider, run), dialect.draft(provider.model, asked.passes(provider))

        def begins(limit: AttemptCause, limit_ms: int) -> None:
            run.attempt(place.phase(provider, limit, limit_ms))

        try:
            return await attempt.attempt(self._client, provider, url, body, headers, draft, run.emit, begins)
        finally:
            run.attempt(None)

    async def _failed(
        self, run: RunContext, provider: ProviderConfig, failure: AttemptFailed, attempts: list[ProviderAttempt]
    ) -> int | None:
        """Record a failure; returns until when the provider refused with 429. Raises RunFailed if the failure is
        final."""
        # Asked and discarded before anything is awaited: in between, a listener could take a piece.
        reached = run.reached_caller
        if not reached:
            run.discard()
        now = self._standing.clock().wall
        attempts.append(ProviderAttempt(provider.name, failure.cause, failure.message, now, *failure.words))
        until = await self._standing.failed(provider.name, failure)
        if reached:
            sentence = f"{_told(attempts[-1:])} in the middle of a reply that had begun to reach the caller"
            raise RunFailed(Cause.PROVIDER_FAILED, sentence, attempts) from failure
        run.progress(f"model_call:failed provider={provider.name} cause={failure.cause}")
        return until if failure.cause in REFUSALS else None

    def _skipped(self, cooldown: CooldownRow) -> ProviderAttempt:
        until = datetime.fromtimestamp(cooldown.until / 1000, UTC).isoformat(timespec="seconds")
        sentence = f"not asked, cooling until {until.replace('+00:00', 'Z')}"
        return ProviderAttempt(cooldown.provider, cooldown.cause, sentence, self._standing.clock().wall)


class _Place(NamedTuple):
    """The position of an attempt in its chain, and the next provider."""

    number: int
    of: int
    after: Sequence[ProviderConfig]

    def phase(self, provider: ProviderConfig, limit: AttemptCause, limit_ms: int) -> AttemptPhase:
        """The present phase, for those who look. A connection may stand at the last moment, and be silent then."""
        rest_ms = sum(each.connect_timeout_ms + each.first_byte_timeout_ms for each in self.after)
        if limit is AttemptCause.CONNECT_TIMEOUT:
            rest_ms += provider.first_byte_timeout_ms
        after = self.after[0].name if self.after else None
        return AttemptPhase(provider.name, limit, limit_ms, self.number, self.of, after, rest_ms)


def _told(attempts: Sequence[ProviderAttempt]) -> str:
    return "; ".join(f"{a.provider}: {a.cause} ({a.message})" for a in attempts)
