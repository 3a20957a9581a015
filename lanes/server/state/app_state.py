"""The application state that all routes share."""

from collections.abc import Iterator
from contextlib import contextmanager

from lanes.config import Config
from lanes.gateway import Gateway
from lanes.server.state.body_room import BodyRoom
from lanes.server.state.cancellation import CancelScope, ServerClosing
from lanes.server.state.clients import Clients
from lanes.server.state.journal import Feed
from lanes.server.state.polled_waits import PolledWaits
from lanes.verbs import sending


class AppState:
    """One gateway, its configuration, the journal feed, and whether the gateway has stopped."""

    def __init__(self, gateway: Gateway, config: Config) -> None:
        self.gateway, self.desk = gateway, gateway.desk
        self.config = config
        self.feed = Feed(gateway.desk)
        self.clients = Clients()
        self.bodies = BodyRoom()
        self.polled = PolledWaits(lambda run, message: self.desk.perform(sending.end_wait(run, message)))
        self.closed = False
        self._waiting: set[CancelScope] = set()

    def close(self) -> None:
        """End waiting requests and streams, since the gateway has stopped."""
        self.closed = True
        self.feed.end()
        self.polled.close()
        for cut in list(self._waiting):
            cut(ServerClosing())

    @contextmanager
    def while_open(self, cut: CancelScope) -> Iterator[None]:
        """A block during which ``cut`` is ended with ServerClosing when the gateway has stopped."""
        self._waiting.add(cut)
        try:
            yield
        finally:
            self._waiting.discard(cut)
