"""The timeouts of an attempt: one deadline that moves from phase to phase."""

import asyncio
from collections.abc import Callable
from types import TracebackType

from lanes.base import durations
from lanes.config.declared.model import ProviderConfig
from lanes.runners.http.failures import AttemptFailed
from lanes_storage.law import AttemptCause

#: If the event loop was blocked for longer than this, the timeout starts again: data may have arrived unread.
LATE_S = 0.5
#: How long the end of the response is waited for after the terminal event, so that its connection can be used
#: again, in seconds.
LINGER_S = 0.05

#: The limits by which an attempt may end.
TIMEOUTS = frozenset({AttemptCause.CONNECT_TIMEOUT, AttemptCause.FIRST_BYTE_TIMEOUT, AttemptCause.IDLE_TIMEOUT})

#: Called for each phase, with the limit that ends it and the length of that limit in milliseconds.
Begins = Callable[[AttemptCause, int], None]


class Patience:
    """Ends its block with ``AttemptFailed`` when the provider stays silent for longer than the phase allows.

    Three phases follow each other: until the connection is open, until the first content, and between two
    pieces of content. Only content counts: neither comments nor empty events move the deadline. A cancellation
    from outside stays one, whatever the deadline did.
    """

    def __init__(self, provider: ProviderConfig, begins: Begins) -> None:
        self._provider = provider
        self._begins = begins
        self._loop = asyncio.get_running_loop()
        self._timeout = asyncio.timeout(None)
        self._timer: asyncio.TimerHandle | None = None
        self._waited = 0.0

    async def __aenter__(self) -> "Patience":
        await self._timeout.__aenter__()
        self._begin(AttemptCause.CONNECT_TIMEOUT, self._provider.connect_timeout_ms, "no connection")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.over()
        try:
            await self._timeout.__aexit__(kind, error, trace)
        except TimeoutError:
            waited = f"{self._waited:.1f}s" if self._waited >= 1 else f"{self._waited * 1000:.0f}ms"
            sentence = f"{self._missing} within {durations.show(self._budget_ms)}; waited {waited}"
            raise AttemptFailed(self._cause, sentence) from None

    def connected(self) -> None:
        """The connection is open and the request is sent: now wait for the first content."""
        self._begin(AttemptCause.FIRST_BYTE_TIMEOUT, self._provider.first_byte_timeout_ms, "no content")

    def content(self) -> None:
        """Content has arrived."""
        if self._cause is AttemptCause.IDLE_TIMEOUT and self._timer is not None:
            self._last = self._loop.time()  # cheap: the timer looks at it only when it is due
        else:
            self._begin(AttemptCause.IDLE_TIMEOUT, self._provider.idle_timeout_ms, "no further content")

    def over(self) -> None:
        """The terminal event has arrived: no more waiting."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self._timeout.expired():
            self._timeout.reschedule(None)

    def _begin(self, cause: AttemptCause, budget_ms: int, missing: str) -> None:
        self.over()
        self._cause, self._budget_ms, self._missing = cause, budget_ms, missing
        self._last = self._loop.time()
        self._arm(self._last + budget_ms / 1000)
        self._begins(cause, budget_ms)

    def _arm(self, when: float) -> None:
        self._timer = self._loop.call_at(when, self._due, when)

    def _due(self, when: float) -> None:
        now = self._loop.time()
        if now - when > LATE_S:
            self._last = now
        end = self._last + self._budget_ms / 1000
        if end > now:
            self._arm(end)
        else:
            self._timer = None
            self._waited = now - self._last
            self._timeout.reschedule(now)  # takes effect after what is ready now: content may still come first
