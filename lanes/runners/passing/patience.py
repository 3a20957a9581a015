"""The timeouts of a provider whose answer goes to a client that may read slowly."""

import contextlib
from collections.abc import Iterator

from lanes.config.declared.model import ProviderConfig
from lanes.runners.providers.timeouts import Begins, Patience


class ClientPatience(Patience):
    """Patience whose clock stops while a piece waits for the client, which is no silence of the provider."""

    def __init__(self, provider: ProviderConfig, begins: Begins) -> None:
        super().__init__(provider, begins)
        self._sending = self._missed = False

    async def __aenter__(self) -> "ClientPatience":
        await super().__aenter__()
        return self

    @contextlib.contextmanager
    def sending(self) -> Iterator[None]:
        """A piece is on its way to the client."""
        since, self._sending = self._loop.time(), True
        try:
            yield
        finally:
            self._sending = False
            self._last += self._loop.time() - since
            if self._missed:
                self._missed = False
                self._arm(self._last + self._budget_ms / 1000)

    def _due(self, when: float) -> None:
        if self._sending:
            self._timer, self._missed = None, True
        else:
            super()._due(when)
